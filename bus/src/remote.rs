//! One uring seen from its submitter: what every `Addr` of this process to one remote actor shares.
//!
//! # Invariants
//! - **no-user-code**: nothing of the user's runs while `state` is locked, so no panic leaves it half-way.
//! - **ok-is-stamped**: a submission answers `Ok` only after its entry is stamped; a crash after that loses nothing.
//! - **final-heads**: ops end by the receiver's published heads only once it is dead, has closed the lane or has said
//!   goodbye; until then a closed socket only refuses new submissions.
//!
//! # If a side dies
//! | who | what the other finds |
//! |---|---|
//! | submitter, before the stamp | nothing: nothing was sent |
//! | submitter, after | an entry like any other; its blocks stay mapped until the last lease |
//! | completer | heads that are final: entries past the head come back, those before it 'died after take' |

pub(crate) mod ops;
pub(crate) mod undelivered;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use ringway_shm::block::Block;
use ringway_shm::error::{PushError, Violation};
use ringway_shm::generation::Key;
use ringway_shm::layout::UringLayout;
use ringway_shm::region::PeerRegion;
use ringway_shm::uring::{OpWords, ReapEnd, SubmitEnd, Submitter};
use ringway_shm::words::EntryWords;

use self::ops::{Ignored, Leases, OpKind, OpTable, Outcome, UnknownOp};
use self::undelivered::{Raw, Returns};
use crate::actor::Undone;
use crate::completion;
use crate::driver::Job;
use crate::exit::ExitReason;
use crate::frame::WireKey;
use crate::node::Carried;
use crate::rings::RingSpan;
use crate::shared::{EndKey, Rest, Shared};
use crate::urings::PeerUrings;
use crate::urings::wire::{OpenRefusal, Order, TargetKind, UringWord};
use crate::wait_list::{WaitKey, WaitList};

/// An entry on its way into a submission queue.
pub(crate) struct Outgoing {
    pub(crate) words: EntryWords,
    pub(crate) block: Option<Block>,
    pub(crate) kind: OpKind,
}

/// Why an entry could not be submitted now, or ever.
#[derive(Clone, Debug)]
pub(crate) enum Obstacle {
    /// The uring is being opened.
    Opening,
    /// No slot, or no credit, is free.
    Full,
    /// The receiver has not yet mapped the block's segment.
    Unacknowledged,
    /// The receiver has ended, or its node has.
    Ended(ExitReason),
    /// The receiver's node refused to open the uring.
    Refused(OpenRefusal),
}

impl Obstacle {
    /// Tells whether waiting can help.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Opening | Self::Full | Self::Unacknowledged)
    }
}

struct Open {
    peer: Arc<PeerUrings>,
    uring: Key,
    submit: SubmitEnd,
    reap: ReapEnd,
    words: OpWords,
    ops: OpTable<Block>,
    /// The driver watches the completions.
    is_watched: bool,
    /// Why nothing more is submitted; leases may still come back.
    ended: Option<ExitReason>,
    /// What the final heads told has been told: each entry comes back once.
    is_judged: bool,
    /// Our half of the uring's memory.
    _span: RingSpan,
}

enum Phase {
    /// The receiver's node is not connected yet.
    Waiting,
    /// The request is on its way.
    Opening(Opening),
    Open(Box<Open>),
    Refused(OpenRefusal),
    Ended(ExitReason),
}

/// What is kept while a uring is being opened.
pub(crate) struct Opening {
    pub(crate) peer: Arc<PeerUrings>,
    pub(crate) uring: Key,
    pub(crate) layout: UringLayout,
    pub(crate) submitter: Submitter,
    pub(crate) span: RingSpan,
}

