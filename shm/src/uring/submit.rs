//! The submitter's sending end.

use super::aside::PeerAside;
use super::{AsideClaim, CompleterLine, SubmitterLine};
use crate::error::{PushError, Violation};
use crate::lane::Push;
use crate::layout::Pow2;
use crate::mutant::{Mutant, release_unless};
use crate::region::{DefaultKeep, Keep, OwnRecord, PeerRecord};
use crate::sync::{Ordering::Relaxed, dekker_fence};
use crate::words::EntryWords;

/// Puts entries on the submission queue. See [`uring`](super).
#[derive(Debug)]
pub struct SubmitEnd<K = DefaultKeep> {
    lane: Push<7, K>,
    own: OwnRecord<SubmitterLine, K>,
    peer: PeerRecord<CompleterLine, K>,
    aside: PeerAside<K>,
    noted: u64, // the last `idle` epoch that was handed out to be noted
    closed: bool,
}

impl<K: Keep> SubmitEnd<K> {
    pub(super) fn new(
        lane: Push<7, K>,
        own: OwnRecord<SubmitterLine, K>,
        peer: PeerRecord<CompleterLine, K>,
        aside: PeerAside<K>,
    ) -> Self {
        Self {
            lane,
            own,
            peer,
            aside,
            noted: 0,
            closed: false,
        }
    }

    /// Submits an entry and returns its position. Once this returns `Ok` it is delivered even if this process dies; to
    /// make sure that the completer looks, go on with [`idle_epoch`](Self::idle_epoch), once per batch.
    ///
    /// Cost: that of [`Push::push`] and a load of a line that seldom changes.
    ///
    /// # Errors
    ///
    /// [`Full`](PushError::Full), [`Closed`](PushError::Closed) by either side, or the peer's head cannot be.
    #[inline]
    pub fn submit(&mut self, entry: &EntryWords) -> Result<u64, PushError> {
        if self.is_closed() {
            return Err(PushError::Closed);
        }
        self.lane.push(entry)
    }

    /// Submits entries from the first on while there is room, and returns how many.
    ///
    /// # Errors
    ///
    /// [`Closed`](PushError::Closed) by either side, or the peer's head cannot be; then none was submitted.
    #[inline]
    pub fn submit_batch(&mut self, entries: &[EntryWords]) -> Result<usize, PushError> {
        if self.is_closed() {
            return Err(PushError::Closed);
        }
        Ok(self.lane.push_batch(entries)?)
    }

