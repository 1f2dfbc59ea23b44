//! The remote half of a mailbox: the urings that peers have opened to one actor or queue.
//!
//! An entry stays in its uring until its handler is about to begin: the uring is the mailbox. What lies here is only
//! which urings have something. The driver, which watches the lanes, schedules them; the owner serves those scheduled
//! in turn, a few entries each.
//!
//! Lanes of high priority have turns of their own ([`high`]).
//!
//! An owner whose policy is to drop the oldest does so as it takes: of a lane that holds more than are kept, the oldest
//! are taken and completed as displaced, one after the other, before the next is taken to be handled. So their sender has
//! them back, and nothing else is ever taken ahead of its handler.

pub(crate) mod abandoned;
mod aside;
mod high;
pub(crate) mod lane;
mod mark;
pub(crate) mod offers;
pub(crate) mod reply;
mod serving;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ringway_shm::brief::{Brief, Guard};
use ringway_shm::layout::UringLayout;
use ringway_shm::sync::AtomicU64;
use ringway_shm::sync::Ordering::Relaxed;

pub(crate) use self::aside::AsideMark;
use self::high::HighHint;
use self::lane::Took;
pub(crate) use self::lane::{InboxLane, Taken};
pub(crate) use self::mark::LaneMark;
use self::reply::RemotePort;
pub(crate) use self::serving::{Orphan, Serving};
use crate::actor::Undone;
use crate::dead::{DeadReason, Whom};
use crate::exit::ExitReason;
use crate::mailbox::Overflow;
use crate::peering::NodeId;
use crate::priority::Priority;
use crate::urings::open::entries_max;
use crate::urings::wire::Terms;
use crate::wait_list::WaitList;

/// Entries served from one uring before the next one has its turn.
const TURN_MAX: u32 = 16;
/// The most entries taken between two looks at whether the submitter waits for room.
const ROOM_CHECK_EVERY: u32 = 32;
/// Entries dropped before the next one is handled, however fast their sender sends more.
const DROPS_MAX: u32 = 128;

#[derive(Default)]
struct State {
    /// Lanes that may hold entries, in the order of their turns, but for the one that its owner has in hand.
    ready: VecDeque<Arc<InboxLane>>,
    /// The same, of high priority.
    ready_high: VecDeque<Arc<InboxLane>>,
    /// Every lane that is open, for the end.
    lanes: Vec<Arc<InboxLane>>,
    /// Those among them that have high priority.
    lanes_high: VecDeque<Arc<InboxLane>>,
    /// The actor's waker. Those who wait at a queue are on `waiting`.
    receiver: Option<Waker>,
    closed: Option<ExitReason>,
}

impl State {
    /// Takes a lane back from its owner, to the front. A closed one comes back: the owner may be the last who has it, and what
    /// its end brings about is not done under the lock.
    #[must_use = "to be dropped when the lock is let go"]
    fn give_back(&mut self, lane: Arc<InboxLane>) -> Option<Arc<InboxLane>> {
        if lane.is_closed() {
            // Whoever closed it may have had it forgotten; if not yet, it has nothing more to give.
            self.remove(&lane);
            return Some(lane);
        }
        self.queue(lane.priority).push_front(lane);
        None
    }

    fn queue(&mut self, priority: Priority) -> &mut VecDeque<Arc<InboxLane>> {
        match priority {
            Priority::Normal => &mut self.ready,
            Priority::High => &mut self.ready_high,
        }
    }

    /// Lets go of a lane that is in no queue.
    fn remove(&mut self, lane: &Arc<InboxLane>) {
        let is_other = |other: &Arc<InboxLane>| !Arc::ptr_eq(other, lane);
        self.lanes.retain(is_other);
        self.lanes_high.retain(is_other);
    }
}

/// The urings to one actor or queue.
#[derive(Default)]
pub(crate) struct Inbox {
    state: Brief<State>,
    overflow: Overflow,
    /// Whom the entries are for; `None` for a queue.
    whom: Option<Whom>,
    /// Entries that the owner keeps of one lane, if its policy is to drop the oldest.
    bound: u64,
    /// How often its owner has messages sent again that a life of it did not handle to their ends.
    redeliver: u32,
    dropped: AtomicU64,
    high: HighHint,
    /// Receivers that wait at a queue, of any number.
    waiting: WaitList,
}

impl Inbox {
    /// The inbox of an actor whose mailbox has this bound and policy, and whose task may rest already.
    pub(crate) fn new(bound: usize, overflow: Overflow, task: Option<&Waker>, whom: Whom) -> Self {
        let state = State {
            receiver: task.cloned(),
            ..State::default()
        };
        Self {
            state: Brief::new(state),
            overflow,
            bound: bound.max(1) as u64,
            whom: Some(whom),
            ..Self::default()
        }
    }

