//! The control lane of an actor: what is asked of it before any message, in a word that its task reads before each.

use std::task::Waker;

use ringway_shm::sync::Ordering::{AcqRel, Acquire, Relaxed};

use super::CellCore;
use crate::exit::ExitReason;

/// Bits of the control lane: the actor is to stop, or to end at once.
const STOPS: u32 = 1;

const DIES: u32 = 2;

/// It is to stop when it has nothing left to do.
const DRAINS: u32 = 8;

/// A bit beside them: its start hook has succeeded.
pub(super) const STARTED: u32 = 4;

/// Another: there is, or was, something of high priority, here or in a uring.
const HIGH: u32 = 16;

/// What an actor is told on its control lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    /// Nothing; but there may be messages of high priority.
    HasHigh,
    Drain(ExitReason),
    Stop(ExitReason),
    Die(ExitReason),
}

impl CellCore {
    pub(crate) fn told(&self) -> Told {
        // Acquire control-told: pairs with what `tell_control` sets.
        match self.control.load(Acquire) & !STARTED {
            0 => Told::Nothing,
            HIGH => Told::HasHigh,
            bits => self.told_to_end(bits),
        }
    }

    /// Whether [`told`](Self::told) would say nothing.
    #[inline]
    pub(in crate::actor) fn is_told_nothing(&self) -> bool {
        // Acquire control-told: as in `told`.
        self.control.load(Acquire) & !STARTED == 0
    }

    /// Whether there may be messages of high priority; after a look at what it was told.
    pub(in crate::actor) fn has_high(&self) -> bool {
        // Relaxed: what is to be seen was acquired in `told`.
        self.control.load(Relaxed) & HIGH != 0
    }

    /// There is about to be something of high priority: its sender wakes the actor after this.
    pub(crate) fn opens_high(&self) {
        // Relaxed: it is never taken back, and who has set it wakes the actor.
        if self.control.load(Relaxed) & HIGH == 0 {
            // AcqRel control-told: pairs with the load in `told`.
            self.control.fetch_or(HIGH, AcqRel);
        }
    }

    #[cold]
    fn told_to_end(&self, bits: u32) -> Told {
        let why = self.late().why.clone().unwrap_or(ExitReason::Stopped);
        if bits & DIES != 0 {
            Told::Die(why)
        } else if bits & STOPS != 0 {
            Told::Stop(why)
        } else {
            Told::Drain(why)
        }
    }

    fn tell_control(&self, bit: u32, reason: ExitReason) {
        {
            let mut late = self.late();
            if bit == DIES {
                late.why = Some(reason);
            } else {
                late.why.get_or_insert(reason);
            }
        }
        // AcqRel control-told: pairs with the load in `told`; a kill is not taken back by a later stop.
        self.control.fetch_or(bit, AcqRel);
        self.wake();
    }

    /// Asks for an orderly end before the next message.
    pub(crate) fn stop(&self, reason: ExitReason) {
        self.tell_control(STOPS, reason);
    }

    /// Asks for an orderly end as soon as there is no message: none of those that other processes have sent by now, either.
    pub(crate) fn drain(&self, reason: ExitReason) {
        // Before it is told: a lane that nobody has noted yet would not hold it up.
        if let Some(inbox) = self.inbox_if_any() {
            inbox.schedule_all();
        }
        self.tell_control(DRAINS, reason);
    }

    /// Ends the actor at the next `await` of its handler.
    pub(crate) fn kill(&self, reason: ExitReason) {
        self.tell_control(DIES, reason);
    }

    /// The waker of the actor's task; there is one before the actor runs.
    pub(in crate::actor) fn task(&self) -> Option<&Waker> {
        self.task.get()
    }

    /// Wakes the actor's task.
    pub(crate) fn wake(&self) {
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }
}
