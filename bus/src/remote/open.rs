//! An open uring at its submitter: the sending end, the completions, and the ops in flight.
//!
//! Used under its end's lock alone; nothing here waits, wakes or calls the user's code.

mod aside;
mod burst;

use std::cell::Cell;
use std::sync::Arc;
use std::task::Waker;

use ringway_shm::block::Block;
use ringway_shm::error::{PushError, Violation};
use ringway_shm::generation::Key;
use ringway_shm::lane::Peek;
use ringway_shm::layout::UringLayout;
use ringway_shm::region::PeerRegion;
use ringway_shm::uring::{OpWords, ReapEnd, SubmitEnd, Submitter};
use ringway_shm::words::EntryWords;

use super::account::Decided;
use super::ops::{Answered, Fate, Ignored, Leases, OpTable, UnknownOp};
use super::owed::{Fault, Loss, Owed};
use super::undelivered::{Raw, Returns};
use super::{Obstacle, Outgoing};
use crate::actor::Undone;
use crate::clock::Nanos;
use crate::completion;
use crate::entry::{Beside, EntryToken};
use crate::exit::ExitReason;
use crate::frame::WireKey;
use crate::mailbox::Overflow;
use crate::message::TypeId;
use crate::priority::Priority;
use crate::rings::RingSpan;
use crate::token::{ENTRY_SLOTS_MAX, Long, longest};
use crate::urings::PeerUrings;
use crate::urings::open::entries_max;
use crate::urings::wire::{Terms, UringWord};

/// Completions taken in at one look: a queue's worth, so that a peer that floods has its turn and no more.
const REAPED_PER_LOOK: u32 = 256;
/// Slots submitted with payloads in blocks before one is put behind its entry again, once there was no room for that.
const CROWDED_FOR: u64 = 16;
/// Looks at an end without ops before it is not watched any more: whoever asks again at once finds it watched.
const LOOKS_WITHOUT_OPS: u32 = 8;

/// What is kept while a uring is being opened.
pub(crate) struct Opening {
    pub(crate) peer: Arc<PeerUrings>,
    pub(crate) uring: Key,
    pub(crate) layout: UringLayout,
    pub(crate) submitter: Submitter,
    pub(crate) span: RingSpan,
}

impl Opening {
    /// The peer has made its half, at `theirs`.
    pub(super) fn join(
        self,
        theirs: &PeerRegion,
        terms: Terms,
    ) -> Result<Open, (Arc<PeerUrings>, Violation)> {
        let Self {
            peer,
            uring,
            layout,
            submitter,
            span,
        } = self;
        match submitter.open(theirs) {
            Ok(mut ends) => Ok(Open {
                peer,
                uring,
                half: limit(&mut ends.submit, layout, terms).div_ceil(2),
                crowded_until: 0,
                submit: ends.submit,
                reap: ends.reap,
                words: ends.ops,
                ops: OpTable::new(credit(layout)),
                overflow: terms.overflow,
                is_watched: false,
                room_watched: None,
                looks_without_ops: 0,
                due: None,
                ended: None,
                is_judged: false,
                opless_decided: Decided::default(),
                has_left_sums: false,
                is_broken: false,
                owed: Owed::default(),
                _span: span,
            }),
            Err(violation) => Err((peer, violation)),
        }
    }
}

/// Bounds what may lie untaken, and returns how many entries that is. The slots of the entry in hand, which was taken last, are
/// not used again: if its handler does not come to its end, it comes back.
fn limit(submit: &mut SubmitEnd, layout: UringLayout, terms: Terms) -> u64 {
    let limit = submit.limit(terms.bound.min(entries_max(layout)));
    submit.keep_free(ENTRY_SLOTS_MAX);
    limit
}

/// Completions that may be in flight: what the completion queue has room for.
fn credit(layout: UringLayout) -> u32 {
    u32::try_from(layout.cq.get()).unwrap_or(u32::MAX)
}

