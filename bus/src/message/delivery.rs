//! What a sender hands over and what a handler names.

use core::fmt;

use ringway_shm::words::EntryWords;

use super::{InPlace, Message, Semantics};
use crate::entry::{Beside, EntryToken, Found, Verified};
use crate::lease::Lease;
use crate::loan::Loan;
use crate::token::{DetokenizeError, Inline};

/// There is no such value: what [`Message::Value`] is where messages exist only in lent memory.
pub type Never = core::convert::Infallible;

/// What a sender handed over: a value, or a loan that it filled. May be sent again as it is.
pub enum Parcel<M: Message + ?Sized> {
    /// A value in private memory.
    Value(M::Value),
    /// A block, or private memory where the receiver is in this process.
    Loan(Loan<M>),
}

impl<M: Message<Value = M>> Parcel<M> {
    /// Hands over a value.
    pub fn from_value(value: M) -> Self {
        Self::Value(value)
    }
}

impl<M: Message + ?Sized> Parcel<M> {
    /// The value, read from the loan if need be.
    ///
    /// # Errors
    ///
    /// The parcel comes back where messages have no values, only loans.
    pub fn into_value(self) -> Result<M::Value, Self> {
        M::Semantics::value(self)
    }

    /// A message that came back: the words of its entry, and what lies beside it.
    ///
    /// `None` when they are not of a message of `M`.
    pub(crate) fn from_entry(words: EntryWords, beside: Beside) -> Option<Self> {
        let tokenized = EntryToken::unseal(words, beside)?;
        M::Semantics::unpack(tokenized).ok()
    }
}

impl<M: Message + ?Sized> fmt::Debug for Parcel<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Value(_) => "value",
            Self::Loan(_) => "loan",
        };
        write!(f, "Parcel({kind} of {})", M::NAME)
    }
}

/// What `tell` and `ask` accept: a message by value, a [`Loan`] or a [`Lease`] of one, or a [`Parcel`] that came back.
pub trait Sendable: Sized + Send + 'static {
    /// The message's type.
    type Message: Message + ?Sized;

    /// Hands over.
    fn into_parcel(self) -> Parcel<Self::Message>;

    /// Takes back what was not sent, in the form in which it was handed over.
    fn from_parcel(parcel: Parcel<Self::Message>) -> Self;
}

impl<M: Message<Value = M>> Sendable for M {
    type Message = M;

    #[inline]
    fn into_parcel(self) -> Parcel<M> {
        Parcel::Value(self)
    }

    fn from_parcel(parcel: Parcel<M>) -> Self {
        parcel
            .into_value()
            .expect("a type that is sent by value has values")
    }
}

impl<M: InPlace + ?Sized> Sendable for Loan<M> {
    type Message = M;

    #[inline]
    fn into_parcel(self) -> Parcel<M> {
        Parcel::Loan(self)
    }

    fn from_parcel(parcel: Parcel<M>) -> Self {
        match parcel {
            Parcel::Loan(loan) => loan,
            Parcel::Value(value) => Loan::of_value(value),
        }
    }
}

/// What was received is sent on as it came: to a receiver of this process without a copy, to one of another in a block of
/// this node's.
impl<M: InPlace + ?Sized> Sendable for Lease<M> {
    type Message = M;

    fn into_parcel(self) -> Parcel<M> {
        Parcel::Loan(Loan::of_lease(self))
    }

    fn from_parcel(parcel: Parcel<M>) -> Self {
        Loan::from_parcel(parcel).into_lease()
    }
}

impl<M: Message + ?Sized> Sendable for Parcel<M> {
    type Message = M;

    #[inline]
    fn into_parcel(self) -> Self {
        self
    }

    fn from_parcel(parcel: Self) -> Self {
        parcel
    }
}

/// What a handler names: a message `M`, or `Lease<M>` for a `Move` message that is to be read in place.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be handled",
    label = "neither a message nor a lease of one",
    note = "derive `Message` for it; a `Lease<M>` needs a `move` or `copy` message"
)]
pub trait Delivery: 'static {
    /// The message's type.
    type Message: Message + ?Sized;
    /// What `handle` gets.
    type Arrival: Send + 'static;

    /// Delivers inside this process, without shared memory.
    ///
    /// # Errors
    ///
    /// The handler wants the message encoded, and its encoder fails.
    fn arrive(parcel: Parcel<Self::Message>) -> Result<Self::Arrival, DetokenizeError>;

    /// Delivers an entry of another process.
    ///
    /// # Errors
    ///
    /// The entry is of another type, schema or semantics, or its payload is no such value.
    fn receive(verified: Verified) -> Result<Self::Arrival, DetokenizeError>;

    /// The same of a payload in its entry, the short way; see [`Semantics::of_inline`].
    #[inline]
    fn of_inline(_inline: &Inline) -> Option<Self::Arrival> {
        None
    }

    /// The same of a value's bytes, aligned to a word; see [`Semantics::of_plain`].
    #[inline]
    fn of_plain(_bytes: &[u8]) -> Option<Self::Arrival> {
        None
    }

    /// [`receive`](Self::receive) of a payload beside its entry, without a way through larger forms.
    ///
    /// # Errors
    ///
    /// As `receive`.
    #[inline]
    fn receive_found(found: Found) -> Result<Self::Arrival, DetokenizeError> {
        Self::receive(Verified::from(found))
    }
}

impl<M: Message + ?Sized> Delivery for M {
    type Message = M;
    type Arrival = M::Arrival;

    #[inline]
    fn arrive(parcel: Parcel<M>) -> Result<M::Arrival, DetokenizeError> {
        Ok(M::Semantics::arrive(parcel))
    }

    #[inline]
    fn receive(verified: Verified) -> Result<M::Arrival, DetokenizeError> {
        M::Semantics::receive(verified)
    }

    #[inline]
    fn of_inline(inline: &Inline) -> Option<M::Arrival> {
        M::Semantics::of_inline(inline)
    }

    #[inline]
    fn of_plain(bytes: &[u8]) -> Option<M::Arrival> {
        M::Semantics::of_plain(bytes)
    }

    #[inline]
    fn receive_found(found: Found) -> Result<M::Arrival, DetokenizeError> {
        M::Semantics::receive_found(found)
    }
}

impl<M: InPlace + ?Sized> Delivery for Lease<M> {
    type Message = M;
    type Arrival = Lease<M>;

    #[inline]
    fn arrive(parcel: Parcel<M>) -> Result<Lease<M>, DetokenizeError> {
        Ok(Loan::from_parcel(parcel).into_lease())
    }

    #[inline]
    fn receive(verified: Verified) -> Result<Lease<M>, DetokenizeError> {
        Lease::receive(verified)
    }

    #[inline]
    fn receive_found(found: Found) -> Result<Lease<M>, DetokenizeError> {
        Lease::receive_found(found)
    }
}
