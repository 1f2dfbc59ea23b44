//! A look at a broadcast lane without its reading end: whether something came, for who must not take it.
//!
//! Two plain loads, no lock. `true` may be stale when another thread takes meanwhile; `false` never hides a sample that a look at
//! the reading end would have found: the cursor that is read here may be an old one, never one that is ahead, and if a later
//! sample was published where this thread can see it, so was that of the old cursor; its slot has not been empty since.

use super::TakenLine;
use super::slots::PeerSlots;
use crate::region::{DefaultKeep, Keep, OwnRecord};
use crate::sync::Ordering::Relaxed;

/// Looks at the slot that the reading end will read next.
#[derive(Debug)]
pub struct BroadcastPeek<K = DefaultKeep> {
    slots: PeerSlots<K>,
    cursor: OwnRecord<TakenLine, K>,
}

impl<K: Keep> BroadcastPeek<K> {
    pub(super) fn new(slots: PeerSlots<K>, cursor: OwnRecord<TakenLine, K>) -> Self {
        Self { slots, cursor }
    }

    /// Whether the reading end has something to say: a sample, a gap, or a violation.
    ///
    /// Cost: a load of this side's own line, and one of the line that the publisher writes next.
    #[inline]
    #[must_use]
    pub fn has_sample(&self) -> bool {
        // Relaxed: this process's own word; an old one errs towards `true`, see above.
        let next = self.cursor.taken.load(Relaxed) + 1;
        // Relaxed: who takes looks again before it reads words.
        !self.slots.stamp(next).is_empty(next, self.slots.layout())
    }
}
