//! The number of an actor or queue: what its node knows it by, from its birth on.
//!
//! A number is never used again while the node lives. It is what addresses carry, what urings are opened to and what
//! makes addresses equal, so all addresses of one actor agree, wherever they were made. A peer that makes a number up
//! names another receiver, or none: there is nothing beside it that could contradict it.

use std::fmt;
use std::num::NonZeroU64;

use ringway_macros::Schema;
use ringway_shm::sync::AtomicU64;
use ringway_shm::sync::Ordering::Relaxed;
use serde::{Deserialize, Serialize};

/// One actor or queue of one node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Schema)]
pub(crate) struct Number(NonZeroU64);

impl Number {
    #[cfg(test)]
    pub(crate) const FIRST: Self = Self(NonZeroU64::MIN);

    /// Reads a number from a word; zero is none.
    pub(crate) fn from_bits(bits: u64) -> Option<Self> {
        NonZeroU64::new(bits).map(Self)
    }

    pub(crate) fn to_bits(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The numbers that a node has given away.
#[derive(Debug, Default)]
pub(crate) struct Numbers(AtomicU64);

impl Numbers {
    /// Returns a number that nothing else of this node has or had.
    pub(crate) fn next(&self) -> Number {
        // Relaxed: it is the only word that orders numbers. A node ends long before it has counted to 2^64.
        Number(NonZeroU64::MIN.saturating_add(self.0.fetch_add(1, Relaxed)))
    }
}
