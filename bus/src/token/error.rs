//! Why a message does not become a token, or a token a message.

use core::fmt;

use ringway_shm::heap::HeapError;

use crate::message::{Message, Parcel, SemanticsCode, TypeId};

/// A message was not tokenized; it is in here.
pub struct TokenizeError<M: Message + ?Sized> {
    parcel: Parcel<M>,
    cause: TokenizeCause,
}

/// Why a message was not tokenized.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizeCause {
    /// There is no block of its size.
    #[error(transparent)]
    Heap(#[from] HeapError),
    /// Its encoder failed.
    #[error("cannot encode a value of {name}: {text}")]
    Encode {
        /// The message's type.
        name: &'static str,
        /// What the encoder says.
        text: String,
    },
}

impl TokenizeCause {
    pub(crate) fn encode<M: Message + ?Sized>(error: impl fmt::Display) -> Self {
        Self::Encode {
            name: M::NAME,
            text: error.to_string(),
        }
    }
}

impl<M: Message + ?Sized> TokenizeError<M> {
    pub(crate) fn new(parcel: Parcel<M>, cause: impl Into<TokenizeCause>) -> Self {
        Self {
            parcel,
            cause: cause.into(),
        }
    }

    /// Why.
    pub fn cause(&self) -> &TokenizeCause {
        &self.cause
    }

    /// The message.
    pub fn into_inner(self) -> Parcel<M> {
        self.parcel
    }

    pub(crate) fn into_parts(self) -> (Parcel<M>, TokenizeCause) {
        (self.parcel, self.cause)
    }
}

impl<M: Message + ?Sized> fmt::Debug for TokenizeError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenizeError")
            .field("parcel", &self.parcel)
            .field("cause", &self.cause)
            .finish()
    }
}

impl<M: Message + ?Sized> fmt::Display for TokenizeError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot tokenize a message of type {}", M::NAME)
    }
}

impl<M: Message + ?Sized> core::error::Error for TokenizeError<M> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.cause)
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
    /// A message of this process was to be delivered in its encoded form, and its encoder failed.
    #[error("cannot encode a value of {name}: {text}")]
    Encode {
        /// The type.
        name: &'static str,
        /// What the encoder says.
        text: String,
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

    #[cfg_attr(
        not(feature = "rkyv"),
        expect(dead_code, reason = "of messages with codec rkyv")
    )]
    pub(crate) fn encode<M: Message + ?Sized>(error: impl fmt::Display) -> Self {
        Self::Encode {
            name: M::NAME,
            text: error.to_string(),
        }
    }

    pub(crate) fn decode<M: Message + ?Sized>(error: impl fmt::Display) -> Self {
        Self::Decode {
            name: M::NAME,
            text: error.to_string(),
        }
    }
}