/// A uring that both sides have joined.
pub(crate) struct Open {
    pub(super) peer: Arc<PeerUrings>,
    uring: Key,
    pub(super) submit: SubmitEnd,
    reap: ReapEnd,
    words: OpWords,
    pub(super) ops: OpTable<Block>,
    /// What the receiver wants done with a message that meets a full queue.
    pub(super) overflow: Overflow,
    /// The driver watches the completions.
    is_watched: bool,
    /// The driver watches for room, which was looked for last when so many entries had been taken.
    room_watched: Option<u64>,
    /// Half of what may lie untaken, in entries.
    half: u64,
    /// No payload goes on behind its entry before so many slots were submitted: there was no room for one.
    crowded_until: u64,
    /// Looks since there was an op in flight.
    looks_without_ops: u32,
    /// No op is overdue before this; `None` when none has a deadline. It may be that of an op that is over.
    pub(super) due: Option<Nanos>,
    /// Why nothing more is submitted; leases may still come back.
    pub(super) ended: Option<ExitReason>,
    /// What the final heads told has been told: each entry comes back once.
    pub(super) is_judged: bool,
    /// What became of messages without ops, once that is so.
    pub(super) opless_decided: Decided,
    /// What became of its messages stands on the card.
    pub(super) has_left_sums: bool,
    /// A peer that is cut off broke the completions: they are not looked at any more.
    is_broken: bool,
    /// What is to be done when the lock is let go.
    pub(super) owed: Owed,
    /// Our half of the uring's memory.
    _span: RingSpan,
}

/// What the driver's look for room found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoomLook {
    /// Nobody waits any more.
    Over,
    /// No entry was taken since the last look.
    Nothing,
    /// Those who wait are to try again.
    Wakes,
    /// Not enough, and asked for again: look once more before sleeping.
    AsksAnew,
}

/// What a look at the completions found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reaped {
    /// At least one had come.
    pub(crate) any: bool,
    /// To be looked at again: more are in flight, or were a moment ago.
    pub(crate) watch: bool,
}

/// What was done with the completion that had come first.
pub(super) enum TookIn {
    /// There was none.
    Nothing,
    /// It answers the ask that was looked for, whose op held this.
    Answer(Answered<Block>),
    Other,
}

/// Whether an end without ops is watched a little longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linger {
    Yes,
    /// The driver is about to sleep.
    No,
}

impl Open {
    /// A look at the completions, for who does not hold the lock.
    pub(super) fn peeker(&self) -> Peek<7> {
        self.reap.peeker()
    }

    /// Whether submitting this needs the driver to watch the completions from now on; it is told before the entry is
    /// stamped, so that a completion, however quick, finds it watching.
    pub(super) fn must_watch(&mut self) -> bool {
        !std::mem::replace(&mut self.is_watched, true)
    }

    /// Whether a completion is to come: of a receiver that may drop what is queued, for every entry.
    #[inline]
    pub(super) fn needs_op(&self, outgoing: &Outgoing) -> bool {
        outgoing.needs_op() || self.overflow == Overflow::DropOldest
    }

    /// Puts an entry into the submission queue; returns its op if it has one.
    ///
    /// `outgoing` is unchanged unless this succeeds.
    #[inline]
    pub(super) fn submit(&mut self, outgoing: &mut Outgoing) -> Result<Option<Key>, Obstacle> {
        let op = self.submit_unnoted(outgoing)?;
        self.after_push();
        Ok(op)
    }

