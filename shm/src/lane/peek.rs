//! A look at a lane without its reading end: whether something came, for who must not take it.
//!
//! Two plain loads, no lock: a driver that watches a lane looks this way, and locks the [`Take`](super::Take) only when
//! there is something. The answer is exact for what the reading end left behind before; if another thread takes
//! meanwhile, `true` may be stale, `false` never hides an entry that a look at the reading end would have found.
//!
//! Why `false` is never wrong: the head that is read here may be an old one, never one that is ahead. Had a later entry
//! been stamped where this thread can see it, so had that of the old head, as one writer stamps them in order; and a
//! slot that was used again bears a stamp that is not the empty one either.

use super::HeadLine;
use crate::layout::Pow2;
use crate::region::{DefaultKeep, Keep, OwnRecord, PeerRecords};
use crate::sync::Ordering::Relaxed;
use crate::words::Slot;

/// Looks at the slot that the reading end will read next.
#[derive(Debug)]
pub struct Peek<const W: usize, K = DefaultKeep> {
    slots: PeerRecords<Slot<W>, K>,
    own: OwnRecord<HeadLine, K>,
    capacity: Pow2,
}

impl<const W: usize, K: Keep> Peek<W, K> {
    pub(super) fn new(
        slots: PeerRecords<Slot<W>, K>,
        own: OwnRecord<HeadLine, K>,
        capacity: Pow2,
    ) -> Self {
        Self {
            slots,
            own,
            capacity,
        }
    }

    /// Whether the reading end has something to say: an entry, or a violation.
    ///
    /// Cost: a load of this side's own line, and one of the line that the writer writes next.
    #[inline]
    #[must_use]
    pub fn has_entry(&self) -> bool {
        // Relaxed: this process's own word; an old one errs towards `true`, see above.
        let head = self.own.head.load(Relaxed);
        let slot = self.slots.get(self.capacity.slot_index(head));
        // Relaxed: who takes looks again before it reads words.
        let stamp = slot.map(|slot| slot.load(|slot| &slot.stamp));
        stamp.is_some_and(|stamp| !super::is_empty(stamp, head, self.capacity))
    }
}
