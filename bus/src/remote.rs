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

mod account;
mod asker;
pub(crate) mod burst;
mod high;
mod open;
pub(crate) mod ops;
mod owed;
pub(crate) mod undelivered;

use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Waker};

use ringway_shm::block::Block;
use ringway_shm::brief::{Brief, Guard};
use ringway_shm::error::Violation;
use ringway_shm::generation::Key;
use ringway_shm::heap::{Heap, HeapError};
use ringway_shm::lane::Peek;
use ringway_shm::region::PeerRegion;
use ringway_shm::sync::Ordering::{Relaxed, SeqCst};
use ringway_shm::sync::{AtomicU32, AtomicU64, AtomicUsize, fence};
use ringway_shm::words::EntryWords;

pub(crate) use self::asker::{AskerLook, Found};
use self::open::Open;
pub(crate) use self::open::{Closed, Linger, Opening, RoomLook};
use self::ops::{Leases, OpKind};
use self::undelivered::{Readers, Returns};
use crate::actor::Undone;
use crate::addr::ActorId;
#[cfg(feature = "test")]
use crate::clock::Clock;
use crate::dead::{Types, Whom};
use crate::driver::Job;
use crate::entry::{Beside, EntryToken, Sealed};
use crate::exit::ExitReason;
use crate::mailbox::Overflow;
use crate::node::Carried;
use crate::shared::{EndKey, Part, Rest, Shared};
use crate::token::Long;
use crate::urings::PeerUrings;
use crate::urings::wire::{OpenRefusal, Order, TargetKind, Terms, UringWord};
use crate::wait_list::{WaitKey, WaitList};

/// An entry on its way into a submission queue.
pub(crate) struct Outgoing {
    pub(crate) words: EntryWords,
    pub(crate) block: Option<Block>,
    /// What of the payload goes on in the slots behind the entry.
    pub(crate) long: Option<Long>,
    pub(crate) kind: OpKind,
}

impl Outgoing {
    #[inline]
    pub(crate) fn new(sealed: Sealed, kind: OpKind) -> Self {
        let (block, long) = match sealed.beside {
            Beside::Nothing => (None, None),
            Beside::Block(block) => (Some(block), None),
            Beside::Long(long) => (None, Some(long)),
        };
        Self {
            words: *sealed.entry.words(),
            block,
            long,
            kind,
        }
    }

    /// What lies beside the words of one that was not submitted.
    pub(crate) fn into_beside(self) -> Beside {
        match (self.block, self.long) {
            (Some(block), _) => Beside::Block(block),
            (None, Some(long)) => Beside::Long(long),
            (None, None) => Beside::Nothing,
        }
    }

    /// Moves a payload from behind the entry into a block.
    fn move_to_block(&mut self, heap: &Heap) -> Result<(), HeapError> {
        let Some(long) = &self.long else {
            return Ok(());
        };
        let (entry, block) = EntryToken::from_words(self.words).move_to_block(long, heap)?;
        self.words = *entry.words();
        self.block = Some(block);
        self.long = None;
        Ok(())
    }

    /// Whether a completion is to come.
    fn needs_op(&self) -> bool {
        self.kind == OpKind::Ask || self.block.is_some()
    }
}

/// Why an entry could not be submitted now, or ever.
#[derive(Clone, Debug)]
pub(crate) enum Obstacle {
    /// The uring is being opened.
    Opening,
    /// No slot, or no credit, is free.
    Full,
    /// There is no room for a payload behind its entry; in a block it would have some.
    Crowded,
    /// The receiver has not yet mapped the block's segment.
    Unacknowledged,
    /// The receiver has closed its end; how it ended is about to be told.
    Closing,
    /// The receiver has ended, or its node has.
    Ended(ExitReason),
    /// The receiver's node refused to open the uring.
    Refused(OpenRefusal),
}

impl Obstacle {
    /// Tells whether waiting can help.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Opening | Self::Full | Self::Crowded | Self::Unacknowledged | Self::Closing
        )
    }
}

/// How often an actor of another process may have a message of this one sent again: it may be anybody's.
const REDELIVER_MAX: u32 = 1000;

enum Phase {
    /// The receiver's node is not connected yet.
    Waiting,
    /// Somebody is about to request it.
    Claimed,
    /// The request is on its way.
    Opening(Opening),
    Open(Box<Open>),
    Refused(OpenRefusal),
    Ended(ExitReason),
}

