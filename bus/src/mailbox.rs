//! The local half of an actor's mailbox: a bounded queue from many senders of this process to one actor.
//!
//! Letters lie in the queue by value: a local message is neither boxed nor copied to shared memory. Senders and the
//! actor share one short lock, under which no user code runs.
//!
//! The actor takes all that is queued at once, into its private [`Batch`], and so takes the lock once for many letters. A
//! letter in the batch has not begun: it counts against the bound, and when the actor ends it goes back to its sender.
//!
//! # Invariants
//! - **edge**: whoever queues a letter in an empty queue wakes the actor's task; nobody else does. The actor waits only after
//!   it found the queue empty: by a look under the lock, or by one at the hint. A letter that the hint hides was queued
//!   after that lock, and the wake that follows it makes the task run again.
//! - **checkpoints**: the actor takes the lock when its batch is down to half of the bound, when it is down to none, and for
//!   the next one; there it wakes those who wait for room. They have registered before they last looked under the lock.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use ringway_shm::sync::Ordering::Relaxed;
use ringway_shm::sync::{AtomicU64, AtomicUsize};

use serde::{Deserialize, Serialize};

use crate::exit::ExitReason;
use crate::wait_list::WaitList;

/// What happens to a message that meets a full mailbox.
///
/// Senders of the actor's own process share one queue, whose bound is [`ActorBuilder::mailbox`](crate::ActorBuilder::mailbox).
/// Every other process has a uring of its own with as much room, at most 128 entries, and meets the policy when that is
/// full. A message that was dropped comes back to its sender: a tell on its address's `undelivered()` stream, an ask as
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
    /// Queued behind others, of which the actor knows.
    Queued,
    /// Queued as the only one: the actor is to be woken.
    First,
    /// Queued, and this older letter gave way.
    Displaced(L),
    /// This letter was dropped by the mailbox's policy.
    Dropped(L),
}

#[derive(Debug)]
struct State<L> {
    /// The oldest letter; without it `more` is empty. So a mailbox that never holds two letters needs no buffer.
    first: Option<L>,
    more: VecDeque<L>,
    closed: Option<Box<ExitReason>>,
}

/// A bounded queue of letters.
#[derive(Debug)]
pub(crate) struct Mailbox<L> {
    state: Mutex<State<L>>,
    /// Letters in `state`; a hint that spares the actor the lock.
    queued: AtomicUsize,
    /// Letters in the actor's batch; written by the actor alone.
    in_batch: AtomicUsize,
    capacity: usize,
    overflow: Overflow,
    dropped: AtomicU64,
    /// Senders that wait for room; made for the first one.
    room: OnceLock<Box<WaitList>>,
}

/// Letters that their actor has taken off its mailbox, and whose handlers have not begun.
#[derive(Debug)]
pub(crate) struct Batch<L>(VecDeque<L>);

impl<L> Default for Batch<L> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<L> IntoIterator for Batch<L> {
    type Item = L;
    type IntoIter = std::collections::vec_deque::IntoIter<L>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<L> State<L> {
    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    fn push(&mut self, letter: L) {
        if self.first.is_none() {
            self.first = Some(letter);
        } else {
            self.more.push_back(letter);
        }
    }

    fn pop(&mut self) -> Option<L> {
        let next = self.more.pop_front();
        std::mem::replace(&mut self.first, next)
    }
}

impl<L> Mailbox<L> {
    pub(crate) fn new(capacity: usize, overflow: Overflow) -> Self {
        let state = State {
            first: None,
            more: VecDeque::new(),
            closed: None,
        };
        Self {
            state: Mutex::new(state),
            queued: AtomicUsize::new(0),
            in_batch: AtomicUsize::new(0),
            capacity: capacity.max(1),
            overflow,
            dropped: AtomicU64::new(0),
            room: OnceLock::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<L>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues the letter that `make` builds; calls it only when the letter is accepted or dropped by policy.
    #[inline]
    pub(crate) fn push(&self, make: impl FnOnce() -> L) -> Result<Pushed<L>, Refused> {
        let mut state = self.lock();
        if let Some(reason) = &state.closed {
            return Err(Refused::Closed((**reason).clone()));
        }
        let mut displaced = None;
        // Relaxed: exact on the actor's thread, and a moment old elsewhere; see checkpoints.
        if state.len() + self.in_batch.load(Relaxed) >= self.capacity {
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
                    displaced = state.pop();
                }
            }
        }
        let pushed = match displaced {
            Some(letter) => Pushed::Displaced(letter),
            None if state.first.is_none() => Pushed::First,
            None => Pushed::Queued,
        };
        state.push(make());
        // Relaxed: a hint; see edge.
        self.queued.store(state.len(), Relaxed);
        Ok(pushed)
    }

