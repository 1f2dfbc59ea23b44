//! What a handler may do besides changing its actor.

mod high;
mod linking;
mod stashing;
mod subscribing;

use std::future::Future;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use ringway_shm::card::Counter;

use self::high::HighTurns;
use super::cell::{Cell, CellCore, Told};
use super::idle::{Gives, Idle, Rest};
use super::incoming::Incoming;
use super::later::{self, Cancelled, Deferred, Interest, ReplyTo};
use super::monitor::{Down, MonitorId, Monitored, Monitors};
use super::own::{MaybeOwn, Own, Turns};
use super::pipe::{PipeId, Pipes};
use super::port::{PortInHand, Ports as _, ReplyPort};
use super::timer::{ActorTimers, TimerId};
use super::{Accepts, Actor, Undone};
use crate::addr::{Addr, Recipient};
use crate::clock::Nanos;
use crate::exit::ExitReason;
use crate::inbox::Serving;
use crate::inbox::reply::RemotePort;
use crate::mailbox::Batch;
use crate::message::{Answer, BoxError, Sendable};
use crate::node::Node;
use crate::peering::NodeId;
use crate::priority::Priority;
use crate::process::with_causes;
use crate::send::Forward;
use crate::send::redeliver::{About, MessageId};

/// Messages handled before the task lets others run.
const TURN_MAX: u8 = 64;

/// The actor's view of itself and its node, handed to every hook and handler.
///
/// All that an actor's life needs between two messages lies here, once: what a future of several parts holds, each part
/// would hold anew.
pub struct Context<A: Actor> {
    cell: Arc<Cell<A>>,
    /// Taken off the mailbox, and not begun.
    batch: Batch<A::Letters>,
    /// Made when the first of other processes may come.
    remote: Option<Box<Remote>>,
    own: MaybeOwn<A::Letters>,
    /// The port of the message in hand; dropped with it, it tells that its handler did not come to its end.
    port: A::Ports,
    /// Made when there is something in it for the first time.
    seldom: Option<Box<Seldom>>,
    /// Messages since others ran.
    turn: u8,
    local_first: bool,
    high: HighTurns,
    next: Next,
}

/// Where the next message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Letter,
    /// Of high priority.
    HighLetter,
    /// In hand.
    Entry,
    /// Its own: see [`Own`].
    Own,
}

impl Next {
    /// The priority of the letter that it is, if it is one.
    #[inline]
    fn letter(self) -> Option<Priority> {
        match self {
            Self::Letter => Some(Priority::Normal),
            Self::HighLetter => Some(Priority::High),
            Self::Entry | Self::Own => None,
        }
    }
}

/// What few messages, and few actors, have.
#[derive(Default)]
struct Seldom {
    /// Of the message in hand, if it may come more than once.
    about: Option<About>,
    /// Why the actor ends, once it has decided to.
    ends: Option<ExitReason>,
}

/// What the messages of other processes need.
#[derive(Default)]
struct Remote {
    /// The way back of the entry in hand, until it is answered; an inline tell has none. Dropped unanswered, it says so.
    port: Option<RemotePort>,
    serving: Serving,
}

impl<A: Actor> Context<A> {
    pub(super) fn new(cell: &Arc<Cell<A>>) -> Self {
        Self {
            cell: Arc::clone(cell),
            batch: Batch::default(),
            remote: None,
            own: None,
            port: A::Ports::default(),
            seldom: None,
            turn: 0,
            local_first: true,
            high: HighTurns::default(),
            next: Next::Letter,
        }
    }

    /// Counts a message; `true` when it is others' turn.
    #[inline]
    pub(super) fn is_turn_over(&mut self) -> bool {
        self.turn += 1;
        let is_over = self.turn == TURN_MAX;
        if is_over {
            self.turn = 0;
            self.finish();
        }
        is_over
    }

    /// Counts the message in hand as handled, after all that could panic.
    #[inline]
    pub(crate) fn count_handled(&self) {
        let entries = u64::from(self.next == Next::Entry);
        self.cell.core().shared().count_handled(entries);
    }

    /// The handler of the entry in hand, if there is one, has ended.
    #[inline]
    pub(super) fn finish(&mut self) {
        if let Some(remote) = &mut self.remote {
            remote.serving.finish();
        }
    }

