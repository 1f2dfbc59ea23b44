//! A tell that is no more than its entry, to a receiver that has room: a way without anything that others need.

use ringway_shm::words::EntryWords;

use super::RemoteEnd;
use super::open::Open;
use super::phase::Phase;
use crate::mailbox::Overflow;

/// How many entries ahead a slot's line is asked for. Far enough that it comes while those before it are written, and never the one
/// that a reader looks at which keeps up: that would be taken from it.
const AHEAD: u64 = 8;

impl RemoteEnd {
    /// Puts a tell into the submission queue that needs no op and has nothing beside its entry. `false` says no more than that it
    /// takes [`submit`](Self::submit) to tell, and that nothing was done.
    ///
    /// What it returns is one bit: all that is written narrowly and read widely after the stamp waits until the stamp has left
    /// this processor, and so for the line.
    #[inline]
    pub(crate) fn tell(&self, words: &EntryWords) -> bool {
        let mut phase = self.lock();
        let Phase::Open(open) = &mut *phase else {
            return false;
        };
        let is_told = open.tell(words);
        self.hint_long_max(open);
        self.unlock(phase);
        is_told
    }
}

impl Open {
    #[inline]
    fn tell(&mut self, words: &EntryWords) -> bool {
        // A receiver that may drop what is queued owes a completion for every entry.
        let is_free = self.ended.is_none() && self.overflow != Overflow::DropOldest;
        let is_told = is_free && self.submit.submit(words).is_ok();
        if is_told {
            self.expect_more(1);
            self.after_push();
        }
        is_told
    }

    /// A tell of so many slots is rarely alone: asks for the lines of those that are written some entries later. An ask waits for its
    /// answer, and would gain nothing.
    #[inline]
    pub(super) fn expect_more(&self, slots: u64) {
        (AHEAD..AHEAD + slots).for_each(|ahead| self.submit.prepare(ahead));
    }
}
