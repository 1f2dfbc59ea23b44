//! The local half of an actor's mailbox: a bounded queue from many senders of this process to one actor.
//!
//! Letters lie in the queue by value: a local message is neither boxed nor copied to shared memory. Senders and the
//! actor share one short lock, under which no user code runs. A letter that finds nothing before it needs no lock: it goes
//! straight into a place for one, beside the queue.
//!
//! The actor takes all that is queued at once, into its private [`Batch`], and so takes the lock once for many letters. A
//! letter in the batch has not begun: it counts against the bound, and when the actor ends it goes back to its sender.
//!
//! Letters of high priority lie in a second queue, made when there is one ([`high`]). How letters are taken is in [`take`].
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

mod high;
mod overflow;
mod take;
#[cfg(all(test, not(loom)))]
mod tests;

use std::collections::VecDeque;
use std::sync::OnceLock;

use ringway_shm::brief::{Brief, Guard};
use ringway_shm::handoff::{Claim, Handoff};
use ringway_shm::mutant::{Mutant, under};
use ringway_shm::once::OnceBox;
use ringway_shm::sync::Ordering::Relaxed;
use ringway_shm::sync::{AtomicU32, AtomicU64};

pub use self::overflow::Overflow;
pub(crate) use self::take::Batch;
use crate::exit::ExitReason;
use crate::wait_list::WaitList;

/// Places that a queue has at first.
const PLACES_MIN: usize = 4;

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

    /// Whether the queue would have to grow for one more.
    #[inline]
    fn has_no_place(&self) -> bool {
        let letters = self.letters.as_ref();
        letters.is_none_or(|letters| letters.len() == letters.capacity())
    }

    /// Whether it would for so many.
    fn has_not(&self, places: usize) -> bool {
        let letters = self.letters.as_ref();
        letters.is_none_or(|letters| letters.capacity() - letters.len() < places)
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
        place.filter(|_| under(Mutant::NoLookAfterClaim) || may_go())
    }

    /// Sees to it that there are places for so many more letters, unless they are refused anyway, or others take them first.
    /// Nothing is allocated or given back under the lock.
    #[cold]
    fn with_places<'a>(&'a self, state: Guard<'a, State<L>>, more: u32) -> Guard<'a, State<L>> {
        let room = self.capacity.saturating_sub(state.len());
        let more = more.min(room) as usize;
        if more == 0 || self.closed().is_some() || !state.has_not(more) {
            return state;
        }
        let needed = state.len() as usize + more;
        drop(state);
        let places = (2 * needed)
            .max(PLACES_MIN)
            .min(needed.max(self.capacity()));
        let mut letters: Letters<L> = Some(Box::new(VecDeque::with_capacity(places)));
        let mut state = self.lock();
        if self.closed().is_none() && state.has_not(more) {
            if let (Some(new), Some(old)) = (&mut letters, &mut state.letters) {
                new.append(old);
            }
            std::mem::swap(&mut letters, &mut state.letters);
        }
        drop(state);
        drop(letters);
        self.lock()
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
        if state.has_no_place() {
            state = self.with_places(state, 1);
        }
        if let Some(reason) = self.closed() {
            drop(state);
            return Err((given, Refused::Closed(reason.clone())));
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
        let wanted = u32::try_from(handed.len()).unwrap_or(u32::MAX);
        state = self.with_places(state, wanted);
        if let Some(reason) = self.closed() {
            drop(state);
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
