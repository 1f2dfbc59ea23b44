//! A letter: a message as its handler will get it, and the port through which its reply goes back.

use super::port::{Back, ReplyPort};
use super::{Actor, Context};
use crate::loan::Loan;
use crate::message::{Delivery, Message, Parcel};

/// One message in a mailbox.
pub struct Letter<D: Delivery + ?Sized> {
    content: Content<D>,
    port: ReplyPort<D::Message>,
}

/// What a sender of this process hands over: a [`Parcel`] of the size of the message.
///
/// Loans are rare here, and large: they must not make every letter large.
pub enum Handed<M: Message + ?Sized> {
    /// A value.
    Value(M::Value),
    /// A loan, in private memory or in a block.
    Loan(Box<Loan<M>>),
}

impl<M: Message + ?Sized> From<Parcel<M>> for Handed<M> {
    #[inline]
    fn from(parcel: Parcel<M>) -> Self {
        match parcel {
            Parcel::Value(value) => Self::Value(value),
            Parcel::Loan(loan) => Self::Loan(Box::new(loan)),
        }
    }
}

impl<M: Message + ?Sized> From<Handed<M>> for Parcel<M> {
    #[inline]
    fn from(handed: Handed<M>) -> Self {
        match handed {
            Handed::Value(value) => Self::Value(value),
            Handed::Loan(loan) => Self::Loan(*loan),
        }
    }
}

impl<M: Message + ?Sized> std::fmt::Debug for Handed<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handed").finish_non_exhaustive()
    }
}

enum Content<D: Delivery + ?Sized> {
    /// As a sender of this process handed it over.
    Handed(Handed<D::Message>),
    /// As it came out of an entry.
    Arrival(D::Arrival),
}

impl<D: Delivery + ?Sized> Letter<D> {
    /// Makes a letter of what a sender of this process handed over.
    #[inline]
    pub fn new(handed: Handed<D::Message>, port: ReplyPort<D::Message>) -> Self {
        Self {
            content: Content::Handed(handed),
            port,
        }
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
        let arrived = match self.content {
            Content::Handed(handed) => D::arrive(handed.into()),
            Content::Arrival(arrival) => Ok(arrival),
        };
        match arrived {
            Ok(arrival) => Some((arrival, port)),
            Err(error) => {
                // Its own encoder and decoder do not agree: the sender hears of it.
                port.refuse(&error.to_string(), cx);
                None
            }
        }
    }

    /// Returns the message to its sender.
    pub fn give_back(self, back: &Back<'_>) {
        // An entry is opened when its handler is about to begin, so it is never queued.
        if let Content::Handed(handed) = self.content {
            self.port.give_back(handed.into(), back);
        }
    }
}

impl<D: Delivery + ?Sized> std::fmt::Debug for Letter<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").finish_non_exhaustive()
    }
}
