//! An actor that hands its messages to the test, and answers as the test says.

mod next;
mod received;

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::sync::{Arc, Mutex};
use std::task::Waker;

pub use self::next::{Expect, NextReceived};
pub use self::received::Received;
use crate::actor::incoming::Incoming;
use crate::actor::letter::{Handed, Letter};
use crate::actor::port::{Back, ReplyPort};
use crate::actor::reply::{Answerer, slot};
use crate::actor::{Accepted, Accepts, Actor, Context, begin, take};
use crate::addr::{Addr, Recipient};
use crate::clock::Nanos;
use crate::exit::ExitReason;
use crate::message::{BoxError, HandlerError, Message};
use crate::node::{ActorBuilder, Node, SpawnError};
use crate::shared::{Shared, lock};
use crate::wait_list::{WaitKey, WaitList};

/// What a handler of a probe ends with.
type Answer<M> = Result<<M as Message>::Reply, HandlerError>;

/// What the test has said to answer.
type Script<M> = Box<dyn FnMut(&<M as Message>::Arrival) -> Answer<M> + Send>;

/// The test's side of an actor that takes messages of one type in its place.
///
/// It records what comes, and answers asks: by what [`replies`](Self::replies) and [`reply_next`](Self::reply_next) have said,
/// else when the test replies to what it [received](Received::reply). Until then the asker waits, and so does what is queued
/// behind it. A tell is handled at once, unless the probe [holds](Self::hold); one that is to be redelivered is answered as an ask
/// is. Dropped, the probe stops its actor.
///
/// Its waits are as long as it takes: a [`Watchdog`](super::Watchdog) ends those of a test that hangs.
///
/// ```
/// use ringway::prelude::*;
/// use ringway::test::{Probe, TestBus};
///
/// let bus = TestBus::new();
/// let node = bus.attach("node")?;
/// let mut probe = Probe::<u32>::spawn(&node)?; // a message whose reply is `()`
/// let under_test: Recipient<u32> = probe.recipient();
/// under_test.tell(7).wait()?;
/// probe.expect(7).wait();
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a probe that is dropped stops its actor"]
pub struct Probe<M: Message + ?Sized> {
    addr: Addr<ProbeActor<M>>,
    node: Arc<Shared>,
    desk: Arc<Desk<M>>,
}

/// The actor behind a [`Probe`].
pub struct ProbeActor<M: Message + ?Sized>(Arc<Desk<M>>);

/// What both sides share.
struct Desk<M: Message + ?Sized> {
    state: Mutex<State<M>>,
    /// Woken when something has come.
    came: WaitList,
}

struct State<M: Message + ?Sized> {
    received: VecDeque<Received<M>>,
    next: VecDeque<Answer<M>>,
    always: Option<Script<M>>,
    /// Tells wait as well.
    holds: bool,
}

impl<M: Message + ?Sized> Probe<M> {
    /// Starts a probe.
    ///
    /// # Errors
    ///
    /// See [`SpawnError`].
    pub fn spawn(node: &Node) -> Result<Self, SpawnError> {
        Self::with(node, |actor| actor)
    }

    /// Starts one with a name, by which any node can look it up as a `Recipient<M>`.
    ///
    /// # Errors
    ///
    /// See [`SpawnError`].
    pub fn named(node: &Node, name: impl Into<String>) -> Result<Self, SpawnError> {
        Self::with(node, |actor| actor.name(name))
    }

    /// Starts one as `build` says, with a mailbox of a certain size, say.
    ///
    /// ```
    /// # use ringway::prelude::*;
    /// # use ringway::test::{Probe, TestBus};
    /// # let bus = TestBus::new();
    /// # let node = bus.attach("node")?;
    /// let probe = Probe::<u32>::with(&node, |actor| actor.name("sink").mailbox(4))?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`SpawnError`].
    pub fn with(
        node: &Node,
        build: impl FnOnce(ActorBuilder<ProbeActor<M>>) -> ActorBuilder<ProbeActor<M>>,
    ) -> Result<Self, SpawnError> {
        let desk = Arc::new(Desk {
            state: Mutex::new(State {
                received: VecDeque::new(),
                next: VecDeque::new(),
                always: None,
                holds: false,
            }),
            came: WaitList::default(),
        });
        let addr = build(node.actor(ProbeActor(Arc::clone(&desk)))).spawn()?;
        let node = Arc::clone(node.shared());
        Ok(Self { addr, node, desk })
    }

    /// The actor's address.
    pub fn addr(&self) -> &Addr<ProbeActor<M>> {
        &self.addr
    }

    /// The same, for all who know no more than the message.
    pub fn recipient(&self) -> Recipient<M> {
        Recipient::from(&self.addr)
    }

    /// Answers asks from now on: each by what `reply` makes of it, those for which [`reply_next`](Self::reply_next) has said
    /// something apart.
    ///
    /// `reply` runs in the actor; a panic of it ends that.
    pub fn replies(&self, mut reply: impl FnMut(&M::Arrival) -> M::Reply + Send + 'static) {
        let always: Script<M> = Box::new(move |arrival| Ok(reply(arrival)));
        let former = lock(&self.desk.state).always.replace(always);
        drop(former); // outside the lock
    }

    /// Answers the next ask, of those for which nothing was said yet.
    pub fn reply_next(&self, reply: M::Reply) {
        lock(&self.desk.state).next.push_back(Ok(reply));
    }

    /// Has the handler of the next ask fail, as [`reply_next`](Self::reply_next) has it reply.
    pub fn fail_next(&self, error: impl Into<String>) {
        let error = HandlerError::new(error);
        lock(&self.desk.state).next.push_back(Err(error));
    }

