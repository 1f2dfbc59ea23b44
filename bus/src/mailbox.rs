//! The local half of an actor's mailbox: a bounded queue from many senders of this process to one actor.
//!
//! Letters lie in the queue by value: a local message is neither boxed nor copied to shared memory. Senders and the
//! actor share one short lock, under which no user code runs. A letter that finds nothing before it needs no lock: it goes
//! straight into a place for one, beside the queue.
//!
//! The actor takes all that is queued at once, into its private [`Batch`], and so takes the lock once for many letters. A
//! letter in the batch has not begun: it counts against the bound, and when the actor ends it goes back to its sender.
//!
//! Letters of high priority lie in a second queue, made when there is one ([`high`]).
//!
//! # Invariants
//! - **edge**: whoever queues a letter in an empty queue, or puts one straight, wakes the actor's task; nobody else does. The
//!   actor waits only after it found the place and the queue empty: by a look under the lock, or by one at the hint. A letter
//!   that the hint hides was queued after that lock, and the wake that follows it makes the task run again.
//! - **order**: a letter goes straight only if its sender sees the queue empty, and is taken after the batch and before the
//!   queue: it is looked for once more under the lock. So what was queued before it was sent has left the queue before, and
//!   what is sent after it comes behind it.
//! - **straight-is-one**: the letter in the place counts against the bound, and so a mailbox for one letter has no place: who
//!   finds a mailbox full finds a letter in its queue or batch, for which there will be a checkpoint. Where the oldest gives
//!   way there is none either, as senders take it out.
//! - **one-taker**: letters are taken by the actor alone, with its own batch, and by who closes the mailbox when that is over.
//! - **checkpoints**: the actor takes the lock when its batch is down to half of the bound, when it is down to none, and for
//!   the next one; there it wakes those who wait for room. They have registered before they last looked under the lock.

#![allow(
    unsafe_code,
    reason = "the actor alone takes what was put straight, and so without a lock"
)]

mod high;

use std::collections::VecDeque;
use std::sync::OnceLock;

use ringway_shm::brief::{Brief, Guard};
use ringway_shm::handoff::{Claim, Handoff};
use ringway_shm::once::OnceBox;
use ringway_shm::sync::Ordering::Relaxed;
use ringway_shm::sync::{AtomicU32, AtomicU64};

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

/// Letters in their order; made for the first that does not go straight. Most actors are idle, and a box is a quarter of a
/// queue.
type Letters<L> = Option<Box<VecDeque<L>>>;

#[derive(Debug)]
struct State<L> {
    letters: Letters<L>,
}

/// A bounded queue of letters.
#[derive(Debug)]
pub(crate) struct Mailbox<L> {
    /// Before all that is queued.
    straight: Handoff<L>,
    state: Brief<State<L>>,
    /// Letters in `state`; a hint that spares the actor the lock.
    queued: AtomicU32,
    /// Letters in the actor's batch; written by the actor alone.
    in_batch: AtomicU32,
    capacity: u32,
    overflow: Overflow,
    /// Made when it is full for the first time, or closed, or a letter of high priority comes.
    seldom: OnceBox<Seldom<L>>,
}

/// What few mailboxes need.
#[derive(Debug)]
struct Seldom<L> {
    /// Senders that wait for room.
    room: WaitList,
    dropped: AtomicU64,
    /// Set and read under the lock.
    closed: OnceLock<ExitReason>,
    /// Letters of high priority.
    high: OnceBox<Mailbox<L>>,
}

impl<L> Default for Seldom<L> {
    fn default() -> Self {
        Self {
            room: WaitList::default(),
            dropped: AtomicU64::new(0),
            closed: OnceLock::new(),
            high: OnceBox::new(),
        }
    }
}

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

