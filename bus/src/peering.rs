//! One peer: a node of the bus as another node sees it, from the handshake to the last proof of its death.
//!
//! ```text
//!              socket ends, violations              pidfd readable
//!   Connected ------------------------> Closed ----------------------> Dead
//!       |                                 ^  |        its goodbye        ^
//!       |  the peer is leaving            |  +---------------------------+
//!       +---------------------------------+                              |
//!       |                 pidfd readable, goodbye                        |
//!       +----------------------------------------------------------------+
//! ```
//!
//! A closed peering carries no new traffic, but its peer may live and read our memory: only `Dead` is final.
//!
//! # Invariants
//! - **proof**: a peer is dead only by its own goodbye or by a readable pidfd, never by a clock or a closed socket.
//! - **slot-kept**: the slot is used again only when the last `Arc<Peer>` is gone: whoever holds memory of the peer, or
//!   books that name its slot, holds the peer.
//! - **last-word**: a node that detached says goodbye when its last `Arc<Peer>` is dropped, so never while a lease of
//!   that peer's memory is held.

mod bell;
pub(crate) mod evidence;
pub(crate) mod handshake;
pub(crate) mod hello;
mod id;
pub(crate) mod ledger;
pub(crate) mod link;
pub(crate) mod refusal;
pub(crate) mod replica;
pub(crate) mod roster;
pub(crate) mod segments;
pub(crate) mod slot;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringway_shm::card::{Card, Counter, PeerCard};
use ringway_shm::error::Violation;
use ringway_shm::generation::Key;
use ringway_shm::segment::PeerSegment;
use ringway_shm::sync::Ordering::{Acquire, Relaxed, Release};
use ringway_shm::sync::{AtomicBool, AtomicU32};
use ringway_shm::sys::SysError;
use ringway_shm::sys::eventfd::Eventfd;
use ringway_shm::sys::process::Pidfd;

pub use self::id::NodeId;

use self::bell::Bell;
use self::ledger::Ledger;
use self::link::{Link, LinkError};
use self::replica::Replica;
use self::segments::Segments;
use self::slot::Slot;
use crate::access::Trust;
use crate::control::{Command, Commands};
use crate::frame::{Frame, SegmentKind, UringFrame};
use crate::trace;

/// Violations after which a peer is cut off: enough to tell a pattern from one torn write, too few to matter.
const VIOLATIONS_MAX: u32 = 64;

/// What the layer above is told, by the control thread: it must not wait, nor call back into `attach` or `detach`.
///
/// Of one peer: first `connected`, then any of the others in between, then at most one `closed`, last `dead`.
pub(crate) trait Upper: Send + Sync {
    /// The peering stands; urings can be opened.
    fn connected(&self, peer: &Arc<Peer>);
    /// The peer's layer above says something.
    fn frame(&self, peer: &Arc<Peer>, frame: UringFrame);
    /// Traffic has ended, but the peer may still read this node's memory.
    fn closed(&self, peer: &Arc<Peer>, reason: &Closure);
    /// The peer is gone: what its memory says is final, and it reads nothing of ours any more. May come without `closed`.
    fn dead(&self, peer: &Arc<Peer>, how: Death);
    /// The peer's card lists other names than before.
    fn names_changed(&self, peer: &Arc<Peer>);
    /// Tokens may name this segment of our heap towards the peer.
    fn heap_acknowledged(&self, peer: &Arc<Peer>, segment: Key);

    /// A segment of the peer's heap is mapped: what lies in it can be read.
    fn heap_mapped(&self, _peer: &Arc<Peer>) {}

    /// A ring segment of the peer's is mapped that this process was too poor to map when it was announced first.
    fn ring_mapped(&self, _peer: &Arc<Peer>) {}

    /// A peer has unmapped a segment of this node's heap, which may be the last to do so: there is room for others.
    fn heap_retired(&self) {}
    /// A node that was looked for will not be a peer: its socket refuses, or is gone, or it would not have this node.
    fn absent(&self, _node: NodeId) {}
}

