//! Stopping one child: step by step of its ladder, each with its time.

use std::sync::Arc;

use super::{Doing, Overseer};
use crate::exit::ExitReason;
use crate::stop::{BURIAL, Climber, StopStep};
use crate::supervise::board::ChildType;
use crate::supervise::plan::ChildKey;
use crate::trace::warning;

impl Overseer {
    /// Begins to stop a child: by its ladder, or kills it if there is no time for that.
    pub(super) fn stop(&mut self, key: ChildKey) {
        self.climb(key, StopStep::Drain);
    }

    pub(super) fn kill(&mut self, key: ChildKey) {
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
    pub(super) fn mind_the_time(&mut self) -> bool {
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
}
