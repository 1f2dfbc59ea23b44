//! What all parts of one attached node share: its core on the bus, its workers' queue, its urings by peer, its actors
//! by number.
//!
//! Nothing here holds two of its locks at a time, and no user code runs under any of them.

mod accounts;
mod closing;
mod upper;

use std::any::Any;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError, Weak};
use std::task::Waker;

use ringway_shm::block::Block;
use ringway_shm::card::Counter;
use ringway_shm::generation::Key;
use ringway_shm::sync::AtomicBool;
use ringway_shm::sync::Ordering::Relaxed;

use slab::Slab;

use self::accounts::Members;
pub(crate) use self::accounts::Part;
pub(crate) use self::closing::{Closing, Rest};
pub(crate) use self::upper::UpperOf;
use crate::actor::cell::CellCore;
use crate::actor::later::relay::Relays;
use crate::actor::{Accepted, Undone};
use crate::clock::{Clock, Nanos};
use crate::completion;
use crate::control::Core;
use crate::dead::{DeadLetter, DeadLetters, DeadReason};
use crate::driver::timer::{TimerKey, Timers};
use crate::driver::{Driver, Job, Jobs};
use crate::exit::ExitReason;
use crate::frame::WireKey;
use crate::groups::OwnGroups;
use crate::inbox::abandoned::Watches;
use crate::inbox::offers::Offers;
use crate::inbox::{Inbox, InboxLane};
use crate::message::{Message, Parcel, Semantics as _};
use crate::node::{Carried, OwnThreads};
use crate::number::{Number, Numbers};
use crate::peering::NodeId;
use crate::priority::Priority;
use crate::process::Wards;
use crate::remote::RemoteEnd;
use crate::rings::{RingSpan, RingsError};
use crate::send::redeliver::Ledgers;
use crate::supervise::Tops;
use crate::task::RunQueue;
use crate::token::{Room, TokenizeError, Tokenized};
use crate::topics::Topics;
use crate::urings::wire::{TargetKind, UringWord};
use crate::urings::{PeerUrings, open};
use crate::wait_list::WaitList;

/// What a set of carried types is known by inside this process.
fn hash_of(kind: TargetKind, carried: &[Carried]) -> u64 {
    let mut hasher = DefaultHasher::new();
    kind.hash(&mut hasher);
    carried
        .iter()
        .for_each(|it| (it.id, it.schema.hash()).hash(&mut hasher));
    hasher.finish()
}

/// Something of this node that peers can open urings to.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) kind: TargetKind,
    /// The actor's type, for errors.
    pub(crate) called: &'static str,
    pub(crate) inbox: Arc<Inbox>,
    /// What it handles; a queue takes anything.
    pub(crate) accepted: &'static [Accepted],
    /// The actor's cell, for addresses that come home.
    pub(crate) cell: Option<Weak<dyn Any + Send + Sync>>,
    pub(crate) living: Option<Weak<dyn Living>>,
}

/// What identifies an end that addresses can share: the receiver, and what it was agreed to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EndKey {
    pub(crate) node: NodeId,
    pub(crate) target: Number,
    pub(crate) types: u64,
    /// Of all that is sent by it.
    pub(crate) priority: Priority,
}

/// One attached node.
pub(crate) struct Shared {
    core: OnceLock<Arc<Core>>,
    /// The driver of a node without threads, until somebody drives.
    pub(crate) driver: Mutex<Option<Driver>>,
    is_detaching: AtomicBool,
    is_leaving: AtomicBool,
    has_left: AtomicBool,
    pub(crate) queue: Arc<RunQueue>,
    pub(crate) clock: Clock,
    pub(crate) timers: Timers,
    pub(crate) jobs: Jobs,
    /// Handlers that wait for askers of other processes to give up.
    pub(crate) watches: Watches,
    /// Replies that other processes are to give.
    pub(crate) relays: Relays,
    peers: Mutex<HashMap<NodeId, Arc<PeerUrings>>>,
    ends: Mutex<HashMap<EndKey, Weak<RemoteEnd>>>,
    targets: Mutex<HashMap<Number, Target>>,
    pub(crate) groups: OwnGroups,
    pub(crate) topics: Topics,
    /// Actors that are linked to some of other nodes.
    linked: Mutex<HashMap<Number, Weak<dyn Living>>>,
    /// Senders that wait for blocks to come back.
    pub(crate) blocks: Arc<WaitList>,
    /// Woken at every change of peers and names.
    pub(crate) changes: WaitList,
    /// Everything that must be told to end when the node does.
    living: Mutex<Slab<Weak<dyn Living>>>,
    pub(crate) numbers: Numbers,
    /// Lanes that have lent blocks in replies.
    replying: Mutex<Vec<Arc<InboxLane>>>,
    /// Lanes in which there is room of which nobody was told.
    pub(crate) offers: Offers,
    closing: Closing,
    /// Whose indices the accounts are made of.
    pub(crate) members: Members,
    pub(crate) dead: DeadLetters,
    /// The order of what is sent again.
    pub(crate) ledgers: Ledgers,
    /// Blocks that peers still read when this node left.
    lent_at_leave: Mutex<Vec<Block>>,
    /// Child processes.
    pub(crate) wards: Wards,
    /// Root supervisors.
    pub(crate) tops: Tops,
    pub(crate) own_threads: OwnThreads,
}

