//! The two processors that measurements use: the first two of those that the program may run on, whichever these are; the
//! same one twice where there is only one, which measures nothing, but checks what arrives.

use std::sync::OnceLock;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Result;

/// Where the measuring process runs, and other senders.
pub(crate) const HERE: usize = 0;
/// Where the answering process runs.
pub(crate) const THERE: usize = 1;
/// A process on both.
pub(crate) const ANYWHERE: usize = usize::MAX;

static NUMBERS: OnceLock<[usize; 2]> = OnceLock::new();

/// The numbers that the system gives them. Looked up before this program pins itself; an answering process is told them, as it
/// inherits where its parent was pinned.
fn numbers() -> Result<[usize; 2]> {
    if let Some(numbers) = NUMBERS.get() {
        return Ok(*numbers);
    }
    let allowed = sched_getaffinity(None)
        .map_err(|error| format!("cannot see which processors there are: {error}"))?;
    let mut all = (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number));
    let first = all.next().ok_or("no processor to run on")?;
    let numbers = [first, all.next().unwrap_or(first)];
    Ok(*NUMBERS.get_or_init(|| numbers))
}

/// Whether both are the same: there is no other.
pub(crate) fn are_one() -> bool {
    numbers().is_ok_and(|[here, there]| here == there)
}

/// As an answering process is told them.
pub(crate) fn told() -> Result<String> {
    let [here, there] = numbers()?;
    Ok(format!("{here},{there}"))
}

/// What [`told`] said.
pub(crate) fn learn(said: &str) -> Result<()> {
    let (here, there) = said.split_once(',').ok_or("not two processors")?;
    let numbers = [here.parse()?, there.parse()?];
    NUMBERS.get_or_init(|| numbers);
    Ok(())
}

/// Moves this thread, and those that it will start, to one of them, or to [`ANYWHERE`].
pub(crate) fn pin(processor: usize) -> Result<()> {
    let numbers = numbers()?;
    let mut set = CpuSet::new();
    match numbers.get(processor) {
        Some(one) => set.set(*one),
        None => numbers.into_iter().for_each(|one| set.set(one)),
    }
    sched_setaffinity(None, &set)
        .map_err(|error| format!("cannot move to processors {numbers:?}: {error}").into())
}
