//! A node's accounts: the sums of what its urings know, and of what it has counted besides.
//!
//! What a uring's indices count is counted nowhere else while the uring is there; when it goes, its sums go onto the card's
//! counters. So a message costs one addition on its way, and adding up costs a look at every uring.
//!
//! Nothing is held while a part is asked but that part's own lock. So a uring may go meanwhile: its sums are then in no part and not on
//! the card, or in both. Whoever adds up sees that a part is there no more and is still remembered, or that what is on the card has
//! changed, and begins anew.

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

    /// All of them; `None` while one goes, or comes.
    fn parts(&self) -> Option<Vec<Arc<dyn Part>>> {
        let (mut parts, mut all) = (Vec::new(), true);
        for (_, part) in &*lock(&self.list) {
            let part = part.upgrade();
            all &= part.is_some();
            parts.extend(part);
        }
        all.then_some(parts) // outside the lock: these may be the last who hold them
    }
}

/// Beginnings of one addition, while urings go; after that it is as good as it can be.
const TRIES_MAX: u32 = 1000;

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
        for _ in 0..TRIES_MAX {
            let before = self.counted_parts();
            let mut sums = before;
            if self.add_parts(&mut sums) && self.counted_parts() == before {
                return self.with_the_rest(sums);
            }
            std::thread::yield_now();
        }
        let mut sums = self.counted_parts();
        self.add_parts(&mut sums);
        self.with_the_rest(sums)
    }

    /// What urings have left that are gone.
    fn counted_parts(&self) -> Accounts {
        let counted = |counter| self.core().counted(counter);
        let mut sums = Accounts::default();
        sums.sent = counted(Counter::Sent);
        sums.completed = counted(Counter::Completed);
        sums.returned = counted(Counter::Returned);
        sums.died_after_take = counted(Counter::DiedAfterTake);
        sums.uncertain = counted(Counter::Uncertain);
        sums.taken = counted(Counter::Taken);
        sums
    }

    /// Adds what those know that are there; `false` while one of them goes.
    fn add_parts(&self, sums: &mut Accounts) -> bool {
        let parts = self.members.parts();
        parts.iter().flatten().for_each(|part| part.add_to(sums));
        parts.is_some() & self.closing.add_to(sums)
    }

    /// Adds what is counted besides.
    fn with_the_rest(&self, mut sums: Accounts) -> Accounts {
        let counted = |counter| self.core().counted(counter);
        sums.handled += counted(Counter::EntriesHandled);
        sums.panicked = counted(Counter::Panicked);
        sums.dropped = counted(Counter::EntriesDropped);
        sums.expired = counted(Counter::EntriesExpired);
        sums.cancelled = counted(Counter::EntriesCancelled);
        sums.dead_letters = counted(Counter::EntriesLost);
        sums.refused = counted(Counter::EntriesRefused);
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
