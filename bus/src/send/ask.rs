//! `ask`: sends a message and waits for its reply, up to a deadline.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::FusedFuture;
use ringway_shm::generation::Key;
use ringway_shm::words::EntryWords;

use super::again::{self, Boxed, Lost};
use super::way::{Sending, Sent, Wanted, Way};
use super::{AskError, Follow, SendError};
use crate::actor::Undone;
use crate::actor::port::{Answer, Failure, ReplyPort};
use crate::actor::reply::Asker;
use crate::clock::Nanos;
use crate::completion;
use crate::entry::{Beside, EntryKind, EntryToken};
use crate::exit::ExitReason;
use crate::message::{HandlerError, Message, Parcel, Semantics as _, Sendable};
use crate::remote::ops::{Outcome, Unanswered};
use crate::remote::{AskerLook, Found, RemoteEnd};
use crate::wait_list::WaitKey;

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
pub struct Ask<'a, S: Sendable> {
    sending: Sending<'a, S>,
    stage: Stage<'a, S>,
    /// The first wait is not over before it began: what tells the deadline was set up then. So a reply that comes at once
    /// costs no look at the clock.
    has_waited: bool,
    ended: WaitKey,
}

enum Stage<'a, S: Sendable> {
    /// Not polled yet; the reply is to be waited for so long.
    Fresh(Duration),
    /// With the side of the reply's slot that waits, once the other was made for a receiver of this process.
    Sending(Option<Asker<Answer<S::Message>>>),
    Local(Asker<Answer<S::Message>>),
    Remote(Key),
    /// The life that it was for had ended: it goes to the next.
    Following(Boxed<'a, Result<Arrival<S>, AskError<S>>>),
    /// The handler did not come to its end: how the actor ended is about to be known.
    Ending,
    Over,
}

impl<'a, S: Sendable> Ask<'a, S> {
    #[inline]
    pub(crate) fn new(
        way: Way<'a, S::Message>,
        follow: Follow<'a, S::Message>,
        message: S,
    ) -> Self {
        let mut sending = Sending::new(way, message, Wanted::Reply(None));
        sending.follow = follow;
        Self {
            sending,
            stage: Stage::Fresh(DEADLINE),
            has_waited: false,
            ended: WaitKey::default(),
        }
    }

    /// An ask that has begun before, and goes on with another receiver.
    pub(super) fn until(way: Way<'a, S::Message>, message: S, began: Nanos, until: Nanos) -> Self {
        let mut ask = Self::new(way, None, message);
        (ask.sending.began, ask.sending.deadline) = (began, until);
        ask.stage = Stage::Sending(None);
        ask
    }

    /// Waits for the reply no longer than `deadline`, from when the ask is first polled; without effect after that. The
    /// default is 5 s. Waits of a second and more are up to a tick of the kernel longer (1 to 10 ms), never shorter.
    #[inline]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        if let Stage::Fresh(wait) = &mut self.stage {
            *wait = deadline;
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
        let shared = self.sending.way.shared();
        crate::node::block_on(shared, self)
    }
}

// Nothing in it is pinned.
impl<S: Sendable> Unpin for Ask<'_, S> {}

impl<S: Sendable> Future for Ask<'_, S> {
    type Output = Result<Arrival<S>, AskError<S>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            let step = match &mut this.stage {
                Stage::Fresh(wait) => {
                    (this.sending.began, this.sending.deadline) =
                        this.sending.way.clock().begin(*wait);
                    this.stage = Stage::Sending(None);
                    this.poll_sending(cx)
                }
                Stage::Sending(_) => this.poll_sending(cx),
                Stage::Local(_) => this.poll_local(cx),
                Stage::Remote(op) => {
                    let op = *op;
                    this.poll_remote(op, cx)
                }
                Stage::Following(following) => match following.as_mut().poll(cx) {
                    Poll::Ready(result) => Step::Ready(result),
                    Poll::Pending => Step::Pending,
                },
                Stage::Ending => this.poll_ended(cx),
                Stage::Over => panic!("an ask was polled after it was ready"),
            };
            match step {
                Step::Next => {}
                Step::Ready(result) => {
                    this.stage = Stage::Over;
                    return Poll::Ready(result);
                }
                Step::Wait if this.is_overdue() => {
                    let waited = this.sending.waited();
                    this.give_up();
                    return Poll::Ready(Err(AskError::Deadline { waited }));
                }
                Step::Wait => {
                    this.has_waited = true;
                    // The deadline of an op is minded by the driver that watches for its completion.
                    if !matches!(this.stage, Stage::Remote(_)) {
                        this.sending.arm(cx);
                    }
                    return Poll::Pending;
                }
                Step::Pending => return Poll::Pending,
            }
        }
    }
}

