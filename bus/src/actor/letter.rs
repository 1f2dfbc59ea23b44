//! A letter: a message as its handler will get it, and the port through which its reply goes back.

use super::Undone;
use super::cell::CellCore;
use super::port::ReplyPort;
use crate::message::{Delivery, Parcel};
use crate::remote::undelivered::Returns;

/// One message in a mailbox.
pub struct Letter<D: Delivery + ?Sized> {
    content: Content<D>,
    port: ReplyPort<D::Message>,
}

enum Content<D: Delivery + ?Sized> {
    /// As a sender of this process handed it over.
    Parcel(Parcel<D::Message>),
    /// As it came out of an entry.
    Arrival(D::Arrival),
}

impl<D: Delivery + ?Sized> Letter<D> {
    /// Makes a letter of what a sender of this process handed over.
    pub fn new(parcel: Parcel<D::Message>, port: ReplyPort<D::Message>) -> Self {
        Self {
            content: Content::Parcel(parcel),
            port,
        }
    }

    pub(super) fn received(arrival: D::Arrival, port: ReplyPort<D::Message>) -> Self {
        Self {
            content: Content::Arrival(arrival),
            port,
        }
    }

    /// Begins the handling, unless the sender's deadline has passed or the sender has cancelled it.
    pub(super) fn begin(self, cell: &CellCore) -> Option<(D::Arrival, ReplyPort<D::Message>)> {
        let port = self.port.still_wanted(cell).ok()?;
        let arrived = match self.content {
            Content::Parcel(parcel) => D::arrive(parcel),
            Content::Arrival(arrival) => Ok(arrival),
        };
        match arrived {
            Ok(arrival) => Some((arrival, port)),
            Err(error) => {
                // Its own encoder and decoder do not agree: the sender hears of it.
                port.refuse(&error.to_string(), cell);
                None
            }
        }
    }

    /// Returns the message to its sender.
    pub fn give_back(self, why: &Undone, returns: &Returns) {
        match self.content {
            Content::Parcel(parcel) => self.port.give_back(parcel, why, returns),
            // An entry is opened when its handler is about to begin, so it is never queued; its completion says why.
            Content::Arrival(_) => self.port.undone(why),
        }
    }
}

impl<D: Delivery + ?Sized> std::fmt::Debug for Letter<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").finish_non_exhaustive()
    }
}
