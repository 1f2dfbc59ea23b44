//! What a supervisor does next: a state machine without a clock, without chance, and without anything that it could start.
//!
//! ```text
//!            start           started
//!   Due ------------> Starting -----> Running
//!    ^                   |  failed      |  ended
//!    |  restart          v              v
//!    +------------- the rules decide: restart, and who else; idle; forgotten; give up
//! ```
//!
//! Whoever carries it out asks [`next`](Plan::next) whenever nothing is under way, does that one thing, and says how it
//! went. So there is one start or stop at a time, and none of a child before its last one is over.
//!
//! # Invariants
//! - **one at a time**: a child that lives is never started; it comes to `Due` only by [`ended`](Plan::ended) or
//!   [`start_failed`](Plan::start_failed), which say that its last incarnation is dead.
//! - **order**: what is to be stopped is stopped in reverse order, and before anything is started; where children depend on
//!   each other (all strategies but `OneForOne`) none is started while one before it is due.

use crate::clock::Nanos;
use crate::exit::ExitReason;

use super::backoff::Backoff;
use super::intensity::{Intensity, Window};
use super::rules::{Restart, Strategy};

/// One child of a supervisor, for as long as that lives; not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ChildKey(u64);

/// The rules of one supervisor.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) strategy: Strategy,
    pub(super) intensity: Intensity,
    pub(super) backoff: Backoff,
}

/// How far a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It has ended, or was never started, and is not to run.
    Idle,
    /// It is to be started, at this time or later.
    Due(Nanos),
    Starting,
    /// It runs since then.
    Running(Nanos),
}

/// What becomes of a child once it has been stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Idle,
    Due(Nanos),
    Forgotten,
}

/// For whom a child is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Starts {
    /// With its supervisor: if that fails, all of it does.
    First,
    /// Because somebody asked for it, who hears how it went.
    Asked(Then),
    /// After a failure.
    Again,
}

#[derive(Debug)]
struct Child {
    key: ChildKey,
    restart: Restart,
    state: State,
    starts: Starts,
    /// Set while it is to be stopped.
    then: Option<Then>,
    /// Failures since it last lived for long.
    failures: u32,
}

impl Child {
    fn lives(&self) -> bool {
        matches!(self.state, State::Starting | State::Running(_))
    }
}

/// Why a supervisor ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It was told to.
    Told(ExitReason),
    /// This child could not be started with it.
    StartFailed(ChildKey, ExitReason),
    /// This child ended so, and it was one restart too many.
    GaveUp(ChildKey, ExitReason),
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Start(ChildKey),
    /// Until its end is proved.
    Stop(ChildKey),
    /// Nothing before that time, or before something happens.
    Wait(Option<Nanos>),
    /// No child lives, and none will.
    Over(Ending),
}

/// When something happened, and a random number for the delay that may follow from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: Nanos,
    pub(super) chance: u64,
}

/// The children of one supervisor, in order, and what is to become of them.
#[derive(Debug)]
pub(super) struct Plan {
    rules: Rules,
    children: Vec<Child>,
    restarts: Window,
    ending: Option<Ending>,
    last_key: u64,
}

