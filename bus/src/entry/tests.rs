//! Goal: what is sealed is what is verified; whatever else a peer writes is refused, without panic and within bounds.
//! Method: a heap lends to itself through read-only regions, as a peer would read it; random words for the rest.

use std::collections::HashMap;
use std::sync::Arc;

use ringway_shm::generation::Key;
use ringway_shm::heap::{Heap, HeapConfig};
use ringway_shm::region::PeerRegion;
use ringway_shm::segment::OwnSegment;
use ringway_shm::sync::{AtomicUsize, Ordering::Relaxed};
use ringway_shm::words::EntryWords;

use super::{
    EntryHeader, EntryKind, EntryToken, Expected, Sealed, Segments, Trust, Verified, VerifyError,
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
    assert_eq!(sealed.entry.has_block(), sealed.block.is_some());
    assert_eq!(
        sealed.entry.deadline(),
        if kind == EntryKind::Ask { 77 } else { 0 }
    );
    let owner = Arc::new(Owner::default());
    let expected = [Signature::of::<u8>(), Signature::of::<M>()];
    let verified = sealed
        .entry
        .verify(
            Expected::OneOf(&expected),
            &Mapped::of(heap),
            Some(owner.clone()),
        )
        .unwrap();
    let received = H::from_received(verified.envelope()).unwrap();
    (M::Semantics::receive(verified).unwrap(), received, owner)
}

#[test]
fn small_values_ride_inline() {
    let heap = heap();
    let (value, _, _) = send(
        EntryKind::Tell,
        Plain,
        Parcel::<[u64; 4]>::from_value([1, 2, 3, 4]),
        &heap,
    );
    assert_eq!(value, [1, 2, 3, 4]);
    let (value, _, _) = send(
        EntryKind::Ask,
        Plain,
        Parcel::<[u64; 3]>::from_value([1, 2, 3]),
        &heap,
    );
    assert_eq!(value, [1, 2, 3]);
    let (value, _, _) = send(
        EntryKind::Tell,
        Checked::default(),
        Parcel::<u64>::from_value(9),
        &heap,
    );
    assert_eq!(value, 9);
    send(EntryKind::Tell, Plain, Parcel::<()>::from_value(()), &heap);
    let text = "thirty-one bytes of plain text.";
    let (value, _, _) = send(
        EntryKind::Reply,
        Plain,
        Parcel::from_value(text.to_owned()),
        &heap,
    );
    assert_eq!(value, text);
    assert_eq!(heap.stats().allocated, 0, "all of these fit in an entry");
}

#[test]
fn larger_values_ride_in_blocks() {
    let heap = heap();
    let (value, _, owner) = send(
        EntryKind::Tell,
        Plain,
        Parcel::from_value(position()),
        &heap,
    );
    assert_eq!(value, position());
    assert_eq!(owner.count(), 1, "a value is read at once");
    // The deadline takes the place of the fourth word.
    let (value, _, _) = send(
        EntryKind::Ask,
        Plain,
        Parcel::<[u64; 4]>::from_value([1; 4]),
        &heap,
    );
    assert_eq!(value, [1; 4]);
    let text = Text {
        content: "x".repeat(100_000),
        priority: 2,
    };
    let copy = Text {
        content: text.content.clone(),
        priority: 2,
    };
    let (value, _, owner) = send(EntryKind::Ask, Plain, Parcel::from_value(text), &heap);
    assert_eq!((value, owner.count()), (copy, 1));
    assert_eq!(heap.stats().allocated, 3);
    assert_eq!(heap.stats().live(), 0, "nothing leaks");
}

#[test]
fn envelopes_return() {
    let heap = heap();
    let timed = Timed {
        timestamp: 1,
        deadline: 2,
        expiry: 3,
    };
    let traced = Traced::new(5 << 70 | 1, 6, 1);
    for kind in [EntryKind::Tell, EntryKind::Ask] {
        let (value, found, _) = send(kind, timed, Parcel::<u64>::from_value(4), &heap);
        assert_eq!((value, found), (4, timed));
        let (value, found, _) = send(kind, traced, Parcel::from_value(position()), &heap);
        assert_eq!((value, found), (position(), traced));
        let (value, found, _) = send(
            kind,
            Checked::default(),
            Parcel::from_value(position()),
            &heap,
        );
        assert_eq!(value, position());
        assert_ne!(found.checksum(), 0);
    }
    assert_eq!(heap.stats().live(), 0);
}