    /// The same, without a look whether the reader watches: that is owed.
    #[inline]
    fn submit_unnoted(&mut self, outgoing: &mut Outgoing) -> Result<Option<Key>, Obstacle> {
        if let Some(reason) = &self.ended {
            return Err(Obstacle::Ended(reason.clone()));
        }
        if let Some(block) = &outgoing.block
            && !self.peer.has_acknowledged(block)
        {
            return Err(Obstacle::Unacknowledged);
        }
        if !self.needs_op(outgoing) {
            let _ = self.push(outgoing)?; // of use to an op alone
            return Ok(None);
        }
        let key = match self.ops.issue(outgoing.kind, outgoing.block.take()) {
            Ok(key) => key,
            Err(block) => {
                outgoing.block = block;
                return Err(Obstacle::Full);
            }
        };
        outgoing.words[0] = key.to_bits();
        match self.push(outgoing) {
            Ok(position) => {
                self.ops.submitted(key, position, &outgoing.words);
                let due = Nanos(EntryToken::from_words(outgoing.words).deadline());
                if due != Nanos::NONE && self.due.is_none_or(|first| due < first) {
                    self.due = Some(due);
                }
            }
            Err(obstacle) => {
                outgoing.block = self.ops.withdraw(key);
                return Err(obstacle);
            }
        }
        Ok(Some(key))
    }

    /// Asks for room; `true` when the driver is yet to be told to watch for it.
    pub(super) fn watch_room(&mut self) -> bool {
        if self.room_watched.is_some() {
            return false;
        }
        let taken = self.taken();
        self.ask_for_room(taken);
        true
    }

    /// From here on the driver has something to look at when the peer has taken more than that, and the peer rings then. Both
    /// go by the same number, or one of the two would be early and the other not at all.
    fn ask_for_room(&mut self, taken: u64) {
        self.room_watched = Some(taken);
        self.submit.ask_for_room();
    }

    /// Nobody waits for room any more.
    pub(super) fn unwatch_room(&mut self) -> RoomLook {
        self.submit.stop_asking();
        self.room_watched = None;
        RoomLook::Over
    }

    /// Looks whether entries were taken since the last look, and wakes those who wait once half of the queue is free, as
    /// a mailbox does: with many of them, one a message would be much ado. Who waits for credit is woken by completions.
    pub(super) fn look_for_room(&mut self) -> RoomLook {
        let taken = self.taken();
        if self.room_watched == Some(taken) {
            return RoomLook::Nothing;
        }
        // Whoever is woken may find that somebody was faster: the peer has answered what was asked, and rings once for each.
        self.ask_for_room(taken);
        match self.submit.room() {
            Ok(room) if room >= self.half => RoomLook::Wakes,
            _ => RoomLook::AsksAnew,
        }
    }

    /// Entries that the peer has taken; of a lying peer, all.
    fn taken(&mut self) -> u64 {
        self.submit.taken().unwrap_or(self.submit.tail())
    }

    /// Takes in all completions that have come, and decides whether the driver is to watch for more.
    pub(super) fn reap(
        &mut self,
        wakers: &mut Vec<Waker>,
        returns: &Returns,
        linger: Linger,
    ) -> Reaped {
        let any = self.take_in_all(returns, &mut |_, waker| wakers.push(waker));
        let is_awaited = self.ops.in_flight() > 0 && !self.is_broken;
        self.looks_without_ops = match is_awaited {
            true => 0,
            false => self.looks_without_ops + 1,
        };
        let may_linger = linger == Linger::Yes && !self.is_broken;
        let lingers = may_linger && self.looks_without_ops < LOOKS_WITHOUT_OPS;
        self.is_watched = is_awaited || (lingers && self.ended.is_none());
        if !self.is_watched {
            self.due = None;
        }
        Reaped {
            any,
            watch: self.is_watched,
        }
    }

    /// Takes in all completions that have come, and hands over the wakers of their askers; `true` if there were any.
    #[inline]
    pub(super) fn take_in_all(
        &mut self,
        returns: &Returns,
        wake: &mut impl FnMut(u64, Waker),
    ) -> bool {
        let mut any = false;
        for _ in 0..REAPED_PER_LOOK {
            if self.is_broken {
                break;
            }
            match self.reap.reap() {
                Ok(Some(words)) => {
                    any = true;
                    self.take_in(words, returns, wake);
                }
                Ok(None) => break,
                Err(violation) => {
                    self.owed.faults.push(Fault::Violation(violation));
                    // What this fault leads to is seen at the next look.
                    self.is_broken = self.peer.is_cut_off();
                    break;
                }
            }
        }
        any
    }

