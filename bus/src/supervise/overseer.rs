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
mod show;

use std::future::poll_fn;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use self::alarm::Alarm;
use super::board::{Board, ChildType, Face};
use super::child::Spec;
use super::error::SuperviseError;
use super::kind::{Begun, Boxed, Life};
use super::plan::{ChildKey, Ending, Moment, Plan, Rules, State, Step};
use super::request::{Outcome, Request, Want};
use crate::actor::cell::{Cell, Told};
use crate::actor::incoming::Incoming;
use crate::actor::port::Back;
use crate::actor::reply::Answerer;
use crate::actor::run::panic_text;
use crate::actor::{Accepted, Actor, Context as ActorContext};
use crate::clock::{Clock, Nanos};
use crate::exit::ExitReason;
use crate::mailbox::Batch;
use crate::message::{BoxError, HandlerError};
use crate::stop::{BURIAL, Climber, StopStep};
use crate::trace::{debug, warning};

/// Bytes of a process's last words in the reason for which its supervisor gives up; [`ChildInfo`](super::ChildInfo) has all of them.
const WORDS_MAX: usize = 2048;

/// What a supervisor's cell is of. No message reaches it.
pub(super) struct Overseen;

impl Actor for Overseen {
    type Args = ();
    type Letters = Request;
    type Ports = ();
    const ACCEPTED: &'static [Accepted] = &[];

    fn open(_incoming: &mut Incoming<'_>) -> Option<Request> {
        None
    }

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

/// One child.
struct Slot {
    key: ChildKey,
    spec: Spec,
    life: Option<Arc<dyn Life>>,
    /// While it runs.
    face: Option<Face>,
    /// Lives so far: the number of this one.
    starts: u64,
    last_exit: Option<ExitReason>,
    last_stderr: String,
    last_stop: Option<StopStep>,
}

/// The end of one life of a child, by its number.
type LifeEnd = (ChildKey, u64, ExitReason);

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

/// Somebody who waits for a child to run, or to have ended.
struct Asked {
    key: ChildKey,
    to_run: bool,
    answer: Answerer<Outcome>,
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

    fn begin(&mut self, key: ChildKey) {
        let shared = Arc::clone(self.cell.core().shared());
        let slot = self.slot(key);
        slot.starts += 1;
        let number = slot.starts;
        match slot.spec.kind.begin(&shared, slot.last_exit.as_ref()) {
            Ok(Begun { life, ready }) => {
                slot.life = Some(Arc::clone(&life));
                let ended = life.ended();
                self.ends
                    .push(Box::pin(async move { (key, number, ended.await) }));
                self.doing = Doing::Starting {
                    key,
                    ready,
                    ended: None,
                };
            }
            Err(reason) => self.start_failed(key, reason),
        }
    }

    fn start_failed(&mut self, key: ChildKey, reason: ExitReason) {
        let slot = self.slot(key);
        slot.is_over(&reason);
        debug!(child = slot.spec.id, %reason, "a child did not start");
        let moment = self.moment();
        self.plan.start_failed(key, reason, moment);
    }

    /// Looks whether the child that is being started has, or need not any more.
    fn poll_start(&mut self, cx: &mut Context<'_>) -> bool {
        let Doing::Starting { key, ready, ended } = &mut self.doing else {
            return false;
        };
        let key = *key;
        let started = ready.as_mut().poll(cx);
        if started.is_pending() && self.plan.is_doomed(key) {
            // Dropping what it awaits kills what has begun; the rest is told to.
            let has_ended = ended.take();
            self.doing = Doing::Nothing;
            match has_ended {
                Some(reason) => self.ended(key, reason),
                None => self.kill(key),
            }
            return true;
        }
        let Poll::Ready(started) = started else {
            return false;
        };
        let has_ended = ended.take();
        self.doing = Doing::Nothing;
        match started {
            Ok(face) => {
                let slot = self.slot(key);
                slot.face = Some(face);
                debug!(child = slot.spec.id, "a child has started");
                let now = self.clock().now();
                self.plan.started(key, now);
                if let Some(reason) = has_ended {
                    self.ended(key, reason);
                }
            }
            Err(reason) => self.start_failed(key, reason),
        }
        true
    }

