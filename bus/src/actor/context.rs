//! What a handler may do besides changing its actor.

mod beside;
mod high;
mod in_hand;
mod linking;
mod next;
mod stashing;
mod subscribing;

use std::sync::Arc;
use std::task::Waker;

use ringway_shm::card::Counter;

use self::high::HighTurns;
use self::next::Next;
use super::cell::{Cell, CellCore};
use super::monitor::{Down, MonitorId, Monitored, Monitors};
use super::own::MaybeOwn;
use super::port::{PortInHand, Ports as _};
use super::{Accepts, Actor};
use crate::addr::Addr;
use crate::exit::ExitReason;
use crate::inbox::Serving;
use crate::inbox::reply::RemotePort;
use crate::mailbox::Batch;
use crate::message::BoxError;
use crate::node::Node;
use crate::process::with_causes;
use crate::send::redeliver::About;

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

    /// Counts the message in hand as handled, after all that could panic.
    #[inline]
    pub(crate) fn count_handled(&self) {
        let entries = u64::from(self.next == Next::Entry);
        self.cell.core().shared().count_handled(entries);
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
