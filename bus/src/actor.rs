//! What an actor is: state that one message at a time may change, reached by an address.
//!
//! `#[derive(Actor)]` writes the [`Actor`] impl from the list of messages; [`Handler`] says what each message does;
//! [`Hooks`] and [`FromArgs`] are for those who need more.

pub(crate) mod cell;
pub(crate) mod context;
mod dead_letter;
pub(crate) mod idle;
pub(crate) mod incoming;
pub(crate) mod later;
pub(crate) mod letter;
pub(crate) mod link;
pub(crate) mod machine;
pub(crate) mod monitor;
mod own;
pub(crate) mod pipe;
pub(crate) mod port;
pub(crate) mod reply;
pub(crate) mod run;
mod stash;
pub(crate) mod timer;

use std::any::Any;
use std::future::Future;
use std::sync::Arc;

pub use self::context::Context;
use self::dead_letter::Begun;
use self::incoming::Incoming;
pub use self::later::{Cancelled, Deferred, ReplyTo};
use self::letter::{Handed, Letter};
pub use self::link::LinkDown;
pub use self::machine::StateMachine;
pub use self::monitor::{Down, MonitorId, Monitored};
pub use self::pipe::PipeId;
use self::port::{Back, Ports, ReplyPort};
pub use self::stash::StashError;
pub use self::timer::TimerId;
use crate::dead::DeadReason;
use crate::exit::ExitReason;
use crate::message::{BoxError, Delivery, HandlerError, IntoReply, Message, MessageSchema, TypeId};

/// State that handles messages, one at a time; derive it.
///
/// The derive makes the table that turns local letters and entries from other processes into calls of [`Handler`]s.
/// Its attribute is `#[actor(handles(A, B, Lease<C>), args = T, hooks, redeliver = 3)]`: what the actor handles, what a child process
/// is given to build it with (default `()`, for types that are `Default`; see [`FromArgs`]), that [`Hooks`] is
/// implemented by hand, and how often its messages are sent again when it dies (default 0; see
/// [`ActorBuilder::redeliver`](crate::ActorBuilder::redeliver)).
pub trait Actor: Sized + Send + 'static {
    /// What a process that runs this actor builds it from.
    type Args: Message<Value = Self::Args>;

    /// One variant per handled message.
    #[doc(hidden)]
    type Letters: Send + 'static;

    /// One variant per handled message: where the port of the one in hand lies.
    #[doc(hidden)]
    type Ports: Ports;

    /// What the actor handles, for the agreement when a uring to it is opened.
    #[doc(hidden)]
    const ACCEPTED: &'static [Accepted];

    /// How often messages are sent again that a life of it did not handle to their ends, unless told otherwise.
    #[doc(hidden)]
    const REDELIVER: u32 = 0;

    /// Opens an entry from another process, of which [`deliver`](Self::deliver) makes nothing by itself; `None` when it is to be
    /// refused.
    #[doc(hidden)]
    fn open(_incoming: &mut Incoming<'_>) -> Option<Self::Letters> {
        None
    }

    /// Takes the message whose turn it is, hands it to its handler, and answers it.
    #[doc(hidden)]
    fn deliver(&mut self, cx: &mut Context<Self>) -> impl Future<Output = ()> + Send;

    /// [`Hooks::started`]: an actor is bound by this trait alone, and a generic one can implement its hooks, which a
    /// supertrait with `where Self: Actor` on each method would forbid.
    #[doc(hidden)]
    fn on_started(
        &mut self,
        cx: &mut Context<Self>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// [`Hooks::stopping`].
    #[doc(hidden)]
    fn on_stopping(
        &mut self,
        reason: &ExitReason,
        cx: &mut Context<Self>,
    ) -> impl Future<Output = ()> + Send;

    /// Whether [`Hooks`] are more than the empty ones.
    #[doc(hidden)]
    const HAS_HOOKS: bool = false;

    /// [`Hooks::restarted`].
    #[doc(hidden)]
    fn on_restarted(
        &mut self,
        _last: &ExitReason,
        _cx: &mut Context<Self>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send {
        async { Ok(()) }
    }

    /// [`Hooks::panicked`].
    #[doc(hidden)]
    fn on_panicked(&mut self, _message: &str) {}

    /// [`Hooks::tell_failed`].
    #[doc(hidden)]
    fn on_tell_failed(&mut self, message: &'static str, error: HandlerError);

    /// Returns a letter that nobody will handle to its sender.
    #[doc(hidden)]
    fn give_back(letter: Self::Letters, back: &Back<'_>);
}

/// What an actor does with a message.
///
/// `M` is the message, whatever arrives of it: a handler of a `copy` message is an `impl Handler<Frame>` and gets a
/// `Lease<Frame>`. Only a `move` message has the choice: `handles(Lease<Row>)` and `impl Handler<Lease<Row>>` read it in place.
///
/// `R` is what the handler returns: the message's reply, or `Result<Reply, E>` for a handler that can fail. A failing
/// ask answers its sender with [`AskError::Handler`](crate::AskError::Handler); a failing tell goes to
/// [`Hooks::tell_failed`]. Neither stops the actor. A panic does.
///
/// # Cancel safety
///
/// `kill` drops the future of a running handler at its next `await`. Nothing else does: a sender that drops its ask
/// does not interrupt the handler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle `{M}`",
    note = "implement `Handler<{M}>` and list the message in `#[actor(handles(..))]`"
)]
pub trait Handler<M, R = <<M as Delivery>::Message as Message>::Reply>: Actor
where
    M: Delivery + ?Sized,
    R: IntoReply<M::Message>,
{
    /// Handles one message; no other runs on this actor meanwhile.
    fn handle(
        &mut self,
        message: M::Arrival,
        cx: &mut Context<Self>,
    ) -> impl Future<Output = R> + Send;
}

/// Says that an actor handles `M`; written by `#[derive(Actor)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not accept `{M}`",
    note = "list the message in `#[actor(handles(..))]` of the actor"
)]
pub trait Accepts<M: Message + ?Sized>: Actor {
    /// Makes a letter of what a sender of this process handed over.
    #[doc(hidden)]
    fn letter(handed: Handed<M>, port: ReplyPort<M>) -> Self::Letters;

