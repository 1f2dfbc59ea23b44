//! Taking letters, by the actor alone: many at once into its private batch, one at a time out of it.
//!
//! # Invariants
//! - **one-taker**: letters are taken by the actor alone, with its own batch, and by who closes the mailbox when that is over.
//! - **checkpoints**: the actor takes the lock when its batch is down to half of the bound, when it is down to none, and for
//!   the next one; there it wakes those who wait for room. They have registered before they last looked under the lock.

#![allow(
    unsafe_code,
    reason = "the actor alone takes what was put straight, and so without a lock"
)]

use std::collections::VecDeque;

use ringway_shm::brief::Guard;
use ringway_shm::mutant::{Mutant, under};
use ringway_shm::sync::Ordering::Relaxed;

use super::overflow::Overflow;
use super::{Letters, Mailbox, State, count};
use crate::exit::ExitReason;

/// Letters that their actor has taken off its mailbox, and whose handlers have not begun.
#[derive(Debug)]
pub(crate) struct Batch<L>(Letters<L>);

impl<L> Default for Batch<L> {
    fn default() -> Self {
        Self(None)
    }
}

impl<L> Batch<L> {
    fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|letters| letters.is_empty())
    }
}

impl<L> Mailbox<L> {
    /// Whether [`take`](Self::take) has a letter; for the actor alone. None but the actor makes it false again.
    #[inline]
    pub(crate) fn has_letter(&self, batch: &Batch<L>) -> bool {
        // Relaxed: a hint; see edge.
        !batch.is_empty() || self.straight.is_full() || self.queued.load(Relaxed) > 0
    }

    /// Takes the oldest letter; for the actor alone, with its own batch.
    ///
    /// Cost: the lock at checkpoints, else one store that others see.
    #[inline]
    pub(crate) fn take(&self, batch: &mut Batch<L>) -> Option<L> {
        let next = batch.0.as_mut().and_then(|letters| letters.pop_front());
        let Some(letter) = next else {
            return self.take_beyond(batch);
        };
        let left = count(&batch.0);
        // Relaxed: see checkpoints.
        self.in_batch.store(left, Relaxed);
        if left == 0 || left == self.capacity / 2 {
            let state = self.lock();
            self.offer_room(state, left);
        }
        Some(letter)
    }

    /// Takes the oldest letter that is not in the batch. Not part of `take`: with one more place where its result may come from, it
    /// would be copied once more.
    #[inline(never)]
    fn take_beyond(&self, batch: &mut Batch<L>) -> Option<L> {
        if self.straight.is_full() {
            // SAFETY: one-taker: the actor, with its batch.
            return unsafe { self.straight.take() };
        }
        // Relaxed: a hint; see edge.
        if self.queued.load(Relaxed) == 0 {
            return None;
        }
        self.take_batch(batch)
    }

    pub(super) fn take_batch(&self, batch: &mut Batch<L>) -> Option<L> {
        let mut state = self.lock();
        if self.straight.is_full() && !under(Mutant::NoLookUnderLock) {
            // It came since the first look, and what is queued may have been sent after it.
            drop(state);
            // SAFETY: one-taker: the actor, with its batch.
            return unsafe { self.straight.take() };
        }
        let letter = if self.overflow == Overflow::DropOldest {
            // Senders take the oldest out: none leaves the queue before its turn.
            state.pop()
        } else {
            std::mem::swap(&mut batch.0, &mut state.letters);
            batch.0.as_mut().and_then(|letters| letters.pop_front())
        };
        let left = count(&batch.0);
        // Relaxed: see checkpoints; and a hint, as in `push`.
        self.in_batch.store(left, Relaxed);
        let queued = state.len();
        if under(Mutant::HintOutsideLock) {
            drop(state);
            self.queued.store(queued, Relaxed);
            return letter;
        }
        self.queued.store(queued, Relaxed);
        self.offer_room(state, left);
        letter
    }

    /// Wakes senders once half of the bound is free.
    pub(super) fn offer_room(&self, state: Guard<'_, State<L>>, in_batch: u32) {
        let has_room = self.waiting(&state) + in_batch <= self.capacity / 2;
        drop(state);
        if has_room
            && let Some(room) = self.room_if_any()
            && room.has_waiters()
        {
            room.wake_all();
        }
    }

    /// Takes a batch back whose actor has ended: its letters come first again, and go where those go that are queued.
    pub(crate) fn put_back(&self, batch: Batch<L>) {
        // Closed, as what goes straight comes before the queue, where the batch is about to be.
        // SAFETY: one-taker: the actor, with its batch.
        let straight = unsafe { self.straight.close() };
        if batch.is_empty() && straight.is_none() {
            return;
        }
        let mut state = self.lock();
        let mut letters = batch.0.unwrap_or_default();
        letters.extend(straight);
        if let Some(more) = &mut state.letters {
            letters.append(more);
        }
        state.letters = Some(letters);
        // Relaxed: as in `take_batch`.
        self.in_batch.store(0, Relaxed);
        self.queued.store(state.len(), Relaxed);
    }

    /// Refuses all further letters and hands out those queued, in the order in which they would have been taken: those of high
    /// priority first, of each the oldest first.
    pub(crate) fn close(&self, reason: &ExitReason) -> VecDeque<L> {
        let mut letters = self.close_lane(reason);
        if let Some(high) = self.high_if_any() {
            let mut first = high.close_lane(reason);
            first.append(&mut letters);
            return first;
        }
        letters
    }

    fn close_lane(&self, reason: &ExitReason) -> VecDeque<L> {
        let (closed, reason) = (&self.seldom().closed, reason.clone());
        let taken = under(Mutant::ClosedAfterTaking).then(|| self.lock().letters.take());
        let mut state = self.lock();
        let second = closed.set(reason);
        let letters = taken.flatten().or_else(|| state.letters.take());
        drop(state);
        drop(second);
        let mut letters = letters.map_or_else(VecDeque::new, |letters| *letters);
        // Not under the lock: one who fills the place may have to be waited for. Whoever finds it closed meets the lock.
        // SAFETY: one-taker: the actor is over.
        let straight = unsafe { self.straight.close() };
        if let Some(straight) = straight {
            letters.push_front(straight);
        }
        if let Some(room) = self.room_if_any() {
            room.wake_all();
        }
        letters
    }

    /// Letters that wait, with those in the actor's batch. What was sent by now comes among the next so many: a letter that goes
    /// straight after this look is of a sender that has seen what is queued, and goes behind it.
    pub(crate) fn ahead(&self, batch: &Batch<L>) -> usize {
        let queued = self.lock().len();
        // After that: who claims the place then has seen that so many are queued.
        (queued + u32::from(self.straight.is_used_now()) + count(&batch.0)) as usize
    }
}
