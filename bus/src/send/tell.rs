//! `tell`: sends a message and waits for room, not for its handling.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::noop_waker_ref;

use super::SendError;
use super::way::{Patience, Sending, Way};
use crate::clock::Nanos;
use crate::message::Sendable;

/// A message about to be told: await it as it is, or refine it first.
///
/// Where a future is asked for (`join_all`, `select!`, a pinned one): `.into_future()`. tokio's `timeout` takes it as it is.
///
/// # Cancel safety
///
/// Dropping it before it is ready drops the message unsent; there is no state in between.
#[must_use = "a tell does nothing until it is awaited"]
pub struct Tell<'a, S: Sendable> {
    way: Way<'a, S::Message>,
    message: S,
    deadline: Option<Duration>,
}

impl<'a, S: Sendable> Tell<'a, S> {
    #[inline]
    pub(crate) fn new(way: Way<'a, S::Message>, message: S) -> Self {
        Self {
            way,
            message,
            deadline: None,
        }
    }

    /// Waits for room no longer than `deadline`; the default is as long as the receiver lives.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sends now or not at all.
    pub(crate) fn now(self) -> Result<(), SendError<S>> {
        let Some(mut sending) = Sending::beyond_straight_tell(self.way, self.message) else {
            return Ok(());
        };
        sending.patience(Patience::None);
        match sending.poll(&Context::from_waker(noop_waker_ref())) {
            Poll::Ready(sent) => sent.map(drop),
            Poll::Pending => unreachable!("without patience a send is never pending"),
        }
    }

    /// Blocks the calling thread until the message is sent.
    ///
    /// # Errors
    ///
    /// As when awaited.
    ///
    /// # Panics
    ///
    /// In a handler, or in a future that its node's `run_until` runs: await it there.
    pub fn wait(self) -> Result<(), SendError<S>> {
        let shared = self.way.shared();
        crate::node::block_on(shared, self.into_future())
    }
}

impl<'a, S: Sendable> IntoFuture for Tell<'a, S> {
    type Output = Result<(), SendError<S>>;
    type IntoFuture = TellFuture<'a, S>;

    #[inline]
    fn into_future(self) -> TellFuture<'a, S> {
        let (began, deadline) = match self.deadline {
            None => (Nanos::NONE, Nanos::NONE),
            Some(deadline) => {
                let began = Nanos::now();
                (began, began.plus(deadline))
            }
        };
        TellFuture(Stage::Unsent {
            way: self.way,
            message: self.message,
            began,
            deadline,
        })
    }
}

/// A [`Tell`] on its way.
#[must_use = "futures do nothing until they are awaited"]
pub struct TellFuture<'a, S: Sendable>(Stage<'a, S>);

enum Stage<'a, S: Sendable> {
    Unsent {
        way: Way<'a, S::Message>,
        message: S,
        began: Nanos,
        deadline: Nanos,
    },
    /// It has to wait. Rare, and large: it must not make every future that tells large.
    Waiting(Box<Sending<'a, S>>),
    Over,
}

// Nothing in it is pinned: the message is moved until it is sent.
impl<S: Sendable> Unpin for TellFuture<'_, S> {}

impl<S: Sendable> Future for TellFuture<'_, S> {
    type Output = Result<(), SendError<S>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        match std::mem::replace(&mut this.0, Stage::Over) {
            Stage::Unsent {
                way,
                message,
                began,
                deadline,
            } => {
                let Some(mut sending) = Sending::beyond_straight_tell(way, message) else {
                    return Poll::Ready(Ok(()));
                };
                (sending.began, sending.deadline) = (began, deadline);
                let sent = sending.poll(cx);
                if sent.is_pending() {
                    this.0 = Stage::Waiting(Box::new(sending));
                }
                sent.map_ok(drop)
            }
            Stage::Waiting(mut sending) => {
                let sent = sending.poll(cx);
                if sent.is_pending() {
                    this.0 = Stage::Waiting(sending);
                }
                sent.map_ok(drop)
            }
            Stage::Over => unreachable!("polled after it was ready"),
        }
    }
}

impl<S: Sendable> std::fmt::Debug for Tell<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tell")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

impl<S: Sendable> std::fmt::Debug for TellFuture<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TellFuture").finish_non_exhaustive()
    }
}
