//! All urings between this node and one peer, in both directions, and the words about them on the peering's socket.
//!
//! Urings are named by their submitter: the name is a key of the submitter's own table, so it is never used twice.
//!
//! ```text
//! submitter                                completer
//!    | Open { uring, target, types, place }    |
//!    |---------------------------------------->|  checks target, types, sizes; makes its half
//!    |<----------------------------------------|  Opened { uring, place }  or  Refused { uring, why }
//!    |               ... entries ...           |
//!    | Close { uring }                         |  the last address is gone: what is there is handled, then
//!    |---------------------------------------->|
//!    |<----------------------------------------|  Closed { uring, reason }   (also when the actor ends first)
//!    | Released { uring }                      |  no op is in flight: both halves may be used again
//!    |---------------------------------------->|
//! ```

pub(crate) mod agree;
mod faults;
mod held;
pub(crate) mod notes;
pub(crate) mod open;
mod table;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ringway_shm::block::Block;
use ringway_shm::error::Violation;
use ringway_shm::generation::Key;
use ringway_shm::lane::Peek;
use ringway_shm::layout::NotesLayout;
use ringway_shm::region::PeerRegion;
use ringway_shm::sync::Ordering::Relaxed;
use ringway_shm::sync::{AtomicBool, AtomicU64, AtomicUsize};

use self::held::{Held, Holding};
use self::notes::{Noted, NotesIn, NotesOut};
use self::table::{NameGiver, Table};
use self::wire::{Place, UringWord};
use crate::access;
use crate::actor::link::PeerLife;
use crate::entry::{Segments, Trust};
use crate::exit::ExitReason;
use crate::frame::{UringFrame, WireKey};
use crate::inbox::InboxLane;
use crate::peering::{NodeId, Peer};
use crate::remote::RemoteEnd;
use crate::rings::RingSpan;
use crate::topics::SubscriberEnd;
use crate::trace::warning;

/// Notes read at one look; a peer that writes more has its turn again with the next.
const NOTES_PER_LOOK: u32 = 1024;

/// The urings between this node and one peer.
pub(crate) struct PeerUrings {
    peer: Arc<Peer>,
    /// Lanes on which the peer submits to this node.
    lanes: Mutex<Table<Arc<InboxLane>>>,
    /// Ends at which this node submits to the peer.
    ends: Mutex<Table<Weak<RemoteEnd>>>,
    /// Subscribers of this node, by what the peer's notes call them.
    feeds: Mutex<Table<Weak<SubscriberEnd>>>,
    names: Mutex<NameGiver>,
    notes_out: Mutex<NotesOut>,
    notes_in: Mutex<NotesIn>,
    held: Mutex<Held>,
    /// Rings in `notes_in`, for the driver, which looks through their peekers while no note comes.
    rings_in: AtomicUsize,
    is_left: AtomicBool,
    /// Bytes of this node's memory in lanes that still have it, also those that are in `lanes` no more.
    lane_bytes: AtomicU64,
    life: Arc<PeerLife>,
}

/// The segments of one peer's heap.
pub(crate) struct HeapOf<'a>(&'a Peer);