#[test]
fn slices_are_lent_with_their_header() {
    let heap = heap();
    let mut loan = Loan::<Frame>::in_block(&heap, 1000, Room::TELL).unwrap();
    loan.header_mut().sequence = 8;
    loan.copy_from_slice(&[7; 1000]);
    let before = heap.stats().allocated;
    let (lease, _, owner) = send(EntryKind::Tell, Plain, Parcel::Loan(loan), &heap);
    assert_eq!(heap.stats().allocated, before, "lent, not copied");
    assert_eq!((&lease[..], lease.header().sequence), (&[7; 1000][..], 8));
    assert_eq!(lease.as_ptr().align_offset(64), 0);
    assert_eq!(owner.count(), 0, "still read");
    drop(lease);
    assert_eq!(owner.count(), 1);
}

#[test]
fn an_empty_slice_is_a_message() {
    let heap = heap();
    let loan = Loan::<Frame>::in_block(&heap, 0, Room::TELL).unwrap();
    let (lease, _, _) = send(EntryKind::Tell, Plain, Parcel::Loan(loan), &heap);
    assert!(lease.is_empty());
    let loan = Loan::<BytesMessage<u8>>::private(0);
    let (lease, _, _) = send(EntryKind::Tell, Plain, Parcel::Loan(loan), &heap);
    assert!(lease.is_empty());
}

#[test]
fn a_loan_of_another_heap_is_copied() {
    let (heap, other) = (heap(), heap());
    let mut loan = Loan::<Frame>::in_block(&other, 100, Room::TELL).unwrap();
    loan.fill(3);
    let (lease, _, _) = send(EntryKind::Tell, Plain, Parcel::Loan(loan), &heap);
    assert_eq!(&lease[..], [3; 100]);
    assert_eq!((other.stats().live(), heap.stats().allocated), (0, 1));
}

#[test]
fn copied_values_are_checked_when_they_arrive() {
    let heap = heap();
    let (lease, _, _) = send(
        EntryKind::Tell,
        Plain,
        Parcel::from_value(CopyMessage('é')),
        &heap,
    );
    assert_eq!(*lease, 'é');
    let tokenized = pack(Parcel::from_value(CopyMessage('é')), &heap, Room::TELL);
    let mut sealed = EntryToken::seal(
        EntryHeader::new(EntryKind::Tell, None),
        Plain,
        tokenized,
        &heap,
    )
    .unwrap();
    sealed.entry.0[3] = 0xD800; // half of a surrogate pair
    let verified = sealed
        .entry
        .verify(Expected::Any, &Mapped::default(), None)
        .unwrap();
    let error =
        <Lease<CopyMessage<char>> as crate::message::Delivery>::receive(verified).unwrap_err();
    assert_eq!(
        error.to_string(),
        "4 bytes are not a value of CopyMessage<char>"
    );
}

#[test]
fn a_move_message_can_be_read_in_place() {
    let heap = heap();
    let tokenized = pack(Parcel::from_value(position()), &heap, Room::TELL);
    let sealed = EntryToken::seal(
        EntryHeader::new(EntryKind::Tell, None),
        Plain,
        tokenized,
        &heap,
    )
    .unwrap();
    let owner = Arc::new(Owner::default());
    let verified = sealed
        .entry
        .verify(Expected::Any, &Mapped::of(&heap), Some(owner.clone()))
        .unwrap();
    let lease = Lease::<Position>::receive(verified).unwrap();
    assert!(lease.is_borrowed());
    assert_eq!((*lease, owner.count()), (position(), 0));
    let loan = lease.into_loan();
    assert_eq!((*loan, owner.count()), (position(), 1));
}

fn receive_value<M: Message>(verified: Verified) -> M::Value {
    M::Semantics::receive_value(verified).unwrap()
}

