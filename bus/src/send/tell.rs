//! `tell`: sends a message and waits for room, not for its handling.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::FusedFuture;
use futures_util::task::noop_waker_ref;

use super::again::{self, Boxed, Lost};
use super::redeliver::{Redeliver, RedeliveredTell};
use super::way::{Patience, Sending, Sent, Way};
use super::{Follow, SendError};
use crate::message::Sendable;

/// A message on its way to an actor: a future, which may be refined before it is first polled.
///
/// Nothing happens until then, and then it is sent, or waits for room as long as the receiver lives unless told otherwise. It is
/// `Unpin`, so `join_all`, `select!` and `timeout` take it as it is, and `&mut` of it is a future too.
///
/// # Panics
///
/// When polled after it was ready.
///
/// # Cancel safety
///
/// Dropping it before it is ready drops the message unsent; there is no state in between.
#[must_use = "a tell does nothing until it is awaited"]
pub struct Tell<'a, S: Sendable>(Stage<'a, S>);

enum Stage<'a, S: Sendable> {
    Fresh(Fresh<'a, S>),
    /// It has to wait. Rare, and large: it must not make every future that tells large.
    Waiting(Box<Sending<'a, S>>),
    /// The life that it was for had ended: it goes to the next.
    Following(Way<'a, S::Message>, Boxed<'a, Result<(), SendError<S>>>),
    Over,
}

/// Not polled yet.
struct Fresh<'a, S: Sendable> {
    way: Way<'a, S::Message>,
    follow: Follow<'a, S::Message>,
    message: S,
    deadline: Option<Duration>,
}

impl<'a, S: Sendable> Fresh<'a, S> {
    /// Sends it if that needs no more than a look at a mailbox of this process; otherwise it is to be polled.
    #[inline]
    fn send(self) -> Option<Sending<'a, S>> {
        let mut sending = Sending::beyond_straight_tell(self.way, self.message)?;
        sending.follow = self.follow;
        if let Some(deadline) = self.deadline {
            sending.began = sending.way.clock().now();
            sending.deadline = sending.began.plus(deadline);
        }
        Some(sending)
    }
}

impl<'a, S: Sendable> Tell<'a, S> {
    #[inline]
    pub(crate) fn new(
        way: Way<'a, S::Message>,
        follow: Follow<'a, S::Message>,
        message: S,
    ) -> Self {
        Self(Stage::Fresh(Fresh {
            way,
            follow,
            message,
            deadline: None,
        }))
    }

    /// Has the message sent to the next life of its receiver, in order, when the one that it reached dies before it has
    /// handled it to its end; at most `times` more often than once if the handler had begun. What becomes of it in the end is
    /// no error of this: a message that is given up is a [dead letter](crate::DeadLetter) of this node.
    ///
    /// [`Ask::redeliver`](crate::Ask::redeliver) says all the rest: what it takes, what is promised, and how a handler knows a
    /// message that it has had before.
    ///
    /// # Panics
    ///
    /// When it was polled before.
    pub fn redeliver(self, times: u32) -> RedeliveredTell<'a, S>
    where
        S: Redeliver,
    {
        let Stage::Fresh(fresh) = self.0 else {
            panic!("a tell was polled before it was told to be redelivered");
        };
        let to = (fresh.way, fresh.follow);
        RedeliveredTell::new(to, fresh.message, times, fresh.deadline)
    }

    /// Waits for room no longer than `deadline`, from when the tell is first polled; without effect after that. The default
    /// is as long as the receiver lives.
    #[inline]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        if let Stage::Fresh(fresh) = &mut self.0 {
            fresh.deadline = Some(deadline);
        }
        self
    }

    /// Sends now or not at all.
    pub(crate) fn now(
        way: Way<'a, S::Message>,
        follow: Follow<'a, S::Message>,
        message: S,
    ) -> Result<(), SendError<S>> {
        let Some(mut sending) = Sending::beyond_straight_tell(way, message) else {
            return Ok(());
        };
        sending.patience(Patience::None);
        match sending.poll(&Context::from_waker(noop_waker_ref())) {
            Poll::Ready(Ok(_)) => Ok(()),
            Poll::Ready(Err(error)) => match follow {
                Some(follow) => again::tell_now(follow, Lost::of(error, way.actor())?),
                None => Err(error),
            },
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
        let shared = match &self.0 {
            Stage::Fresh(fresh) => fresh.way.shared(),
            Stage::Waiting(sending) => sending.way.shared(),
            Stage::Following(way, _) => way.shared(),
            Stage::Over => None,
        };
        crate::node::block_on(shared, self)
    }
}

impl<'a, S: Sendable> Tell<'a, S> {
    /// What became of it, unless it goes on to the next life of its receiver.
    fn sent(
        &mut self,
        sent: Result<Sent<S>, SendError<S>>,
        sending: &Sending<'a, S>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<S>>> {
        match (sent, sending.follow) {
            (Ok(_), _) => Poll::Ready(Ok(())),
            (Err(error), None) => Poll::Ready(Err(error)),
            (Err(error), Some(follow)) => {
                let way = sending.way;
                let lost = Lost::of(error, way.actor())?;
                let mut following = Box::pin(again::tell(follow, lost, sending.deadline));
                let told = following.as_mut().poll(cx);
                if told.is_pending() {
                    self.0 = Stage::Following(way, following);
                }
                told
            }
        }
    }
}

// Nothing in it is pinned: the message is moved until it is sent.
impl<S: Sendable> Unpin for Tell<'_, S> {}

impl<S: Sendable> Future for Tell<'_, S> {
    type Output = Result<(), SendError<S>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        match std::mem::replace(&mut this.0, Stage::Over) {
            Stage::Fresh(fresh) => {
                let Some(mut sending) = fresh.send() else {
                    return Poll::Ready(Ok(()));
                };
                match sending.poll(cx) {
                    Poll::Pending => {
                        this.0 = Stage::Waiting(Box::new(sending));
                        Poll::Pending
                    }
                    Poll::Ready(sent) => this.sent(sent, &sending, cx),
                }
            }
            Stage::Waiting(mut sending) => match sending.poll(cx) {
                Poll::Pending => {
                    this.0 = Stage::Waiting(sending);
                    Poll::Pending
                }
                Poll::Ready(sent) => this.sent(sent, &sending, cx),
            },
            Stage::Following(way, mut following) => {
                let told = following.as_mut().poll(cx);
                if told.is_pending() {
                    this.0 = Stage::Following(way, following);
                }
                told
            }
            Stage::Over => panic!("a tell was polled after it was ready"),
        }
    }
}

impl<S: Sendable> FusedFuture for Tell<'_, S> {
    fn is_terminated(&self) -> bool {
        matches!(self.0, Stage::Over)
    }
}

impl<S: Sendable> std::fmt::Debug for Tell<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stage = match self.0 {
            Stage::Fresh(_) => "not polled yet",
            Stage::Waiting(_) => "waits for room",
            Stage::Following(..) => "goes to the next life",
            Stage::Over => "over",
        };
        f.debug_struct("Tell")
            .field("stage", &stage)
            .finish_non_exhaustive()
    }
}
