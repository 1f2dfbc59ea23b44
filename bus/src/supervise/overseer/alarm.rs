//! One timer of a task, which is set anew whenever it waits for another time.

use std::sync::Arc;
use std::task::Waker;

use crate::clock::Nanos;
use crate::driver::timer::TimerKey;
use crate::shared::Shared;

/// Wakes a task at a time.
pub(super) struct Alarm {
    shared: Arc<Shared>,
    armed: Option<TimerKey>,
}

impl Alarm {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            armed: None,
        }
    }

    /// Wakes at this time, and not at the one before. One that has rung is set again.
    pub(super) fn set(&mut self, at: Option<Nanos>, waker: &Waker) {
        self.disarm();
        self.armed = at.map(|at| self.shared.arm_timer(at, waker));
    }

    fn disarm(&mut self) {
        if let Some(timer) = self.armed.take() {
            self.shared.timers.disarm(timer);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.disarm();
    }
}
