//! The completer's sending end.

use crate::error::{PushError, Violation};
use crate::lane::Push;
use crate::layout::Pow2;
use crate::region::{DefaultKeep, Keep};
use crate::words::EntryWords;

/// Posts completions. See [`uring`](super).
#[derive(Debug)]
pub struct PostEnd<K = DefaultKeep> {
    lane: Push<7, K>,
}

impl<K: Keep> PostEnd<K> {
    pub(super) fn new(lane: Push<7, K>) -> Self {
        Self { lane }
    }

    /// Posts a completion. No notes are needed, as ops in flight are watched; see whether to ring, once per batch.
    ///
    /// # Errors
    ///
    /// [`Full`](PushError::Full): the submitter has more ops in flight than its completion queue has slots, which breaks
    /// **in-flight**; or its head cannot be.
    #[inline]
    pub fn complete(&mut self, entry: &EntryWords) -> Result<(), PushError> {
        self.lane.push(entry).map(drop)
    }

    /// Posts completions from the first on while there is room, and returns how many.
    ///
    /// # Errors
    ///
    /// The submitter's head cannot be.
    #[inline]
    pub fn complete_batch(&mut self, entries: &[EntryWords]) -> Result<usize, Violation> {
        self.lane.push_batch(entries)
    }

    /// Completions posted.
    #[inline]
    #[must_use]
    pub fn tail(&self) -> u64 {
        self.lane.tail()
    }

    /// The number of slots: as many ops as the submitter may have in flight.
    #[must_use]
    pub fn capacity(&self) -> Pow2 {
        self.lane.capacity()
    }
}
