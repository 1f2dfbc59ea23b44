//! The stop ladder: how an actor or a process is stopped, step by step, each with a time of its own.
//!
//! ```text
//! drain ------> stop ------> SIGTERM ------> kill
//!   | ended       | ended       | ended        | ended, or left behind
//! ```
//!
//! The ladder is a pure table; who climbs it keeps the time and carries out the steps.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};

use crate::exit::ExitReason;
use crate::node::lookup::Deadline;
use crate::shared::Shared;
use crate::wait_list::WaitList;

/// How long what was killed is waited for: longer only if it never comes to an `await`, or hangs in the kernel.
pub(crate) const BURIAL: Duration = Duration::from_secs(1);

/// How an actor, a child process or a node is stopped: step by step, until it has ended.
///
/// | step | what happens | takes, unless told otherwise |
/// |---|---|---|
/// | [`drain`](Self::drain) | it handles what it has, and what comes meanwhile, and ends when nothing is left | no time: left out |
/// | [`stop`](Self::stop) | it ends before its next message; what is queued goes back to its senders | 5 s |
/// | [`terminate`](Self::terminate) | its process gets a SIGTERM; only of what is a process | 1 s |
/// | | it is killed: an actor at its next `await`, a process at once, with SIGKILL | |
///
/// A step without time is left out.
///
/// ```
/// use ringway::prelude::*;
///
/// let patient = StopLadder::new().drain(secs(10)).stop(secs(2));
/// # let _ = patient;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopLadder {
    drain: Duration,
    stop: Duration,
    terminate: Duration,
}

impl Default for StopLadder {
    fn default() -> Self {
        Self::new()
    }
}

impl StopLadder {
    /// The steps as the table says.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            drain: Duration::ZERO,
            stop: Duration::from_secs(5),
            terminate: Duration::from_secs(1),
        }
    }

    /// No time for any step: a kill.
    #[must_use]
    pub const fn at_once() -> Self {
        Self {
            drain: Duration::ZERO,
            stop: Duration::ZERO,
            terminate: Duration::ZERO,
        }
    }

    /// Sets how long it may go on handling messages.
    #[must_use]
    pub const fn drain(mut self, within: Duration) -> Self {
        self.drain = within;
        self
    }

    /// Sets how long it may take to come to the end of the handler that runs, and of its `stopping` hook.
    #[must_use]
    pub const fn stop(mut self, within: Duration) -> Self {
        self.stop = within;
        self
    }

    /// Sets how long a process may take to end after a SIGTERM.
    #[must_use]
    pub const fn terminate(mut self, within: Duration) -> Self {
        self.terminate = within;
        self
    }

    /// The first step with a time, `from` that one on, and its time; [`StopStep::Kill`] has none.
    pub(crate) fn step(&self, from: StopStep, of: Climber) -> (StopStep, Option<Duration>) {
        let is_process = of == Climber::Process;
        let steps = [
            (StopStep::Drain, self.drain, true),
            (StopStep::Stop, self.stop, true),
            (StopStep::Terminate, self.terminate, is_process),
        ];
        steps
            .into_iter()
            .find(|(step, within, is_there)| *step >= from && *is_there && !within.is_zero())
            .map_or((StopStep::Kill, None), |(step, within, _)| {
                (step, Some(within))
            })
    }

    /// The time of all steps together.
    pub(crate) fn whole(&self) -> Duration {
        self.drain
            .saturating_add(self.stop)
            .saturating_add(self.terminate)
    }
}

/// A step of a [`StopLadder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum StopStep {
    /// It was to handle what it had.
    Drain,
    /// It was to end before its next message.
    Stop,
    /// Its process got a SIGTERM.
    Terminate,
    /// It was killed.
    Kill,
    /// It was killed and has not ended: a handler that never comes to an `await`, a process that hangs in the kernel.
    Left,
}

impl StopStep {
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Drain => Self::Stop,
            Self::Stop => Self::Terminate,
            Self::Terminate => Self::Kill,
            Self::Kill | Self::Left => Self::Left,
        }
    }
}

/// How a stop went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// The step at which it ended: the first one also for what had ended before.
    pub step: StopStep,
    /// How it ended. [`ExitReason::StopTimeout`] for what was left behind.
    pub reason: ExitReason,
}

/// What climbs a ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Climber {
    Actor,
    Process,
}

/// Stops something by its ladder; `take` begins a step, `ended` is its end.
pub(crate) async fn climb(
    shared: Option<Arc<Shared>>,
    (ladder, of): (StopLadder, Climber),
    take: impl Fn(StopStep),
    ended: impl Future<Output = ExitReason>,
) -> Stopped {
    let mut ended = pin!(ended);
    let (mut step, mut within) = ladder.step(StopStep::Drain, of);
    loop {
        take(step);
        let late = pin!(sleep(shared.as_ref(), within.unwrap_or(BURIAL)));
        let left: Pin<&mut _> = ended.as_mut();
        if let Either::Left((reason, _)) = select(left, late).await {
            return Stopped { step, reason };
        }
        if step == StopStep::Kill {
            let (step, reason) = (StopStep::Left, ExitReason::StopTimeout);
            return Stopped { step, reason };
        }
        (step, within) = ladder.step(step.next(), of);
    }
}

/// Waits so long; for ever without a node, whose clock it is. Such a one has ended all that there was of it.
async fn sleep(shared: Option<&Arc<Shared>>, time: Duration) {
    match shared {
        Some(shared) => {
            let nobody = WaitList::default();
            Deadline::new(shared, time)
                .until(&nobody, || None::<()>)
                .await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: each step has its time, and what has none is left out. Method: climb to the top by the table alone.
    #[test]
    fn steps_without_time_are_left_out() {
        use StopStep::{Drain, Kill, Stop, Terminate};
        let s = Duration::from_secs;
        let all = StopLadder::new().drain(s(2)).stop(s(3)).terminate(s(4));
        let climb = |ladder: StopLadder, of| {
            let mut steps = vec![ladder.step(Drain, of)];
            while let Some((step, Some(_))) = steps.last() {
                steps.push(ladder.step(step.next(), of));
            }
            steps
        };
        let kill = (Kill, None);
        let (drain, stop, term) = (
            (Drain, Some(s(2))),
            (Stop, Some(s(3))),
            (Terminate, Some(s(4))),
        );
        assert_eq!(climb(all, Climber::Process), [drain, stop, term, kill]);
        assert_eq!(climb(all, Climber::Actor), [drain, stop, kill]);
        let short = all.drain(s(0)).terminate(s(0));
        assert_eq!(climb(short, Climber::Process), [stop, kill]);
        assert_eq!(climb(StopLadder::at_once(), Climber::Process), [kill]);
        assert_eq!(all.whole(), s(9));
    }
}
