//! Addresses: how an actor is reached, in this process or in another.
//!
//! The same type serves both: a local address holds the actor's cell, a remote one the node's end of a uring to it. All
//! addresses of one process to one remote actor share that end.

pub(crate) mod follow;
mod identity;
mod inner;
mod named;
mod recipient;
mod watched;
mod weak;
pub(crate) mod wire;

use std::sync::Arc;
use std::time::Duration;

use self::follow::{AsRecipients, Following, Identity};
pub(crate) use self::follow::{Followed, Source};
pub use self::identity::ActorId;
use self::inner::{Inner, Reach};
pub(crate) use self::named::ByName;
pub use self::recipient::Recipient;
pub use self::weak::{WeakAddr, WeakRecipient};
use crate::actor::cell::{Cell, LocalRoute};
use crate::actor::{Accepts, Actor};
use crate::exit::ExitReason;
use crate::loan::Loan;
use crate::message::{Fill, InPlace, Message, Sendable};
use crate::remote::RemoteEnd;
use crate::remote::undelivered::{Later, Returns, UndeliveredStream};
use crate::send::{Ask, Follow, LoanError, SendError, Tell, TellAll, TellAllError, To, Way};
use crate::stop::{Climber, StopLadder, Stopped, climb};
use crate::urings::wire::Order;

/// The address of an actor of type `A`, wherever it runs.
///
/// An address does not keep its actor alive; it ends by itself, by `stop`, by `kill`, or with its node.
///
/// # Of one life, or following
///
/// The address that `spawn` returns, or a message brings from there, is *of one life* of the actor: when that has ended, every
/// send fails. One that [`lookup`](crate::Node::lookup) or a supervisor's [`Tree`](crate::Tree::addr) has found *follows* the
/// name, or the child: when the life that it reached has ended, the next send goes to the actor that has the name by then.
/// While that one is still being started, a `tell` waits for it up to its deadline, or 5 s without one, an `ask` up to its
/// deadline, and `try_tell` fails at once ([`SendError::NoSuccessor`]). Only what was not sent is sent to another life: an ask
/// under way ends with [`AskError::Died`](crate::AskError::Died), and a tell that was accepted comes back on
/// [`undelivered`](Self::undelivered), as for any address. A name that another type of actor has taken is an error that names both.
///
/// | of an address that follows | |
/// | --- | --- |
/// | `tell`, `try_tell`, `ask`, `stop`, `kill`, [`Context::monitor`](crate::Context::monitor) | go to the life that there is now; a monitor stays with it |
/// | `id`, `closed`, `is_closed`, `loan` | are about the life that the address, or a clone of it, reached last |
/// | `undelivered` | goes on with the next life when all of the last has been read, and ends with this node alone |
/// | equality, hash | by what it follows: the bus and the name, or the supervisor and the child |
/// | as a field of a message | follows the same name wherever it is read; of a child without a name on the bus, it is of one life there |
/// | [`pinned`](Self::pinned) | is the address of the one life that was reached last |
///
/// # Equality
///
/// Addresses of one life are equal, and hash alike, when they reach the same actor, wherever and however each was come by: both look
/// at [`id`](Self::id) alone, which never changes. Addresses that follow are equal when they follow the same, and never equal to
/// one of one life. So clippy's `mutable_key_type` is mistaken about a `HashSet<Addr<A>>`; a map with the [`ActorId`] as its key
/// does not meet it.
pub struct Addr<A: Actor> {
    reach: Reach<Cell<A>, Self>,
}

impl<A: Actor> Addr<A> {
    pub(crate) fn local(cell: Arc<Cell<A>>) -> Self {
        Self::of_life(Inner::Local(cell))
    }

    pub(crate) fn remote(end: Arc<RemoteEnd>) -> Self {
        Self::of_life(Inner::Remote(end))
    }

    fn way<M: Message + ?Sized>(&self) -> Way<'_, M>
    where
        A: Accepts<M>,
    {
        match self.reached() {
            Inner::Local(cell) => Way::Local(&**cell),
            Inner::Remote(end) => Way::Remote(end),
        }
    }

    fn follow<M: Message + ?Sized>(&self) -> Follow<'_, M>
    where
        A: Accepts<M>,
    {
        match &self.reach {
            Reach::Life(_) => None,
            Reach::Follows(follow) => Some(&**follow),
        }
    }

