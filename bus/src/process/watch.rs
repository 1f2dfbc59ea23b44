//! A child's watch over its parent: one thread that waits for the lifeline to close and for the parent's pidfd.
//!
//! A dead parent's child kills its own process group: itself, and the programs that the user's code has started, which know
//! of no parent to die with. That is why the kernel is not asked for SIGKILL at the parent's death: it would end this
//! process, and nobody would be left to end the others. It is asked for SIGCONT, which makes a stopped process run, whatever it
//! does about that signal, so that this thread sees the pidfd. Nor does it matter that a change of credentials takes the
//! kernel's signal back, which is not inherited either.
//!
//! # What it does not see
//! - A process that calls `exec` in the place of its role has no such thread any more.
//! - Programs that leave the process group, as daemons do: a cgroup of the child's own holds those.
//! - When parent and child are killed at the same moment, nobody is left who knows of the group.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ringway_shm::sync::AtomicBool;
use ringway_shm::sync::Ordering::{Acquire, Release};
use ringway_shm::sys::epoll::{Epoll, Event, Interest};
use ringway_shm::sys::group;
use ringway_shm::sys::process::{ParentError, Pid, Pidfd, Signal, die_with_parent};

use super::error::ParentLost;
use super::lifeline::ChildEnd;
use super::role::Player;
use crate::exit::ExitReason;
use crate::trace::warning;

/// How long the actor may take to stop once the parent's node has gone away.
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// Tokens of what is waited for.
const LIFELINE: u64 = 0;
const PARENT: u64 = 1;

/// The parent, as its child knows it.
pub(super) struct Parent {
    pid: Pid,
    pidfd: Arc<Pidfd>,
}

impl Parent {
    /// The parent of this process, which must have that number, and from now on wakes it by its death.
    pub(super) fn of_this(pid: i32) -> Result<Self, ParentLost> {
        let pid = Pid::from_raw(pid).ok_or(ParentLost::Dead)?;
        let is_parent = || {
            die_with_parent(Signal::CONT, pid).map_err(|error| match error {
                ParentError::System(error) => ParentLost::Socket(error),
                _ => ParentLost::Dead,
            })
        };
        is_parent()?;
        let pidfd = Arc::new(Pidfd::open(pid)?);
        // Asked again: were the parent dead, the number that was opened could be another's.
        is_parent()?;
        Ok(Self { pid, pidfd })
    }

    /// Ends the programs that this process has started, before it ends itself.
    pub(super) fn end_group(&self) {
        // If the parent's group cannot be had, it is the parent who ends ours, unless that is dead.
        if group::leave_and_kill(self.pid).is_err() && self.pidfd.is_dead().unwrap_or(true) {
            group::kill_own();
        }
    }
}

/// What the thread and the role share.
#[derive(Default)]
struct Desk {
    player: OnceLock<Arc<dyn Player>>,
    /// The child is detached and ready: it is nobody's any more.
    is_free: AtomicBool,
}

/// The watch over the parent.
pub(super) struct Watch {
    desk: Arc<Desk>,
}

impl Watch {
    /// Starts the thread.
    pub(super) fn begin(lifeline: &Arc<ChildEnd>, parent: &Parent) -> io::Result<Self> {
        let epoll = Epoll::create()?;
        epoll.add(&**lifeline, LIFELINE, Interest::Read)?;
        epoll.add(&*parent.pidfd, PARENT, Interest::Read)?;
        let desk = Arc::<Desk>::default();
        let (theirs, lifeline) = (Arc::clone(&desk), Arc::clone(lifeline));
        let parent = Parent {
            pid: parent.pid,
            pidfd: Arc::clone(&parent.pidfd),
        };
        let thread = std::thread::Builder::new().name("ringway-lifeline".to_owned());
        thread.spawn(move || theirs.keep(&epoll, &lifeline, &parent))?;
        Ok(Self { desk })
    }

    /// There is an actor to be stopped from now on.
    pub(super) fn plays(&self, player: &Arc<dyn Player>) {
        let _ = self.desk.player.set(Arc::clone(player)); // once a process
    }

    /// The child lives on without its parent from now on.
    pub(super) fn let_go(&self) {
        // Release child-free: pairs with the load in `is_free`.
        self.desk.is_free.store(true, Release);
    }
}

impl Desk {
    fn is_free(&self) -> bool {
        // Acquire child-free: pairs with the store in `let_go`.
        self.is_free.load(Acquire)
    }

    /// Ends this process when the parent lets go of it: orderly once there is an actor, at once before; or with its parent.
    fn keep(&self, epoll: &Epoll, lifeline: &ChildEnd, parent: &Parent) {
        let mut events = Vec::new();
        while !lifeline.is_closed() {
            if self.wait(epoll, &mut events, None) {
                return;
            }
        }
        if self.is_free() {
            return;
        }
        let Some(player) = self.player.get() else {
            parent.end_group();
            std::process::exit(1)
        };
        player.core().stop(ExitReason::Shutdown);
        // Only the parent's death is waited for now. The actor's end ends the process before.
        let _ = epoll.remove(lifeline);
        self.wait(epoll, &mut events, Some(STOP_WITHIN));
        parent.end_group();
        std::process::exit(1);
    }

    /// Waits for news, and does not return from the parent's death; returns whether this thread is needed no longer.
    fn wait(&self, epoll: &Epoll, events: &mut Vec<Event>, within: Option<Duration>) -> bool {
        if let Err(error) = epoll.wait(events, within) {
            // Only a descriptor that somebody closed behind our back does that.
            warning!(%error, "the lifeline is not watched");
            let _ = error;
            return true;
        }
        if self.is_free() {
            return true;
        }
        if events.iter().any(|event| event.token == PARENT) {
            group::kill_own();
        }
        false
    }
}