    /// The port in hand, if it is of this message.
    #[doc(hidden)]
    fn port_of(ports: Self::Ports) -> Result<ReplyPort<M>, Self::Ports>;

    /// The other way round.
    #[doc(hidden)]
    fn port_in_hand(port: ReplyPort<M>) -> Self::Ports;
}

/// What an actor does around its messages. `#[derive(Actor)]` writes an empty impl unless told `hooks`.
pub trait Hooks: Actor {
    /// Runs before the first message.
    ///
    /// # Errors
    ///
    /// An error ends the actor with [`ExitReason::StartFailed`]; `stopping` does not run.
    fn started(
        &mut self,
        _cx: &mut Context<Self>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send {
        async { Ok(()) }
    }

    /// Runs after the last message of an orderly end: not after a panic or a kill.
    fn stopping(
        &mut self,
        _reason: &ExitReason,
        _cx: &mut Context<Self>,
    ) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Runs after [`started`](Self::started) in an actor that its supervisor has started again, with the reason for which its
    /// last life ended: in this process or in another one.
    ///
    /// # Errors
    ///
    /// As those of `started`.
    fn restarted(
        &mut self,
        _last: &ExitReason,
        _cx: &mut Context<Self>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send {
        async { Ok(()) }
    }

    /// Runs when a handler has panicked with that message, before the actor is dropped: to save what can be saved. The actor
    /// is as the panic has left it, and what the handler was about may be half done. It ends in any case, and `stopping` does
    /// not run.
    ///
    /// Where a panic aborts the process nothing runs.
    fn panicked(&mut self, _message: &str) {}

    /// A tell's handler returned an error: nobody waits for it, so it is reported here.
    fn tell_failed(&mut self, message: &'static str, error: HandlerError) {
        crate::trace::warning!(message, %error, "the handler of a tell failed");
        let _ = (message, error);
    }
}

/// Builds an actor in the process that will run it, from what the spawner sent.
///
/// Types that are [`Default`] are built from `()`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be built from `{T}`",
    note = "implement `Default`, or name what it is built from, `#[actor(args = ..)]`, and implement `FromArgs` of that"
)]
pub trait FromArgs<T>: Sized {
    /// Builds the actor.
    ///
    /// # Errors
    ///
    /// The error is what the spawner gets: the process ends with `StartFailed`.
    fn from_args(args: T) -> Result<Self, BoxError>;
}

