//! Goal: what is sealed arrives as it was, lies where it should, and goes back once.

use super::*;
use crate::message::Delivery;

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
    let tokenized = pack(Parcel::<[u64; 4]>::from_value([1; 4]), &heap, Room::ASK);
    assert!(matches!(tokenized.token().place(), Place::Block { .. }));
    drop(tokenized);
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
    assert_eq!(heap.stats().allocated, 4);
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
fn a_loan_is_sent_as_long_as_it_is() {
    let heap = heap();
    for loan in [
        Loan::<Frame>::in_block(&heap, 1000, Room::TELL).unwrap(),
        Loan::private(1000).unwrap(),
    ] {
        let mut loan = loan;
        loan.fill(9);
        loan.truncate(2000);
        assert_eq!(loan.len(), 1000);
        loan.truncate(100);
        let (lease, _, _) = send(EntryKind::Tell, Plain, Parcel::Loan(loan), &heap);
        assert_eq!(&lease[..], [9; 100]);
    }
}

#[test]
fn an_empty_slice_is_a_message() {
    let heap = heap();
    let loan = Loan::<Frame>::in_block(&heap, 0, Room::TELL).unwrap();
    let (lease, _, _) = send(EntryKind::Tell, Plain, Parcel::Loan(loan), &heap);
    assert!(lease.is_empty());
    let loan = Loan::<BytesMessage<u8>>::private(0).unwrap();
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
        .verify_lent(Expected::Any, &Mapped::default(), None)
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
        .verify_lent(Expected::Any, &Mapped::of(&heap), Some(owner.clone()))
        .unwrap();
    let lease = Lease::<Position>::receive(verified).unwrap();
    assert!(lease.is_borrowed());
    assert_eq!((*lease, owner.count()), (position(), 0));
    let loan = lease.into_loan();
    assert_eq!((*loan, owner.count()), (position(), 1));
}

// Goal: who looks at an entry that is not meant for it gets a copy, whatever trust its sender has.
#[test]
fn an_onlooker_gets_a_copy() {
    let heap = heap();
    let tokenized = pack(Parcel::from_value(position()), &heap, Room::TELL);
    let header = EntryHeader::new(EntryKind::Tell, None);
    let sealed = EntryToken::seal(header, Plain, tokenized, &heap).unwrap();
    let verified = sealed.entry.verify(&Mapped::of(&heap)).unwrap();
    assert_eq!(verified.token().len(), size_of::<Position>() as u64);
    let lease = Lease::<Position>::receive(verified).unwrap();
    assert_eq!((lease.is_borrowed(), *lease), (false, position()));
    let error = sealed.entry.verify(&Mapped::default()).unwrap_err();
    assert!(matches!(error, VerifyError::Segment { .. }), "{error}");
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
            .verify_lent(Expected::Any, &Mapped::of(&heap), None)
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
        let parcel = Parcel::<Text>::from_entry(*sealed.entry.words(), sealed.beside).unwrap();
        assert_eq!(parcel.into_value().unwrap(), text);
    }
    let tokenized = pack(Parcel::<u64>::from_value(5), &heap, header.room::<Plain>());
    let sealed = EntryToken::seal(header, Plain, tokenized, &heap).unwrap();
    assert!(
        Parcel::<i64>::from_entry(*sealed.entry.words(), Beside::Nothing).is_none(),
        "another type"
    );
    let parcel = Parcel::<u64>::from_entry(*sealed.entry.words(), Beside::Nothing).unwrap();
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
    let parcel = Parcel::<Frame>::from_entry(*sealed.entry.words(), sealed.beside).unwrap();
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
    let loan = Loan::<BytesMessage<u8>>::private(2 << 20).unwrap();
    let error = <crate::message::Copy as Semantics<BytesMessage<u8>>>::pack(
        Parcel::Loan(loan),
        &heap,
        Room::TELL,
    )
    .unwrap_err();
    assert!(matches!(error.into_inner(), Parcel::Loan(loan) if loan.len() == 2 << 20));
    assert!(Loan::<BytesMessage<u64>>::in_block(&heap, usize::MAX, Room::TELL).is_err());
}