    #[inline]
    fn to<M: Message + ?Sized>(&self) -> To<'_, M>
    where
        A: Accepts<M>,
    {
        match &self.reach {
            Reach::Life(Inner::Local(cell)) => To::Life(Way::Local(&**cell)),
            Reach::Life(Inner::Remote(end)) => To::Life(Way::Remote(end)),
            Reach::Follows(follow) => To::Follows(&**follow),
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
        Tell::new(self.to(), message)
    }

    /// Sends a message if that is possible at once.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] also when the uring to a remote actor is still being opened; [`SendError::NoSuccessor`] when the life
    /// that a following address reached has ended and there is no other yet.
    pub fn try_tell<S: Sendable>(&self, message: S) -> Result<(), SendError<S>>
    where
        A: Accepts<S::Message>,
    {
        Tell::now(self.to(), message)
    }

    /// Sends messages one after the other; ready when all are in the receiver's mailbox.
    ///
    /// What many `tell`s would do, in their order and by the mailbox's policy, at a fraction of their price where messages
    /// are small: a lock, a fence and a look at the receiver's bell for up to 64 of them.
    ///
    /// ```
    /// # use ringway::prelude::*;
    /// # #[derive(Message, Clone, Copy, Pod, Zeroable)]
    /// # #[message(move, reply = u64)]
    /// # #[repr(C)]
    /// # struct Add { amount: u64 }
    /// # async fn add_all<A: Actor + ringway::Accepts<Add>>(counter: Addr<A>) -> Result<(), Box<dyn std::error::Error>> {
    /// counter.tell_all((1..=100).map(|amount| Add { amount })).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Every [`TellAllError`] says how many were sent, and gives the others back. A full mailbox is waited for if its policy
    /// says so. Where the life that a following address reached ends amid them, each of the others goes to the next life.
    pub fn tell_all<I>(&self, messages: I) -> TellAll<'_, I::IntoIter>
    where
        I: IntoIterator<Item: Sendable>,
        A: Accepts<<I::Item as Sendable>::Message>,
    {
        TellAll::new(self.way(), self.follow(), messages.into_iter())
    }

    /// Sends as many of these messages as is possible at once.
    ///
    /// # Errors
    ///
    /// As for `tell_all`; the causes are those of [`try_tell`](Self::try_tell).
    pub fn try_tell_all<I>(&self, messages: I) -> Result<(), TellAllError<I::IntoIter>>
    where
        I: IntoIterator<Item: Sendable>,
        A: Accepts<<I::Item as Sendable>::Message>,
    {
        self.tell_all(messages).now()
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
        Ask::new(self.way(), self.follow(), message)
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
        UndeliveredStream::new(self.first().returns(), self.later())
    }

    /// Returns an address of the same actor for one of its messages; it follows what this one follows.
    pub fn recipient<M: Message + ?Sized>(&self) -> Recipient<M>
    where
        A: Accepts<M>,
    {
        let recipient = Recipient::of_life(match self.reached() {
            Inner::Local(cell) => Inner::Local(Arc::clone(cell) as Arc<dyn LocalRoute<M>>),
            Inner::Remote(end) => Inner::Remote(Arc::clone(end)),
        });
        match self.source() {
            Some(source) => recipient.after(Arc::new(AsRecipients(source))),
            None => recipient,
        }
    }

    /// Asks the actor to stop before its next message; what is queued goes back to its senders. Does not wait.
    pub fn stop(&self) {
        self.now().stop();
    }

    /// The same as [`stop`](Self::stop), by a supervisor.
    pub(crate) fn shut_down(&self) {
        match self.reached() {
            Inner::Local(cell) => cell.core().stop(ExitReason::Shutdown),
            Inner::Remote(end) => end.control(Order::ShutDown),
        }
    }

    /// The same as the drain of a [`StopLadder`], by a supervisor.
    pub(crate) fn drain_down(&self) {
        match self.reached() {
            Inner::Local(cell) => cell.core().drain(ExitReason::Shutdown),
            Inner::Remote(end) => end.control(Order::DrainDown),
        }
    }

    /// Stops the actor step by step, and waits for its end; for how long at most, the ladder says. An actor of another process
    /// is stopped, not its process.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves the actor at the step that it has come to.
    pub async fn stop_by(&self, ladder: StopLadder) -> Stopped {
        let life = self.now();
        let take = |step| life.take(step);
        climb(life.shared(), (ladder, Climber::Actor), take, life.closed()).await
    }

    /// Ends the actor at the next `await` of its handler. Does not wait.
    pub fn kill(&self) {
        self.now().kill();
    }

    /// Waits for the actor's end and returns its reason; at once if it has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn closed(&self) -> ExitReason {
        self.reached().closed().await
    }

