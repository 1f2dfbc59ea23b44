//! The overseer: the task of one supervisor, which carries out its plan.
//!
//! It has a cell like an actor, and so can be stopped, killed, awaited and monitored like one; its letters are requests. It
//! never waits for one thing: each time that it is woken it looks at all that may have happened, then asks the plan what to
//! do, and begins that.
//!
//! # Invariants
//! - **one at a time**: there is at most one start or stop under way, and `doing` is it.
//! - **proved**: the plan hears that a child has ended only from the future of that very life. The one exception is said
//!   aloud: an actor that neither stops nor can be killed is left behind, a while after its supervisor began to end.
//! - **no orphans**: however this task ends, dropped or by a panic too, no life is left that was not told to die.

mod alarm;
mod climb;
mod lives;
mod reason;
mod requests;
mod show;
mod slot;

use std::future::poll_fn;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::stream::FuturesUnordered;

use self::alarm::Alarm;
use self::lives::LifeEnd;
use self::requests::{Asked, answer_of, is_settled};
use self::slot::Slot;
use super::board::{Board, Face};
use super::child::Spec;
use super::kind::Boxed;
use super::plan::{ChildKey, Ending, Moment, Plan, Rules, Step};
use super::request::Request;
use crate::actor::cell::{Cell, Told};
use crate::actor::port::Back;
use crate::actor::run::panic_text;
use crate::actor::{Accepted, Actor, Context as ActorContext};
use crate::clock::{Clock, Nanos};
use crate::exit::ExitReason;
use crate::mailbox::Batch;
use crate::message::{BoxError, HandlerError};
use crate::stop::StopStep;
use crate::trace::warning;

/// What a supervisor's cell is of. No message reaches it.
pub(super) struct Overseen;

impl Actor for Overseen {
    type Args = ();
    type Letters = Request;
    type Ports = ();
    const ACCEPTED: &'static [Accepted] = &[];

    async fn deliver(&mut self, _cx: &mut ActorContext<Self>) {}

    async fn on_started(&mut self, _cx: &mut ActorContext<Self>) -> Result<(), BoxError> {
        Ok(())
    }

    async fn on_stopping(&mut self, _reason: &ExitReason, _cx: &mut ActorContext<Self>) {}

    fn on_tell_failed(&mut self, _message: &'static str, _error: HandlerError) {}

    /// Who asks hears that there is no answer, and why.
    fn give_back(letter: Request, _back: &Back<'_>) {
        drop(letter);
    }
}

/// What an overseer starts with.
pub(super) struct Setup {
    pub(super) rules: Rules,
    pub(super) children: Vec<Spec>,
    /// Whether its giving up is the end of the program.
    pub(super) ends_program: bool,
}

/// What is under way.
enum Doing {
    Nothing,
    Starting {
        key: ChildKey,
        ready: Boxed<Result<Face, ExitReason>>,
        /// It has ended already, which its start is about to find out.
        ended: Option<ExitReason>,
    },
    Stopping {
        key: ChildKey,
        /// How far it has come, and when the next step follows; of one that was killed, when it is left behind.
        step: StopStep,
        until: Option<Nanos>,
    },
}

struct Overseer {
    cell: Arc<Cell<Overseen>>,
    board: Arc<Board>,
    plan: Plan,
    slots: Vec<Slot>,
    doing: Doing,
    ends: FuturesUnordered<Boxed<LifeEnd>>,
    asked: Vec<Asked>,
    batch: Batch<Request>,
    alarm: Alarm,
    has_started: bool,
    /// It was told to die: nothing is given time.
    is_killed: bool,
}

/// Runs a supervisor to its end; the future of its task.
pub(super) async fn oversee(cell: Arc<Cell<Overseen>>, board: Arc<Board>, setup: Setup) {
    let ends_program = setup.ends_program;
    let rules = setup.rules.clone();
    let mut overseer = Overseer::new(&cell, &board, setup);
    let ending = AssertUnwindSafe(poll_fn(|cx| overseer.poll(cx)));
    let reason = match ending.catch_unwind().await {
        Ok(ending) => overseer.reason(ending, &rules),
        // What a program gave it to make children of has panicked as it was dropped.
        Err(panic) => {
            overseer.bury_all().await;
            ExitReason::Panicked(panic_text(&*panic))
        }
    };
    // The same may happen here, and there is nothing left to be done about it.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(overseer)));
    if let ExitReason::GaveUp(why) = &reason {
        warning!(%why, "a supervisor gave up");
        let _ = why;
        // Before the end is published: who hears of that finds this.
        if ends_program {
            cell.core().shared().tops.give_up(&reason);
        }
    }
    cell.publish_end(reason);
    board.show(Vec::new());
}

impl Overseer {
    fn new(cell: &Arc<Cell<Overseen>>, board: &Arc<Board>, setup: Setup) -> Self {
        let mut overseer = Self {
            cell: Arc::clone(cell),
            board: Arc::clone(board),
            plan: Plan::new(setup.rules),
            slots: Vec::new(),
            doing: Doing::Nothing,
            ends: FuturesUnordered::new(),
            asked: Vec::new(),
            batch: Batch::default(),
            alarm: Alarm::new(cell.core().shared()),
            has_started: false,
            is_killed: false,
        };
        for spec in setup.children {
            let key = overseer.plan.add(spec.restart);
            overseer.slots.push(Slot::new(key, spec));
        }
        overseer.show();
        overseer
    }