/// The submitter's side of a uring to one actor or queue of another process.
pub(crate) struct RemoteEnd {
    /// The receiver, and what the uring carries.
    pub(crate) key: EndKey,
    pub(crate) kind: TargetKind,
    pub(crate) carried: Vec<Carried>,
    shared: Weak<Shared>,
    phase: Mutex<Phase>,
    /// Senders that wait for the uring to open, for room, or for a segment to be mapped.
    pub(crate) room: WaitList,
    /// Askers and others that wait for the end.
    pub(crate) ended: WaitList,
    pub(crate) returns: Arc<Returns>,
}

impl RemoteEnd {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        key: EndKey,
        kind: TargetKind,
        carried: Vec<Carried>,
    ) -> Arc<Self> {
        Arc::new(Self {
            key,
            kind,
            carried,
            shared: Arc::downgrade(shared),
            phase: Mutex::new(Phase::Waiting),
            room: WaitList::default(),
            ended: WaitList::default(),
            returns: Arc::default(),
        })
    }

    pub(crate) fn shared(&self) -> Option<Arc<Shared>> {
        self.shared.upgrade()
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request to open is about to be sent.
    pub(crate) fn opening(&self, opening: Opening) {
        let mut phase = self.lock();
        if matches!(*phase, Phase::Waiting) {
            *phase = Phase::Opening(opening);
        }
    }

    /// The receiver's node has opened its half, at a place that `theirs` finds.
    pub(crate) fn opened(&self, theirs: impl FnOnce(&Opening) -> Result<PeerRegion, Violation>) {
        let mut phase = self.lock();
        if !matches!(*phase, Phase::Opening(_)) {
            return;
        }
        let Phase::Opening(opening) = std::mem::replace(&mut *phase, Phase::Waiting) else {
            return;
        };
        let region = theirs(&opening);
        let Opening {
            peer,
            uring,
            layout,
            submitter,
            span,
        } = opening;
        *phase = match region.and_then(|region| submitter.open(&region)) {
            Ok(ends) => Phase::Open(Box::new(Open {
                peer,
                uring,
                submit: ends.submit,
                reap: ends.reap,
                words: ends.ops,
                ops: OpTable::new(credit(layout)),
                is_watched: false,
                ended: None,
                is_judged: false,
                _span: span,
            })),
            Err(violation) => {
                peer.violation(violation);
                Phase::Ended(ExitReason::ProtocolViolation)
            }
        };
        drop(phase);
        self.room.wake_all();
    }

    /// The receiver's node refused.
    pub(crate) fn refused(&self, refusal: OpenRefusal) {
        *self.lock() = Phase::Refused(refusal);
        self.room.wake_all();
        self.ended.wake_all();
        self.returns.end();
    }

    /// Tells whether nobody has asked for the uring to be opened.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(*self.lock(), Phase::Waiting)
    }

    /// Tells whether the uring is open, once that is decided.
    pub(crate) fn open_result(&self) -> Option<Result<(), Obstacle>> {
        match &*self.lock() {
            Phase::Waiting | Phase::Opening(_) => None,
            Phase::Open(open) => Some(match &open.ended {
                Some(reason) => Err(Obstacle::Ended(reason.clone())),
                None => Ok(()),
            }),
            Phase::Refused(refusal) => Some(Err(Obstacle::Refused(refusal.clone()))),
            Phase::Ended(reason) => Some(Err(Obstacle::Ended(reason.clone()))),
        }
    }

    /// Why the receiver has ended, if it has.
    pub(crate) fn end_reason(&self) -> Option<ExitReason> {
        match &*self.lock() {
            Phase::Open(open) => open.ended.clone(),
            Phase::Ended(reason) => Some(reason.clone()),
            Phase::Refused(_) => Some(ExitReason::Unreachable),
            Phase::Waiting | Phase::Opening(_) => None,
        }
    }

    /// Waits for the receiver's end.
    pub(crate) fn poll_ended(&self, key: &mut WaitKey, cx: &Context<'_>) -> Poll<ExitReason> {
        if let Some(reason) = self.end_reason() {
            return Poll::Ready(reason);
        }
        self.ended.register(key, cx);
        self.end_reason().map_or(Poll::Pending, Poll::Ready)
    }

    /// Gives an order to the receiver's control lane.
    pub(crate) fn control(&self, order: Order) {
        let Some(peer) = self.shared().and_then(|shared| shared.peer(self.key.node)) else {
            return;
        };
        peer.say(&UringWord::Control {
            target: WireKey(self.key.target),
            order,
        });
    }

    /// Puts an entry into the submission queue; returns its op if it has one.
    ///
    /// `outgoing` is unchanged unless this succeeds.
    pub(crate) fn submit(
        self: &Arc<Self>,
        outgoing: &mut Outgoing,
    ) -> Result<Option<Key>, Obstacle> {
        let mut phase = self.lock();
        let open = match &mut *phase {
            Phase::Open(open) => open,
            Phase::Waiting | Phase::Opening(_) => return Err(Obstacle::Opening),
            Phase::Refused(refusal) => return Err(Obstacle::Refused(refusal.clone())),
            Phase::Ended(reason) => return Err(Obstacle::Ended(reason.clone())),
        };
        if let Some(reason) = &open.ended {
            return Err(Obstacle::Ended(reason.clone()));
        }
        if let Some(block) = &outgoing.block
            && !open.peer.has_acknowledged(block)
        {
            return Err(Obstacle::Unacknowledged);
        }
        let needs_op = outgoing.kind == OpKind::Ask || outgoing.block.is_some();
        if !needs_op {
            open.push(&outgoing.words)?;
            open.after_push();
            return Ok(None);
        }
        let key = match open.ops.issue(outgoing.kind, outgoing.block.take()) {
            Ok(key) => key,
            Err(block) => {
                outgoing.block = block;
                return Err(Obstacle::Full);
            }
        };
        outgoing.words[0] = key.to_bits();
        match open.push(&outgoing.words) {
            Ok(position) => open.ops.submitted(key, position),
            Err(obstacle) => {
                outgoing.block = open.ops.withdraw(key);
                return Err(obstacle);
            }
        }
        if !open.is_watched {
            open.is_watched = true;
            if let Some(shared) = self.shared.upgrade() {
                shared.jobs.leave(Job::Reap(Arc::clone(self)));
            }
        }
        open.after_push();
        Ok(Some(key))
    }

    /// Registers `waker`'s interest in room; the caller tries once more after this.
    pub(crate) fn wait_for_room(self: &Arc<Self>) {
        let mut phase = self.lock();
        if let Phase::Open(open) = &mut *phase {
            open.submit.ask_for_room();
            drop(phase);
            if let Some(shared) = self.shared.upgrade() {
                shared.jobs.leave(Job::Room(Arc::clone(self)));
            }
        }
    }

    /// The driver's look at an end for whose room somebody waits; `false` when nobody does any more.
    pub(crate) fn check_room(&self) -> bool {
        if !self.room.has_waiters() {
            if let Phase::Open(open) = &mut *self.lock() {
                open.submit.stop_asking();
            }
            return false;
        }
        let has_room = match &mut *self.lock() {
            Phase::Open(open) => {
                open.ended.is_some() || open.submit.room().is_ok_and(|room| room > 0)
            }
            _ => true,
        };
        if has_room {
            self.room.wake_all();
        }
        true
    }

    /// Takes in all completions that have come. `false` when none are in flight any more.
    pub(crate) fn reap(self: &Arc<Self>) -> Reaped {
        let mut reaped = Reaped::default();
        let mut wakers = Vec::new();
        let mut phase = self.lock();
        let Phase::Open(open) = &mut *phase else {
            return reaped;
        };
        loop {
            match open.reap.reap() {
                Ok(Some(words)) => {
                    reaped.any = true;
                    open.take_in(words, &mut wakers, &self.returns);
                }
                Ok(None) => break,
                Err(violation) => {
                    open.peer.violation(violation);
                    drop(phase);
                    wakers.into_iter().for_each(Waker::wake);
                    return reaped;
                }
            }
        }
        reaped.watch = open.ops.in_flight() > 0;
        open.is_watched = reaped.watch;
        let is_over = open.ended.is_some() && !reaped.watch;
        if is_over {
            open.let_go();
        }
        drop(phase);
        wakers.into_iter().for_each(Waker::wake);
        if reaped.any && self.room.has_waiters() {
            self.room.wake_all();
        }
        reaped
    }

    /// The peer, once the uring is open.
    pub(crate) fn peer(&self) -> Option<Arc<PeerUrings>> {
        match &*self.lock() {
            Phase::Open(open) => Some(Arc::clone(&open.peer)),
            _ => None,
        }
    }

    /// Looks whether an ask has ended.
    pub(crate) fn poll_op(&self, key: Key, cx: &Context<'_>) -> Poll<Option<Outcome<Block>>> {
        match &mut *self.lock() {
            Phase::Open(open) => open.ops.poll(key, cx),
            _ => Poll::Ready(None),
        }
    }

    /// The asker has read its reply, or has dropped the lease on it.
    pub(crate) fn release(&self, key: Key) {
        if let Phase::Open(open) = &mut *self.lock() {
            open.words.release_reply(key);
            open.ops.release(key);
        }
        if self.room.has_waiters() {
            self.room.wake_all();
        }
    }

    /// The asker gave up.
    pub(crate) fn ignore(&self, key: Key) {
        if let Phase::Open(open) = &mut *self.lock() {
            match open.ops.ignore(key) {
                Ignored::Gone => {}
                Ignored::InFlight => open.words.cancel(key),
                Ignored::Completed => open.words.release_reply(key),
            }
        }
    }

    /// The peering has ended, but the peer may still read: no new submissions, nothing else changes.
    pub(crate) fn refuse(&self, reason: &ExitReason) {
        match &mut *self.lock() {
            Phase::Open(open) => {
                open.ended.get_or_insert_with(|| reason.clone());
            }
            phase @ (Phase::Waiting | Phase::Opening(_)) => *phase = Phase::Ended(reason.clone()),
            _ => {}
        }
        self.room.wake_all();
    }

    /// This node leaves: nothing more is sent, and nothing of the peer's is kept.
    pub(crate) fn abandon(self: &Arc<Self>, reason: &ExitReason) {
        self.finish(reason, Leases::MayRemain);
        let rest = std::mem::replace(&mut *self.lock(), Phase::Ended(reason.clone()));
        drop(rest); // outside the lock: blocks are freed, peers let go
    }

    /// The receiver's heads are final: everything in flight ends, with what the heads tell.
    pub(crate) fn finish(self: &Arc<Self>, reason: &ExitReason, leases: Leases) {
        let _ = self.reap();
        let mut phase = self.lock();
        let mut wakers = Vec::new();
        if let Phase::Open(open) = &mut *phase {
            open.ended = Some(reason.clone());
            wakers = open.finish(&Undone::Ended(reason.clone()), leases, &self.returns);
            if open.ops.in_flight() == 0 {
                open.let_go();
            }
        } else if !matches!(*phase, Phase::Refused(_)) {
            *phase = Phase::Ended(reason.clone());
        }
        drop(phase);
        self.returns.end();
        wakers.into_iter().for_each(Waker::wake);
        self.room.wake_all();
        self.ended.wake_all();
    }
}