    /// Takes the oldest letter; for the actor alone, with its own batch.
    ///
    /// Cost: the lock at checkpoints, else one store that others see.
    #[inline]
    pub(crate) fn take(&self, batch: &mut Batch<L>) -> Option<L> {
        let Some(letter) = batch.0.pop_front() else {
            // Relaxed: a hint; see edge.
            return if self.queued.load(Relaxed) == 0 {
                None
            } else {
                self.take_batch(batch)
            };
        };
        let left = batch.0.len();
        // Relaxed: see checkpoints.
        self.in_batch.store(left, Relaxed);
        if left == 0 || left == self.capacity / 2 {
            let state = self.lock();
            self.offer_room(state, left);
        }
        Some(letter)
    }

    fn take_batch(&self, batch: &mut Batch<L>) -> Option<L> {
        let mut state = self.lock();
        let letter = if self.overflow == Overflow::DropOldest {
            // Senders take the oldest out: none leaves the queue before its turn.
            state.pop()
        } else {
            std::mem::swap(&mut batch.0, &mut state.more);
            state.first.take()
        };
        let left = batch.0.len();
        // Relaxed: see checkpoints; and a hint, as in `push`.
        self.in_batch.store(left, Relaxed);
        self.queued.store(state.len(), Relaxed);
        self.offer_room(state, left);
        letter
    }

    /// Wakes senders once half of the bound is free.
    fn offer_room(&self, state: MutexGuard<'_, State<L>>, in_batch: usize) {
        let has_room = state.len() + in_batch <= self.capacity / 2;
        drop(state);
        if has_room
            && let Some(room) = self.room.get()
            && room.has_waiters()
        {
            room.wake_all();
        }
    }

    /// Refuses all further letters and hands out those queued, oldest first; those in the batch are older.
    pub(crate) fn close(&self, reason: &ExitReason) -> VecDeque<L> {
        let mut state = self.lock();
        state.closed.get_or_insert_with(|| Box::new(reason.clone()));
        let mut letters = std::mem::take(&mut state.more);
        if let Some(first) = state.first.take() {
            letters.push_front(first);
        }
        drop(state);
        if let Some(room) = self.room.get() {
            room.wake_all();
        }
        letters
    }

    /// Letters that wait, with those in the actor's batch.
    pub(crate) fn ahead(&self, batch: &Batch<L>) -> usize {
        self.lock().len() + batch.0.len()
    }

    /// Whether nothing waits of what did when the actor last took the lock.
    pub(crate) fn is_drained(&self, batch: &Batch<L>) -> bool {
        // Relaxed: a hint; see edge.
        batch.0.is_empty() && self.queued.load(Relaxed) == 0
    }

    /// Senders waiting for room.
    pub(crate) fn room(&self) -> &WaitList {
        self.room.get_or_init(Box::default)
    }

