//! A mark in a uring: whether what had come by then has been taken.

use std::sync::{Arc, Weak};

use super::InboxLane;

/// How far a uring was filled at some moment. It does not keep the uring.
pub(crate) struct LaneMark {
    lane: Weak<InboxLane>,
    /// Behind the last entry.
    position: u64,
}

impl LaneMark {
    pub(super) fn of(lane: &Arc<InboxLane>) -> Self {
        Self {
            lane: Arc::downgrade(lane),
            position: lane.filled(),
        }
    }

    /// Whether all that lay before the mark has been taken, or never will be.
    pub(crate) fn is_passed(&self) -> bool {
        let lane = self.lane.upgrade();
        lane.is_none_or(|lane| lane.is_closed() || lane.has_taken(self.position))
    }
}
