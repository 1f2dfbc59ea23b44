//! An actor's idle timeout: what happens when nobody has sent it anything for a while.
//!
//! No message costs it a look at the clock: the time is taken when the actor has nothing left to do, and one timer that is due
//! at the earliest when it could have been idle for long enough is set again when that turns out to be too early.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::timer::Ringer;
use crate::clock::Nanos;
use crate::driver::timer::TimerKey;
use crate::shared::Shared;

/// What an actor that is idle for too long gets; without it, it stops.
pub(super) type Gives<L> = Option<Box<dyn FnMut() -> L + Send>>;

/// An idle timeout.
pub(super) struct Idle<L> {
    shared: Arc<Shared>,
    ringer: Arc<Ringer>,
    within: Duration,
    gives: Gives<L>,
    /// When it had nothing left to do, if nothing has come since.
    since: Option<Nanos>,
    armed: Option<TimerKey>,
}

/// What an actor that has nothing to do is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    Wait,
    /// Take a message that its idle timeout gives.
    Message,
    Stop,
}

impl<L> Idle<L> {
    pub(super) fn new(
        shared: &Arc<Shared>,
        task: &Waker,
        within: Duration,
        gives: Gives<L>,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            ringer: Ringer::new(task),
            within,
            gives,
            since: None,
            armed: None,
        }
    }

    /// Something has come.
    #[inline]
    pub(super) fn interrupt(&mut self) {
        self.since = None;
    }

    /// The actor has nothing to do.
    pub(super) fn rest(&mut self) -> Rest {
        let has_rung = self.ringer.take();
        let clock = &self.shared.clock;
        let since = *self.since.get_or_insert_with(|| clock.now());
        let due = since.plus(self.within);
        if has_rung && due <= clock.now() {
            self.since = None;
            self.disarm();
            return match self.gives {
                Some(_) => Rest::Message,
                None => Rest::Stop,
            };
        }
        if has_rung {
            self.disarm();
        }
        // One that is early rings for nothing, and then this is set right.
        if self.armed.is_none() {
            let key = self.shared.arm_timer(due, &self.ringer.waker());
            self.armed = Some(key);
        }
        Rest::Wait
    }

    /// The message that it gives.
    pub(super) fn give(&mut self) -> Option<L> {
        self.gives.as_mut().map(|gives| gives())
    }

    fn disarm(&mut self) {
        if let Some(key) = self.armed.take() {
            self.shared.timers.disarm(key);
        }
    }
}

impl<L> Drop for Idle<L> {
    fn drop(&mut self) {
        self.disarm();
    }
}
