//! Tokens with the memory that they name.

use core::fmt;
use core::marker::PhantomData;
use std::sync::Arc;

use ringway_shm::heap::Heap;

use super::{DetokenizeError, Room, Token, TokenizeError, Tokenized};
use crate::entry::Verified;
use crate::lease::{Held, Payload};
use crate::message::{Message, Parcel, Semantics};

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
