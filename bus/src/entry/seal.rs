//! From a tokenized message to the words of its entry.

use ringway_shm::block::Block;
use ringway_shm::generation::Key;
use ringway_shm::heap::{Heap, HeapError};
use ringway_shm::words::EntryWords;

use super::{BEHIND, BLOCK, EntryKind, EntryToken, MORE};
use crate::envelope::{Checked, Envelope, HeaderPlace, Plain};
use crate::message::LINE;
use crate::token::{
    Body, INLINE_MAX, Inline, Long, Room, Signature, TokenizeCause, Tokenized, allocate,
};

/// A message that was not sealed, and why.
#[derive(Debug)]
pub(crate) struct Unsealed {
    pub(crate) tokenized: Tokenized,
    pub(crate) cause: TokenizeCause,
}

/// What an entry says beside its payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EntryHeader {
    pub(crate) kind: EntryKind,
    pub(crate) op: Option<Key>,
    /// Nanoseconds of CLOCK_MONOTONIC; 0 for none. Only asks have one.
    pub(crate) deadline: u64,
    /// Of a completion: the submission's block is still lent.
    pub(crate) more: bool,
}

impl EntryHeader {
    #[inline]
    pub(crate) const fn new(kind: EntryKind, op: Option<Key>) -> Self {
        Self {
            kind,
            op,
            deadline: 0,
            more: false,
        }
    }

    /// Whether a payload may go on behind an entry of this header, in an envelope of type `H`.
    #[inline]
    const fn may_go_on<H: Envelope>(self) -> bool {
        let is_ask = matches!(self.kind, EntryKind::Ask);
        let is_submission = is_ask || matches!(self.kind, EntryKind::Tell);
        is_submission && matches!(H::KIND.place(is_ask), HeaderPlace::None)
    }

    /// The room that a payload has beside this header, in an envelope of type `H`.
    #[inline]
    pub(crate) const fn room<H: Envelope>(self) -> Room {
        let is_ask = matches!(self.kind, EntryKind::Ask);
        match H::KIND.place(is_ask) {
            HeaderPlace::None if is_ask => Room::ASK,
            HeaderPlace::None => Room::TELL,
            HeaderPlace::Word => Room {
                inline: INLINE_MAX - 8,
                long: 0,
                headroom: 0,
            },
            HeaderPlace::Line => Room {
                inline: 0,
                long: 0,
                headroom: LINE,
            },
        }
    }
}

/// An entry ready to be stamped, with the block that it lends.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) entry: EntryToken,
    pub(crate) beside: Beside,
}

/// What of a message lies beside its entry's words.
#[derive(Debug, Default)]
pub(crate) enum Beside {
    #[default]
    Nothing,
    /// In the slots behind it.
    Long(Long),
    /// In a block that it lends.
    Block(Block),
}

impl Beside {
    /// The block, if there is one.
    pub(crate) fn into_block(self) -> Option<Block> {
        match self {
            Self::Block(block) => Some(block),
            Self::Nothing | Self::Long(_) => None,
        }
    }
}

impl EntryToken {
    /// An entry without payload.
    #[inline]
    pub(crate) fn bare(header: EntryHeader) -> Self {
        let mut words = [0; 7];
        set_header(&mut words, header, 0);
        Self(words)
    }

    /// The simplest entry: plain, with its payload in it, which [`EntryHeader::room`] has room for.
    ///
    /// What [`seal`](Self::seal) makes of the same, from words to words: nothing larger is written, and read back at once.
    #[inline]
    pub(crate) fn simple(header: EntryHeader, signature: Signature, inline: &Inline) -> Self {
        let [a, b, c, d] = inline.words();
        let mut words = [
            0,
            signature.type_id.to_bits(),
            second_word::<Plain>(signature) | (inline.len() as u64) << 24,
            a,
            b,
            c,
            d,
        ];
        set_header(&mut words, header, 0);
        Self(words)
    }

    /// A plain submission whose payload lies beside it, where there is room for it without a header.
    #[inline]
    pub(crate) fn with_beside(header: EntryHeader, signature: Signature, beside: &Beside) -> Self {
        let mut words = [0; 7];
        words[1] = signature.type_id.to_bits();
        words[2] = second_word::<Plain>(signature);
        let flags = match beside {
            Beside::Nothing => 0,
            Beside::Long(long) => {
                set_long(&mut words, long);
                0
            }
            Beside::Block(block) => {
                set_block(&mut words, block, 0);
                BLOCK
            }
        };
        set_header(&mut words, header, flags);
        Self(words)
    }

