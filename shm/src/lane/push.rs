//! A lane's writing end.

use super::{HeadLine, REST_MARK, REST_MAX, mark_of, marked};
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
    limit: u64,     // entries that may lie untaken: at most the capacity
    tail: u64,      // slots pushed
    head: u64,      // the reader's head, as last seen
    done: u64,      // the reader's count of handled slots, as last seen
    rest: u64, // slots from `head` to `tail` that are the rest of a long entry; at most `rests`
    rests: u64, // slots for rests: at most `capacity - limit`
    rest_ever: u64, // slots that were ever the rest of a long entry
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
            rest: 0,
            rests: 0,
            rest_ever: 0,
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
        if self.free() == 0 {
            self.look_for_room_slow()?;
        }
        Ok(self.write(words, 0))
    }

    /// Appends an entry that goes on in `rest`, and returns the position of its first slot. What the [`limit`](Self::limit)
    /// leaves over of the slots, but for those [kept free](Self::keep_free), is for rests, so that long entries never keep a
    /// short one from its place.
    ///
    /// Cost: one Release store; the head is read only when the slots look full.
    ///
    /// # Errors
    ///
    /// [`Full`](PushError::Full), as [`push`](Self::push); [`Crowded`](PushError::Crowded), when there is room for a short
    /// entry only, which may be untrue a moment later unless `rest` is longer than [`rest_max`](Self::rest_max); or the
    /// peer's head cannot be.
    pub fn push_long(&mut self, words: &[u64; W], rest: &[[u64; W]]) -> Result<u64, PushError> {
        let mark = u8::try_from(rest.len()).unwrap_or(REST_MARK);
        if rest.len() > self.rest_max() {
            return Err(PushError::Crowded);
        }
        if self.free() == 0 || self.free_for_rest() < rest.len() as u64 {
            self.taken()?;
        }
        if self.free() == 0 {
            return Err(PushError::Full);
        }
        if self.free_for_rest() < rest.len() as u64 {
            return Err(PushError::Crowded);
        }
        let position = self.tail;
        if mutant::under(Mutant::StampBeforeRest) {
            self.write(words, mark);
        }
        for (at, words) in (position + 1..).zip(rest) {
            let slot = &self.slots[self.capacity.slot_index(at)];
            slot.write(words);
            // Relaxed: the stamp of the first slot publishes them.
            slot.stamp.store(marked(at, REST_MARK), Relaxed);
        }
        step!("push-rest-written");
        self.tail = position;
        self.write(words, mark);
        self.tail += rest.len() as u64;
        self.rest += rest.len() as u64;
        self.rest_ever += rest.len() as u64;
        Ok(position)
    }

    /// Slots that the rest of a long entry can have here at all.
    #[inline]
    #[must_use]
    pub fn rest_max(&self) -> usize {
        usize::try_from(self.rests).map_or(REST_MAX, |max| max.min(REST_MAX))
    }

    /// Whether a rest of so many slots fits now, as far as is known without a look at the peer's head.
    #[inline]
    #[must_use]
    pub fn has_room_for_rest(&self, slots: usize) -> bool {
        self.free_for_rest() >= slots as u64
    }

    #[inline]
    fn free_for_rest(&self) -> u64 {
        self.rests.saturating_sub(self.rest)
    }

    /// Entries of one slot that fit, as far as is known.
    #[inline]
    fn free(&self) -> u64 {
        let used = self.tail - self.head;
        let bound = self.limit.saturating_sub(used - self.rest);
        bound.min(self.capacity.get() - used)
    }

    /// Appends entries from the first on while there is room, and returns how many.
    ///
    /// # Errors
    ///
    /// The peer's head cannot be; then none was appended.
    #[inline]
    pub fn push_batch(&mut self, entries: &[[u64; W]]) -> Result<usize, Violation> {
        let free = self.free();
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
            self.write(words, 0);
            count += 1;
        }
        Ok(count)
    }

    /// Writes into the slot at `tail`, which is free.
    #[inline]
    fn write(&mut self, words: &[u64; W], mark: u8) -> u64 {
        let position = self.tail;
        let slot = &self.slots[self.capacity.slot_index(position)];
        if mutant::under(Mutant::StampBeforeWords) {
            slot.stamp.store(marked(position, mark), Release);
        }
        slot.write(words);
        step!("push-words-written");
        // Release entry-written: pairs with the load of the stamp in `Take::take`.
        slot.stamp.store(marked(position, mark), Release);
        step!("push-stamped");
        self.tail = position + 1;
        position
    }

    /// Asks for the line of the slot that is written so many entries later: it comes while those before it are written. Without, each
    /// is waited for by the fence that follows the stamp, one after the other.
    ///
    /// Cost: a hint, which nothing waits for.
    #[inline]
    pub fn prepare(&self, ahead: u64) {
        self.slots[self.capacity.slot_index(self.tail + ahead)].ask_for();
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
        self.taken()?;
        Ok(self.free())
    }

    /// Lets at most `limit` entries lie untaken, and returns how many it is: from 1 to the number of slots. Slots beyond it
    /// are for the rests of long entries.
    pub fn limit(&mut self, limit: u64) -> u64 {
        self.limit = limit.clamp(1, self.capacity.get());
        self.rests = self.capacity.get() - self.limit;
        self.limit
    }

    /// Leaves at least so many slots free, whatever lies untaken: those of the entries taken last are not used again before so
    /// many have been taken. Without effect on entries of one slot; to be called after [`limit`](Self::limit).
    pub fn keep_free(&mut self, slots: u64) {
        self.rests = (self.capacity.get() - self.limit).saturating_sub(slots);
    }

    /// Slots that the peer has taken; final once it is dead. Reads the peer's head.
    ///
    /// # Errors
    ///
    /// The head went back, passed the last entry pushed, or lies in the rest of one.
    pub fn taken(&mut self) -> Result<u64, Violation> {
        // Acquire slot-free: pairs with the store of `head` in `Take`.
        let found = self.reader.get().load_acquire(|line| &line.head);
        // in-range: the head last seen is at least `tail - capacity`, or the tail would not have gone so far.
        let (floor, tail) = (self.head, self.tail);
        if found < floor || found > tail {
            return Err(Violation::Head { found, floor, tail });
        }
        if self.rest > 0 {
            let passed = self.rests_before(found);
            let rest = passed.and_then(|passed| self.rest.checked_sub(passed));
            let rest = rest.filter(|rest| *rest <= tail - found);
            self.rest = rest.ok_or(Violation::Head { found, floor, tail })?;
        }
        self.head = found;
        Ok(found)
    }

    /// Slots that the peer had taken when it was looked at last: of all that it says since, this much could be. At most
    /// the capacity behind the tail. Reads nothing of the peer's.
    #[inline]
    #[must_use]
    pub fn seen_taken(&self) -> u64 {
        self.head
    }

    /// Entries that the peer has not taken. Reads the peer's head.
    ///
    /// # Errors
    ///
    /// The peer's head cannot be.
    pub fn untaken(&mut self) -> Result<u64, Violation> {
        let taken = self.taken()?;
        Ok(self.tail - taken - self.rest)
    }

    /// Slots of rests from the head last seen up to `found`; `None` when that lies among them.
    ///
    /// Cost: a load of this side's own slots, one for each entry.
    fn rests_before(&self, found: u64) -> Option<u64> {
        let (mut at, mut rests) = (self.head, 0);
        while at < found {
            let rest = u64::from(self.mark_at(at));
            rests += rest;
            at += 1 + rest;
        }
        (at == found).then_some(rests)
    }

    /// What this side made of the slot at `position`.
    #[inline]
    fn mark_at(&self, position: u64) -> u8 {
        // Relaxed: this side's own.
        mark_of(
            self.slots[self.capacity.slot_index(position)]
                .stamp
                .load(Relaxed),
        )
    }

    /// Slots of entries whose handlers have ended; final once the peer is dead. Reads the peer's `done` and head.
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

    /// The entry at `position`, while its slot has not been used again: one of the last `capacity` pushed. `None` in the
    /// rest of a long one.
    #[must_use]
    pub fn entry_at(&self, position: u64) -> Option<[u64; W]> {
        (self.is_intact(position) && self.mark_at(position) != REST_MARK)
            .then(|| self.slots[self.capacity.slot_index(position)].copy())
    }

    /// The rest of the entry at `position`, in its order; nothing where there is none, or no such entry any more.
    pub fn rest_at(&self, position: u64) -> impl Iterator<Item = [u64; W]> {
        let rest = match self.is_intact(position).then(|| self.mark_at(position)) {
            None | Some(REST_MARK) => 0,
            Some(rest) => u64::from(rest),
        };
        (position + 1..=position + rest).map(|at| self.slots[self.capacity.slot_index(at)].copy())
    }

    fn is_intact(&self, position: u64) -> bool {
        (self.tail.saturating_sub(self.capacity.get())..self.tail).contains(&position)
    }

    /// Slots pushed, which is the position of the next entry.
    #[inline]
    #[must_use]
    pub fn tail(&self) -> u64 {
        self.tail
    }

    /// Entries pushed, long ones counted once.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.tail - self.rest_ever
    }

    /// The number of slots.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> Pow2 {
        self.capacity
    }
}