    /// Holds whatever comes from now on: its handling ends only when the test drops what it [received](Received), or replies.
    /// Meanwhile what is sent next waits in the mailbox. An ask to which the test does not reply is then answered by the script.
    pub fn hold(&self) {
        lock(&self.desk.state).holds = true;
    }

    /// Takes [`hold`](Self::hold) back. What is held stays so.
    pub fn hold_no_more(&self) {
        lock(&self.desk.state).holds = false;
    }

    /// Waits for the next message, as long as it takes.
    #[expect(clippy::should_implement_trait, reason = "waits, as a stream's does")]
    pub fn next(&mut self) -> NextReceived<'_, M> {
        NextReceived {
            probe: self,
            key: WaitKey::default(),
        }
    }

    /// The next message if it has come already. After [`Node::quiescent`] there is none only if none was sent; but that waits
    /// for an ask that is to be answered first.
    pub fn try_next(&mut self) -> Option<Received<M>> {
        lock(&self.desk.state).received.pop_front()
    }

    /// Waits for the next message, which must be equal to `expected`; if it is an ask that the script does not answer, and its
    /// reply is not made by the test, its asker gets an error.
    ///
    /// # Panics
    ///
    /// When it is another.
    #[track_caller]
    pub fn expect(&mut self, expected: M::Arrival) -> Expect<'_, M>
    where
        M::Arrival: PartialEq + fmt::Debug,
    {
        Expect {
            next: self.next(),
            expected,
            caller: Location::caller(),
        }
    }
}

impl<M: Message + ?Sized> Drop for Probe<M> {
    fn drop(&mut self) {
        self.addr.stop();
    }
}

impl<M: Message + ?Sized> Desk<M> {
    fn put(&self, arrival: M::Arrival, answerer: Option<Answerer<Answer<M>>>) {
        let received = Received { arrival, answerer };
        lock(&self.state).received.push_back(received);
        self.came.wake_all();
    }

    /// What the test has said to answer, if anything.
    fn scripted(&self, arrival: &M::Arrival) -> Option<Answer<M>> {
        let mut always = {
            let mut state = lock(&self.state);
            if let Some(next) = state.next.pop_front() {
                return Some(next);
            }
            state.always.take()?
        };
        let answer = always(arrival);
        // Another that was given meanwhile counts.
        let mut state = lock(&self.state);
        let former = match state.always {
            Some(_) => Some(always),
            None => {
                state.always = Some(always);
                None
            }
        };
        drop(state);
        drop(former); // outside the lock
        Some(answer)
    }

    /// Hands a message to the test, and waits for what it is answered with.
    async fn receive(&self, arrival: M::Arrival, is_ask: bool) -> Answer<M> {
        let unanswered = || Err(HandlerError::new("the probe has no reply to this"));
        let script = is_ask.then(|| self.scripted(&arrival)).flatten();
        let waits = lock(&self.state).holds || (is_ask && script.is_none());
        if !waits {
            self.put(arrival, None);
            return script.unwrap_or_else(unanswered); // of a tell nobody hears it
        }
        let (answerer, mut asker) = slot(Nanos::NONE, Waker::noop());
        self.put(arrival, Some(answerer));
        poll_fn(|cx| asker.poll(cx))
            .await
            .or(script)
            .unwrap_or_else(unanswered)
    }
}

impl<M: Message + ?Sized> Actor for ProbeActor<M> {
    type Args = ();
    type Letters = Letter<M>;
    type Ports = Option<ReplyPort<M>>;
    const ACCEPTED: &'static [Accepted] = &[Accepted::of::<Self, M>()];

    fn open(incoming: &mut Incoming<'_>) -> Option<Letter<M>> {
        (incoming.type_id() == Some(M::TYPE_ID))
            .then(|| incoming.open::<M>())
            .flatten()
    }

    async fn deliver(&mut self, cx: &mut Context<Self>) {
        let letter = take(cx);
        let Some(arrival) = begin::<Self, M>(letter, Some, Some, cx) else {
            return;
        };
        let answer = self.0.receive(arrival, cx.is_asked()).await;
        if let Some(port) = cx.take_port() {
            // A tell's is of no use to anybody.
            let _ = port.answer(answer, cx);
        }
        cx.count_handled();
    }

    async fn on_started(&mut self, _cx: &mut Context<Self>) -> Result<(), BoxError> {
        Ok(())
    }

    async fn on_stopping(&mut self, _reason: &ExitReason, _cx: &mut Context<Self>) {}

    fn on_tell_failed(&mut self, _message: &'static str, _error: HandlerError) {}

    fn give_back(letter: Letter<M>, back: &Back<'_>) {
        letter.give_back(back);
    }
}

impl<M: Message + ?Sized> Accepts<M> for ProbeActor<M> {
    fn letter(handed: Handed<M>, port: ReplyPort<M>) -> Letter<M> {
        Letter::new(handed, port)
    }

    fn port_of(ports: Option<ReplyPort<M>>) -> Result<ReplyPort<M>, Option<ReplyPort<M>>> {
        ports.ok_or(None)
    }

    fn port_in_hand(port: ReplyPort<M>) -> Option<ReplyPort<M>> {
        Some(port)
    }
}

impl<M: Message + ?Sized> fmt::Debug for Probe<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("message", &M::NAME)
            .finish_non_exhaustive()
    }
}

impl<M: Message + ?Sized> fmt::Debug for ProbeActor<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbeActor")
            .field("message", &M::NAME)
            .finish_non_exhaustive()
    }
}
