//! A lane's reading end.

use super::{HeadLine, Peek, REST_MARK, count_of, mark_of, marked};
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
    head: u64,      // slots taken
    done: u64,      // slots of entries that were handled
    rest_ever: u64, // slots taken that were the rest of a long entry
    row: u32,       // entries taken since the lane was found empty
}

/// Entries in a row after which more are expected to wait.
const ROW: u32 = 8;
/// How many slots ahead of the head a line is asked for then.
const AHEAD: u64 = 8;

/// An entry that was taken, long or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken<const W: usize, R> {
    /// The words of its first slot.
    pub words: [u64; W],
    /// What the reader made of its rest, if it has one.
    pub rest: Option<R>,
    /// Slots that it takes, to be named when it has been handled.
    pub slots: u64,
}

/// What of an entry was taken beside the words of its first slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind<R> {
    /// What the reader made of its rest, if it has one.
    pub rest: Option<R>,
    /// Slots that it takes, to be named when it has been handled.
    pub slots: u64,
}

/// The rest of a long entry while it is taken: an iterator over the words of its slots, each read once.
#[derive(Debug)]
pub struct Rest<'a, const W: usize, K> {
    take: &'a Take<W, K>,
    next: u64,
    end: u64,
}

impl<const W: usize, K: Keep> Iterator for Rest<'_, W, K> {
    type Item = [u64; W];

    #[inline]
    fn next(&mut self) -> Option<[u64; W]> {
        (self.next < self.end).then(|| {
            let words = self.take.slot(self.next).copy_words();
            self.next += 1;
            words
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // At most `REST_MAX`.
        let left = usize::try_from(self.end - self.next).unwrap_or_default();
        (left, Some(left))
    }
}

impl<const W: usize, K: Keep> ExactSizeIterator for Rest<'_, W, K> {}

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
            rest_ever: 0,
            row: 0,
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
        !self.is_empty(self.slot(self.head).load(|slot| &slot.stamp), self.head)
    }

    /// Whether more than `count` entries wait, of one slot each; `false` for a count that the lane has no room for.
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
        let stamp = self.slot(position).load(|slot| &slot.stamp);
        count < self.capacity.get() && count_of(stamp) == position + 1
    }

    /// Takes the next entry: copies it out and publishes the head, before it returns.
    ///
    /// Cost: the writer's line, and one Release store into this side's.
    ///
    /// # Errors
    ///
    /// The slot's stamp cannot be, or is that of a long entry, which this does not take. Nothing is taken then, and every
    /// later call says the same.
    #[inline]
    pub fn take(&mut self) -> Result<Option<[u64; W]>, Violation> {
        let mut words = [0; W];
        Ok(self.take_into(&mut words)?.then_some(words))
    }

    /// The same into `words`; `false`, and they are what they were, when there is no entry.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    #[inline]
    pub fn take_into(&mut self, words: &mut [u64; W]) -> Result<bool, Violation> {
        let Some(slot) = self.next(self.head)? else {
            return Ok(false);
        };
        if mutant::under(Mutant::HeadBeforeCopy) {
            self.own.head.store(self.head + 1, Release);
        }
        slot.copy_words_to(words);
        step!("take-copied");
        self.publish(self.head + 1);
        step!("take-published");
        Ok(true)
    }

    /// Takes the next entry, long or not; `read` makes of its rest what the caller wants. The head passes all of it before
    /// this returns.
    ///
    /// Cost: the writer's lines, and one Release store into this side's.
    ///
    /// # Errors
    ///
    /// A slot's stamp cannot be. Nothing is taken then, and every later call says the same.
    #[inline]
    pub fn take_long<R>(
        &mut self,
        read: impl FnOnce(Rest<'_, W, K>) -> R,
    ) -> Result<Option<Taken<W, R>>, Violation> {
        let mut words = [0; W];
        let behind = self.take_long_into(&mut words, read)?;
        Ok(behind.map(|Behind { rest, slots }| Taken { words, rest, slots }))
    }

    /// The same, with the words of its first slot in `words`, which are what they were when there is none.
    ///
    /// # Errors
    ///
    /// As [`take_long`](Self::take_long).
    #[inline]
    pub fn take_long_into<R>(
        &mut self,
        words: &mut [u64; W],
        read: impl FnOnce(Rest<'_, W, K>) -> R,
    ) -> Result<Option<Behind<R>>, Violation> {
        let position = self.head;
        let slot = self.slot(position);
        // Acquire entry-written: pairs with the store of the stamp in `Push::write`.
        let found = slot.load_acquire(|slot| &slot.stamp);
        let is_long = found != position + 1;
        if is_long {
            if self.is_empty(found, position) {
                self.row = 0;
                return Ok(None);
            }
            self.check_rest(position, found)?;
        }
        let slots = 1 + u64::from(mark_of(found));
        if mutant::under(Mutant::HeadBeforeCopy) {
            self.own.head.store(position + slots, Release);
        }
        slot.copy_words_to(words);
        let rest = is_long.then(|| {
            read(Rest {
                take: self,
                next: position + 1,
                end: position + slots,
            })
        });
        if is_long {
            self.rest_ever += slots - 1;
        }
        step!("take-copied");
        self.publish(position + slots);
        step!("take-published");
        self.expect_more(slots);
        Ok(Some(Behind { rest, slots }))
    }

    /// Asks for the lines of slots that are read soon, where many wait: each is in the writer's cache still, and they come while
    /// others are handled. Not where the writer may be about to write them: it would have to take them away again.
    #[inline]
    fn expect_more(&mut self, slots: u64) {
        if self.row < ROW {
            self.row += 1;
            return;
        }
        for position in self.head..self.head + slots {
            self.slot(position + AHEAD).ask_for();
        }
    }

    /// Checks the stamps of a long entry, whose first is `found`.
    fn check_rest(&self, position: u64, found: u64) -> Result<(), Violation> {
        let rest = u64::from(mark_of(found));
        let is_first = count_of(found) == position + 1 && mark_of(found) != REST_MARK;
        if !is_first || rest >= self.capacity.get() {
            return Err(self.violation(position, found));
        }
        for position in position + 1..=position + rest {
            // Relaxed: the stamp of the first slot was acquired.
            let found = self.slot(position).load(|slot| &slot.stamp);
            if found != marked(position, REST_MARK) {
                return Err(self.violation(position, found));
            }
        }
        Ok(())
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

    /// Counts the oldest entry that was taken and not handled as handled: one of so many `slots`.
    ///
    /// # Panics
    ///
    /// In debug builds, when not so many slots were taken.
    #[inline]
    pub fn finish(&mut self, slots: u64) {
        debug_assert!(self.done + slots <= self.head, "finish without take");
        self.done += slots;
        // Release handled: pairs with the load of `done` in `Push::done`.
        self.own
            .done
            .store(self.done, release_unless(Mutant::DoneRelaxed));
    }

    /// Slots taken.
    #[inline]
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.head
    }

    /// Entries taken, long ones counted once.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.head - self.rest_ever
    }

    /// Slots of entries that were handled.
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
        if self.is_empty(found, position) {
            return Ok(None);
        }
        Err(self.violation(position, found))
    }

    #[inline]
    fn publish(&mut self, head: u64) {
        self.head = head;
        // Release slot-free: pairs with the load of `head` in `Push::taken`. The copies above come before it.
        self.own.head.store(head, Release);
    }

    #[inline]
    fn is_empty(&self, stamp: u64, position: u64) -> bool {
        super::is_empty(stamp, position, self.capacity)
    }

    #[cold]
    fn violation(&self, position: u64, found: u64) -> Violation {
        Violation::Stamp {
            position,
            empty: super::empty(position, self.capacity),
            found,
        }
    }

    #[inline]
    fn slot(&self, position: u64) -> ReadOnly<'_, Slot<W>> {
        let slot = self.slots.get(self.capacity.slot_index(position));
        slot.expect("in-range: masked with the capacity")
    }
}
