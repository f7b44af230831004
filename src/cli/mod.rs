//! The door: arguments, the terminal and exit codes.

pub mod screen;
