//! What a node has done, in numbers that anyone may read.
//!
//! Each is a word of its own that only grows (a gauge also shrinks), so a reader always sees a
//! number that was true at some moment; several of them need not be of the same moment. What the
//! indices of living urings count is not counted here again.
//!
//! # Invariants
//! - **one-writer**: words are changed by the owner's threads alone, with Relaxed
//!   read-modify-writes.
//! - **stable**: a counter's index never changes its meaning; new ones take free indices. Eight
//!   share a cache line, and those of different duties do not.

use crate::region::{DefaultKeep, Keep, OwnRecord, PeerRecord, record};
use crate::sync::AtomicU64;
use crate::sync::Ordering::Relaxed;

const COUNTERS: usize = 64;

record! {
    /// The counters of a node, by [`Counter`].
    pub(crate) struct CounterLines: size 512, align 64 {
        words: [AtomicU64; COUNTERS],
    }
}

macro_rules! counters {
    ($($(#[$meta:meta])* $name:ident = $index:literal,)*) => {
        /// A counter, by its index on the card.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Counter {
            $($(#[$meta])* $name = $index,)*
        }

        impl Counter {
            /// All counters, in the order of their indices.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

counters! {
    /// Submissions, on urings that are closed: the indices of the others count theirs.
    Sent = 0,
    /// Submissions that ended with any result of their receiver.
    Completed = 1,
    /// Submissions that were never taken, and came back to their sender.
    Returned = 2,
    /// Submissions whose receiver died between taking and completing them.
    DiedAfterTake = 3,
    /// Submissions of which nobody knows, as their owner died while forwarding them.
    Uncertain = 4,
    /// Gauge: submissions that have not ended. Not kept: see [`Accounts`](super::Accounts).
    InFlight = 5,
    /// Submissions sent again to a restarted receiver.
    Redelivered = 6,

    /// Messages taken, on urings that are closed: the indices of the others count theirs.
    Taken = 8,
    /// Messages whose handler ended, well or with an error.
    Handled = 9,
    /// Messages that came over urings and whose handler did not come to its end: it panicked, or its actor was killed.
    Panicked = 10,
    /// Messages dropped by a policy.
    Dropped = 11,
    /// Messages whose deadline or expiry had passed when they were taken.
    Expired = 12,
    /// Messages whose sender had cancelled them.
    Cancelled = 13,
    /// Messages that nobody could handle.
    DeadLetters = 14,
    /// Messages that were refused: wrong type, wrong schema, wrong place.
    Refused = 15,

    /// Gauge: messages whose handler runs, or which are stashed. Not kept: see [`Accounts`](super::Accounts).
    InHandling = 16,
    /// Messages passed on to another.
    Forwarded = 17,

    /// Blocks allocated. Not kept, as the two below: see [`Accounts`](super::Accounts).
    BlocksAllocated = 24,
    /// Blocks freed.
    BlocksFreed = 25,
    /// Gauge: blocks lent to others. The rest of those not freed is owned.
    BlocksLent = 26,

    /// Samples published on topics.
    Published = 32,
    /// Samples taken by subscribers of this node.
    SamplesTaken = 33,
    /// Samples that subscribers of this node have missed.
    SamplesMissed = 34,

    /// Gauge: peers connected.
    Peers = 40,
    /// Peers that died, or said goodbye.
    PeersGone = 41,
    /// Rules of the protocol that peers have broken.
    Violations = 42,
    /// Completions of ops that did not exist; ignored.
    FalseClaims = 43,
    /// Actors and processes restarted.
    Restarts = 44,

    /// Times that the node's driver slept, or was about to and found work.
    Sleeps = 48,
    /// Bells that it rang.
    Rings = 49,
    /// Ready notes that it wrote.
    Notes = 50,

    /// Of `Handled`, those that came over urings, as the following: messages of this node's own actors to each other are not
    /// among them.
    EntriesHandled = 56,
    /// Of `Dropped`.
    EntriesDropped = 57,
    /// Of `Expired`.
    EntriesExpired = 58,
    /// Of `Cancelled`.
    EntriesCancelled = 59,
    /// Of `DeadLetters`: found in a uring whose sender is dead, by an actor that ends.
    EntriesLost = 60,
    /// Of `Refused`.
    EntriesRefused = 61,
}

/// The owner's counters. Clones share them.
#[derive(Debug)]
pub struct Counters<K = DefaultKeep> {
    lines: OwnRecord<CounterLines, K>,
}

impl<K: Clone> Clone for Counters<K> {
    fn clone(&self) -> Self {
        Self {
            lines: self.lines.clone(),
        }
    }
}

impl<K: Keep> Counters<K> {
    pub(crate) fn new(lines: OwnRecord<CounterLines, K>) -> Self {
        Self { lines }
    }

    /// Adds `n`.
    ///
    /// Cost: one relaxed read-modify-write of a line that only this process writes.
    #[inline]
    pub fn add(&self, counter: Counter, n: u64) {
        self.word(counter).fetch_add(n, Relaxed); // Relaxed: stands for itself
    }

    /// Subtracts `n` from a gauge.
    #[inline]
    pub fn sub(&self, gauge: Counter, n: u64) {
        self.word(gauge).fetch_sub(n, Relaxed); // Relaxed: stands for itself
    }

    /// Sets a counter that is kept elsewhere, and only shown here.
    #[inline]
    pub fn set(&self, counter: Counter, value: u64) {
        self.word(counter).store(value, Relaxed); // Relaxed: stands for itself
    }

    /// Returns the count. May be stale at once.
    #[inline]
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.word(counter).load(Relaxed) // Relaxed: stands for itself
    }

    fn word(&self, counter: Counter) -> &AtomicU64 {
        &self.lines.words[counter as usize]
    }
}

/// A node's counters as others see them.
#[derive(Debug)]
pub struct PeerCounters<K = DefaultKeep> {
    lines: PeerRecord<CounterLines, K>,
}

impl<K: Clone> Clone for PeerCounters<K> {
    fn clone(&self) -> Self {
        Self {
            lines: self.lines.clone(),
        }
    }
}

impl<K: Keep> PeerCounters<K> {
    pub(crate) fn new(lines: PeerRecord<CounterLines, K>) -> Self {
        Self { lines }
    }

    /// Returns the count, as its owner says. May be stale at once; final when the owner is dead.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.lines
            .get()
            .load(|lines| &lines.words[counter as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::Buffer;

    #[test]
    fn each_counter_has_a_word_of_its_own() {
        let region = Buffer::region(512);
        let counters = Counters::new(region.hold(0).unwrap());
        let seen = PeerCounters::new(region.read_only().hold(0).unwrap());
        for &counter in Counter::ALL {
            counters.add(counter, 100 + counter as u64);
        }
        for &counter in Counter::ALL {
            assert_eq!(seen.get(counter), 100 + counter as u64);
            assert_eq!(counters.get(counter), seen.get(counter));
        }
        assert!(Counter::ALL.is_sorted_by_key(|&counter| counter as u8));
    }

    #[test]
    fn gauges_shrink() {
        let region = Buffer::region(512);
        let counters = Counters::new(region.hold(0).unwrap());
        counters.add(Counter::InFlight, 3);
        counters.sub(Counter::InFlight, 2);
        assert_eq!(counters.clone().get(Counter::InFlight), 1);
        counters.set(Counter::BlocksAllocated, 9);
        assert_eq!(counters.get(Counter::BlocksAllocated), 9);
    }
}