#[test]
fn replies_are_received_as_values() {
    let heap = heap();
    let verify = |tokenized| {
        let header = EntryHeader::new(EntryKind::Reply, Some(Key::first(1)));
        let sealed = EntryToken::seal(header, Plain, tokenized, &heap).unwrap();
        sealed
            .entry
            .verify(Expected::Any, &Mapped::of(&heap), None)
            .unwrap()
    };
    let reply = pack(Parcel::from_value(CopyMessage(true)), &heap, Room::REPLY);
    let value = receive_value::<CopyMessage<bool>>(verify(reply));
    assert_eq!(value, CopyMessage(true));
    let reply = pack(
        Parcel::from_value(PublishMessage(position())),
        &heap,
        Room::REPLY,
    );
    let value = receive_value::<PublishMessage<Position>>(verify(reply));
    assert_eq!(value, PublishMessage(position()));
}

#[test]
fn what_was_not_taken_comes_back() {
    let heap = heap();
    let header = EntryHeader::new(EntryKind::Ask, Some(Key::first(1)));
    let text = Text {
        content: "again".repeat(20),
        priority: 3,
    };
    for room in [header.room::<Plain>(), header.room::<Timed>()] {
        let tokenized = pack(
            Parcel::from_value(Text {
                content: text.content.clone(),
                priority: 3,
            }),
            &heap,
            room,
        );
        let sealed = EntryToken::seal(header, Timed::default(), tokenized, &heap).unwrap();
        let parcel = Parcel::<Text>::from_entry(*sealed.entry.words(), sealed.block).unwrap();
        assert_eq!(parcel.into_value().unwrap(), text);
    }
    let tokenized = pack(Parcel::<u64>::from_value(5), &heap, header.room::<Plain>());
    let sealed = EntryToken::seal(header, Plain, tokenized, &heap).unwrap();
    assert!(
        Parcel::<i64>::from_entry(*sealed.entry.words(), None).is_none(),
        "another type"
    );
    let parcel = Parcel::<u64>::from_entry(*sealed.entry.words(), None).unwrap();
    assert_eq!(parcel.into_value().unwrap(), 5);
    let loan = Loan::<Frame>::in_block(&heap, 64, Room::TELL).unwrap();
    let tokenized = pack(Parcel::Loan(loan), &heap, Room::TELL);
    let sealed = EntryToken::seal(
        EntryHeader::new(EntryKind::Tell, None),
        Plain,
        tokenized,
        &heap,
    )
    .unwrap();
    let parcel = Parcel::<Frame>::from_entry(*sealed.entry.words(), sealed.block).unwrap();
    assert!(matches!(&parcel, Parcel::Loan(loan) if loan.len() == 64));
    drop(parcel);
    assert_eq!(heap.stats().live(), 0);
}

#[test]
fn tokens_are_tried_in_turn() {
    let heap = heap();
    let text = Text {
        content: "hello".into(),
        priority: 1,
    };
    let tokens: [crate::token::OwnedToken; 3] = [
        Move::tokenize(position(), &heap).unwrap().into(),
        Serial::tokenize(&text, &heap).unwrap().into(),
        crate::message::Copy::tokenize::<Frame>(&[1, 2, 3], &heap)
            .unwrap()
            .into(),
    ];
    let found = tokens.map(|token| {
        let token = token.into_received();
        if let Ok(position) = Move::detokenize::<Position>(&token) {
            format!("{}", position.x)
        } else if let Ok(text) = Serial::detokenize::<Text>(&token) {
            text.content
        } else {
            let lease = crate::message::Copy::detokenize::<Frame>(&token).unwrap();
            drop(token);
            format!("{:?}", &lease[..])
        }
    });
    assert_eq!(found, ["1", "hello", "[1, 2, 3]"]);
    assert_eq!(heap.stats().live(), 0);
}

