//! A node's accounts: the sums of what its urings know, and of what it has counted besides.
//!
//! What a uring's indices count is counted nowhere else while the uring is there; when it goes, its sums go onto the card's
//! counters. So a message costs one addition on its way, and adding up costs a look at every uring.
//!
//! Nothing is held while a part is asked but that part's own lock.

use std::sync::{Arc, Mutex, Weak};

use ringway_shm::card::{Accounts, Counter};
use ringway_shm::sys::fork;
use slab::Slab;

use super::{Shared, lock};

/// An end of a uring, which knows what has become of its messages.
pub(crate) trait Part: Send + Sync {
    /// Adds what it knows.
    fn add_to(&self, accounts: &mut Accounts);
}

/// The ends of urings that have not gone, of both kinds.
#[derive(Default)]
pub(crate) struct Members {
    list: Mutex<Slab<Weak<dyn Part>>>,
}

impl Members {
    /// Remembers one; returns its place, to be given back when it goes.
    pub(crate) fn add(&self, part: Weak<dyn Part>) -> usize {
        lock(&self.list).insert(part)
    }

    pub(crate) fn remove(&self, place: usize) {
        let part = lock(&self.list).try_remove(place);
        drop(part); // outside the lock
    }

    fn parts(&self) -> Vec<Arc<dyn Part>> {
        let list = lock(&self.list);
        list.iter().filter_map(|(_, part)| part.upgrade()).collect()
    }
}

impl Shared {
    /// Adds the accounts up; a forked child has nothing to add.
    ///
    /// Cost: a look at every uring, each under its lock.
    fn accounts(&self) -> Accounts {
        if fork::check().is_err() {
            return Accounts::default();
        }
        if self.queue.is_worker_here() {
            self.count_up();
        }
        let counted = |counter| self.core().counted(counter);
        let mut sums = Accounts::default();
        sums.sent = counted(Counter::Sent);
        sums.completed = counted(Counter::Completed);
        sums.returned = counted(Counter::Returned);
        sums.died_after_take = counted(Counter::DiedAfterTake);
        sums.uncertain = counted(Counter::Uncertain);
        sums.taken = counted(Counter::Taken);
        sums.handled = counted(Counter::EntriesHandled);
        sums.panicked = counted(Counter::Panicked);
        sums.dropped = counted(Counter::EntriesDropped);
        sums.expired = counted(Counter::EntriesExpired);
        sums.cancelled = counted(Counter::EntriesCancelled);
        sums.dead_letters = counted(Counter::EntriesLost);
        sums.refused = counted(Counter::EntriesRefused);
        self.members
            .parts()
            .iter()
            .for_each(|part| part.add_to(&mut sums));
        self.closing.add_to(&mut sums);
        let kept = lock(&self.lent_at_leave).len() as u64;
        sums.blocks_lent += kept;
        let blocks = self.core().heap().stats();
        sums.blocks_allocated = blocks.allocated;
        sums.blocks_freed = blocks.freed;
        sums.blocks_owned = blocks.in_use.saturating_sub(sums.blocks_lent);
        sums.dated()
    }

    /// Adds them up, and posts them on the card.
    pub(crate) fn post_accounts(&self) -> Accounts {
        let accounts = self.accounts();
        if accounts.at_ms > 0 {
            self.core().card().post(&accounts);
        }
        accounts
    }
}