impl Plan {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            children: Vec::new(),
            restarts: Window::default(),
            ending: None,
            last_key: 0,
        }
    }

    /// Adds a child, the last in order, that is started with the supervisor.
    pub(super) fn add(&mut self, restart: Restart) -> ChildKey {
        self.push(restart, Starts::First)
    }

    /// Adds a child that somebody asked for. If it does not start, it is forgotten.
    pub(super) fn add_asked(&mut self, restart: Restart) -> ChildKey {
        self.push(restart, Starts::Asked(Then::Forgotten))
    }

    fn push(&mut self, restart: Restart, starts: Starts) -> ChildKey {
        self.last_key += 1;
        let key = ChildKey(self.last_key);
        self.children.push(Child {
            key,
            restart,
            state: State::Due(Nanos::NONE),
            starts,
            then: None,
            failures: 0,
        });
        key
    }

    fn place(&self, key: ChildKey) -> Option<usize> {
        self.children.iter().position(|child| child.key == key)
    }

    /// How far a child is; `None` when it is forgotten.
    pub(super) fn state(&self, key: ChildKey) -> Option<State> {
        Some(self.children[self.place(key)?].state)
    }

    /// Whether a child that lives is to be stopped: its start need not be awaited.
    pub(super) fn is_doomed(&self, key: ChildKey) -> bool {
        let child = self.place(key).map(|place| &self.children[place]);
        child.is_some_and(|child| child.lives() && child.then.is_some())
    }

    /// Whether every child that is to be started with the supervisor has been.
    pub(super) fn has_started(&self) -> bool {
        let waits = |child: &Child| {
            child.starts == Starts::First && !matches!(child.state, State::Running(_) | State::Idle)
        };
        self.ending.is_none() && !self.children.iter().any(waits)
    }

    /// Starts a child again that is idle or due, because somebody asks for it; `false` if it lives or is unknown.
    #[must_use]
    pub(super) fn start(&mut self, key: ChildKey) -> bool {
        let Some(place) = self.place(key) else {
            return false;
        };
        let child = &mut self.children[place];
        let is_down = !child.lives();
        if is_down {
            child.state = State::Due(Nanos::NONE);
            child.starts = Starts::Asked(Then::Idle);
            child.failures = 0;
        }
        is_down
    }

    /// Has a child stopped and not started again; it stays known unless it is temporary or to be forgotten.
    pub(super) fn stop(&mut self, key: ChildKey, forget: bool) {
        let Some(place) = self.place(key) else {
            return;
        };
        let child = &mut self.children[place];
        let then = if forget || child.restart == Restart::Temporary {
            Then::Forgotten
        } else {
            Then::Idle
        };
        if child.lives() {
            child.then = Some(then);
        } else {
            self.settle(place, then);
        }
    }

    /// Ends the supervisor: all children are stopped in reverse order. Only the first call decides how it ends.
    pub(super) fn end(&mut self, ending: Ending) {
        if self.ending.is_some() {
            return;
        }
        self.ending = Some(ending);
        for child in &mut self.children {
            if child.lives() {
                child.then = Some(Then::Idle);
            } else {
                child.state = State::Idle;
            }
        }
    }

    /// Whether it is ending, or has ended.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Why it is ending, if it is.
    pub(super) fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// What to do next, when nothing is under way.
    pub(super) fn next(&mut self, now: Nanos) -> Step {
        let is_doomed = |child: &&Child| child.lives() && child.then.is_some();
        if let Some(child) = self.children.iter().rev().find(is_doomed) {
            return Step::Stop(child.key);
        }
        if let Some(ending) = &self.ending {
            return Step::Over(ending.clone());
        }
        let due = |child: &Child| match child.state {
            State::Due(at) => Some(at),
            _ => None,
        };
        let mut all_due = self.children.iter_mut();
        let next = match self.rules.strategy {
            // Each for itself: the first in order of those whose time has come.
            Strategy::OneForOne => all_due
                .filter(|child| due(child).is_some())
                .min_by_key(|child| due(child).filter(|at| *at > now)),
            Strategy::OneForAll | Strategy::RestForOne => {
                all_due.find(|child| due(child).is_some())
            }
        };
        let Some(child) = next else {
            return Step::Wait(None);
        };
        match due(child) {
            Some(at) if at > now => Step::Wait(Some(at)),
            _ => {
                child.state = State::Starting;
                Step::Start(child.key)
            }
        }
    }

    /// A child runs.
    pub(super) fn started(&mut self, key: ChildKey, now: Nanos) {
        if let Some(place) = self.place(key) {
            self.children[place].state = State::Running(now);
            self.children[place].starts = Starts::Again;
        }
    }

    /// A child could not be started, and nothing of it is left.
    pub(super) fn start_failed(&mut self, key: ChildKey, reason: ExitReason, moment: Moment) {
        let Some(place) = self.place(key) else {
            return;
        };
        let child = &mut self.children[place];
        match (child.then.take(), child.starts) {
            (Some(then), _) | (None, Starts::Asked(then)) => self.settle(place, then),
            (None, Starts::First) => {
                self.settle(place, Then::Idle);
                self.end(Ending::StartFailed(key, reason));
            }
            (None, Starts::Again) => self.restart(place, reason, moment),
        }
    }

    /// A child has ended, which is proved.
    pub(super) fn ended(&mut self, key: ChildKey, reason: ExitReason, moment: Moment) {
        let Some(place) = self.place(key) else {
            return;
        };
        let child = &mut self.children[place];
        if let Some(then) = child.then.take() {
            return self.settle(place, then);
        }
        match child.restart {
            Restart::Temporary => self.settle(place, Then::Forgotten),
            Restart::Transient if reason.is_normal() => self.settle(place, Then::Idle),
            Restart::Permanent | Restart::Transient => self.restart(place, reason, moment),
        }
    }

    fn settle(&mut self, place: usize, then: Then) {
        match then {
            Then::Idle => self.children[place].state = State::Idle,
            Then::Due(at) => self.children[place].state = State::Due(at),
            Then::Forgotten => drop(self.children.remove(place)),
        }
    }

    /// Starts a dead child again after a while, and who else the strategy says; or gives up.
    fn restart(&mut self, place: usize, reason: ExitReason, moment: Moment) {
        let Moment { now, chance } = moment;
        let quiet = self.rules.intensity.within;
        let child = &mut self.children[place];
        if matches!(child.state, State::Running(since) if now.since(since) >= quiet) {
            child.failures = 0;
        }
        let delay = self.rules.backoff.delay(child.failures, chance);
        child.failures = child.failures.saturating_add(1);
        child.state = State::Idle;
        if !self.restarts.bears(now, self.rules.intensity) {
            let key = child.key;
            return self.end(Ending::GaveUp(key, reason));
        }
        let due = now.plus(delay);
        self.children[place].state = State::Due(due);
        let first_other = match self.rules.strategy {
            Strategy::OneForOne => self.children.len(),
            Strategy::OneForAll => 0,
            Strategy::RestForOne => place + 1,
        };
        for child in self.children.iter_mut().skip(first_other) {
            // Who was stopped by a call, or has ended for good, is not woken by another's failure. Who is due already waits
            // for those before it.
            let is_spared = matches!(child.then, Some(Then::Idle | Then::Forgotten));
            if child.lives() && !is_spared {
                child.then = Some(match child.restart {
                    Restart::Temporary => Then::Forgotten,
                    Restart::Permanent | Restart::Transient => Then::Due(due),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