    /// Kills what is left, and waits for it: who starts this supervisor again must not meet it.
    async fn bury_all(&mut self) {
        let lives: Vec<_> = self
            .slots
            .iter()
            .filter_map(|slot| slot.life.clone())
            .collect();
        lives.iter().for_each(|life| life.kill(ExitReason::Killed));
        for life in lives {
            life.ended().await;
        }
    }

    /// Looks at everything until there is nothing to do.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        loop {
            self.hear_control();
            let mut has_moved = self.poll_start(cx);
            has_moved |= self.poll_ends(cx);
            has_moved |= self.take_request();
            has_moved |= self.mind_the_time();
            let mut next = None;
            if matches!(self.doing, Doing::Nothing) {
                match self.plan.next(self.clock().now()) {
                    Step::Start(key) => self.begin(key),
                    Step::Stop(key) => self.stop(key),
                    Step::Wait(at) => next = Some(at),
                    Step::Over(ending) => return Poll::Ready(ending),
                }
                has_moved |= next.is_none();
            }
            if has_moved {
                self.after_move();
                continue;
            }
            let until = match &self.doing {
                Doing::Stopping { until, .. } => *until,
                _ => next.flatten(),
            };
            self.alarm.set(until, cx.waker());
            return Poll::Pending;
        }
    }

    /// Tells those who look on, and those who have asked.
    fn after_move(&mut self) {
        let (plan, slots) = (&self.plan, &self.slots);
        let is_settled = |asked: &mut Asked| is_settled(plan, asked.key, asked.to_run);
        let settled = self.asked.extract_if(.., is_settled).map(|asked| {
            let slot = slots.iter().find(|slot| slot.key == asked.key);
            let outcome = answer_of(plan, slot, asked.key, asked.to_run);
            (asked.answer, outcome)
        });
        let settled: Vec<_> = settled.collect();
        self.slots.retain(|slot| plan.state(slot.key).is_some());
        // Who hears of it finds it shown.
        self.show();
        for (answer, outcome) in settled {
            answer.answer(outcome);
        }
        if !self.has_started && self.plan.has_started() {
            self.has_started = true;
            self.cell.core().publish_start();
        }
    }

    fn hear_control(&mut self) {
        let (reason, kills) = match self.cell.core().told() {
            Told::Nothing | Told::HasHigh => return,
            Told::Drain(reason) | Told::Stop(reason) => (reason, false),
            Told::Die(reason) => (reason, true),
        };
        self.plan.end(Ending::Told(reason));
        if kills && !self.is_killed {
            self.is_killed = true;
            let lives = self.slots.iter().filter_map(|slot| slot.life.as_ref());
            lives.for_each(|life| life.kill(ExitReason::Killed));
            if let Doing::Stopping { key, step, .. } = self.doing
                && step < StopStep::Kill
            {
                self.stop(key);
            }
        }
    }

    fn clock(&self) -> &Clock {
        &self.cell.core().shared().clock
    }

    /// Now, and chance: a hash with keys that the system has drawn.
    fn moment(&self) -> Moment {
        Moment {
            now: self.clock().now(),
            chance: RandomState::new().build_hasher().finish(),
        }
    }

    fn slot(&mut self, key: ChildKey) -> &mut Slot {
        let slot = self.slots.iter_mut().find(|slot| slot.key == key);
        slot.expect("known: the plan forgets a child before its slot goes")
    }
}

impl Drop for Overseer {
    fn drop(&mut self) {
        let lives = self.slots.iter().filter_map(|slot| slot.life.as_ref());
        lives.for_each(|life| life.kill(ExitReason::Killed));
    }
}
