//! `tell`: sends a message and waits for room, not for its handling.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::FusedFuture;
use futures_util::task::noop_waker_ref;
use ringway_shm::sys::fork;

use super::SendError;
use super::again::{self, Boxed, Lost};
use super::ask::keep_parcel;
use super::redeliver::{Redeliver, RedeliveredTell};
use super::sending::{Patience, Sending, Sent};
use super::way::{To, Way};
use crate::actor::cell::LocalRoute;
use crate::actor::port::ReplyPort;
use crate::clock::Nanos;
use crate::completion;
use crate::message::{Parcel, Sendable};
use crate::priority::Priority;
use crate::remote::RemoteEnd;
use crate::token::INLINE_MAX;

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
    /// It goes to later lives of its receiver too, as that is set to have it.
    Again(Box<RedeliveredTell<'a, Parcel<S::Message>>>),
    /// The life that it was for had ended: it goes to the next.
    Following(Way<'a, S::Message>, Boxed<'a, Result<(), SendError<S>>>),
    Over,
}

/// How long a tell waits for room, in one word, as every future that tells has one: until a point in time, which may be none,
/// or, with the highest bit, so many nanoseconds from the first poll.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Wait(u64);

impl Wait {
    const FROM_FIRST_POLL: u64 = 1 << 63;
    /// As long as the receiver lives.
    const ALWAYS: Self = Self(Nanos::NONE.0);

    fn within(time: Duration) -> Self {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        // What is longer than 292 years is so long.
        Self(nanos | Self::FROM_FIRST_POLL)
    }

    fn until(deadline: Nanos) -> Self {
        Self(deadline.0 & !Self::FROM_FIRST_POLL)
    }

    /// How long from the first poll, if it is said that way.
    fn time(self) -> Option<Duration> {
        let nanos = self.0 & !Self::FROM_FIRST_POLL;
        (nanos != self.0).then(|| Duration::from_nanos(nanos))
    }

    /// The point in time at which it is over, for one that began then.
    fn deadline(self, began: Nanos) -> Nanos {
        self.time().map_or(Nanos(self.0), |time| began.plus(time))
    }
}

/// Not polled yet.
struct Fresh<'a, S: Sendable> {
    to: To<'a, S::Message>,
    /// `None` when it was sent: then the tell is over.
    message: Option<S>,
    wait: Wait,
}

impl<'a, S: Sendable> Fresh<'a, S> {
    /// Sends it to a receiver that has room, if that takes no more than its place there; `false` if it has still to be sent.
    #[inline]
    fn went_straight(&mut self) -> bool {
        let way = match self.to {
            To::Life(way) => way,
            To::Follows(follow) => follow.way(),
            _ => return false,
        };
        match way {
            Way::Local(route) if matches!(self.to, To::Life(_)) => self.went_into(route),
            Way::Remote(end) if way.redeliver() == 0 => self.went_to(end),
            _ => false,
        }
    }

    /// The same, to a receiver of another process, of a value that its entry has room for.
    #[inline]
    fn went_to(&mut self, end: &RemoteEnd) -> bool {
        if size_of::<S>() > INLINE_MAX || fork::check().is_err() {
            return false;
        }
        let Some(message) = self.message.take() else {
            return false;
        };
        let parcel = message.into_parcel();
        let is_told = completion::simple_tell(&parcel).is_some_and(|it| end.tell(it.words()));
        if !is_told {
            self.message = Some(S::from_parcel(parcel));
        }
        is_told
    }

    /// The same, to one life in this process.
    #[inline]
    fn went_into(&mut self, route: &dyn LocalRoute<S::Message>) -> bool {
        if fork::check().is_err() {
            return false;
        }
        let Some(message) = self.message.take() else {
            return false;
        };
        match route.push(message.into_parcel().into(), ReplyPort::tell()) {
            Ok(()) => true,
            Err((handed, _, _)) => {
                self.message = Some(S::from_parcel(handed.into()));
                false
            }
        }
    }

