//! Samples as they stand in the slots of a lane: an entry, and behind it what of a payload has no room there.
//!
//! The entry is that of a tell, so all that is true of entries is true of samples: what a publisher writes is checked by
//! `EntryToken::verify` and its like before anything else looks, and a payload in a block is found in that publisher's heap alone.
//! Where payloads of a type have one length, a slot has room for it, up to what is worth copying; longer ones lie in blocks.

use std::sync::Arc;

use ringway_shm::block::Block;
use ringway_shm::heap::Heap;
use ringway_shm::words::EntryWords;

use super::raw::Lies;
use crate::addr;
use crate::entry::{
    Beside, EntryHeader, EntryKind, EntryToken, Expected, Sealed, Segments, Verified, VerifyError,
};
use crate::envelope::Plain;
use crate::lease::LeaseOwner;
use crate::message::{Codec, Delivery, Message, Parcel, Semantics as _};
use crate::shared::Shared;
use crate::token::{
    Body, DetokenizeError, ENTRY_SLOTS_MAX, Inline, Long, Room, Signature, TokenizeCause,
    TokenizeError, Tokenized, allocate, longest,
};

/// Words of an entry.
const ENTRY: usize = size_of::<EntryWords>() / 8;
/// Words of the longest sample: an entry and nine pieces of a payload behind it, and the time.
pub(super) const WORDS_MAX: usize = ENTRY * (1 + PIECES_MAX) + 1;
/// Those pieces.
const PIECES_MAX: usize = 9;
const _: () = assert!(1 + PIECES_MAX as u64 == ENTRY_SLOTS_MAX);

/// Where a sample is copied to before anything looks at it.
pub(super) type Words = [u64; WORDS_MAX];

/// What the slots of a topic have room for, but for the time, which stands behind that where a publisher says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    /// Pieces of a payload behind its entry, each as long as an entry.
    behind: usize,
}

impl Format {
    /// The format of a topic of `M`, the same on all nodes that agree on its schema.
    pub(super) fn of<M: Message + ?Sized>() -> Self {
        let len = match M::SCHEMA.semantics().codec() {
            Codec::Move | Codec::Copy => size_of::<M::Value>(),
            Codec::Serial | Codec::Rkyv => 0,
        };
        let pieces = (0..=PIECES_MAX).find(|pieces| len <= room(*pieces).max_len());
        // What has no fixed length has one piece, and what is always longer than all of them has none.
        let behind = match pieces {
            Some(_) if len == 0 => 1,
            Some(pieces) => pieces,
            None => 0,
        };
        Self { behind }
    }

    /// That of a topic whose slots have so many pieces behind the entry; `None` for more than there can be.
    pub(super) fn of_pieces(pieces: u8) -> Option<Self> {
        let behind = usize::from(pieces);
        (behind <= PIECES_MAX).then_some(Self { behind })
    }

    /// Pieces behind the entry.
    pub(crate) fn pieces(self) -> u8 {
        u8::try_from(self.behind).unwrap_or(u8::MAX)
    }

    /// Words of a sample, at most.
    pub(super) fn words(self) -> usize {
        ENTRY * (1 + self.behind)
    }

    /// Words of a slot, with the time or without.
    pub(super) fn slot_words(self, is_timed: bool) -> usize {
        self.words() + usize::from(is_timed)
    }

    /// The room of a payload in a slot.
    pub(super) fn room(self) -> Room {
        room(self.behind)
    }
}

fn room(pieces: usize) -> Room {
    Room::TELL.or_behind(longest(pieces))
}

impl Room {
    fn max_len(self) -> usize {
        self.inline.max(self.long)
    }
}

/// Encodes a message for a slot of this format.
///
/// # Errors
///
/// The heap has no block for it, or it cannot be encoded; it comes back.
#[inline]
pub(super) fn seal<M: Message + ?Sized>(
    parcel: Parcel<M>,
    format: Format,
    heap: &Heap,
) -> Result<Sealed, TokenizeError<M>> {
    let header = EntryHeader::new(EntryKind::Tell, None);
    let room = format.room();
    if let Some(inline) = M::Semantics::inline(&parcel, room) {
        let entry = EntryToken::simple(header, const { Signature::of::<M>() }, &inline);
        let beside = Beside::Nothing;
        return Ok(Sealed { entry, beside });
    }
    let tokenized = M::Semantics::pack(parcel, heap, room)?;
    EntryToken::seal(header, Plain, tokenized, heap).map_err(|unsealed| match M::Semantics::unpack(
        unsealed.tokenized,
    ) {
        Ok(parcel) => TokenizeError::new(parcel, unsealed.cause),
        Err(error) => unreachable!("packed: by the same semantics a moment ago: {error}"),
    })
}

/// Writes a value that has room in a slot of this format, as far as it is; the rest is none of this. Returns how many words it
/// takes; `None` says no more than that it takes [`seal`] to tell.
#[inline]
pub(super) fn write_plain<M: Message + ?Sized>(
    parcel: &Parcel<M>,
    format: Format,
    words: &mut Words,
) -> Option<usize> {
    let payload = M::Semantics::plain(parcel)?;
    let header = EntryHeader::new(EntryKind::Tell, None);
    let signature = const { Signature::of::<M>() };
    EntryToken::write_behind(header, signature, payload, &mut words[..format.words()])
}

