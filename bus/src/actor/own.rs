//! What comes to an actor without a sender: the `Down`s of its monitors, and what its timers give.
//!
//! None of it takes room in the mailbox, however full that is: it waits in the actor's own hands. Made when the actor first
//! asks for something of the kind; an actor that never does pays a look at one pointer for each message.

use super::Actor;
use super::cell::Cell;
use super::monitor::MaybeMonitors;
use super::timer::MaybeTimers;
use crate::mailbox::Batch;

/// Whether what timers give must let a message of somebody else's pass first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turns {
    /// After each of theirs there is one of others, if any waits.
    Fair,
    /// Nothing else waits.
    Any,
}

/// Where the message is whose turn it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Due {
    #[default]
    None,
    Down,
    Timer,
}

/// What an actor has of its own, if it has anything.
pub(super) type MaybeOwn<L> = Option<Box<Own<L>>>;

/// What an actor has of its own.
pub(super) struct Own<L> {
    pub(super) monitors: MaybeMonitors<L>,
    pub(super) timers: MaybeTimers<L>,
    due: Due,
    /// The last message was a timer's.
    had_its_turn: bool,
}

impl<L> Default for Own<L> {
    fn default() -> Self {
        Self {
            monitors: None,
            timers: None,
            due: Due::None,
            had_its_turn: false,
        }
    }
}

impl<L> Own<L> {
    /// Whether there is a message, which [`take_due`](Self::take_due) takes.
    #[inline]
    pub(super) fn has_due<A: Actor<Letters = L>>(
        &mut self,
        cell: &Cell<A>,
        batch: &Batch<L>,
        turns: Turns,
    ) -> bool {
        let is_down = |it: &mut Box<super::monitor::Monitors<L>>| it.has_due(cell, batch);
        self.due = if self.monitors.as_mut().is_some_and(is_down) {
            Due::Down
        } else if (turns == Turns::Any || !self.had_its_turn)
            && self.timers.as_mut().is_some_and(|it| it.has_due())
        {
            Due::Timer
        } else {
            Due::None
        };
        self.due != Due::None
    }

    /// Takes it.
    pub(super) fn take_due(&mut self) -> Option<L> {
        self.had_its_turn = self.due == Due::Timer;
        match std::mem::take(&mut self.due) {
            Due::None => None,
            Due::Down => self.monitors.as_mut()?.take_due(),
            Due::Timer => self.timers.as_mut()?.take_due(),
        }
    }

    /// A message of somebody else's is about to be taken: one of the mailbox, or an entry.
    #[inline]
    pub(super) fn passed(&mut self, is_letter: bool) {
        self.had_its_turn = false;
        if is_letter && let Some(monitors) = &mut self.monitors {
            monitors.passed_letter();
        }
    }
}