    /// Takes in the completion that has come first, into `words`, if it is the last word of the ask whose asker is looking;
    /// then gives back what its op held. Any other is taken in as ever.
    #[inline]
    pub(super) fn take_in_answer(
        &mut self,
        key: Key,
        words: &mut EntryWords,
        returns: &Returns,
        wake: &mut impl FnMut(u64, Waker),
    ) -> TookIn {
        if self.is_broken || !matches!(self.reap.reap_into(words), Ok(true)) {
            return TookIn::Nothing; // who looks again hears of a violation
        }
        if words[0] == key.to_bits()
            && let Some(answered) = self.ops.answer(key, completion::read(words))
        {
            return TookIn::Answer(answered);
        }
        self.take_in(*words, returns, wake);
        TookIn::Other
    }

    /// Finds the askers whose deadlines have passed.
    pub(super) fn overdue(&mut self, now: Nanos, wakers: &mut Vec<Waker>) {
        self.due = self.ops.overdue(now, wakers);
    }

    /// The asker has read a reply that was held, or has dropped the lease on it.
    pub(super) fn release(&mut self, key: Key) {
        self.words.release_reply(key);
        self.ops.release(key);
    }

    /// The asker gave up; its waker goes to `left`. Who is returned is to be rung: its handler may wait for this.
    pub(super) fn ignore(&mut self, key: Key, left: &mut Option<Waker>) -> Option<Arc<PeerUrings>> {
        match self.ops.ignore(key, left) {
            Ignored::Gone => None,
            Ignored::InFlight => {
                self.words.cancel(key);
                Some(Arc::clone(&self.peer))
            }
            Ignored::Completed(unread) => {
                self.words.release_reply(key);
                let losses = &mut self.owed.losses;
                losses.extend(unread.map(|bits| Loss::Unread(TypeId::from_bits(bits))));
                None
            }
        }
    }

    /// Why the receiver ended, once its heads were judged.
    pub(super) fn end_reason(&self) -> Option<&ExitReason> {
        self.ended.as_ref().filter(|_| self.is_judged)
    }

    /// Notes the uring if its reader has stopped watching it, and wakes the reader if it sleeps.
    #[inline]
    fn after_push(&mut self) {
        // The fence of the ready notes stands in `idle_epoch`: the stamp before it, the reader's word after it.
        if self.submit.idle_epoch().is_some() {
            self.owed.note = Some(self.uring);
        }
    }

    #[inline]
    fn take_in(&mut self, words: EntryWords, returns: &Returns, wake: &mut impl FnMut(u64, Waker)) {
        match self.ops.complete(words, completion::read(&words)) {
            Ok(effect) => {
                if let Some(waker) = effect.waker {
                    wake(words[0], waker);
                }
                if let Some(key) = effect.release {
                    self.words.release_reply(key);
                }
                if let Some(asked) = TypeId::from_bits(effect.unread) {
                    self.owed.losses.push(Loss::Unread(Some(asked)));
                }
                if let Some(undone) = effect.undone {
                    let (entry, block) = *undone;
                    self.owed.queued.push(match completion::undone(&words) {
                        Some(why) => returns.queue_raw(Raw {
                            words: entry,
                            beside: block.map_or(Beside::Nothing, Beside::Block),
                            taken: why != Undone::Dropped,
                            why,
                        }),
                        None => returns.queue_begun(entry, block),
                    });
                }
            }
            Err(UnknownOp(bits)) => {
                self.owed.faults.push(Fault::UnknownOp(bits));
                self.is_broken = self.peer.is_cut_off();
            }
        }
    }

    /// Whether letting go of the lock is more than that: something is owed, or both ends may be done with the uring.
    #[inline]
    pub(super) fn owes_anything(&self) -> bool {
        self.is_judged || !self.owed.is_empty()
    }