    /// Submits an entry that goes on in `rest`; otherwise as [`submit`](Self::submit), at the cost of
    /// [`Push::push_long`].
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit), and [`Crowded`](PushError::Crowded) when there is room for a short entry only.
    pub fn submit_long(
        &mut self,
        entry: &EntryWords,
        rest: &[EntryWords],
    ) -> Result<u64, PushError> {
        if self.is_closed() {
            return Err(PushError::Closed);
        }
        self.lane.push_long(entry, rest)
    }

    /// Has the line of a slot come that is written so many entries later; see [`Push::prepare`].
    #[inline]
    pub fn prepare(&self, ahead: u64) {
        self.lane.prepare(ahead);
    }

    /// Slots that the rest of a long entry can have here at all.
    #[inline]
    #[must_use]
    pub fn rest_max(&self) -> usize {
        self.lane.rest_max()
    }

    /// Whether a rest of so many slots fits now, as far as is known without a look at the completer's head.
    #[inline]
    #[must_use]
    pub fn has_room_for_rest(&self, slots: usize) -> bool {
        self.lane.has_room_for_rest(slots)
    }

    /// After submitting: an epoch since which the completer does not watch this uring, if no note was asked for in it
    /// yet. Then write a note and see whether to ring.
    ///
    /// Cost: a full fence, and a load of a line that seldom changes.
    #[inline]
    #[must_use = "whoever is told an epoch owes a note"]
    pub fn idle_epoch(&mut self) -> Option<u64> {
        // SeqCst idle: the stamps before the load of `idle`; pairs with the fence in `TakeEnd::go_idle`.
        dekker_fence(Mutant::NoFenceAfterStamp);
        // Relaxed: the fence orders it.
        let idle = self.peer.get().load(|line| &line.idle);
        if idle == 0 || idle == self.noted {
            return None;
        }
        self.noted = idle;
        Some(idle)
    }

    /// Entries that fit now. Reads the completer's head.
    ///
    /// # Errors
    ///
    /// The peer's head cannot be.
    pub fn room(&mut self) -> Result<u64, Violation> {
        self.lane.room()
    }

    /// Lets at most `limit` entries lie untaken, and returns how many it is: from 1 to the number of slots.
    pub fn limit(&mut self, limit: u64) -> u64 {
        self.lane.limit(limit)
    }

    /// Leaves at least so many slots free; see [`Push::keep_free`].
    pub fn keep_free(&mut self, slots: u64) {
        self.lane.keep_free(slots);
    }

    /// Says that this side waits for more to be taken than was [seen](Self::seen_taken) to be, and returns the wait's number. Then
    /// arm this node's bell, look once more, and sleep only if nothing was. The completer answers once, when it has taken more:
    /// who was woken, looked and still has too little asks anew.
    pub fn ask_for_room(&mut self) -> u64 {
        let wants = self.seen_taken() + 1;
        // Relaxed: the fence in `Asleep::arm`, between this and the caller's last look at the head, orders it. It pairs
        // with the fence in `TakeEnd::go_idle`, or before the completer's own sleep, between its store of the head and
        // its load of `wants`. Ruled out: 'no room seen here, no want seen there'.
        self.own.wants.store(wants, Relaxed);
        wants
    }

    /// Says that this side waits for nothing.
    pub fn stop_asking(&mut self) {
        // Relaxed: a completer that still sees the old number rings once in vain.
        self.own.wants.store(0, Relaxed);
    }

    /// Entries that the completer has not taken.
    ///
    /// # Errors
    ///
    /// The peer's head cannot be.
    pub fn untaken(&mut self) -> Result<u64, Violation> {
        self.lane.untaken()
    }

    /// Slots that the completer has taken; final once it has closed or is dead.
    ///
    /// # Errors
    ///
    /// The peer's head cannot be.
    pub fn taken(&mut self) -> Result<u64, Violation> {
        self.lane.taken()
    }

    /// Slots that the completer had taken when it was looked at last, whatever it says now.
    #[inline]
    #[must_use]
    pub fn seen_taken(&self) -> u64 {
        self.lane.seen_taken()
    }

    /// Slots of entries whose handlers have ended; final once the completer is dead.
    ///
    /// # Errors
    ///
    /// The peer's count or head cannot be.
    pub fn done(&mut self) -> Result<u64, Violation> {
        self.lane.done()
    }

    /// The entries without an op that the completer says it has put aside: their ends are still to come, though
    /// [`done`](Self::done) may have passed them. Final once the completer has closed or is dead. Beside them the number of
    /// those that it does not name.
    pub fn put_aside(&self) -> (impl Iterator<Item = AsideClaim>, u64) {
        (self.aside.claims(), PeerAside::beyond(&self.peer))
    }

    /// The entry at `position`, while its slot has not been used again: any from `taken` to `tail`.
    #[must_use]
    pub fn entry_at(&self, position: u64) -> Option<EntryWords> {
        self.lane.entry_at(position)
    }

    /// The rest of the entry at `position`; nothing where there is none.
    pub fn rest_at(&self, position: u64) -> impl Iterator<Item = EntryWords> {
        self.lane.rest_at(position)
    }

    /// Slots submitted, which is the position of the next entry.
    #[inline]
    #[must_use]
    pub fn tail(&self) -> u64 {
        self.lane.tail()
    }

    /// Entries submitted, long ones counted once.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.lane.entries()
    }

    /// The number of slots.
    #[must_use]
    pub fn capacity(&self) -> Pow2 {
        self.lane.capacity()
    }

    /// Says that no entry follows; completions still do. As after an entry, go on with [`idle_epoch`](Self::idle_epoch),
    /// so that an idle completer looks.
    pub fn close(&mut self) {
        self.closed = true;
        // Release closed-by-submitter: pairs with the load in `TakeEnd::submitter_closed`.
        self.own
            .closed
            .store(1, release_unless(Mutant::ClosedRelaxed));
    }

    /// Whether the completer takes no more. Then [`taken`](Self::taken) is final.
    #[must_use]
    pub fn peer_closed(&self) -> bool {
        // Acquire closed-by-completer: pairs with the store in `TakeEnd::close`.
        self.peer.get().load_acquire(|line| &line.closed) != 0
    }

    #[inline]
    fn is_closed(&self) -> bool {
        // Relaxed: nothing that the completer did before is read on the way.
        self.closed || self.peer.get().load(|line| &line.closed) != 0
    }
}
