//! The message in hand: who sent it and how, who waits for its answer, and how that is given later or elsewhere.

use std::time::Duration;

use super::Context;
use super::next::Next;
use crate::actor::later::{self, Cancelled, Deferred, Interest, ReplyTo};
use crate::actor::port::{PortInHand, Ports as _};
use crate::actor::{Actor, Undone};
use crate::addr::Recipient;
use crate::clock::Nanos;
use crate::inbox::reply::RemotePort;
use crate::message::{Answer, Sendable};
use crate::peering::NodeId;
use crate::priority::Priority;
use crate::send::Forward;
use crate::send::redeliver::{About, MessageId};

impl<A: Actor> Context<A> {
    /// A message is about to be handled that may come more than once.
    #[cold]
    pub(in crate::actor) fn begin_again(&mut self, about: About) {
        self.seldom.get_or_insert_default().about = Some(about);
    }

    /// The same, no more.
    #[inline]
    pub(in crate::actor) fn end_again(&mut self) -> Option<About> {
        self.seldom.as_mut()?.about.take()
    }

    /// What is said of the message in hand, if it may come more than once.
    pub(super) fn about(&self) -> Option<&About> {
        self.seldom.as_ref()?.about.as_ref()
    }

    /// Returns which attempt at handling the message in hand this is: 1, or one more than the handlers that had begun and not
    /// come to their ends, for a message that is [sent again](crate::Ask::redeliver) then.
    pub fn attempt(&self) -> u32 {
        self.about().map_or(1, |about| about.attempt)
    }

    /// Returns the id of the message in hand, the same at every attempt, if it was sent to be
    /// [redelivered](crate::Ask::redeliver): a handler that keeps the ids of what it has done, where that outlives it, does nothing
    /// twice.
    pub fn message_id(&self) -> Option<MessageId> {
        self.about().map(|about| about.id)
    }

    /// The node that sent the message in hand, if it is another one.
    pub(in crate::actor) fn sender(&self) -> Option<NodeId> {
        if self.next == Next::Own {
            return self.stashed_entry().map(|entry| entry.sender);
        }
        let remote = self.remote.as_ref().filter(|_| self.next == Next::Entry)?;
        remote.serving.sender()
    }

    /// Returns the priority of the message in hand: how it was sent. What nobody sent, such as a timer's, has the normal one, and so
    /// has what was put aside, once it is handled again.
    pub fn priority(&self) -> Priority {
        match self.next {
            Next::HighLetter => Priority::High,
            Next::Letter | Next::Own => Priority::Normal,
            Next::Entry => self
                .remote
                .as_ref()
                .map_or(Priority::Normal, |remote| remote.serving.priority()),
        }
    }

    #[inline]
    pub(in crate::actor) fn keep_port(&mut self, port: A::Ports) {
        self.port = port;
    }

    #[inline]
    pub(crate) fn take_port(&mut self) -> A::Ports {
        std::mem::take(&mut self.port)
    }

    /// Takes the port out where it lies, if `kept` finds it.
    #[inline]
    pub(in crate::actor) fn take_port_with<P>(
        &mut self,
        kept: impl FnOnce(&mut A::Ports) -> Option<P>,
    ) -> Option<P> {
        let port = kept(&mut self.port);
        self.port = A::Ports::default();
        port
    }

    /// Whether the message in hand was asked.
    #[cfg(feature = "test")]
    pub(crate) fn is_asked(&self) -> bool {
        !matches!(self.interest().0, Interest::Nobody)
    }

    /// Who waits for the answer to the message in hand, and until when.
    pub(super) fn interest(&self) -> (Interest, Nanos) {
        let port = self.port.in_hand();
        port.and_then(PortInHand::interest)
            .or_else(|| Some(self.remote.as_ref()?.port.as_ref()?.interest()))
            .unwrap_or((Interest::Nobody, Nanos::NONE))
    }

    /// Why the handler of the entry in hand need not begin, if it is an ask that nobody waits for.
    #[inline]
    pub(in crate::actor) fn unwanted(&self) -> Option<Undone> {
        let port = self.remote.as_ref()?.port.as_ref()?;
        port.unwanted(&self.cell.core().shared().clock)
    }

    #[inline]
    pub(in crate::actor) fn take_remote(&mut self) -> Option<RemotePort> {
        self.remote.as_mut()?.port.take()
    }