    /// Waits for the next message, which [`take`](Self::take) takes, or for the end: what the control lane says comes before
    /// any message, what has high priority comes before the rest, for a while; local and remote messages take turns. The handler
    /// of the entry in hand has ended, which its lane is told before anything else begins.
    pub(super) fn poll_next(&mut self, task: &TaskContext<'_>) -> Poll<Option<ExitReason>> {
        loop {
            let (has_high, is_draining) = match self.cell.core().told() {
                Told::Nothing => (false, false),
                Told::HasHigh => (true, false),
                Told::Drain(_) => (self.cell.core().has_high(), true),
                Told::Stop(reason) => return Poll::Ready(Some(reason)),
                // Told a moment ago, and about to wake the task, which ends it.
                Told::Die(_) => {
                    self.finish();
                    return Poll::Pending;
                }
            };
            let inbox = self.cell.core().inbox_if_any();
            let has_own = |own: &mut MaybeOwn<_>, turns| {
                own.as_mut()
                    .is_some_and(|it: &mut Box<Own<_>>| it.has_due(&self.cell, &self.batch, turns))
            };
            let mut next = has_own(&mut self.own, Turns::Fair).then_some(Next::Own);
            if has_high && next.is_none() {
                let remote = &mut self.remote;
                next = self.high.next(self.cell.mailbox(), inbox, remote);
            }
            // The turns of these two: whatever else comes between does not change whose it is.
            if next.is_none() {
                self.local_first = !self.local_first;
            }
            for is_local in [self.local_first, !self.local_first] {
                if next.is_some() {
                    break;
                }
                if is_local {
                    let has_letter = self.cell.mailbox().has_letter(&self.batch);
                    next = has_letter.then_some(Next::Letter);
                } else if let Some(inbox) = inbox {
                    let remote = self.remote.get_or_insert_default();
                    next = inbox.pop(&mut remote.serving).then_some(Next::Entry);
                }
            }
            if has_high {
                let remote = &mut self.remote;
                next = self.high.passed(next, self.cell.mailbox(), inbox, remote);
            }
            if let Some(next) = next {
                if next != Next::Own
                    && let Some(own) = &mut self.own
                {
                    own.passed(next.letter());
                }
                if next != Next::Entry
                    && let (Some(inbox), Some(remote)) = (inbox, &mut self.remote)
                {
                    inbox.rest(&mut remote.serving);
                }
                self.next = next;
                return Poll::Ready(None);
            }
            // Letters and the control lane wake the task whether it waits or not.
            if inbox.is_none_or(|inbox| inbox.poll_ready(task).is_pending()) {
                // A `Down` may have waited for what lay in a lane that was let go of since the look above. Who lets go of
                // one from now on wakes the task.
                if !has_own(&mut self.own, Turns::Any) {
                    // Only if it was told so before all this: who is told later is woken, and looks at what was sent before that.
                    if is_draining && let Told::Drain(reason) = self.cell.core().told() {
                        return Poll::Ready(Some(reason));
                    }
                    match self.own.as_mut().map_or(Rest::Wait, |own| own.rest()) {
                        Rest::Wait => return Poll::Pending,
                        Rest::Stop => return Poll::Ready(Some(ExitReason::Normal)),
                        Rest::Message => {}
                    }
                }
                self.next = Next::Own;
                return Poll::Ready(None);
            }
        }
    }

    /// Takes the message that [`poll_next`](Self::poll_next) has found; `None` for an entry that is refused.
    #[inline]
    pub(super) fn take(&mut self) -> Option<A::Letters> {
        match self.next {
            Next::Letter => self.cell.mailbox().take(&mut self.batch),
            Next::HighLetter => self.cell.mailbox().take_high(),
            Next::Entry => self.open(),
            Next::Own => self.take_own(),
        }
    }

    /// Makes a letter of the entry in hand, or refuses it.
    #[inline]
    fn open(&mut self) -> Option<A::Letters> {
        let remote = self.remote.as_mut()?;
        let (lane, taken) = remote.serving.in_hand()?;
        let mut incoming = Incoming::new(lane, taken);
        let letter = A::open(&mut incoming);
        if letter.is_some() {
            let about;
            (remote.port, about) = incoming.into_port();
            if let Some(about) = about {
                self.begin_again(about);
            }
        } else {
            let refused = incoming.refuse();
            self.refused(refused);
        }
        letter
    }

