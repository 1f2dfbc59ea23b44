//! Sending again, to the next life of a receiver that died, what that one had not handled to its end.
//!
//! Each such send is a task of the sender's node with a copy of the message: it sends, waits for what becomes of that, and
//! sends again. So the message makes its way whether or not its future is polled, and as long as its sender's process lives.
//!
//! # Order
//! All that goes to one receiver this way, from one process, is sent in the order in which its futures were first polled; and
//! what a life did not handle goes to the next one in that same order, before anything newer (`order.rs`). Each priority has an
//! order of its own.
//!
//! Nothing here is touched by sends without it.

mod carry;
mod order;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::AbortHandle;

pub(crate) use self::carry::{About, LIFE_WITHIN, bury, reason_of};
use self::carry::{Order, Report};
pub(crate) use self::order::Ledgers;
use super::ask::Arrival;
use super::way::Way;
use super::{AskError, Follow, SendError};
use crate::actor::reply::{Asker, slot};
use crate::clock::Nanos;
use crate::driver::timer::TimerKey;
use crate::exit::ExitReason;
use crate::loan::Loan;
use crate::message::{Fill, InPlace, Message, Sendable};
use crate::peering::NodeId;
use crate::priority::Priority;
use crate::shared::Shared;

/// Identifies a message that may be sent more than once: the same at every attempt, and no other message's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId {
    /// The node that sends it.
    pub node: NodeId,
    /// Its number there.
    pub number: u64,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.number)
    }
}

/// What can be sent again: values that are [`Clone`], and loans. Sealed.
pub trait Redeliver: Sendable {
    /// The same message once more; of a loan, in private memory.
    #[doc(hidden)]
    fn keep(&self) -> Self;
}

impl<M: Message<Value = M> + Clone> Redeliver for M {
    fn keep(&self) -> Self {
        self.clone()
    }
}

impl<M: InPlace + ?Sized> Redeliver for Loan<M>
where
    M::Access: Fill<M::View>,
{
    fn keep(&self) -> Self {
        Loan::of_view(self.header(), &**self)
    }
}

/// The life that an address reaches, and where the next one is found.
type Address<'a, M> = (Way<'a, M>, Follow<'a, M>);

/// What is to be sent, before it is first polled.
struct Fresh<'a, S: Sendable> {
    way: Way<'a, S::Message>,
    follow: Follow<'a, S::Message>,
    message: S,
    keep: fn(&S) -> S,
    times: u32,
    deadline: Option<Duration>,
    priority: Priority,
}

/// The task that carries a message, and what it is to say.
struct Running<T> {
    shared: Arc<Shared>,
    answer: Asker<T>,
    task: AbortHandle,
    began: Nanos,
    deadline: Nanos,
    timer: Option<TimerKey>,
}

/// What a look at a running task found.
enum Looked<T> {
    /// `None` when the task is gone: its node has left.
    Said(Option<T>),
    Overdue(Duration),
}

impl<'a, S: Sendable> Fresh<'a, S> {
    /// Starts the task; its place among those to the same receiver is that of this moment.
    fn begin<T: Send + 'static>(
        self,
        cx: &Context<'_>,
        report: impl FnOnce(crate::actor::reply::Answerer<T>) -> Report<S>,
    ) -> Result<Running<T>, S> {
        let Some(shared) = self.way.shared() else {
            return Err(self.message);
        };
        let (began, deadline) = match self.deadline {
            Some(deadline) => shared.clock.begin(deadline),
            None => (shared.clock.now(), Nanos::NONE),
        };
        let (answerer, answer) = slot(Nanos::NONE, cx.waker());
        let order = Order::new(&shared, self, began, deadline);
        let task = order.start(&shared, report(answerer));
        Ok(Running {
            shared,
            answer,
            task,
            began,
            deadline,
            timer: None,
        })
    }
}

impl<T> Running<T> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Looked<T>> {
        if let Poll::Ready(said) = self.answer.poll(cx) {
            return Poll::Ready(Looked::Said(said));
        }
        if self.deadline == Nanos::NONE {
            return Poll::Pending;
        }
        if self.shared.clock.has_passed(self.deadline) {
            let waited = self.shared.clock.now().since(self.began);
            return Poll::Ready(Looked::Overdue(waited));
        }
        match self.timer {
            Some(timer) => self.shared.timers.rewake(timer, cx.waker()),
            None => self.timer = Some(self.shared.arm_timer(self.deadline, cx.waker())),
        }
        Poll::Pending
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            self.shared.timers.disarm(timer);
        }
    }
}