    /// Tells whether the actor has ended; `false` may be stale at once.
    pub fn is_closed(&self) -> bool {
        self.reached().is_closed()
    }

    /// Returns an address that keeps nothing in memory.
    pub fn downgrade(&self) -> WeakAddr<A> {
        WeakAddr {
            inner: self.reached().downgrade(),
            source: self.source(),
        }
    }

    /// Identifies the actor: the same for all its addresses, on every node. Of an address that follows, the life that it
    /// reached last.
    pub fn id(&self) -> ActorId {
        self.reached().id()
    }
}

macro_rules! following {
    ($($address:ident<$parameter:ident: $bound:path $(, $maybe:tt)?> at $route:ty;)+) => {$(
        impl<$parameter: $bound $(+ $maybe Sized)?> $address<$parameter> {
            fn of_life(life: Inner<$route>) -> Self {
                Self { reach: Reach::Life(life) }
            }

            fn following_what(&self) -> Option<&Arc<Following<Self>>> {
                match &self.reach {
                    Reach::Life(_) => None,
                    Reach::Follows(follow) => Some(follow),
                }
            }

            /// The first life.
            fn first(&self) -> &Inner<$route> {
                match &self.reach {
                    Reach::Life(life) => life,
                    Reach::Follows(follow) => follow.first().first(),
                }
            }

            /// The life that was reached last.
            #[inline]
            fn reached(&self) -> &Inner<$route> {
                match &self.reach {
                    Reach::Life(life) => life,
                    Reach::Follows(follow) => follow.reached().first(),
                }
            }

            /// The life that there is now; if there is none, the one that was reached last.
            fn now(&self) -> Inner<$route> {
                let reached = self.reached();
                if let Some(follow) = self.following_what()
                    && reached.is_closed()
                    && let Ok(Some(life)) = follow.now(reached.id())
                {
                    return life.first().clone();
                }
                reached.clone()
            }

            /// The same life, and what `source` finds after its end.
            pub(crate) fn after(self, source: Arc<dyn Source<Self>>) -> Self {
                let first = Self::of_life(self.first().clone());
                Self { reach: Reach::Follows(Following::new(first, source)) }
            }

            fn source(&self) -> Option<Arc<dyn Source<Self>>> {
                self.following_what().map(|follow| Arc::clone(follow.source()))
            }

            /// What came back from the lives after the first.
            fn later(&self) -> Option<Arc<dyn Later>> {
                let follow = Arc::clone(self.following_what()?);
                Some(follow)
            }

            /// What came back from the life that was reached last.
            pub(crate) fn came_back(&self) -> Arc<Returns> {
                self.reached().returns()
            }

            /// The name by which any node can follow it.
            fn bus_name(&self) -> Option<&str> {
                self.following_what()?.source().followed().bus_name()
            }

            fn identity(&self) -> Identity<'_> {
                match &self.reach {
                    Reach::Life(life) => Identity::Actor(life.id()),
                    Reach::Follows(follow) => Identity::Followed(follow.source().followed()),
                }
            }

            /// The address of the life that there is now, of that one alone.
            pub(crate) fn living(&self) -> Option<Self> {
                let inner = self.now();
                (!inner.is_closed()).then(|| Self::of_life(inner))
            }

            /// Returns the address of one life alone: of the one that this address reached last.
            #[must_use]
            pub fn pinned(&self) -> Self {
                Self::of_life(self.reached().clone())
            }

            /// Returns the name on the bus that this address follows, or the id of the child if that has no such name; nothing
            /// if it is the address of one life.
            pub fn follows(&self) -> Option<&str> {
                let follow = self.following_what()?;
                Some(follow.source().followed().text())
            }
        }

        impl<$parameter: $bound $(+ $maybe Sized)?> Clone for $address<$parameter> {
            fn clone(&self) -> Self {
                match &self.reach {
                    Reach::Life(life) => Self::of_life(life.clone()),
                    Reach::Follows(follow) if follow.is_used_up() => {
                        self.pinned().after(Arc::clone(follow.source()))
                    }
                    Reach::Follows(follow) => Self {
                        reach: Reach::Follows(Arc::clone(follow)),
                    },
                }
            }
        }
    )+};
}

following! {
    Addr<A: Actor> at Cell<A>;
    Recipient<M: Message, ?> at dyn LocalRoute<M>;
}
