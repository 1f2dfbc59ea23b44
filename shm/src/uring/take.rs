//! The completer's receiving end.

use super::aside::OwnAside;
use super::{Aside, CompleterLine, OpWord, SubmitterLine};
use crate::error::Violation;
use crate::generation::Key;
use crate::lane::{Behind, Peek, Rest, Take, Taken};
use crate::mutant::{Mutant, release_unless};
use crate::region::{DefaultKeep, Keep, OwnRecord, PeerRecord, PeerRecords};
use crate::sync::{AtomicU64, Ordering::Relaxed, dekker_fence};
use crate::words::EntryWords;

/// Takes entries off the submission queue. See [`uring`](super).
#[derive(Debug)]
pub struct TakeEnd<K = DefaultKeep> {
    lane: Take<7, K>,
    own: OwnRecord<CompleterLine, K>,
    peer: PeerRecord<SubmitterLine, K>,
    op_words: PeerRecords<AtomicU64, K>,
    aside: OwnAside<K>,
    epoch: u64, // the last `idle` epoch
    is_idle: bool,
    answered: u64, // the last number of a wait that was handed out to be answered
}

impl<K: Keep> TakeEnd<K> {
    pub(super) fn new(
        lane: Take<7, K>,
        own: OwnRecord<CompleterLine, K>,
        peer: PeerRecord<SubmitterLine, K>,
        op_words: PeerRecords<AtomicU64, K>,
        aside: OwnAside<K>,
    ) -> Self {
        Self {
            lane,
            own,
            peer,
            op_words,
            aside,
            epoch: 0,
            is_idle: false,
            answered: 0,
        }
    }

    /// Says that the entry at `position`, which has no op, was put aside, before [`finish`](Self::finish) passes it: its end is
    /// still to come.
    ///
    /// Cost: two stores, to lines that are written for this alone.
    pub fn put_aside(&mut self, position: u64, type_id: u64) -> Aside {
        self.aside.put(position, type_id, &self.own)
    }

    /// An entry that was put aside has come to its end.
    pub fn take_up(&mut self, aside: Aside) {
        self.aside.take_up(aside, &self.own);
    }

    /// Whether an entry is put aside.
    #[must_use]
    pub fn has_aside(&self) -> bool {
        !self.aside.is_empty()
    }

    /// A way to [`peek`](Self::peek) without this end, and so without its lock.
    #[must_use]
    pub fn peeker(&self) -> Peek<7, K> {
        self.lane.peeker()
    }

    /// Whether [`take`](Self::take) has something to say: an entry, or a violation. Takes nothing.
    #[inline]
    #[must_use]
    pub fn peek(&self) -> bool {
        self.lane.peek()
    }

    /// Whether more than `count` entries wait. Takes nothing; see [`Take::has_more_than`].
    #[inline]
    #[must_use]
    pub fn has_more_than(&self, count: u64) -> bool {
        self.lane.has_more_than(count)
    }

    /// Takes the next entry; its handler begins now (taken-means-begun). The head is published before this returns.
    ///
    /// # Errors
    ///
    /// The slot's stamp cannot be.
    #[inline]
    pub fn take(&mut self) -> Result<Option<EntryWords>, Violation> {
        self.lane.take()
    }

    /// Takes the next entry, long or not, as [`take`](Self::take); `read` makes of its rest what the caller wants.
    ///
    /// # Errors
    ///
    /// A slot's stamp cannot be.
    #[inline]
    pub fn take_long<R>(
        &mut self,
        read: impl FnOnce(Rest<'_, 7, K>) -> R,
    ) -> Result<Option<Taken<7, R>>, Violation> {
        self.lane.take_long(read)
    }

    /// The same, with the words of its first slot in `words`, which are what they were when there is none.
    ///
    /// # Errors
    ///
    /// A slot's stamp cannot be.
    #[inline]
    pub fn take_long_into<R>(
        &mut self,
        words: &mut EntryWords,
        read: impl FnOnce(Rest<'_, 7, K>) -> R,
    ) -> Result<Option<Behind<R>>, Violation> {
        self.lane.take_long_into(words, read)
    }

    /// Says that the handler of the oldest entry that is not finished, one of so many `slots`, has ended.
    #[inline]
    pub fn finish(&mut self, slots: u64) {
        self.lane.finish(slots);
    }

    /// Slots taken.
    #[inline]
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.lane.taken()
    }

    /// Entries taken, long ones counted once.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.lane.entries()
    }