/// Why a peering's traffic ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Closure {
    #[error("its socket was closed without a goodbye")]
    HungUp,
    #[error("it is leaving the bus")]
    Leaving,
    #[error("it broke the protocol: {0}")]
    Broken(String),
    #[error("it broke the rules of shared memory {count} times, the last time so: {last}")]
    Violations { count: u32, last: Violation },
}

/// What proved a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    /// Its process has ended.
    Process,
    /// It said that it holds nothing of ours.
    Goodbye,
}

/// How far a peering has come; only ever forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PeerState {
    Connected,
    Closed,
    Dead,
}

/// A node that this one peers with.
#[derive(Debug)]
pub(crate) struct Peer {
    identity: Identity,
    slot: Slot,
    card: PeerCard,
    bell: Bell,
    pidfd: Pidfd,
    link: Link,
    heap: Segments,
    rings: Segments,
    ledger: Mutex<Ledger>,
    replica: Mutex<Replica>,
    life: Mutex<Life>,
    /// What `life` says of its death, for those who look often.
    is_dead: AtomicBool,
    violations: AtomicU32,
    own: Own,
}

/// Who a peer is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) id: NodeId,
    pub(crate) name: String,
    /// In this process's pid namespace where it has a number there, else in the peer's.
    pub(crate) pid: u32,
    pub(crate) uid: u32,
    pub(crate) trust: Trust,
    /// What to add to a time of the peer's monotonic clock to have it on ours.
    pub(crate) clock_offset_ns: i64,
}

/// What a peer needs of the node that sees it.
#[derive(Debug, Clone)]
pub(crate) struct Own {
    pub(crate) card: Arc<Card>,
    pub(crate) commands: Arc<Commands>,
}

/// All that a handshake has gathered.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) identity: Identity,
    pub(crate) slot: Slot,
    pub(crate) evidence: evidence::Evidence,
    pub(crate) bell: Arc<Eventfd>,
}

#[derive(Debug)]
struct Life {
    state: PeerState,
    /// This node detached: the drop of the peer is the goodbye.
    is_parting: bool,
}

impl Peer {
    pub(crate) fn new(gathered: Gathered, link: Link, own: Own) -> Self {
        let Gathered {
            identity,
            slot,
            evidence,
            bell,
        } = gathered;
        let rings = Segments::default();
        rings
            .insert(evidence.ring_key, evidence.ring)
            .expect("later-only: the first of an empty table, its index checked with the hello");
        Self {
            bell: Bell::new(bell, evidence.bell, &evidence.card, identity.trust),
            replica: Mutex::default(),
            identity,
            slot,
            card: evidence.card,
            pidfd: evidence.pidfd,
            link,
            heap: Segments::default(),
            rings,
            ledger: Mutex::default(),
            life: Mutex::new(Life {
                state: PeerState::Connected,
                is_parting: false,
            }),
            is_dead: AtomicBool::new(false),
            violations: AtomicU32::new(0),
            own,
        }
    }

    pub(crate) fn id(&self) -> NodeId {
        self.identity.id
    }