    /// Hears of lives that have ended.
    fn poll_ends(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has_moved = false;
        while let Poll::Ready(Some((key, number, reason))) = self.ends.poll_next_unpin(cx) {
            let is_it =
                |slot: &&Slot| slot.key == key && slot.starts == number && slot.life.is_some();
            if self.slots.iter().find(is_it).is_none() {
                continue; // a start that failed, which has been told
            }
            match &mut self.doing {
                Doing::Starting {
                    key: starting,
                    ended,
                    ..
                } if *starting == key => *ended = Some(reason),
                _ => {
                    self.ended(key, reason);
                    has_moved = true;
                }
            }
        }
        has_moved
    }

    fn ended(&mut self, key: ChildKey, reason: ExitReason) {
        let mut last_stop = None;
        if let Doing::Stopping {
            key: stopping,
            step,
            ..
        } = self.doing
            && stopping == key
        {
            last_stop = Some(step);
            self.doing = Doing::Nothing;
        }
        let slot = self.slot(key);
        slot.is_over(&reason);
        slot.last_stop = last_stop;
        debug!(child = slot.spec.id, %reason, "a child has ended");
        let moment = self.moment();
        self.plan.ended(key, reason, moment);
    }

    /// Begins to stop a child: by its ladder, or kills it if there is no time for that.
    fn stop(&mut self, key: ChildKey) {
        self.climb(key, StopStep::Drain);
    }

    fn kill(&mut self, key: ChildKey) {
        self.climb(key, StopStep::Kill);
    }

    /// Takes the first step with a time, `from` that one on.
    fn climb(&mut self, key: ChildKey, from: StopStep) {
        let is_killed = self.is_killed;
        let shared = Arc::clone(self.cell.core().shared());
        let slot = self.slot(key);
        let of = match slot.spec.kind.child_type() {
            ChildType::Process => Climber::Process,
            ChildType::Actor | ChildType::Supervisor => Climber::Actor,
        };
        let (step, within) = match slot.spec.ladder {
            _ if is_killed => (StopStep::Kill, None),
            Some(ladder) => ladder.step(from, of),
            None => (from.max(StopStep::Stop), None),
        };
        if let Some(life) = &slot.life {
            match step {
                StopStep::Drain => life.drain(),
                StopStep::Stop => life.stop(),
                StopStep::Terminate => life.terminate(),
                StopStep::Kill | StopStep::Left => life.kill(ExitReason::StopTimeout),
            }
        }
        let until = within.map(|within| shared.clock.after(within));
        self.doing = Doing::Stopping { key, step, until };
    }

    /// Goes on to the next step with a child that does not stop in time; leaves one behind that cannot be killed.
    fn mind_the_time(&mut self) -> bool {
        let is_ending = self.plan.is_ending();
        let shared = Arc::clone(self.cell.core().shared());
        let clock = &shared.clock;
        let Doing::Stopping { key, step, until } = &mut self.doing else {
            return false;
        };
        let (key, step) = (*key, *step);
        match *until {
            // A supervisor ends, whatever it has below it.
            None if step == StopStep::Kill && is_ending => {
                let slot = self.slots.iter().find(|slot| slot.key == key);
                if slot.is_some_and(|it| it.spec.kind.child_type() != ChildType::Supervisor) {
                    *until = Some(clock.after(BURIAL));
                }
                false
            }
            Some(at) if clock.has_passed(at) && step == StopStep::Kill => {
                let child = &self.slot(key).spec.id;
                warning!(child, "a child that does not end is left behind");
                let _ = child;
                self.doing = Doing::Stopping {
                    key,
                    step: StopStep::Left,
                    until: None,
                };
                self.ended(key, ExitReason::StopTimeout);
                true
            }
            Some(at) if clock.has_passed(at) => {
                self.climb(key, step.next());
                true
            }
            _ => false,
        }
    }

    fn take_request(&mut self) -> bool {
        let Some(Request { want, answer }) = self.cell.mailbox().take(&mut self.batch) else {
            return false;
        };
        let asked = match self.plan.ending() {
            Some(ending) => Err(SuperviseError::Ended(match ending {
                Ending::Told(reason) => reason.clone(),
                Ending::StartFailed(..) | Ending::GaveUp(..) => ExitReason::Shutdown,
            })),
            None => self.consent(want),
        };
        match asked {
            Ok((key, to_run)) => self.asked.push(Asked {
                key,
                to_run,
                answer,
            }),
            Err(error) => drop(answer.answer(Err(error))),
        }
        true
    }

