//! Putting entries into the submission queue, and waiting for room in it.
//!
//! # Invariants
//! - **ok-is-stamped**: a submission answers `Ok` only after its entry is stamped; a crash after that loses nothing.

use std::sync::Arc;

use ringway_shm::generation::Key;
use ringway_shm::sync::Ordering::{Relaxed, SeqCst};
use ringway_shm::sync::fence;

use super::RemoteEnd;
use super::open::{Open, RoomLook};
use super::outgoing::{Obstacle, Outgoing};
use super::phase::Phase;
use crate::driver::Job;

impl RemoteEnd {
    /// Bytes of a payload that may go on behind its entry, as far as is known: 0 while those slots are taken.
    #[inline]
    pub(crate) fn long_max(&self) -> usize {
        // Relaxed: a hint. Who has a longer payload finds out when it is submitted.
        self.long_max.load(Relaxed)
    }

    /// Passes on whether there is room for payloads behind entries.
    #[inline]
    pub(super) fn hint_long_max(&self, open: &Open) {
        if open.is_crowded() != (self.long_max() == 0) {
            self.long_max.store(open.long_max(), Relaxed); // Relaxed: a hint
        }
    }

    /// Puts an entry into the submission queue; returns its op if it has one. A payload that does not fit behind it goes
    /// into a block.
    ///
    /// `outgoing` says the same as before unless this succeeds.
    #[inline]
    pub(crate) fn submit(
        self: &Arc<Self>,
        outgoing: &mut Outgoing,
    ) -> Result<Option<Key>, Obstacle> {
        match self.submit_as_it_is(outgoing) {
            Err(Obstacle::Crowded) => self.submit_with_block_slow(outgoing),
            submitted => submitted,
        }
    }

    #[cold]
    fn submit_with_block_slow(
        self: &Arc<Self>,
        outgoing: &mut Outgoing,
    ) -> Result<Option<Key>, Obstacle> {
        match outgoing.move_to_block(&self.heap) {
            Ok(()) => self.submit_as_it_is(outgoing),
            // The queue itself is not full, so its policy has no say: the slots that are wanted come free as it is emptied.
            Err(_) => Err(Obstacle::Crowded),
        }
    }

    fn submit_as_it_is(self: &Arc<Self>, outgoing: &mut Outgoing) -> Result<Option<Key>, Obstacle> {
        let mut phase = self.lock();
        let open = match &mut *phase {
            Phase::Open(open) => open,
            Phase::Waiting | Phase::Claimed | Phase::Opening(_) => return Err(Obstacle::Opening),
            Phase::Refused(refusal) => return Err(Obstacle::Refused(refusal.clone())),
            Phase::Ended(reason) => return Err(Obstacle::Ended(reason.clone())),
        };
        // A tell without a block leaves nothing to watch for.
        let needs_op = open.needs_op(outgoing);
        if needs_op
            && open.must_watch()
            && let Some(shared) = self.shared.upgrade()
        {
            shared.jobs.leave(Job::Reap(Arc::clone(self)));
        }
        let due = open.due;
        let submitted = open.submit(outgoing);
        self.hint_long_max(open);
        let is_sooner = open.due != due;
        if needs_op {
            self.show(open);
        }
        self.unlock(phase);
        // A driver that sleeps longer than that is to sleep anew. SeqCst worker-asleep: `due` was stored before the fence in
        // `rouse`, and is read by the driver after that in `fall_asleep`.
        if is_sooner && let Some(shared) = self.shared.upgrade() {
            shared.queue.rouse();
        }
        submitted
    }

    /// Has the driver look for room; the caller has registered with `room`, and tries once more after this.
    pub(crate) fn wait_for_room(self: &Arc<Self>) {
        let must_watch = match &mut *self.lock() {
            Phase::Open(open) => open.watch_room(),
            _ => false,
        };
        if must_watch && let Some(shared) = self.shared.upgrade() {
            shared
                .jobs
                .rouse(Job::Room(Arc::clone(self)), &shared.queue);
        }
        // SeqCst room-wanted: pairs with the fence between the completer's store of its head and its load of `wants`,
        // which it makes before it stops watching. Ruled out: no room seen by the caller's next try, no want seen there.
        fence(SeqCst);
    }

    /// The driver's look at an end for whose room somebody waits.
    pub(crate) fn check_room(&self) -> RoomLook {
        let mut phase = self.lock();
        // Under the lock: who registers later asks for room after this has stopped asking.
        let is_wanted = self.room.has_waiters();
        let look = match &mut *phase {
            Phase::Open(open) if !is_wanted => open.unwatch_room(),
            Phase::Open(open) => open.look_for_room(),
            _ if !is_wanted => RoomLook::Over,
            // Who closed it has woken them.
            _ => RoomLook::Nothing,
        };
        drop(phase);
        if look == RoomLook::Wakes {
            self.room.wake_all();
        }
        look
    }
}