impl<S: Sendable> FusedFuture for Ask<'_, S> {
    fn is_terminated(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }
}

/// What one look achieved.
enum Step<T> {
    /// Look again at the new stage.
    Next,
    /// Wait, up to the deadline.
    Wait,
    /// The send itself waits, and minds the deadline.
    Pending,
    Ready(T),
}

impl<S: Sendable> Ask<'_, S> {
    fn is_overdue(&self) -> bool {
        (self.has_waited || self.sending.is_armed())
            && self.sending.way.clock().has_passed(self.sending.deadline)
    }

    fn poll_sending(&mut self, cx: &Context<'_>) -> Step<<Self as Future>::Output> {
        let mut is_first = false;
        if let (Stage::Sending(asker @ None), Way::Local(_)) = (&mut self.stage, self.sending.way) {
            let (port, waiting) = ReplyPort::ask(self.sending.deadline, cx.waker());
            self.sending.wanted = Wanted::Reply(Some(port));
            *asker = Some(waiting);
            is_first = true;
        }
        let op = match self.sending.poll(cx) {
            Poll::Pending => return Step::Pending,
            Poll::Ready(Err(error)) => return self.unsent(error),
            Poll::Ready(Ok(Sent::Dropped(message))) => {
                let message = Some(message);
                return Step::Ready(Err(AskError::Dropped { message }));
            }
            Poll::Ready(Ok(Sent::Away(op))) => op,
        };
        let Stage::Sending(asker) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return Step::Next;
        };
        self.stage = match (asker, op) {
            (Some(asker), _) => Stage::Local(asker),
            (None, Some(op)) => Stage::Remote(op),
            (None, None) => Stage::Ending,
        };
        if is_first {
            // Its reply wakes this very waker, even if it has come already.
            return Step::Wait;
        }
        Step::Next
    }

    /// Goes to the next life of the receiver, if that is what stood in the way and the address follows it.
    #[cold]
    fn unsent(&mut self, error: SendError<S>) -> Step<<Self as Future>::Output> {
        let Some(follow) = self.sending.follow else {
            return Step::Ready(Err(AskError::Unsent(error)));
        };
        let lost = match Lost::of(error, self.sending.way.actor()) {
            Ok(lost) => lost,
            Err(error) => return Step::Ready(Err(AskError::Unsent(error))),
        };
        let (began, until) = (self.sending.began, self.sending.deadline);
        self.stage = Stage::Following(Box::pin(again::ask(follow, lost, began, until)));
        Step::Next
    }

    fn poll_local(&mut self, cx: &Context<'_>) -> Step<<Self as Future>::Output> {
        let Stage::Local(asker) = &mut self.stage else {
            return Step::Next;
        };
        match asker.poll(cx) {
            Poll::Pending => Step::Wait,
            Poll::Ready(Some(Ok(reply))) => Step::Ready(Ok(
                <ReplyOf<S> as Message>::Semantics::arrive(Parcel::Value(reply)),
            )),
            Poll::Ready(Some(Err(failure))) => {
                let waited = self.sending.waited();
                Step::Ready(Err(undone(*failure, waited)))
            }
            Poll::Ready(None) => {
                self.stage = Stage::Ending;
                Step::Next
            }
        }
    }

    fn poll_remote(&mut self, op: Key, cx: &Context<'_>) -> Step<<Self as Future>::Output> {
        let Way::Remote(end) = self.sending.way else {
            return Step::Next;
        };
        let look = match self.has_waited {
            true => AskerLook::Later,
            false => AskerLook::First,
        };
        let mut words = EntryWords::default();
        match end.poll_op(op, cx.waker(), look, &mut words) {
            Poll::Pending => Step::Wait,
            Poll::Ready(Found::Answer) => self.completed(end, op, &words, false),
            Poll::Ready(Found::Outcome(Outcome::Completed { words, is_held })) => {
                self.completed(end, op, &words, is_held)
            }
            Poll::Ready(Found::Outcome(Outcome::Ended(unanswered))) => {
                let Unanswered {
                    taken,
                    why,
                    message,
                } = *unanswered;
                let message = message.and_then(|unsent| {
                    let beside = match (unsent.block, unsent.long) {
                        (Some(block), _) => Beside::Block(block),
                        (None, Some(long)) => Beside::Long(long),
                        (None, None) => Beside::Nothing,
                    };
                    completion::take_back(|| end.shared(), unsent.words, beside)
                });
                let why = Failure { why, message };
                Step::Ready(Err(ended_remotely(taken, why)))
            }
            Poll::Ready(Found::Nothing) => {
                self.stage = Stage::Ending;
                Step::Next
            }
        }
    }

    #[inline]
    fn completed(
        &mut self,
        end: &Arc<RemoteEnd>,
        op: Key,
        words: &EntryWords,
        is_held: bool,
    ) -> Step<<Self as Future>::Output> {
        let text = || completion::payload::<String>(end, op, words, is_held);
        let verdict = EntryToken::of_words(words).kind();
        let result = match verdict {
            Some(EntryKind::Reply) => completion::payload::<ReplyOf<S>>(end, op, words, is_held)
                .map_err(|reason| AskError::Reply { reason }),
            Some(EntryKind::Failed) => Err(match text() {
                Ok(text) => AskError::Handler(HandlerError::new(text)),
                Err(reason) => AskError::Reply { reason },
            }),
            Some(EntryKind::Refused) => Err(match text() {
                Ok(reason) => AskError::Refused { reason },
                Err(reason) => AskError::Reply { reason },
            }),
            // These have no payload; a peer that says otherwise gets its block back.
            _ if is_held => {
                end.release(op);
                return self.completed(end, op, words, false);
            }
            Some(EntryKind::Dropped) => {
                self.stage = Stage::Ending;
                return Step::Next;
            }
            Some(EntryKind::Expired | EntryKind::Cancelled) => Err(AskError::Deadline {
                waited: self.sending.waited(),
            }),
            _ => Err(AskError::Reply {
                reason: "a completion without meaning".to_owned(),
            }),
        };
        Step::Ready(result)
    }

    /// Waits for how the receiver ended.
    fn poll_ended(&mut self, cx: &Context<'_>) -> Step<<Self as Future>::Output> {
        let reason = match self.sending.way {
            Way::Local(route) => route.core().poll_ended(&mut self.ended, cx),
            Way::Remote(end) => end.poll_ended(&mut self.ended, cx),
        };
        match reason {
            Poll::Ready(reason) => Step::Ready(Err(AskError::Died {
                taken: true,
                message: None,
                reason,
            })),
            Poll::Pending => Step::Wait,
        }
    }

    /// Cancels what was sent.
    fn give_up(&mut self) {
        match (&mut self.stage, self.sending.way) {
            (Stage::Remote(op), Way::Remote(end)) => end.ignore(*op),
            (Stage::Local(asker), Way::Local(route)) => {
                if let Some(Ok(_)) = asker.give_up() {
                    let core = route.core();
                    core.unread_reply::<S::Message>();
                }
            }
            _ => {}
        }
        self.stage = Stage::Over;
    }
}

