//! Addresses by message: whoever handles it.

use std::sync::Arc;
use std::time::Duration;

use super::inner::{Inner, Reach};
use super::{ActorId, Addr, WeakRecipient};
use crate::actor::Accepts;
use crate::actor::cell::LocalRoute;
use crate::exit::ExitReason;
use crate::loan::Loan;
use crate::message::{Fill, InPlace, Message, Sendable};
use crate::remote::RemoteEnd;
use crate::remote::undelivered::UndeliveredStream;
use crate::send::{Ask, Follow, LoanError, SendError, Tell, TellAll, TellAllError, To, Way};

/// The address of an actor that handles `M`, whatever else it is.
///
/// Equal to another, and hashing alike, when both reach the same actor, or both follow the same: as [`Addr`]s are, which says what following is.
pub struct Recipient<M: Message + ?Sized> {
    pub(super) reach: Reach<dyn LocalRoute<M>, Self>,
}

impl<M: Message + ?Sized> Recipient<M> {
    pub(crate) fn local(route: Arc<dyn LocalRoute<M>>) -> Self {
        Self::of_life(Inner::Local(route))
    }

    pub(crate) fn remote(end: Arc<RemoteEnd>) -> Self {
        Self::of_life(Inner::Remote(end))
    }

    pub(crate) fn way(&self) -> Way<'_, M> {
        match self.reached() {
            Inner::Local(route) => Way::Local(&**route),
            Inner::Remote(end) => Way::Remote(end),
        }
    }

    /// The actor itself, the life that there is now, if it is one of this process.
    pub(crate) fn own_route(&self) -> Option<Arc<dyn LocalRoute<M>>> {
        match self.now() {
            Inner::Local(route) => Some(route),
            Inner::Remote(_) => None,
        }
    }

    pub(crate) fn follow(&self) -> Follow<'_, M> {
        match &self.reach {
            Reach::Life(_) => None,
            Reach::Follows(follow) => Some(&**follow),
        }
    }

    #[inline]
    fn to(&self) -> To<'_, M> {
        match &self.reach {
            Reach::Life(Inner::Local(route)) => To::Life(Way::Local(&**route)),
            Reach::Life(Inner::Remote(end)) => To::Life(Way::Remote(end)),
            Reach::Follows(follow) => To::Follows(&**follow),
        }
    }

    /// Sends a message; see [`Addr::tell`](crate::Addr::tell).
    ///
    /// # Errors
    ///
    /// Every [`SendError`] gives the message back.
    pub fn tell<S: Sendable<Message = M>>(&self, message: S) -> Tell<'_, S> {
        Tell::new(self.to(), message)
    }

    /// Sends a message if that is possible at once; see [`Addr::try_tell`](crate::Addr::try_tell).
    ///
    /// # Errors
    ///
    /// Every [`SendError`] gives the message back.
    pub fn try_tell<S: Sendable<Message = M>>(&self, message: S) -> Result<(), SendError<S>> {
        Tell::now(self.to(), message)
    }

    /// Sends messages one after the other; see [`Addr::tell_all`](crate::Addr::tell_all).
    ///
    /// # Errors
    ///
    /// Every [`TellAllError`] says how many were sent, and gives the others back.
    pub fn tell_all<I>(&self, messages: I) -> TellAll<'_, I::IntoIter>
    where
        I: IntoIterator<Item: Sendable<Message = M>>,
    {
        TellAll::new(self.way(), self.follow(), messages.into_iter())
    }

    /// Sends as many of these messages as is possible at once; see [`Addr::try_tell_all`](crate::Addr::try_tell_all).
    ///
    /// # Errors
    ///
    /// As for `tell_all`.
    pub fn try_tell_all<I>(&self, messages: I) -> Result<(), TellAllError<I::IntoIter>>
    where
        I: IntoIterator<Item: Sendable<Message = M>>,
    {
        self.tell_all(messages).now()
    }

    /// Sends a message and waits for its reply; see [`Addr::ask`](crate::Addr::ask).
    ///
    /// # Errors
    ///
    /// See [`AskError`](crate::AskError).
    pub fn ask<S: Sendable<Message = M>>(&self, message: S) -> Ask<'_, S> {
        Ask::new(self.way(), self.follow(), message)
    }

    /// Reserves a message to be filled in place; see [`Addr::loan`](crate::Addr::loan).
    ///
    /// # Errors
    ///
    /// The heap is full, or the message is larger than the heap may grow.
    pub fn loan(&self, items: usize) -> Result<Loan<M>, LoanError>
    where
        M: InPlace,
        M::Access: Fill<M::View>,
    {
        self.way().loan(items)
    }

    /// Reserves a message, waiting for blocks to come back; see [`Addr::loan_timeout`](crate::Addr::loan_timeout).
    ///
    /// # Errors
    ///
    /// As for `loan`.
    ///
    /// # Cancel safety
    ///
    /// Dropping it reserves nothing.
    pub async fn loan_timeout(&self, items: usize, timeout: Duration) -> Result<Loan<M>, LoanError>
    where
        M: InPlace,
        M::Access: Fill<M::View>,
    {
        self.way().loan_timeout(items, timeout).await
    }

    /// The tells that failed after their `Ok`; see [`Addr::undelivered`](crate::Addr::undelivered).
    pub fn undelivered(&self) -> UndeliveredStream<M> {
        UndeliveredStream::new(self.first().returns(), self.later())
    }

    /// Asks the receiver to stop before its next message; see [`Addr::stop`](crate::Addr::stop).
    pub fn stop(&self) {
        self.now().stop();
    }

    /// Ends the receiver at the next `await` of its handler; see [`Addr::kill`](crate::Addr::kill).
    pub fn kill(&self) {
        self.now().kill();
    }

    /// Waits for the receiver's end; see [`Addr::closed`](crate::Addr::closed).
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn closed(&self) -> ExitReason {
        self.reached().closed().await
    }

    /// Tells whether the receiver has ended; `false` may be stale at once.
    pub fn is_closed(&self) -> bool {
        self.reached().is_closed()
    }

    /// Returns an address that keeps nothing in memory.
    pub fn downgrade(&self) -> WeakRecipient<M> {
        WeakRecipient {
            inner: self.reached().downgrade(),
            source: self.source(),
        }
    }

    /// Identifies the receiver: what [`Addr::id`](crate::Addr::id) says of the same actor.
    pub fn id(&self) -> ActorId {
        self.reached().id()
    }
}

/// See [`Addr::recipient`].
impl<A: Accepts<M>, M: Message + ?Sized> From<&Addr<A>> for Recipient<M> {
    fn from(addr: &Addr<A>) -> Self {
        addr.recipient()
    }
}

/// The same receiver.
impl<M: Message + ?Sized> From<&Recipient<M>> for Recipient<M> {
    fn from(recipient: &Recipient<M>) -> Self {
        recipient.clone()
    }
}

/// See [`Addr::recipient`].
impl<A: Accepts<M>, M: Message + ?Sized> From<Addr<A>> for Recipient<M> {
    fn from(addr: Addr<A>) -> Self {
        addr.recipient()
    }
}