/// Something that lives until its node detaches: an actor.
pub(crate) trait Living: Send + Sync {
    /// Ends it, without waiting.
    fn end(&self, reason: ExitReason);
    /// Ends it when it has nothing left to do.
    fn drain(&self, reason: ExitReason);
    /// Ends it in the middle of what it does.
    fn kill(&self, reason: ExitReason);
    /// Tells whether it has ended, and registers for the change.
    fn ended(&self) -> &WaitList;
    fn has_ended(&self) -> bool;
    /// No hook or handler of it has begun and not ended.
    #[cfg(feature = "test")]
    fn is_at_rest(&self) -> bool;
    fn core(&self) -> &CellCore;
    /// Its cell, if it is that actor.
    fn cell_of(self: Arc<Self>, number: Number) -> Option<CellOf>;
}

/// An actor's cell whose type is not known, and the messages that it handles.
pub(crate) type CellOf = (Arc<dyn Any + Send + Sync>, &'static [Accepted]);

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same if nobody holds it; a panic of a holder's leaves nothing half-way.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl Shared {
    pub(crate) fn new(queue: Arc<RunQueue>, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            core: OnceLock::new(),
            driver: Mutex::default(),
            is_detaching: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            has_left: AtomicBool::new(false),
            queue,
            clock,
            timers: Timers::default(),
            jobs: Jobs::default(),
            watches: Watches::default(),
            relays: Relays::default(),
            peers: Mutex::default(),
            ends: Mutex::default(),
            targets: Mutex::default(),
            groups: OwnGroups::default(),
            topics: Topics::default(),
            linked: Mutex::default(),
            blocks: Arc::default(),
            changes: WaitList::default(),
            living: Mutex::default(),
            numbers: Numbers::default(),
            replying: Mutex::default(),
            offers: Offers::default(),
            closing: Closing::default(),
            members: Members::default(),
            dead: DeadLetters::default(),
            ledgers: Ledgers::default(),
            lent_at_leave: Mutex::default(),
            wards: Wards::default(),
            tops: Tops::default(),
            own_threads: OwnThreads::default(),
        })
    }

    /// Set once, right after the core has attached.
    pub(crate) fn set_core(&self, core: Arc<Core>) {
        let _ = self.core.set(core);
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        self.core
            .get()
            .expect("attached: set before the node is handed out")
    }

    pub(crate) fn peer(&self, node: NodeId) -> Option<Arc<PeerUrings>> {
        lock(&self.peers).get(&node).cloned()
    }

    pub(crate) fn add_target(&self, number: Number, target: Target) {
        lock(&self.targets).insert(number, target);
    }

    pub(crate) fn target(&self, number: Number) -> Option<Target> {
        lock(&self.targets).get(&number).cloned()
    }

    /// Has words about links find an actor.
    pub(crate) fn remember_linked(&self, number: Number, living: Weak<dyn Living>) {
        lock(&self.linked).insert(number, living);
    }

    pub(crate) fn forget_linked(&self, number: Number) {
        let living = lock(&self.linked).remove(&number);
        drop(living); // outside the lock
    }

    pub(crate) fn linked(&self) -> Vec<Arc<dyn Living>> {
        lock(&self.linked)
            .values()
            .filter_map(Weak::upgrade)
            .collect()
    }

    /// An actor that a peer may name in a word about a link.
    pub(crate) fn linkable(&self, number: Number) -> Option<Arc<dyn Living>> {
        let known = lock(&self.linked).get(&number).cloned();
        let living = known.or_else(|| self.target(number)?.living)?;
        living.upgrade()
    }

    pub(crate) fn remove_target(&self, number: Number) {
        lock(&self.targets).remove(&number);
    }

    /// Remembers an actor; returns its place among those that end with the node.
    pub(crate) fn add_living(&self, living: Weak<dyn Living>) -> u32 {
        let place = lock(&self.living).insert(living);
        u32::try_from(place).expect("in-range: memory ends before four billion actors")
    }

    pub(crate) fn living(&self) -> Vec<Arc<dyn Living>> {
        lock(&self.living)
            .iter()
            .filter_map(|(_, living)| living.upgrade())
            .collect()
    }

    /// The cell of an actor that has not ended.
    pub(crate) fn cell_of(&self, place: u32, number: Number) -> Option<CellOf> {
        let living = lock(&self.living).get(place as usize).cloned();
        living?.upgrade()?.cell_of(number)
    }

    /// Said by a thread of this node that is about to sleep and is not the driver's: if that sleeps, nobody else would offer the
    /// room that was made.
    pub(crate) fn offer_room(&self) {
        if self.queue.is_driver_asleep() {
            self.offers.make();
        }
    }

    /// Hands a lane to the driver, which looks at it at once.
    pub(crate) fn watch(&self, lane: Arc<InboxLane>) {
        self.jobs.rouse(Job::Watch(lane), &self.queue);
    }

    /// An actor has ended: its place and its name are free.
    pub(crate) fn actor_ended(&self, place: u32, number: Number, key: Option<Key>) {
        let living = lock(&self.living).try_remove(place as usize);
        drop(living); // outside the lock
        if let Some(key) = key {
            self.remove_target(number);
            self.core().unregister(key);
        }
    }

    /// The end of a uring to a receiver on another node; opened if it is not yet, shared by all who agree on the types.
    pub(crate) fn end_to(
        self: &Arc<Self>,
        node: NodeId,
        target: Number,
        kind: TargetKind,
        carried: &[Carried],
    ) -> Arc<RemoteEnd> {
        let key = EndKey {
            node,
            target,
            types: hash_of(kind, carried),
            priority: Priority::Normal,
        };
        // Declared before the lock is taken: were it the last one to hold the former end, dropping it would lock again.
        let former;
        let (end, is_new) = {
            let mut ends = lock(&self.ends);
            former = ends.get(&key).and_then(Weak::upgrade);
            match &former {
                Some(end) if !matches!(end.open_result(), Some(Err(_))) => (Arc::clone(end), false),
                _ => {
                    let end = RemoteEnd::new(self, key, kind, carried.to_vec());
                    ends.insert(key, Arc::downgrade(&end));
                    (end, true)
                }
            }
        };
        drop(former);
        if is_new {
            self.open(&end);
        }
        end
    }

    /// Opens the end of a second uring to a receiver, which the first end keeps.
    pub(crate) fn open_high(self: &Arc<Self>, end: &Arc<RemoteEnd>) {
        lock(&self.ends).insert(end.key, Arc::downgrade(end));
        self.open(end);
    }

    /// An address whose actor is known to have ended.
    pub(crate) fn ended_end(self: &Arc<Self>, node: NodeId, target: Number) -> Arc<RemoteEnd> {
        let key = EndKey {
            node,
            target,
            types: 0,
            priority: Priority::Normal,
        };
        let end = RemoteEnd::new(self, key, TargetKind::Actor, Vec::new());
        end.refuse(&ExitReason::NoSuchActor);
        end
    }

    /// Sends the request to open, or leaves it until the node is connected.
    fn open(self: &Arc<Self>, end: &Arc<RemoteEnd>) {
        let Some(urings) = self.peer(end.key.node) else {
            // Its address came before its node was met, or after that was gone.
            if !self.core().await_node(end.key.node) {
                end.refuse(&ExitReason::Unreachable);
            }
            return;
        };
        if !end.claim() {
            return;
        }
        if let Err(refusal) = open::request(self, &urings, end) {
            end.refused(refusal);
        }
    }

    /// A node is connected: what waited for it is opened now.
    fn open_waiting(self: &Arc<Self>, urings: &PeerUrings) {
        let ends: Vec<_> = lock(&self.ends)
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        let theirs = ends.iter().filter(|end| end.key.node == urings.id());
        theirs.for_each(|end| self.open(end));
    }

    /// A node of which addresses may have come will not be met: nobody waits for it. Its socket is gone by now, so that who comes
    /// later with such an address finds out in `open`.
    fn refuse_unmet(&self, node: NodeId, reason: &ExitReason) {
        let ends: Vec<_> = lock(&self.ends)
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        let theirs = ends.iter().filter(|end| end.key.node == node);
        theirs.for_each(|end| end.refuse(reason));
    }

    /// A peer's heads are final and read: nothing of it is kept.
    fn forget_peer(&self, node: NodeId, reason: &ExitReason) {
        self.closing.forget(node, reason);
        lock(&self.ends).retain(|key, end| key.node != node || end.strong_count() > 0);
    }

    /// The last address of an end is gone; the peer still reads our half.
    pub(crate) fn end_dropped(&self, key: EndKey, rest: Option<Rest>) {
        lock(&self.ends).retain(|other, end| *other != key || end.strong_count() > 0);
        if let Some(rest) = rest {
            self.keep_rest(key.node, rest);
        }
    }

    /// Keeps what a peer may read until it says that it does not, or is dead.
    pub(crate) fn keep_rest(&self, node: NodeId, rest: Rest) {
        self.closing.keep(node, rest);
        // Whoever forgets a dead peer has found it, or this look finds no peer.
        if self.peer(node).is_none() {
            self.closing.forget(node, &ExitReason::Unreachable);
        }
    }

    /// The receiver has closed a uring whose addresses are gone.
    pub(crate) fn closed_unheld(&self, urings: &PeerUrings, uring: Key, reason: &ExitReason) {
        self.closing.closed(urings.id(), uring, reason);
        urings.say(&UringWord::Released {
            uring: WireKey(uring),
        });
        urings.remove_end(uring);
    }

    /// A uring without addresses was refused: its memory is free.
    pub(crate) fn refused_unheld(&self, urings: &PeerUrings, uring: Key) {
        self.closing
            .closed(urings.id(), uring, &ExitReason::NoSuchActor);
        urings.remove_end(uring);
    }

    pub(crate) fn ring_span(&self, len: u64) -> Result<RingSpan, RingsError> {
        self.core().ring_span(len)
    }

    pub(crate) fn arm_timer(&self, due: Nanos, waker: &Waker) -> TimerKey {
        let (key, is_first) = self.timers.arm(due, waker);
        if is_first {
            self.queue.rouse();
        }
        key
    }

    /// Tells whether segments wait for peers to unmap them, each of which wakes `blocks`. A stopped peer does not: wait for
    /// them only up to a deadline.
    pub(crate) fn has_retiring(&self) -> bool {
        self.core().heap().stats().retiring > 0
    }

    /// Tells whether receivers have blocks of this node, each of which comes back with a wake of `blocks`. Replies are
    /// not among them: they are given back in silence.
    pub(crate) fn has_lent(&self) -> bool {
        let ends: Vec<_> = lock(&self.ends)
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        ends.iter().any(|end| end.has_lent()) // outside of the lock, as is the dropping
    }

    /// Encodes a reply.
    #[inline]
    pub(crate) fn pack_reply<M: Message + ?Sized>(
        &self,
        parcel: Parcel<M>,
    ) -> Result<Tokenized, TokenizeError<M>> {
        let heap = self.core().heap();
        match M::Semantics::pack(parcel, heap, Room::REPLY) {
            Err(error) if completion::is_full(&error) => {
                self.sweep_replies();
                M::Semantics::pack(error.into_inner(), heap, Room::REPLY)
            }
            packed => packed,
        }
    }

    #[inline]
    pub(crate) fn count(&self, counter: Counter, n: u64) {
        if n > 0 {
            self.core().count(counter, n);
        }
    }

    /// Counts a message that was handled, and whether it was an entry, as 1 or 0: on a worker's thread at first, as all
    /// workers share the card.
    #[inline]
    pub(crate) fn count_handled(&self, entries: u64) {
        if !self.queue.count_handled(entries) {
            self.count(Counter::Handled, 1);
            self.count(Counter::EntriesHandled, entries);
        }
    }

    /// Takes what this worker has counted over to the card.
    #[inline]
    pub(crate) fn count_up(&self) {
        let handled = self.queue.take_handled();
        self.count(Counter::Handled, handled.all);
        self.count(Counter::EntriesHandled, handled.entries);
    }

    /// Counts a message that was not handled.
    pub(crate) fn count_undone(&self, why: &Undone) {
        self.count(
            match why {
                Undone::Dropped => Counter::Dropped,
                Undone::Expired => Counter::Expired,
                Undone::Cancelled => Counter::Cancelled,
                Undone::Refused(_) => Counter::Refused,
                Undone::Failed(_) | Undone::Unanswered => Counter::Handled,
                Undone::Ended(_) => Counter::DeadLetters,
            },
            1,
        );
    }

    /// Counts an entry that was not handled, after `count_undone`.
    #[cold]
    pub(crate) fn count_undone_entry(&self, why: &Undone) {
        self.count(
            match why {
                Undone::Dropped => Counter::EntriesDropped,
                Undone::Expired => Counter::EntriesExpired,
                Undone::Cancelled => Counter::EntriesCancelled,
                Undone::Refused(_) => Counter::EntriesRefused,
                Undone::Failed(_) | Undone::Unanswered => Counter::EntriesHandled,
                Undone::Ended(_) => Counter::EntriesLost,
            },
            1,
        );
    }

    /// Shows a message that this node has sent, and that nobody will hear of otherwise; it is counted on the card unless a
    /// policy has counted it already.
    pub(crate) fn dead_letter_of_own(&self, letter: DeadLetter) {
        if letter.reason != DeadReason::Dropped {
            self.count(Counter::DeadLetters, 1);
        }
        self.dead.publish(letter);
    }

    /// `true` for the one who is to detach.
    pub(crate) fn begin_detaching(&self) -> bool {
        // Relaxed: a flag; what follows goes through locks.
        let is_first = !self.is_detaching.swap(true, Relaxed);
        // Who waits for a name to be taken again waits for nothing.
        self.changes.wake_all();
        is_first
    }

    /// Whether the caller is the one who has the node leave.
    pub(crate) fn begin_leaving(&self) -> bool {
        // Relaxed: as above.
        !self.is_leaving.swap(true, Relaxed)
    }

    pub(crate) fn is_detaching(&self) -> bool {
        // Relaxed: as above.
        self.is_detaching.load(Relaxed)
    }

    /// A lane takes nothing more: its submitter is told, and answers when it needs our half no longer.
    pub(crate) fn lane_closed(&self, lane: &Arc<InboxLane>, reason: &ExitReason) {
        let uring = WireKey(lane.uring);
        lane.peer.say(&UringWord::Closed {
            uring,
            reason: reason.clone().shortened(),
        });
    }

    /// There is nothing to drive any more.
    pub(crate) fn has_left(&self) -> bool {
        // Relaxed: as above.
        self.has_left.load(Relaxed)
    }

    /// Lets go of everything that the peers own, so that the goodbye can follow. What they read stays.
    pub(crate) fn leave(&self) {
        self.core().leave_rings();
        self.topics.leave();
        let peers: Vec<_> = lock(&self.peers).drain().map(|(_, peer)| peer).collect();
        let leave = |peer: &Arc<PeerUrings>| peer.leave(&ExitReason::Shutdown);
        let lent: Vec<_> = peers.iter().flat_map(leave).collect();
        lock(&self.lent_at_leave).extend(lent);
        let lent = self.closing.clear();
        lock(&self.lent_at_leave).extend(lent);
        lock(&self.replying).clear();
        lock(&self.ends).clear();
        let targets = std::mem::take(&mut *lock(&self.targets));
        for target in targets.values() {
            target.inbox.close(&ExitReason::Shutdown);
        }
        drop(self.jobs.take_exactly());
        self.dead.end();
        self.relays.clear();
        // Relaxed: set before the rousing fence.
        self.has_left.store(true, Relaxed);
        // Its last word.
        self.post_accounts();
        #[cfg(feature = "test")]
        self.queue.quiet.leave();
        self.queue.rouse();
    }

    /// Notes that a lane has lent a block in a reply.
    pub(crate) fn lent_reply(&self, lane: &Arc<InboxLane>) {
        lock(&self.replying).push(Arc::clone(lane));
    }

    /// Frees the blocks of replies that their askers have released; looks only at lanes that have lent any.
    pub(crate) fn sweep_replies(&self) {
        let lanes = std::mem::take(&mut *lock(&self.replying));
        lanes.iter().for_each(|lane| lane.sweep());
        let listed = lanes.into_iter().filter(|lane| lane.replies.stays_listed());
        let listed: Vec<_> = listed.collect();
        lock(&self.replying).extend(listed);
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