    /// The same, if there have been any.
    pub(crate) fn room_if_any(&self) -> Option<&WaitList> {
        self.room.get().map(|room| &**room)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn overflow(&self) -> Overflow {
        self.overflow
    }

    /// Letters dropped by the policy so far.
    pub(crate) fn dropped(&self) -> u64 {
        // Relaxed: a count, which orders nothing.
        self.dropped.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::{Context, Wake, Waker};

    use super::*;
    use crate::wait_list::WaitKey;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn full(overflow: Overflow) -> Mailbox<u32> {
        let mailbox = Mailbox::new(2, overflow);
        for letter in [1, 2] {
            let pushed = mailbox.push(|| letter);
            assert!(matches!(pushed, Ok(Pushed::First)) == (letter == 1));
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
            assert_eq!(mailbox.close(&ExitReason::Stopped), [1, 2]);
        }
        let mailbox = full(Overflow::DropNewest);
        assert!(matches!(mailbox.push(|| 3), Ok(Pushed::Dropped(3))));
        assert_eq!(mailbox.close(&ExitReason::Stopped), [1, 2]);
        let mailbox = full(Overflow::DropOldest);
        assert!(matches!(mailbox.push(|| 3), Ok(Pushed::Displaced(1))));
        assert_eq!(mailbox.close(&ExitReason::Stopped), [2, 3]);
    }

    // Goal: a closed mailbox refuses with the reason that closed it first.
    #[test]
    fn closed_refuses() {
        let mailbox = full(Overflow::Wait);
        assert_eq!(mailbox.close(&ExitReason::Killed).len(), 2);
        assert!(mailbox.close(&ExitReason::Stopped).is_empty());
        assert!(matches!(
            mailbox.push(|| 4),
            Err(Refused::Closed(ExitReason::Killed))
        ));
    }
    // Goal: what the actor has taken into its batch counts against the bound until its turn comes, and comes in order.
    #[test]
    fn batch_counts_against_the_bound() {
        let mailbox = Mailbox::new(4, Overflow::Fail);
        let mut batch = Batch::default();
        (1..=4).for_each(|letter| assert!(mailbox.push(|| letter).is_ok()));
        assert_eq!(mailbox.take(&mut batch), Some(1));
        assert!(matches!(mailbox.push(|| 5), Ok(Pushed::First)));
        assert!(matches!(mailbox.push(|| 6), Err(Refused::Full)));
        assert_eq!(mailbox.take(&mut batch), Some(2));
        assert!(matches!(mailbox.push(|| 6), Ok(Pushed::Queued)));
        let taken: Vec<_> = (0..2).filter_map(|_| mailbox.take(&mut batch)).collect();
        assert_eq!(taken, [3, 4]);
        assert_eq!(mailbox.take(&mut batch), Some(5));
        let rest = batch.into_iter().chain(mailbox.close(&ExitReason::Killed));
        assert_eq!(rest.collect::<Vec<_>>(), [6]);
    }

    // Goal: the oldest gives way even when it would be next: none hides in the actor's batch.
    #[test]
    fn drop_oldest_finds_the_oldest() {
        let mailbox = full(Overflow::DropOldest);
        let mut batch = Batch::default();
        assert_eq!(mailbox.take(&mut batch), Some(1));
        assert!(matches!(mailbox.push(|| 3), Ok(Pushed::Queued)));
        assert!(matches!(mailbox.push(|| 4), Ok(Pushed::Displaced(2))));
        let taken: Vec<_> = (0..3).filter_map(|_| mailbox.take(&mut batch)).collect();
        assert_eq!(taken, [3, 4]);
    }

    // Goal: a sender that waits for room is woken when half of the bound is free, and not before.
    #[test]
    fn room_is_offered_at_half() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let mailbox = Mailbox::new(4, Overflow::Wait);
        let mut batch = Batch::default();
        (1..=4).for_each(|letter| assert!(mailbox.push(|| letter).is_ok()));
        let mut key = WaitKey::default();
        let room = mailbox.room();
        room.register(&mut key, &Context::from_waker(&waker));
        assert_eq!(mailbox.take(&mut batch), Some(1));
        assert_eq!(count.0.load(Relaxed), 0);
        assert_eq!(mailbox.take(&mut batch), Some(2));
        assert_eq!(count.0.load(Relaxed), 1);
        room.remove(&mut key);
    }
}