    /// A message is about to be handled that may come more than once.
    #[cold]
    pub(super) fn begin_again(&mut self, about: About) {
        self.seldom.get_or_insert_default().about = Some(about);
    }

    /// The same, no more.
    #[inline]
    pub(super) fn end_again(&mut self) -> Option<About> {
        self.seldom.as_mut()?.about.take()
    }

    /// What is said of the message in hand, if it may come more than once.
    fn about(&self) -> Option<&About> {
        self.seldom.as_ref()?.about.as_ref()
    }

    /// Returns which attempt at handling the message in hand this is: 1, or one more than the handlers that had begun and not
    /// come to their ends, for a message that is [sent again](crate::Ask::redeliver) then.
    pub fn attempt(&self) -> u32 {
        self.about().map_or(1, |about| about.attempt)
    }

    /// Returns the id of the message in hand, the same at every attempt, if it was sent to be
    /// [redelivered](crate::Ask::redeliver): a handler that keeps the ids of what it has done, where that outlives it, does nothing
    /// twice.
    pub fn message_id(&self) -> Option<MessageId> {
        self.about().map(|about| about.id)
    }

    /// The node that sent the message in hand, if it is another one.
    pub(super) fn sender(&self) -> Option<NodeId> {
        if self.next == Next::Own {
            return self.stashed_entry().map(|entry| entry.sender);
        }
        let remote = self.remote.as_ref().filter(|_| self.next == Next::Entry)?;
        remote.serving.sender()
    }

    /// Returns the priority of the message in hand: how it was sent. What nobody sent, such as a timer's, has the normal one, and so
    /// has what was put aside, once it is handled again.
    pub fn priority(&self) -> Priority {
        match self.next {
            Next::HighLetter => Priority::High,
            Next::Letter | Next::Own => Priority::Normal,
            Next::Entry => self
                .remote
                .as_ref()
                .map_or(Priority::Normal, |remote| remote.serving.priority()),
        }
    }

    #[inline]
    pub(super) fn keep_port(&mut self, port: A::Ports) {
        self.port = port;
    }

    #[inline]
    pub(crate) fn take_port(&mut self) -> A::Ports {
        std::mem::take(&mut self.port)
    }

    /// Whether the message in hand was asked.
    #[cfg(feature = "test")]
    pub(crate) fn is_asked(&self) -> bool {
        !matches!(self.interest().0, Interest::Nobody)
    }

    /// Who waits for the answer to the message in hand, and until when.
    fn interest(&self) -> (Interest, Nanos) {
        let port = self.port.in_hand();
        port.and_then(PortInHand::interest)
            .or_else(|| Some(self.remote.as_ref()?.port.as_ref()?.interest()))
            .unwrap_or((Interest::Nobody, Nanos::NONE))
    }

    pub(super) fn cell(&self) -> &CellCore {
        self.cell.core()
    }

    pub(super) fn own_cell(&self) -> Arc<Cell<A>> {
        Arc::clone(&self.cell)
    }

    /// Why the actor ends, if it has stopped itself.
    pub(super) fn ends(&self) -> Option<&ExitReason> {
        self.seldom.as_ref()?.ends.as_ref()
    }

    /// Why the handler of the entry in hand need not begin, if it is an ask that nobody waits for.
    #[inline]
    pub(super) fn unwanted(&self) -> Option<Undone> {
        let port = self.remote.as_ref()?.port.as_ref()?;
        port.unwanted(&self.cell.core().shared().clock)
    }

    #[inline]
    pub(super) fn take_remote(&mut self) -> Option<RemotePort> {
        self.remote.as_mut()?.port.take()
    }

    /// Returns an address of this actor.
    pub fn addr(&self) -> Addr<A> {
        Addr::local(Arc::clone(&self.cell))
    }

    /// Returns the node that this actor runs on.
    pub fn node(&self) -> Node {
        Node::of(self.cell.core().shared())
    }

    /// Returns the name that the actor was spawned with.
    pub fn name(&self) -> Option<&str> {
        self.cell.core().name()
    }

