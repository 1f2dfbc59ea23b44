//! `ask`: sends a message and waits for its reply, up to a deadline.
//!
//! An ask of an actor of this process whose mailbox has room takes a short way of its own ([`local`]).

mod local;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::FusedFuture;
use ringway_shm::generation::Key;
use ringway_shm::sys::fork;
use ringway_shm::words::EntryWords;

use self::local::{LocalAsk, Look, Refused};
use super::again::{self, Boxed, Lost};
use super::redeliver::{About, Redeliver, RedeliveredAsk};
use super::way::{Load, Sending, Sent, Wanted, Way};
use super::{AskError, Follow, SendError};
use crate::actor::Undone;
use crate::actor::cell::LocalRoute;
use crate::actor::port::{Answer, Failure, ReplyPort};
use crate::actor::reply::Asker;
use crate::clock::Nanos;
use crate::completion;
use crate::entry::{Beside, EntryKind, EntryToken};
use crate::exit::ExitReason;
use crate::message::{HandlerError, Message, Parcel, Semantics as _, Sendable};
use crate::priority::Priority;
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

/// An ask that has to wait for room, goes to another process or another life, or awaits the news of an end.
struct Asking<'a, S: Sendable> {
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
    fn fresh(&self) -> Option<(Duration, Priority)> {
        match self {
            Self::Fresh(wait) => Some((*wait, Priority::Normal)),
            Self::FreshHigh(wait) => Some((*wait, Priority::High)),
            _ => None,
        }
    }
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

    /// Has the message sent to the next life of its receiver, in order, when the one that it reached dies before it has
    /// handled it to its end; at most `times` more often than once if the handler had begun.
    ///
    /// That takes an address that follows: found by [`lookup`](crate::Node::lookup), or a supervisor's. The address of one life
    /// has no next one. The message is copied for each attempt. Its handler sees which attempt it is
    /// ([`Context::attempt`](crate::Context::attempt)), and by [`Context::message_id`](crate::Context::message_id) whether it
    /// has had the message before: a receiver may die after the effect of a message and before its reply, so each is handled *at
    /// least* once. What was answered is never sent again; and nothing is sent again by a process that is dead itself.
    ///
    /// A message whose receivers all end after they took it is poison: after the last attempt it is a
    /// [dead letter](crate::DeadLetter), and the asker gets [`AskError::Poisoned`]. Lives that end before they took it do not
    /// count.
    ///
    /// # Panics
    ///
    /// When it was polled before.
    pub fn redeliver(self, times: u32) -> RedeliveredAsk<'a, S>
    where
        S: Redeliver,
    {
        let keep = <S as Redeliver>::keep as fn(&S) -> S;
        match self.0 {
            Progress::Fresh(fresh) => {
                let to = (Way::Local(fresh.route), fresh.follow);
                RedeliveredAsk::new(to, (fresh.message, keep), times, fresh.wait)
            }
            Progress::Again(again) if again.is_fresh() => {
                let priority = again.urgency();
                let parts = again.into_parts();
                let (to, message, wait) = parts.expect("looked at a moment ago");
                let message = (S::from_parcel(message), keep);
                RedeliveredAsk::new(to, message, times, wait).priority(priority)
            }
            Progress::Asking(mut asking) if asking.stage.fresh().is_some() => {
                let (wait, priority) = asking.stage.fresh().unwrap_or_default();
                let to = (asking.sending.way, asking.sending.follow);
                let message = (asking.sending.take_back(), keep);
                RedeliveredAsk::new(to, message, times, wait).priority(priority)
            }
            _ => panic!("an ask was polled before it was told to be redelivered"),
        }
    }

    /// Has the message sent once, also to an actor that is [set](crate::ActorBuilder::redeliver) to have it redelivered; without
    /// effect once it was polled.
    pub fn once(self) -> Self {
        let Self(Progress::Again(again)) = self else {
            return self;
        };
        if !again.is_fresh() {
            return Self(Progress::Again(again));
        }
        let priority = again.urgency();
        let ((way, follow), message, wait) = again.into_parts().expect("looked at a moment ago");
        let plain = Self::plain(way, follow, S::from_parcel(message));
        plain.deadline(wait).priority(priority)
    }

    /// Waits for the reply no longer than `deadline`, from when the ask is first polled; without effect after that. The
    /// default is 5 s. Waits of a second and more are up to a tick of the kernel longer (1 to 10 ms), never shorter.
    #[inline]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        match &mut self.0 {
            Progress::Fresh(fresh) => fresh.wait = deadline,
            Progress::Asking(asking) => {
                if let Stage::Fresh(wait) | Stage::FreshHigh(wait) = &mut asking.stage {
                    *wait = deadline;
                }
            }
            Progress::Again(again) => again.set_deadline(deadline),
            Progress::Local(_) | Progress::Over => {}
        }
        self
    }

    /// Sends it with this [`Priority`], which is normal unless told otherwise; without effect once this was polled. Its reply has
    /// none: it goes back by a way of its own.
    pub fn priority(self, priority: Priority) -> Self {
        match (self.0, priority) {
            (Progress::Fresh(fresh), Priority::High) => {
                let (way, stage) = (Way::Local(fresh.route), Stage::FreshHigh(fresh.wait));
                let asking = Asking::fresh(way, fresh.follow, fresh.message, stage);
                Self(Progress::Asking(asking))
            }
            (Progress::Asking(mut asking), priority) => {
                if let Some((wait, _)) = asking.stage.fresh() {
                    asking.stage = match priority {
                        Priority::Normal => Stage::Fresh(wait),
                        Priority::High => Stage::FreshHigh(wait),
                    };
                }
                Self(Progress::Asking(asking))
            }
            (Progress::Again(again), priority) => {
                Self(Progress::Again(Box::new(again.priority(priority))))
            }
            (progress, _) => Self(progress),
        }
    }

    /// Waits up to a point in time, which may be none, and is sent once; before it is polled.
    pub(crate) fn by(self, deadline: Nanos) -> Self {
        let mut asking = match self.once().0 {
            Progress::Fresh(fresh) => {
                let (way, follow) = (Way::Local(fresh.route), fresh.follow);
                Asking::fresh(way, follow, fresh.message, Stage::Sending(None))
            }
            Progress::Asking(asking) => asking,
            begun => return Self(begun),
        };
        let now = asking.sending.way.clock().now();
        (asking.sending.began, asking.sending.deadline) = (now, deadline);
        if let Some((_, priority)) = asking.stage.fresh() {
            asking.sending.set_priority(priority);
            asking.stage = Stage::Sending(None);
        }
        Self(Progress::Asking(asking))
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

// Nothing in it is pinned.
impl<S: Sendable> Unpin for Ask<'_, S> {}

impl<S: Sendable> Future for Ask<'_, S> {
    type Output = Result<Arrival<S>, AskError<S>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Each way has a function of its own: results may be large, and where nothing is optimized each has its places on the
        // stack.
        let this = self.get_mut();
        match this.0 {
            Progress::Local(_) => this.poll_local(cx),
            _ => this.poll_other(cx),
        }
    }
}

