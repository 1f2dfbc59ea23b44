//! The end of a lane: nothing more is taken, and what lies in it is lost if its sender is dead.

use std::sync::Arc;

use ringway_shm::card::Counter;
use ringway_shm::sync::Ordering::{AcqRel, Relaxed};

use super::InboxLane;
use super::watch::CLOSED;
use crate::dead::DeadReason;
use crate::entry::EntryToken;
use crate::exit::ExitReason;
use crate::message::TypeId;

impl InboxLane {
    /// Nothing more is taken, and the submitter is told why.
    pub(crate) fn close(self: &Arc<Self>, reason: &ExitReason) {
        let mut taking = self.taking();
        taking.is_closed = true;
        taking.end.close();
        drop(taking);
        // AcqRel lane-state: see `change`. Who closed it first has told the submitter.
        if self.state.swap(CLOSED, AcqRel) == CLOSED {
            return;
        }
        self.lose_rest(&DeadReason::Ended(reason.clone()));
        if self.replies.may_close(reason)
            && let Some(shared) = self.shared()
        {
            shared.lane_closed(self, reason);
        }
    }

    /// Closes the lane, and has its inbox let go of it although its owner has not come to the end.
    pub(crate) fn cut(self: &Arc<Self>, reason: &ExitReason) {
        self.close(reason);
        self.inbox.forget(self);
    }

    /// An entry that is not handled, when its sender is dead: nobody there will hear of it.
    pub(in crate::inbox) fn lose(&self, type_id: Option<TypeId>, reason: &DeadReason) {
        if !self.peer.is_dead() {
            return;
        }
        if let (Some(shared), Some(whom)) = (self.shared(), self.inbox.whom()) {
            let letter = whom.letter(type_id, reason.clone());
            shared.dead_letter_of_own(letter.sent_by(self.peer.id()));
        }
    }

    /// The same of all that lies in a lane which is closed.
    #[cold]
    pub(crate) fn lose_rest(&self, reason: &DeadReason) {
        if !self.peer.is_dead() {
            return;
        }
        // As many as there can be: who is dead stamps no more.
        loop {
            let mut taking = self.taking();
            let taken = taking.end.take_long(|_| ());
            if let Ok(Some(entry)) = &taken {
                taking.end.finish(entry.slots);
            }
            drop(taking);
            let Ok(Some(entry)) = taken else { return };
            if let Some(shared) = self.shared() {
                shared.count(Counter::EntriesLost, 1);
            }
            let token = EntryToken::from_words(entry.words);
            self.lose(token.type_id(), reason);
        }
    }

    /// Whether nobody is there any more for a reply.
    #[inline]
    pub(in crate::inbox) fn is_unheard(&self) -> bool {
        // Relaxed: a peer that dies in this moment may have read it, or not.
        self.ends.load(Relaxed) && self.peer.is_dead()
    }
}
