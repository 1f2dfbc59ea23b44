//! What comes to an actor without a sender: the `Down`s of its monitors, what its timers give, what runs beside it, and that
//! it is idle. And what it has put aside, which had a sender once.
//!
//! None of it takes room in the mailbox, however full that is: it waits in the actor's own hands. Made when the actor first
//! asks for something of the kind; an actor that never does pays a look at one pointer for each message.

use super::Actor;
use super::cell::Cell;
use super::idle::{Idle, Rest};
use super::monitor::{MaybeMonitors, Monitors};
use super::pipe::MaybePipes;
use super::stash::MaybeStash;
use super::timer::MaybeTimers;
use crate::mailbox::Batch;
use crate::priority::Priority;

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
    Again,
    Down,
    Timer,
    Piped,
    Idle,
}

/// What an actor has of its own, if it has anything.
pub(super) type MaybeOwn<L> = Option<Box<Own<L>>>;

/// What an actor has of its own.
pub(super) struct Own<L> {
    pub(super) stash: MaybeStash<L>,
    pub(super) monitors: MaybeMonitors<L>,
    pub(super) timers: MaybeTimers<L>,
    pub(super) pipes: MaybePipes<L>,
    pub(super) idle: Option<Box<Idle<L>>>,
    due: Due,
    /// What the last message was, if it was a timer's or of something beside the actor.
    last: Due,
}

impl<L> Default for Own<L> {
    fn default() -> Self {
        Self {
            stash: None,
            monitors: None,
            timers: None,
            pipes: None,
            idle: None,
            due: Due::None,
            last: Due::None,
        }
    }
}

impl<L: Send + 'static> Own<L> {
    /// Whether there is a message, which [`take_due`](Self::take_due) takes.
    #[inline]
    pub(super) fn has_due<A: Actor<Letters = L>>(
        &mut self,
        cell: &Cell<A>,
        batch: &Batch<L>,
        turns: Turns,
    ) -> bool {
        let is_down = |it: &mut Box<Monitors<L>>| it.has_due(cell, batch);
        self.due = if self.stash.as_ref().is_some_and(|it| it.has_due()) {
            Due::Again
        } else if self.monitors.as_mut().is_some_and(is_down) {
            Due::Down
        } else if turns == Turns::Fair && self.last != Due::None {
            Due::None
        } else {
            self.timer_or_piped()
        };
        self.due != Due::None
    }

    /// One of the two, in turns if both have something.
    fn timer_or_piped(&mut self) -> Due {
        let has_timer = self.timers.as_mut().is_some_and(|it| it.has_due());
        let has_piped = self.pipes.as_ref().is_some_and(|it| it.has_due());
        match (has_timer, has_piped) {
            (true, true) if self.last == Due::Timer => Due::Piped,
            (true, _) => Due::Timer,
            (false, true) => Due::Piped,
            (false, false) => Due::None,
        }
    }

    /// The actor has nothing to do.
    pub(super) fn rest(&mut self) -> Rest {
        // The handler in hand has ended. Where another message follows, who takes that says so.
        if let Some(stash) = &mut self.stash {
            stash.passed();
        }
        let rest = self.idle.as_mut().map_or(Rest::Wait, |idle| idle.rest());
        if rest == Rest::Message {
            self.due = Due::Idle;
        }
        rest
    }

    /// Takes it.
    pub(super) fn take_due(&mut self) -> Option<L> {
        let due = std::mem::take(&mut self.due);
        self.last = match due {
            Due::Timer | Due::Piped => due,
            _ => Due::None,
        };
        if !matches!(due, Due::Timer | Due::Idle) {
            self.interrupt_idleness();
        }
        if let Some(stash) = &mut self.stash {
            stash.passed();
        }
        match due {
            Due::None => None,
            Due::Again => self.stash.as_mut()?.take_due(),
            Due::Down => self.monitors.as_mut()?.take_due(),
            Due::Timer => self.timers.as_mut()?.take_due(),
            Due::Piped => self.pipes.as_mut()?.take_due(),
            Due::Idle => self.idle.as_mut()?.give(),
        }
    }

    /// A message of somebody else's is about to be taken: a letter of this priority, or an entry.
    #[inline]
    pub(super) fn passed(&mut self, letter: Option<Priority>) {
        self.last = Due::None;
        self.interrupt_idleness();
        if let Some(stash) = &mut self.stash {
            stash.passed();
        }
        if let (Some(priority), Some(monitors)) = (letter, &mut self.monitors) {
            monitors.passed_letter(priority);
        }
    }

    #[inline]
    fn interrupt_idleness(&mut self) {
        if let Some(idle) = &mut self.idle {
            idle.interrupt();
        }
    }
}