/// What a look at the completions found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reaped {
    /// At least one had come.
    pub(crate) any: bool,
    /// More are in flight.
    pub(crate) watch: bool,
}

impl Open {
    /// Notes the uring if its reader has stopped watching it, and wakes the reader if it sleeps.
    fn after_push(&mut self) {
        // The fence of the ready notes stands in `idle_epoch`: the stamp before it, the reader's word after it.
        if self.submit.idle_epoch().is_some() {
            self.peer.note(self.uring);
            self.peer.ring_bell();
        }
    }

    fn take_in(&mut self, words: EntryWords, wakers: &mut Vec<Waker>, returns: &Returns) {
        match self.ops.complete(words, completion::read(&words)) {
            Ok(effect) => {
                wakers.extend(effect.waker);
                if let Some(key) = effect.release {
                    self.words.release_reply(key);
                }
                if let Some((words, block)) = effect.undone {
                    let why = completion::undone(&words);
                    returns.push_raw(Raw {
                        words,
                        block,
                        taken: true,
                        why,
                    });
                }
            }
            Err(UnknownOp(bits)) => self.peer.unknown_op(bits),
        }
    }

    /// Both ends are done with the uring: the peer may use its half again.
    fn let_go(&mut self) {
        self.submit.close();
        self.peer.say(&UringWord::Released {
            uring: WireKey(self.uring),
        });
        self.peer.remove_end(self.uring);
    }