enum Stage<'a, S: Sendable, T> {
    Fresh(Fresh<'a, S>),
    Running(Running<T>),
    Over,
}

/// An ask whose message goes to the next life of a receiver that dies; made by [`Ask::redeliver`](super::Ask::redeliver).
///
/// # Panics
///
/// When polled after it was ready.
///
/// # Cancel safety
///
/// Dropping it withdraws the message where its handler has not begun, and has it sent no more.
#[must_use = "an ask does nothing until it is awaited"]
pub struct RedeliveredAsk<'a, S: Sendable> {
    stage: Stage<'a, S, Result<Arrival<S>, AskError<S>>>,
}

impl<'a, S: Sendable> RedeliveredAsk<'a, S> {
    pub(super) fn new(
        (way, follow): Address<'a, S::Message>,
        (message, keep): (S, fn(&S) -> S),
        times: u32,
        deadline: Duration,
    ) -> Self {
        let deadline = Some(deadline);
        let stage = Stage::Fresh(Fresh {
            way,
            follow,
            message,
            keep,
            times,
            deadline,
            priority: Priority::Normal,
        });
        Self { stage }
    }

    /// Where it is to go, what it is, and how long the reply is waited for; `None` once it was polled.
    pub(super) fn into_parts(self) -> Option<(Address<'a, S::Message>, S, Duration)> {
        let mut this = self;
        match std::mem::replace(&mut this.stage, Stage::Over) {
            Stage::Fresh(fresh) => {
                let wait = fresh.deadline.unwrap_or(super::ASK_DEADLINE);
                Some(((fresh.way, fresh.follow), fresh.message, wait))
            }
            Stage::Running(_) | Stage::Over => None,
        }
    }

    /// Its priority, before it is polled.
    pub(super) fn urgency(&self) -> Priority {
        match &self.stage {
            Stage::Fresh(fresh) => fresh.priority,
            Stage::Running(_) | Stage::Over => Priority::Normal,
        }
    }

    /// Whether it has not been polled yet.
    pub(super) fn is_fresh(&self) -> bool {
        matches!(self.stage, Stage::Fresh(_))
    }

    /// Whether it was ready.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    pub(super) fn shared(&self) -> Option<Arc<Shared>> {
        self.stage.shared()
    }

    /// Waits for the reply no longer than `deadline`, over all attempts, from when this is first polled.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.set_deadline(deadline);
        self
    }

    pub(super) fn set_deadline(&mut self, deadline: Duration) {
        if let Stage::Fresh(fresh) = &mut self.stage {
            fresh.deadline = Some(deadline);
        }
    }

    /// Sends it with this [`Priority`], at every attempt, which is normal unless told otherwise; without effect once this was polled.
    pub fn priority(mut self, priority: Priority) -> Self {
        if let Stage::Fresh(fresh) = &mut self.stage {
            fresh.priority = priority;
        }
        self
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
        crate::node::block_on(self.stage.shared(), self)
    }
}

impl<S: Sendable, T> Stage<'_, S, T> {
    fn shared(&self) -> Option<Arc<Shared>> {
        match self {
            Self::Fresh(fresh) => fresh.way.shared(),
            Self::Running(running) => Some(Arc::clone(&running.shared)),
            Self::Over => None,
        }
    }
}

// Nothing in it is pinned.
impl<S: Sendable> Unpin for RedeliveredAsk<'_, S> {}

impl<S: Sendable> Future for RedeliveredAsk<'_, S> {
    type Output = Result<Arrival<S>, AskError<S>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut running = match std::mem::replace(&mut this.stage, Stage::Over) {
            Stage::Running(running) => running,
            Stage::Over => panic!("an ask was polled after it was ready"),
            Stage::Fresh(fresh) => match fresh.begin(cx, |answerer| Report::Ask(Some(answerer))) {
                Ok(running) => running,
                Err(message) => {
                    let reason = ExitReason::Shutdown;
                    let unsent = SendError::Ended { message, reason };
                    return Poll::Ready(Err(AskError::Unsent(unsent)));
                }
            },
        };
        match running.poll(cx) {
            Poll::Pending => {
                this.stage = Stage::Running(running);
                Poll::Pending
            }
            Poll::Ready(Looked::Said(Some(answer))) => Poll::Ready(answer),
            Poll::Ready(Looked::Said(None)) => Poll::Ready(Err(AskError::Died {
                taken: true,
                message: None,
                reason: ExitReason::Shutdown,
            })),
            Poll::Ready(Looked::Overdue(waited)) => {
                running.task.abort();
                Poll::Ready(Err(AskError::Deadline { waited }))
            }
        }
    }
}

