//! Counts the words of files with several processes, without copying a word between them.
//!
//! This process reads files straight into blocks of its shared memory and lends them, chunk by chunk, to child processes,
//! whose actors count in place. In the end each hands over its table, page by page; the sum is printed and compared with
//! a plain count of the same files by this process alone.
//!
//! ```sh
//! cargo run --release --example wordcount                    # this repository's own text
//! cargo run --release --example wordcount -- --workers 4 FILES...
//! ```
//!
//! ```text
//!  files --read--> [chunk][chunk][chunk]  this process's heap, at most 64 MiB
//!                     |      |      |     lent: an entry of 64 bytes each
//!                  Counter Counter  ...   child processes: one table each
//!                     |      |
//!                     +-pages+----------> sum, in the order of words
//! ```
//!
//! Words are runs of bytes between ASCII white space, whatever else the bytes are: as `wc -w` counts text. Files may be of
//! any size; memory grows with the number of different words only.
//!
//! Exits with 2, and prints no result, when an argument or a file is at fault.
#![forbid(unsafe_code)]

mod arguments;
mod chunks;
mod counter;
mod counts;
mod farm;
mod files;
mod plain;
mod report;
mod tally;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use ringway::prelude::*;

use arguments::{Arguments, UsageError};
use counter::Counter;
use report::Report;

/// What the blocks lent to the children may take, in bytes.
const HEAP_LIMIT: u64 = 64 << 20;

type Result<T> = std::result::Result<T, BoxError>;

fn main() -> ExitCode {
    let config = NodeConfig::on("wordcount").heap_limit(HEAP_LIMIT);
    let roles = Roles::with(config.clone()).actor::<Counter>(counter::ROLE);
    if let Some(code) = roles.take() {
        return code; // this was a child; the rest is for the parent
    }
    match run(config).and_then(|report| print(&report)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => explain(&*error),
    }
}

/// Says what is wrong, with all causes; returns whose fault it is.
fn explain(error: &(dyn Error + Send + Sync + 'static)) -> ExitCode {
    if let Some(UsageError::Help) = error.downcast_ref() {
        println!("{error}");
        return ExitCode::SUCCESS;
    }
    eprint!("wordcount: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprint!(": {error}");
        cause = error.source();
    }
    eprintln!();
    let is_callers = error.is::<UsageError>() || error.is::<io::Error>(); // files alone are read with such errors
    ExitCode::from(if is_callers { 2 } else { 1 })
}

fn run(config: NodeConfig) -> Result<Report> {
    let Arguments { workers, files } = Arguments::of_process()?;
    files.check()?;

    let started = Instant::now();
    let node = Node::attach(config)?;
    let children = node.run_until(farm::start(&node, workers))?;
    let ready = Instant::now();
    let counted = node.run_until(farm::count(&children, &files))?;
    let done = Instant::now();
    drop((children, node)); // ends the children, and frees their tables

    let alone = Instant::now();
    let plain = plain::count(&files)?;
    let report = Report {
        files: files.len(),
        workers,
        starting: ready - started,
        counting: done - ready,
        plain: alone.elapsed(),
        counted,
    };
    plain.compare(&report.counted)?;
    Ok(report)
}

/// Prints everything at once.
fn print(report: &Report) -> Result<()> {
    io::stdout()
        .write_all(report.to_string().as_bytes())
        .map_err(|error| format!("cannot print: {error}").into())
}