    /// Slots of entries that are finished.
    #[inline]
    #[must_use]
    pub fn done(&self) -> u64 {
        self.lane.done()
    }

    /// What the submitter says of one of its ops, by the key in the entry's `user_data`.
    ///
    /// # Errors
    ///
    /// The key's index is beyond the op words: no op of this uring.
    #[inline]
    pub fn op_word(&self, key: Key) -> Result<OpWord, Violation> {
        let word = self
            .op_words
            .get(key.index() as usize)
            .ok_or(Violation::Meaningless {
                name: "an entry's user_data",
                found: key.to_bits(),
            })?;
        // Acquire op-word: pairs with the store in `OpWords`.
        Ok(OpWord::of(key, word.load_acquire(|word| word)))
    }

    /// Stops watching this uring, unless an entry came: returns whether it is idle now. Then the submitter's next entry
    /// comes with a note. Read the notes before, so that there are never more than two of this uring; look at
    /// [`submitter_wants`](Self::submitter_wants) and [`submitter_closed`](Self::submitter_closed) afterwards.
    ///
    /// Cost: a store, a full fence, and a look at the slot.
    #[must_use = "if it is not idle it must be looked at"]
    pub fn go_idle(&mut self) -> bool {
        self.epoch += 1;
        self.is_idle = true;
        // Relaxed: the fence orders it.
        self.own.idle.store(self.epoch, Relaxed);
        // SeqCst idle: `idle` before the look at the slot; pairs with the fence in `SubmitEnd::idle_epoch`. It is also
        // room's: the head before the caller's load of `wants`; pairs with the fence in `Asleep::arm`, which follows
        // `SubmitEnd::ask_for_room`.
        dekker_fence(Mutant::NoFenceAfterIdle);
        if self.peek() {
            self.go_hot();
        }
        self.is_idle
    }

    /// Watches this uring again; nothing to do if it is watched.
    #[inline]
    pub fn go_hot(&mut self) {
        if self.is_idle {
            self.is_idle = false;
            // Relaxed: a submitter that still sees the old number writes one note in vain.
            self.own.idle.store(0, Relaxed);
        }
    }

    /// Whether the last [`go_idle`](Self::go_idle) holds.
    #[inline]
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.is_idle
    }

    /// The number of a wait of the submitter for room, if any was made since that wait began, and it was not handed out yet: then
    /// see whether to ring its bell. To be called after each batch, and before sleeping after a fence: that of [`go_idle`](Self::go_idle), or in
    /// [`submitter_wants_by_now`](Self::submitter_wants_by_now).
    #[inline]
    #[must_use = "whoever is told a number owes a look at the bell"]
    pub fn submitter_wants(&mut self) -> Option<u64> {
        // Relaxed: the caller's fence orders it.
        let wants = self.peer.get().load(|line| &line.wants);
        // A wait that began after the last entry was taken is not answered with that: the answer would be spent.
        if wants == 0 || wants == self.answered || wants > self.taken() {
            return None;
        }
        self.answered = wants;
        Some(wants)
    }

    /// The same of a wait that began before this call, or before the last [`take`](Self::take): it is found, or its submitter sees the
    /// room.
    ///
    /// Cost: a full fence, and a load of a line that seldom changes.
    #[must_use = "whoever is told a number owes a look at the bell"]
    pub fn submitter_wants_by_now(&mut self) -> Option<u64> {
        // SeqCst room: the head, which was stored in `take`, before the load of `wants`; pairs with the fence in `Asleep::arm`, or
        // before the last try of whoever waits, which follows `SubmitEnd::ask_for_room`.
        dekker_fence(Mutant::NoFenceBeforeWants);
        self.submitter_wants()
    }

    /// Whether the submitter sends no more. Then what [`take`](Self::take) finds after this call is the rest.
    #[must_use]
    pub fn submitter_closed(&self) -> bool {
        // Acquire closed-by-submitter: pairs with the store in `SubmitEnd::close`.
        self.peer.get().load_acquire(|line| &line.closed) != 0
    }

    /// Says that no more entries are taken; the head is final. Completions of those taken may follow.
    pub fn close(&mut self) {
        // Release closed-by-completer: pairs with the loads in `SubmitEnd::peer_closed` and `ReapEnd::peer_closed`.
        self.own
            .closed
            .store(1, release_unless(Mutant::ClosedRelaxed));
    }
}
