//! What the tests of entries share: a heap that lends to itself through read-only regions, as a peer would read it.

mod any_words;
mod behind;
mod refused;
mod sent;

use std::collections::HashMap;
use std::sync::Arc;

use ringway_shm::generation::Key;
use ringway_shm::heap::{Heap, HeapConfig};
use ringway_shm::region::PeerRegion;
use ringway_shm::segment::OwnSegment;
use ringway_shm::sync::{AtomicUsize, Ordering::Relaxed};
use ringway_shm::words::EntryWords;

use super::{
    Beside, EntryHeader, EntryKind, EntryToken, Expected, Sealed, Segments, Trust, Verified,
    VerifyError,
};
use crate::envelope::{Checked, Envelope, EnvelopeKind, Plain, Timed, Traced};
use crate::lease::{Held, Lease, LeaseOwner, Payload};
use crate::loan::Loan;
use crate::message::{BytesMessage, CopyMessage, Message, MoveMessage, Parcel, Semantics, TypeId};
use crate::prelude::*;
use crate::token::{Place, Room, Signature, Token, Tokenized};

#[derive(Message, Clone, Copy, Pod, Zeroable, Debug, PartialEq)]
#[message(move)]
#[repr(C)]
struct Position {
    x: f64,
    y: f64,
    z: f64,
    name: [u8; 16],
}

#[derive(Message, Serialize, Deserialize, Debug, PartialEq)]
#[message(serial)]
struct Text {
    content: String,
    priority: u8,
}

#[derive(Schema, Pod, Zeroable, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct FrameInfo {
    sequence: u64,
}

#[derive(Message)]
#[message(copy, header = FrameInfo)]
#[repr(transparent)]
struct Frame([u16]);

/// One peer's segments, as its reader has mapped them.
#[derive(Default)]
struct Mapped {
    regions: HashMap<Key, PeerRegion>,
    trust: Trust,
}

impl Mapped {
    fn of(heap: &Heap) -> Self {
        let segments = heap.segments();
        let regions = segments
            .iter()
            .map(|it| (it.key, it.segment.region().read_only()))
            .collect();
        Self {
            regions,
            trust: Trust::Cooperative,
        }
    }
}

impl Segments for Mapped {
    fn segment(&self, key: Key) -> Option<PeerRegion> {
        self.regions.get(&key).cloned()
    }

    fn trust(&self) -> Trust {
        self.trust
    }
}

#[derive(Default)]
struct Owner(AtomicUsize);

impl Owner {
    fn count(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl LeaseOwner for Owner {
    fn completed(&self) {
        self.0.fetch_add(1, Relaxed); // one thread
    }
}

fn heap() -> Heap {
    Heap::new(HeapConfig::default())
}

fn pack<M: Message + ?Sized>(parcel: Parcel<M>, heap: &Heap, room: Room) -> Tokenized {
    M::Semantics::pack(parcel, heap, room).unwrap()
}

fn position() -> Position {
    Position {
        x: 1.0,
        y: -2.0,
        z: 3.5,
        name: *b"the end effector",
    }
}

/// Seals a message, then verifies and receives it as a peer would; the arrival, its envelope, and its owner.
#[track_caller]
fn send<M: Message + ?Sized, H: Envelope>(
    kind: EntryKind,
    envelope: H,
    parcel: Parcel<M>,
    heap: &Heap,
) -> (M::Arrival, H, Arc<Owner>) {
    let header = EntryHeader {
        deadline: 77,
        ..EntryHeader::new(kind, Some(Key::first(3)))
    };
    let tokenized = pack(parcel, heap, header.room::<H>());
    let sealed = EntryToken::seal(header, envelope, tokenized, heap).unwrap();
    assert_eq!(
        sealed.entry.has_block(),
        matches!(sealed.beside, Beside::Block(_))
    );
    assert_eq!(
        sealed.entry.deadline(),
        if kind == EntryKind::Ask { 77 } else { 0 }
    );
    let owner = Arc::new(Owner::default());
    let expected = [Signature::of::<u8>(), Signature::of::<M>()];
    let verified = sealed
        .entry
        .verify_lent(
            Expected::OneOf(&expected),
            &Mapped::of(heap),
            Some(owner.clone()),
        )
        .unwrap();
    let received = H::from_received(verified.envelope()).unwrap();
    (M::Semantics::receive(verified).unwrap(), received, owner)
}
