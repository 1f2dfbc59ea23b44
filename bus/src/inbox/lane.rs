//! One uring seen from its completer: who watches it, taking entries, posting completions.
//!
//! ```text
//!          note               peek finds an entry                drained
//!   Idle --------> Hot <-----------------------------> Scheduled
//!     ^             |                                       | the owner takes long, or the driver is about to sleep
//!     +-------------+                                       v
//!       go_idle, checked after its fence                  Away -- drained --> Hot, handed to the driver
//! ```
//!
//! # Invariants
//! - **one-watcher**: a lane is in the driver's list while Hot or Scheduled, and in its inbox's ready queue or its owner's
//!   hands while Scheduled or Away; the swap that changes the state decides who moves it. The driver looks for entries only while
//!   Hot, and cools what is Hot before it sleeps.
//! - **taken-means-begun**: an entry is taken only by the owner, when its handler is about to begin.

use std::sync::{Arc, Weak};

use ringway_shm::brief::{Brief, Guard};
use ringway_shm::card::{Accounts, Counter};
use ringway_shm::error::Violation;
use ringway_shm::generation::Key;
use ringway_shm::lane::Peek;
use ringway_shm::sync::Ordering::{AcqRel, Acquire, Relaxed};
use ringway_shm::sync::{AtomicBool, AtomicU32, AtomicU64};
use ringway_shm::uring::{Aside, CompleterEnds, OpWord, PostEnd, TakeEnd};
use ringway_shm::words::EntryWords;

use super::Inbox;
use super::reply::Replies;
use crate::dead::DeadReason;
use crate::entry::EntryToken;
use crate::exit::ExitReason;
use crate::message::TypeId;
use crate::priority::Priority;
use crate::rings::RingSpan;
use crate::shared::{Part, Shared};
use crate::token::Long;
use crate::urings::PeerUrings;

const IDLE: u32 = 0;
const HOT: u32 = 1;
const SCHEDULED: u32 = 2;
const AWAY: u32 = 3;
const CLOSED: u32 = 4;

struct Taking {
    end: TakeEnd,
    /// Entries taken since it was looked whether the submitter waits for room.
    since_room_check: u32,
    /// It is among the lanes that are looked at before this node sleeps.
    is_listed: bool,
    /// Slots of the entry taken last.
    slots: u64,
    /// The submitter will send nothing more: it closed the lane, or is dead.
    is_ending: bool,
    /// The head is final: the submitter was told so, or is about to be.
    is_closed: bool,
    /// The handler of the entry taken last did not come to its end.
    is_abandoned: bool,
}

/// The completer's side of a uring.
pub(crate) struct InboxLane {
    pub(crate) peer: Arc<PeerUrings>,
    /// The uring's name, given by its submitter.
    pub(crate) uring: Key,
    /// Of all that comes by it.
    pub(super) priority: Priority,
    shared: Weak<Shared>,
    /// Its place among those that the accounts are made of.
    member: usize,
    inbox: Arc<Inbox>,
    state: AtomicU32,
    /// What the driver looks through while nothing comes, without the lock of `taking`.
    peek: Peek<7>,
    /// `is_ending` of `taking`, for the same look.
    ends: AtomicBool,
    taking: Brief<Taking>,
    posting: Brief<PostEnd>,
    pub(crate) replies: Replies,
    /// Replies that the submitter may have unread: what its completion queue has room for.
    pub(super) credit: usize,
    /// Entries beyond which the oldest are dropped as the owner takes, if its policy is that.
    keeps: Option<u64>,
    /// Tokens that a queue's owner has received; written by one thread at a time.
    received: AtomicU64,
    /// Entries taken between two looks at whether the submitter waits for room.
    room_check_every: u32,
    /// Our half of the uring's memory; returned when the lane is dropped.
    span: RingSpan,
}

/// An entry that was taken: its handler begins now.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) token: EntryToken,
    /// What of its payload was in the slots behind it.
    pub(crate) long: Option<Long>,
    /// The sender did not want it any more when it was taken.
    pub(crate) is_cancelled: bool,
}

/// What the owner got of a lane.
pub(super) enum Took {
    Entry,
    /// It is empty, and the driver watches it again.
    Nothing,
    /// It has come to its end.
    Last,
}

/// Which try to take an entry it is, of a lane that may be at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Try {
    First,
    Second,
}

