//! Measures Ringway beside the limit of the machine, in one run. `benches/README.md` says what, and under which conditions.
//!
//! ```sh
//! cargo run --release -p ringway-bench -- ask --bytes 8 --table
//! cargo run --release -p ringway-bench -- all --brief              # what CI runs: checks what arrives, not how fast
//! ```

mod alloc;
mod ask;
mod bare;
mod bus;
mod clock;
mod count;
mod figures;
mod gate;
mod idle;
mod limit;
mod line;
mod local;
mod options;
mod pair;
mod payload;
mod place;
mod processors;
mod report;
mod restart;
mod ring;
mod scale;
mod series;
mod shared;
mod sink;
mod spin;
mod start;
mod tell;
mod topics;
mod watch;

use std::os::fd::{AsRawFd, BorrowedFd};
use std::process::ExitCode;

use options::Options;
use pair::Teller;
use report::Report;

/// What can go wrong in a measurement: it is told and ends the run.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

type Workload = fn(&Options, &mut Report) -> Result<()>;

/// The subcommands; `all` runs every one.
const WORKLOADS: [(&str, Workload); 11] = [
    ("limit", limit::run),
    ("ask", ask::run),
    ("tell", tell::run),
    ("local", local::run),
    ("idle", idle::run),
    ("start", start::run),
    ("restart", restart::run),
    ("alloc", alloc::run),
    ("count", count::run),
    ("scale", scale::run),
    ("topics", topics::run),
];

fn main() -> ExitCode {
    restart::began();
    if let Some(code) = restart::roles(start::roles()).take() {
        return code;
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [pair::ANSWER, processor, numbers] => pair::answer(processor, numbers),
        [name, options @ ..] => measure(name, options),
        [] => Err(usage().into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringway-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(name: &str, options: &[&str]) -> Result<()> {
    let options = Options::parse(options)?;
    let asked = |workload: &&(&str, Workload)| name == "all" || name == workload.0;
    let mut workloads = WORKLOADS.iter().filter(asked).peekable();
    if workloads.peek().is_none() {
        return Err(usage().into());
    }
    let mut report = Report::new(options.table);
    let done = workloads.into_iter().try_for_each(|(name, run)| {
        watch::watched(name, options.brief, || run(&options, &mut report))
            .map_err(|error| format!("{name}: {error}").into())
    });
    // Also what was measured before something went wrong.
    report.end();
    done
}

fn usage() -> String {
    let names: Vec<&str> = WORKLOADS.iter().map(|workload| workload.0).collect();
    format!(
        "usage: ringway-bench {}|all [options]\n{}",
        names.join("|"),
        options::TEXT
    )
}

/// What an answering process does when it is told to.
pub(crate) fn work(words: &[&str], teller: &mut Teller) -> Result<()> {
    match words {
        [bare::RING, words @ ..] => bare::serve(words, teller),
        [sink::SINK, words @ ..] => sink::serve(words, teller),
        [tell::SEND, words @ ..] => tell::serve(words, teller),
        [idle::CROWD, words @ ..] => idle::serve(words, teller),
        [start::FIRST, words @ ..] => start::serve(words, teller),
        [start::DOORS, words @ ..] => start::serve_doors(words, teller),
        [scale::PEER, words @ ..] => scale::serve(words, teller),
        [local::LOCAL, words @ ..] => local::serve(words, teller),
        [count::PATHS, words @ ..] => count::serve(words, teller),
        _ => Err(format!("told {words:?}").into()),
    }
}

/// Where another process can open a descriptor of this one, while it is open.
pub(crate) fn path_of(fd: BorrowedFd<'_>) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd())
}
