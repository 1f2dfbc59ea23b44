//! A lane's reading end.

use super::{HeadLine, Peek};
use crate::error::Violation;
use crate::layout::Pow2;
use crate::mutant::{self, Mutant, release_unless};
use crate::region::{DefaultKeep, Keep, OwnRecord, PeerRecords, ReadOnly};
use crate::step;
use crate::sync::Ordering::Release;
use crate::words::Slot;

/// Reads entries of `W` words.
#[derive(Debug)]
pub struct Take<const W: usize, K = DefaultKeep> {
    slots: PeerRecords<Slot<W>, K>,
    own: OwnRecord<HeadLine, K>,
    capacity: Pow2,
    head: u64, // entries taken
    done: u64, // entries handled
}

impl<const W: usize, K: Keep> Take<W, K> {
    /// Opens the reading end of a lane from which nothing was taken yet.
    ///
    /// # Panics
    ///
    /// When the number of slots is not a power of two up to 2^20.
    #[must_use]
    pub fn new(slots: PeerRecords<Slot<W>, K>, own: OwnRecord<HeadLine, K>) -> Self {
        let capacity = Pow2::new(slots.len() as u64).expect("a power of two of slots");
        own.clear();
        Self {
            slots,
            own,
            capacity,
            head: 0,
            done: 0,
        }
    }

    /// A way to [`peek`](Self::peek) for those who do not hold this end.
    #[must_use]
    pub fn peeker(&self) -> Peek<W, K> {
        Peek::new(self.slots.clone(), self.own.clone(), self.capacity)
    }

    /// Whether [`take`](Self::take) has something to say: an entry, or a violation.
    ///
    /// Cost: a load of the line that the writer writes next; no store.
    #[inline]
    #[must_use]
    pub fn peek(&self) -> bool {
        // Relaxed: `take` looks again before it reads words.
        self.slot(self.head).load(|slot| &slot.stamp) != self.empty(self.head)
    }

    /// Whether more than `count` entries wait; `false` for a count that the lane has no room for.
    ///
    /// Stamps are stored in order, so the entry behind `count` others tells of all of them. A writer that stamps out of
    /// order deceives this look, and nobody but itself.
    ///
    /// Cost: a load of one of the writer's lines; no store.
    #[inline]
    #[must_use]
    pub fn has_more_than(&self, count: u64) -> bool {
        let position = self.head + count.min(self.capacity.get());
        // Relaxed: `take` looks again before it reads words.
        count < self.capacity.get() && self.slot(position).load(|slot| &slot.stamp) == position + 1
    }

    /// Takes the next entry: copies it out and publishes the head, before it returns.
    ///
    /// Cost: the writer's line, and one Release store into this side's.
    ///
    /// # Errors
    ///
    /// The slot's stamp cannot be. Nothing is taken then, and every later call says the same.
    #[inline]
    pub fn take(&mut self) -> Result<Option<[u64; W]>, Violation> {
        let Some(slot) = self.next(self.head)? else {
            return Ok(None);
        };
        if mutant::under(Mutant::HeadBeforeCopy) {
            self.own.head.store(self.head + 1, Release);
        }
        let words = slot.copy_words();
        step!("take-copied");
        self.publish(self.head + 1);
        step!("take-published");
        Ok(Some(words))
    }

    /// Takes entries until `target` is full or the lane empty, publishes the head once, and returns how many.
    ///
    /// # Errors
    ///
    /// The first slot's stamp cannot be. One further on ends the batch; the next call reports it.
    #[inline]
    pub fn take_batch(&mut self, target: &mut [[u64; W]]) -> Result<usize, Violation> {
        let mut count = 0;
        for words in target {
            match self.next(self.head + count as u64) {
                Ok(Some(slot)) => *words = slot.copy_words(),
                Err(violation) if count == 0 => return Err(violation),
                Ok(None) | Err(_) => break,
            }
            count += 1;
        }
        if count > 0 {
            self.publish(self.head + count as u64);
        }
        Ok(count)
    }

    /// Counts one more of the taken entries as handled.
    ///
    /// # Panics
    ///
    /// In debug builds, when all taken entries are.
    #[inline]
    pub fn finish(&mut self) {
        debug_assert!(self.done < self.head, "finish without take");
        self.done += 1;
        // Release handled: pairs with the load of `done` in `Push::done`.
        self.own
            .done
            .store(self.done, release_unless(Mutant::DoneRelaxed));
    }

    /// Entries taken.
    #[inline]
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.head
    }

    /// Entries handled.
    #[inline]
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done
    }

    /// The slot of `position` if it bears its entry, acquired.
    #[inline]
    fn next(&self, position: u64) -> Result<Option<ReadOnly<'_, Slot<W>>>, Violation> {
        let slot = self.slot(position);
        // Acquire entry-written: pairs with the store of the stamp in `Push::push`.
        let found = slot.load_acquire(|slot| &slot.stamp);
        if found == position + 1 {
            return Ok(Some(slot));
        }
        match self.empty(position) {
            empty if empty == found => Ok(None),
            empty => Err(Violation::Stamp {
                position,
                empty,
                found,
            }),
        }
    }

    #[inline]
    fn publish(&mut self, head: u64) {
        self.head = head;
        // Release slot-free: pairs with the load of `head` in `Push::taken`. The copies above come before it.
        self.own.head.store(head, Release);
    }

    #[inline]
    fn empty(&self, position: u64) -> u64 {
        super::empty(position, self.capacity)
    }

    #[inline]
    fn slot(&self, position: u64) -> ReadOnly<'_, Slot<W>> {
        let slot = self.slots.get(self.capacity.slot_index(position));
        slot.expect("in-range: masked with the capacity")
    }
}
