//! Entries: the 56 bytes that travel on a lane, and the only way from them to a token.

use crate::lease::Payload;
use crate::message::Message;
use crate::token::{DetokenizeError, Token};

/// An entry that passed every check: a token, and the payload that it names.
pub struct Verified {
    token: Token,
    payload: Payload,
}

impl Verified {
    /// What the payload is.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Checks that this is a message of type `M`.
    ///
    /// # Errors
    ///
    /// Type, schema or semantics differ.
    pub(crate) fn expect<M: Message + ?Sized>(self) -> Result<Self, DetokenizeError> {
        self.token.expect::<M>()?;
        Ok(self)
    }

    /// The same payload as one of `M`, which was wrapped.
    pub(crate) fn retyped<M: Message>(self) -> Self {
        Self {
            token: Token::of::<M>(self.token.len),
            payload: self.payload,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.payload.bytes()
    }

    pub(crate) fn len(&self) -> usize {
        self.payload.len()
    }

    pub(crate) fn into_payload(self) -> Payload {
        self.payload
    }
}

impl core::fmt::Debug for Verified {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Verified")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
