//! An ask on the long way: it has to wait for room, goes to another process or another life, or awaits the news of an end.

use std::task::{Context, Poll};
use std::time::Duration;

use ringway_shm::generation::Key;

use super::answer::undone;
use super::local::{LocalAsk, Refused};
use super::{Arrival, ReplyOf};
use crate::actor::cell::LocalRoute;
use crate::actor::port::{Answer, ReplyPort};
use crate::actor::reply::Asker;
use crate::message::{Message, Parcel, Semantics as _, Sendable};
use crate::priority::Priority;
use crate::send::again::{self, Boxed, Lost};
use crate::send::sending::{Load, Sending, Sent, Wanted};
use crate::send::way::Way;
use crate::send::{AskError, Follow, SendError};
use crate::wait_list::WaitKey;

/// An ask that has to wait for room, goes to another process or another life, or awaits the news of an end.
pub(super) struct Asking<'a, S: Sendable> {
    pub(super) sending: Sending<'a, S>,
    pub(super) stage: Stage<'a, S>,
    /// The first wait is not over before it began: what tells the deadline was set up then. So a reply that comes at once
    /// costs no look at the clock.
    pub(super) has_waited: bool,
    ended: WaitKey,
}

pub(super) enum Stage<'a, S: Sendable> {
    /// Not polled yet; the reply is to be waited for so long.
    Fresh(Duration),
    /// The same, of high priority.
    FreshHigh(Duration),
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

impl<S: Sendable> Stage<'_, S> {
    /// How long the reply is to be waited for, and how urgent the message is, of one that was not polled yet.
    pub(super) fn fresh(&self) -> Option<(Duration, Priority)> {
        match self {
            Self::Fresh(wait) => Some((*wait, Priority::Normal)),
            Self::FreshHigh(wait) => Some((*wait, Priority::High)),
            _ => None,
        }
    }
}

/// What one look achieved.
pub(super) enum Step<T> {
    /// Look again at the new stage.
    Next,
    /// Wait, up to the deadline.
    Wait,
    /// The send itself waits, and minds the deadline.
    Pending,
    Ready(T),
}

impl<'a, S: Sendable> Asking<'a, S> {
    #[inline]
    fn new(sending: Sending<'a, S>, stage: Stage<'a, S>) -> Self {
        Self {
            sending,
            stage,
            has_waited: false,
            ended: WaitKey::default(),
        }
    }

    #[inline]
    pub(super) fn fresh(
        way: Way<'a, S::Message>,
        follow: Follow<'a, S::Message>,
        message: S,
        stage: Stage<'a, S>,
    ) -> Self {
        let mut sending = Sending::new(way, message, Wanted::Reply(None));
        sending.follow = follow;
        Self::new(sending, stage)
    }

    /// What a mailbox did not accept at once.
    #[cold]
    pub(super) fn refused(
        route: &'a dyn LocalRoute<S::Message>,
        follow: Follow<'a, S::Message>,
        refused: Refused<S::Message>,
    ) -> Self {
        let wanted = Wanted::Reply(Some(refused.port));
        let load = Load::Parcel(refused.handed.into());
        let mut sending = Sending::of_load(Way::Local(route), load, wanted);
        sending.follow = follow;
        (sending.began, sending.deadline) = (refused.began, refused.deadline);
        Self::new(sending, Stage::Sending(Some(refused.asker)))
    }

    /// A letter whose handler did not come to its end.
    #[cold]
    pub(super) fn ending(ask: &mut LocalAsk<'a, S::Message>) -> Self {
        let mut sending = Sending::of_load(ask.way(), Load::Gone, Wanted::Nothing);
        (sending.began, sending.deadline) = (ask.began, ask.deadline);
        sending.take_over(ask.take_timer());
        Self::new(sending, Stage::Ending)
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrival<S>, AskError<S>>> {
        loop {
            let step = match &mut self.stage {
                Stage::Fresh(wait) => {
                    (self.sending.began, self.sending.deadline) =
                        self.sending.way.clock().begin(*wait);
                    self.stage = Stage::Sending(None);
                    self.poll_sending(cx)
                }
                Stage::FreshHigh(wait) => {
                    self.stage = Stage::Fresh(*wait);
                    self.sending.set_priority(Priority::High);
                    Step::Next
                }
                Stage::Sending(_) => self.poll_sending(cx),
                Stage::Local(_) => self.poll_local(cx),
                Stage::Remote(op) => {
                    let op = *op;
                    self.poll_remote(op, cx)
                }
                Stage::Following(following) => match following.as_mut().poll(cx) {
                    Poll::Ready(result) => Step::Ready(result),
                    Poll::Pending => Step::Pending,
                },
                Stage::Ending => self.poll_ended(cx),
                Stage::Over => panic!("an ask was polled after it was ready"),
            };
            match step {
                Step::Next => {}
                Step::Ready(result) => {
                    self.stage = Stage::Over;
                    return Poll::Ready(result);
                }
                Step::Wait if self.is_overdue() => {
                    let waited = self.sending.waited();
                    self.give_up();
                    return Poll::Ready(Err(AskError::Deadline { waited }));
                }
                Step::Wait => {
                    self.has_waited = true;
                    // The deadline of an op is minded by the driver that watches for its completion.
                    if !matches!(self.stage, Stage::Remote(_)) {
                        self.sending.arm(cx);
                    }
                    return Poll::Pending;
                }
                Step::Pending => return Poll::Pending,
            }
        }
    }
}

impl<S: Sendable> Asking<'_, S> {
    fn is_overdue(&self) -> bool {
        (self.has_waited || self.sending.is_armed())
            && self.sending.way.clock().has_passed(self.sending.deadline)
    }

    fn poll_sending(&mut self, cx: &Context<'_>) -> Step<Result<Arrival<S>, AskError<S>>> {
        let mut is_first = false;
        if let (Stage::Sending(asker @ None), Way::Local(_)) = (&mut self.stage, self.sending.way) {
            let (port, waiting) = match &self.sending.wanted {
                Wanted::Again(about) => {
                    ReplyPort::again(self.sending.deadline, cx.waker(), **about)
                }
                _ => ReplyPort::ask(self.sending.deadline, cx.waker()),
            };
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
    fn unsent(&mut self, error: SendError<S>) -> Step<Result<Arrival<S>, AskError<S>>> {
        let Some(follow) = self.sending.follow else {
            return Step::Ready(Err(AskError::Unsent(error)));
        };
        let (actor, priority) = (self.sending.way.actor(), self.sending.priority());
        let lost = match Lost::of(error, actor, priority) {
            Ok(lost) => lost,
            Err(error) => return Step::Ready(Err(AskError::Unsent(error))),
        };
        let (began, until) = (self.sending.began, self.sending.deadline);
        self.stage = Stage::Following(Box::pin(again::ask(follow, lost, began, until)));
        Step::Next
    }

    fn poll_local(&mut self, cx: &Context<'_>) -> Step<Result<Arrival<S>, AskError<S>>> {
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

    /// Waits for how the receiver ended.
    fn poll_ended(&mut self, cx: &Context<'_>) -> Step<Result<Arrival<S>, AskError<S>>> {
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

impl<S: Sendable> Drop for Asking<'_, S> {
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