#[test]
fn a_full_heap_gives_the_message_back() {
    let heap = Heap::new(HeapConfig {
        limit: 1 << 20,
        ..HeapConfig::default()
    });
    let content = "x".repeat(2 << 20);
    let error =
        <Serial as Semantics<String>>::pack(Parcel::from_value(content.clone()), &heap, Room::TELL)
            .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot tokenize a message of type String"
    );
    assert!(
        error.cause().to_string().contains("1048576"),
        "{}",
        error.cause()
    );
    assert_eq!(error.into_inner().into_value().unwrap(), content);
    let loan = Loan::<BytesMessage<u8>>::private(2 << 20);
    let error = <crate::message::Copy as Semantics<BytesMessage<u8>>>::pack(
        Parcel::Loan(loan),
        &heap,
        Room::TELL,
    )
    .unwrap_err();
    assert!(matches!(error.into_inner(), Parcel::Loan(loan) if loan.len() == 2 << 20));
    assert!(Loan::<BytesMessage<u64>>::in_block(&heap, usize::MAX, Room::TELL).is_err());
}

/// An entry of a [`Position`] in a block, and where to break it.
fn sealed_position<H: Envelope>(heap: &Heap, envelope: H) -> Sealed {
    let header = EntryHeader::new(EntryKind::Tell, Some(Key::first(1)));
    let tokenized = pack(Parcel::from_value(position()), heap, header.room::<H>());
    EntryToken::seal(header, envelope, tokenized, heap).unwrap()
}

#[test]
fn each_lie_is_told_by_name() {
    let heap = heap();
    let sealed = sealed_position(&heap, Plain);
    let segment_len = heap.segments()[0].segment.len();
    let expected = [Signature::of::<Position>()];
    let tag = expected[0].schema_tag;
    let refused = |change: &dyn Fn(&mut EntryWords)| {
        let mut words = *sealed.entry.words();
        change(&mut words);
        let owner = Arc::new(Owner::default());
        let entry = EntryToken::from_words(words);
        let result = entry.verify(
            Expected::OneOf(&expected),
            &Mapped::of(&heap),
            Some(owner.clone()),
        );
        let error = result.map(|it| *it.token()).unwrap_err();
        assert_eq!(owner.count(), 1, "the owner hears of a refused entry too");
        assert!(error.is_violation());
        error
    };
    let type_id = TypeId::of_name("none");
    type Change<'a> = &'a dyn Fn(&mut EntryWords);
    let cases: [(VerifyError, Change); 13] = [
        (VerifyError::Kind { bits: 0x40 }, &|words| words[2] &= !0x3F),
        (VerifyError::Envelope { bits: 9 }, &|words| {
            words[2] |= 9 << 8
        }),
        (VerifyError::SemanticsBits { bits: 0x7F }, &|words| {
            words[2] |= 0x7F << 16
        }),
        (VerifyError::NoType, &|words| words[1] = 0),
        (VerifyError::Type { type_id }, &|words| {
            words[1] = type_id.to_bits()
        }),
        (
            VerifyError::Schema {
                type_id: Position::TYPE_ID,
                expected: tag,
                found: tag ^ 1,
            },
            &|words| words[2] ^= 1 << 32,
        ),
        (VerifyError::InlineLen { len: 3, max: 0 }, &|words| {
            words[2] |= 3 << 24
        }),
        (VerifyError::Segment { bits: 0 }, &|words| words[3] = 0),
        (VerifyError::Segment { bits: 1 << 20 | 99 }, &|words| {
            words[3] = 1 << 20 | 99
        }),
        (VerifyError::Misaligned { offset: 8 }, &|words| words[4] = 8),
        (
            VerifyError::OutOfBounds {
                offset: segment_len,
                len: 40,
                segment_len,
            },
            &|words| words[4] = segment_len,
        ),
        (
            VerifyError::OutOfBounds {
                offset: 0,
                len: u64::MAX,
                segment_len,
            },
            &|words| (words[4], words[5]) = (0, u64::MAX),
        ),
        (
            VerifyError::OutOfBounds {
                offset: u64::MAX - 63,
                len: 64,
                segment_len,
            },
            &|words| (words[4], words[5]) = (u64::MAX - 63, 64),
        ),
    ];
    for (expected, change) in cases {
        assert_eq!(refused(change), expected);
    }
    // A wrong length within bounds is no value.
    let mut words = *sealed.entry.words();
    words[5] -= 1;
    let verified = EntryToken::from_words(words)
        .verify(Expected::Any, &Mapped::of(&heap), None)
        .unwrap();
    let error = <Move as Semantics<Position>>::receive(verified).unwrap_err();
    assert!(
        matches!(
            error,
            crate::token::DetokenizeError::Invalid { len: 39, .. }
        ),
        "{error}"
    );
}

