//! One uring seen from its submitter: what every `Addr` of this process to one remote actor shares.
//!
//! # Invariants
//! - **no-user-code**: nothing of the user's runs while `state` is locked, so no panic leaves it half-way.
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
mod finish;
mod high;
mod open;
pub(crate) mod ops;
mod outgoing;
mod owed;
mod phase;
mod straight;
mod submit;
pub(crate) mod undelivered;

use std::sync::{Arc, OnceLock, Weak};

use ringway_shm::brief::{Brief, Guard};
use ringway_shm::heap::Heap;
use ringway_shm::lane::Peek;
use ringway_shm::sync::Ordering::Relaxed;
use ringway_shm::sync::{AtomicU32, AtomicU64, AtomicUsize};

pub(crate) use self::asker::{AskerLook, Found};
use self::open::Open;
pub(crate) use self::open::{Closed, Linger, Opening, RoomLook};
pub(crate) use self::outgoing::{Obstacle, Outgoing};
use self::phase::Phase;
use self::undelivered::{Readers, Returns};
use crate::addr::ActorId;
#[cfg(feature = "test")]
use crate::clock::Clock;
use crate::dead::{Types, Whom};
use crate::mailbox::Overflow;
use crate::node::Carried;
use crate::shared::{EndKey, Part, Shared};
use crate::urings::PeerUrings;
use crate::urings::wire::{Order, TargetKind, UringWord};
use crate::wait_list::WaitList;

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

    /// What the receiver wants done with a message that meets a full queue.
    pub(crate) fn overflow(&self) -> Overflow {
        match &*self.lock() {
            Phase::Open(open) => open.overflow,
            _ => Overflow::Wait,
        }
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

    /// The peer, once the uring is open.
    pub(crate) fn peer(&self) -> Option<Arc<PeerUrings>> {
        match &*self.lock() {
            Phase::Open(open) => Some(Arc::clone(&open.peer)),
            _ => None,
        }
    }
}

impl std::fmt::Debug for RemoteEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteEnd")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