fn undone<S: Sendable>(failure: Failure<S::Message>, waited: Duration) -> AskError<S> {
    let message = failure.message.map(S::from_parcel);
    match failure.why {
        Undone::Ended(reason) => AskError::Died {
            taken: message.is_none(),
            message,
            reason,
        },
        Undone::Dropped => AskError::Dropped { message },
        Undone::Expired | Undone::Cancelled => AskError::Deadline { waited },
        Undone::Failed(error) => AskError::Handler(error),
        Undone::Refused(reason) => AskError::Refused { reason },
    }
}

fn ended_remotely<S: Sendable>(taken: bool, failure: Failure<S::Message>) -> AskError<S> {
    let message = failure.message.map(S::from_parcel);
    let reason = match failure.why {
        Undone::Dropped => return AskError::Dropped { message },
        Undone::Ended(reason) => reason,
        _ => ExitReason::Unreachable,
    };
    AskError::Died {
        taken,
        message,
        reason,
    }
}

impl<S: Sendable> Drop for Ask<'_, S> {
    fn drop(&mut self) {
        self.give_up();
        match self.sending.way {
            // Most never waited for the end, and a list is made when it is asked for.
            Way::Local(route) if self.ended.is_registered() => {
                route.core().ended_list().remove(&mut self.ended);
            }
            Way::Local(_) => {}
            Way::Remote(end) if self.ended.is_registered() => end.ended.remove(&mut self.ended),
            Way::Remote(_) => {}
        }
    }
}

impl<S: Sendable> std::fmt::Debug for Ask<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stage = match self.stage {
            Stage::Fresh(_) => "not polled yet",
            Stage::Sending(_) => "waits for room",
            Stage::Following(_) => "goes to the next life",
            Stage::Local(_) | Stage::Remote(_) | Stage::Ending => "waits for its reply",
            Stage::Over => "over",
        };
        f.debug_struct("Ask")
            .field("stage", &stage)
            .finish_non_exhaustive()
    }
}
