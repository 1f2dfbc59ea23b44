//! An end as its askers and the driver see it: completions are taken in by whoever looks first, an asker or the driver.
//!
//! An asker that is polled looks at the completions itself. So where one thread drives and asks, the driver leaves to the
//! future that it polls next what has come (see [`has_completion`](RemoteEnd::has_completion)), and a reply is taken in,
//! handed out and its op freed under one lock, without a wake.
//!
//! # Invariants
//! - **no-user-code**: wakers are cloned, woken and dropped outside of the lock.

use std::task::{Poll, Waker};

use ringway_shm::block::Block;
use ringway_shm::generation::Key;
use ringway_shm::lane::Peek;
use ringway_shm::sync::Ordering::Relaxed;
use ringway_shm::words::EntryWords;

use super::open::{Linger, Open, Reaped, TookIn};
use super::ops::{Answered, Asking, Look, Outcome};
use super::{Phase, RemoteEnd};
use crate::clock::Nanos;

/// Which look of an asker at its op it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AskerLook {
    /// The first, right after it was submitted: the op knows no waker, and its reply is still on the way.
    First,
    Later,
}

/// How an ask has ended.
#[derive(Debug)]
pub(crate) enum Found {
    /// With the words that its asker has now; nothing of the completer's is held.
    Answer,
    Outcome(Outcome<Block>),
    /// It is not known here any more.
    Nothing,
}

impl RemoteEnd {
    /// Shows the driver what is to come; called under the lock after each change.
    pub(super) fn show(&self, open: &Open) {
        // Relaxed: hints; the look before sleeping takes the lock.
        self.in_flight.store(open.ops.in_flight(), Relaxed);
        self.due
            .store(open.due.map_or(u64::MAX, |due| due.0), Relaxed);
    }

    /// No asker is overdue before this.
    pub(crate) fn due(&self) -> Option<Nanos> {
        // Relaxed: as above; who makes it sooner rouses the driver after that.
        let due = self.due.load(Relaxed);
        (due != u64::MAX).then_some(Nanos(due))
    }

    /// Wakes the askers whose deadlines have passed; `wakers` is the caller's scratch, empty.
    pub(crate) fn wake_overdue(&self, now: Nanos, wakers: &mut Vec<Waker>) {
        if let Phase::Open(open) = &mut *self.lock() {
            open.overdue(now, wakers);
            self.show(open);
        }
        wakers.drain(..).for_each(Waker::wake);
    }

    /// Whether a [`reap`](Self::reap) would find nothing and leave all as it is: completions are to come, none has.
    ///
    /// Cost: three plain loads; no lock.
    pub(crate) fn is_quiet(&self) -> bool {
        // Relaxed: as above. A stale 0 costs a look under the lock, a stale count another pass.
        self.in_flight.load(Relaxed) > 0
            && self.completions.get().is_some_and(|peek| !peek.has_entry())
    }

    /// Whether a completion of an op in flight has come, as far as can be seen without the lock.
    pub(crate) fn has_completion(&self) -> bool {
        // Relaxed: as in `show`.
        self.in_flight.load(Relaxed) > 0 && self.completions.get().is_some_and(Peek::has_entry)
    }

    /// Takes in all completions that have come, and wakes who waits for them; `wakers` is the caller's scratch, empty.
    pub(crate) fn reap(&self, wakers: &mut Vec<Waker>, linger: Linger) -> Reaped {
        let mut phase = self.lock();
        let reaped = match &mut *phase {
            Phase::Open(open) => {
                let reaped = open.reap(wakers, &self.returns, linger);
                self.show(open);
                reaped
            }
            _ => Reaped::default(),
        };
        self.unlock(phase);
        self.wake(wakers, reaped.any);
        reaped
    }