    /// The same for an owner that has its messages sent again.
    pub(crate) fn redelivering(self, redeliver: u32) -> Self {
        Self { redeliver, ..self }
    }

    /// What its owner asks of who submits. Who drops the oldest needs room beyond its bound; a queue has none.
    pub(crate) fn terms(&self) -> Terms {
        let is_bounded = self.bound > 0 && self.overflow != Overflow::DropOldest;
        Terms {
            overflow: self.overflow,
            bound: if is_bounded { self.bound } else { u64::MAX },
            redeliver: self.redeliver,
        }
    }

    /// Whom the entries are for, if that is an actor.
    pub(crate) fn whom(&self) -> Option<&Whom> {
        self.whom.as_ref()
    }

    /// How many entries of a lane of this layout are kept: at most half of what it holds, so that there is room while a
    /// handler runs.
    pub(crate) fn keeps(&self, layout: UringLayout) -> Option<u64> {
        let half = (entries_max(layout) / 2).max(1);
        (self.overflow == Overflow::DropOldest).then(|| self.bound.min(half))
    }

    /// How many entries may be taken of a lane of this layout before it is looked whether its submitter waits for room: half of
    /// what may lie there, as those who wait are woken for that much.
    pub(crate) fn room_check_every(&self, layout: UringLayout) -> u32 {
        let half = self.terms().bound.min(entries_max(layout)) / 2;
        half.try_into()
            .unwrap_or(u32::MAX)
            .clamp(1, ROOM_CHECK_EVERY)
    }

    /// Entries dropped by the policy so far.
    pub(crate) fn dropped(&self) -> u64 {
        // Relaxed: a count, which orders nothing.
        self.dropped.load(Relaxed)
    }

    /// Drops what a lane holds beyond its bound, oldest first.
    fn drop_oldest(&self, lane: &Arc<InboxLane>) {
        for _ in 0..DROPS_MAX {
            if !lane.overflows() {
                return;
            }
            let mut taken = Taken::default();
            let Took::Entry = lane.take(false, &mut taken) else {
                return; // closed meanwhile; who takes next finds out
            };
            // Relaxed: as in `dropped`. Before the completion: who hears of the drop finds it counted.
            self.dropped.fetch_add(1, Relaxed);
            if let Some(shared) = lane.shared() {
                shared.count_undone(&Undone::Dropped);
                shared.count_undone_entry(&Undone::Dropped);
            }
            if let Some(port) = RemotePort::of(lane, &taken) {
                port.undone(&Undone::Dropped);
            }
            lane.lose(taken.token.type_id(), &DeadReason::Dropped);
            lane.finish();
        }
    }

