//! Forwarding: a message is sent on, and its receiver answers who had asked.
//!
//! What was asked is asked anew, before the same deadline, and a task of this node hands the answer back. The forwarding
//! actor waits only until the message is in the receiver's mailbox: so a full one holds its senders back, and it is free for
//! the next message meanwhile.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, Either, select};
use ringway_shm::sync::AtomicBool;
use ringway_shm::sync::Ordering::Relaxed;

use super::{AskError, SendError};
use crate::actor::Undone;
use crate::actor::later::{Deferred, Interest, ReplyTo, defer};
use crate::addr::Recipient;
use crate::clock::Nanos;
use crate::message::{HandlerError, Message, Semantics as _, Sendable};
use crate::priority::Priority;
use crate::shared::Shared;

type ReplyOf<S> = <<S as Sendable>::Message as Message>::Reply;

/// A message on its way to another receiver; see [`Context::forward`](crate::Context::forward).
///
/// # Panics
///
/// When polled after it was ready.
#[must_use = "a message is forwarded when this is awaited"]
pub struct Forward<S: Sendable>(Stage<S>);

enum Stage<S: Sendable> {
    Fresh(Fresh<S>),
    /// Nobody waits for an answer.
    Told(
        BoxFuture<'static, Result<(), SendError<S>>>,
        Deferred<ReplyOf<S>>,
    ),
    Asked(Asked<S>),
    Over,
}

/// Not polled yet.
struct Fresh<S: Sendable> {
    shared: Arc<Shared>,
    message: S,
    to: Recipient<S::Message>,
    interest: Interest,
    deadline: Nanos,
    priority: Priority,
}

struct Asked<S: Sendable> {
    shared: Arc<Shared>,
    ask: BoxFuture<'static, Result<ReplyOf<S>, AskError<S>>>,
    /// Set once the message is in the receiver's mailbox.
    is_sent: Arc<AtomicBool>,
    reply_to: ReplyTo<ReplyOf<S>>,
    deferred: Deferred<ReplyOf<S>>,
}

impl<S: Sendable> Forward<S> {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        message: S,
        to: Recipient<S::Message>,
        interest: Interest,
        deadline: Nanos,
        priority: Priority,
    ) -> Self {
        Self(Stage::Fresh(Fresh {
            shared: Arc::clone(shared),
            message,
            to,
            interest,
            deadline,
            priority,
        }))
    }

    /// Sends it on with this [`Priority`] rather than that of the message in hand; without effect once this was polled.
    pub fn priority(mut self, priority: Priority) -> Self {
        if let Stage::Fresh(fresh) = &mut self.0 {
            fresh.priority = priority;
        }
        self
    }
}

impl<S: Sendable> Fresh<S> {
    fn begin(self) -> Stage<S> {
        let Self {
            shared,
            message,
            to,
            interest,
            deadline,
            priority,
        } = self;
        let is_told = matches!(interest, Interest::Nobody);
        let (reply_to, deferred) = defer(&shared, interest, deadline);
        if is_told {
            drop(reply_to);
            let tell = async move { to.tell(message).priority(priority).await };
            return Stage::Told(Box::pin(tell), deferred);
        }
        let is_sent = Arc::new(AtomicBool::new(false));
        let sent = Arc::clone(&is_sent);
        let ask = async move {
            let mut ask = to.ask(message).priority(priority).by(deadline);
            let polled = poll_fn(|cx| {
                let polled = Pin::new(&mut ask).poll(cx);
                // Relaxed: read by whoever has just polled this.
                sent.store(ask.has_left(), Relaxed);
                polled
            });
            let arrival = polled.await?;
            let reply = <ReplyOf<S> as Message>::Semantics::sent_on(arrival);
            reply.into_value().map_err(|_| AskError::Reply {
                reason: "it has no value".to_owned(),
            })
        };
        Stage::Asked(Asked {
            shared,
            ask: Box::pin(ask),
            is_sent,
            reply_to,
            deferred,
        })
    }
}

impl<S: Sendable> Asked<S> {
    /// Leaves the rest to a task.
    fn leave(self) -> Deferred<ReplyOf<S>> {
        let Self {
            shared,
            ask,
            reply_to,
            deferred,
            ..
        } = self;
        let task = async move {
            match select(ask, reply_to.cancelled()).await {
                Either::Left((answer, _)) => reply_to.settle(answer.map_err(undone)),
                // Its handler has answered instead; what was sent on is still to be done.
                Either::Right(((), ask)) if reply_to.is_forgotten() => drop(ask.await),
                // Dropping the ask gives it up there as well.
                Either::Right(((), ask)) => drop(ask),
            }
        };
        shared.queue.task(task).schedule();
        deferred
    }
}

/// What an asker hears of an ask that was made in its stead.
fn undone<S>(error: AskError<S>) -> Undone {
    let failed = |text: String| Undone::Failed(HandlerError::new(text));
    match error {
        AskError::Unsent(error) => failed(format!("it could not be sent on: {error}")),
        AskError::Deadline { .. } => Undone::Expired,
        AskError::Died { reason, .. } | AskError::Poisoned { reason, .. } => Undone::Ended(reason),
        AskError::Handler(error) => Undone::Failed(error),
        AskError::Unanswered => Undone::Unanswered,
        AskError::Dropped { .. } => {
            Undone::Refused("the mailbox that it was sent on to dropped it".to_owned())
        }
        AskError::Refused { reason } => Undone::Refused(reason),
        AskError::Reply { reason } => failed(format!("its reply cannot be passed on: {reason}")),
    }
}

impl<S: Sendable> Future for Forward<S> {
    type Output = Result<Deferred<ReplyOf<S>>, SendError<S>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let stage = match std::mem::replace(&mut this.0, Stage::Over) {
            Stage::Fresh(fresh) => fresh.begin(),
            begun => begun,
        };
        match stage {
            Stage::Fresh(_) => unreachable!("begun a moment ago"),
            Stage::Told(mut tell, deferred) => match tell.as_mut().poll(cx) {
                Poll::Pending => {
                    this.0 = Stage::Told(tell, deferred);
                    Poll::Pending
                }
                Poll::Ready(told) => Poll::Ready(told.map(|()| deferred)),
            },
            Stage::Asked(mut asked) => match asked.ask.as_mut().poll(cx) {
                Poll::Ready(Err(AskError::Unsent(error))) => Poll::Ready(Err(error)),
                Poll::Ready(answer) => {
                    asked.reply_to.settle(answer.map_err(undone));
                    Poll::Ready(Ok(asked.deferred))
                }
                // Relaxed: set in the poll above.
                Poll::Pending if asked.is_sent.load(Relaxed) => Poll::Ready(Ok(asked.leave())),
                Poll::Pending => {
                    this.0 = Stage::Asked(asked);
                    Poll::Pending
                }
            },
            Stage::Over => panic!("a forward was polled after it was ready"),
        }
    }
}

// Nothing in it is pinned.
impl<S: Sendable> Unpin for Forward<S> {}

impl<S: Sendable> fmt::Debug for Forward<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward").finish_non_exhaustive()
    }
}