#[test]
fn a_loan_without_room_for_the_envelope_is_copied() {
    let heap = heap();
    let timed = Timed {
        timestamp: 4,
        ..Timed::default()
    };
    let mut loan = Loan::<Frame>::in_block(&heap, 100, Room::TELL).unwrap();
    loan.fill(5);
    loan.header_mut().sequence = 6;
    let (lease, found, _) = send(EntryKind::Tell, timed, Parcel::Loan(loan), &heap);
    assert_eq!((&lease[..], lease.header().sequence), (&[5; 100][..], 6));
    assert_eq!((found, heap.stats().allocated), (timed, 2));
}

#[test]
fn a_token_without_room_for_the_envelope_is_copied() {
    let heap = heap();
    let header = EntryHeader::new(EntryKind::Ask, Some(Key::first(1)));
    for parcel in [Parcel::<u64>::from_value(5), Parcel::<u64>::from_value(6)] {
        let tokenized = pack(parcel, &heap, Room::TELL); // inline, as no envelope was known
        let sealed = EntryToken::seal(header, Timed::default(), tokenized, &heap).unwrap();
        assert!(sealed.entry.has_block());
        let verified = sealed
            .entry
            .verify_lent(Expected::Any, &Mapped::of(&heap), None)
            .unwrap();
        assert_eq!(verified.bytes().len(), 8);
    }
}

#[test]
fn nothing_of_an_old_message_is_sent_beside_a_header() {
    let heap = heap();
    let dirty: Vec<_> = [800, 864, 928, 864, 928]
        .into_iter()
        .map(|len| {
            let mut block = heap.allocate(len).unwrap();
            block.bytes_mut().fill(0xEE);
            block
        })
        .collect();
    drop(dirty);
    let header = EntryHeader::new(EntryKind::Tell, None);
    let view = [1u16; 400];
    let loan = || {
        let mut loan = Loan::<Frame>::in_block(&heap, 400, header.room::<Timed>()).unwrap();
        loan.copy_from_slice(&view);
        loan
    };
    let copied = crate::message::Copy::tokenize::<Frame>(&view, &heap).unwrap();
    let copied: crate::token::OwnedToken = copied.into();
    let lent = pack(Parcel::Loan(loan()), &heap, header.room::<Timed>());
    // The copied one first: it needs another block, which must not be the other's, cleaned.
    for tokenized in [copied.into_tokenized(), lent] {
        let sealed = EntryToken::seal(header, Timed::default(), tokenized, &heap).unwrap();
        let block = sealed.beside.into_block().unwrap();
        assert!(
            block.bytes()[..128].iter().all(|byte| *byte == 0),
            "two lines of zeros"
        );
    }
}

#[test]
fn a_header_is_copied_with_its_slice() {
    let heap = heap();
    let info = FrameInfo { sequence: 77 };
    let token = crate::message::Copy::tokenize_with::<Frame>(&info, &[1, 2], &heap).unwrap();
    let token: crate::token::OwnedToken = token.into();
    let lease = crate::message::Copy::detokenize::<Frame>(&token.into_received()).unwrap();
    assert_eq!((lease.header(), &lease[..]), (&info, &[1, 2][..]));
}

#[test]
fn messages_arrive_in_their_own_process_without_a_heap() {
    fn arrive<D: Delivery + ?Sized>(parcel: Parcel<D::Message>) -> D::Arrival {
        D::arrive(parcel).unwrap()
    }
    assert_eq!(
        arrive::<Position>(Parcel::from_value(position())),
        position()
    );
    assert_eq!(
        *arrive::<Lease<Position>>(Parcel::from_value(position())),
        position()
    );
    assert_eq!(
        *arrive::<CopyMessage<char>>(Parcel::from_value(CopyMessage('x'))),
        'x'
    );
    let mut loan = Loan::<Frame>::private(3).unwrap();
    loan.copy_from_slice(&[1, 2, 3]);
    loan.header_mut().sequence = 4;
    let lease = arrive::<Frame>(Parcel::Loan(loan));
    assert_eq!((&lease[..], lease.header().sequence), (&[1, 2, 3][..], 4));
    assert!(!lease.is_borrowed());
}

