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
    sending: Sending<'a, S>,
    deadline: Option<Duration>,
}

impl<'a, S: Sendable> Tell<'a, S> {
    pub(crate) fn new(way: Way<'a, S::Message>, message: S) -> Self {
        Self {
            sending: Sending::new(way, message),
            deadline: None,
        }
    }

    /// Waits for room no longer than `deadline`; the default is as long as the receiver lives.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sends now or not at all.
    pub(crate) fn now(mut self) -> Result<(), SendError<S>> {
        self.sending.patience(Patience::None);
        match self.sending.poll(&Context::from_waker(noop_waker_ref())) {
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
        let shared = self.sending.way.shared();
        crate::node::block_on(shared, self.into_future())
    }
}

impl<'a, S: Sendable> IntoFuture for Tell<'a, S> {
    type Output = Result<(), SendError<S>>;
    type IntoFuture = TellFuture<'a, S>;

    fn into_future(mut self) -> TellFuture<'a, S> {
        if let Some(deadline) = self.deadline {
            self.sending.began = Nanos::now();
            self.sending.deadline = Nanos::after(deadline);
        }
        TellFuture {
            sending: self.sending,
        }
    }
}

/// A [`Tell`] on its way; cancel-safe as that says.
#[must_use = "futures do nothing until they are awaited"]
pub struct TellFuture<'a, S: Sendable> {
    sending: Sending<'a, S>,
}

impl<S: Sendable> Future for TellFuture<'_, S> {
    type Output = Result<(), SendError<S>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().sending.poll(cx).map_ok(drop)
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