#[test]
fn inline_lies_are_told_by_name() {
    let heap = heap();
    let verify = |header: EntryHeader, change: u64| {
        let tokenized = pack(Parcel::<u64>::from_value(5), &heap, Room::ASK);
        let mut sealed = EntryToken::seal(header, Plain, tokenized, &heap).unwrap();
        sealed.entry.0[2] ^= change;
        sealed
            .entry
            .verify(Expected::Any, &Mapped::default(), None)
            .map(|it| it.token().len())
    };
    let (tell, ask) = (
        EntryHeader::new(EntryKind::Tell, None),
        EntryHeader::new(EntryKind::Ask, None),
    );
    assert_eq!(verify(tell, 0), Ok(8));
    assert_eq!(
        verify(tell, (8 ^ 33) << 24),
        Err(VerifyError::InlineLen { len: 33, max: 32 })
    );
    assert_eq!(
        verify(ask, (8 ^ 25) << 24),
        Err(VerifyError::InlineLen { len: 25, max: 24 })
    );
    assert_eq!(
        verify(tell, (8 ^ 255) << 24),
        Err(VerifyError::InlineLen { len: 255, max: 32 })
    );
    let envelope = EnvelopeKind::Timed;
    assert_eq!(verify(tell, 1 << 8), Err(VerifyError::NoBlock { envelope }));
    let checked = verify(tell, 2 << 8);
    assert!(
        matches!(checked, Err(VerifyError::Checksum { found: 0, .. })),
        "{checked:?}"
    );
}

#[test]
fn a_changed_byte_is_found_by_its_checksum() {
    let heap = heap();
    for kind in [EntryKind::Tell, EntryKind::Ask] {
        let header = EntryHeader::new(kind, Some(Key::first(1)));
        let tokenized = pack(
            Parcel::from_value(position()),
            &heap,
            header.room::<Checked>(),
        );
        let Sealed { entry, block } =
            EntryToken::seal(header, Checked::default(), tokenized, &heap).unwrap();
        let verify = |entry: EntryToken| {
            entry
                .verify(Expected::Any, &Mapped::of(&heap), None)
                .map(|it| *it.token())
        };
        assert!(verify(entry).is_ok());
        for (word, bit) in [(0, 0), (1, 3), (2, 40)] {
            let mut changed = entry;
            changed.0[word] ^= 1 << bit;
            assert!(
                matches!(verify(changed), Err(VerifyError::Checksum { .. })),
                "word {word}"
            );
        }
        let mut block = block.unwrap();
        let last = block.len() - 1;
        block.bytes_mut()[last] ^= 1;
        assert!(
            matches!(verify(entry), Err(VerifyError::Checksum { .. })),
            "a byte of the payload"
        );
    }
}

#[test]
fn untrusted_payloads_are_private_copies() {
    let heap = heap();
    let mut sealed = sealed_position(&heap, Plain);
    let mapped = Mapped {
        trust: Trust::Untrusted,
        ..Mapped::of(&heap)
    };
    let owner = Arc::new(Owner::default());
    let verified = sealed
        .entry
        .verify(Expected::Any, &mapped, Some(owner.clone()))
        .unwrap();
    assert_eq!(owner.count(), 1, "the block goes back at once");
    let lease = Lease::<Position>::receive(verified).unwrap();
    assert!(!lease.is_borrowed());
    sealed.block.as_mut().unwrap().bytes_mut().fill(0xFF);
    assert_eq!(
        *lease,
        position(),
        "a change by the owner changes nothing here"
    );
}

