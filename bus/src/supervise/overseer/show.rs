//! What an overseer shows of its children.

use super::{Overseer, Slot};
use crate::supervise::board::{ChildInfo, ChildState, Shown};
use crate::supervise::plan::{Plan, State};

impl Overseer {
    /// Shows the children as they are now.
    pub(super) fn show(&self) {
        let shown = self.slots.iter().map(|slot| shown(&self.plan, slot));
        self.board.show(shown.collect());
    }
}

fn shown(plan: &Plan, slot: &Slot) -> Shown {
    let state = match plan.state(slot.key) {
        Some(State::Starting | State::Running(_)) if plan.is_doomed(slot.key) => {
            ChildState::Stopping
        }
        Some(State::Starting) => ChildState::Starting,
        Some(State::Running(_)) => ChildState::Running,
        Some(State::Due(_)) if slot.starts == 0 => ChildState::Starting,
        Some(State::Due(_)) => ChildState::Waiting,
        Some(State::Idle) | None => ChildState::Stopped,
    };
    let face = slot.face.as_ref().filter(|_| state == ChildState::Running);
    Shown {
        info: ChildInfo {
            id: slot.spec.id.clone(),
            kind: slot.spec.kind.child_type(),
            restart: slot.spec.restart,
            state,
            actor: face.map(|face| face.actor),
            pid: slot.face.as_ref().and_then(|face| face.pid),
            starts: slot.starts,
            last_exit: slot.last_exit.clone(),
            last_stop: slot.last_stop,
            last_stderr: slot.last_stderr.clone(),
        },
        bus_name: slot.spec.kind.bus_name().map(str::to_owned),
        address: face.map(|face| face.address.clone()),
        reached_as: slot.spec.kind.reached_as(),
    }
}