    /// Takes back the blocks that have been completed, without waiting for the driver's turn: a sender that never waits
    /// would else fill one fresh block after another, while those that it has just used lie warm.
    pub(crate) fn recover(&self) {
        if !self.completions.get().is_some_and(Peek::has_entry) {
            return;
        }
        let mut wakers = Vec::new();
        let mut phase = self.lock();
        let any = match &mut *phase {
            Phase::Open(open) => {
                let any = open.take_in_all(&self.returns, &mut |_, waker| wakers.push(waker));
                self.show(open);
                any
            }
            _ => false,
        };
        self.unlock(phase);
        self.wake(&mut wakers, any);
    }

    /// Wakes the askers whose completions have come, and if any had, those who wait for credit or blocks.
    fn wake(&self, wakers: &mut Vec<Waker>, any: bool) {
        wakers.drain(..).for_each(Waker::wake);
        if any && self.room.has_waiters() {
            self.room.wake_all();
        }
        if any && self.blocks.has_waiters() {
            self.blocks.wake_all();
        }
    }

    /// Looks whether an ask has ended, and whether its reply has just come: a plain one into `words`.
    pub(crate) fn poll_op(
        &self,
        key: Key,
        waker: &Waker,
        look: AskerLook,
        words: &mut EntryWords,
    ) -> Poll<Found> {
        let mut by = Asking {
            known: waker,
            own: (look == AskerLook::First).then(|| waker.clone()),
        };
        // Dropped after the lock, as what is left in `by`.
        let (mut came_for, mut held) = (None, None);
        let mut others = Vec::new();
        let mut any = false;
        let polled = loop {
            let mut phase = self.lock();
            let found = match &mut *phase {
                Phase::Open(open) => {
                    let mut is_answered = false;
                    if look == AskerLook::Later {
                        // This asker is looking, so its own waker need not be woken.
                        let wake = &mut |op, waker| match op == key.to_bits() {
                            true => came_for = Some(waker),
                            false => others.push(waker),
                        };
                        let first = open.take_in_answer(key, words, &self.returns, wake);
                        any |= !matches!(first, TookIn::Nothing);
                        any |= open.take_in_all(&self.returns, wake);
                        if let TookIn::Answer(answered) = first {
                            is_answered = true;
                            held = Some(answered);
                        }
                        if any {
                            self.show(open);
                        }
                    }
                    match is_answered {
                        true => None,
                        false => Some(open.ops.look(key, &mut by)),
                    }
                }
                _ => Some(Look::Done(None)),
            };
            self.unlock(phase);
            match found {
                None => break Poll::Ready(Found::Answer),
                Some(Look::Done(Some(outcome))) => break Poll::Ready(Found::Outcome(outcome)),
                Some(Look::Done(None)) => break Poll::Ready(Found::Nothing),
                Some(Look::Waits) => break Poll::Pending,
                Some(Look::Stranger) => by.own = Some(waker.clone()),
            }
        };
        if let Some(Answered { waker, block }) = held {
            drop(block); // before those are woken who wait for one
            drop(waker);
        }
        if any {
            self.wake(&mut others, any);
        } else if polled.is_ready() && self.room.has_waiters() {
            self.room.wake_all();
        }
        polled
    }

    /// The asker has read a reply that was held, or has dropped the lease on it.
    pub(crate) fn release(&self, key: Key) {
        let mut phase = self.lock();
        if let Phase::Open(open) = &mut *phase {
            open.release(key);
        }
        self.unlock(phase);
        if self.room.has_waiters() {
            self.room.wake_all();
        }
    }

    /// The asker gave up.
    pub(crate) fn ignore(&self, key: Key) {
        let (mut left, mut told) = (None, None);
        let mut phase = self.lock();
        if let Phase::Open(open) = &mut *phase {
            told = open.ignore(key, &mut left);
        }
        self.unlock(phase);
        drop(left);
        if let Some(peer) = told {
            // Fences after the op's word: see `inbox/abandoned.rs`.
            peer.ring_bell();
        }
    }
}