impl Phase {
    /// Leaves an open uring that both ends are done with; what comes back is to be dropped outside the lock.
    fn settle(&mut self) -> Option<Self> {
        let Self::Open(open) = self else { return None };
        let reason = open
            .settle()
            .then(|| open.end_reason().cloned())
            .flatten()?;
        Some(std::mem::replace(self, Self::Ended(reason)))
    }
}

/// What a refusal says of the receiver's life.
fn reason_of(refusal: &OpenRefusal) -> ExitReason {
    match refusal {
        OpenRefusal::NoSuchActor => ExitReason::NoSuchActor,
        _ => ExitReason::Unreachable,
    }
}

/// The submitter's side of a uring to one actor or queue of another process.
pub(crate) struct RemoteEnd {
    /// The receiver, and what the uring carries.
    pub(crate) key: EndKey,
    pub(crate) kind: TargetKind,
    pub(crate) carried: Vec<Carried>,
    shared: Weak<Shared>,
    /// Its place among those that the accounts are made of.
    member: usize,
    #[cfg(feature = "test")]
    pub(crate) clock: Clock,
    /// Where messages to the receiver are encoded: at hand, so that sending one does not have to look for the node.
    pub(crate) heap: Heap,
    phase: Brief<Phase>,
    /// What the driver looks through while no completion comes, without the lock; set when the uring is open.
    completions: OnceLock<Peek<7>>,
    /// Ops whose completions are to come: written under the lock, read as a hint beside `completions`.
    in_flight: AtomicUsize,
    /// Bytes of the payload that may go on behind its entry now; written under the lock, read as a hint.
    long_max: AtomicUsize,
    /// How often the receiver has messages sent again, once the uring is open.
    redeliver: AtomicU32,
    /// No asker is overdue before this; `u64::MAX` for none. Written under the lock, too.
    due: AtomicU64,
    /// Senders that wait for the uring to open, for room, or for a segment to be mapped.
    pub(crate) room: WaitList,
    /// Senders of the whole node that wait for blocks to come back.
    pub(crate) blocks: Arc<WaitList>,
    /// Askers and others that wait for the end.
    pub(crate) ended: WaitList,
    pub(crate) returns: Arc<Returns>,
    /// The end for what has high priority, once there was something.
    high: OnceLock<Arc<RemoteEnd>>,
}