    /// Has the plan changed; returns which child is to run, or to have ended.
    fn consent(&mut self, want: Want) -> Result<(ChildKey, bool), SuperviseError> {
        match want {
            Want::Start(spec) => {
                if self.slots.iter().any(|slot| slot.spec.id == spec.id) {
                    return Err(SuperviseError::Exists { child: spec.id });
                }
                let key = self.plan.add_asked(spec.restart);
                self.slots.push(Slot::new(key, spec));
                Ok((key, true))
            }
            Want::Stop(child) => {
                let key = self.find(child)?;
                self.plan.stop(key, false);
                Ok((key, false))
            }
            Want::Remove(child) => {
                let key = self.find(child)?;
                self.plan.stop(key, true);
                Ok((key, false))
            }
            Want::Restart(child) => {
                let key = self.find(child.clone())?;
                if self.plan.start(key) {
                    Ok((key, true))
                } else {
                    Err(SuperviseError::Runs { child })
                }
            }
        }
    }

    fn find(&self, child: String) -> Result<ChildKey, SuperviseError> {
        let slot = self.slots.iter().find(|slot| slot.spec.id == child);
        slot.map(|slot| slot.key)
            .ok_or(SuperviseError::NoSuchChild { child })
    }

    /// Which life of a child was its last, in words.
    fn which_life(&self, key: ChildKey) -> String {
        let slot = self.slots.iter().find(|slot| slot.key == key);
        slot.map_or_else(String::new, |slot| format!(" (life {})", slot.starts))
    }

    /// What a child's process had written last to its standard error, behind what is said of its end.
    fn last_words(&self, key: ChildKey) -> String {
        let slot = self.slots.iter().find(|slot| slot.key == key);
        let words = slot.map_or("", |slot| slot.last_stderr.trim_end());
        if words.is_empty() {
            return String::new();
        }
        // The end of it, where a text that crosses to another process is cut at 4096 bytes.
        let from = words.ceil_char_boundary(words.len().saturating_sub(WORDS_MAX));
        format!("; its last words: {}", &words[from..])
    }

    /// How an overseer ends.
    fn reason(&self, ending: Ending, rules: &Rules) -> ExitReason {
        let id = |key| {
            let slot = self.slots.iter().find(|slot| slot.key == key);
            slot.map_or_else(String::new, |slot| slot.spec.id.clone())
        };
        match ending {
            Ending::Told(reason) => reason,
            Ending::StartFailed(key, reason) => {
                let child = id(key);
                let text = format!("child {child:?}: {reason}{}", self.last_words(key));
                self.board.look().no_start = Some((child, reason));
                ExitReason::StartFailed(text)
            }
            Ending::GaveUp(key, reason) => {
                let (restarts, within) = (rules.intensity.restarts, rules.intensity.within);
                ExitReason::GaveUp(format!(
                    "more than {restarts} restarts within {within:?}; the last to end was {:?}{}: {reason}{}",
                    id(key),
                    self.which_life(key),
                    self.last_words(key),
                ))
            }
        }
    }
}

impl Slot {
    fn new(key: ChildKey, spec: Spec) -> Self {
        Self {
            key,
            spec,
            life: None,
            face: None,
            starts: 0,
            last_exit: None,
            last_stderr: String::new(),
            last_stop: None,
        }
    }

    /// Its life has ended so, or did not begin.
    fn is_over(&mut self, reason: &ExitReason) {
        let life = self.life.take();
        self.face = None;
        self.last_exit = Some(reason.clone());
        self.last_stderr = life.map_or_else(String::new, |life| life.stderr_tail());
    }
}

/// Whether what was asked for has come, or never will.
fn is_settled(plan: &Plan, key: ChildKey, to_run: bool) -> bool {
    match plan.state(key) {
        None | Some(State::Idle) => true,
        Some(State::Running(_)) => to_run,
        Some(State::Due(_) | State::Starting) => false,
    }
}

fn answer_of(plan: &Plan, slot: Option<&Slot>, key: ChildKey, to_run: bool) -> Outcome {
    if !to_run || matches!(plan.state(key), Some(State::Running(_))) {
        return Ok(());
    }
    // Stopped before it ran, by another call, it has no reason of its own.
    let last_exit = slot.and_then(|slot| slot.last_exit.clone());
    Err(SuperviseError::StartFailed {
        child: slot.map_or_else(String::new, |slot| slot.spec.id.clone()),
        reason: last_exit.unwrap_or(ExitReason::Stopped),
    })
}

impl Drop for Overseer {
    fn drop(&mut self) {
        let lives = self.slots.iter().filter_map(|slot| slot.life.as_ref());
        lives.for_each(|life| life.kill(ExitReason::Killed));
    }
}
