//! Tells of other processes that an actor has put aside, and that no op stands for: their senders hold them for over once `done`
//! has passed them, unless the lane says that their ends are still to come.
//!
//! # If a side dies
//! The actor's process, or the actor: the sender finds in the lane what was put aside, and reports it as taken. The sender: nobody
//! reads there, and what is not handled is a dead letter here.

use std::fmt;
use std::sync::Arc;

use ringway_shm::uring::Aside;

use super::lane::InboxLane;
use crate::message::TypeId;

/// A tell that was put aside, in the lane that it came by. Dropped when its handler has come to its end.
pub(crate) struct AsideMark {
    lane: Arc<InboxLane>,
    aside: Option<Aside>,
}

impl AsideMark {
    /// Marks the entry taken last, whose handler puts it aside.
    pub(super) fn of(lane: &Arc<InboxLane>, type_id: TypeId) -> Self {
        Self {
            aside: Some(lane.put_aside(type_id)),
            lane: Arc::clone(lane),
        }
    }

    /// Whether nobody there will hear what becomes of it.
    pub(crate) fn is_of_the_dead(&self) -> bool {
        self.lane.peer.is_dead()
    }

    /// The actor ends, and it is not handled again: its sender finds that when it hears of the end.
    pub(crate) fn stays(mut self) {
        self.aside = None;
    }
}

impl Drop for AsideMark {
    fn drop(&mut self) {
        if let Some(aside) = self.aside.take() {
            self.lane.take_up(aside);
        }
    }
}

impl fmt::Debug for AsideMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsideMark").finish_non_exhaustive()
    }
}
