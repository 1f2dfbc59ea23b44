//! What others ask of a supervisor while it runs, and what they are answered.

use super::Overseer;
use super::slot::Slot;
use crate::actor::reply::Answerer;
use crate::exit::ExitReason;
use crate::supervise::error::SuperviseError;
use crate::supervise::plan::{ChildKey, Ending, Plan, State};
use crate::supervise::request::{Outcome, Request, Want};

/// Somebody who waits for a child to run, or to have ended.
pub(super) struct Asked {
    pub(super) key: ChildKey,
    pub(super) to_run: bool,
    pub(super) answer: Answerer<Outcome>,
}

impl Overseer {
    pub(super) fn take_request(&mut self) -> bool {
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

    pub(super) fn find(&self, child: String) -> Result<ChildKey, SuperviseError> {
        let slot = self.slots.iter().find(|slot| slot.spec.id == child);
        slot.map(|slot| slot.key)
            .ok_or(SuperviseError::NoSuchChild { child })
    }
}

/// Whether what was asked for has come, or never will.
pub(super) fn is_settled(plan: &Plan, key: ChildKey, to_run: bool) -> bool {
    match plan.state(key) {
        None | Some(State::Idle) => true,
        Some(State::Running(_)) => to_run,
        Some(State::Due(_) | State::Starting) => false,
    }
}

pub(super) fn answer_of(plan: &Plan, slot: Option<&Slot>, key: ChildKey, to_run: bool) -> Outcome {
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