/// The same of bytes that were a message's once.
pub(super) fn seal_any(
    signature: Signature,
    lies: Lies,
    payload: &[u8],
    format: Format,
    heap: &Heap,
) -> Result<Sealed, TokenizeCause> {
    let header = EntryHeader::new(EntryKind::Tell, None);
    let room = format.room();
    let short = match lies {
        Lies::Inline => Inline::new(payload).map(Body::Inline),
        Lies::Behind if payload.len() <= room.long => Long::of_bytes(payload).map(Body::Long),
        Lies::Behind | Lies::InBlock => None,
    };
    let body = match short {
        Some(body) => body,
        None => {
            let headroom = room.headroom;
            let mut block = allocate(heap, payload.len(), room)?;
            block.bytes_mut()[headroom..].copy_from_slice(payload);
            Body::Block { block, headroom }
        }
    };
    let tokenized = Tokenized { signature, body };
    EntryToken::seal(header, Plain, tokenized, heap).map_err(|unsealed| unsealed.cause)
}

/// The message of what was sealed and not published.
pub(super) fn unseal<M: Message + ?Sized>(shared: &Arc<Shared>, sealed: Sealed) -> Parcel<M> {
    let Sealed { entry, beside } = sealed;
    let unseal = || Parcel::from_entry(*entry.words(), beside);
    let parcel = addr::wire::decode::<M, _>(|| Some(Arc::clone(shared)), unseal);
    parcel.expect("sealed: from a message of this type a moment ago")
}

/// Writes what goes into the slot; returns how many words that are, and the block that the sample lends.
#[inline]
pub(super) fn write(sealed: Sealed, words: &mut Words) -> (usize, Option<Block>) {
    let Sealed { entry, beside } = sealed;
    words[..ENTRY].copy_from_slice(entry.words());
    match beside {
        Beside::Nothing => (ENTRY, None),
        Beside::Block(block) => (ENTRY, Some(block)),
        Beside::Long(long) => {
            let pieces = long.slots().as_flattened();
            words[ENTRY..ENTRY + pieces.len()].copy_from_slice(pieces);
            (ENTRY + pieces.len(), None)
        }
    }
}

/// What was written comes back, with the block that it was to lend.
pub(super) fn take_back(words: &[u64], format: Format, block: Option<Block>) -> Sealed {
    let entry = entry(words);
    let beside = match block {
        Some(block) => Beside::Block(block),
        None if entry.goes_on() => Beside::Long(pieces(words, format)),
        None => Beside::Nothing,
    };
    Sealed { entry, beside }
}

fn entry(words: &[u64]) -> EntryToken {
    let words = words.first_chunk().expect("in-range: longer than an entry");
    EntryToken::from_words(*words)
}

/// What stands behind the entry: as much as the format has.
fn pieces(words: &[u64], format: Format) -> Long {
    let (pieces, _) = words[ENTRY..].as_chunks();
    Long::of_slots(pieces[..format.behind].iter().copied())
}

/// Whose heap a sample's block may lie in.
pub(super) trait Lender: Segments {
    /// In whose name addresses in the message are read.
    fn shared(&self) -> Option<Arc<Shared>>;
}

/// The segment of the block that a sample lends, if it lends one.
pub(super) fn segment(words: &[u64]) -> Option<u64> {
    entry(words).has_block().then_some(words[3])
}

/// A sample that could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error(transparent)]
    Entry(#[from] VerifyError),
    #[error(transparent)]
    Payload(#[from] DetokenizeError),
}

/// Makes of a sample's words what its subscriber gets, if it is a plain value that goes on behind its entry; `None` says no more
/// than that it takes [`read`] to tell.
#[inline]
pub(super) fn read_plain<D: Delivery + ?Sized>(
    words: &mut [u64],
    format: Format,
) -> Option<D::Arrival> {
    if D::Message::SCHEMA.semantics().codec() != Codec::Move {
        return None;
    }
    let signature = const { [Signature::of::<D::Message>()] };
    let expected = Expected::OneOf(&signature);
    let bytes = EntryToken::find_behind(words, format.behind, expected)?;
    let arrival = D::of_plain(bytes);
    if arrival.is_none() {
        EntryToken::put_back_front(words);
    }
    arrival
}

/// Makes of a sample's words what its subscriber gets. `owner` is told when its block is not read any more.
#[inline]
pub(super) fn read<D: Delivery + ?Sized>(
    words: &[u64],
    format: Format,
    lender: &impl Lender,
    owner: Option<Arc<dyn LeaseOwner>>,
) -> Result<D::Arrival, Unreadable> {
    let entry = EntryToken::of_words(words.first_chunk().expect("in-range: longer than an entry"));
    let signature = const { [Signature::of::<D::Message>()] };
    let expected = Expected::OneOf(&signature);
    if let Some((_, inline)) = entry.verify_inline(expected)
        && let Some(arrival) = D::of_inline(&inline)
    {
        return Ok(arrival);
    }
    let verified = match entry.goes_on() && !entry.has_block() {
        true => entry.verify_long(expected, pieces(words, format))?,
        false => entry.verify_lent(expected, lender, owner)?,
    };
    let receive = || D::receive(verified);
    Ok(addr::wire::decode::<D::Message, _>(
        || lender.shared(),
        receive,
    )?)
}

/// The same as bytes, and how they lie.
pub(super) fn read_any(
    words: &[u64],
    format: Format,
    signature: Signature,
    lender: &impl Lender,
    owner: Option<Arc<dyn LeaseOwner>>,
) -> Result<(Verified, Lies), Unreadable> {
    let entry = entry(words);
    let signature = [signature];
    let expected = Expected::OneOf(&signature);
    let lies = match (entry.has_block(), entry.goes_on()) {
        (true, _) => Lies::InBlock,
        (false, true) => Lies::Behind,
        (false, false) => Lies::Inline,
    };
    let verified = match lies {
        Lies::Behind => entry.verify_long(expected, pieces(words, format))?,
        Lies::Inline | Lies::InBlock => entry.verify_lent(expected, lender, owner)?,
    };
    Ok((verified, lies))
}
