//! Lanes from which entries were taken since it was last known that nobody waits for the room.
//!
//! A lane's submitter is told of room in batches: once the lane is drained, and after so many entries. In between a handler may
//! go on for as long as it likes, beside places that are free. So whoever has nothing left to do looks at these lanes before
//! it sleeps; while there is something to do, a stream keeps its batches.
//!
//! # Edges
//! Dekker, twice: the head is stored before [`TakeEnd::submitter_wants_by_now`]'s fence, which pairs with that of whoever waits for
//! room; and a lane is put here before the fence in [`RunQueue::is_driver_asleep`], the driver says that it is asleep before its
//! own fence and then looks here: a lane that a helper leaves to the driver is found by it.
//!
//! [`TakeEnd::submitter_wants_by_now`]: ringway_shm::uring::TakeEnd::submitter_wants_by_now
//! [`RunQueue::is_driver_asleep`]: crate::task::RunQueue::is_driver_asleep

use std::sync::{Arc, Mutex, Weak};

use ringway_shm::sync::AtomicBool;
use ringway_shm::sync::Ordering::Relaxed;

use super::InboxLane;
use crate::shared::lock;

/// Lanes that are kept before it is looked which of them are gone.
const KEPT_MIN: usize = 64;

#[derive(Default)]
struct State {
    /// Each once. Weak: a node that never sleeps must not keep what was closed.
    lanes: Vec<Weak<InboxLane>>,
    /// Beyond so many, those that are gone are let go.
    kept_max: usize,
}

/// The lanes of one node.
#[derive(Default)]
pub(crate) struct Offers {
    state: Mutex<State>,
    any: AtomicBool,
}

impl Offers {
    /// Adds a lane, which is not there yet.
    pub(super) fn add(&self, lane: &Arc<InboxLane>) {
        let mut state = lock(&self.state);
        if state.lanes.len() >= state.kept_max {
            state.lanes.retain(|lane| lane.strong_count() > 0);
            state.kept_max = (state.lanes.len() * 2).max(KEPT_MIN);
        }
        state.lanes.push(Arc::downgrade(lane));
        // Relaxed: exact for the thread that has added it, which looks before it sleeps, or leaves that to the driver after a fence.
        self.any.store(true, Relaxed);
    }

    /// Rings those that wait for room in one of these lanes, and forgets them until more is taken.
    pub(crate) fn make(&self) {
        // Relaxed: see `add`.
        if !self.any.load(Relaxed) {
            return;
        }
        let lanes = {
            let mut state = lock(&self.state);
            self.any.store(false, Relaxed); // Relaxed: written under the lock, a hint outside.
            std::mem::take(&mut state.lanes)
        };
        let lanes = lanes.iter().filter_map(Weak::upgrade);
        lanes.for_each(|lane| lane.offer_room());
    }
}