    pub(crate) fn name(&self) -> &str {
        &self.identity.name
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The number by which books name this peer; below 256.
    pub(crate) fn slot(&self) -> u16 {
        self.slot.index()
    }

    pub(crate) fn card(&self) -> &PeerCard {
        &self.card
    }

    pub(crate) fn state(&self) -> PeerState {
        self.life().state
    }

    /// Tells whether the peer's death is proved.
    pub(crate) fn is_dead(&self) -> bool {
        // Acquire peer-dead: pairs with the store in `advance`.
        self.is_dead.load(Acquire)
    }

    /// A segment of the peer's heap that this node has mapped.
    pub(crate) fn heap_segment(&self, key: Key) -> Option<PeerSegment> {
        self.heap.get(key)
    }

    /// A ring segment of the peer's that this node has mapped.
    pub(crate) fn ring_segment(&self, key: Key) -> Option<PeerSegment> {
        self.rings.get(key)
    }

    /// Whether the peer announced a ring segment that this process was too poor to map, and will announce it again.
    pub(crate) fn awaits_ring_segment(&self, key: Key) -> bool {
        self.rings.awaits(key)
    }

    /// Tells whether the peer has mapped that ring segment of ours.
    #[cfg(test)]
    pub(crate) fn has_ring_segment(&self, key: Key) -> bool {
        self.ledger()
            .is_acknowledged(crate::frame::SegmentName::ring(key))
    }

    /// Wakes the peer if it sleeps: to be called after publishing something in shared memory.
    ///
    /// Cost: a fence and a load; a system call once per sleep of the peer.
    pub(crate) fn ring_bell(&self) {
        self.bell.ring(&self.link);
    }

    /// The bell that this peer rings: whoever sleeps waits for it, and clears it before looking.
    pub(crate) fn bell_fd(&self) -> BorrowedFd<'_> {
        self.bell.own().as_fd()
    }

    /// Takes the peer's rings.
    pub(crate) fn clear_bell(&self) -> Result<bool, SysError> {
        self.bell.own().clear()
    }

    pub(crate) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Sends a frame of the layer above, in order with all others. Never waits.
    pub(crate) fn send(&self, frame: UringFrame) -> Result<(), LinkError> {
        if self.state() != PeerState::Connected {
            return Err(LinkError::Closed);
        }
        self.link.send(&Frame::Uring(frame), Vec::new())
    }

    /// Counts something of this node's on its card.
    pub(crate) fn count(&self, counter: Counter, n: u64) {
        if n > 0 {
            self.own.card.add(counter, n);
        }
    }

    /// Counts what the peer's memory said that cannot be, and has the peer cut off when it goes on.
    pub(crate) fn violation(&self, violation: Violation) {
        self.own.card.add(Counter::Violations, 1);
        // Relaxed: a private count; nothing is published by it.
        let count = self.violations.fetch_add(1, Relaxed) + 1;
        trace::warning!(peer = %self.identity.id, name = self.name(), %violation, count, "violation");
        if count == VIOLATIONS_MAX {
            let closure = Closure::Violations {
                count,
                last: violation,
            };
            self.own
                .commands
                .give(Command::Cut(self.identity.id, closure));
        }
    }

    /// Whether it broke the rules so often that it is cut off: what it broke is not looked at any more.
    pub(crate) fn is_cut_off(&self) -> bool {
        // Relaxed: as in `violation`.
        self.violations.load(Relaxed) >= VIOLATIONS_MAX
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    pub(crate) fn pidfd(&self) -> &Pidfd {
        &self.pidfd
    }

    pub(crate) fn segments(&self, kind: SegmentKind) -> &Segments {
        match kind {
            SegmentKind::Heap => &self.heap,
            SegmentKind::Ring => &self.rings,
        }
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn replica(&self) -> MutexGuard<'_, Replica> {
        self.replica.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves on to `state`; `false` when the peering was there already, or further.
    pub(crate) fn advance(&self, state: PeerState) -> bool {
        let mut life = self.life();
        let is_forward = life.state < state;
        if is_forward {
            life.state = state;
            // Release peer-dead: pairs with the load in `is_dead`; the proof, and with it the last heads, came before.
            self.is_dead.store(state == PeerState::Dead, Release);
        }
        is_forward
    }

    /// Says that this node leaves; the goodbye follows when nobody holds the peer any more.
    pub(crate) fn part(&self) {
        let mut life = self.life();
        if life.state < PeerState::Dead {
            life.is_parting = self.link.send(&Frame::Leaving, Vec::new()).is_ok();
            life.state = PeerState::Closed;
        }
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // last-word: nobody holds anything of this peer's any more.
        if self.life().is_parting {
            self.link.poke(&Frame::Goodbye);
        }
    }
}