    /// Takes it over for a receiver that is set to have it sent again.
    #[cold]
    fn again(
        &mut self,
        way: Way<'a, S::Message>,
    ) -> Option<RedeliveredTell<'a, Parcel<S::Message>>> {
        let message = (
            self.message.take()?.into_parcel(),
            keep_parcel as fn(&_) -> _,
        );
        let to = (way, self.to.follow());
        let again = RedeliveredTell::new(to, message, way.redeliver(), self.wait.time());
        Some(again.priority(self.to.priority()))
    }

    /// Sends it if nothing stands in its way; otherwise it is to be polled.
    fn send(self, way: Way<'a, S::Message>) -> Option<Sending<'a, S>> {
        let message = self.message.expect("a tell was polled after it was ready");
        let mut sending = match self.to.priority() {
            Priority::Normal => Sending::beyond_straight_tell(way, message)?,
            Priority::High => Sending::high(way, message),
        };
        sending.follow = self.to.follow();
        if self.wait != Wait::ALWAYS {
            sending.began = sending.way.clock().now();
            sending.deadline = self.wait.deadline(sending.began);
        }
        Some(sending)
    }
}

impl<'a, S: Sendable> Tell<'a, S> {
    #[inline]
    pub(crate) fn new(to: To<'a, S::Message>, message: S) -> Self {
        Self(Stage::Fresh(Fresh {
            to,
            message: Some(message),
            wait: Wait::ALWAYS,
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
        let Stage::Fresh(Fresh {
            to,
            message: Some(message),
            wait,
            ..
        }) = self.0
        else {
            panic!("a tell was polled before it was told to be redelivered");
        };
        let (priority, to) = (to.priority(), (to.way(), to.follow()));
        let message = (message, <S as Redeliver>::keep as fn(&S) -> S);
        RedeliveredTell::new(to, message, times, wait.time()).priority(priority)
    }

    /// Has the message sent once, also to an actor that is [set](crate::ActorBuilder::redeliver) to have it redelivered; without
    /// effect once it was polled.
    pub fn once(mut self) -> Self {
        if let Stage::Fresh(fresh) = &mut self.0 {
            fresh.to = fresh.to.once();
        }
        self
    }

    /// Waits for room no longer than `deadline`, from when the tell is first polled; without effect after that. The default
    /// is as long as the receiver lives.
    #[inline]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        if let Stage::Fresh(fresh) = &mut self.0 {
            fresh.wait = Wait::within(deadline);
        }
        self
    }

    /// Sends it with this [`Priority`], which is normal unless told otherwise; without effect once this was polled.
    #[inline]
    pub fn priority(mut self, priority: Priority) -> Self {
        if let Stage::Fresh(fresh) = &mut self.0 {
            fresh.to = fresh.to.with(priority);
        }
        self
    }

    /// Waits up to a point in time, which may be none, and is sent once; before it is polled.
    pub(crate) fn by(self, deadline: Nanos) -> Self {
        let mut this = self.once();
        if let Stage::Fresh(fresh) = &mut this.0 {
            fresh.wait = Wait::until(deadline);
        }
        this
    }

    /// Sends now or not at all.
    pub(crate) fn now(to: To<'a, S::Message>, message: S) -> Result<(), SendError<S>> {
        let way = to.way();
        let sending = match to.priority() {
            Priority::Normal => Sending::beyond_straight_tell(way, message),
            Priority::High => Some(Sending::high(way, message)),
        };
        let Some(mut sending) = sending else {
            return Ok(());
        };
        sending.patience(Patience::None);
        match sending.poll(&Context::from_waker(noop_waker_ref())) {
            Poll::Ready(Ok(_)) => Ok(()),
            Poll::Ready(Err(error)) => match to.follow() {
                Some(follow) => {
                    let lost = Lost::of(error, way.actor(), to.priority())?;
                    again::tell_now(follow, lost)
                }
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
            Stage::Fresh(fresh) => fresh.to.way().shared(),
            Stage::Waiting(sending) => sending.way.shared(),
            Stage::Again(again) => again.shared(),
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
                let lost = Lost::of(error, way.actor(), sending.priority())?;
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
        // Each part is read where it lies: moved with the rest it would be copied, in wide pieces right after it was written in
        // narrow ones, for which a processor waits.
        if let Stage::Fresh(fresh) = &mut this.0
            && fresh.went_straight()
        {
            return Poll::Ready(Ok(()));
        }
        this.poll_beyond(cx)
    }
}

impl<'a, S: Sendable> Tell<'a, S> {
    /// Sends, or goes on with what was polled before.
    fn poll_beyond(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError<S>>> {
        match std::mem::replace(&mut self.0, Stage::Over) {
            Stage::Fresh(mut fresh) => {
                let way = fresh.to.way();
                if let To::Follows(_) | To::FollowsHigh(_) = fresh.to
                    && way.redeliver() > 0
                    && let Some(again) = fresh.again(way)
                {
                    self.0 = Stage::Again(Box::new(again));
                    return self.poll_beyond(cx);
                }
                let Some(mut sending) = fresh.send(way) else {
                    return Poll::Ready(Ok(()));
                };
                match sending.poll(cx) {
                    Poll::Pending => {
                        self.0 = Stage::Waiting(Box::new(sending));
                        Poll::Pending
                    }
                    Poll::Ready(sent) => self.sent(sent, &sending, cx),
                }
            }
            Stage::Waiting(mut sending) => match sending.poll(cx) {
                Poll::Pending => {
                    self.0 = Stage::Waiting(sending);
                    Poll::Pending
                }
                Poll::Ready(sent) => self.sent(sent, &sending, cx),
            },
            Stage::Again(mut again) => {
                let told = Pin::new(&mut *again).poll(cx);
                if told.is_pending() {
                    self.0 = Stage::Again(again);
                }
                told.map_err(|error| error.map(S::from_parcel))
            }
            Stage::Following(way, mut following) => {
                let told = following.as_mut().poll(cx);
                if told.is_pending() {
                    self.0 = Stage::Following(way, following);
                }
                told
            }
            Stage::Over => panic!("a tell was polled after it was ready"),
        }
    }
}

impl<S: Sendable> FusedFuture for Tell<'_, S> {
    fn is_terminated(&self) -> bool {
        matches!(
            self.0,
            Stage::Over | Stage::Fresh(Fresh { message: None, .. })
        )
    }
}

impl<S: Sendable> std::fmt::Debug for Tell<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stage = match &self.0 {
            Stage::Fresh(fresh) if fresh.message.is_none() => "over",
            Stage::Fresh(_) => "not polled yet",
            Stage::Waiting(_) | Stage::Again(_) => "waits for room",
            Stage::Following(..) => "goes to the next life",
            Stage::Over => "over",
        };
        f.debug_struct("Tell")
            .field("stage", &stage)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use futures_util::FutureExt as _;

    use super::*;
    use crate::prelude::*;
    use crate::testing::TempDir;

    #[derive(Actor)]
    #[actor(handles(u64))]
    struct Idle;

    impl Handler<u64> for Idle {
        async fn handle(&mut self, _: u64, _: &mut crate::Context<Self>) {}
    }

    // Goal: a tell has no more than its message and what says where it goes and until when: it is part of the future of every
    // handler that tells. Method: the compiler's layout of it.
    #[test]
    fn a_tell_is_small() {
        assert!(size_of::<Tell<'_, u64>>() <= 48);
        assert!(size_of::<Tell<'_, [u64; 8]>>() <= 104);
    }

    // Goal: a tell that went straight is over, as any other is. Method: poll one again.
    #[test]
    fn a_tell_that_was_sent_is_over() {
        let temp = TempDir::new();
        let node = Node::attach(temp.config("home")).unwrap();
        let addr = node.spawn(Idle).unwrap();
        let mut tell = addr.tell(1);
        assert!(!tell.is_terminated());
        assert!((&mut tell).now_or_never().unwrap().is_ok());
        assert!(tell.is_terminated());
        assert_eq!(format!("{tell:?}"), "Tell { stage: \"over\", .. }");
        let again = catch_unwind(AssertUnwindSafe(|| (&mut tell).now_or_never()));
        assert!(again.is_err(), "polled after it was ready");
    }
}