    #[inline]
    fn lock(&self) -> Guard<'_, State> {
        self.state.lock()
    }

    /// Takes a newly opened lane in, unless the owner has ended.
    pub(crate) fn add(&self, lane: &Arc<InboxLane>) -> Result<(), ExitReason> {
        let mut state = self.lock();
        match &state.closed {
            Some(reason) => Err(reason.clone()),
            None => {
                state.lanes.push(Arc::clone(lane));
                if lane.priority == Priority::High {
                    state.lanes_high.push_back(Arc::clone(lane));
                    self.high.show(&state);
                }
                Ok(())
            }
        }
    }

    /// Lets go of a closed lane, which nobody schedules any more.
    fn forget(&self, lane: &Arc<InboxLane>) {
        let mut state = self.lock();
        state.remove(lane);
        let queue = state.queue(lane.priority);
        queue.retain(|other| !Arc::ptr_eq(other, lane));
        self.high.show(&state);
        let receiver = state.receiver.take();
        drop(state);
        // The owner may wait for what it held: see `LaneMark`.
        self.wake(receiver);
    }

    /// How far the urings from one node are filled now.
    pub(crate) fn marks(&self, node: NodeId) -> Vec<LaneMark> {
        let lanes = self.lock().lanes.clone();
        let theirs = lanes.iter().filter(|lane| lane.peer.id() == node);
        theirs.map(LaneMark::of).collect()
    }

    /// Has the owner look at every lane, whether its driver knows of anything there or not.
    pub(crate) fn schedule_all(&self) {
        let lanes = self.lock().lanes.clone();
        lanes.iter().for_each(InboxLane::schedule);
    }

    /// Puts a lane at the end of the queue and wakes the owner. The lane's state says that it is scheduled.
    pub(crate) fn schedule(&self, lane: Arc<InboxLane>) {
        let mut state = self.lock();
        if state.closed.is_some() {
            return;
        }
        let priority = lane.priority;
        state.queue(priority).push_back(lane);
        if priority == Priority::High {
            self.high.show(&state);
        }
        let receiver = state.receiver.take();
        drop(state);
        self.wake(receiver);
    }

    fn wake(&self, receiver: Option<Waker>) {
        if let Some(waker) = receiver {
            waker.wake();
        }
        // Who registers looks at `ready` under the lock afterwards: it was before us there and is seen here, or sees what
        // we did.
        if self.waiting.has_waiters() {
            self.waiting.wake_all();
        }
    }

    /// Takes the next entry of normal priority into the owner's hands, if there is one: its handler must begin now. That of the
    /// entry which was there has ended. The owner has no lane of high priority in its hands.
    ///
    /// Cost: the lane's lock; this inbox's once a turn.
    #[inline]
    pub(crate) fn pop(&self, serving: &mut Serving) -> bool {
        loop {
            if serving.lane.is_none() || serving.served >= TURN_MAX {
                self.next_turn(serving);
            }
            if self.overflow == Overflow::DropOldest {
                serving.finish();
                serving.lane.iter().for_each(|lane| self.drop_oldest(lane));
            }
            let Some(lane) = &serving.lane else {
                return false;
            };
            serving.served += 1;
            let has_ended = std::mem::take(&mut serving.is_in_hand);
            match lane.take(has_ended, &mut serving.taken) {
                Took::Entry => {
                    serving.is_in_hand = true;
                    return true;
                }
                Took::Nothing => {
                    serving.lane = None;
                    serving.served = 0;
                }
                Took::Last => {
                    serving.served = 0;
                    self.part_with(serving);
                }
            }
        }
    }

    /// The lane in the owner's hands has come to its end.
    #[cold]
    fn part_with(&self, serving: &mut Serving) {
        if let Some(over) = serving.lane.take() {
            let mut state = self.lock();
            state.remove(&over);
            self.high.show(&state);
        }
    }

    /// Hands the owner the lane whose turn it is: the one that it has, if no other is ready.
    fn next_turn(&self, serving: &mut Serving) {
        serving.finish();
        let lane = serving.lane.take();
        let mut state = self.lock();
        let over = lane.and_then(|lane| state.give_back(lane));
        if serving.served >= TURN_MAX {
            serving.served = 0;
            let turn = 1.min(state.ready.len());
            state.ready.rotate_left(turn);
        }
        serving.lane = state.ready.pop_front();
        drop(state);
        drop(over);
    }

    /// Takes back what the owner has in its hands, before it turns to something else for long: a lane that is cut meanwhile
    /// must be let go at once. Its turn goes on.
    #[inline]
    pub(crate) fn rest(&self, serving: &mut Serving) {
        serving.finish();
        if let Some(lane) = serving.lane.take() {
            let priority = lane.priority;
            let mut state = self.lock();
            let over = state.give_back(lane);
            if priority == Priority::High {
                self.high.show(&state);
            }
            drop(state);
            drop(over);
        }
    }

    /// Waits until a lane is scheduled or the inbox is closed. The waker is that of the actor's own task, and so none of the user's,
    /// which is never cloned under the lock.
    pub(crate) fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if !state.ready.is_empty() || !state.ready_high.is_empty() || state.closed.is_some() {
            return Poll::Ready(());
        }
        match &mut state.receiver {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Those who wait at a queue: they look again after they have registered.
    pub(crate) fn waiting(&self) -> &WaitList {
        &self.waiting
    }

    /// Whether nothing will ever be taken any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed.is_some()
    }

    /// Refuses further lanes and closes those open: their submitters learn what was never taken, and `reason`.
    pub(crate) fn close(&self, reason: &ExitReason) {
        let mut state = self.lock();
        state.closed.get_or_insert_with(|| reason.clone());
        let ready = [
            std::mem::take(&mut state.ready),
            std::mem::take(&mut state.ready_high),
            std::mem::take(&mut state.lanes_high),
        ];
        let mut lanes = std::mem::take(&mut state.lanes);
        self.high.show(&state);
        let receiver = state.receiver.take();
        drop(state);
        drop(ready);
        // What would have been taken first is returned first.
        lanes.sort_by_key(|lane| Reverse(lane.priority));
        for lane in lanes {
            lane.close(reason);
        }
        self.wake(receiver);
    }
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox")
            .field("lanes", &self.lock().lanes.len())
            .finish_non_exhaustive()
    }
}