impl RemoteEnd {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        key: EndKey,
        kind: TargetKind,
        carried: Vec<Carried>,
    ) -> Arc<Self> {
        let whom = Whom {
            actor: ActorId::new(key.node, key.target),
            name: None,
            types: Types::Carried(carried.as_slice().into()),
        };
        let read_by = match kind {
            TargetKind::Actor => Readers::Streams,
            TargetKind::Queue(_) => Readers::Sender,
        };
        let returns = Returns::new(shared, whom, read_by);
        Self::returning_to(shared, key, (kind, carried), returns)
    }

    fn returning_to(
        shared: &Arc<Shared>,
        key: EndKey,
        (kind, carried): (TargetKind, Vec<Carried>),
        returns: Arc<Returns>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            key,
            kind,
            carried,
            shared: Arc::downgrade(shared),
            member: shared.members.add(Weak::clone(this) as Weak<dyn Part>),
            #[cfg(feature = "test")]
            clock: shared.clock.clone(),
            heap: shared.core().heap().clone(),
            phase: Brief::new(Phase::Waiting),
            completions: OnceLock::new(),
            in_flight: AtomicUsize::new(0),
            long_max: AtomicUsize::new(0),
            redeliver: AtomicU32::new(0),
            due: AtomicU64::new(u64::MAX),
            room: WaitList::default(),
            blocks: Arc::clone(&shared.blocks),
            ended: WaitList::default(),
            returns,
            high: OnceLock::new(),
        })
    }

    pub(crate) fn shared(&self) -> Option<Arc<Shared>> {
        self.shared.upgrade()
    }

    /// How often the receiver is set to have messages sent again.
    #[inline]
    pub(crate) fn redeliver(&self) -> u32 {
        // Relaxed: see `opened`.
        self.redeliver.load(Relaxed)
    }

    #[inline]
    fn lock(&self) -> Guard<'_, Phase> {
        self.phase.lock()
    }

    /// Lets go of the lock, and then does what must not be done under it.
    #[inline]
    fn unlock(&self, phase: Guard<'_, Phase>) {
        if !matches!(&*phase, Phase::Open(open) if !open.owes_anything()) {
            self.unlock_slow(phase);
        }
    }

    #[cold]
    fn unlock_slow(&self, mut phase: Guard<'_, Phase>) {
        let owed = match &mut *phase {
            Phase::Open(open) if !open.owed.is_empty() => {
                Some((Arc::clone(&open.peer), std::mem::take(&mut open.owed)))
            }
            _ => None,
        };
        let settled = phase.settle();
        drop(phase);
        drop(settled);
        if let Some((peer, owed)) = owed {
            owed.pay(&peer, &self.returns);
        }
    }

    /// Makes the caller the one who requests the uring: whoever looks the receiver up, and the thread that hears of its
    /// node, may come at the same moment.
    #[must_use]
    pub(crate) fn claim(&self) -> bool {
        let mut phase = self.lock();
        let is_waiting = matches!(*phase, Phase::Waiting);
        if is_waiting {
            *phase = Phase::Claimed;
        }
        is_waiting
    }

    /// The request to open is about to be sent by who claimed it; `false` when the end was closed meanwhile.
    #[must_use]
    pub(crate) fn opening(&self, opening: Opening) -> bool {
        let mut phase = self.lock();
        let is_claimed = matches!(*phase, Phase::Claimed);
        if is_claimed {
            *phase = Phase::Opening(opening);
        }
        is_claimed
    }

    /// The receiver's node has opened its half, at a place that `theirs` finds.
    pub(crate) fn opened(
        &self,
        terms: Terms,
        theirs: impl FnOnce(&Opening) -> Result<PeerRegion, Violation>,
    ) {
        let mut phase = self.lock();
        if !matches!(*phase, Phase::Opening(_)) {
            return;
        }
        let Phase::Opening(opening) = std::mem::replace(&mut *phase, Phase::Waiting) else {
            return;
        };
        let peer = Arc::clone(&opening.peer);
        let joined = theirs(&opening).map_err(|violation| (peer, violation));
        let fault = match joined.and_then(|region| opening.join(&region, terms)) {
            Ok(open) => {
                let _ = self.completions.set(open.peeker()); // an end is opened once
                self.long_max.store(open.long_max(), Relaxed); // Relaxed: a hint
                // Relaxed: it is not changed again. What a peer asks for is bounded.
                let redeliver = terms.redeliver.min(REDELIVER_MAX);
                self.redeliver.store(redeliver, Relaxed);
                *phase = Phase::Open(Box::new(open));
                None
            }
            Err(fault) => {
                *phase = Phase::Ended(ExitReason::ProtocolViolation);
                Some(fault)
            }
        };
        drop(phase);
        if let Some((peer, violation)) = fault {
            peer.violation(violation);
        }
        self.room.wake_all();
    }

    /// The receiver's node refused.
    pub(crate) fn refused(&self, refusal: OpenRefusal) {
        let reason = reason_of(&refusal);
        *self.lock() = Phase::Refused(refusal);
        self.room.wake_all();
        self.ended.wake_all();
        self.returns.end(self.key.priority, &reason);
    }

    /// Tells whether the uring is open, once that is decided.
    pub(crate) fn open_result(&self) -> Option<Result<(), Obstacle>> {
        match &*self.lock() {
            Phase::Waiting | Phase::Claimed | Phase::Opening(_) => None,
            Phase::Open(open) => Some(match &open.ended {
                Some(reason) => Err(Obstacle::Ended(reason.clone())),
                None => Ok(()),
            }),
            Phase::Refused(refusal) => Some(Err(Obstacle::Refused(refusal.clone()))),
            Phase::Ended(reason) => Some(Err(Obstacle::Ended(reason.clone()))),
        }
    }

    /// What the receiver wants done with a message that meets a full queue.
    pub(crate) fn overflow(&self) -> Overflow {
        match &*self.lock() {
            Phase::Open(open) => open.overflow,
            _ => Overflow::Wait,
        }
    }

    /// Why the receiver has ended, once that is final: a node that only closed its socket may be found dead a moment
    /// later, and until then sends are refused but nothing in flight has ended.
    pub(crate) fn end_reason(&self) -> Option<ExitReason> {
        match &*self.lock() {
            Phase::Open(open) => open.end_reason().cloned(),
            Phase::Ended(reason) => Some(reason.clone()),
            Phase::Refused(refusal) => Some(reason_of(refusal)),
            Phase::Waiting | Phase::Claimed | Phase::Opening(_) => None,
        }
    }

    /// Waits for the receiver's end: a peer that cannot be reached may live, and what it does is not known yet.
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
            target: self.key.target,
            order,
        });
    }

    /// Bytes of a payload that may go on behind its entry, as far as is known: 0 while those slots are taken.
    #[inline]
    pub(crate) fn long_max(&self) -> usize {
        // Relaxed: a hint. Who has a longer payload finds out when it is submitted.
        self.long_max.load(Relaxed)
    }

    /// Passes on whether there is room for payloads behind entries.
    #[inline]
    fn hint_long_max(&self, open: &Open) {
        if open.is_crowded() != (self.long_max() == 0) {
            self.long_max.store(open.long_max(), Relaxed); // Relaxed: a hint
        }
    }

    /// Puts an entry into the submission queue; returns its op if it has one. A payload that does not fit behind it goes
    /// into a block.
    ///
    /// `outgoing` says the same as before unless this succeeds.
    #[inline]
    pub(crate) fn submit(
        self: &Arc<Self>,
        outgoing: &mut Outgoing,
    ) -> Result<Option<Key>, Obstacle> {
        match self.submit_as_it_is(outgoing) {
            Err(Obstacle::Crowded) => self.submit_with_block_slow(outgoing),
            submitted => submitted,
        }
    }

    #[cold]
    fn submit_with_block_slow(
        self: &Arc<Self>,
        outgoing: &mut Outgoing,
    ) -> Result<Option<Key>, Obstacle> {
        match outgoing.move_to_block(&self.heap) {
            Ok(()) => self.submit_as_it_is(outgoing),
            // The queue itself is not full, so its policy has no say: the slots that are wanted come free as it is emptied.
            Err(_) => Err(Obstacle::Crowded),
        }
    }

    fn submit_as_it_is(self: &Arc<Self>, outgoing: &mut Outgoing) -> Result<Option<Key>, Obstacle> {
        let mut phase = self.lock();
        let open = match &mut *phase {
            Phase::Open(open) => open,
            Phase::Waiting | Phase::Claimed | Phase::Opening(_) => return Err(Obstacle::Opening),
            Phase::Refused(refusal) => return Err(Obstacle::Refused(refusal.clone())),
            Phase::Ended(reason) => return Err(Obstacle::Ended(reason.clone())),
        };
        // A tell without a block leaves nothing to watch for.
        let needs_op = open.needs_op(outgoing);
        if needs_op
            && open.must_watch()
            && let Some(shared) = self.shared.upgrade()
        {
            shared.jobs.leave(Job::Reap(Arc::clone(self)));
        }
        let due = open.due;
        let submitted = open.submit(outgoing);
        self.hint_long_max(open);
        let is_sooner = open.due != due;
        if needs_op {
            self.show(open);
        }
        self.unlock(phase);
        // A driver that sleeps longer than that is to sleep anew. SeqCst worker-asleep: `due` was stored before the fence in
        // `rouse`, and is read by the driver after that in `fall_asleep`.
        if is_sooner && let Some(shared) = self.shared.upgrade() {
            shared.queue.rouse();
        }
        submitted
    }

    /// Has the driver look for room; the caller has registered with `room`, and tries once more after this.
    pub(crate) fn wait_for_room(self: &Arc<Self>) {
        let must_watch = match &mut *self.lock() {
            Phase::Open(open) => open.watch_room(),
            _ => false,
        };
        if must_watch && let Some(shared) = self.shared.upgrade() {
            shared
                .jobs
                .rouse(Job::Room(Arc::clone(self)), &shared.queue);
        }
        // SeqCst room-wanted: pairs with the fence between the completer's store of its head and its load of `wants`,
        // which it makes before it stops watching. Ruled out: no room seen by the caller's next try, no want seen there.
        fence(SeqCst);
    }

    /// The driver's look at an end for whose room somebody waits.
    pub(crate) fn check_room(&self) -> RoomLook {
        let mut phase = self.lock();
        // Under the lock: who registers later asks for room after this has stopped asking.
        let is_wanted = self.room.has_waiters();
        let look = match &mut *phase {
            Phase::Open(open) if !is_wanted => open.unwatch_room(),
            Phase::Open(open) => open.look_for_room(),
            _ if !is_wanted => RoomLook::Over,
            // Who closed it has woken them.
            _ => RoomLook::Nothing,
        };
        drop(phase);
        if look == RoomLook::Wakes {
            self.room.wake_all();
        }
        look
    }

    /// The peer, once the uring is open.
    pub(crate) fn peer(&self) -> Option<Arc<PeerUrings>> {
        match &*self.lock() {
            Phase::Open(open) => Some(Arc::clone(&open.peer)),
            _ => None,
        }
    }

    /// The peering has ended, but the peer may still read: no new submissions, nothing else changes.
    pub(crate) fn refuse(&self, reason: &ExitReason) {
        let mut phase = self.lock();
        let mut left = None;
        match &mut *phase {
            Phase::Open(open) => {
                open.ended.get_or_insert_with(|| reason.clone());
            }
            Phase::Waiting | Phase::Claimed | Phase::Opening(_) => {
                left = Some(std::mem::replace(&mut *phase, Phase::Ended(reason.clone())));
            }
            Phase::Refused(_) | Phase::Ended(_) => {}
        }
        drop(phase);
        if left.is_some() {
            self.never_opened();
        }
        if let Some(Phase::Opening(opening)) = left
            && let Some(shared) = self.shared()
        {
            // The peer may have opened its half, and read ours.
            shared.keep_rest(self.key.node, Rest::Opening(opening));
        }
        self.room.wake_all();
        self.ended.wake_all();
    }

    /// This node leaves: nothing more is sent, and nothing of the peer's is kept. Returns the blocks that it still reads,
    /// or will: what was sent is handled as if this process had died.
    pub(crate) fn abandon(self: &Arc<Self>, reason: &ExitReason) -> Vec<Block> {
        let _ = self.reap(&mut Vec::new(), Linger::No);
        let mut phase = self.lock();
        let wakers = match &mut *phase {
            Phase::Open(open) => {
                let wakers = open.abandon(reason);
                self.show(open);
                wakers
            }
            _ => Vec::new(),
        };
        let rest = match &*phase {
            Phase::Refused(_) | Phase::Ended(_) => None,
            _ => Some(std::mem::replace(&mut *phase, Phase::Ended(reason.clone()))),
        };
        drop(phase);
        // Those blocks stay until this process ends with its heap.
        let lent = match rest {
            Some(Phase::Open(open)) => self.close(open).into_lent(),
            _ => Vec::new(),
        };
        self.returns.end(self.key.priority, reason);
        wakers.into_iter().for_each(Waker::wake);
        self.room.wake_all();
        self.ended.wake_all();
        lent
    }

    /// The receiver's heads are final: everything in flight ends, with what the heads tell.
    pub(crate) fn finish(self: &Arc<Self>, reason: &ExitReason, leases: Leases) {
        let _ = self.reap(&mut Vec::new(), Linger::No);
        let mut phase = self.lock();
        let mut wakers = Vec::new();
        // What was heard first is the receiver's own end: that its node leaves, or its process dies, only follows from it.
        let first = match &*phase {
            Phase::Open(open) => open.end_reason().cloned(),
            Phase::Ended(first) => Some(first.clone()),
            _ => None,
        };
        let reason = first.as_ref().unwrap_or(reason);
        if let Phase::Open(open) = &mut *phase {
            open.ended = Some(reason.clone());
            wakers = open.finish(&Undone::Ended(reason.clone()), leases, &self.returns);
            self.show(open);
        } else if !matches!(*phase, Phase::Refused(_) | Phase::Ended(_)) {
            *phase = Phase::Ended(reason.clone());
        }
        self.unlock(phase);
        self.returns.end(self.key.priority, reason);
        wakers.into_iter().for_each(Waker::wake);
        self.room.wake_all();
        self.blocks.wake_all();
        self.ended.wake_all();
        // A driver that sleeps until a completion comes would keep the end, and what came back to it, for ever.
        if let Some(shared) = self.shared() {
            shared.queue.rouse();
        }
    }

    /// Tells whether the receiver has a block, which comes back.
    pub(crate) fn has_lent(&self) -> bool {
        matches!(&*self.lock(), Phase::Open(open) if open.ops.has_lent())
    }
}

impl Drop for RemoteEnd {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let phase = self.phase.get_mut();
        let rest = match std::mem::replace(phase, Phase::Waiting) {
            Phase::Open(open) => Some(Rest::Open(self.close(open))),
            Phase::Opening(opening) => Some(Rest::Opening(opening)),
            _ => None,
        };
        if !matches!(rest, Some(Rest::Open(_))) {
            self.never_opened();
        }
        shared.end_dropped(self.key, rest);
        shared.members.remove(self.member);
    }
}

impl std::fmt::Debug for RemoteEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteEnd")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
