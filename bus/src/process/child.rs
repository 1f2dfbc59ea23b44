//! The parent's handle on a child process.

use std::fmt;
use std::sync::Arc;

use ringway_shm::sys::process::Pid;

use super::ward::Ward;
use crate::actor::Actor;
use crate::addr::Addr;
use crate::exit::ExitReason;
use crate::node::lookup::Deadline;
use crate::shared::Shared;
use crate::stop::{Climber, StopLadder, StopStep, Stopped, climb};

/// A child process and its actor, from [`Node::spawn_process`](crate::Node::spawn_process).
///
/// Dropping the handle ends nothing: the child lives until its actor ends, until it is killed, or until this process's
/// node detaches or dies. It is reaped in any case.
pub struct ChildProcess<A: Actor> {
    addr: Addr<A>,
    pid: Pid,
    ward: Arc<Ward>,
    shared: Arc<Shared>,
}

impl<A: Actor> ChildProcess<A> {
    pub(super) fn new(shared: &Arc<Shared>, ward: Arc<Ward>, pid: Pid, addr: Addr<A>) -> Self {
        Self {
            addr,
            pid,
            ward,
            shared: Arc::clone(shared),
        }
    }

    /// Returns the address of its actor.
    pub fn addr(&self) -> Addr<A> {
        self.addr.clone()
    }

    /// Returns its process id, which may be another process's once this one has ended.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Returns the role that it plays.
    pub fn role(&self) -> &str {
        &self.ward.role
    }

    /// Asks its actor to stop before its next message; the process ends when the actor has. Does not wait.
    pub fn stop(&self) {
        self.addr.stop();
    }

    /// Stops its actor and its process step by step, and waits for the end of the process: for how long at most, the ladder
    /// says. The reason is how the process ended, as [`exited`](Self::exited) tells it.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves the child at the step that it has come to.
    pub async fn stop_by(&self, ladder: StopLadder) -> Stopped {
        let take = |step| match step {
            StopStep::Drain => self.addr.drain_down(),
            StopStep::Stop => self.addr.shut_down(),
            StopStep::Terminate => self.ward.terminate(),
            StopStep::Kill | StopStep::Left => self.ward.kill(),
        };
        let shared = Some(Arc::clone(&self.shared));
        climb(shared, (ladder, Climber::Process), take, self.exited()).await
    }

    /// Kills the process, in the middle of whatever it does (SIGKILL). Does not wait.
    ///
    /// What its actor had not taken comes back to the senders.
    pub fn kill(&self) {
        self.ward.kill();
    }

    /// Returns the last 4 KiB that the process, and programs that it has started, have written to its standard error, as text:
    /// all of it once the process has [ended](Self::exited), and what has come so far before. Empty when [`Output`](crate::Output)
    /// keeps it from this process.
    pub fn stderr_tail(&self) -> String {
        self.ward.stderr_tail()
    }

    /// Waits for the end of the process and returns how it ended: [`ExitReason::ProcessExited`] with its code, or
    /// [`ExitReason::ProcessSignaled`], or [`ExitReason::OutOfMemory`] where that can be told; at once if it has ended. How its *actor* ended is what
    /// [`Addr::closed`] tells.
    ///
    /// The code is 0 after an orderly end of the actor, 101 after a panic, 1 otherwise. [`ExitReason::ProcessDied`] means
    /// that something else in this program has reaped the child.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn exited(&self) -> ExitReason {
        let forever = Deadline::never(&self.shared);
        let exit = forever.until(&self.ward.changes, || self.ward.exit()).await;
        exit.expect("no deadline: the wait ends with the child")
    }
}

impl<A: Actor> fmt::Debug for ChildProcess<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildProcess")
            .field("role", &self.role())
            .field("pid", &self.pid())
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}
