//! What gives an actor messages that nobody has sent: timers, what runs beside it, and having nothing to do.

use std::future::Future;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use futures_util::{Stream, StreamExt};

use super::Context;
use crate::actor::idle::{Gives, Idle};
use crate::actor::pipe::{PipeId, Pipes};
use crate::actor::port::ReplyPort;
use crate::actor::timer::{ActorTimers, TimerId};
use crate::actor::{Accepts, Actor};
use crate::message::Sendable;

impl<A: Actor> Context<A> {
    /// Gives this actor a message once, `delay` from now, as if it had been told it: `cx.after(secs(1), Retry)`.
    ///
    /// What a timer gives needs no room in the mailbox, however full that is, and does not wait behind what is queued there:
    /// it takes turns with it. It is never early; it is as late as the handlers before it make it. The timer ends with the
    /// actor: one that is started again has none.
    ///
    /// Timers are cheap: thousands of one actor cost its node one.
    pub fn after<S>(&mut self, delay: Duration, message: S) -> TimerId
    where
        S: Sendable,
        A: Accepts<S::Message>,
    {
        let letter = letter::<A, S>(message);
        self.timers().after(delay, letter)
    }

    /// Gives this actor a message each time that another `period` is over: `cx.interval(ms(100), || Tick)`.
    ///
    /// The first comes one period from now, the others at whole periods after that. Ticks do not pile up: while one has not
    /// been handled no other comes, and those that were missed meanwhile are left out; the next one is on time again. All
    /// else is as for [`after`](Self::after). It lasts until it is [cancelled](Self::cancel) or the actor ends; a panic of
    /// `message` is one of the actor.
    ///
    /// # Panics
    ///
    /// When `period` is zero.
    pub fn interval<S>(
        &mut self,
        period: Duration,
        mut message: impl FnMut() -> S + Send + 'static,
    ) -> TimerId
    where
        S: Sendable,
        A: Accepts<S::Message>,
    {
        let make = Box::new(move || letter::<A, S>(message()));
        self.timers().interval(period, make)
    }

    /// Takes a timer back: nothing more comes of it, not even what was due already. `false` if it has given all that it had.
    pub fn cancel(&mut self, timer: TimerId) -> bool {
        let timers = self.own.as_mut().and_then(|own| own.timers.as_mut());
        timers.is_some_and(|timers| timers.cancel(timer))
    }

    fn timers(&mut self) -> &mut ActorTimers<A::Letters> {
        let core = self.cell.core();
        let new = || {
            let task = core.task().unwrap_or(Waker::noop());
            Box::new(ActorTimers::new(core.shared(), task))
        };
        let own = self.own.get_or_insert_default();
        own.timers.get_or_insert_with(new)
    }

    /// Runs a future beside this actor, and gives the actor a message of what it results in: for what takes long and must not
    /// keep other messages waiting.
    ///
    /// ```
    /// use ringway::prelude::*;
    /// # async fn fetch(_page: u32) -> String { String::new() }
    ///
    /// #[derive(Message, Serialize, Deserialize)]
    /// #[message(serial)]
    /// #[serde(crate = "ringway::serde")]
    /// struct Fetched(u32, String);
    ///
    /// #[derive(Actor)]
    /// #[actor(handles(u32, Fetched))]
    /// struct Reader;
    ///
    /// impl Handler<u32> for Reader {
    ///     async fn handle(&mut self, page: u32, cx: &mut Context<Self>) {
    ///         cx.pipe(fetch(page), move |text| Fetched(page, text));
    ///     }
    /// }
    ///
    /// impl Handler<Fetched> for Reader {
    ///     async fn handle(&mut self, fetched: Fetched, _cx: &mut Context<Self>) {
    ///         println!("page {} has {} bytes", fetched.0, fetched.1.len());
    ///     }
    /// }
    /// ```
    ///
    /// The future is a task of the node's own: it goes on while a handler waits. Its result needs no room in the mailbox and
    /// takes turns with what is queued there. A future whose actor ends is dropped, before the end is published; its panic is
    /// one of the actor.
    pub fn pipe<F, S>(
        &mut self,
        future: F,
        message: impl FnOnce(F::Output) -> S + Send + 'static,
    ) -> PipeId
    where
        F: Future + Send + 'static,
        S: Sendable,
        A: Accepts<S::Message>,
    {
        let letter = async move { letter::<A, S>(message(future.await)) };
        let cell = Arc::clone(&self.cell);
        self.pipes().pipe(&cell, letter)
    }