    /// Once its heads were judged, all completions have come and all replies are read, both ends are done with the uring:
    /// the peer is told that its half is free. `false` before that.
    #[inline]
    pub(super) fn settle(&mut self) -> bool {
        let is_over = self.is_judged && self.ops.is_empty();
        if is_over {
            self.let_go();
            self.leave_sums();
        }
        is_over
    }

    fn let_go(&mut self) {
        self.submit.close();
        self.peer.say(&UringWord::Released {
            uring: WireKey(self.uring),
        });
        self.peer.remove_end(self.uring);
    }

    /// Bytes of a payload that may go on behind its entry; what may be dropped by the receiver never does, as its sender has
    /// it back from its op.
    pub(super) fn long_max(&self) -> usize {
        if self.overflow == Overflow::DropOldest || self.is_crowded() {
            return 0;
        }
        longest(self.submit.rest_max())
    }

    /// Whether there was no room behind entries, a moment ago.
    #[inline]
    pub(super) fn is_crowded(&self) -> bool {
        self.submit.tail() < self.crowded_until
    }

    #[inline]
    fn push(&mut self, outgoing: &Outgoing) -> Result<u64, Obstacle> {
        let words = &outgoing.words;
        let pushed = match &outgoing.long {
            None => self.submit.submit(words),
            Some(long) => self.submit.submit_long(words, long.slots()),
        };
        pushed.map_err(|error| self.not_pushed(error))
    }

    #[cold]
    fn not_pushed(&mut self, error: PushError) -> Obstacle {
        match error {
            PushError::Full => Obstacle::Full,
            PushError::Crowded => {
                self.crowded_until = self.submit.tail() + CROWDED_FOR;
                Obstacle::Crowded
            }
            PushError::Closed => Obstacle::Closing,
            PushError::Peer(violation) => {
                self.owed.faults.push(Fault::Violation(violation));
                Obstacle::Ended(ExitReason::ProtocolViolation)
            }
            _ => Obstacle::Ended(ExitReason::Unreachable),
        }
    }

    /// Ends everything in flight without a judgement: the receiver goes on, so the heads are not final. What was sent
    /// counts as taken, and none of it comes back.
    pub(super) fn abandon(&mut self, reason: &ExitReason) -> Vec<Waker> {
        self.ended.get_or_insert_with(|| reason.clone());
        if !std::mem::replace(&mut self.is_judged, true) {
            let seen = self.submit.seen_taken();
            let done = self.submit.done().unwrap_or(seen);
            let opless = self.opless(done);
            self.opless_decided.completed = opless.handled;
            self.opless_decided.uncertain = opless.open;
        }
        let why = Undone::Ended(reason.clone());
        let decided = self.ops.decided;
        let undecided = self.ops.undecided();
        let ended = self
            .ops
            .end(&why, Leases::MayRemain, |_| Fate::Handled, |_| None);
        self.ops.decided = Decided {
            uncertain: decided.uncertain + undecided,
            ..decided
        };
        ended.wakers
    }

