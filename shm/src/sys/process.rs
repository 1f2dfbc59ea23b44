//! Processes by descriptor: a pidfd cannot come to mean another process, and is readable when its process has ended.
//!
//! That readability is the only proof of death that Ringway accepts: no clock, no closed socket, no number.

mod info;

use std::fs::File;
use std::io::{Read, Take};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::Errno;
use rustix::process::{
    PidfdFlags, WaitId, WaitIdOptions, WaitIdStatus, getpid, getppid, pidfd_open,
    pidfd_send_signal, set_parent_process_death_signal, waitid,
};
use rustix::time::Timespec;

pub use rustix::process::{Pid, Signal};

use super::fork::PrivateFd;
use super::{Named, SysError, uninterrupted};

/// Bytes of `/proc/self/fdinfo/N` that are read; a pidfd's has about 100.
const FDINFO_MAX: u64 = 4096;
/// `PIDFD_THREAD`: the pidfd is one of a thread, and readable when that thread ends.
const PIDFD_THREAD: OFlags = OFlags::EXCL;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// By itself, with this code.
    Code(i32),
    /// By a signal.
    Signal {
        /// Its number.
        signal: i32,
        /// Whether the kernel wrote a core file.
        core_dumped: bool,
    },
}

impl ExitStatus {
    /// Returns whether it ended by itself with code 0.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Code(0))
    }

    /// From the form that `wait` has.
    const fn of_wait(status: i32) -> Self {
        if libc::WIFEXITED(status) {
            return Self::Code(libc::WEXITSTATUS(status));
        }
        Self::Signal {
            signal: libc::WTERMSIG(status),
            core_dumped: libc::WCOREDUMP(status),
        }
    }

    fn of(status: &WaitIdStatus) -> Option<Self> {
        if let Some(code) = status.exit_status() {
            return Some(Self::Code(code));
        }
        let signal = status.terminating_signal()?;
        Some(Self::Signal {
            signal,
            core_dumped: status.dumped(),
        })
    }
}

/// Which process a pidfd means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// This one, by its number in our pid namespace.
    Process(Pid),
    /// One that has no number in our pid namespace.
    Foreign,
    /// One that is dead and was waited for.
    Gone,
}

/// Why a descriptor from a stranger is not taken as proof of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PidfdError {
    /// It is not a pidfd.
    #[error("the descriptor is not a pidfd")]
    NotPidfd,
    /// It means a thread, whose end says nothing about its process.
    #[error("the pidfd means a thread, not a process")]
    Thread,
    /// A system call failed.
    #[error("cannot examine a pidfd")]
    System(#[from] SysError),
}

/// A process, by descriptor.
#[derive(Debug)]
pub struct Pidfd {
    fd: PrivateFd,
}

impl Pidfd {
    /// Opens one of this process, to be passed to others.
    ///
    /// # Errors
    ///
    /// `pidfd_open`: too many descriptors.
    pub fn of_self() -> Result<Self, SysError> {
        Self::open(getpid())
    }

    /// Opens the process that has number `pid` now. Whoever got the number from elsewhere must afterwards make sure that
    /// its process still lived: numbers are used again.
    ///
    /// # Errors
    ///
    /// `pidfd_open`, with ESRCH when there is no such process.
    pub fn open(pid: Pid) -> Result<Self, SysError> {
        let fd = pidfd_open(pid, PidfdFlags::empty()).named("pidfd_open")?;
        Ok(Self {
            fd: PrivateFd::new(fd),
        })
    }

    /// Takes a descriptor that a peer says is a pidfd of its process. Whose, is to be checked: see [`Pidfd::target`].
    ///
    /// # Errors
    ///
    /// [`PidfdError::NotPidfd`] and [`PidfdError::Thread`] blame the peer.
    pub fn from_peer(fd: OwnedFd) -> Result<Self, PidfdError> {
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let link = rustix::fs::readlink(path, Vec::new()).named("readlink(/proc/self/fd)")?;
        // Names without a leading slash are the kernel's own; pidfds have had both of these.
        let link = link.as_bytes();
        if !link.starts_with(b"anon_inode:[pidfd]") && !link.starts_with(b"pidfd:[") {
            return Err(PidfdError::NotPidfd);
        }
        if fcntl_getfl(&fd)
            .named("fcntl(F_GETFL)")?
            .contains(PIDFD_THREAD)
        {
            return Err(PidfdError::Thread);
        }
        Ok(Self {
            fd: PrivateFd::new(fd),
        })
    }

    /// Returns which process it means, as `/proc/self/fdinfo` tells.
    ///
    /// # Errors
    ///
    /// [`PidfdError::System`] when `/proc` is not there, [`PidfdError::NotPidfd`] when it does not tell.
    pub fn target(&self) -> Result<Target, PidfdError> {
        let path = format!("/proc/self/fdinfo/{}", self.fd.as_fd().as_raw_fd());
        let file = File::open(path).named("open(/proc/self/fdinfo)")?;
        let mut text = String::new();
        let mut file: Take<File> = file.take(FDINFO_MAX);
        file.read_to_string(&mut text)
            .named("read(/proc/self/fdinfo)")?;
        parse_target(&text).ok_or(PidfdError::NotPidfd)
    }

