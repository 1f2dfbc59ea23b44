//! `ask`: sends a message and waits for its reply, up to a deadline.
//!
//! An ask of an actor of this process whose mailbox has room takes a short way of its own ([`local`]).

mod answer;
mod asking;
mod local;
mod poll;
mod refine;

use std::time::Duration;

use self::asking::{Asking, Stage};
use self::local::LocalAsk;
pub(super) use self::refine::keep_parcel;
use super::redeliver::{About, RedeliveredAsk};
use super::sending::Wanted;
use super::way::Way;
use super::{AskError, Follow};
use crate::actor::cell::LocalRoute;
use crate::clock::Nanos;
use crate::message::{Message, Parcel, Sendable};
use crate::priority::Priority;

/// How long an ask waits unless told otherwise: as `gen_server:call` does.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// What an ask for `S` is answered with.
type ReplyOf<S> = <<S as Sendable>::Message as Message>::Reply;

pub(super) type Arrival<S> = <ReplyOf<S> as Message>::Arrival;

/// A message on its way to an actor, and the wait for its reply: a future, which may be refined before it is first polled.
///
/// Nothing happens until then, and then all at once: the message is sent, the deadline counts, 5 s unless told otherwise. It
/// is `Unpin`, so `join_all`, `select!` and `timeout` take it as it is, and `&mut` of it is a future too.
///
/// # Panics
///
/// When polled after it was ready.
///
/// # Cancel safety
///
/// Dropping it before the message is on its way sends nothing, and drops the message. Dropping it later withdraws the
/// message where its handler has not begun; a handler that has begun goes on, and its reply is dropped.
#[must_use = "an ask does nothing until it is awaited"]
pub struct Ask<'a, S: Sendable>(Progress<'a, S>);

enum Progress<'a, S: Sendable> {
    Fresh(Fresh<'a, S>),
    Local(LocalAsk<'a, S::Message>),
    Asking(Asking<'a, S>),
    /// It goes to later lives of its receiver too, as that is set to have it.
    Again(Box<RedeliveredAsk<'a, Parcel<S::Message>>>),
    Over,
}

/// An ask of an actor of this process, not polled yet.
struct Fresh<'a, S: Sendable> {
    route: &'a dyn LocalRoute<S::Message>,
    follow: Follow<'a, S::Message>,
    message: S,
    wait: Duration,
}

impl<'a, S: Sendable> Ask<'a, S> {
    #[inline]
    pub(crate) fn new(
        way: Way<'a, S::Message>,
        follow: Follow<'a, S::Message>,
        message: S,
    ) -> Self {
        match follow {
            Some(_) if way.redeliver() > 0 => Self::by_setting(way, follow, message),
            _ => Self::plain(way, follow, message),
        }
    }

    #[cold]
    fn by_setting(way: Way<'a, S::Message>, follow: Follow<'a, S::Message>, message: S) -> Self {
        let message = (message.into_parcel(), keep_parcel as fn(&_) -> _);
        let again = RedeliveredAsk::new((way, follow), message, way.redeliver(), DEADLINE);
        Self(Progress::Again(Box::new(again)))
    }

    #[inline]
    fn plain(way: Way<'a, S::Message>, follow: Follow<'a, S::Message>, message: S) -> Self {
        Self(match way {
            Way::Local(route) => Progress::Fresh(Fresh {
                route,
                follow,
                message,
                wait: DEADLINE,
            }),
            // Made where it stays: it is large, and is not to be moved once more.
            Way::Remote(_) => {
                Progress::Asking(Asking::fresh(way, follow, message, Stage::Fresh(DEADLINE)))
            }
        })
    }

    /// An ask that has begun before, and goes on with another receiver.
    pub(super) fn until(
        way: Way<'a, S::Message>,
        message: S,
        priority: Priority,
        (began, until): (Nanos, Nanos),
    ) -> Self {
        let mut asking = Asking::fresh(way, None, message, Stage::Sending(None));
        asking.sending.set_priority(priority);
        (asking.sending.began, asking.sending.deadline) = (began, until);
        Self(Progress::Asking(asking))
    }

    /// The same, of a message that may be sent more than once.
    pub(crate) fn again(
        way: Way<'a, S::Message>,
        message: S,
        priority: Priority,
        times: (Nanos, Nanos),
        about: About,
    ) -> Self {
        let mut this = Self::until(way, message, priority, times);
        if let Progress::Asking(asking) = &mut this.0 {
            asking.sending.wanted = Wanted::Again(Box::new(about));
        }
        this
    }

    /// Whether the message is in its receiver's mailbox, or was.
    pub(crate) fn is_sent(&self) -> bool {
        match &self.0 {
            Progress::Asking(asking) => matches!(
                asking.stage,
                Stage::Local(_) | Stage::Remote(_) | Stage::Ending
            ),
            _ => false,
        }
    }

    /// Whether it is in the receiver's mailbox, or will never be.
    pub(super) fn has_left(&self) -> bool {
        match &self.0 {
            Progress::Fresh(_) => false,
            Progress::Asking(it) => {
                !matches!(it.stage, Stage::Sending(_)) && it.stage.fresh().is_none()
            }
            Progress::Local(_) | Progress::Again(_) | Progress::Over => true,
        }
    }

    /// Blocks the calling thread until the reply has come.
    ///
    /// # Errors
    ///
    /// As when awaited.
    ///
    /// # Panics
    ///
    /// In a handler, or in a future that its node's `run_until` runs: await it there.
    pub fn wait(self) -> Result<Arrival<S>, AskError<S>> {
        let shared = match &self.0 {
            Progress::Fresh(fresh) => Way::Local(fresh.route).shared(),
            Progress::Local(ask) => ask.way().shared(),
            Progress::Asking(asking) => asking.sending.way.shared(),
            Progress::Again(again) => again.shared(),
            Progress::Over => None,
        };
        crate::node::block_on(shared, self)
    }
}

impl<S: Sendable> std::fmt::Debug for Ask<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stage = match &self.0 {
            Progress::Fresh(_) => "not polled yet",
            Progress::Asking(asking) => match asking.stage {
                Stage::Fresh(_) | Stage::FreshHigh(_) => "not polled yet",
                Stage::Sending(_) => "waits for room",
                Stage::Following(_) => "goes to the next life",
                Stage::Local(_) | Stage::Remote(_) | Stage::Ending => "waits for its reply",
                Stage::Over => "over",
            },
            Progress::Again(again) if again.is_fresh() => "not polled yet",
            Progress::Local(_) | Progress::Again(_) => "waits for its reply",
            Progress::Over => "over",
        };
        f.debug_struct("Ask")
            .field("stage", &stage)
            .finish_non_exhaustive()
    }
}
