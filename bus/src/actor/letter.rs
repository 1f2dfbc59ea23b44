//! A letter: a message as its handler will get it, and the port through which its reply goes back.

use super::port::ReplyPort;
use super::{Actor, Context, Undone};
use crate::loan::Loan;
use crate::message::{Delivery, Message, Parcel};
use crate::remote::undelivered::Returns;

/// One message in a mailbox.
pub struct Letter<D: Delivery + ?Sized> {
    content: Content<D>,
    port: ReplyPort<D::Message>,
}

enum Content<D: Delivery + ?Sized> {
    /// As a sender of this process handed it over.
    Value(<D::Message as Message>::Value),
    /// The same. Rare, and large: it must not make every letter large.
    Loan(Box<Loan<D::Message>>),
    /// As it came out of an entry.
    Arrival(D::Arrival),
}

impl<D: Delivery + ?Sized> Content<D> {
    /// What a sender of this process handed over, or what came out of an entry.
    fn into_parcel(self) -> Result<Parcel<D::Message>, D::Arrival> {
        match self {
            Self::Value(value) => Ok(Parcel::Value(value)),
            Self::Loan(loan) => Ok(Parcel::Loan(*loan)),
            Self::Arrival(arrival) => Err(arrival),
        }
    }
}

impl<D: Delivery + ?Sized> Letter<D> {
    /// Makes a letter of what a sender of this process handed over.
    #[inline]
    pub fn new(parcel: Parcel<D::Message>, port: ReplyPort<D::Message>) -> Self {
        let content = match parcel {
            Parcel::Value(value) => Content::Value(value),
            Parcel::Loan(loan) => Content::Loan(Box::new(loan)),
        };
        Self { content, port }
    }

    #[inline]
    pub(super) fn received(arrival: D::Arrival) -> Self {
        Self {
            content: Content::Arrival(arrival),
            port: ReplyPort::remote(),
        }
    }

    /// Begins the handling, unless the sender's deadline has passed or the sender has cancelled it.
    #[inline]
    pub(super) fn begin<A: Actor>(
        self,
        cx: &mut Context<A>,
    ) -> Option<(D::Arrival, ReplyPort<D::Message>)> {
        let port = self.port.still_wanted(cx).ok()?;
        match self.content.into_parcel().map(D::arrive) {
            Err(arrival) | Ok(Ok(arrival)) => Some((arrival, port)),
            Ok(Err(error)) => {
                // Its own encoder and decoder do not agree: the sender hears of it.
                port.refuse(&error.to_string(), cx);
                None
            }
        }
    }

    /// Returns the message to its sender.
    pub fn give_back(self, why: &Undone, returns: &Returns) {
        // An entry is opened when its handler is about to begin, so it is never queued.
        if let Ok(parcel) = self.content.into_parcel() {
            self.port.give_back(parcel, why, returns);
        }
    }
}

impl<D: Delivery + ?Sized> std::fmt::Debug for Letter<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").finish_non_exhaustive()
    }
}
