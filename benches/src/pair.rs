//! Other processes of this very program, each pinned to a processor, and told over their standard input what to do next.
//!
//! They answer a line over their standard output when they have begun, and another when they have ended:
//!
//! | told | does | says |
//! |---|---|---|
//! | `line PATH` | shares a cache line with the asker's at PATH | the path of its own |
//! | `place` | answers on that line until told on it to stop | |
//! | anything else | the workload named first, see `work` in `main.rs` | as that says |

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use ringway::prelude::secs;
use ringway_shm::segment::OwnSegment;
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::line::{self, Line};
use crate::processors::{self, HERE, THERE, pin};
use crate::{Result, place};

/// The argument that makes this program an answering process; which processor, and which numbers they have, follow.
pub(crate) const ANSWER: &str = "answer";
/// How long is waited for what comes in any case, on however slow a machine: names, nodes, processes, sums of a series. None
/// of it is measured.
pub(crate) const LONG: Duration = secs(120);
/// What a workload says when it can be measured.
pub(crate) const READY: &str = "ready";

/// Another process of this program. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Other {
    child: Child,
    told: ChildStdin,
    says: BufReader<ChildStdout>,
}

impl Other {
    /// Starts it, on that processor.
    pub(crate) fn start(processor: usize) -> Result<Self> {
        Self::start_as(processor, |_| {})
    }

    /// The same, with something else about it.
    pub(crate) fn start_as(processor: usize, change: impl FnOnce(&mut Command)) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        change(&mut command);
        let mut child = command
            .args([ANSWER, &processor.to_string(), &processors::told()?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let told = child.stdin.take().ok_or("no pipe to the child")?;
        let says = child.stdout.take().ok_or("no pipe from the child")?;
        Ok(Self {
            child,
            told,
            says: BufReader::new(says),
        })
    }

    pub(crate) fn tell(&mut self, words: &str) -> Result<()> {
        writeln!(self.told, "{words}")?;
        Ok(())
    }

    /// The next line that it says; an error when it has ended.
    pub(crate) fn hear(&mut self) -> Result<String> {
        hear(&mut self.says)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it is ready.
    pub(crate) fn ready(&mut self) -> Result<()> {
        match self.hear()? {
            said if said == READY => Ok(()),
            said => Err(format!("the other process said {said:?}, not {READY:?}").into()),
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // Errors mean that it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answering process and a cache line to it, with this process on the other processor.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) other: Other,
    pub(crate) line: Line,
    _segment: OwnSegment,
}

impl Pair {
    /// Starts the other side there and moves this one here.
    pub(crate) fn start() -> Result<Self> {
        let mut other = Other::start(THERE)?;
        pin(HERE)?;
        let segment = line::create()?;
        other.tell(&format!("line {}", crate::path_of(segment.fd())))?;
        let line = Line::open(&segment, &other.hear()?)?;
        Ok(Self {
            other,
            line,
            _segment: segment,
        })
    }
}

fn hear(says: &mut impl BufRead) -> Result<String> {
    let mut said = String::new();
    says.read_line(&mut said)?;
    if said.is_empty() {
        return Err("the other process has ended".into());
    }
    Ok(said.trim_end().to_owned())
}

/// The ways of an answering process to the one that told it something.
#[derive(Debug)]
pub(crate) struct Teller {
    input: BufReader<File>,
    output: File,
}

impl Teller {
    pub(crate) fn say(&mut self, words: &str) -> Result<()> {
        writeln!(self.output, "{words}")?;
        Ok(())
    }

    pub(crate) fn hear(&mut self) -> Result<String> {
        hear(&mut self.input)
    }
}

/// The answering process, until its standard input ends.
pub(crate) fn answer(processor: &str, numbers: &str) -> Result<()> {
    // It may be spinning when the asker dies, and read nothing.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    processors::learn(numbers)?;
    pin(processor.parse()?)?;
    let input = std::io::stdin().as_fd().try_clone_to_owned()?;
    let output = std::io::stdout().as_fd().try_clone_to_owned()?;
    let mut teller = Teller {
        input: BufReader::new(File::from(input)),
        output: File::from(output),
    };
    let segment = line::create()?;
    let mut line = None;
    while let Ok(said) = teller.hear() {
        let words: Vec<&str> = said.split(' ').collect();
        match words.as_slice() {
            ["line", path] => {
                line = Some(Line::open(&segment, path)?);
                teller.say(&crate::path_of(segment.fd()))?;
            }
            ["place"] => place::answer(line.as_ref().ok_or("no line yet")?),
            words => crate::work(words, &mut teller)?,
        }
    }
    Ok(())
}
