//! The submitter's receiving end.

use super::CompleterLine;
use crate::error::Violation;
use crate::lane::{Peek, Take};
use crate::region::{DefaultKeep, Keep, PeerRecord};
use crate::words::EntryWords;

/// Takes completions. See [`uring`](super).
#[derive(Debug)]
pub struct ReapEnd<K = DefaultKeep> {
    lane: Take<7, K>,
    peer: PeerRecord<CompleterLine, K>,
}

impl<K: Keep> ReapEnd<K> {
    pub(super) fn new(lane: Take<7, K>, peer: PeerRecord<CompleterLine, K>) -> Self {
        Self { lane, peer }
    }

    /// Takes the next completion. It is a claim: check it against the table of ops.
    ///
    /// # Errors
    ///
    /// The slot's stamp cannot be.
    #[inline]
    pub fn reap(&mut self) -> Result<Option<EntryWords>, Violation> {
        self.lane.take()
    }

    /// The same into `words`; `false`, and they are what they were, when there is none.
    ///
    /// # Errors
    ///
    /// The slot's stamp cannot be.
    #[inline]
    pub fn reap_into(&mut self, words: &mut EntryWords) -> Result<bool, Violation> {
        self.lane.take_into(words)
    }

    /// Takes completions until `target` is full or none is left, and returns how many.
    ///
    /// # Errors
    ///
    /// The first slot's stamp cannot be.
    #[inline]
    pub fn reap_batch(&mut self, target: &mut [EntryWords]) -> Result<usize, Violation> {
        self.lane.take_batch(target)
    }

    /// A way to [`has_completion`](Self::has_completion) without this end, and so without its lock.
    #[must_use]
    pub fn peeker(&self) -> Peek<7, K> {
        self.lane.peeker()
    }

    /// Whether [`reap`](Self::reap) has something to say: a completion, or a violation.
    #[inline]
    #[must_use]
    pub fn has_completion(&self) -> bool {
        self.lane.peek()
    }

    /// Whether the completer takes no more entries; completions of those taken still come.
    #[must_use]
    pub fn peer_closed(&self) -> bool {
        // Acquire closed-by-completer: pairs with the store in `TakeEnd::close`.
        self.peer.get().load_acquire(|line| &line.closed) != 0
    }
}