impl<A: Default> FromArgs<()> for A {
    fn from_args((): ()) -> Result<Self, BoxError> {
        Ok(Self::default())
    }
}

/// Makes a boxed `Arc<dyn LocalRoute<M>>` of an actor's cell.
type RouteOf = fn(Arc<dyn Any + Send + Sync>) -> Option<Box<dyn Any>>;

/// One message that an actor accepts: both ends of a uring must agree on it.
#[derive(Clone, Copy)]
pub struct Accepted {
    /// The message's type.
    pub id: TypeId,
    /// Its name, for errors.
    pub name: &'static str,
    /// Its layout.
    pub schema: MessageSchema,
    /// Its values can be copied.
    is_kept: bool,
    route: RouteOf,
}

/// Whether each of these messages can be copied, and so be sent again.
#[doc(hidden)]
pub const fn are_kept(accepted: &[Accepted]) -> bool {
    let mut at = 0;
    while at < accepted.len() {
        if !accepted[at].is_kept {
            return false;
        }
        at += 1;
    }
    true
}

impl Accepted {
    /// Describes the message behind a delivery.
    #[must_use]
    pub const fn of<A, D>() -> Self
    where
        A: Accepts<D::Message>,
        D: Delivery + ?Sized,
    {
        Self {
            id: <D::Message as Message>::TYPE_ID,
            name: <D::Message as Message>::NAME,
            schema: <D::Message as Message>::SCHEMA,
            is_kept: <D::Message as Message>::KEEP.is_some(),
            route: |cell| {
                let cell = cell.downcast::<cell::Cell<A>>().ok()?;
                Some(Box::new(cell as Arc<dyn cell::LocalRoute<D::Message>>))
            },
        }
    }

    /// Makes the local route for `M` of an actor's cell, if this describes `M`.
    pub(crate) fn route_of<M: Message + ?Sized>(
        &self,
        cell: Arc<dyn Any + Send + Sync>,
    ) -> Option<Arc<dyn cell::LocalRoute<M>>> {
        let route = (self.route)(cell)?;
        route
            .downcast::<Arc<dyn cell::LocalRoute<M>>>()
            .ok()
            .map(|route| *route)
    }
}

impl std::fmt::Debug for Accepted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accepted")
            .field("name", &self.name)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Why a letter was not handled, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Undone {
    /// The receiver ended.
    #[error("the receiver ended: {0}")]
    Ended(ExitReason),
    /// The mailbox's policy dropped it.
    #[error("the receiver's mailbox dropped the message")]
    Dropped,
    /// Its deadline passed before its handler began.
    #[error("the deadline passed before the handler began")]
    Expired,
    /// Its sender gave it up before its handler began.
    #[error("the sender gave the message up before its handler began")]
    Cancelled,
    /// Its handler failed.
    #[error("the handler failed: {0}")]
    Failed(HandlerError),
    /// The receiver could not make sense of it.
    #[error("the receiver refused the message: {0}")]
    Refused(String),
    /// Its handler left the reply for later, and whoever was to give it let go of it.
    #[error("whoever was to answer did not")]
    Unanswered,
}

/// Takes the message whose turn it is: what derived code calls first.
#[doc(hidden)]
#[inline]
pub fn take<A: Actor>(cx: &mut Context<A>) -> Option<A::Letters> {
    cx.take()
}

