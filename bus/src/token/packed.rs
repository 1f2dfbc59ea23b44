//! Messages made into bytes: small ones for the entry, others in a block.

use core::fmt;

use ringway_shm::block::Block;
use ringway_shm::heap::{Heap, HeapError};

use super::{Long, Place, Signature, Token, TokenizeCause};
use crate::entry::Verified;
use crate::lease::{Held, Payload};
use crate::message::Message;

/// Bytes that one entry carries beside its header, at most.
pub const INLINE_MAX: usize = 32;

/// A small payload, as it travels in an entry. Aligned for any value that fits, also for one without bytes.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Inline {
    words: [u64; INLINE_MAX / 8], // bytes beyond `len` are 0
    len: u8,                      // at most INLINE_MAX
}

impl Inline {
    /// `None` for more than [`INLINE_MAX`] bytes.
    #[inline]
    pub(crate) fn new(payload: &[u8]) -> Option<Self> {
        let mut words = [0; INLINE_MAX / 8];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        bytes.get_mut(..payload.len())?.copy_from_slice(payload);
        Some(Self {
            words,
            len: u8::try_from(payload.len()).ok()?,
        })
    }

    /// The first `len` bytes of `words`; `None` for more than there are.
    ///
    /// Word by word: a copy of some bytes that is read as words right after would wait for the store buffer.
    #[inline]
    pub(crate) fn of_words(words: &[u64; INLINE_MAX / 8], len: usize) -> Option<Self> {
        let count = u8::try_from(len).ok().filter(|_| len <= INLINE_MAX)?;
        let words = core::array::from_fn(|at| {
            let bytes = len.saturating_sub(at * 8).min(8);
            let mask = match bytes {
                0 => 0,
                bytes => u64::MAX >> (64 - 8 * bytes),
            };
            // The first bytes in memory, whatever the order of bytes in a word.
            words[at] & u64::from_le(mask)
        });
        Some(Self { words, len: count })
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        let bytes: &[u8] = bytemuck::cast_slice(&self.words);
        &bytes[..self.len()]
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        usize::from(self.len)
    }

    #[inline]
    pub(crate) fn words(&self) -> [u64; INLINE_MAX / 8] {
        self.words
    }
}

/// How much a payload may take of its entry, and what must stay free before it in a block.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Payloads of so many bytes ride in the entry; larger ones get a block.
    pub(crate) inline: usize,
    /// Payloads of so many bytes travel behind the entry; 0 for none.
    pub(crate) long: usize,
    /// Bytes before the payload in a block: 0, or a line for an envelope.
    pub(crate) headroom: usize,
}

impl Room {
    /// A tell in a plain envelope.
    pub(crate) const TELL: Self = Self {
        inline: INLINE_MAX,
        long: 0,
        headroom: 0,
    };
    /// An ask in a plain envelope: the entry's last word is the deadline.
    pub(crate) const ASK: Self = Self {
        inline: INLINE_MAX - 8,
        long: 0,
        headroom: 0,
    };
    /// A reply.
    pub(crate) const REPLY: Self = Self::TELL;

    /// The same, where payloads of up to `long` bytes may travel behind their entries.
    #[inline]
    pub(crate) const fn or_behind(self, long: usize) -> Self {
        Self { long, ..self }
    }

    /// The same for payloads that are read as values aligned to `align` bytes: behind an entry they are aligned to 8.
    #[inline]
    pub(crate) const fn aligned(self, align: usize) -> Self {
        let long = if align > 8 { 0 } else { self.long };
        Self { long, ..self }
    }
}

/// A message that was tokenized: its token, and its bytes, which go with the entry or are freed.
#[derive(Debug)]
pub struct Tokenized {
    pub(crate) signature: Signature,
    pub(crate) body: Body,
}

/// Where the bytes of a tokenized message are.
pub(crate) enum Body {
    Inline(Inline),
    Long(Long),
    /// The block's bytes behind `headroom`.
    Block {
        block: Block,
        headroom: usize,
    },
}

impl Tokenized {
    #[inline]
    pub(crate) fn inline<M: Message + ?Sized>(inline: Inline) -> Self {
        Self {
            signature: Signature::of::<M>(),
            body: Body::Inline(inline),
        }
    }

