//! Goal: payloads that go on behind their entries arrive as they were, and lies about them are refused.

use super::*;
use crate::entry::BEHIND;
use crate::message::{Delivery, Fill, InPlace};
use crate::token::{DetokenizeError, Long};

const ROOM: Room = Room::ASK.or_behind(528);

fn header(kind: EntryKind) -> EntryHeader {
    EntryHeader {
        deadline: 77,
        ..EntryHeader::new(kind, Some(Key::first(3)))
    }
}

/// Seals a message and takes its slots as a receiver would.
#[track_caller]
fn slots<M: Message + ?Sized>(parcel: Parcel<M>, heap: &Heap) -> (EntryToken, Long) {
    let tokenized = pack(parcel, heap, ROOM);
    let sealed = EntryToken::seal(header(EntryKind::Ask), Plain, tokenized, heap).unwrap();
    let Beside::Long(long) = sealed.beside else {
        panic!("it was to go on behind its entry, not {:?}", sealed.beside);
    };
    assert_eq!(
        (sealed.entry.deadline(), sealed.entry.has_block()),
        (77, false)
    );
    (sealed.entry, Long::of_slots(long.slots().iter().copied()))
}

#[track_caller]
fn verified<M: Message + ?Sized>(parcel: Parcel<M>, heap: &Heap) -> Verified {
    let (entry, long) = slots(parcel, heap);
    let expected = [Signature::of::<u8>(), Signature::of::<M>()];
    entry.verify_long(Expected::OneOf(&expected), long).unwrap()
}

fn text(len: usize) -> Text {
    Text {
        content: "é".repeat(len / 2),
        priority: 3,
    }
}

#[test]
fn values_arrive() {
    let heap = heap();
    let received = verified(Parcel::from_value(position()), &heap);
    assert_eq!(
        <Move as Semantics<Position>>::receive(received).unwrap(),
        position()
    );
    for len in (30..=520).step_by(2) {
        let received = verified(Parcel::from_value(text(len)), &heap);
        assert_eq!(
            <Serial as Semantics<Text>>::receive(received).unwrap(),
            text(len)
        );
    }
    assert_eq!(heap.stats().allocated, 0, "none of these needs a block");
}

// Goal: what is read in place lies where its type may, also one that is aligned more than slots are.
#[test]
fn leases_are_aligned() {
    fn there<M: InPlace + ?Sized>(items: usize) -> Lease<M>
    where
        M::Access: Fill<M::View>,
    {
        let loan = Loan::<M>::for_entry(&heap(), items, ROOM).unwrap();
        let verified = verified(Parcel::Loan(loan), &heap());
        <Lease<M> as Delivery>::receive(verified).unwrap()
    }
    assert_eq!(there::<Frame>(100).len(), 100);
    assert_eq!(there::<BytesMessage<u64>>(40).len(), 40);
    assert_eq!(there::<BytesMessage<u8>>(333).len(), 333);

    #[derive(Clone, Copy, Pod, Zeroable, Schema)]
    #[repr(C, align(16))]
    struct Wide([u64; 2]);
    let heap = heap();
    let loan = Loan::<BytesMessage<Wide>>::for_entry(&heap, 4, ROOM).unwrap();
    let tokenized = pack(Parcel::Loan(loan), &heap, ROOM);
    assert!(matches!(tokenized.token().place(), Place::Block { .. }));
    let wide = Parcel::from_value(MoveMessage([Wide([7; 2]); 3]));
    let tokenized = pack(wide, &heap, ROOM);
    assert!(matches!(tokenized.token().place(), Place::Block { .. }));
    // A sender that sends it so all the same is told that it is no value, or it is one: nothing else can happen.
    let bytes: &[u8] = bytemuck::bytes_of(&[7u64; 6]);
    let long = Tokenized::long::<MoveMessage<[Wide; 3]>>(Long::of_bytes(bytes).unwrap());
    match <Move as Semantics<MoveMessage<[Wide; 3]>>>::receive(long.into_verified()) {
        Ok(value) => assert_eq!(value.0[2].0, [7; 2]),
        Err(error) => assert!(matches!(error, DetokenizeError::Invalid { .. })),
    }
    let long = Tokenized::long::<BytesMessage<Wide>>(Long::of_bytes(bytes).unwrap());
    let lease = <Lease<BytesMessage<Wide>> as Delivery>::receive(long.into_verified()).unwrap();
    assert_eq!(lease[2].0, [7; 2]);
}

// Goal: a loan that was made to go behind its entry, then cut, goes there as it is now, or inline.
#[test]
fn cut_loans() {
    let heap = heap();
    let loan = || Loan::<BytesMessage<u8>>::for_entry(&heap, 300, ROOM).unwrap();
    let mut cut = loan();
    cut.fill(9);
    cut.truncate(100);
    let received = verified(Parcel::Loan(cut), &heap);
    let lease = <Lease<BytesMessage<u8>> as Delivery>::receive(received).unwrap();
    assert_eq!(lease[..], [9; 100]);
    let mut short = loan();
    short.truncate(5);
    let tokenized = pack(Parcel::Loan(short), &heap, ROOM);
    assert!(matches!(tokenized.body, crate::token::Body::Inline(_)));
    let tokenized = pack(Parcel::Loan(loan()), &heap, Room::TELL);
    assert!(
        matches!(tokenized.token().place(), Place::Block { .. }),
        "there is no room behind"
    );
}