    /// Returns whether the process has ended: it runs no instruction any more, and all its memory is given back.
    /// Once true, always true.
    ///
    /// # Errors
    ///
    /// `poll`.
    pub fn is_dead(&self) -> Result<bool, SysError> {
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let ready = uninterrupted(|| poll(&mut fds, Some(&at_once))).named("poll")?;
        Ok(ready == 1)
    }

    /// Waits until the process, a child of this one, has ended, and removes it from the system's table.
    ///
    /// # Errors
    ///
    /// `waitid`, with ECHILD when it is no child of ours, or somebody else in this process has waited for it.
    pub fn wait(&self) -> Result<ExitStatus, SysError> {
        loop {
            if let Some(status) = self.wait_with(WaitIdOptions::EXITED)? {
                return Ok(status);
            }
        }
    }

    /// As [`Pidfd::wait`], but returns `None` while the process runs.
    ///
    /// # Errors
    ///
    /// As [`Pidfd::wait`].
    pub fn try_wait(&self) -> Result<Option<ExitStatus>, SysError> {
        self.wait_with(WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
    }

    /// Returns whether this is a child that nobody has waited for yet. Waits for nothing.
    pub(crate) fn is_unreaped_child(&self) -> bool {
        self.wait_with(WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT)
            .is_ok()
    }

    /// Returns how a child of this process ended for which other code of this process has waited, where the kernel still
    /// tells (Linux 6.15 and later); `None` while it runs, or as long as nobody has waited for it.
    #[must_use]
    pub fn ended_as(&self) -> Option<ExitStatus> {
        info::wait_status(self.fd.as_fd()).map(ExitStatus::of_wait)
    }

    fn wait_with(&self, options: WaitIdOptions) -> Result<Option<ExitStatus>, SysError> {
        let outcome = uninterrupted(|| waitid(WaitId::PidFd(self.fd.as_fd()), options));
        Ok(outcome
            .named("waitid(P_PIDFD)")?
            .as_ref()
            .and_then(ExitStatus::of))
    }

    /// Sends a signal. A process that has ended is left alone, without an error.
    ///
    /// # Errors
    ///
    /// `pidfd_send_signal`, with EPERM when it is not ours to signal.
    pub fn signal(&self, signal: Signal) -> Result<(), SysError> {
        match pidfd_send_signal(&self.fd, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(SysError::new("pidfd_send_signal", errno)),
        }
    }
}

impl AsFd for Pidfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Finds the line `Pid:` of a pidfd's fdinfo: a number, 0 for a foreign namespace, -1 for gone.
fn parse_target(fdinfo: &str) -> Option<Target> {
    let number = fdinfo.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    match number.trim().parse::<i32>().ok()? {
        -1 => Some(Target::Gone),
        0 => Some(Target::Foreign),
        pid if pid > 0 => Pid::from_raw(pid).map(Target::Process),
        _ => None,
    }
}

/// Why a process could not be bound to its parent's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParentError {
    /// The parent had died before the signal was set; no signal will come.
    #[error("the parent process is gone")]
    Gone,
    /// A system call failed.
    #[error("cannot ask for a signal at the parent's death")]
    System(#[from] SysError),
}

/// Has the kernel send `signal` to this process when `parent` dies: first thing, from the main thread, as the request
/// ends with the thread that made it.
///
/// It is the thread that spawned us whose death counts: see [`Command::spawn`](super::launch::Command::spawn).
///
/// # Errors
///
/// [`ParentError::Gone`] when `parent` is no longer the parent: the caller should end.
pub fn die_with_parent(signal: Signal, parent: Pid) -> Result<(), ParentError> {
    set_parent_process_death_signal(Some(signal)).named("prctl(PR_SET_PDEATHSIG)")?;
    // Asked after setting: a parent that died before is not the parent now, one that dies later signals.
    if getppid() == Some(parent) {
        Ok(())
    } else {
        Err(ParentError::Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fdinfo_tells_the_process() {
        let cases = [
            (
                "pos:\t0\nflags:\t02000002\nPid:\t4711\nNSpid:\t4711\n",
                Pid::from_raw(4711).map(Target::Process),
            ),
            ("Pid:\t0\nNSpid:\t0\n", Some(Target::Foreign)),
            ("Pid:\t-1\nNSpid:\t-1\n", Some(Target::Gone)),
            ("Pid:\t-2\n", None),
            ("Pid:\tmany\n", None),
            ("NSpid:\t4711\n", None),
            ("", None),
        ];
        for (text, target) in cases {
            assert_eq!(parse_target(text), target, "{text:?}");
        }
    }
}
