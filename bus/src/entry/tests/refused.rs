//! Goal: each lie in an entry is refused by its name, and the owner hears of it.
//! Method: one good entry, one change at a time.

use super::*;

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
        let result = entry.verify_lent(
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
        .verify_lent(Expected::Any, &Mapped::of(&heap), None)
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
            .verify_lent(Expected::Any, &Mapped::default(), None)
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
        let Sealed { entry, beside } =
            EntryToken::seal(header, Checked::default(), tokenized, &heap).unwrap();
        let verify = |entry: EntryToken| {
            entry
                .verify_lent(Expected::Any, &Mapped::of(&heap), None)
                .map(|it| *it.token())
        };
        assert!(verify(entry).is_ok());
        let mut issued = entry;
        issued.0[0] = Key::first(9).to_bits();
        assert!(verify(issued).is_ok(), "its op is filled in later");
        for (word, bit) in [(1, 3), (2, 40)] {
            let mut changed = entry;
            changed.0[word] ^= 1 << bit;
            assert!(
                matches!(verify(changed), Err(VerifyError::Checksum { .. })),
                "word {word}"
            );
        }
        let mut block = beside.into_block().unwrap();
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
    let sealed = sealed_position(&heap, Plain);
    let mapped = Mapped {
        trust: Trust::Untrusted,
        ..Mapped::of(&heap)
    };
    let owner = Arc::new(Owner::default());
    let verified = sealed
        .entry
        .verify_lent(Expected::Any, &mapped, Some(owner.clone()))
        .unwrap();
    assert_eq!(owner.count(), 1, "the block goes back at once");
    let lease = Lease::<Position>::receive(verified).unwrap();
    assert!(!lease.is_borrowed());
    sealed.beside.into_block().unwrap().bytes_mut().fill(0xFF);
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
        .verify_lent(Expected::Any, &Mapped::of(&heap), Some(owner.clone()))
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

#[test]
fn another_schema_or_semantics_is_another_message() {
    macro_rules! named {
        ($module:ident: $($derive:ident),*; $($attr:tt)*) => {
            mod $module {
                use crate::prelude::*;
                #[derive(Message, Clone, Copy, Debug, $($derive),*)]
                #[message(name = "one name", $($attr)*)]
                #[repr(C)]
                pub(super) struct Value {
                    pub(super) value: u64,
                }
            }
        };
    }
    named!(ours: Pod, Zeroable; move);
    named!(newer: Pod, Zeroable; move, version = 1);
    let heap = heap();
    let value = ours::Value { value: 1 };
    let token: crate::token::OwnedToken = Move::tokenize(value, &heap).unwrap().into();
    let token = token.into_received();
    assert_eq!(Move::detokenize::<ours::Value>(&token).unwrap().value, 1);
    let error = Move::detokenize::<newer::Value>(&token).unwrap_err();
    let (expected, found) = (newer::Value::SCHEMA.tag(), ours::Value::SCHEMA.tag());
    assert_eq!(
        error.to_string(),
        format!("one name has schema {expected:#x} here, {found:#x} in the token")
    );
    let mut signature = Signature::of::<ours::Value>();
    signature.semantics = signature.semantics.published();
    let error = signature.expect::<ours::Value>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "one name travels as move here, as publish move in the token"
    );
    let expected = [Signature::of::<ours::Value>()];
    let error = Expected::OneOf(&expected).check(signature).unwrap_err();
    assert!(matches!(error, VerifyError::Semantics { .. }), "{error}");
}

#[test]
fn bytes_after_an_encoded_value_are_refused() {
    let heap = heap();
    let bytes = postcard::to_stdvec(&Text {
        content: "x".into(),
        priority: 1,
    });
    let mut bytes = bytes.unwrap();
    bytes.push(0);
    let tokenized = Tokenized::copy::<Text>(&bytes, &heap, Room::TELL).unwrap();
    let error = <Serial as Semantics<Text>>::receive(tokenized.into_verified()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("1 bytes left over after a value of"),
        "{error}"
    );
    let tokenized = Tokenized::copy::<Text>(&bytes[..1], &heap, Room::TELL).unwrap();
    let error = <Serial as Semantics<Text>>::receive(tokenized.into_verified()).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot decode a value of"),
        "{error}"
    );
}