// Goal: an envelope that needs a line, and a completion, have their payloads in blocks.
#[test]
fn others_go_into_blocks() {
    let heap = heap();
    let seal = |kind| {
        let tokenized = pack(Parcel::from_value(position()), &heap, ROOM);
        EntryToken::seal(header(kind), Plain, tokenized, &heap)
            .unwrap()
            .beside
    };
    assert!(matches!(seal(EntryKind::Tell), Beside::Long(_)));
    assert!(matches!(seal(EntryKind::Reply), Beside::Block(_)));
    let tokenized = pack(Parcel::from_value(position()), &heap, ROOM);
    let timed = EntryToken::seal(header(EntryKind::Tell), Timed::default(), tokenized, &heap);
    assert!(matches!(timed.unwrap().beside, Beside::Block(_)));
    let tokenized = pack(Parcel::from_value(position()), &heap, ROOM);
    let checked = EntryToken::seal(
        header(EntryKind::Tell),
        Checked::default(),
        tokenized,
        &heap,
    );
    assert!(matches!(checked.unwrap().beside, Beside::Block(_)));
}

// Goal: what never was taken comes back; and what found no room behind its entry says the same from a block.
#[test]
fn come_back() {
    let heap = heap();
    let (entry, long) = slots(Parcel::from_value(text(200)), &heap);
    let back = Parcel::<Text>::from_entry(*entry.words(), Beside::Long(long)).unwrap();
    assert_eq!(back.into_value().unwrap(), text(200));

    let tokenized = pack(Parcel::from_value(text(200)), &heap, ROOM);
    let sealed = EntryToken::seal(header(EntryKind::Ask), Plain, tokenized, &heap).unwrap();
    let Beside::Long(long) = sealed.beside else {
        panic!()
    };
    let (entry, block) = sealed.entry.move_to_block(&long, &heap).unwrap();
    assert_eq!((entry.deadline(), entry.op()), (77, Some(Key::first(3))));
    let verified = entry
        .verify_lent(Expected::Any, &Mapped::of(&heap), None)
        .unwrap();
    assert_eq!(
        <Serial as Semantics<Text>>::receive(verified).unwrap(),
        text(200)
    );
    let back = Parcel::<Text>::from_entry(*entry.words(), Beside::Block(block)).unwrap();
    assert_eq!(back.into_value().unwrap(), text(200));
}

// Goal: each lie about what lies behind an entry is refused, and so is one that is not there.
#[test]
fn lies_are_refused() {
    let heap = heap();
    let (entry, _) = slots(Parcel::from_value(text(200)), &heap);
    let verify = |change: &dyn Fn(&mut EntryWords), slots: usize| {
        let mut words = *entry.words();
        change(&mut words);
        let long = Long::of_slots(vec![[1; 7]; slots].into_iter());
        EntryToken::from_words(words).verify_long(Expected::Any, long)
    };
    assert!(verify(&|_| {}, 4).is_ok());
    assert!(
        verify(&|_| {}, 254).is_ok(),
        "longer than any of ours, and a payload still"
    );
    let last =
        |len: u64| move |words: &mut EntryWords| words[2] = words[2] & !(0xFF << 24) | len << 24;
    for len in [0, 1, 32, 56, 127, 128, 128 + 57, 255] {
        let error = verify(&last(len), 4).unwrap_err();
        assert!(
            matches!(error, VerifyError::InlineLen { .. }),
            "{len}: {error}"
        );
    }
    assert!(verify(&last(128 + 56), 4).is_ok());
    let envelope =
        |bits: u64| move |words: &mut EntryWords| words[2] = words[2] & !(0xFF << 8) | bits << 8;
    let checked = u64::from(EnvelopeKind::Checked.to_bits());
    assert!(matches!(
        verify(&envelope(checked), 4),
        Err(VerifyError::Behind { .. })
    ));
    assert!(matches!(
        verify(&envelope(0xEE), 4),
        Err(VerifyError::Envelope { .. })
    ));
    assert!(matches!(
        verify(&|words| words[2] |= 0x40, 4),
        Err(VerifyError::Behind { .. })
    ));
    assert!(matches!(
        verify(&|words| words[1] = 0, 4),
        Err(VerifyError::NoType)
    ));
    // Without the slots that it says it has.
    let lone = entry.verify_lent(Expected::Any, &Mapped::of(&heap), None);
    assert!(matches!(lone, Err(VerifyError::InlineLen { .. })));
    assert!(entry.verify_simple(Expected::Any).is_none());
    assert_eq!(
        usize::from(entry.words()[2].to_le_bytes()[3] & BEHIND),
        0x80
    );
}
