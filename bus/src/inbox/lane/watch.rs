//! Who watches a lane: the driver while it is awake, its owner when there is something, nobody else.
//!
//! ```text
//!          note               peek finds an entry                drained
//!   Idle --------> Hot <-----------------------------> Scheduled
//!     ^             |                                       | the owner takes long, or the driver is about to sleep
//!     +-------------+                                       v
//!       go_idle, checked after its fence                  Away -- drained --> Hot, handed to the driver
//! ```
//!
//! # Invariants
//! - **one-watcher**: a lane is in the driver's list while Hot or Scheduled, and in its inbox's ready queue or its owner's
//!   hands while Scheduled or Away; the swap that changes the state decides who moves it. The driver looks for entries only while
//!   Hot, and cools what is Hot before it sleeps.

use std::sync::Arc;

use ringway_shm::sync::Ordering::{AcqRel, Acquire, Relaxed};

use super::InboxLane;

const IDLE: u32 = 0;

pub(super) const HOT: u32 = 1;

pub(super) const SCHEDULED: u32 = 2;

pub(super) const AWAY: u32 = 3;

pub(super) const CLOSED: u32 = 4;

/// What the driver's look at a lane found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    Nothing,
    /// An entry: its owner is woken.
    Entry,
    /// Not to be watched any more.
    Leave,
}

/// How long the driver keeps lanes whose owners have not come to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    Some,
    /// Until now: cost per pass must not grow with owners that take long.
    None,
}

impl InboxLane {
    /// A note names this lane: the driver watches it from now on, if this returns `true`.
    pub(crate) fn heat(&self) -> bool {
        let is_heated = self.change(IDLE, HOT);
        if is_heated {
            self.taking().end.go_hot();
        }
        is_heated
    }

    /// Whether [`watch`](Self::watch) would find nothing and leave the lane where it is.
    ///
    /// Cost: loads; no lock.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        // Acquire lane-state: as in `watch`.
        match self.state.load(Acquire) {
            // Relaxed: as in `watch`.
            HOT => !self.peek.has_entry() && !self.ends.load(Relaxed),
            state => state == SCHEDULED,
        }
    }

    /// Whether an entry waits that nobody has been told of yet, as far as a look without the lock can tell.
    #[inline]
    pub(in crate::inbox) fn has_unseen(&self) -> bool {
        // Acquire lane-state: as in `watch`.
        matches!(self.state.load(Acquire), HOT | IDLE) && self.peek.has_entry()
    }

    /// The driver's look at a lane in its list.
    pub(crate) fn watch(self: &Arc<Self>, patience: Patience) -> Watch {
        // Acquire lane-state: pairs with the swap that changed it.
        match self.state.load(Acquire) {
            HOT => {
                // Relaxed: who stores it schedules the lane; only a lane that just became hot is still to be found so.
                if !self.peek.has_entry() && !self.ends.load(Relaxed) {
                    return Watch::Nothing;
                }
                self.schedule();
                Watch::Entry
            }
            SCHEDULED if patience == Patience::Some || !self.change(SCHEDULED, AWAY) => {
                Watch::Nothing
            }
            _ => Watch::Leave,
        }
    }

    /// The driver's last look before it sleeps; the lane leaves its list. From here on only a note, or the owner, brings
    /// it back.
    pub(crate) fn cool(self: &Arc<Self>) {
        loop {
            // Acquire lane-state: as in `watch`.
            match self.state.load(Acquire) {
                HOT if self.go_idle() => {
                    if self.change(HOT, IDLE) {
                        return;
                    }
                }
                HOT => {
                    if self.change(HOT, AWAY) {
                        return self.inbox.schedule(Arc::clone(self));
                    }
                }
                SCHEDULED => {
                    if self.change(SCHEDULED, AWAY) {
                        return;
                    }
                }
                _ => return,
            }
        }
    }

    /// Says to the submitter that nobody watches, unless an entry came.
    fn go_idle(&self) -> bool {
        let mut taking = self.taking();
        let is_idle = taking.end.go_idle() && (!taking.is_ending || taking.waits_for_aside(self));
        // After the fence in `go_idle`: a submitter that waits for room is seen here, or sees our head.
        let rings = taking.submitter_waits();
        drop(taking);
        if rings {
            self.peer.ring_bell();
        }
        is_idle
    }

    /// Changes the state, unless it is another.
    pub(super) fn change(&self, from: u32, to: u32) -> bool {
        // AcqRel lane-state: pairs with itself; who changes the state owns the lane's place in a list.
        self.state
            .compare_exchange(from, to, AcqRel, Relaxed)
            .is_ok()
    }

    /// Gives the lane to its inbox, whatever it holds. Only one of two schedulers wins.
    pub(in crate::inbox) fn schedule(self: &Arc<Self>) {
        if self.change(HOT, SCHEDULED) || self.change(IDLE, AWAY) {
            self.inbox.schedule(Arc::clone(self));
        }
    }

    /// The submitter closed the lane or died: the owner takes what is still there, then lets go.
    pub(crate) fn end(self: &Arc<Self>) {
        self.taking().is_ending = true;
        self.ends.store(true, Relaxed); // Relaxed: see `watch`; who must not miss it looks under the lock.
        self.schedule();
    }

    /// Whether nothing more is taken, and the submitter was told so or is about to be.
    pub(crate) fn is_closed(&self) -> bool {
        // Acquire lane-state: as in `watch`.
        self.state.load(Acquire) == CLOSED
    }
}
