//! The `hardened` program.

fn main() {}
