//! Tokens: what a payload is and where it lies.
//!
//! A [`Token`] is plain data. What owns the memory is beside it: [`OwnedToken`] and [`TypedToken`] own what was tokenized
//! and not sent, [`ReceivedToken`] borrows what a peer lent. Dropping any of them leaks nothing.

mod error;
mod long;
mod owned;
mod packed;

use ringway_shm::generation::Key;

pub use self::error::{DetokenizeError, TokenizeCause, TokenizeError};
pub(crate) use self::long::{ENTRY_SLOTS_MAX, Long, longest};
pub use self::owned::{OwnedToken, ReceivedToken, TypedToken};
pub(crate) use self::packed::{Body, allocate};
pub use self::packed::{INLINE_MAX, Inline, Room, Tokenized};
use crate::message::{Message, SemanticsCode, TypeId};

/// What a payload is and where it lies: plain data, without any right to the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    signature: Signature,
    len: u64,
    place: Place,
}

/// Where a payload lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// In the entry itself, or in the slots of the queue behind it.
    Inline,
    /// In a block of its owner's heap, at `offset` of the segment.
    Block {
        /// The segment of the heap.
        segment: Key,
        /// Bytes from the segment's start.
        offset: u64,
    },
}

impl Token {
    pub(crate) fn new(signature: Signature, len: u64, place: Place) -> Self {
        Self {
            signature,
            len,
            place,
        }
    }

    /// The message's type.
    pub fn type_id(&self) -> TypeId {
        self.signature.type_id
    }

    /// The low half of the schema's hash.
    pub fn schema_tag(&self) -> u32 {
        self.signature.schema_tag
    }

    /// How the payload is encoded.
    pub fn semantics(&self) -> SemanticsCode {
        self.signature.semantics
    }

    /// Bytes of the payload.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a size; a payload of no bytes is a message too"
    )]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Where the payload lies.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Whether this is a token of `M`.
    pub fn is<M: Message + ?Sized>(&self) -> bool {
        self.signature == Signature::of::<M>()
    }

    #[inline]
    pub(crate) fn signature(&self) -> Signature {
        self.signature
    }
}

/// What sender and receiver of one message must agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) type_id: TypeId,
    pub(crate) schema_tag: u32,
    pub(crate) semantics: SemanticsCode,
}

impl Signature {
    #[inline]
    pub(crate) const fn of<M: Message + ?Sized>() -> Self {
        let schema = M::SCHEMA;
        Self {
            type_id: M::TYPE_ID,
            schema_tag: schema.tag(),
            semantics: schema.semantics(),
        }
    }

    /// Checks that a payload of this signature is one of `M`.
    #[inline]
    pub(crate) fn expect<M: Message + ?Sized>(self) -> Result<(), DetokenizeError> {
        let (name, expected) = (M::NAME, Self::of::<M>());
        if self.type_id != expected.type_id {
            let (expected, found) = (expected.type_id, self.type_id);
            Err(DetokenizeError::Type {
                name,
                expected,
                found,
            })
        } else if self.schema_tag != expected.schema_tag {
            let (expected, found) = (expected.schema_tag, self.schema_tag);
            Err(DetokenizeError::Schema {
                name,
                expected,
                found,
            })
        } else if self.semantics != expected.semantics {
            let (expected, found) = (expected.semantics, self.semantics);
            Err(DetokenizeError::Semantics {
                name,
                expected,
                found,
            })
        } else {
            Ok(())
        }
    }
}