/// What the driver's look at a lane found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    Nothing,
    /// An entry: its owner is woken.
    Entry,
    /// Not to be watched any more.
    Leave,
}

/// How long the driver keeps lanes whose owners have not come to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    Some,
    /// Until now: cost per pass must not grow with owners that take long.
    None,
}

impl InboxLane {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        peer: &Arc<PeerUrings>,
        (uring, priority): (Key, Priority),
        inbox: &Arc<Inbox>,
        ends: CompleterEnds,
        span: RingSpan,
        (keeps, room_check_every): (Option<u64>, u32),
    ) -> Arc<Self> {
        peer.count_lane(span.region().len());
        Arc::new_cyclic(|this| Self {
            member: shared.members.add(Weak::clone(this) as Weak<dyn Part>),
            peer: Arc::clone(peer),
            uring,
            priority,
            shared: Arc::downgrade(shared),
            inbox: Arc::clone(inbox),
            state: AtomicU32::new(HOT),
            peek: ends.take.peeker(),
            ends: AtomicBool::new(false),
            taking: Brief::new(Taking {
                end: ends.take,
                since_room_check: 0,
                is_listed: false,
                slots: 0,
                is_ending: false,
                is_closed: false,
                is_abandoned: false,
            }),
            credit: usize::try_from(ends.post.capacity().get()).unwrap_or(usize::MAX),
            posting: Brief::new(ends.post),
            replies: Replies::default(),
            keeps,
            received: AtomicU64::new(0),
            room_check_every,
            span,
        })
    }

    pub(crate) fn shared(&self) -> Option<Arc<Shared>> {
        self.shared.upgrade()
    }

    pub(crate) fn priority(&self) -> Priority {
        self.priority
    }

    #[inline]
    fn taking(&self) -> Guard<'_, Taking> {
        self.taking.lock()
    }

    /// A note names this lane: the driver watches it from now on, if this returns `true`.
    pub(crate) fn heat(&self) -> bool {
        let is_heated = self.change(IDLE, HOT);
        if is_heated {
            self.taking().end.go_hot();
        }
        is_heated
    }

    /// Whether [`watch`](Self::watch) would find nothing and leave the lane where it is.
    ///
    /// Cost: loads; no lock.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        // Acquire lane-state: as in `watch`.
        match self.state.load(Acquire) {
            // Relaxed: as in `watch`.
            HOT => !self.peek.has_entry() && !self.ends.load(Relaxed),
            state => state == SCHEDULED,
        }
    }

    /// Whether an entry waits that nobody has been told of yet, as far as a look without the lock can tell.
    #[inline]
    pub(super) fn has_unseen(&self) -> bool {
        // Acquire lane-state: as in `watch`.
        matches!(self.state.load(Acquire), HOT | IDLE) && self.peek.has_entry()
    }

    /// The driver's look at a lane in its list.
    pub(crate) fn watch(self: &Arc<Self>, patience: Patience) -> Watch {
        // Acquire lane-state: pairs with the swap that changed it.
        match self.state.load(Acquire) {
            HOT => {
                // Relaxed: who stores it schedules the lane; only a lane that just became hot is still to be found so.
                if !self.peek.has_entry() && !self.ends.load(Relaxed) {
                    return Watch::Nothing;
                }
                self.schedule();
                Watch::Entry
            }
            SCHEDULED if patience == Patience::Some || !self.change(SCHEDULED, AWAY) => {
                Watch::Nothing
            }
            _ => Watch::Leave,
        }
    }

    /// Whether the oldest entry is to be dropped: the owner's policy says so, and more wait than are kept.
    pub(super) fn overflows(&self) -> bool {
        self.keeps
            .is_some_and(|keeps| self.taking().end.has_more_than(keeps))
    }

    /// The driver's last look before it sleeps; the lane leaves its list. From here on only a note, or the owner, brings
    /// it back.
    pub(crate) fn cool(self: &Arc<Self>) {
        loop {
            // Acquire lane-state: as in `watch`.
            match self.state.load(Acquire) {
                HOT if self.go_idle() => {
                    if self.change(HOT, IDLE) {
                        return;
                    }
                }
                HOT => {
                    if self.change(HOT, AWAY) {
                        return self.inbox.schedule(Arc::clone(self));
                    }
                }
                SCHEDULED => {
                    if self.change(SCHEDULED, AWAY) {
                        return;
                    }
                }
                _ => return,
            }
        }
    }

    /// Says to the submitter that nobody watches, unless an entry came.
    fn go_idle(&self) -> bool {
        let mut taking = self.taking();
        let is_idle = taking.end.go_idle() && (!taking.is_ending || taking.waits_for_aside(self));
        // After the fence in `go_idle`: a submitter that waits for room is seen here, or sees our head.
        let rings = taking.submitter_waits();
        drop(taking);
        if rings {
            self.peer.ring_bell();
        }
        is_idle
    }

    /// Changes the state, unless it is another.
    fn change(&self, from: u32, to: u32) -> bool {
        // AcqRel lane-state: pairs with itself; who changes the state owns the lane's place in a list.
        self.state
            .compare_exchange(from, to, AcqRel, Relaxed)
            .is_ok()
    }

    /// Gives the lane to its inbox, whatever it holds. Only one of two schedulers wins.
    pub(super) fn schedule(self: &Arc<Self>) {
        if self.change(HOT, SCHEDULED) || self.change(IDLE, AWAY) {
            self.inbox.schedule(Arc::clone(self));
        }
    }

    /// The submitter closed the lane or died: the owner takes what is still there, then lets go.
    pub(crate) fn end(self: &Arc<Self>) {
        self.taking().is_ending = true;
        self.ends.store(true, Relaxed); // Relaxed: see `watch`; who must not miss it looks under the lock.
        self.schedule();
    }

    /// Takes an entry for the owner, after it has said whether the handler of the one before has ended. Of an empty lane the
    /// driver has the watch again.
    ///
    /// A closed lane gives none: its node may close it, by leaving, before its owner stops.
    pub(super) fn take(self: &Arc<Self>, has_ended: bool, taken: &mut Taken) -> Took {
        let mut taking = self.taking();
        if has_ended {
            taking.finish();
        }
        self.take_next(taking, taken, Try::First)
    }

    #[inline]
    fn take_next(
        self: &Arc<Self>,
        mut taking: Guard<'_, Taking>,
        taken: &mut Taken,
        which: Try,
    ) -> Took {
        if taking.is_closed {
            return Took::Last;
        }
        let words = taken.token.words_mut();
        match taking
            .end
            .take_long_into(words, |rest| Long::of_slots(rest))
        {
            Ok(Some(entry)) => {
                taken.is_cancelled = taking.is_cancelled(words[0]);
                taken.long = entry.rest;
                taking.slots = entry.slots;
                taking.since_room_check += 1;
                let looks = taking.since_room_check >= self.room_check_every;
                let rings = looks && taking.submitter_waits();
                // Without a fence that look may have missed a wait that began just now: what was taken last stays to be offered.
                taking.since_room_check = taking.since_room_check.max(1);
                let is_listed = std::mem::replace(&mut taking.is_listed, true);
                drop(taking);
                if rings {
                    self.peer.ring_bell();
                }
                if !is_listed {
                    self.list();
                }
                Took::Entry
            }
            Ok(None) => self.drained(taking, taken, which),
            Err(violation) => {
                drop(taking);
                self.peer.violation(violation);
                self.close(&ExitReason::ProtocolViolation);
                Took::Last
            }
        }
    }

    /// Has the room that was made offered before this node sleeps.
    #[cold]
    fn list(self: &Arc<Self>) {
        if let Some(shared) = self.shared() {
            shared.offers.add(self);
        }
    }

    /// Tells the submitter that there is room, if it waits for any: this node is about to sleep.
    pub(super) fn offer_room(&self) {
        let mut taking = self.taking();
        taking.is_listed = false;
        let has_room = std::mem::take(&mut taking.since_room_check) > 0;
        let rings = has_room && taking.end.submitter_wants_by_now().is_some();
        drop(taking);
        if rings {
            self.peer.ring_bell();
        }
    }

    /// The owner found the lane empty.
    fn drained(
        self: &Arc<Self>,
        mut taking: Guard<'_, Taking>,
        taken: &mut Taken,
        which: Try,
    ) -> Took {
        let rings = taking.submitter_waits();
        if taking.is_ending || taking.end.submitter_closed() {
            // Only now is it known that nothing follows: what came between the owner's look and the end is still there, and
            // the second try takes it. Who has a stamp come and go between two looks gets no third.
            if which == Try::First && taking.end.peek() {
                return self.take_next(taking, taken, Try::Second);
            }
            if !taking.waits_for_aside(self) {
                drop(taking);
                self.close(&ExitReason::Normal);
                return Took::Last;
            }
            // Its owner lets go of it when the last has been handled: see `take_up`.
            taking.is_ending = true;
            self.ends.store(false, Relaxed); // Relaxed: as in `end`.
        }
        drop(taking);
        if rings {
            self.peer.ring_bell();
        }
        // In the driver's list it is seen, at the latest when the driver cools it.
        if !self.change(SCHEDULED, HOT)
            && self.change(AWAY, HOT)
            && let Some(shared) = self.shared()
        {
            shared.watch(Arc::clone(self));
        }
        Took::Nothing
    }

    /// Nothing more is taken, and the submitter is told why.
    pub(crate) fn close(self: &Arc<Self>, reason: &ExitReason) {
        let mut taking = self.taking();
        taking.is_closed = true;
        taking.end.close();
        drop(taking);
        // AcqRel lane-state: see `change`. Who closed it first has told the submitter.
        if self.state.swap(CLOSED, AcqRel) == CLOSED {
            return;
        }
        self.lose_rest(&DeadReason::Ended(reason.clone()));
        if self.replies.may_close(reason)
            && let Some(shared) = self.shared()
        {
            shared.lane_closed(self, reason);
        }
    }

    /// An entry that is not handled, when its sender is dead: nobody there will hear of it.
    pub(super) fn lose(&self, type_id: Option<TypeId>, reason: &DeadReason) {
        if !self.peer.is_dead() {
            return;
        }
        if let (Some(shared), Some(whom)) = (self.shared(), self.inbox.whom()) {
            let letter = whom.letter(type_id, reason.clone());
            shared.dead_letter_of_own(letter.sent_by(self.peer.id()));
        }
    }

    /// The same of all that lies in a lane which is closed.
    #[cold]
    pub(crate) fn lose_rest(&self, reason: &DeadReason) {
        if !self.peer.is_dead() {
            return;
        }
        // As many as there can be: who is dead stamps no more.
        loop {
            let mut taking = self.taking();
            let taken = taking.end.take_long(|_| ());
            if let Ok(Some(entry)) = &taken {
                taking.end.finish(entry.slots);
            }
            drop(taking);
            let Ok(Some(entry)) = taken else { return };
            if let Some(shared) = self.shared() {
                shared.count(Counter::EntriesLost, 1);
            }
            let token = EntryToken::from_words(entry.words);
            self.lose(token.type_id(), reason);
        }
    }

    /// Whether nobody is there any more for a reply.
    #[inline]
    pub(super) fn is_unheard(&self) -> bool {
        // Relaxed: a peer that dies in this moment may have read it, or not.
        self.ends.load(Relaxed) && self.peer.is_dead()
    }

    /// Whether nothing more is taken, and the submitter was told so or is about to be.
    pub(crate) fn is_closed(&self) -> bool {
        // Acquire lane-state: as in `watch`.
        self.state.load(Acquire) == CLOSED
    }

    /// Closes the lane, and has its inbox let go of it although its owner has not come to the end.
    pub(crate) fn cut(self: &Arc<Self>, reason: &ExitReason) {
        self.close(reason);
        self.inbox.forget(self);
    }

    /// Behind the last entry that has come.
    pub(super) fn filled(&self) -> u64 {
        let taking = self.taking();
        let waiting = (0..).take_while(|count| taking.end.has_more_than(*count));
        taking.end.taken() + waiting.count() as u64
    }

    /// Whether all entries before this position have been taken.
    pub(super) fn has_taken(&self, position: u64) -> bool {
        self.taking().end.taken() >= position
    }

    /// Counts a token that a queue's owner has received, who is one thread at a time.
    #[inline]
    pub(crate) fn count_received(&self) {
        // Relaxed: a count, which orders nothing; there is one writer at a time.
        self.received
            .store(self.received.load(Relaxed) + 1, Relaxed);
    }

    /// Says that the entry taken last, which has no op, is put aside: its end is still to come.
    #[cold]
    pub(super) fn put_aside(&self, type_id: TypeId) -> Aside {
        let mut taking = self.taking();
        let position = taking.end.taken() - taking.slots;
        taking.end.put_aside(position, type_id.to_bits())
    }

    #[cfg(test)]
    pub(crate) fn has_aside(&self) -> bool {
        self.taking().end.has_aside()
    }

    /// What was put aside has been handled. Of a lane that waits for that alone the owner lets go.
    #[cold]
    pub(super) fn take_up(self: &Arc<Self>, aside: Aside) {
        let mut taking = self.taking();
        taking.end.take_up(aside);
        let is_over = taking.is_ending && !taking.is_closed && !taking.end.has_aside();
        drop(taking);
        if is_over {
            self.end();
        }
    }

    /// Says that the handler of the entry taken last will not come to its end.
    #[cold]
    pub(super) fn abandon(&self) {
        self.taking().is_abandoned = true;
    }

    /// Says that the handler of the entry taken last has ended.
    pub(crate) fn finish(&self) {
        self.taking().finish();
    }

    /// Slots taken, and slots of entries whose handlers have ended.
    #[cfg(test)]
    pub(crate) fn heads(&self) -> (u64, u64) {
        let taking = self.taking();
        (taking.end.taken(), taking.end.done())
    }

    /// Posts a completion and wakes the submitter if it sleeps.
    ///
    /// A full completion queue is the submitter's fault: it broke its own bound.
    pub(crate) fn post(&self, words: &EntryWords) {
        let posted = self.posting.lock().complete(words);
        match posted {
            Ok(()) => self.peer.ring_bell(),
            Err(refused) => self.peer.post_refused(refused),
        }
    }

    /// Whether the submitter has cancelled an ask that was taken.
    pub(super) fn is_cancelled(&self, op: Key) -> bool {
        let word = self.taking().end.op_word(op);
        word.is_ok_and(OpWord::is_cancelled)
    }

    /// Whether nobody waits any more for the answer to an ask that was taken.
    pub(crate) fn is_abandoned(&self, op: Key) -> bool {
        if self.is_closed() || self.peer.is_gone() {
            return true;
        }
        let word = self.taking().end.op_word(op);
        // A released reply: the op is over, or another one has its place.
        word.is_ok_and(|word| word.is_cancelled() || word.is_reply_released())
    }

    /// Whether the submitter has a word for that op, by which it releases replies.
    pub(super) fn knows_op(&self, op: Key) -> Result<(), Violation> {
        self.taking().end.op_word(op).map(drop)
    }

    /// Frees the replies that their askers have released.
    pub(crate) fn sweep(&self) {
        let taking = self.taking();
        self.replies
            .sweep(|op| taking.end.op_word(op).is_ok_and(OpWord::is_reply_released));
    }
}

