//! `count`: the instructions of the hot paths, exact, the same on a busy machine as on an idle one.
//!
//! Valgrind would be the usual tool, but current Debian's (3.19) knows no pidfds, without which no node attaches. So a child
//! of this program is stepped through the paths instead, one instruction at a time. Both ends of a uring are driven by its
//! one thread: nothing depends on who was faster.

mod baseline;
mod marks;
mod paths;
#[cfg(target_arch = "x86_64")]
mod stepper;

use crate::Result;
use crate::bus::Bus;
use crate::options::Options;
use crate::pair::{Other, Teller};
use crate::processors::{HERE, pin};
use crate::report::{Cell, Lay, Report};

/// What the stepped process is told: `paths TIMES DIRECTORY`.
pub(crate) const PATHS: &str = "paths";

/// Which routines the C library chooses for copying depends on the processor, unless it is told that it has no more than
/// every x86-64.
const SAME_ROUTINES: (&str, &str) = (
    "GLIBC_TUNABLES",
    "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM",
);
/// How often a path is counted: allocators, clocks and the table of timers take a longer way now and then.
const TIMES: usize = 9;
const TIMES_BRIEF: usize = 2;

/// The instructions of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Count {
    path: String,
    /// The smallest count.
    instructions: u64,
    /// How many of `times` came to more.
    others: usize,
    times: usize,
}

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<()> {
    let times = if options.brief { TIMES_BRIEF } else { TIMES };
    let counts = match count(times) {
        Ok(counts) => counts,
        Err(NotCounted::Here(why)) => {
            eprintln!("not run: instructions cannot be counted: {why}");
            return Ok(());
        }
        Err(NotCounted::Failed(error)) => return Err(error),
    };
    if let Some(file) = &options.against {
        return baseline::compare(&counts, file);
    }
    for count in &counts {
        let cell = Cell::new("ringway", "count").with("path", &count.path);
        let cell = cell.with("compiler", baseline::COMPILER);
        let n = count.times as u64;
        report.value(
            &cell,
            "instructions",
            count.instructions as f64,
            n,
            Lay::default(),
        );
    }
    match &options.keep {
        Some(file) => baseline::keep(&counts, file),
        None => Ok(()),
    }
}

/// Why there are no counts.
#[derive(Debug)]
enum NotCounted {
    /// This machine does not permit it.
    Here(String),
    Failed(Box<dyn std::error::Error>),
}

impl<E: Into<Box<dyn std::error::Error>>> From<E> for NotCounted {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

#[cfg(target_arch = "x86_64")]
fn count(times: usize) -> std::result::Result<Vec<Count>, NotCounted> {
    // Both on one processor: they never run at the same time, and hand over faster.
    pin(HERE)?;
    let bus = Bus::new();
    let mut other = Other::start_as(HERE, |command| {
        command.env(SAME_ROUTINES.0, SAME_ROUTINES.1);
    })?;
    other.tell(&format!("{PATHS} {times} {}", bus.directory()))?;
    let names = other.hear()?;
    let stepper = stepper::Stepper::seize(other.pid()).map_err(NotCounted::Here)?;
    other.tell("begin")?;
    let stretches = stepper.run()?;
    other.ready()?;
    let names: Vec<&str> = names.split(',').collect();
    if stretches.len() != names.len() * times {
        return Err(format!("{} stretches of {} paths", stretches.len(), names.len()).into());
    }
    let counted = names.iter().zip(stretches.chunks(times));
    let mut counts: Vec<Count> = counted.map(|(name, steps)| least(name, steps)).collect();
    // The first is an empty stretch: what marking costs.
    let empty = counts.remove(0).instructions;
    counts
        .iter_mut()
        .for_each(|count| count.instructions -= empty);
    Ok(counts)
}

#[cfg(not(target_arch = "x86_64"))]
fn count(_times: usize) -> std::result::Result<Vec<Count>, NotCounted> {
    Err(NotCounted::Here("only on x86-64".to_owned()))
}

/// The smallest count: the others took a longer way somewhere.
fn least(path: &str, steps: &[u64]) -> Count {
    let instructions = steps.iter().min().copied().unwrap_or(0);
    Count {
        path: path.to_owned(),
        instructions,
        others: steps.iter().filter(|steps| **steps != instructions).count(),
        times: steps.len(),
    }
}

/// The stepped process.
pub(crate) fn serve(words: &[&str], teller: &mut Teller) -> Result<()> {
    let [times, directory] = words else {
        return Err(format!("{PATHS} {words:?}").into());
    };
    paths::walk(times.parse()?, directory, teller)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_straight_way() {
        let count = least("p", &[7, 5, 5, 9, 9]);
        assert_eq!((count.instructions, count.others, count.times), (5, 3, 5));
    }
}
