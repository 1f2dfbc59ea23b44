//! Measures Ringway beside the limit of the machine, in one run. `benches/README.md` says under which conditions.
//!
//! ```sh
//! cargo run --release -p ringway-bench -- ping            # about ten seconds
//! cargo run --release -p ringway-bench -- ping --brief    # one second, for CI: checks what arrives, not how fast
//! ```

mod clock;
mod figures;
mod line;
mod pair;
mod ping;
mod place;

use std::process::ExitCode;

/// What can go wrong in a measurement: it is told and ends the run.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "usage: ringway-bench ping [--brief] [--rounds N] [--mode spin|own|sleep]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["ping", options @ ..] => ping::Options::parse(options).and_then(|plan| ping::run(&plan)),
        [pair::ANSWER] => pair::answer(),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringway-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