impl Taking {
    /// The handler of the entry taken last has ended.
    fn finish(&mut self) {
        self.end.finish(self.slots);
    }

    /// Whether the lane's end is to wait for what is put aside: its sender is told of the end as of that of all.
    #[cold]
    fn waits_for_aside(&self, lane: &InboxLane) -> bool {
        self.end.has_aside() && !lane.peer.is_dead()
    }

    /// Looks at the op word of an entry just taken.
    fn is_cancelled(&self, user_data: u64) -> bool {
        let op = Key::from_bits(user_data);
        op.is_some_and(|op| self.end.op_word(op).is_ok_and(OpWord::is_cancelled))
    }

    /// Looks whether the submitter waits for room and has not been told for this wait.
    fn submitter_waits(&mut self) -> bool {
        self.since_room_check = 0;
        self.end.submitter_wants().is_some()
    }
}

impl Part for InboxLane {
    fn add_to(&self, accounts: &mut Accounts) {
        let taking = self.taking();
        accounts.taken += taking.end.entries();
        let is_in_hand = taking.end.done() < taking.end.taken() && !taking.is_abandoned;
        accounts.in_handling += u64::from(is_in_hand);
        drop(taking);
        accounts.handled += self.received.load(Relaxed); // Relaxed: as in `count_received`
        accounts.blocks_lent += self.replies.lent();
    }
}

impl Drop for InboxLane {
    fn drop(&mut self) {
        self.peer.uncount_lane(self.span.region().len());
        if let Some(shared) = self.shared.upgrade() {
            let taken = self.taking.get_mut().end.entries();
            shared.count(Counter::Taken, taken);
            // Relaxed: as in `count_received`.
            shared.count(Counter::EntriesHandled, self.received.load(Relaxed));
            shared.members.remove(self.member);
        }
    }
}

impl std::fmt::Debug for InboxLane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboxLane")
            .field("uring", &self.uring)
            .finish_non_exhaustive()
    }
}