/// How many there are; a mailbox has no more than its capacity.
fn count<L>(letters: &Letters<L>) -> u32 {
    let count = letters.as_ref().map_or(0, |letters| letters.len());
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl<L> State<L> {
    fn len(&self) -> u32 {
        count(&self.letters)
    }

    /// Queues what `make` builds, once there is a place for it: a letter that is made before is copied once more, in wide pieces
    /// right after it was written in narrow ones.
    // Always: for the same reason.
    #[inline(always)]
    fn push(&mut self, make: impl FnOnce() -> L) {
        let letters = self.letters.get_or_insert_default();
        if letters.len() == letters.capacity() {
            letters.reserve(1);
        }
        letters.push_back(make());
    }

    fn pop(&mut self) -> Option<L> {
        self.letters.as_mut()?.pop_front()
    }
}

impl<L> Mailbox<L> {
    pub(crate) fn new(capacity: usize, overflow: Overflow) -> Self {
        let state = State { letters: None };
        Self {
            straight: Handoff::new(),
            state: Brief::new(state),
            queued: AtomicU32::new(0),
            in_batch: AtomicU32::new(0),
            // Half of what can be counted, so that a batch and what is queued meanwhile can be added up.
            capacity: u32::try_from(capacity).map_or(u32::MAX / 2, |it| it.clamp(1, u32::MAX / 2)),
            overflow,
            seldom: OnceBox::new(),
        }
    }

    fn seldom(&self) -> &Seldom<L> {
        self.seldom.get_or_init(Seldom::default)
    }

    /// Why nothing more is queued; under the lock.
    #[inline]
    fn closed(&self) -> Option<&ExitReason> {
        self.seldom.get()?.closed.get()
    }

    #[inline]
    fn lock(&self) -> Guard<'_, State<L>> {
        self.state.lock()
    }

    /// Queues the letter that `make` builds, or has it go straight; calls it only when the letter is accepted or dropped by
    /// policy.
    #[inline]
    pub(crate) fn push(&self, make: impl FnOnce() -> L) -> Result<Pushed<L>, Refused> {
        if let Some(place) = self.claim() {
            place.fill_with(make);
            return Ok(Pushed::First);
        }
        self.push_of((), |()| make())
            .map_err(|((), refused)| refused)
    }

    /// Claims the place of a letter that goes straight, if it may: nothing is queued, and there is room. Who fills it wakes
    /// the actor.
    #[inline]
    pub(crate) fn claim(&self) -> Option<Claim<'_, L>> {
        // Relaxed: see order; and checkpoints.
        let may_go = || {
            self.queued.load(Relaxed) == 0
                && self.in_batch.load(Relaxed) + 1 < self.capacity
                && self.overflow != Overflow::DropOldest
        };
        let place = may_go().then(|| self.straight.claim())?;
        // Once more: a sender may have been held up before its claim, while others filled the queue.
        place.filter(|_| may_go())
    }

    /// Letters that wait outside of the batch; under the lock.
    #[inline]
    fn waiting(&self, state: &State<L>) -> u32 {
        state.len() + u32::from(self.straight.is_used())
    }

    /// Queues the letter that `make` builds of what is given, which comes back if the mailbox refuses it.
    ///
    /// It is read after the lock was taken, where it lies: a copy made before would read in wide pieces what the sender has just
    /// written in narrow ones, for which a processor waits.
    #[inline]
    pub(crate) fn push_of<G>(
        &self,
        given: G,
        make: impl FnOnce(G) -> L,
    ) -> Result<Pushed<L>, (G, Refused)> {
        let mut state = self.lock();
        if let Some(reason) = self.closed() {
            let refused = Refused::Closed(reason.clone());
            return Err((given, refused));
        }
        let mut displaced = None;
        // Relaxed: exact on the actor's thread, and a moment old elsewhere; see checkpoints.
        if self.waiting(&state) + self.in_batch.load(Relaxed) >= self.capacity {
            match self.overflow {
                Overflow::Wait | Overflow::Fail => return Err((given, Refused::Full)),
                Overflow::DropNewest => {
                    // Relaxed: a count, which orders nothing.
                    self.seldom().dropped.fetch_add(1, Relaxed);
                    drop(state);
                    return Ok(Pushed::Dropped(make(given)));
                }
                Overflow::DropOldest => {
                    // Relaxed: as above.
                    self.seldom().dropped.fetch_add(1, Relaxed);
                    displaced = state.pop();
                }
            }
        }
        let pushed = match displaced {
            Some(letter) => Pushed::Displaced(letter),
            None if state.len() == 0 => Pushed::First,
            None => Pushed::Queued,
        };
        state.push(|| make(given));
        // Relaxed: a hint; see edge.
        self.queued.store(state.len(), Relaxed);
        Ok(pushed)
    }

    /// Queues letters as [`push`](Self::push) does, made of `handed` from the first on, while there is room; what is left
    /// met a full mailbox, of which the policy has its say when it is pushed alone. `true` when the actor is to be woken.
    ///
    /// Cost: one lock for all of them.
    pub(crate) fn push_all<H>(
        &self,
        handed: &mut VecDeque<H>,
        mut make: impl FnMut(H) -> L,
    ) -> Result<bool, Refused> {
        let mut state = self.lock();
        if let Some(reason) = self.closed() {
            return Err(Refused::Closed(reason.clone()));
        }
        // Nobody goes straight while the room is filled.
        let place = self.straight.claim();
        let straight = u32::from(place.is_none() && self.straight.is_used());
        // Relaxed: as in `push`.
        let used = state.len() + straight + self.in_batch.load(Relaxed);
        let room = self.capacity.saturating_sub(used) as usize;
        let is_first = state.len() == 0 && room.min(handed.len()) > 0;
        for one in handed.drain(..room.min(handed.len())) {
            state.push(|| make(one));
        }
        // Relaxed: a hint; see edge.
        self.queued.store(state.len(), Relaxed);
        Ok(is_first)
    }

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

    fn take_batch(&self, batch: &mut Batch<L>) -> Option<L> {
        let mut state = self.lock();
        if self.straight.is_full() {
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
        self.queued.store(state.len(), Relaxed);
        self.offer_room(state, left);
        letter
    }

    /// Wakes senders once half of the bound is free.
    fn offer_room(&self, state: Guard<'_, State<L>>, in_batch: u32) {
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
        let mut state = self.lock();
        self.seldom().closed.get_or_init(|| reason.clone());
        let letters = state.letters.take();
        drop(state);
        let mut letters = letters.map_or_else(VecDeque::new, |letters| *letters);
        // Not under the lock: one who fills the place may have to be waited for. Whoever finds it closed meets the lock.
        // SAFETY: one-taker: the actor is over.
        if let Some(straight) = unsafe { self.straight.close() } {
            letters.push_front(straight);
        }
        if let Some(room) = self.room_if_any() {
            room.wake_all();
        }
        letters
    }

    /// Letters that wait, with those in the actor's batch.
    pub(crate) fn ahead(&self, batch: &Batch<L>) -> usize {
        (self.waiting(&self.lock()) + count(&batch.0)) as usize
    }

    /// Senders waiting for room.
    pub(crate) fn room(&self) -> &WaitList {
        &self.seldom().room
    }

    /// The same, if there may have been any.
    fn room_if_any(&self) -> Option<&WaitList> {
        self.seldom.get().map(|seldom| &seldom.room)
    }

    /// Wakes all who wait for room, of either priority: there will be none.
    pub(crate) fn wake_waiting(&self) {
        let lanes = [Some(self), self.high_if_any()];
        let rooms = lanes.into_iter().flatten().filter_map(Self::room_if_any);
        rooms.for_each(WaitList::wake_all);
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity as usize
    }

    pub(crate) fn overflow(&self) -> Overflow {
        self.overflow
    }

    /// Letters dropped by the policy so far, of either priority.
    pub(crate) fn dropped(&self) -> u64 {
        let Some(seldom) = self.seldom.get() else {
            return 0;
        };
        let high = seldom.high.get().map_or(0, |high| high.dropped());
        // Relaxed: a count, which orders nothing.
        seldom.dropped.load(Relaxed) + high
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
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
            // The first goes straight, unless the oldest gives way; then the queue is empty for the second.
            let wakes = letter == 1 || overflow != Overflow::DropOldest;
            assert!(matches!(pushed, Ok(Pushed::First)) == wakes);
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

    // Goal: many at once go in up to the bound, in order, behind those that are there and those in the batch; whoever fills
    // an empty queue wakes, once; what is left is as it was, also of a closed mailbox.
    #[test]
    fn many_go_in_while_there_is_room() {
        let mailbox = Mailbox::new(4, Overflow::DropOldest);
        let mut letters: VecDeque<u32> = (1..=3).collect();
        assert!(matches!(mailbox.push_all(&mut letters, |it| it), Ok(true)));
        letters.extend(4..=6);
        assert!(matches!(mailbox.push_all(&mut letters, |it| it), Ok(false)));
        assert_eq!(letters, [5, 6]);
        assert!(matches!(mailbox.push_all(&mut letters, |it| it), Ok(false)));
        assert_eq!(mailbox.close(&ExitReason::Stopped), [1, 2, 3, 4]);
        let refused = mailbox.push_all(&mut letters, |it| it);
        assert!(matches!(refused, Err(Refused::Closed(ExitReason::Stopped))));
        assert_eq!(letters, [5, 6]);

        let mailbox = Mailbox::new(4, Overflow::Wait);
        let mut batch = Batch::default();
        letters = (1..=4).collect();
        assert!(mailbox.push_all(&mut letters, |it| it).is_ok());
        assert_eq!(mailbox.take(&mut batch), Some(1));
        letters.extend(5..=7);
        assert!(matches!(mailbox.push_all(&mut letters, |it| it), Ok(true)));
        assert_eq!(letters, [6, 7], "three are in the batch");
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
        assert!(matches!(mailbox.push(|| 5), Ok(Pushed::Queued)));
        assert!(matches!(mailbox.push(|| 6), Err(Refused::Full)));
        assert_eq!(mailbox.take(&mut batch), Some(2));
        assert!(matches!(mailbox.push(|| 6), Ok(Pushed::First)));
        assert!(matches!(mailbox.push(|| 7), Err(Refused::Full)));
        let taken: Vec<_> = (0..2).filter_map(|_| mailbox.take(&mut batch)).collect();
        assert_eq!(taken, [3, 4]);
        assert_eq!(mailbox.take(&mut batch), Some(5));
        mailbox.put_back(batch);
        assert_eq!(mailbox.close(&ExitReason::Killed), [6]);
    }

    // Goal: what an actor that ended had taken and not begun comes out first, in order, and what was queued since after it.
    #[test]
    fn a_batch_that_is_put_back_comes_first() {
        let mailbox = Mailbox::new(8, Overflow::Fail);
        let mut batch = Batch::default();
        (1..=4).for_each(|letter| assert!(mailbox.push(|| letter).is_ok()));
        assert_eq!(mailbox.take(&mut batch), Some(1));
        assert_eq!(mailbox.take(&mut batch), Some(2));
        (5..=6).for_each(|letter| assert!(mailbox.push(|| letter).is_ok()));
        mailbox.put_back(batch);
        assert!(mailbox.has_letter(&Batch::default()));
        assert_eq!(mailbox.close(&ExitReason::Killed), [3, 4, 5, 6]);
    }

    // Goal: a letter that goes straight counts against the bound, comes before what is queued later, and waits for its turn
    // behind the batch; where there is room for one letter only, it is queued.
    #[test]
    fn straight_counts_and_keeps_its_turn() {
        let mailbox = Mailbox::new(2, Overflow::Fail);
        let mut batch = Batch::default();
        for letters in [[1, 2], [3, 4]] {
            for letter in letters {
                assert!(matches!(mailbox.push(|| letter), Ok(Pushed::First)));
            }
            assert!(matches!(mailbox.push(|| 9), Err(Refused::Full)));
            assert_eq!(mailbox.ahead(&batch), 2);
            for letter in letters {
                assert!(mailbox.has_letter(&batch));
                assert_eq!(mailbox.take(&mut batch), Some(letter));
            }
            assert!(!mailbox.has_letter(&batch));
        }
        let mailbox = Mailbox::new(1, Overflow::Fail);
        assert!(matches!(mailbox.push(|| 1), Ok(Pushed::First)));
        assert!(!mailbox.straight.is_used());
        assert!(matches!(mailbox.push(|| 2), Err(Refused::Full)));
    }

    // Goal: a letter that went straight after the actor had looked for one comes before those that were queued after it. Method:
    // the second half of the taking, when the first would have found nothing.
    #[test]
    fn straight_comes_before_what_is_queued_since() {
        let mailbox = Mailbox::new(4, Overflow::Fail);
        let mut batch = Batch::default();
        (1..=3).for_each(|letter| assert!(mailbox.push(|| letter).is_ok()));
        let taken: Vec<_> = (0..2)
            .filter_map(|_| mailbox.take_batch(&mut batch))
            .collect();
        assert_eq!(taken, [1, 2]);
        assert_eq!(mailbox.take(&mut batch), Some(3));
    }

    // Goal: whichever way letters go, those of one sender come in their order, and all that were accepted come, or come back
    // when the mailbox is closed. Method: two threads send as fast as there is room, a third takes, and closes at some point.
    #[test]
    fn letters_of_two_threads_come_in_order() {
        const EACH: u32 = 5_000;
        let mailbox = Mailbox::new(4, Overflow::Fail);
        let send = |sender: u32| {
            for number in 0..EACH {
                loop {
                    match mailbox.push(|| (sender, number)) {
                        Ok(_) => break,
                        Err(Refused::Full) => std::thread::yield_now(),
                        Err(Refused::Closed(_)) => return number,
                    }
                }
            }
            EACH
        };
        std::thread::scope(|threads| {
            let senders = [0, 1].map(|sender| threads.spawn(move || send(sender)));
            let mut batch = Batch::default();
            let mut next = [0; 2];
            let mut come = |(sender, number): (u32, u32)| {
                assert_eq!(next[sender as usize], number, "of {sender}");
                next[sender as usize] += 1;
            };
            for _ in 0..EACH {
                match mailbox.take(&mut batch) {
                    Some(letter) => come(letter),
                    None => std::thread::yield_now(),
                }
            }
            mailbox.put_back(batch);
            mailbox
                .close(&ExitReason::Killed)
                .into_iter()
                .for_each(come);
            assert_eq!(senders.map(|sender| sender.join().unwrap()), next);
        });
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