impl<S: Sendable> Ask<'_, S> {
    /// Looks for the reply of a receiver of this process.
    #[inline]
    fn poll_local(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrival<S>, AskError<S>>> {
        let Progress::Local(ask) = &mut self.0 else {
            return Poll::Pending;
        };
        let error = match ask.look(cx) {
            Look::Wait => return Poll::Pending,
            Look::Come(Some(Ok(reply))) => {
                self.0 = Progress::Over;
                // Made where the caller wants it: a result is large, and is not copied again.
                let reply = Parcel::Value(reply);
                return Poll::Ready(Ok(<ReplyOf<S> as Message>::Semantics::arrive(reply)));
            }
            Look::Come(Some(Err(failure))) => undone(*failure, ask.waited()),
            Look::Overdue => AskError::Deadline {
                waited: ask.waited(),
            },
            Look::Come(None) => {
                self.0 = Progress::Asking(Asking::ending(ask));
                return self.poll_other(cx);
            }
        };
        self.0 = Progress::Over;
        Poll::Ready(Err(error))
    }

    /// Sends, or goes on with what is not with a receiver of this process yet.
    #[inline]
    fn poll_other(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrival<S>, AskError<S>>> {
        if matches!(self.0, Progress::Fresh(_)) && self.has_begun(cx) {
            return Poll::Pending;
        }
        match &mut self.0 {
            Progress::Asking(asking) => asking.poll(cx),
            Progress::Again(again) => Pin::new(&mut **again)
                .poll(cx)
                .map_err(|error| error.map(S::from_parcel)),
            _ => panic!("an ask was polled after it was ready"),
        }
    }

    /// Sends straight, if the receiver has room.
    #[inline]
    fn has_begun(&mut self, cx: &Context<'_>) -> bool {
        let Progress::Fresh(fresh) = std::mem::replace(&mut self.0, Progress::Over) else {
            return false;
        };
        let Fresh {
            route,
            follow,
            message,
            wait,
        } = fresh;
        if fork::check().is_err() {
            let fresh = Asking::fresh(Way::Local(route), follow, message, Stage::Fresh(wait));
            self.0 = Progress::Asking(fresh);
            return false;
        }
        match LocalAsk::begin(route, message.into_parcel().into(), wait, cx) {
            Ok(local) => {
                self.0 = Progress::Local(local);
                true
            }
            Err(refused) => {
                self.0 = Progress::Asking(Asking::refused(route, follow, *refused));
                false
            }
        }
    }
}

/// The same message once more; who calls this has seen that it can be copied.
pub(super) fn keep_parcel<M: Message + ?Sized>(parcel: &Parcel<M>) -> Parcel<M> {
    parcel
        .keep()
        .expect("can-be-kept: looked at before it was sent")
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
    fn fresh(
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
    fn refused(
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
    fn ending(ask: &mut LocalAsk<'a, S::Message>) -> Self {
        let mut sending = Sending::of_load(ask.way(), Load::Gone, Wanted::Nothing);
        (sending.began, sending.deadline) = (ask.began, ask.deadline);
        sending.take_over(ask.take_timer());
        Self::new(sending, Stage::Ending)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrival<S>, AskError<S>>> {
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

impl<S: Sendable> FusedFuture for Ask<'_, S> {
    fn is_terminated(&self) -> bool {
        match &self.0 {
            Progress::Asking(asking) => matches!(asking.stage, Stage::Over),
            Progress::Again(again) => again.is_over(),
            Progress::Fresh(_) | Progress::Local(_) => false,
            Progress::Over => true,
        }
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

    fn poll_remote(&mut self, op: Key, cx: &Context<'_>) -> Step<Result<Arrival<S>, AskError<S>>> {
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
    ) -> Step<Result<Arrival<S>, AskError<S>>> {
        if matches!(&self.sending.wanted, Wanted::Again(about) if about.is_tell) {
            return self.acknowledged(end, op, *words, is_held);
        }
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
            Some(EntryKind::Unanswered) if EntryToken::of_words(words).type_id().is_some() => {
                match completion::payload::<ExitReason>(end, op, words, is_held) {
                    Ok(reason) => Err(AskError::Died {
                        taken: true,
                        message: None,
                        reason,
                    }),
                    Err(reason) => Err(AskError::Reply { reason }),
                }
            }
            // These have no payload; a peer that says otherwise gets its block back.
            _ if is_held => {
                end.release(op);
                return self.completed(end, op, words, false);
            }
            Some(EntryKind::Dropped) => {
                self.stage = Stage::Ending;
                return Step::Next;
            }
            Some(EntryKind::Unanswered) => Err(AskError::Unanswered),
            Some(EntryKind::Expired | EntryKind::Cancelled) => Err(AskError::Deadline {
                waited: self.sending.waited(),
            }),
            _ => Err(AskError::Reply {
                reason: "a completion without meaning".to_owned(),
            }),
        };
        Step::Ready(result)
    }

    /// What a tell's completion says: its handler has ended, or has not.
    #[cold]
    fn acknowledged(
        &mut self,
        end: &Arc<RemoteEnd>,
        op: Key,
        words: EntryWords,
        is_held: bool,
    ) -> Step<Result<Arrival<S>, AskError<S>>> {
        if is_held {
            end.release(op);
        }
        let reason = "it was told".to_owned();
        Step::Ready(Err(match EntryToken::from_words(words).kind() {
            Some(EntryKind::Dropped) => {
                self.stage = Stage::Ending;
                return Step::Next;
            }
            Some(EntryKind::Reply | EntryKind::Failed) => AskError::Reply { reason },
            Some(EntryKind::Refused) => AskError::Refused { reason },
            _ => AskError::Deadline {
                waited: self.sending.way.clock().now().since(self.sending.began),
            },
        }))
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
        Undone::Unanswered => AskError::Unanswered,
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
