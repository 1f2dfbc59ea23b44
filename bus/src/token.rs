//! Tokens: what a payload is and where it lies.
//!
//! A [`Token`] is plain data. What owns the memory is beside it: [`OwnedToken`] and [`TypedToken`] own what was tokenized
//! and not sent, [`ReceivedToken`] borrows what a peer lent. Dropping any of them leaks nothing.

use core::fmt;
use core::marker::PhantomData;
use std::sync::Arc;

use ringway_shm::block::Block;
use ringway_shm::generation::Key;
use ringway_shm::heap::{Heap, HeapError};

use crate::entry::Verified;
use crate::lease::{Held, Payload};
use crate::message::{Message, Parcel, Semantics, SemanticsCode, TypeId};

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
    /// In the entry itself.
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
    pub(crate) const fn of<M: Message + ?Sized>() -> Self {
        let schema = M::SCHEMA;
        Self {
            type_id: M::TYPE_ID,
            schema_tag: schema.tag(),
            semantics: schema.semantics(),
        }
    }

    /// Checks that a payload of this signature is one of `M`.
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

/// Bytes that one entry carries beside its header, at most.
pub const INLINE_MAX: usize = 32;

/// A small payload, as it travels in an entry. Aligned for any value that fits.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Inline {
    bytes: [u8; INLINE_MAX],
    len: u8, // at most INLINE_MAX
}

impl Inline {
    /// `None` for more than [`INLINE_MAX`] bytes.
    pub(crate) fn new(payload: &[u8]) -> Option<Self> {
        let mut bytes = [0; INLINE_MAX];
        bytes.get_mut(..payload.len())?.copy_from_slice(payload);
        Some(Self {
            bytes,
            len: u8::try_from(payload.len()).ok()?,
        })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len()]
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.len)
    }

    pub(crate) fn words(&self) -> [u64; INLINE_MAX / 8] {
        bytemuck::cast(self.bytes)
    }
}

/// How much a payload may take of its entry, and what must stay free before it in a block.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Payloads of so many bytes ride in the entry; larger ones get a block.
    pub(crate) inline: usize,
    /// Bytes before the payload in a block: 0, or a line for an envelope.
    pub(crate) headroom: usize,
}

impl Room {
    /// A tell in a plain envelope.
    pub(crate) const TELL: Self = Self {
        inline: INLINE_MAX,
        headroom: 0,
    };
    /// An ask in a plain envelope: the entry's last word is the deadline.
    pub(crate) const ASK: Self = Self {
        inline: INLINE_MAX - 8,
        headroom: 0,
    };
    /// A reply.
    pub(crate) const REPLY: Self = Self::TELL;
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
    /// The block's bytes behind `headroom`.
    Block {
        block: Block,
        headroom: usize,
    },
}

impl Tokenized {
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

    /// Copies `payload` inline, or else into a block.
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
            Body::Inline(_) => Place::Inline,
            Body::Block { block, headroom } => Place::Block {
                segment: block.key(),
                offset: block.offset() + *headroom as u64,
            },
        };
        Token::new(self.signature, self.len() as u64, place)
    }

    /// Bytes of the payload.
    pub(crate) fn len(&self) -> usize {
        match &self.body {
            Body::Inline(inline) => inline.len(),
            Body::Block { block, headroom } => block.len() - headroom,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Inline(inline) => inline.bytes(),
            Body::Block { block, headroom } => &block.bytes()[*headroom..],
        }
    }

    /// As if it had been received: for messages that come back, and for receivers in this process.
    pub(crate) fn into_verified(self) -> Verified {
        let token = self.token();
        let payload = match self.body {
            Body::Inline(inline) => Payload::whole(Held::Inline(inline)),
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
            Self::Block { block, .. } => block.fmt(f),
        }
    }
}

/// A message in a block of this process, or small enough for an entry; ready to be sent.
pub struct TypedToken<M: Message + ?Sized> {
    tokenized: Tokenized,
    message: PhantomData<fn() -> Box<M>>,
}

impl<M: Message + ?Sized> TypedToken<M> {
    /// Tokenizes what a sender hands over.
    ///
    /// # Errors
    ///
    /// The heap has no block, or the value cannot be encoded; the message comes back in the error.
    pub fn of_parcel(parcel: Parcel<M>, heap: &Heap) -> Result<Self, TokenizeError<M>> {
        M::Semantics::pack(parcel, heap, Room::TELL).map(Self::new)
    }

    pub(crate) fn new(tokenized: Tokenized) -> Self {
        Self {
            tokenized,
            message: PhantomData,
        }
    }

    /// What and where it is.
    pub fn token(&self) -> Token {
        self.tokenized.token()
    }

    /// Takes the message back.
    ///
    /// # Errors
    ///
    /// The bytes are no value of `M`: its encoder and decoder do not agree.
    pub fn into_parcel(self) -> Result<Parcel<M>, DetokenizeError> {
        M::Semantics::unpack(self.tokenized)
    }
}

impl<M: Message + ?Sized> fmt::Debug for TypedToken<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TypedToken<{}>({:?})", M::NAME, self.tokenized.body)
    }
}

/// A tokenized message of any type, ready to be sent.
#[derive(Debug)]
pub struct OwnedToken(Tokenized);

impl OwnedToken {
    /// What and where it is.
    pub fn token(&self) -> Token {
        self.0.token()
    }

    /// As a receiver in this process gets it.
    pub fn into_received(self) -> ReceivedToken {
        ReceivedToken::new(self.0.into_verified())
    }

    pub(crate) fn new(tokenized: Tokenized) -> Self {
        Self(tokenized)
    }

    pub(crate) fn into_tokenized(self) -> Tokenized {
        self.0
    }
}

impl<M: Message + ?Sized> From<TypedToken<M>> for OwnedToken {
    fn from(token: TypedToken<M>) -> Self {
        Self(token.tokenized)
    }
}

/// A message as it was received, of a type yet to be found out: try `detokenize` for each in turn.
///
/// The sender's block is lent until this token and all leases made of it are dropped.
#[derive(Clone)]
pub struct ReceivedToken {
    token: Token,
    payload: Arc<Payload>,
}

impl ReceivedToken {
    pub(crate) fn new(verified: Verified) -> Self {
        let (token, payload) = verified.into_parts();
        Self {
            token,
            payload: Arc::new(payload),
        }
    }

    /// What and where it is.
    pub fn token(&self) -> Token {
        self.token
    }

    /// The message as its receiver gets it.
    ///
    /// # Errors
    ///
    /// It is of another type, schema or semantics, or its bytes are no value of `M`.
    pub fn detokenize<M: Message + ?Sized>(&self) -> Result<M::Arrival, DetokenizeError> {
        self.token.signature.expect::<M>()?;
        let payload = Payload::whole(Held::Shared(Arc::clone(&self.payload)));
        M::Semantics::receive(Verified::own(self.token, payload))
    }
}

impl fmt::Debug for ReceivedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReceivedToken").field(&self.token).finish()
    }
}

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