    /// Leaves the reply to the message in hand for later: the handler returns the [`Deferred`], and whoever has the
    /// [`ReplyTo`] answers, now or then, from this actor or from elsewhere, also from another process.
    ///
    /// Of a message that was told nobody waits for the reply; what is given is dropped.
    pub fn defer<R: Answer>(&self) -> (ReplyTo<R>, Deferred<R>) {
        let (interest, deadline) = self.interest();
        later::defer(self.cell.core().shared(), interest, deadline)
    }

    /// Sends a message on in place of the answer: its receiver answers who asked for the message in hand, before the same
    /// deadline. Ready when it is in the receiver's mailbox; its handler then returns the [`Deferred`].
    ///
    /// Any message may be sent on that has the reply of the one in hand, and most often it is that one, as it came: also a
    /// [`Lease`](crate::lease::Lease), which is moved to a receiver of this process, and copied to one of another. A message
    /// that was told is told on: its fate is that of any tell to `to`.
    ///
    /// The asker hears of what happens at the receiver as if it had asked there: its reply, its error, its death
    /// ([`AskError::Died`](crate::AskError::Died), `taken`: the message had been begun here). It hears once, whoever dies
    /// when; what goes back passes through this node, and this actor owes it, see [`ReplyTo`]. If it gives up, so does the
    /// message that was sent on.
    ///
    /// # Errors
    ///
    /// Every [`SendError`](crate::SendError) gives the message back; nothing was sent on. A handler may return it: the asker
    /// then gets its text.
    ///
    /// It has the [priority](Self::priority) of the message in hand, unless it is given [another](Forward::priority).
    ///
    /// # Cancel safety
    ///
    /// Dropping it before it is ready sends nothing on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ringway::prelude::*;
    /// # #[derive(Message, Clone, Copy, Pod, Zeroable)]
    /// # #[message(move, reply = u64)]
    /// # #[repr(C)]
    /// # struct Get { key: u64 }
    /// #[derive(Actor)]
    /// #[actor(handles(Get))]
    /// struct Router(Vec<Recipient<Get>>);
    ///
    /// impl Handler<Get, Result<Deferred<u64>, SendError<Get>>> for Router {
    ///     async fn handle(&mut self, get: Get, cx: &mut Context<Self>) -> Result<Deferred<u64>, SendError<Get>> {
    ///         let shard = usize::try_from(get.key).unwrap_or(0) % self.0.len();
    ///         cx.forward(get, &self.0[shard]).await
    ///     }
    /// }
    /// ```
    pub fn forward<S: Sendable>(
        &self,
        message: S,
        to: impl Into<Recipient<S::Message>>,
    ) -> Forward<S> {
        let (interest, deadline) = self.interest();
        Forward::new(
            self.cell.core().shared(),
            message,
            to.into(),
            interest,
            deadline,
            self.priority(),
        )
    }

    /// Tells whether the asker of the message in hand has given up: it dropped its ask, its deadline has passed, or its
    /// process is dead. `false` may be stale at once; it always is `false` for a message that was told.
    ///
    /// An ask that is given up before its handler begins is not handled at all, and counted as cancelled.
    ///
    /// Cost: a look at memory, also when the asker is in another process.
    pub fn is_cancelled(&self) -> bool {
        let (interest, deadline) = self.interest();
        let clock = &self.cell.core().shared().clock;
        !matches!(interest, Interest::Nobody) && (interest.is_over() || clock.has_passed(deadline))
    }

    /// Is ready when the asker of the message in hand has given up, or has got its answer from elsewhere; never for a message
    /// that was told. It borrows nothing, so a handler can `select!` it with its work.
    ///
    /// An asker in another process is noticed by this node's driver, some microseconds later; nobody pays for that but
    /// those who wait.
    pub fn cancelled(&self) -> Cancelled {
        match self.interest() {
            (Interest::Nobody, _) => Cancelled::never(),
            (interest, deadline) => Cancelled::new(self.cell.core().shared(), interest, deadline),
        }
    }

    /// Returns how long the answer to the message in hand is waited for from now on; `None` for a message that was told, or
    /// an ask without an end.
    pub fn deadline(&self) -> Option<Duration> {
        match self.interest() {
            (Interest::Nobody, _) | (_, Nanos::NONE) => None,
            (_, deadline) => {
                let now = self.cell.core().shared().clock.now();
                Some(deadline.since(now))
            }
        }
    }
}
