//! What a parent knows of one child: its process, what it said, how it ended.
//!
//! The reaper changes it, futures wait for the changes. How a child ended is asked of the kernel once, by whoever is first
//! to see its pidfd readable: the reaper, or the control thread on the pidfd that the peering has of it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use ringway_shm::sys::SysError;
use ringway_shm::sys::launch::{self, Child};
use ringway_shm::sys::process::{ExitStatus, Pid, Pidfd, Signal};

use super::cgroup::Cgroup;
use super::error::StartRefusal;
use super::lifeline::{Answer, Heard, ParentEnd};
use super::oom::OomWatch;
use super::outlet::Outlet;
use crate::exit::ExitReason;
use crate::number::Number;
use crate::peering::NodeId;
use crate::shared::{Shared, lock};
use crate::trace::{debug, warning};
use crate::wait_list::WaitList;

/// How far a child has come.
#[derive(Debug, Default)]
enum Process {
    /// The reaper is about to start it.
    #[default]
    Waiting,
    Started(Child),
    NotStarted(launch::SpawnError),
}

#[derive(Debug, Default)]
struct State {
    process: Process,
    /// Closed, it tells the child to end.
    lifeline: Option<ParentEnd>,
    answer: Option<Spoken>,
    exit: Option<ExitReason>,
    /// Nobody wants it any more: it is killed as soon as it is there.
    is_doomed: bool,
    /// The last of its standard error, once its outlets are gone.
    stderr_tail: String,
}

/// What it writes, to its standard output and its standard error, as far as this process is concerned.
pub(super) type Outlets = [Option<Outlet>; 2];

/// What a child said.
#[derive(Debug, Clone)]
pub(super) enum Spoken {
    Ready { node: NodeId, number: Number },
    Refused(StartRefusal),
    Nonsense(String),
}

/// What a spawner waits for.
#[derive(Debug)]
pub(super) enum News {
    Spoken(Spoken),
    NotStarted(launch::SpawnError),
    Ended(ExitReason),
}

/// One child.
#[derive(Debug)]
pub(crate) struct Ward {
    pub(super) role: String,
    /// It lives on without this node, once it is ready.
    is_detached: bool,
    shared: Weak<Shared>,
    /// Set before the child is started, where the kernel counts its kills.
    oom: OnceLock<OomWatch>,
    state: Mutex<State>,
    /// Locked after the state, where both are.
    outlets: Mutex<Outlets>,
    /// Its number, for those who take its lines.
    pid: Arc<OnceLock<u32>>,
    /// One of its own, until the reaper removes it.
    cgroup: Mutex<Option<Cgroup>>,
    /// Woken at every change.
    pub(crate) changes: WaitList,
}

impl Ward {
    /// Whether the child plays this role.
    #[cfg(feature = "test")]
    pub(crate) fn plays(&self, role: &str) -> bool {
        self.role == role
    }

