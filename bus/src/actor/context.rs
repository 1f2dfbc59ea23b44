//! What a handler may do besides changing its actor.

use std::sync::Arc;
use std::task::Waker;

use super::cell::{Cell, CellCore};
use super::monitor::{Down, MaybeMonitors, MonitorId, Monitored, Monitors};
use super::{Accepts, Actor};
use crate::addr::Addr;
use crate::exit::ExitReason;
use crate::inbox::reply::RemotePort;
use crate::message::BoxError;
use crate::node::Node;
use crate::process::with_causes;
use crate::remote::undelivered::Returns;

/// The actor's view of itself and its node, handed to every hook and handler.
pub struct Context<A: Actor> {
    cell: Arc<Cell<A>>,
    /// Why the actor ends, once it has decided to.
    ends: Option<ExitReason>,
    /// The way back of the entry in hand, until it is answered; an inline tell has none. Dropped unanswered, it says so.
    remote: Option<RemotePort>,
    monitors: MaybeMonitors<A::Letters>,
    /// Reports the tell in hand, should its handler not come to its end.
    in_hand: Option<fn(&Returns)>,
}

impl<A: Actor> Context<A> {
    pub(super) fn new(cell: &Arc<Cell<A>>) -> Self {
        Self {
            cell: Arc::clone(cell),
            ends: None,
            remote: None,
            monitors: None,
            in_hand: None,
        }
    }

    pub(super) fn take_in_hand(&mut self, report: Option<fn(&Returns)>) {
        self.in_hand = report;
    }

    pub(super) fn cell(&self) -> &CellCore {
        self.cell.core()
    }

    /// Why the actor ends, if it has stopped itself.
    pub(super) fn ends(&self) -> Option<&ExitReason> {
        self.ends.as_ref()
    }

    /// Keeps the way back of the entry in hand, if it needs one.
    #[inline]
    pub(super) fn keep_remote(&mut self, port: Option<RemotePort>) {
        self.remote = port;
    }

    pub(super) fn remote(&self) -> Option<&RemotePort> {
        self.remote.as_ref()
    }

    pub(super) fn take_remote(&mut self) -> Option<RemotePort> {
        self.remote.take()
    }

    /// The actor's monitors.
    #[inline]
    pub(super) fn monitors(&mut self) -> &mut MaybeMonitors<A::Letters> {
        &mut self.monitors
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
        let task = self.cell.core().task();
        let new = || Box::new(Monitors::new::<A>(task.unwrap_or(Waker::noop())));
        self.monitors.get_or_insert_with(new).add(target.watched())
    }

    /// Takes a monitor back: its `Down` will not come, even if the other has ended meanwhile. `false` if it has come.
    pub fn demonitor(&mut self, monitor: MonitorId) -> bool {
        let monitors = self.monitors.as_mut();
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
        self.ends.get_or_insert(ExitReason::Normal);
    }

    /// Ends the actor after this handler, with [`ExitReason::Error`] and the text of `error` and its causes: to a supervisor a
    /// failure, unlike [`stop`](Self::stop). What is queued goes back to its senders. The first of several calls decides.
    pub fn fail(&mut self, error: impl Into<BoxError>) {
        let error = error.into();
        self.ends
            .get_or_insert_with(|| ExitReason::Error(with_causes(&*error)));
    }
}

impl<A: Actor> Drop for Context<A> {
    fn drop(&mut self) {
        if let Some(report) = self.in_hand {
            report(&self.cell.core().returns());
        }
    }
}

impl<A: Actor> std::fmt::Debug for Context<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("cell", self.cell.core())
            .finish()
    }
}
