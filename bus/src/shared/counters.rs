//! What a node counts of its messages on its card, and the dead letters that it shows.

use ringway_shm::card::Counter;

use super::Shared;
use crate::actor::Undone;
use crate::dead::{DeadLetter, DeadReason};

impl Shared {
    #[inline]
    pub(crate) fn count(&self, counter: Counter, n: u64) {
        if n > 0 {
            self.core().count(counter, n);
        }
    }

    /// Counts a message that was handled, and whether it was an entry, as 1 or 0: on a worker's thread at first, as all
    /// workers share the card.
    #[inline]
    pub(crate) fn count_handled(&self, entries: u64) {
        if !self.queue.count_handled(entries) {
            self.count(Counter::Handled, 1);
            self.count(Counter::EntriesHandled, entries);
        }
    }

    /// Takes what this worker has counted over to the card.
    #[inline]
    pub(crate) fn count_up(&self) {
        let handled = self.queue.take_handled();
        self.count(Counter::Handled, handled.all);
        self.count(Counter::EntriesHandled, handled.entries);
    }

    /// Counts a message that was not handled.
    pub(crate) fn count_undone(&self, why: &Undone) {
        self.count(
            match why {
                Undone::Dropped => Counter::Dropped,
                Undone::Expired => Counter::Expired,
                Undone::Cancelled => Counter::Cancelled,
                Undone::Refused(_) => Counter::Refused,
                Undone::Failed(_) | Undone::Unanswered => Counter::Handled,
                Undone::Ended(_) => Counter::DeadLetters,
            },
            1,
        );
    }

    /// Counts an entry that was not handled, after `count_undone`.
    #[cold]
    pub(crate) fn count_undone_entry(&self, why: &Undone) {
        self.count(
            match why {
                Undone::Dropped => Counter::EntriesDropped,
                Undone::Expired => Counter::EntriesExpired,
                Undone::Cancelled => Counter::EntriesCancelled,
                Undone::Refused(_) => Counter::EntriesRefused,
                Undone::Failed(_) | Undone::Unanswered => Counter::EntriesHandled,
                Undone::Ended(_) => Counter::EntriesLost,
            },
            1,
        );
    }

    /// Shows a message that this node has sent, and that nobody will hear of otherwise; it is counted on the card unless a
    /// policy has counted it already.
    pub(crate) fn dead_letter_of_own(&self, letter: DeadLetter) {
        if letter.reason != DeadReason::Dropped {
            self.count(Counter::DeadLetters, 1);
        }
        self.dead.publish(letter);
    }
}
