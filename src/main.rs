//! The `hardened` program.

use std::process::ExitCode;

use hardened::host::Environment;

// musl's own allocator has one lock for all threads.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hardened::cli::run(std::env::args_os(), Environment::of_process())
}
