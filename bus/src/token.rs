//! Tokens: what a payload is and where it lies.

use core::fmt;

use crate::message::{Message, SemanticsCode, TypeId};

/// What a payload is and where it lies: plain data, without any right to the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub(crate) type_id: TypeId,
    pub(crate) schema_tag: u32,
    pub(crate) semantics: SemanticsCode,
    pub(crate) len: u64,
}

impl Token {
    /// The message's type.
    pub fn type_id(&self) -> TypeId {
        self.type_id
    }

    /// The low half of the schema's hash.
    pub fn schema_tag(&self) -> u32 {
        self.schema_tag
    }

    /// How the payload is encoded.
    pub fn semantics(&self) -> SemanticsCode {
        self.semantics
    }

    /// Bytes of the payload.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the payload has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether this is a token of `M`.
    pub fn is<M: Message + ?Sized>(&self) -> bool {
        self.expect::<M>().is_ok()
    }

    pub(crate) fn of<M: Message + ?Sized>(len: u64) -> Self {
        let (type_id, schema) = (M::TYPE_ID, M::SCHEMA);
        Self {
            type_id,
            schema_tag: schema.tag(),
            semantics: schema.semantics(),
            len,
        }
    }

    pub(crate) fn expect<M: Message + ?Sized>(&self) -> Result<(), DetokenizeError> {
        let expected = Self::of::<M>(self.len);
        if self.type_id != expected.type_id {
            Err(DetokenizeError::Type {
                name: M::NAME,
                expected: M::TYPE_ID,
                found: self.type_id,
            })
        } else if self.schema_tag != expected.schema_tag {
            let (expected, found) = (expected.schema_tag, self.schema_tag);
            Err(DetokenizeError::Schema {
                name: M::NAME,
                expected,
                found,
            })
        } else if self.semantics != expected.semantics {
            let (expected, found) = (expected.semantics, self.semantics);
            Err(DetokenizeError::Semantics {
                name: M::NAME,
                expected,
                found,
            })
        } else {
            Ok(())
        }
    }
}

/// Bytes that one entry carries beside its header, at most.
pub const INLINE_MAX: usize = 32;

/// A small payload, copied out of its entry. Aligned for any value that fits.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Inline {
    bytes: [u8; INLINE_MAX],
    len: u8,
}

impl Inline {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Why a token does not become a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DetokenizeError {
    /// The token is of another type: try the next.
    #[error("token of type {found}, not of {name} ({expected})")]
    Type {
        /// The type that was asked for.
        name: &'static str,
        /// Its id.
        expected: TypeId,
        /// The token's.
        found: TypeId,
    },
    /// The same type with another schema.
    #[error("{name} has schema {expected:#x} here, {found:#x} in the token")]
    Schema {
        /// The type that was asked for.
        name: &'static str,
        /// Its schema's tag.
        expected: u32,
        /// The token's.
        found: u32,
    },
    /// The same type with another semantics.
    #[error("{name} travels as {expected} here, as {found} in the token")]
    Semantics {
        /// The type that was asked for.
        name: &'static str,
        /// Its semantics.
        expected: SemanticsCode,
        /// The token's.
        found: SemanticsCode,
    },
    /// The bytes are not a value of the type: their number is wrong, or a bit pattern that is none.
    #[error("{len} bytes are not a value of {name}")]
    Invalid {
        /// The type that was asked for.
        name: &'static str,
        /// Bytes of the payload.
        len: usize,
    },
    /// The decoder stopped before the end.
    #[error("{rest} bytes left over after a value of {name}")]
    Trailing {
        /// The type that was asked for.
        name: &'static str,
        /// Bytes left.
        rest: usize,
    },
    /// The decoder refused the bytes.
    #[error("cannot decode a value of {name}: {text}")]
    Decode {
        /// The type that was asked for.
        name: &'static str,
        /// What the decoder says.
        text: String,
    },
}

impl DetokenizeError {
    pub(crate) fn invalid<M: Message + ?Sized>(len: usize) -> Self {
        Self::Invalid { name: M::NAME, len }
    }

    pub(crate) fn trailing<M: Message + ?Sized>(rest: usize) -> Self {
        Self::Trailing {
            name: M::NAME,
            rest,
        }
    }

    pub(crate) fn decode<M: Message + ?Sized>(error: impl fmt::Display) -> Self {
        Self::Decode {
            name: M::NAME,
            text: error.to_string(),
        }
    }
}