#[test]
fn shared_tokens_complete_once() {
    let heap = heap();
    let sealed = sealed_position(&heap, Plain);
    let owner = Arc::new(Owner::default());
    let verified = sealed
        .entry
        .verify(Expected::Any, &Mapped::of(&heap), Some(owner.clone()))
        .unwrap();
    let token = crate::token::ReceivedToken::new(verified);
    assert_eq!(token.detokenize::<Position>().unwrap(), position());
    assert!(token.detokenize::<MoveMessage<u64>>().is_err());
    let again = token.clone();
    drop(token);
    assert_eq!(owner.count(), 0);
    drop(again);
    assert_eq!(owner.count(), 1);
}

/// xorshift64*, by George Marsaglia and Sebastiano Vigna: numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick<const N: usize>(&mut self, values: [u64; N]) -> u64 {
        values[usize::try_from(self.below(N as u64)).unwrap()]
    }

    /// Often a value where things break.
    fn edge(&mut self, near: u64) -> u64 {
        match self.below(5) {
            0 => self.next(),
            1 => u64::MAX - self.below(130),
            2 => near.wrapping_add(self.below(130)).wrapping_sub(65),
            3 => self.below(near.max(1)) & !63,
            _ => self.below(256),
        }
    }
}

#[test]
fn any_words_are_refused_or_within_bounds() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let segments: Vec<_> = (1..4)
        .map(|pages| OwnSegment::create("random", pages * 4096).unwrap())
        .collect();
    let mut mapped = Mapped::default();
    for (index, segment) in segments.iter().enumerate() {
        let key = Key::first(u32::try_from(index).unwrap());
        mapped.regions.insert(key, segment.region().read_only());
    }
    let mut accepted = 0;
    for round in 0..200_000 {
        mapped.trust = if round % 2 == 0 {
            Trust::Cooperative
        } else {
            Trust::Untrusted
        };
        let segment_len = 4096 * (1 + random.below(3));
        let mut words: EntryWords = core::array::from_fn(|_| random.edge(segment_len));
        if random.below(2) == 0 {
            words[2] = random.pick([1, 2, 3, 16])
                | random.below(2) << 6
                | random.below(5) << 8
                | random.below(5) << 16
                | random.below(34) << 24;
            words[3] = Key::first(u32::try_from(random.below(4)).unwrap()).to_bits();
        }
        let entry = EntryToken::from_words(words);
        let _ = (
            format!("{entry:?}"),
            entry.op(),
            entry.deadline(),
            entry.has_more(),
        );
        let _ = EntryToken::unseal(words, None);
        let Ok(verified) = entry.verify(Expected::Any, &mapped, None) else {
            continue;
        };
        accepted += 1;
        check_place(&verified, &segments);
        decode_as_anything(verified);
    }
    assert!(
        accepted > 5_000,
        "{accepted} accepted: the test looks at too little"
    );
}

/// The token lies within the segment that it names, and the bytes there too, unless they were copied.
fn check_place(verified: &Verified, segments: &[OwnSegment]) {
    let token = verified.token();
    assert_eq!(token.len(), verified.bytes().len() as u64);
    let Place::Block { segment, offset } = token.place() else {
        assert!(token.len() <= 32);
        return;
    };
    let region = segments[segment.index() as usize].region();
    assert!(offset.checked_add(token.len()).unwrap() <= region.len());
    let start = verified.bytes().as_ptr().addr();
    let base = region.as_ptr().addr().get();
    assert!(
        start == base + usize::try_from(offset).unwrap()
            || !(base..base + usize::try_from(region.len()).unwrap()).contains(&start)
    );
}

/// A payload that claims to be of a type is a value of it or an error.
fn decode_as_anything(verified: Verified) {
    fn receive<M: Message + ?Sized>(token: Token, payload: &Arc<Payload>) {
        let payload = Payload::whole(Held::Shared(Arc::clone(payload)));
        let _ = M::Semantics::receive(Verified::own(token, payload).retyped::<M>());
    }
    let (token, payload) = verified.into_parts();
    let payload = Arc::new(payload);
    receive::<Position>(token, &payload);
    receive::<Text>(token, &payload);
    receive::<Frame>(token, &payload);
    receive::<BytesMessage<u64>>(token, &payload);
    receive::<CopyMessage<char>>(token, &payload);
    receive::<Vec<Option<(u8, String)>>>(token, &payload);
    receive::<[bool; 7]>(token, &payload);
}