    fn push(&mut self, words: &EntryWords) -> Result<u64, Obstacle> {
        self.submit.submit(words).map_err(|error| match error {
            PushError::Full => Obstacle::Full,
            _ => Obstacle::Ended(ExitReason::Unreachable),
        })
    }

    /// Judges everything in flight by the final heads.
    fn finish(&mut self, why: &Undone, leases: Leases, returns: &Returns) -> Vec<Waker> {
        // A head that lies tells nothing: then all that was sent counts as taken, which promises the sender least.
        let tail = self.submit.tail();
        let taken = self.submit.taken().unwrap_or(tail);
        let done = self.submit.done().unwrap_or(taken);
        let submit = &self.submit;
        let ended = self.ops.end(why, leases, |position| {
            (position < taken, submit.entry_at(position))
        });
        let mut by_position: Vec<(u64, Raw)> = ended
            .tells
            .into_iter()
            .filter_map(|tell| {
                let words = tell.words?;
                Some((
                    tell.position,
                    Raw {
                        words,
                        block: tell.block,
                        taken: tell.taken,
                        why: why.clone(),
                    },
                ))
            })
            .collect();
        let from = if std::mem::replace(&mut self.is_judged, true) {
            tail
        } else {
            done
        };
        for position in from..tail {
            let Some(words) = self.submit.entry_at(position) else {
                continue;
            };
            if words[0] == 0 {
                let raw = Raw {
                    words,
                    block: None,
                    taken: position < taken,
                    why: why.clone(),
                };
                by_position.push((position, raw));
            }
        }
        by_position.sort_by_key(|(position, _)| *position);
        by_position
            .into_iter()
            .for_each(|(_, raw)| returns.push_raw(raw));
        ended.wakers
    }
}

