//! The local half of an actor's mailbox: a bounded queue from many senders of this process to one actor.
//!
//! Letters lie in the queue by value: a local message is neither boxed nor copied to shared memory. Senders and the
//! actor share one short lock, under which no user code runs.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use ringway_shm::sync::Ordering::Relaxed;
use ringway_shm::sync::{AtomicU64, AtomicUsize};

use serde::{Deserialize, Serialize};

use crate::exit::ExitReason;
use crate::wait_list::WaitList;

/// What happens to a message that meets a full mailbox.
///
/// Senders of the actor's own process share one queue, whose bound is [`ActorBuilder::mailbox`](crate::ActorBuilder::mailbox).
/// Every other process has a uring of 128 entries of its own, and meets the policy when that is full. A message that was
/// dropped comes back to its sender: a tell on its address's `undelivered()` stream, an ask as
/// [`AskError::Dropped`](crate::AskError::Dropped).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overflow {
    /// The sender waits for room, up to its deadline.
    #[default]
    Wait,
    /// The sender gets its message back at once.
    Fail,
    /// The new message is dropped, and counted by the node of its sender.
    DropNewest,
    /// The oldest message in the queue is dropped, and counted by the node of the actor.
    ///
    /// A uring's are dropped by the actor as it takes, between two handlers: it keeps as many of the newest as the
    /// mailbox's bound, and at most half of the uring (64). So there is room while a handler runs; a sender that has filled
    /// the uring all the same waits, or gets its message back from `try_tell`.
    DropOldest,
}

/// Why a mailbox refused a letter.
#[derive(Debug)]
pub(crate) enum Refused {
    Full,
    Closed(ExitReason),
}

/// What pushing a letter did.
#[derive(Debug)]
pub(crate) enum Pushed<L> {
    Queued,
    /// Queued, and this older letter gave way.
    Displaced(L),
    /// This letter was dropped by the mailbox's policy.
    Dropped(L),
}

#[derive(Debug)]
struct State<L> {
    letters: VecDeque<L>,
    receiver: Option<Waker>,
    closed: Option<ExitReason>,
}

/// A bounded queue of letters.
#[derive(Debug)]
pub(crate) struct Mailbox<L> {
    state: Mutex<State<L>>,
    /// Letters in the queue; a hint that spares the actor the lock.
    length: AtomicUsize,
    capacity: usize,
    overflow: Overflow,
    dropped: AtomicU64,
    room: WaitList,
}

impl<L> Mailbox<L> {
    pub(crate) fn new(capacity: usize, overflow: Overflow) -> Self {
        let state = State {
            letters: VecDeque::new(),
            receiver: None,
            closed: None,
        };
        Self {
            state: Mutex::new(state),
            length: AtomicUsize::new(0),
            capacity: capacity.max(1),
            overflow,
            dropped: AtomicU64::new(0),
            room: WaitList::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<L>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues the letter that `make` builds; calls it only when the letter is accepted or dropped by policy.
    pub(crate) fn push(&self, make: impl FnOnce() -> L) -> Result<Pushed<L>, Refused> {
        let mut state = self.lock();
        if let Some(reason) = &state.closed {
            return Err(Refused::Closed(reason.clone()));
        }
        let mut displaced = None;
        if state.letters.len() >= self.capacity {
            match self.overflow {
                Overflow::Wait | Overflow::Fail => return Err(Refused::Full),
                Overflow::DropNewest => {
                    // Relaxed: a count, which orders nothing.
                    self.dropped.fetch_add(1, Relaxed);
                    drop(state);
                    return Ok(Pushed::Dropped(make()));
                }
                Overflow::DropOldest => {
                    // Relaxed: as above.
                    self.dropped.fetch_add(1, Relaxed);
                    displaced = state.letters.pop_front();
                }
            }
        }
        state.letters.push_back(make());
        // Relaxed: a hint; `poll_ready` looks under the lock.
        self.length.store(state.letters.len(), Relaxed);
        let receiver = state.receiver.take();
        drop(state);
        if let Some(waker) = receiver {
            waker.wake();
        }
        Ok(displaced.map_or(Pushed::Queued, Pushed::Displaced))
    }

    /// Takes the oldest letter. Senders that wait for room are woken once half of the queue is free.
    pub(crate) fn pop(&self) -> Option<L> {
        // Relaxed: a hint; a letter missed here is found by `poll_ready`.
        if self.length.load(Relaxed) == 0 {
            return None;
        }
        let mut state = self.lock();
        let letter = state.letters.pop_front()?;
        // Relaxed: as in `push`.
        self.length.store(state.letters.len(), Relaxed);
        let has_room = state.letters.len() <= self.capacity / 2;
        drop(state);
        if has_room && self.room.has_waiters() {
            self.room.wake_all();
        }
        Some(letter)
    }

    /// Waits for a letter to be queued: registers the actor's waker unless one is there already.
    pub(crate) fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if !state.letters.is_empty() || state.closed.is_some() {
            return Poll::Ready(());
        }
        match &mut state.receiver {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Refuses all further letters and hands out those queued, oldest first.
    pub(crate) fn close(&self, reason: ExitReason) -> VecDeque<L> {
        let mut state = self.lock();
        state.closed.get_or_insert(reason);
        let letters = std::mem::take(&mut state.letters);
        drop(state);
        self.room.wake_all();
        letters
    }

    /// Senders waiting for room.
    pub(crate) fn room(&self) -> &WaitList {
        &self.room
    }

    pub(crate) fn overflow(&self) -> Overflow {
        self.overflow
    }

    /// Letters dropped by the policy so far.
    pub(crate) fn dropped(&self) -> u64 {
        // Relaxed: as in `push`.
        self.dropped.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(overflow: Overflow) -> Mailbox<u32> {
        let mailbox = Mailbox::new(2, overflow);
        for letter in [1, 2] {
            assert!(matches!(mailbox.push(|| letter), Ok(Pushed::Queued)));
        }
        mailbox
    }

    // Goal: each policy does what it says to the third letter of two; `make` runs only for a letter that is used.
    #[test]
    fn full_follows_the_policy() {
        for overflow in [Overflow::Wait, Overflow::Fail] {
            let mailbox = full(overflow);
            assert!(matches!(
                mailbox.push(|| panic!("made a refused letter")),
                Err(Refused::Full)
            ));
            assert_eq!(mailbox.close(ExitReason::Stopped), [1, 2]);
        }
        let mailbox = full(Overflow::DropNewest);
        assert!(matches!(mailbox.push(|| 3), Ok(Pushed::Dropped(3))));
        assert_eq!(mailbox.close(ExitReason::Stopped), [1, 2]);
        let mailbox = full(Overflow::DropOldest);
        assert!(matches!(mailbox.push(|| 3), Ok(Pushed::Displaced(1))));
        assert_eq!(mailbox.close(ExitReason::Stopped), [2, 3]);
    }

    // Goal: a closed mailbox refuses with the reason that closed it first.
    #[test]
    fn closed_refuses() {
        let mailbox = full(Overflow::Wait);
        assert_eq!(mailbox.close(ExitReason::Killed).len(), 2);
        assert!(mailbox.close(ExitReason::Stopped).is_empty());
        assert!(matches!(
            mailbox.push(|| 4),
            Err(Refused::Closed(ExitReason::Killed))
        ));
    }
}
