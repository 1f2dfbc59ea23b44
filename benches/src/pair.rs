//! Two processes, each on a processor of its own: this one asks, a child of the same program answers.
//!
//! The child is told over its standard input what to do next, a line each, and says over its standard output when it has
//! begun or ended:
//!
//! | told | does | says |
//! |---|---|---|
//! | `line PATH` | shares a cache line with the asker's at PATH | the path of its own |
//! | `place` | answers on that line until told on it to stop | |
//! | `pipe N` | sends N times eight bytes back | |
//! | `spin DIR`, `own DIR`, `sleep DIR` | runs an actor until that is stopped | `ready`, then what the actor counted and summed |

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use ringway_shm::segment::OwnSegment;
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::line::{self, Line};
use crate::ping::{self, Mode};
use crate::{Result, place};

/// The argument that makes this program the answering side.
pub(crate) const ANSWER: &str = "answer";

/// The answering process, and the ways to it. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Pair {
    child: Child,
    told: ChildStdin,
    says: BufReader<ChildStdout>,
    pub(crate) line: Line,
    _segment: OwnSegment,
}

impl Pair {
    /// Starts the other side on processor 1 and moves this one to processor 0.
    pub(crate) fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ANSWER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        pin(0)?;
        let mut told = child.stdin.take().ok_or("no pipe to the child")?;
        let mut says = BufReader::new(child.stdout.take().ok_or("no pipe from the child")?);
        let segment = line::create()?;
        writeln!(told, "line {}", path_of(&segment))?;
        let line = Line::open(&segment, &hear(&mut says)?)?;
        Ok(Self {
            child,
            told,
            says,
            line,
            _segment: segment,
        })
    }

    pub(crate) fn tell(&mut self, words: &str) -> Result<()> {
        writeln!(self.told, "{words}")?;
        Ok(())
    }

    pub(crate) fn hear(&mut self) -> Result<String> {
        hear(&mut self.says)
    }

    /// One exchange of eight bytes over the pipes, for a child that was told so.
    pub(crate) fn exchange(&mut self, word: u64) -> Result<u64> {
        let mut bytes = word.to_ne_bytes();
        self.told.write_all(&bytes)?;
        self.says.read_exact(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // Errors mean that it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hear(says: &mut impl BufRead) -> Result<String> {
    let mut said = String::new();
    says.read_line(&mut said)?;
    if said.is_empty() {
        return Err("the answering process has ended".into());
    }
    Ok(said.trim_end().to_owned())
}

/// The answering process, until its standard input ends.
pub(crate) fn answer() -> Result<()> {
    // It may be spinning when the asker dies, and read nothing.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    pin(1)?;
    let (input, output) = (
        std::io::stdin().as_fd().try_clone_to_owned()?,
        std::io::stdout(),
    );
    let mut input = BufReader::new(File::from(input));
    let mut output = File::from(output.as_fd().try_clone_to_owned()?);
    let segment = line::create()?;
    let mut line = None;
    while let Ok(words) = hear(&mut input) {
        match words.split_once(' ').unwrap_or((&words, "")) {
            ("line", path) => {
                line = Some(Line::open(&segment, path)?);
                writeln!(output, "{}", path_of(&segment))?;
            }
            ("place", _) => place::answer(line.as_ref().ok_or("no line yet")?),
            ("pipe", count) => {
                let mut bytes = [0; 8];
                for _ in 0..count.parse::<u64>()? {
                    input.read_exact(&mut bytes)?;
                    output.write_all(&bytes)?;
                }
            }
            (mode, directory) => match Mode::named(mode) {
                Some(mode) => ping::answer(mode, Path::new(directory), &mut output)?,
                None => return Err(format!("told {words:?}").into()),
            },
        }
    }
    Ok(())
}

/// Where another process can open the segment, while this one holds it.
fn path_of(segment: &OwnSegment) -> String {
    format!(
        "/proc/{}/fd/{}",
        std::process::id(),
        segment.fd().as_raw_fd()
    )
}

/// Moves this thread, and those that it will start, to one processor.
fn pin(processor: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(processor);
    sched_setaffinity(None, &set)
        .map_err(|error| format!("cannot move to processor {processor}: {error}").into())
}