/// Completions that may be in flight: what the completion queue has room for.
fn credit(layout: UringLayout) -> u32 {
    u32::try_from(layout.cq.get()).unwrap_or(u32::MAX)
}

impl Drop for RemoteEnd {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let phase = self.phase.get_mut().unwrap_or_else(PoisonError::into_inner);
        let rest = match std::mem::replace(phase, Phase::Waiting) {
            Phase::Open(open) if open.ended.is_none() || open.ops.in_flight() > 0 => {
                Some(Rest::Open(Closed::close(open)))
            }
            Phase::Opening(opening) => Some(Rest::Opening(opening)),
            _ => None,
        };
        shared.end_dropped(self.key, rest);
    }
}

/// An open uring without addresses: what was sent is still handled, nothing more comes.
pub(crate) struct Closed(Box<Open>);

impl Closed {
    fn close(mut open: Box<Open>) -> Self {
        open.submit.close();
        open.peer.say(&UringWord::Close {
            uring: WireKey(open.uring),
        });
        Self(open)
    }

    pub(crate) fn uring(&self) -> Key {
        self.0.uring
    }

    /// Entries that the receiver, whose head is final, never took.
    pub(crate) fn untaken(&mut self) -> u64 {
        let tail = self.0.submit.tail();
        tail - self.0.submit.taken().unwrap_or(tail)
    }
}

impl std::fmt::Debug for RemoteEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteEnd")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
