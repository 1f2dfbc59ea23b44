//! What goes back by a lane: completions, and what its submitter says of them in its op words.

use ringway_shm::error::Violation;
use ringway_shm::generation::Key;
use ringway_shm::uring::OpWord;
use ringway_shm::words::EntryWords;

use super::InboxLane;

impl InboxLane {
    /// Posts a completion and wakes the submitter if it sleeps.
    ///
    /// A full completion queue is the submitter's fault: it broke its own bound.
    pub(crate) fn post(&self, words: &EntryWords) {
        let posted = self.posting.lock().complete(words);
        match posted {
            Ok(()) => self.peer.ring_bell(),
            Err(refused) => self.peer.post_refused(refused),
        }
    }

    /// Whether the submitter has cancelled an ask that was taken.
    pub(in crate::inbox) fn is_cancelled(&self, op: Key) -> bool {
        let word = self.taking().end.op_word(op);
        word.is_ok_and(OpWord::is_cancelled)
    }

    /// Whether nobody waits any more for the answer to an ask that was taken.
    pub(crate) fn is_abandoned(&self, op: Key) -> bool {
        if self.is_closed() || self.peer.is_gone() {
            return true;
        }
        let word = self.taking().end.op_word(op);
        // A released reply: the op is over, or another one has its place.
        word.is_ok_and(|word| word.is_cancelled() || word.is_reply_released())
    }

    /// Whether the submitter has a word for that op, by which it releases replies.
    pub(in crate::inbox) fn knows_op(&self, op: Key) -> Result<(), Violation> {
        self.taking().end.op_word(op).map(drop)
    }

    /// Frees the replies that their askers have released.
    pub(crate) fn sweep(&self) {
        let taking = self.taking();
        self.replies
            .sweep(|op| taking.end.op_word(op).is_ok_and(OpWord::is_reply_released));
    }
}
