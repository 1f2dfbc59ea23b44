//! Which message an actor comes to next: of this process or another, urgent or not, or its own.

use std::task::{Context as TaskContext, Poll};

use super::Context;
use crate::actor::Actor;
use crate::actor::cell::Told;
use crate::actor::idle::Rest;
use crate::actor::incoming::Incoming;
use crate::actor::own::{MaybeOwn, Own, Turns};
use crate::exit::ExitReason;
use crate::message::{Delivery, TypeId};
use crate::priority::Priority;

/// Messages handled before the task lets others run.
const TURN_MAX: u8 = 64;

/// Where the next message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
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
    pub(super) fn letter(self) -> Option<Priority> {
        match self {
            Self::Letter => Some(Priority::Normal),
            Self::HighLetter => Some(Priority::High),
            Self::Entry | Self::Own => None,
        }
    }
}

impl<A: Actor> Context<A> {
    /// Counts a message; `true` when it is others' turn.
    #[inline]
    pub(in crate::actor) fn is_turn_over(&mut self) -> bool {
        self.turn += 1;
        let is_over = self.turn == TURN_MAX;
        if is_over {
            self.turn = 0;
            self.finish();
        }
        is_over
    }

    /// The handler of the entry in hand, if there is one, has ended.
    #[inline]
    pub(in crate::actor) fn finish(&mut self) {
        if let Some(remote) = &mut self.remote {
            remote.serving.finish();
        }
    }

    /// Waits for the next message, which [`take`](Self::take) takes, or for the end: what the control lane says comes before
    /// any message, what has high priority comes before the rest, for a while; local and remote messages take turns. The handler
    /// of the entry in hand has ended, which its lane is told before anything else begins.
    #[inline]
    pub(in crate::actor) fn poll_next(
        &mut self,
        task: &TaskContext<'_>,
    ) -> Poll<Option<ExitReason>> {
        if self.follows_entry() {
            return Poll::Ready(None);
        }
        self.poll_any(task)
    }

    /// Takes the next entry, if one is in hand and nothing but entries comes: what [`poll_any`](Self::poll_any) would do then, in
    /// its order.
    #[inline]
    fn follows_entry(&mut self) -> bool {
        let core = self.cell.core();
        if self.next != Next::Entry || self.own.is_some() || !core.is_told_nothing() {
            return false;
        }
        let (Some(inbox), Some(remote)) = (core.inbox_if_any(), &mut self.remote) else {
            return false;
        };
        !self.cell.mailbox().has_letter(&self.batch) && inbox.pop(&mut remote.serving)
    }

    fn poll_any(&mut self, task: &TaskContext<'_>) -> Poll<Option<ExitReason>> {
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
    pub(in crate::actor) fn take(&mut self) -> Option<A::Letters> {
        match self.next {
            Next::Letter => self.cell.mailbox().take(&mut self.batch),
            Next::HighLetter => self.cell.mailbox().take_high(),
            Next::Entry => self.open(),
            Next::Own => self.take_own(),
        }
    }

    /// What the message whose turn it is claims to be, if that is an entry.
    #[inline]
    pub(in crate::actor) fn entry(&self) -> Option<TypeId> {
        let remote = self.remote.as_ref().filter(|_| self.next == Next::Entry)?;
        remote.serving.type_id()
    }

    /// Makes a letter of the entry in hand, or refuses it.
    #[inline]
    fn open(&mut self) -> Option<A::Letters> {
        self.open_with(|incoming| A::open(incoming))
    }

    /// Opens the entry in hand as a message of this delivery, or refuses it.
    #[inline]
    pub(in crate::actor) fn arrive<D: Delivery + ?Sized>(&mut self) -> Option<D::Arrival> {
        self.open_with(|incoming| incoming.arrive::<D>())
    }

    // Always: what it opens is not moved then.
    #[inline(always)]
    fn open_with<T>(&mut self, open: impl FnOnce(&mut Incoming<'_>) -> Option<T>) -> Option<T> {
        let remote = self.remote.as_mut()?;
        let (lane, taken) = remote.serving.in_hand()?;
        let mut incoming = Incoming::new(lane, taken, &mut remote.port);
        let opened = open(&mut incoming);
        if opened.is_some() {
            if let Some(about) = incoming.about() {
                self.begin_again(about);
            }
        } else {
            let refused = incoming.refuse();
            self.refused(refused);
        }
        opened
    }
}