    pub(crate) fn block<M: Message + ?Sized>(block: Block, headroom: usize) -> Self {
        debug_assert!(
            headroom <= block.len(),
            "in-range: allocated with the headroom"
        );
        Self {
            signature: Signature::of::<M>(),
            body: Body::Block { block, headroom },
        }
    }

    #[inline]
    pub(crate) fn long<M: Message + ?Sized>(long: Long) -> Self {
        Self {
            signature: Signature::of::<M>(),
            body: Body::Long(long),
        }
    }

    /// Copies `payload` inline, or behind the entry, or else into a block.
    pub(crate) fn copy<M: Message + ?Sized>(
        payload: &[u8],
        heap: &Heap,
        room: Room,
    ) -> Result<Self, TokenizeCause> {
        if payload.len() <= room.inline
            && let Some(inline) = Inline::new(payload)
        {
            return Ok(Self::inline::<M>(inline));
        }
        if payload.len() <= room.long
            && let Some(long) = Long::of_bytes(payload)
        {
            return Ok(Self::long::<M>(long));
        }
        let mut block = allocate(heap, payload.len(), room)?;
        block.bytes_mut()[room.headroom..].copy_from_slice(payload);
        Ok(Self::block::<M>(block, room.headroom))
    }

    /// The same bytes as a message of `M`, which wraps this one or is wrapped by it.
    pub(crate) fn retyped<M: Message + ?Sized>(self) -> Self {
        Self {
            signature: Signature::of::<M>(),
            ..self
        }
    }

    /// The token of this message.
    pub(crate) fn token(&self) -> Token {
        let place = match &self.body {
            Body::Inline(_) | Body::Long(_) => Place::Inline,
            Body::Block { block, headroom } => Place::Block {
                segment: block.key(),
                offset: block.offset() + *headroom as u64,
            },
        };
        Token::new(self.signature, self.len() as u64, place)
    }

    /// Bytes of the payload.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match &self.body {
            Body::Inline(inline) => inline.len(),
            Body::Long(long) => long.len(),
            Body::Block { block, headroom } => block.len() - headroom,
        }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Inline(inline) => inline.bytes(),
            Body::Long(long) => long.bytes(),
            Body::Block { block, headroom } => &block.bytes()[*headroom..],
        }
    }

    /// As if it had been received: for messages that come back, and for receivers in this process.
    pub(crate) fn into_verified(self) -> Verified {
        let token = self.token();
        let payload = match self.body {
            Body::Inline(inline) => Payload::whole(Held::Inline(inline)),
            Body::Long(long) => Payload::whole(Held::Long(long)),
            Body::Block { block, headroom } => {
                let range = headroom..block.len();
                Payload::new(Held::Block(block), range)
            }
        };
        Verified::own(token, payload)
    }
}

/// A block for a payload of `len` bytes, with the headroom asked for.
pub(crate) fn allocate(heap: &Heap, len: usize, room: Room) -> Result<Block, HeapError> {
    // No payload is so large that the sum overflows, and a heap refuses what is left.
    heap.allocate(len.saturating_add(room.headroom))
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(inline) => write!(f, "Inline({} bytes)", inline.len()),
            Self::Long(long) => long.fmt(f),
            Self::Block { block, .. } => block.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: both ways to make an inline payload agree on every length, and neither keeps what lies beyond it.
    #[test]
    fn words_and_bytes_make_the_same() {
        let words: [u64; 4] =
            core::array::from_fn(|at| 0x1122_3344_5566_7788 ^ (at as u64) << 7 | 1 << 63);
        let bytes: &[u8] = bytemuck::cast_slice(&words);
        for len in 0..=INLINE_MAX {
            let (of_words, of_bytes) = (
                Inline::of_words(&words, len).unwrap(),
                Inline::new(&bytes[..len]).unwrap(),
            );
            assert_eq!(of_words.bytes(), &bytes[..len]);
            assert_eq!(of_words.words(), of_bytes.words());
        }
        assert!(Inline::of_words(&words, INLINE_MAX + 1).is_none());
    }
}
