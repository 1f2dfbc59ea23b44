//! `tell_all`: sends many messages to one actor, at the price of one where there is room for all.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::FusedFuture;
use futures_util::task::noop_waker_ref;
use ringway_shm::sys::fork;

use super::again::{self, Boxed, Lost};
use super::drawn::Drawn;
use super::sending::{Load, Patience, Sending, Wanted};
use super::way::Way;
use super::{Follow, SendError, TellAllError, Unsent};
use crate::clock::Nanos;
use crate::message::Sendable;
use crate::priority::Priority;

/// Messages after which a poll ends, so that others have their turn; also of an iterator without end.
const TURN: usize = 1024;

/// What `I` yields is sent as messages of this type.
type MessageOf<I> = <<I as Iterator>::Item as Sendable>::Message;

/// A message by itself.
enum Alone<'a, S: Sendable> {
    /// It met an obstacle. Boxed: rare, and large.
    Waits(Box<Sending<'a, S>>),
    /// The life that it was for had ended: it goes to the next.
    Follows(Boxed<'a, Result<(), SendError<S>>>),
}

/// Messages on their way to an actor, one after the other: a future, which may be refined before it is first polled.
///
/// Nothing happens until then. Then up to 64 messages at a time are drawn from the iterator and sent together: in their
/// order, with one lock, one fence and one look whether the receiver sleeps. Messages of others may come between any two of
/// them. Where there is no room it waits, as long as the receiver lives unless told otherwise. It is `Unpin`, so `select!`
/// and `timeout` take it as it is, and `&mut` of it is a future too.
///
/// # Panics
///
/// When polled after it was ready.
///
/// # Cancel safety
///
/// Dropping it keeps what was sent, and drops the rest: messages that were drawn and not sent, and the iterator. Who polls it
/// by `&mut` can ask how many were [`sent`](Self::sent), or take [what was not](Self::into_unsent). After 1024 messages
/// without a wait it is pending once, so that others have their turn.
#[must_use = "messages are not told until this is awaited"]
pub struct TellAll<'a, I>
where
    I: Iterator,
    I::Item: Sendable,
{
    way: Way<'a, MessageOf<I>>,
    /// `None` when it is over.
    messages: Option<I>,
    drawn: Drawn<MessageOf<I>>,
    follow: Follow<'a, MessageOf<I>>,
    /// The first that met an obstacle goes the way of a single one.
    alone: Option<Alone<'a, I::Item>>,
    sent: usize,
    patience: Patience,
    priority: Priority,
    wait: Option<Duration>,
    /// When it was first polled, if that matters.
    began: Nanos,
    is_begun: bool,
    /// The iterator has nothing more.
    is_drawn: bool,
}

impl<'a, I> TellAll<'a, I>
where
    I: Iterator,
    I::Item: Sendable,
{
    pub(crate) fn new(
        way: Way<'a, MessageOf<I>>,
        follow: Follow<'a, MessageOf<I>>,
        messages: I,
    ) -> Self {
        let (least, _) = messages.size_hint();
        Self {
            way,
            messages: Some(messages),
            drawn: Drawn::new(way, least),
            follow,
            alone: None,
            sent: 0,
            patience: Patience::Waits,
            priority: Priority::Normal,
            wait: None,
            began: Nanos::NONE,
            is_begun: false,
            is_drawn: false,
        }
    }

    /// Waits for room no longer than `deadline` in all, from when this is first polled; without effect after that. The
    /// default is as long as the receiver lives.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        if !self.is_begun {
            self.wait = Some(deadline);
        }
        self
    }

    /// Sends them with this [`Priority`], which is normal unless told otherwise; without effect once this was polled.
    pub fn priority(mut self, priority: Priority) -> Self {
        if !self.is_begun {
            self.priority = priority;
        }
        self
    }

    /// Messages sent so far, of those that the iterator yielded the first so many: they are delivered even if this process
    /// dies now. One that the receiver's policy dropped counts too, as its `tell` would be `Ok`.
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// The messages that were not sent, in their order; without the one, if there is one, that is on its way to the next life of
    /// what the address follows: that is dropped.
    pub fn into_unsent(mut self) -> Unsent<I> {
        self.take_unsent()
    }

    /// Sends what there is room for now.
    pub(crate) fn now(mut self) -> Result<(), TellAllError<I>> {
        self.patience = Patience::None;
        loop {
            // Without patience it is pending at the end of its turn alone.
            let mut cx = Context::from_waker(noop_waker_ref());
            if let Poll::Ready(sent) = Pin::new(&mut self).poll(&mut cx) {
                return sent;
            }
        }
    }

    /// Blocks the calling thread until all messages are sent.
    ///
    /// # Errors
    ///
    /// As when awaited.
    ///
    /// # Panics
    ///
    /// In a handler, or in a future that its node's `run_until` runs: await it there.
    pub fn wait(self) -> Result<(), TellAllError<I>> {
        let shared = self.way.shared();
        crate::node::block_on(shared, self)
    }

    /// Sends what was drawn, or draws and sends; `false` when nothing is left.
    #[inline]
    fn send_some(&mut self) -> bool {
        if fork::check().is_err() {
            return self.offer_raw();
        }
        if self.drawn.len() == 0
            && !self.is_drawn
            && let Some(messages) = &mut self.messages
        {
            let parcels = messages.map(Sendable::into_parcel);
            self.is_drawn = self.drawn.draw(self.way, parcels);
        }
        let drawn = self.drawn.len();
        if drawn == 0 {
            return false;
        }
        self.drawn.offer(self.way, self.priority);
        self.sent += drawn - self.drawn.len();
        if let Some(first) = self.drawn.pop() {
            self.send_alone(first);
        }
        true
    }

    /// In a forked child, where nothing may be encoded: one message alone finds out.
    #[cold]
    fn offer_raw(&mut self) -> bool {
        let messages = self.messages.as_mut().filter(|_| !self.is_drawn);
        let load = self.drawn.pop().or_else(|| {
            let message = messages?.next()?;
            Some(Load::Parcel(message.into_parcel()))
        });
        let any = load.is_some();
        load.into_iter().for_each(|load| self.send_alone(load));
        any
    }

    #[cold]
    fn send_alone(&mut self, load: Load<MessageOf<I>>) {
        let mut alone = Box::new(Sending::of_load(self.way, load, Wanted::Nothing));
        alone.patience(self.patience);
        alone.set_priority(self.priority);
        if let Some(wait) = self.wait {
            (alone.began, alone.deadline) = (self.began, self.began.plus(wait));
        }
        self.alone = Some(Alone::Waits(alone));
    }

    #[cold]
    fn poll_alone(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TellAllError<I>>> {
        let sent = match &mut self.alone {
            None => return Poll::Ready(Ok(())),
            Some(Alone::Follows(following)) => ready!(following.as_mut().poll(cx)),
            Some(Alone::Waits(alone)) => match ready!(alone.poll(cx)) {
                Ok(_) => Ok(()),
                Err(error) => {
                    let deadline = alone.deadline;
                    ready!(self.go_on(error, deadline, cx))
                }
            },
        };
        self.alone = None;
        Poll::Ready(match sent {
            Ok(()) => {
                self.sent += 1;
                Ok(())
            }
            Err(cause) => Err(TellAllError::new(self.sent, cause, self.take_unsent())),
        })
    }

    /// Goes on to the next life of the receiver, if that is what stood in the way and the address follows it.
    fn go_on(
        &mut self,
        error: SendError<I::Item>,
        deadline: Nanos,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<I::Item>>> {
        let Some(follow) = self.follow else {
            return Poll::Ready(Err(error));
        };
        let lost = Lost::of(error, self.way.actor(), self.priority)?;
        if self.patience == Patience::None {
            return Poll::Ready(again::tell_now(follow, lost));
        }
        let mut following: Boxed<'a, _> = Box::pin(again::tell(follow, lost, deadline));
        let told = following.as_mut().poll(cx);
        if told.is_pending() {
            self.alone = Some(Alone::Follows(following));
        }
        told
    }

    fn take_unsent(&mut self) -> Unsent<I> {
        let way = self.way;
        let alone = match self.alone.take() {
            Some(Alone::Waits(mut alone)) => Some(alone.take_back()),
            Some(Alone::Follows(_)) | None => None,
        };
        let drawn = std::iter::from_fn(|| {
            let parcel = self.drawn.pop()?.into_parcel(way);
            let parcel =
                parcel.expect("unsent: it is taken back once, from what it was packed into");
            Some(I::Item::from_parcel(parcel))
        });
        let drawn: Vec<_> = alone.into_iter().chain(drawn).collect();
        let rest = self.messages.take().filter(|_| !self.is_drawn);
        Unsent::new(drawn, rest)
    }
}

// Nothing in it is pinned: the iterator is used by `&mut`, messages are moved until they are sent.
impl<I> Unpin for TellAll<'_, I>
where
    I: Iterator,
    I::Item: Sendable,
{
}

impl<I> Future for TellAll<'_, I>
where
    I: Iterator,
    I::Item: Sendable,
{
    type Output = Result<(), TellAllError<I>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        assert!(
            this.messages.is_some(),
            "a tell_all was polled after it was ready"
        );
        if !std::mem::replace(&mut this.is_begun, true) {
            this.way = this.way.with(this.priority);
            if this.wait.is_some() {
                this.began = this.way.clock().now();
            }
        }
        let turn = this.sent + TURN;
        while this.sent < turn {
            if this.alone.is_some() {
                ready!(this.poll_alone(cx))?;
            }
            if !this.send_some() {
                this.messages = None;
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<I> FusedFuture for TellAll<'_, I>
where
    I: Iterator,
    I::Item: Sendable,
{
    fn is_terminated(&self) -> bool {
        self.messages.is_none()
    }
}

impl<I> fmt::Debug for TellAll<'_, I>
where
    I: Iterator,
    I::Item: Sendable,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TellAll")
            .field("sent", &self.sent)
            .field("is_waiting", &self.alone.is_some())
            .finish_non_exhaustive()
    }
}