    /// Has this actor told, by a [`Down`] that it handles like any other message, when the actor behind an address ends: in
    /// this process or in another, by itself, by a panic, by the death of its process. At once if it has ended already.
    ///
    /// Each monitor gives exactly one `Down`, unless it is [taken back](Self::demonitor) or this actor ends before. It needs
    /// no room in the mailbox, however full that is, and costs nothing to speak of while the other lives; it keeps the
    /// other's address.
    ///
    /// The `Down` is handled after all messages that the other one had told or asked this actor itself: those whose sending
    /// was done when it ended. Messages that it sent by way of a third one may come later.
    ///
    /// A node that closes its connection may live: nothing is said until its process is known to be dead.
    pub fn monitor(&mut self, target: &impl Monitored) -> MonitorId
    where
        A: Accepts<Down>,
    {
        self.monitors().add::<A>(target.watched())
    }

    fn monitors(&mut self) -> &mut Monitors<A::Letters> {
        let task = self.cell.core().task();
        let new = || Box::new(Monitors::new(task.unwrap_or(Waker::noop())));
        let own = self.own.get_or_insert_default();
        own.monitors.get_or_insert_with(new)
    }

    /// Takes a monitor back: its `Down` will not come, even if the other has ended meanwhile. `false` if it has come.
    pub fn demonitor(&mut self, monitor: MonitorId) -> bool {
        let monitors = self.own.as_mut().and_then(|own| own.monitors.as_mut());
        monitors.is_some_and(|monitors| monitors.remove(monitor))
    }

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

    /// Stops this actor, with [`ExitReason::Normal`], when it has had nothing to do for so long: no message has come, of others
    /// or of what runs beside it. What its own timers give does not count. Replaces the idle timeout that was set before.
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

    /// Leaves the reply to the message in hand for later: the handler returns the [`Deferred`], and whoever has the
    /// [`ReplyTo`] answers, now or then, from this actor or from elsewhere, also from another process.
    ///
    /// Of a message that was told nobody waits for the reply; what is given is dropped.
    pub fn defer<R: Answer>(&self) -> (ReplyTo<R>, Deferred<R>) {
        let (interest, deadline) = self.interest();
        later::defer(self.cell.core().shared(), interest, deadline)
    }

    /// Sends a message on in place of the answer: its receiver answers who asked for the message in hand, before the same
    /// deadline. Ready when it is in the receiver's mailbox; its handler then returns the [`Deferred`].
    ///
    /// Any message may be sent on that has the reply of the one in hand, and most often it is that one, as it came: also a
    /// [`Lease`](crate::lease::Lease), which is moved to a receiver of this process, and copied to one of another. A message
    /// that was told is told on: its fate is that of any tell to `to`.
    ///
    /// The asker hears of what happens at the receiver as if it had asked there: its reply, its error, its death
    /// ([`AskError::Died`](crate::AskError::Died), `taken`: the message had been begun here). It hears once, whoever dies
    /// when; what goes back passes through this node, and this actor owes it, see [`ReplyTo`]. If it gives up, so does the
    /// message that was sent on.
    ///
    /// # Errors
    ///
    /// Every [`SendError`](crate::SendError) gives the message back; nothing was sent on. A handler may return it: the asker
    /// then gets its text.
    ///
    /// It has the [priority](Self::priority) of the message in hand, unless it is given [another](Forward::priority).
    ///
    /// # Cancel safety
    ///
    /// Dropping it before it is ready sends nothing on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ringway::prelude::*;
    /// # #[derive(Message, Clone, Copy, Pod, Zeroable)]
    /// # #[message(move, reply = u64)]
    /// # #[repr(C)]
    /// # struct Get { key: u64 }
    /// #[derive(Actor)]
    /// #[actor(handles(Get))]
    /// struct Router(Vec<Recipient<Get>>);
    ///
    /// impl Handler<Get, Result<Deferred<u64>, SendError<Get>>> for Router {
    ///     async fn handle(&mut self, get: Get, cx: &mut Context<Self>) -> Result<Deferred<u64>, SendError<Get>> {
    ///         let shard = usize::try_from(get.key).unwrap_or(0) % self.0.len();
    ///         cx.forward(get, &self.0[shard]).await
    ///     }
    /// }
    /// ```
    pub fn forward<S: Sendable>(
        &self,
        message: S,
        to: impl Into<Recipient<S::Message>>,
    ) -> Forward<S> {
        let (interest, deadline) = self.interest();
        Forward::new(
            self.cell.core().shared(),
            message,
            to.into(),
            interest,
            deadline,
            self.priority(),
        )
    }