impl Segments for HeapOf<'_> {
    fn segment(&self, key: Key) -> Option<PeerRegion> {
        Some(self.0.heap_segment(key)?.region())
    }

    fn trust(&self) -> Trust {
        match self.0.identity().trust {
            access::Trust::Cooperative => Trust::Cooperative,
            access::Trust::Untrusted => Trust::Untrusted,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PeerUrings {
    pub(crate) fn new(peer: &Arc<Peer>) -> Arc<Self> {
        Arc::new(Self {
            peer: Arc::clone(peer),
            lanes: Mutex::default(),
            ends: Mutex::default(),
            feeds: Mutex::default(),
            names: Mutex::default(),
            notes_out: Mutex::default(),
            notes_in: Mutex::default(),
            held: Mutex::default(),
            rings_in: AtomicUsize::new(0),
            is_left: AtomicBool::new(false),
            lane_bytes: AtomicU64::new(0),
            life: Arc::default(),
        })
    }

    pub(crate) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    pub(crate) fn id(&self) -> NodeId {
        self.peer.id()
    }

    /// Its life, for those who are linked to its actors.
    pub(crate) fn life(&self) -> &Arc<PeerLife> {
        &self.life
    }

    /// The peer's heap, as this process has mapped it.
    pub(crate) fn segments(&self) -> HeapOf<'_> {
        HeapOf(&self.peer)
    }

    /// Whether the peer has mapped that segment of this node's heap.
    pub(crate) fn has_acknowledged(&self, block: &Block) -> bool {
        block.is_acknowledged(self.peer.slot())
    }

    pub(crate) fn slot(&self) -> u16 {
        self.peer.slot()
    }

    pub(crate) fn name(&self) -> &str {
        self.peer.name()
    }

    pub(crate) fn bell_fd(&self) -> BorrowedFd<'_> {
        self.peer.bell_fd()
    }

    pub(crate) fn clear_bell(&self) {
        if let Err(error) = self.peer.clear_bell() {
            warning!(peer = self.name(), %error, "a bell cannot be cleared");
            let _ = error;
        }
    }

    /// Wakes the peer's driver if it sleeps.
    pub(crate) fn ring_bell(&self) {
        self.peer.ring_bell();
    }

    /// The peer is dead, or this node has left it: nothing of it is watched any more.
    pub(crate) fn is_gone(&self) -> bool {
        // Relaxed: a flag that ends the watching, sooner or later.
        self.is_left.load(Relaxed) || self.peer.is_dead()
    }

    /// The peer's process is known to be dead, or it has said goodbye: nobody there hears anything.
    pub(crate) fn is_dead(&self) -> bool {
        self.peer.is_dead()
    }

    /// This node leaves: nothing of the peer's is held any more, but what leases hold.
    pub(crate) fn leave(&self, reason: &ExitReason) -> Vec<Block> {
        // Relaxed: as above.
        self.is_left.store(true, Relaxed);
        let lent = self
            .ends()
            .iter()
            .flat_map(|end| end.abandon(reason))
            .collect();
        lock(&self.ends).by_key.clear();
        self.take_lanes().iter().for_each(|lane| lane.close(reason));
        *lock(&self.notes_out) = NotesOut::default();
        *lock(&self.notes_in) = NotesIn::default();
        lent
    }

    /// What to add to a time on the peer's clock to have it on ours, in nanoseconds.
    pub(crate) fn clock_offset(&self) -> i64 {
        self.peer.identity().clock_offset_ns
    }

    /// Writes a note: the peer stopped watching this uring and must look at it again.
    pub(crate) fn note(&self, uring: Key) {
        let noted = lock(&self.notes_out).note(uring);
        match noted {
            Ok(Noted::InRing) => {}
            Ok(Noted::Nowhere) => self.say(&UringWord::Look {
                uring: WireKey(uring),
            }),
            Err(violation) => self.violation(violation),
        }
    }

    /// Reads the peer's notes and hands out the lanes that they name.
    pub(crate) fn read_notes(&self, found: impl FnMut(Arc<InboxLane>)) {
        let mut woken = Vec::new();
        self.sort_notes(found, &mut woken);
        // Outside the lock: who waits for samples is the user's code.
        woken.iter().for_each(|(note, feed)| feed.noted(*note));
    }

    fn sort_notes(
        &self,
        mut found: impl FnMut(Arc<InboxLane>),
        woken: &mut Vec<(Key, Arc<SubscriberEnd>)>,
    ) {
        let mut notes = lock(&self.notes_in);
        for _ in 0..NOTES_PER_LOOK {
            match notes.next() {
                Ok(Some(uring)) => {
                    // A note for a uring that was closed meanwhile names nothing any more.
                    if let Some(lane) = self.lane(uring) {
                        found(lane);
                    } else if let Some(feed) = self.feed(uring) {
                        woken.push((uring, feed));
                    }
                }
                Ok(None) => return,
                Err(violation) => {
                    drop(notes);
                    self.violation(violation);
                    if self.is_cut_off() {
                        lock(&self.notes_in).stop();
                    }
                    return;
                }
            }
        }
    }

    /// Says something about a uring on the socket.
    pub(crate) fn say(&self, word: &UringWord) {
        match UringFrame::encode(word) {
            // A closed link says so to the control thread; what was to be said ends with it.
            Ok(frame) => drop(self.peer.send(frame)),
            Err(error) => {
                warning!(peer = self.name(), %error, "a word about a uring has no frame");
                let _ = error;
            }
        }
    }

    /// Keeps a word back that names a ring segment which this process was too poor to map yet.
    pub(crate) fn hold(&self, word: UringWord) -> Holding {
        let is_awaited = |place: &Place| self.peer.awaits_ring_segment(place.segment.0);
        lock(&self.held).hold(word, is_awaited)
    }

    /// The words kept back, those about one uring in order.
    pub(crate) fn take_held(&self) -> Vec<UringWord> {
        lock(&self.held).take()
    }

    /// A name that was given to a reader of this node's and not to a uring is not written in notes any more.
    pub(crate) fn forget_note(&self, note: Key) {
        lock(&self.names).free.push(note.index());
        lock(&self.notes_out).uncount();
    }

    pub(crate) fn notes_out(&self) -> MutexGuard<'_, NotesOut> {
        lock(&self.notes_out)
    }

    /// Reads a further note ring of the peer's; see [`NotesIn::add`].
    pub(crate) fn add_note_ring(
        &self,
        theirs: &PeerRegion,
        layout: NotesLayout,
        span: RingSpan,
    ) -> Result<(), Violation> {
        let mut notes = lock(&self.notes_in);
        notes.add(theirs, layout, span)?;
        // Relaxed: a hint; the driver's look before it sleeps takes the lock.
        self.rings_in.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Brings a driver's peekers up to date; costs one load when no ring was added.
    pub(crate) fn refresh(&self, peekers: &mut Vec<Peek<1>>) {
        // Relaxed: as above.
        if self.rings_in.load(Relaxed) != peekers.len() {
            *peekers = lock(&self.notes_in).peekers();
        }
    }
}

impl std::fmt::Debug for PeerUrings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeerUrings")
            .field("peer", &self.peer.name())
            .finish_non_exhaustive()
    }
}