#[test]
fn an_encoder_that_is_not_the_same_twice_is_cut_short() {
    #[derive(Schema)]
    struct Fickle(#[schema(foreign = "bytes")] AtomicUsize);
    impl Serialize for Fickle {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let len = 100 - self.0.fetch_add(10, Relaxed);
            serializer.serialize_bytes(&vec![7; len])
        }
    }
    impl<'de> Deserialize<'de> for Fickle {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            <&[u8]>::deserialize(deserializer).map(|bytes| Self(AtomicUsize::new(bytes.len())))
        }
    }
    let heap = heap();
    let fickle = SerialMessage(Fickle(AtomicUsize::new(0)));
    let token: crate::token::OwnedToken = Serial::tokenize(&fickle, &heap).unwrap().into();
    let found: SerialMessage<Fickle> = Serial::detokenize(&token.into_received()).unwrap();
    assert_eq!(found.0.0.load(Relaxed), 80, "the third try, into 91 bytes");
}

// Goal: the short way from a value to its entry writes what the long one does, and none that has no room.
#[test]
fn the_simplest_entry_is_like_any_other() {
    fn check<M: Message<Value = M> + Clone>(heap: &Heap, value: &M, sizes: [bool; 2]) {
        let parcel = || Parcel::<M>::Value(value.clone());
        let op = Some(Key::first(3));
        let kinds = [
            (EntryKind::Ask, Room::ASK, sizes[0]),
            (EntryKind::Tell, Room::TELL, sizes[1]),
            (EntryKind::Reply, Room::REPLY, sizes[1]),
        ];
        for (kind, room, fits) in kinds {
            let header = EntryHeader {
                deadline: 7,
                more: kind == EntryKind::Reply,
                ..EntryHeader::new(kind, op)
            };
            let inline = M::Semantics::inline(&parcel(), room);
            assert_eq!(inline.is_some(), fits, "{kind:?}");
            let Some(inline) = inline else { continue };
            let packed = M::Semantics::pack(parcel(), heap, room).unwrap();
            let sealed = EntryToken::seal(header, Plain, packed, heap).unwrap();
            let simple = EntryToken::simple(header, Signature::of::<M>(), &inline);
            assert_eq!(simple.words(), sealed.entry.words(), "{kind:?}");
        }
    }
    let heap = heap();
    check(&heap, &(), [true, true]);
    check(&heap, &0x0102_u16, [true, true]);
    check(&heap, &u64::MAX, [true, true]);
    check(&heap, &[-1_i64; 3], [true, true]);
    check(&heap, &[1_u8; 25], [false, true]);
    check(&heap, &[1_u32; 8], [false, true]);
    check(&heap, &[1_u64; 5], [false, false]);
}

// Goal: the short way from an entry to its value refuses what the long one does: whatever is changed in the entry's second
// and third words, either both give the value, or the short way leaves it to the long one.
#[test]
fn the_short_way_to_a_value_checks_as_much() {
    type Value = [u32; 3];
    let value: Value = [1, 2, u32::MAX];
    let inline =
        <Move as Semantics<Value>>::inline(&Parcel::<Value>::Value(value), Room::TELL).unwrap();
    let signature = Signature::of::<Value>();
    let expected = Expected::OneOf(&[signature]);
    let header = EntryHeader::new(EntryKind::Tell, None);
    let entry = EntryToken::simple(header, signature, &inline);
    let short = |entry: &EntryToken| {
        let (_, inline) = entry.verify_inline(expected)?;
        <Move as Semantics<Value>>::of_inline(&inline)
    };
    let long = |entry: &EntryToken| {
        let verified = entry.verify_lent(expected, &Mapped::default(), None).ok()?;
        <Move as Semantics<Value>>::receive(verified).ok()
    };
    assert_eq!((short(&entry), long(&entry)), (Some(value), Some(value)));
    let mut refused = 0;
    for bit in 0..128 {
        let mut words = *entry.words();
        words[1 + bit / 64] ^= 1 << (bit % 64);
        let changed = EntryToken::from_words(words);
        assert_eq!(short(&changed), long(&changed), "bit {bit}");
        refused += usize::from(short(&changed).is_none());
    }
    assert!(refused > 120, "{refused}"); // a tell may become a kind of the same shape
}