    pub(super) fn new(
        shared: &Arc<Shared>,
        role: String,
        is_detached: bool,
        lifeline: ParentEnd,
        outlets: Outlets,
        pid: Arc<OnceLock<u32>>,
        cgroup: Option<Cgroup>,
    ) -> Arc<Self> {
        let state = State {
            lifeline: Some(lifeline),
            ..State::default()
        };
        Arc::new(Self {
            role,
            is_detached,
            shared: Arc::downgrade(shared),
            oom: OnceLock::new(),
            state: Mutex::new(state),
            outlets: Mutex::new(outlets),
            pid,
            cgroup: Mutex::new(cgroup),
            changes: WaitList::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The process is about to be started.
    pub(super) fn about_to_launch(&self) {
        let own = lock(&self.cgroup).as_ref().and_then(Cgroup::kills);
        if let Some(watch) = own.map_or_else(OomWatch::begin, OomWatch::of) {
            let _ = self.oom.set(watch); // a child is started once
        }
    }

    /// The process runs, or could not be started.
    pub(super) fn launched(&self, launched: Result<Child, launch::SpawnError>) {
        let mut state = self.state();
        state.process = match launched {
            Ok(child) => {
                debug!(
                    role = self.role,
                    pid = child.pid().as_raw_nonzero().get(),
                    "child started"
                );
                let _ = self
                    .pid
                    .set(child.pid().as_raw_nonzero().get().unsigned_abs()); // once
                Process::Started(child)
            }
            Err(error) => {
                state.lifeline = None;
                Process::NotStarted(error)
            }
        };
        if state.is_doomed {
            state.kill();
        }
        drop(state);
        self.changes.wake_all();
    }

    /// Lends out the descriptors that the reaper waits for.
    pub(super) fn with_fds<T>(
        &self,
        look: impl FnOnce(Option<&Child>, Option<&ParentEnd>) -> T,
    ) -> T {
        let state = self.state();
        look(state.child(), state.lifeline.as_ref())
    }

    /// Takes in what the child says. Returns whether there may be more to come.
    pub(super) fn hear(self: &Arc<Self>) -> bool {
        let heard = self.state().lifeline.as_ref().map(ParentEnd::hear);
        let spoken = match heard {
            Some(Heard::Answer(Answer::Ready { node, number })) => Spoken::Ready { node, number },
            Some(Heard::Answer(Answer::Refused(refusal))) => Spoken::Refused(refusal),
            Some(Heard::Nonsense(what)) => Spoken::Nonsense(what),
            Some(Heard::Nothing) => return true,
            Some(Heard::Closed) | None => return false,
        };
        if let (Spoken::Ready { node, .. }, Some(shared)) = (&spoken, self.shared.upgrade()) {
            shared.wards.is_node(*node, self);
        }
        self.state().answer.get_or_insert(spoken);
        self.changes.wake_all();
        true
    }

    /// How the child ended, if it has: asks the kernel, once.
    pub(super) fn reap(&self) -> Option<ExitReason> {
        self.reap_by(Pidfd::try_wait)
    }

    /// Waits for the end of a child that was killed.
    pub(super) fn reap_at_last(&self) {
        self.reap_by(|pidfd| pidfd.wait().map(Some));
    }

    fn reap_by(
        &self,
        wait: impl FnOnce(&Pidfd) -> Result<Option<ExitStatus>, SysError>,
    ) -> Option<ExitReason> {
        let oom = self.oom.get().map(|watch| (watch, watch.now())); // not under the lock
        let mut state = self.state();
        if state.exit.is_none() {
            let child = state.child()?;
            // While the child's number is certainly its own: before it is waited for.
            if child.pidfd().is_dead().unwrap_or(false) {
                Self::kill_rest(&self.role, child);
                lock(&self.cgroup).iter().for_each(Cgroup::kill);
                // Before its end is known: who hears of that finds its last words.
                lock(&self.outlets)
                    .iter_mut()
                    .flatten()
                    .for_each(Outlet::take_rest);
            }
            let reason = match wait(child.pidfd()) {
                Ok(status) => match reason_of(status?) {
                    KILLED if !state.is_doomed && oom.is_some_and(|(it, now)| it.explains(now)) => {
                        ExitReason::OutOfMemory
                    }
                    reason => reason,
                },
                Err(error) => {
                    // The program ignores SIGCHLD, or waits for children that it did not start.
                    warning!(role = self.role, %error, "a child was reaped by somebody else");
                    let status = child.pidfd().ended_as();
                    status.map_or(ExitReason::ProcessDied, reason_of)
                }
            };
            debug!(role = self.role, %reason, "child ended");
            state.exit = Some(reason);
        }
        let reason = state.exit.clone();
        drop(state);
        self.changes.wake_all();
        reason
    }

    /// Ends the programs that a dead child has left behind.
    fn kill_rest(role: &str, child: &Child) {
        if let Err(error) = child.kill_group() {
            // Programs of other users, such as those that change who they are.
            warning!(role, %error, "programs that a child has started cannot be killed");
            let _ = (role, error);
        }
    }

    /// Whether it ends when this node does.
    pub(super) fn ends_with_node(&self) -> bool {
        !self.is_detached || self.state().answer.is_none()
    }

    /// Hands over its cgroup, to be removed.
    pub(super) fn take_cgroup(&self) -> Option<Cgroup> {
        lock(&self.cgroup).take()
    }

    /// Lends out the descriptors that the reaper reads, with the place of each.
    pub(super) fn with_outlets<T>(&self, look: impl FnOnce(&Outlets) -> T) -> T {
        look(&lock(&self.outlets))
    }

    /// Takes in what the child has written to one of its streams. Returns whether there may be more to come.
    pub(super) fn read(&self, stream: usize) -> bool {
        let mut outlets = lock(&self.outlets);
        let outlet = outlets.get_mut(stream).and_then(Option::as_mut);
        outlet.is_some_and(Outlet::take_in)
    }

    /// The last that the child has written to its standard error, as far as this process got it.
    pub(crate) fn stderr_tail(&self) -> String {
        let tail = lock(&self.outlets)[1].as_ref().and_then(Outlet::tail);
        tail.unwrap_or_else(|| self.state().stderr_tail.clone())
    }

    /// The reaper is done with it: nothing of it is open any more.
    pub(super) fn over(self: &Arc<Self>) {
        let stderr_tail = self.stderr_tail();
        {
            let mut state = self.state();
            state.lifeline = None;
            state.stderr_tail = stderr_tail;
        }
        let outlets = std::mem::take(&mut *lock(&self.outlets));
        drop(outlets);
        if let Some(shared) = self.shared.upgrade() {
            shared.wards.over(self, |node| shared.peer(node).is_some());
        }
        self.changes.wake_all();
    }

    /// What its spawner is to know next: what the child said first, however it ended afterwards.
    pub(super) fn news(&self) -> Option<News> {
        let state = self.state();
        match (&state.answer, &state.process, &state.exit) {
            (Some(spoken), _, _) => Some(News::Spoken(spoken.clone())),
            (None, Process::NotStarted(error), _) => Some(News::NotStarted(error.clone())),
            (None, _, Some(reason)) => Some(News::Ended(reason.clone())),
            _ => None,
        }
    }

    /// How it ended, if it has.
    pub(crate) fn exit(&self) -> Option<ExitReason> {
        self.state().exit.clone()
    }

    /// Whether there is no process of it, not even a dead one.
    pub(crate) fn is_gone(&self) -> bool {
        let state = self.state();
        state.exit.is_some() || matches!(state.process, Process::NotStarted(_))
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        self.state().child().map(Child::pid)
    }

    /// Tells the child to end, as this process's death would.
    pub(crate) fn release(&self) {
        let mut state = self.state();
        // One that was not started yet finds its lifeline closed.
        state.lifeline = None;
    }

    /// Sends the child a SIGTERM.
    pub(crate) fn terminate(&self) {
        let state = self.state();
        if let Some(child) = state.child()
            && state.exit.is_none()
            && let Err(error) = child.pidfd().signal(Signal::TERM)
        {
            warning!(%error, "a child cannot be told to terminate");
            let _ = error;
        }
    }

    /// Ends the child at once, also if it is only about to be started.
    pub(crate) fn kill(&self) {
        let mut state = self.state();
        state.is_doomed = true;
        state.kill();
    }
}

/// What the kernel does to a process for want of memory, and others do as well.
const KILLED: ExitReason = ExitReason::ProcessSignaled(Signal::KILL.as_raw());

fn reason_of(status: ExitStatus) -> ExitReason {
    match status {
        ExitStatus::Code(code) => ExitReason::ProcessExited(code),
        ExitStatus::Signal { signal, .. } => ExitReason::ProcessSignaled(signal),
    }
}

impl State {
    fn child(&self) -> Option<&Child> {
        match &self.process {
            Process::Started(child) => Some(child),
            _ => None,
        }
    }

    fn kill(&self) {
        if let Some(child) = self.child()
            && self.exit.is_none()
            && let Err(error) = child.kill()
        {
            // It has taken another user's identity; then its lifeline and its own conscience are left.
            warning!(%error, "a child cannot be killed");
        }
    }
}
