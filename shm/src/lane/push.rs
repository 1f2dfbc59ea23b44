//! A lane's writing end.

use super::HeadLine;
use crate::error::{PushError, Violation};
use crate::layout::Pow2;
use crate::mutant::{self, Mutant};
use crate::region::{DefaultKeep, Keep, OwnRecords, PeerRecord};
use crate::step;
use crate::sync::Ordering::{Relaxed, Release};
use crate::words::Slot;

/// Writes entries of `W` words.
#[derive(Debug)]
pub struct Push<const W: usize, K = DefaultKeep> {
    slots: OwnRecords<Slot<W>, K>,
    reader: PeerRecord<HeadLine, K>,
    capacity: Pow2,
    limit: u64, // entries that may lie untaken: at most the capacity
    tail: u64,  // entries pushed
    head: u64,  // the reader's head, as last seen
    done: u64,  // the reader's count of handled entries, as last seen
}

impl<const W: usize, K: Keep> Push<W, K> {
    /// Opens the writing end of a lane from which nothing was taken yet, and makes its slots empty.
    ///
    /// # Panics
    ///
    /// When the number of slots is not a power of two up to 2^20.
    #[must_use]
    pub fn new(slots: OwnRecords<Slot<W>, K>, reader: PeerRecord<HeadLine, K>) -> Self {
        for slot in &*slots {
            // Relaxed: the peer learns of this place later, over a socket.
            slot.stamp.store(0, Relaxed);
        }
        Self::over_empty(slots, reader)
    }

    /// As [`new`](Self::new), for slots that are known to be empty.
    pub(crate) fn over_empty(
        slots: OwnRecords<Slot<W>, K>,
        reader: PeerRecord<HeadLine, K>,
    ) -> Self {
        let capacity = Pow2::new(slots.len() as u64).expect("a power of two of slots");
        Self {
            slots,
            reader,
            capacity,
            limit: capacity.get(),
            tail: 0,
            head: 0,
            done: 0,
        }
    }

    /// Appends an entry and returns its position.
    ///
    /// Cost: one Release store, into a line that the reader has seen a lap ago; the head is read only when the slots look
    /// full.
    ///
    /// # Errors
    ///
    /// [`Full`](PushError::Full), which may be untrue a moment later: the peer takes; or the peer's head cannot be.
    #[inline]
    pub fn push(&mut self, words: &[u64; W]) -> Result<u64, PushError> {
        if self.tail - self.head >= self.limit {
            self.look_for_room_slow()?;
        }
        Ok(self.write(words))
    }

    /// Appends entries from the first on while there is room, and returns how many.
    ///
    /// # Errors
    ///
    /// The peer's head cannot be; then none was appended.
    #[inline]
    pub fn push_batch(&mut self, entries: &[[u64; W]]) -> Result<usize, Violation> {
        let free = self.limit.saturating_sub(self.tail - self.head);
        let free = if free < entries.len() as u64 {
            self.room()?
        } else {
            free
        };
        let mut count = 0;
        for words in entries
            .iter()
            .take(usize::try_from(free).unwrap_or(usize::MAX))
        {
            self.write(words);
            count += 1;
        }
        Ok(count)
    }

    /// Writes into the slot at `tail`, which is free.
    #[inline]
    fn write(&mut self, words: &[u64; W]) -> u64 {
        let position = self.tail;
        let slot = &self.slots[self.capacity.slot_index(position)];
        if mutant::under(Mutant::StampBeforeWords) {
            slot.stamp.store(position + 1, Release);
        }
        slot.write(words);
        step!("push-words-written");
        // Release entry-written: pairs with the load of the stamp in `Take::take`.
        slot.stamp.store(position + 1, Release);
        step!("push-stamped");
        self.tail = position + 1;
        position
    }

    #[cold]
    fn look_for_room_slow(&mut self) -> Result<(), PushError> {
        match self.room()? {
            0 => Err(PushError::Full),
            _ => Ok(()),
        }
    }

    /// Entries that fit now; at least as many fit later. Reads the peer's head.
    ///
    /// # Errors
    ///
    /// The peer's head cannot be.
    pub fn room(&mut self) -> Result<u64, Violation> {
        let taken = self.taken()?;
        Ok(self.limit.saturating_sub(self.tail - taken))
    }

    /// Lets at most `limit` entries lie untaken, and returns how many it is: from 1 to the number of slots.
    pub fn limit(&mut self, limit: u64) -> u64 {
        self.limit = limit.clamp(1, self.capacity.get());
        self.limit
    }

    /// Entries that the peer has taken; final once it is dead. Reads the peer's head.
    ///
    /// # Errors
    ///
    /// The head went back, or passed the last entry pushed.
    pub fn taken(&mut self) -> Result<u64, Violation> {
        // Acquire slot-free: pairs with the store of `head` in `Take`.
        let found = self.reader.get().load_acquire(|line| &line.head);
        // in-range: the head last seen is at least `tail - capacity`, or the tail would not have gone so far.
        let (floor, tail) = (self.head, self.tail);
        if found < floor || found > tail {
            return Err(Violation::Head { found, floor, tail });
        }
        self.head = found;
        Ok(found)
    }

    /// Entries whose handlers have ended; final once the peer is dead. Reads the peer's `done` and head.
    ///
    /// # Errors
    ///
    /// The count went back, or passed the head; or the head cannot be.
    pub fn done(&mut self) -> Result<u64, Violation> {
        // Acquire handled: pairs with the store of `done` in `Take::finish`. Read before the head, which is ahead of it.
        let found = self.reader.get().load_acquire(|line| &line.done);
        let (floor, head) = (self.done, self.taken()?);
        if found < floor || found > head {
            return Err(Violation::Done { found, floor, head });
        }
        self.done = found;
        Ok(found)
    }

    /// The entry at `position`, while its slot has not been used again: one of the last `capacity` pushed.
    #[must_use]
    pub fn entry_at(&self, position: u64) -> Option<[u64; W]> {
        let intact = self.tail.saturating_sub(self.capacity.get())..self.tail;
        intact
            .contains(&position)
            .then(|| self.slots[self.capacity.slot_index(position)].copy())
    }

    /// Entries pushed, which is the position of the next.
    #[inline]
    #[must_use]
    pub fn tail(&self) -> u64 {
        self.tail
    }

    /// The number of slots.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> Pow2 {
        self.capacity
    }
}