    /// Gives this actor the items of a stream as messages, one at a time: the stream is asked for the next when the one before
    /// is about to be handled. All else is as for [`pipe`](Self::pipe).
    pub fn attach<T>(&mut self, stream: T) -> PipeId
    where
        T: Stream + Send + 'static,
        T::Item: Sendable,
        A: Accepts<<T::Item as Sendable>::Message>,
    {
        let cell = Arc::clone(&self.cell);
        let letters = stream.map(letter::<A, T::Item>);
        self.pipes().attach(&cell, letters, None)
    }

    /// The same, and `last` when the stream has come to its end.
    pub fn attach_then<T, S>(&mut self, stream: T, last: S) -> PipeId
    where
        T: Stream + Send + 'static,
        T::Item: Sendable,
        S: Sendable,
        A: Accepts<<T::Item as Sendable>::Message> + Accepts<S::Message>,
    {
        let cell = Arc::clone(&self.cell);
        let letters = stream.map(letter::<A, T::Item>);
        let last = letter::<A, S>(last);
        self.pipes().attach(&cell, letters, Some(last))
    }

    /// Drops a future or stream that runs beside this actor: nothing more comes of it, not even what it has given and was not
    /// handled yet. `false` if there is nothing of it any more.
    pub fn drop_pipe(&mut self, pipe: PipeId) -> bool {
        let pipes = self.own.as_mut().and_then(|own| own.pipes.as_mut());
        pipes.is_some_and(|pipes| pipes.cancel(pipe))
    }

    fn pipes(&mut self) -> &mut Pipes<A::Letters> {
        let core = self.cell.core();
        let new = || {
            Box::new(Pipes::new(
                core.beside(),
                core.task().unwrap_or(Waker::noop()),
            ))
        };
        let own = self.own.get_or_insert_default();
        own.pipes.get_or_insert_with(new)
    }

    /// Stops this actor, with [`ExitReason::Normal`](crate::ExitReason::Normal), when it has had nothing to do for so long:
    /// no message has come, of others or of what runs beside it. What its own timers give does not count. Replaces the idle timeout
    /// that was set before.
    ///
    /// A message that comes in the moment when it stops goes back to its sender, as at any end.
    pub fn idle_timeout(&mut self, within: Duration) {
        self.set_idle(within, None);
    }

    /// Gives this actor a message each time that it has had nothing to do for so long, as
    /// [`idle_timeout`](Self::idle_timeout) understands it. That message does not count either, but the time begins anew.
    pub fn when_idle<S>(
        &mut self,
        within: Duration,
        mut message: impl FnMut() -> S + Send + 'static,
    ) where
        S: Sendable,
        A: Accepts<S::Message>,
    {
        self.set_idle(within, Some(Box::new(move || letter::<A, S>(message()))));
    }

    /// Takes the idle timeout back.
    pub fn never_idle(&mut self) {
        if let Some(own) = &mut self.own {
            own.idle = None;
        }
    }

    fn set_idle(&mut self, within: Duration, gives: Gives<A::Letters>) {
        let core = self.cell.core();
        let task = core.task().unwrap_or(Waker::noop());
        let idle = Idle::new(core.shared(), task, within, gives);
        self.own.get_or_insert_default().idle = Some(Box::new(idle));
    }
}

/// A letter that nobody sent.
pub(super) fn letter<A, S>(message: S) -> A::Letters
where
    S: Sendable,
    A: Accepts<S::Message>,
{
    A::letter(message.into_parcel().into(), ReplyPort::tell())
}