    /// Tells whether the asker of the message in hand has given up: it dropped its ask, its deadline has passed, or its
    /// process is dead. `false` may be stale at once; it always is `false` for a message that was told.
    ///
    /// An ask that is given up before its handler begins is not handled at all, and counted as cancelled.
    ///
    /// Cost: a look at memory, also when the asker is in another process.
    pub fn is_cancelled(&self) -> bool {
        let (interest, deadline) = self.interest();
        let clock = &self.cell.core().shared().clock;
        !matches!(interest, Interest::Nobody) && (interest.is_over() || clock.has_passed(deadline))
    }

    /// Is ready when the asker of the message in hand has given up, or has got its answer from elsewhere; never for a message
    /// that was told. It borrows nothing, so a handler can `select!` it with its work.
    ///
    /// An asker in another process is noticed by this node's driver, some microseconds later; nobody pays for that but
    /// those who wait.
    pub fn cancelled(&self) -> Cancelled {
        match self.interest() {
            (Interest::Nobody, _) => Cancelled::never(),
            (interest, deadline) => Cancelled::new(self.cell.core().shared(), interest, deadline),
        }
    }

    /// Returns how long the answer to the message in hand is waited for from now on; `None` for a message that was told, or
    /// an ask without an end.
    pub fn deadline(&self) -> Option<Duration> {
        match self.interest() {
            (Interest::Nobody, _) | (_, Nanos::NONE) => None,
            (_, deadline) => {
                let now = self.cell.core().shared().clock.now();
                Some(deadline.since(now))
            }
        }
    }

    /// Returns how many messages this actor's mailbox has dropped so far by its [`Overflow`](crate::Overflow) policy, of
    /// all senders. Grows with time; what [`DropNewest`](crate::Overflow::DropNewest) keeps off a uring is dropped by the
    /// sender's node, and counted there.
    pub fn dropped(&self) -> u64 {
        self.cell.dropped()
    }

    /// Ends the actor after this handler; what is queued goes back to its senders.
    pub fn stop(&mut self) {
        self.end_with(|| ExitReason::Normal);
    }

    /// Ends the actor after this handler, with [`ExitReason::Error`] and the text of `error` and its causes: to a supervisor a
    /// failure, unlike [`stop`](Self::stop). What is queued goes back to its senders. The first of several calls decides.
    pub fn fail(&mut self, error: impl Into<BoxError>) {
        let error = error.into();
        self.end_with(|| ExitReason::Error(with_causes(&*error)));
    }

    fn end_with(&mut self, reason: impl FnOnce() -> ExitReason) {
        let seldom = self.seldom.get_or_insert_default();
        seldom.ends.get_or_insert_with(reason);
    }
}

/// A letter that nobody sent.
fn letter<A, S>(message: S) -> A::Letters
where
    S: Sendable,
    A: Accepts<S::Message>,
{
    A::letter(message.into_parcel().into(), ReplyPort::tell())
}

impl<A: Actor> Drop for Context<A> {
    fn drop(&mut self) {
        if let Some(report) = self.port.in_hand().and_then(PortInHand::report) {
            report(&self.cell.core().returns());
        }
        // Of a sender that lives, its own node tells it.
        if let Some(orphan) = self.remote.as_mut().and_then(|it| it.serving.orphan()) {
            self.cell.core().abandon(orphan);
        }
        if self.remote.as_mut().is_some_and(|it| it.serving.abandon()) {
            self.cell.core().shared().count(Counter::Panicked, 1);
        }
        self.lose_stash();
        // Before the actor is dropped, and with it the ways back that it keeps: their askers are to hear how it ended. And before
        // its lanes are closed, which those of other processes hear it by.
        if let Some(debts) = self.cell.core().debts_if_any() {
            debts.end();
        }
        // Where those go that are still queued.
        self.cell
            .mailbox()
            .put_back(std::mem::take(&mut self.batch));
    }
}

impl<A: Actor> std::fmt::Debug for Context<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("cell", self.cell.core())
            .finish()
    }
}