/// What the message whose turn it is claims to be, if it is an entry from another process: what derived code asks first, to open
/// it straight into what its handler gets.
#[doc(hidden)]
#[inline]
pub fn entry<A: Actor>(cx: &Context<A>) -> Option<TypeId> {
    cx.entry()
}

/// Begins the handling of the entry in hand as [`begin`] does that of a letter; what is no message of `D` is refused.
#[doc(hidden)]
#[inline]
pub fn begin_entry<A, D>(
    keep: impl FnOnce(ReplyPort<D::Message>) -> A::Ports,
    cx: &mut Context<A>,
) -> Option<D::Arrival>
where
    A: Actor,
    D: Delivery + ?Sized,
{
    let arrival = cx.arrive::<D>()?;
    let port = ReplyPort::remote().still_wanted(cx).ok()?;
    cx.keep_port(keep(port));
    #[cfg(feature = "test")]
    cx.cell().crash_if_due();
    Some(arrival)
}

/// Begins the handling of a letter, unless nobody wants it any more: what derived code calls before the handler. Gives the
/// message; the context keeps its port.
#[doc(hidden)]
#[inline]
pub fn begin<A, D>(
    letter: Option<A::Letters>,
    this: impl FnOnce(A::Letters) -> Option<Letter<D>>,
    keep: impl FnOnce(ReplyPort<D::Message>) -> A::Ports,
    cx: &mut Context<A>,
) -> Option<D::Arrival>
where
    A: Actor,
    D: Delivery + ?Sized,
{
    let (arrival, port) = letter.and_then(this)?.begin(cx)?;
    cx.keep_port(keep(port));
    #[cfg(feature = "test")]
    cx.cell().crash_if_due();
    Some(arrival)
}

/// The message of a letter that has begun; who calls this has seen that there is one.
#[doc(hidden)]
#[inline]
pub fn arrived<T>(arrival: Option<T>) -> T {
    arrival.expect("begun: the caller has looked")
}

/// Answers a letter: what derived code calls with what the handler returned.
#[doc(hidden)]
#[inline]
pub fn end<A, D, R>(
    result: R,
    kept: impl FnOnce(&mut A::Ports) -> Option<ReplyPort<D::Message>>,
    actor: &mut A,
    cx: &mut Context<A>,
) where
    A: Handler<D, R>,
    D: Delivery + ?Sized,
    R: IntoReply<D::Message>,
{
    if R::COMES_LATER {
        return end_later::<A, D, R>(result, kept, actor, cx);
    }
    let result = result.into_reply();
    // `begin` kept one; without it the handler has put its message aside.
    let Some(port) = cx.take_port_with(kept) else {
        return cx.count_put_aside();
    };
    if let Err(error) = port.answer(result, cx) {
        cx.dead_letter::<D::Message>(DeadReason::Failed(error.clone()), Begun::Yes);
        actor.on_tell_failed(<D::Message as Message>::NAME, error);
    }
    cx.count_handled();
}

/// The same of a handler that may leave its reply to others.
fn end_later<A, D, R>(
    result: R,
    kept: impl FnOnce(&mut A::Ports) -> Option<ReplyPort<D::Message>>,
    actor: &mut A,
    cx: &mut Context<A>,
) where
    A: Handler<D, R>,
    D: Delivery + ?Sized,
    R: IntoReply<D::Message>,
{
    let deferred = result.into_deferred();
    let Some(port) = cx.take_port_with(kept) else {
        return cx.count_put_aside(); // as above
    };
    let failed = match deferred {
        Ok(deferred) => {
            port.defer(deferred, cx);
            Ok(())
        }
        Err(error) => port.answer(Err(error), cx),
    };
    if let Err(error) = failed {
        cx.dead_letter::<D::Message>(DeadReason::Failed(error.clone()), Begun::Yes);
        actor.on_tell_failed(<D::Message as Message>::NAME, error);
    }
    cx.count_handled();
}