    /// Judges everything in flight by the final heads.
    pub(super) fn finish(&mut self, why: &Undone, leases: Leases, returns: &Returns) -> Vec<Waker> {
        // A head that lies tells nothing: then all that was sent counts as taken, and nothing that was taken since the last
        // honest look as handled, which promises the sender least.
        let (tail, seen) = (self.submit.tail(), self.submit.seen_taken());
        let taken = self.submit.taken().unwrap_or(tail);
        let done = self.submit.done().unwrap_or(seen);
        // What was taken so long ago that its slots were used again is still known if it has an op; else it can only be
        // counted. Of an honest receiver there is none: the slots of the entry in hand are kept free. Of one that lies there are
        // at most as many messages as slots.
        let is_told = std::mem::replace(&mut self.is_judged, true);
        let opless = self.opless(done);
        let untold = if is_told { tail } else { done };
        let kept = untold.max(tail.saturating_sub(self.submit.capacity().get()));
        let known = Cell::new(0);
        let judge = |position| {
            if (untold..kept).contains(&position) {
                known.set(known.get() + 1);
            }
            if position >= taken {
                Fate::Queued
            } else if position >= done {
                Fate::Taken
            } else {
                Fate::Handled
            }
        };
        let submit = &self.submit;
        let ended = self
            .ops
            .end(why, leases, judge, |position| long_at(submit, position));
        let mut by_position: Vec<(u64, Raw)> = ended
            .tells
            .into_iter()
            .map(|tell| {
                let raw = Raw {
                    words: tell.words,
                    beside: tell.block.map_or(Beside::Nothing, Beside::Block),
                    taken: tell.taken,
                    why: why.clone(),
                };
                (tell.position, raw)
            })
            .collect();
        let lost = (kept - untold).saturating_sub(known.get());
        if lost > 0 {
            self.owed.losses.push(Loss::Untold(lost));
        }
        let mut decided = Decided {
            completed: opless.handled,
            died_after_take: lost,
            ..Decided::default()
        };
        for position in kept..tail {
            let Some(words) = self.submit.entry_at(position) else {
                continue;
            };
            if words[0] == 0 {
                let long = long_at(&self.submit, position);
                let raw = Raw {
                    words,
                    beside: long.map_or(Beside::Nothing, Beside::Long),
                    taken: position < taken,
                    why: why.clone(),
                };
                match raw.taken {
                    true => decided.died_after_take += 1,
                    false => decided.returned += 1,
                }
                by_position.push((position, raw));
            }
        }
        if !is_told {
            if kept > done {
                // Of a receiver that lies, it is not known which of them had ops.
                let untold = decided.died_after_take + decided.returned;
                let opless = self.submit.entries().saturating_sub(self.ops.issued());
                decided.completed = opless.saturating_sub(untold);
            }
            let aside = self.aside(done, decided.completed);
            decided.completed -= aside.count();
            decided.died_after_take += aside.count();
            self.opless_decided = decided;
            let (queued, untold) = self.return_aside(aside, why, returns);
            self.owed.queued.extend(queued);
            self.owed
                .losses
                .extend((untold > 0).then_some(Loss::Untold(untold)));
        }
        by_position.sort_by_key(|(position, _)| *position);
        let came_back = by_position.into_iter();
        let queued = came_back.map(|(_, raw)| returns.queue_raw(raw));
        self.owed.queued.extend(queued);
        ended.wakers
    }
}

/// An open uring without addresses: what was sent is still handled, nothing more comes.
pub(crate) struct Closed {
    pub(super) open: Box<Open>,
    returns: Arc<Returns>,
    priority: Priority,
}

impl Closed {
    pub(super) fn close(mut open: Box<Open>, returns: &Arc<Returns>, priority: Priority) -> Self {
        open.submit.close();
        open.peer.say(&UringWord::Close {
            uring: WireKey(open.uring),
        });
        Self {
            open,
            returns: Arc::clone(returns),
            priority,
        }
    }

    pub(crate) fn uring(&self) -> Key {
        self.open.uring
    }

    /// This node leaves: the blocks that the receiver still reads, or will.
    pub(crate) fn into_lent(mut self) -> Vec<Block> {
        self.open.ops.take_lent()
    }

    /// The receiver has ended, and its heads are final.
    pub(crate) fn end(mut self, reason: &ExitReason) {
        let why = Undone::Ended(reason.clone());
        let _ = self.open.finish(&why, Leases::Gone, &self.returns); // whoever asked is gone
        let owed = std::mem::take(&mut self.open.owed);
        owed.pay(&self.open.peer, &self.returns);
        self.returns.end(self.priority, reason);
    }
}

/// What of its payload lies behind the entry at `position`.
fn long_at(submit: &SubmitEnd, position: u64) -> Option<Long> {
    let slots: Vec<_> = submit.rest_at(position).collect();
    (!slots.is_empty()).then(|| Long::of_slots(slots.into_iter()))
}
