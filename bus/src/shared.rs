//! What all parts of one attached node share: its core on the bus, its workers' queue, its urings by peer, its actors
//! by number.
//!
//! Nothing here holds two of its locks at a time, and no user code runs under any of them.

mod accounts;
mod actors;
mod closing;
mod counters;
mod ends;
mod leave;
mod replies;
mod upper;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError, Weak};
use std::task::Waker;

use ringway_shm::block::Block;
use ringway_shm::sync::AtomicBool;
use slab::Slab;

use self::accounts::Members;
pub(crate) use self::accounts::Part;
pub(crate) use self::actors::{CellOf, Living, Target};
pub(crate) use self::closing::{Closing, Rest};
pub(crate) use self::ends::EndKey;
pub(crate) use self::upper::UpperOf;
use crate::actor::later::relay::Relays;
use crate::clock::{Clock, Nanos};
use crate::control::Core;
use crate::dead::DeadLetters;
use crate::driver::timer::{TimerKey, Timers};
use crate::driver::{Driver, Job, Jobs};
use crate::exit::ExitReason;
use crate::frame::WireKey;
use crate::groups::OwnGroups;
use crate::inbox::InboxLane;
use crate::inbox::abandoned::Watches;
use crate::inbox::offers::Offers;
use crate::node::OwnThreads;
use crate::number::{Number, Numbers};
use crate::peering::NodeId;
use crate::process::Wards;
use crate::remote::RemoteEnd;
use crate::rings::{RingSpan, RingsError};
use crate::send::redeliver::Ledgers;
use crate::supervise::Tops;
use crate::task::RunQueue;
use crate::topics::Topics;
use crate::urings::PeerUrings;
use crate::urings::wire::UringWord;
use crate::wait_list::WaitList;

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

    /// A lane takes nothing more: its submitter is told, and answers when it needs our half no longer.
    pub(crate) fn lane_closed(&self, lane: &Arc<InboxLane>, reason: &ExitReason) {
        let uring = WireKey(lane.uring);
        lane.peer.say(&UringWord::Closed {
            uring,
            reason: reason.clone().shortened(),
        });
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
