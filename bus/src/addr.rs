//! Addresses: how an actor is reached, in this process or in another.
//!
//! The same type serves both: a local address holds the actor's cell, a remote one the node's end of a uring to it. All
//! addresses of one process to one remote actor share that end.

mod identity;
mod inner;
mod recipient;
mod watched;
mod weak;
pub(crate) mod wire;

use std::sync::Arc;
use std::time::Duration;

pub use self::identity::ActorId;
use self::inner::Inner;
pub use self::recipient::Recipient;
pub use self::weak::{WeakAddr, WeakRecipient};
use crate::actor::cell::{Cell, LocalRoute};
use crate::actor::{Accepts, Actor};
use crate::exit::ExitReason;
use crate::loan::Loan;
use crate::message::{Fill, InPlace, Message, Sendable};
use crate::remote::RemoteEnd;
use crate::remote::undelivered::UndeliveredStream;
use crate::send::{Ask, LoanError, SendError, Tell, Way};
use crate::urings::wire::Order;

/// The address of an actor of type `A`, wherever it runs.
///
/// An address does not keep its actor alive; it ends by itself, by `stop`, by `kill`, or with its node.
///
/// Addresses are equal, and hash alike, when they reach the same actor, wherever and however each was come by: both look
/// at [`id`](Self::id) alone, which never changes. So clippy's `mutable_key_type` is mistaken about a `HashSet<Addr<A>>`; a map with the [`ActorId`] as its key
/// does not meet it.
pub struct Addr<A: Actor> {
    inner: Inner<Cell<A>>,
}

impl<A: Actor> Addr<A> {
    pub(crate) fn local(cell: Arc<Cell<A>>) -> Self {
        Self {
            inner: Inner::Local(cell),
        }
    }

    pub(crate) fn remote(end: Arc<RemoteEnd>) -> Self {
        Self {
            inner: Inner::Remote(end),
        }
    }

    fn way<M: Message + ?Sized>(&self) -> Way<'_, M>
    where
        A: Accepts<M>,
    {
        match &self.inner {
            Inner::Local(cell) => Way::Local(&**cell),
            Inner::Remote(end) => Way::Remote(end),
        }
    }

    /// Sends a message; ready when it is in the receiver's mailbox, from where it is delivered even if this process dies.
    ///
    /// What fails later, because the receiver ends first, comes back on [`undelivered`](Self::undelivered).
    ///
    /// # Errors
    ///
    /// Every [`SendError`] gives the message back. A full mailbox is waited for if its policy says so.
    pub fn tell<S: Sendable>(&self, message: S) -> Tell<'_, S>
    where
        A: Accepts<S::Message>,
    {
        Tell::new(self.way(), message)
    }

    /// Sends a message if that is possible at once.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] also when the uring to a remote actor is still being opened.
    pub fn try_tell<S: Sendable>(&self, message: S) -> Result<(), SendError<S>>
    where
        A: Accepts<S::Message>,
    {
        Tell::now(self.way(), message)
    }

    /// Sends a message and waits for its reply, up to a deadline of 5 s unless told otherwise.
    ///
    /// What this returns is a future, for `join_all`, `select!` and the like as well:
    ///
    /// ```
    /// # use ringway::prelude::*;
    /// # #[derive(Message, Clone, Copy, Pod, Zeroable)]
    /// # #[message(move, reply = u64)]
    /// # #[repr(C)]
    /// # struct Add { amount: u64 }
    /// # async fn add_all<A: Actor + ringway::Accepts<Add>>(counter: Addr<A>) {
    /// use futures_util::future::join_all;
    ///
    /// let asks = (1..=8).map(|amount| counter.ask(Add { amount }));
    /// let totals = join_all(asks).await; // each a `Result<u64, AskError<Add>>`
    /// # let _: Vec<Result<u64, AskError<Add>>> = totals;
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// See [`AskError`](crate::AskError).
    pub fn ask<S: Sendable>(&self, message: S) -> Ask<'_, S>
    where
        A: Accepts<S::Message>,
    {
        Ask::new(self.way(), message)
    }

    /// Reserves a message of `items` items to be filled in place and then told or asked.
    ///
    /// Its items are whatever was there before, as clearing them would cost more than the sending; its header is zero.
    /// For an actor of another process it lies in shared memory and is lent, not copied; for one of this process in
    /// private memory. A message of fixed size has one item.
    ///
    /// What is lent has one receiver: who shows a frame to two viewers fills a loan for each.
    ///
    /// # Errors
    ///
    /// The heap is full, or the message is larger than the heap may grow.
    pub fn loan<M: InPlace + ?Sized>(&self, items: usize) -> Result<Loan<M>, LoanError>
    where
        A: Accepts<M>,
        M::Access: Fill<M::View>,
    {
        self.way::<M>().loan(items)
    }

    /// The same as [`loan`](Self::loan), but waits for blocks to come back, while receivers have any, no longer than
    /// `timeout`.
    ///
    /// # Errors
    ///
    /// As for `loan`.
    ///
    /// # Cancel safety
    ///
    /// Dropping it reserves nothing.
    pub async fn loan_timeout<M: InPlace + ?Sized>(
        &self,
        items: usize,
        timeout: Duration,
    ) -> Result<Loan<M>, LoanError>
    where
        A: Accepts<M>,
        M::Access: Fill<M::View>,
    {
        self.way::<M>().loan_timeout(items, timeout).await
    }

    /// The tells of type `M` that failed after their `Ok`, oldest first: the message, whether its handler had begun, and
    /// why. Shared by all addresses of this process to this actor: what one stream has yielded, no other does.
    ///
    /// `addr.undelivered::<Job>()` is a [`Stream`](futures_util::Stream) that ends with the actor; see
    /// [`Undelivered`](crate::Undelivered). It keeps the 4096 youngest.
    pub fn undelivered<M: Message + ?Sized>(&self) -> UndeliveredStream<M> {
        UndeliveredStream::new(self.inner.returns())
    }

    /// Returns an address of the same actor for one of its messages.
    pub fn recipient<M: Message + ?Sized>(&self) -> Recipient<M>
    where
        A: Accepts<M>,
    {
        Recipient {
            inner: match &self.inner {
                Inner::Local(cell) => Inner::Local(Arc::clone(cell) as Arc<dyn LocalRoute<M>>),
                Inner::Remote(end) => Inner::Remote(Arc::clone(end)),
            },
        }
    }

    /// Asks the actor to stop before its next message; what is queued goes back to its senders. Does not wait.
    pub fn stop(&self) {
        self.inner.stop();
    }

    /// The same as [`stop`](Self::stop), by a supervisor.
    pub(crate) fn shut_down(&self) {
        match &self.inner {
            Inner::Local(cell) => cell.core().stop(ExitReason::Shutdown),
            Inner::Remote(end) => end.control(Order::ShutDown),
        }
    }

    /// Ends the actor at the next `await` of its handler. Does not wait.
    pub fn kill(&self) {
        self.inner.kill();
    }

    /// Waits for the actor's end and returns its reason; at once if it has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn closed(&self) -> ExitReason {
        self.inner.closed().await
    }

    /// Tells whether the actor has ended; `false` may be stale at once.
    pub fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    /// Returns an address that keeps nothing in memory.
    pub fn downgrade(&self) -> WeakAddr<A> {
        WeakAddr {
            inner: self.inner.downgrade(),
        }
    }

    /// Identifies the actor: the same for all its addresses, on every node.
    pub fn id(&self) -> ActorId {
        self.inner.id()
    }
}