impl<S: Sendable> Drop for RedeliveredAsk<'_, S> {
    fn drop(&mut self) {
        if let Stage::Running(running) = &self.stage {
            running.task.abort();
        }
    }
}

impl<S: Sendable> fmt::Debug for RedeliveredAsk<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedeliveredAsk").finish_non_exhaustive()
    }
}

/// A tell whose message goes to the next life of a receiver that dies; made by [`Tell::redeliver`](super::Tell::redeliver).
///
/// Ready when the first life has the message in its mailbox; what becomes of it later is up to its sender's node.
///
/// # Panics
///
/// When polled after it was ready.
///
/// # Cancel safety
///
/// Dropping it before it is ready withdraws the message where its handler has not begun.
#[must_use = "a tell does nothing until it is awaited"]
pub struct RedeliveredTell<'a, S: Sendable> {
    stage: Stage<'a, S, Result<(), SendError<S>>>,
    /// What comes back with an error that the task does not tell.
    kept: Option<S>,
}

impl<'a, S: Sendable> RedeliveredTell<'a, S> {
    pub(super) fn new(
        (way, follow): Address<'a, S::Message>,
        (message, keep): (S, fn(&S) -> S),
        times: u32,
        deadline: Option<Duration>,
    ) -> Self {
        let stage = Stage::Fresh(Fresh {
            way,
            follow,
            message,
            keep,
            times,
            deadline,
            priority: Priority::Normal,
        });
        Self { stage, kept: None }
    }

    /// Waits for room in the first mailbox no longer than `deadline`, from when this is first polled; without effect on what
    /// is sent again later.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        if let Stage::Fresh(fresh) = &mut self.stage {
            fresh.deadline = Some(deadline);
        }
        self
    }

    /// Sends it with this [`Priority`], at every attempt, which is normal unless told otherwise; without effect once this was polled.
    pub fn priority(mut self, priority: Priority) -> Self {
        if let Stage::Fresh(fresh) = &mut self.stage {
            fresh.priority = priority;
        }
        self
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
        crate::node::block_on(self.stage.shared(), self)
    }

    pub(super) fn shared(&self) -> Option<Arc<Shared>> {
        self.stage.shared()
    }

    fn take_back(&mut self) -> S {
        self.kept.take().expect("begun: it is kept from then on")
    }
}

// Nothing in it is pinned.
impl<S: Sendable> Unpin for RedeliveredTell<'_, S> {}

impl<S: Sendable> Future for RedeliveredTell<'_, S> {
    type Output = Result<(), SendError<S>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut running = match std::mem::replace(&mut this.stage, Stage::Over) {
            Stage::Running(running) => running,
            Stage::Over => panic!("a tell was polled after it was ready"),
            Stage::Fresh(fresh) => {
                this.kept = Some((fresh.keep)(&fresh.message));
                match fresh.begin(cx, |answerer| Report::Tell(Some(answerer))) {
                    Ok(running) => running,
                    Err(message) => {
                        let reason = ExitReason::Shutdown;
                        return Poll::Ready(Err(SendError::Ended { message, reason }));
                    }
                }
            }
        };
        match running.poll(cx) {
            Poll::Pending => {
                this.stage = Stage::Running(running);
                Poll::Pending
            }
            Poll::Ready(Looked::Said(Some(answer))) => Poll::Ready(answer),
            Poll::Ready(Looked::Said(None)) => Poll::Ready(Err(SendError::Ended {
                message: this.take_back(),
                reason: ExitReason::Shutdown,
            })),
            Poll::Ready(Looked::Overdue(waited)) => {
                running.task.abort();
                let message = this.take_back();
                Poll::Ready(Err(SendError::Deadline { message, waited }))
            }
        }
    }
}

impl<S: Sendable> Drop for RedeliveredTell<'_, S> {
    fn drop(&mut self) {
        if let Stage::Running(running) = &self.stage {
            running.task.abort();
        }
    }
}

impl<S: Sendable> fmt::Debug for RedeliveredTell<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedeliveredTell").finish_non_exhaustive()
    }
}
