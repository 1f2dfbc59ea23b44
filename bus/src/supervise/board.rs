//! What others see of a supervisor's children: written by the overseer after each step, read by any thread.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard};

use super::rules::Restart;
use super::tree::Tree;
use crate::actor::Actor;
use crate::addr::{ActorId, Addr};
use crate::exit::ExitReason;
use crate::shared::lock;
use crate::stop::StopStep;
use crate::wait_list::WaitList;

/// What a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChildType {
    /// An actor of this process.
    Actor,
    /// A process with an actor.
    Process,
    /// A supervisor with children of its own.
    Supervisor,
}

/// How far a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChildState {
    /// It is being started.
    Starting,
    /// It runs.
    Running,
    /// It is being stopped.
    Stopping,
    /// It has ended, and waits to be started again.
    Waiting,
    /// It has ended and is not to run, until it is asked for.
    Stopped,
}

/// One child of a supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChildInfo {
    /// Its name among its siblings.
    pub id: String,
    /// What it is.
    pub kind: ChildType,
    /// When it is started again.
    pub restart: Restart,
    /// How far it is.
    pub state: ChildState,
    /// Which actor it is, while it runs: one life, another after a restart.
    pub actor: Option<ActorId>,
    /// The process, while one runs.
    pub pid: Option<u32>,
    /// How often it was started.
    pub starts: u64,
    /// How its last life ended, if one has.
    pub last_exit: Option<ExitReason>,
    /// The step of its [ladder](crate::Child::stop_by) at which that life ended, if its supervisor stopped it.
    pub last_stop: Option<StopStep>,
    /// The last 4 KiB of the standard error of that life's process; see [`ChildProcess::stderr_tail`](crate::ChildProcess::stderr_tail).
    /// Empty for children without one.
    pub last_stderr: String,
}

/// How many children a supervisor has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChildCounts {
    /// All that it knows.
    pub known: usize,
    /// Those that run.
    pub running: usize,
    /// Those that are supervisors, running or not.
    pub supervisors: usize,
}

/// An `Addr` or a `Tree`, of one life.
pub(super) trait Address: Any + Send + Sync {
    /// Whether this process has heard of its end.
    fn is_over(&self) -> bool;
}

impl<A: Actor> Address for Addr<A> {
    fn is_over(&self) -> bool {
        self.is_closed()
    }
}

impl Address for Tree {
    fn is_over(&self) -> bool {
        self.is_closed()
    }
}

/// How a child that runs is reached.
#[derive(Clone)]
pub(super) struct Face {
    pub(super) address: Arc<dyn Address>,
    pub(super) actor: ActorId,
    pub(super) pid: Option<u32>,
}

/// One child as it is shown.
pub(super) struct Shown {
    pub(super) info: ChildInfo,
    /// The name on the bus that each life has.
    pub(super) bus_name: Option<String>,
    /// While it runs.
    pub(super) address: Option<Arc<dyn Address>>,
    /// What its address is of.
    pub(super) reached_as: &'static str,
}

#[derive(Default)]
pub(super) struct Picture {
    pub(super) children: Vec<Shown>,
    /// The child that did not start with its supervisor.
    pub(super) no_start: Option<(String, ExitReason)>,
}

/// The children of one supervisor, as others see them.
#[derive(Default)]
pub(super) struct Board {
    picture: Mutex<Picture>,
    /// Woken at every change.
    pub(super) changes: WaitList,
}

impl Board {
    pub(super) fn look(&self) -> MutexGuard<'_, Picture> {
        lock(&self.picture)
    }

    /// Shows other children.
    pub(super) fn show(&self, children: Vec<Shown>) {
        let before = std::mem::replace(&mut self.look().children, children);
        drop(before); // outside the lock: addresses may be the last ones
        self.changes.wake_all();
    }
}

impl ChildCounts {
    pub(super) fn of(children: &[Shown]) -> Self {
        let count = |is: fn(&ChildInfo) -> bool| {
            let children = children.iter().filter(|child| is(&child.info));
            children.count()
        };
        Self {
            known: children.len(),
            running: count(|it| it.state == ChildState::Running),
            supervisors: count(|it| it.kind == ChildType::Supervisor),
        }
    }
}
