//! What the owner of an inbox has in its hands: the lane whose turn it is, and the entry whose handler runs.
//!
//! It is the owner's alone, so that an entry takes no lock but its lane's, once: the lane learns that one handler has ended
//! when it gives the next entry. Whoever does anything else in between says [`Serving::finish`] first: that the owner waits,
//! or that it ends; and [`Inbox::rest`](super::Inbox::rest) before another handler begins.
//!
//! # If a side dies
//! Dropped with an entry in hand, it does not count that as handled: its handler did not come to its end.

use std::fmt;
use std::sync::Arc;

use super::aside::AsideMark;
use super::lane::{InboxLane, Taken};
use crate::message::TypeId;
use crate::peering::NodeId;
use crate::priority::Priority;

/// An entry whose sender is dead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orphan {
    pub(crate) type_id: Option<TypeId>,
    pub(crate) sender: NodeId,
}

/// An owner's turn at a lane.
#[derive(Default)]
pub(crate) struct Serving {
    /// Scheduled or away, and not in the ready queue.
    pub(super) lane: Option<Arc<InboxLane>>,
    /// Entries of it in this turn.
    pub(super) served: u32,
    /// The entry taken last.
    pub(super) taken: Taken,
    /// Its handler has not ended, or the lane was not told so.
    pub(super) is_in_hand: bool,
}

impl Serving {
    /// The entry in hand and the lane that it came by.
    #[inline]
    pub(crate) fn in_hand(&mut self) -> Option<(&Arc<InboxLane>, &mut Taken)> {
        let lane = self.lane.as_ref().filter(|_| self.is_in_hand)?;
        Some((lane, &mut self.taken))
    }

    /// What the entry in hand claims to be.
    #[inline]
    pub(crate) fn type_id(&self) -> Option<TypeId> {
        self.is_in_hand
            .then(|| self.taken.token.type_id())
            .flatten()
    }

    /// The priority of the entry in hand.
    pub(crate) fn priority(&self) -> Priority {
        let lane = self.lane.as_ref().filter(|_| self.is_in_hand);
        lane.map_or(Priority::Normal, |lane| lane.priority)
    }

    /// Whether a lane of high priority is in hand.
    pub(crate) fn has_high(&self) -> bool {
        let lane = self.lane.as_ref();
        lane.is_some_and(|lane| lane.priority == Priority::High)
    }

    /// The node that sent the entry in hand.
    pub(crate) fn sender(&self) -> Option<NodeId> {
        let lane = self.lane.as_ref().filter(|_| self.is_in_hand)?;
        Some(lane.peer.id())
    }

    /// The entry in hand, if its sender is dead: nobody there will hear what becomes of it.
    pub(crate) fn orphan(&mut self) -> Option<Orphan> {
        let (lane, taken) = self.in_hand()?;
        lane.peer.is_dead().then(|| Orphan {
            type_id: taken.token.type_id(),
            sender: lane.peer.id(),
        })
    }

    /// The handler of the entry in hand, if there is one, puts it aside, and no op stands for it.
    #[cold]
    pub(crate) fn put_aside(&self, type_id: TypeId) -> Option<AsideMark> {
        let lane = self.lane.as_ref().filter(|_| self.is_in_hand)?;
        Some(AsideMark::of(lane, type_id))
    }

    /// The owner ends, and with it the handler of the entry in hand; `false` if there is none.
    #[cold]
    pub(crate) fn abandon(&mut self) -> bool {
        let lane = self.lane.as_ref().filter(|_| self.is_in_hand);
        lane.inspect(|lane| lane.abandon()).is_some()
    }

    /// The handler of the entry in hand, if there is one, has ended.
    #[inline]
    pub(crate) fn finish(&mut self) {
        if std::mem::take(&mut self.is_in_hand)
            && let Some(lane) = &self.lane
        {
            lane.finish();
        }
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving")
            .field("lane", &self.lane)
            .field("is_in_hand", &self.is_in_hand)
            .finish_non_exhaustive()
    }
}
