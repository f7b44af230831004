//! The soak runner: long runs of what the tests show once, with figures. `benches/README.md` says how; `docs/FIGURES.md` what came of it.
//!
//! `cargo run --release --example soak -- MODE [--count N] [--seconds N] [--percent P] [--workers N] [--seed N]
//! [--registry HOST:PORT] [--by hardened|crane|skopeo] [--folder DIR] [--tree DIR] [--bars all|counts]`

#![expect(clippy::disallowed_methods, reason = "it starts hardened, and peers to compare it with")]
#![expect(clippy::unwrap_used, reason = "a run that can't go on ends")]
#![expect(clippy::print_stdout, reason = "its figures are its output")]

mod concurrent;
mod delay;
mod kills;
#[path = "../../tests/support/made.rs"]
mod made;
mod options;
#[path = "../../tests/support/proxy.rs"]
mod proxy;
#[path = "../../tests/support/registry.rs"]
#[expect(dead_code, reason = "its registry fails as it is told in the tests only")]
mod registry;
mod run;
mod second;
mod size;
mod transfers;
mod workshop;

use std::process::ExitCode;

use options::Options;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let mode = arguments.next().unwrap_or_default();
    // The runner starts itself as hardened, so that what is measured is what was compiled with it.
    if mode == "hardened" {
        return run::be_hardened(arguments);
    }
    let options = Options::read(arguments.map(|argument| argument.into_string().unwrap()));
    let good = match mode.to_str().unwrap_or_default() {
        "push" => transfers::push(&options),
        "pull" => transfers::pull(&options),
        "kills" => kills::run(&options),
        "concurrent" => concurrent::run(&options),
        "delay" => delay::run(&options),
        "size" => size::run(&options),
        "second" => second::run(&options),
        other => {
            println!("unknown mode `{other}`: push, pull, kills, concurrent, delay, size or second");
            false
        }
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