    /// Writes `envelope` and `tokenized` into an entry.
    ///
    /// A message that was tokenized without the room that this envelope needs (see [`EntryHeader::room`]) is copied once
    /// more.
    ///
    /// # Errors
    ///
    /// That copy needs a block that the heap does not have; the message comes back.
    #[inline]
    pub(crate) fn seal<H: Envelope>(
        header: EntryHeader,
        envelope: H,
        tokenized: Tokenized,
        heap: &Heap,
    ) -> Result<Sealed, Box<Unsealed>> {
        let tokenized = fit::<H>(tokenized, header, heap)?;
        let is_ask = header.kind == EntryKind::Ask;
        let mut entry = Self([0; 7]);
        let words = &mut entry.0;
        let signature = tokenized.signature;
        words[1] = signature.type_id.to_bits();
        words[2] = second_word::<H>(signature);
        let flags = match &tokenized.body {
            Body::Inline(inline) => {
                words[2] |= (inline.len() as u64) << 24;
                words[3..7].copy_from_slice(&inline.words());
                0
            }
            Body::Long(long) => {
                set_long(words, long);
                0
            }
            Body::Block { block, headroom } => {
                set_block(words, block, *headroom);
                BLOCK
            }
        };
        set_header(words, header, flags);
        let envelope = envelope.sealed(|| entry.checksum(tokenized.bytes()));
        if H::KIND.place(is_ask) == HeaderPlace::Word {
            let checked: &Checked = bytemuck::from_bytes(bytemuck::bytes_of(&envelope));
            entry.0[6] = checked.to_word();
        }
        let beside = match tokenized.body {
            Body::Inline(_) => Beside::Nothing,
            Body::Long(long) => Beside::Long(long),
            Body::Block {
                mut block,
                headroom,
            } => {
                if headroom != 0 {
                    let bytes = bytemuck::bytes_of(&envelope);
                    let (front, rest) = block.bytes_mut()[..headroom].split_at_mut(bytes.len());
                    front.copy_from_slice(bytes);
                    rest.fill(0); // nothing of an old message
                }
                Beside::Block(block)
            }
        };
        Ok(Sealed { entry, beside })
    }

    /// The same submission with its payload, which was to travel behind it, in a block.
    ///
    /// # Errors
    ///
    /// The heap has none of its size.
    pub(crate) fn move_to_block(
        self,
        long: &Long,
        heap: &Heap,
    ) -> Result<(Self, Block), HeapError> {
        let mut block = allocate(heap, long.len(), Room::TELL)?;
        block.bytes_mut().copy_from_slice(long.bytes());
        let mut words = self.0;
        words[2] &= !(0xFF << 24);
        words[2] |= u64::from(BLOCK);
        set_block(&mut words, &block, 0);
        Ok((Self(words), block))
    }

    /// Takes back the message of an entry that was never taken.
    ///
    /// `None` when the entry and what lies beside it are not what [`seal`](Self::seal) made.
    pub(crate) fn unseal(words: EntryWords, beside: Beside) -> Option<Tokenized> {
        let entry = Self(words);
        let signature = entry.signature().ok()?;
        let headroom = entry.envelope()?.place(entry.is_ask()).headroom();
        let body = match beside {
            Beside::Block(block) if block.len() >= headroom => Body::Block { block, headroom },
            Beside::Block(_) => return None,
            Beside::Long(long) => Body::Long(entry.joined(long).ok()?),
            Beside::Nothing => Body::Inline(entry.inline().ok()?),
        };
        Some(Tokenized { signature, body })
    }
}

#[inline]
fn set_long(words: &mut EntryWords, long: &Long) {
    words[2] |= u64::from(BEHIND | long.last_len()) << 24;
    words[3..6].copy_from_slice(&long.front());
}

#[inline]
fn set_block(words: &mut EntryWords, block: &Block, headroom: usize) {
    words[3] = block.key().to_bits();
    words[4] = block.offset();
    words[5] = (block.len() - headroom) as u64;
}

/// What an entry's second word says of its message, in an envelope of type `H`.
#[inline]
pub(super) fn second_word<H: Envelope>(signature: Signature) -> u64 {
    u64::from(signature.schema_tag) << 32
        | u64::from(signature.semantics.to_bits()) << 16
        | u64::from(H::KIND.to_bits()) << 8
}

#[inline]
fn set_header(words: &mut EntryWords, header: EntryHeader, flags: u8) {
    let more = if header.more { MORE } else { 0 };
    words[0] = header.op.map_or(0, Key::to_bits);
    words[2] |= u64::from(header.kind.to_bits() | flags | more);
    if header.kind == EntryKind::Ask {
        words[6] = header.deadline;
    }
}

/// The same message in the room that there is.
#[inline]
fn fit<H: Envelope>(
    tokenized: Tokenized,
    header: EntryHeader,
    heap: &Heap,
) -> Result<Tokenized, Box<Unsealed>> {
    let room = header.room::<H>();
    let fits = match &tokenized.body {
        Body::Inline(inline) => inline.len() <= room.inline && room.headroom == 0,
        Body::Long(_) => header.may_go_on::<H>(),
        Body::Block { headroom, .. } => *headroom == room.headroom,
    };
    if fits {
        return Ok(tokenized);
    }
    match allocate(heap, tokenized.len(), room) {
        Ok(mut block) => {
            block.bytes_mut()[room.headroom..].copy_from_slice(tokenized.bytes());
            let body = Body::Block {
                block,
                headroom: room.headroom,
            };
            Ok(Tokenized {
                signature: tokenized.signature,
                body,
            })
        }
        Err(error) => Err(Box::new(Unsealed {
            tokenized,
            cause: error.into(),
        })),
    }
}
