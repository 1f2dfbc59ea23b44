//! Starts processes, all from one thread that lives as long as this process.
//!
//! A parent-death signal comes when the *thread* that spawned the child ends, so children are spawned by one that never
//! does. It starts with the first request, sleeps between them, and takes no signals.
//!
//! Everything this library opens is close-on-exec, and a child keeps only what is named here: the flag is cleared in the
//! child, after the fork (`dup2` onto itself), so that spawns by other threads never see an inheritable descriptor.

mod posix;
mod thread;

use std::collections::BTreeMap;
use std::env;
use std::ffi::{CString, NulError, OsStr, OsString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;

use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use self::posix::{Begin, Strings};
use super::fork::{self, GuardError, UsedAfterFork};
use super::process::{ExitStatus, Pidfd};
use super::{Named, SysError, group, uninterrupted};

/// Why a process was not started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The program, an argument or a variable has a zero byte inside.
    #[error("a zero byte in the program's name, an argument or a variable")]
    ZeroByte(#[from] NulError),
    /// This process is itself a forked child.
    #[error(transparent)]
    UsedAfterFork(#[from] UsedAfterFork),
    /// The child was waited for by other code of this process, or SIGCHLD is ignored: its fate cannot be learned.
    #[error("the child {0} was reaped by somebody else")]
    Reaped(i32),
    /// A system call failed: `posix_spawn` when the program cannot be run.
    #[error("cannot start a process")]
    System(#[from] SysError),
}

/// A process to start: program, arguments, environment and the descriptors that it keeps.
///
/// It gets an empty signal mask and the default for SIGPIPE, as from [`std::process::Command`].
#[derive(Debug)]
pub struct Command {
    program: OsString,
    args: Vec<OsString>,
    env: BTreeMap<OsString, Option<OsString>>,
    clears_env: bool,
    kept: Vec<OwnedFd>,
    standard: [Option<OwnedFd>; 3],
    directory: Option<OwnedFd>,
    leads_group: bool,
}

impl Command {
    /// Names the program by its path, which is not searched for.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref().to_os_string();
        let args = vec![program.clone()];
        Self {
            program,
            args,
            env: BTreeMap::new(),
            clears_env: false,
            kept: Vec::new(),
            standard: [None, None, None],
            directory: None,
            leads_group: false,
        }
    }

    /// Names the program that is running, even if its file was replaced or deleted since.
    #[must_use]
    pub fn own_executable() -> Self {
        let mut command = Self::new("/proc/self/exe");
        if let Some(name) = env::args_os().next() {
            command.args[0] = name;
        }
        command
    }

    /// Appends the arguments that this process got, without the program's name.
    pub fn own_args(&mut self) -> &mut Self {
        self.args.extend(env::args_os().skip(1));
        self
    }

    /// Appends an argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.args.push(arg.as_ref().to_os_string());
        self
    }

    /// Sets a variable; the others are those of this process when it spawns.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.env.insert(
            name.as_ref().to_os_string(),
            Some(value.as_ref().to_os_string()),
        );
        self
    }

    /// Removes a variable.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.env.insert(name.as_ref().to_os_string(), None);
        self
    }

    /// Has the child's environment hold nothing but what is set here, before or after.
    pub fn env_clear(&mut self) -> &mut Self {
        self.clears_env = true;
        self
    }

    /// Starts the child in the directory that `fd` is open on.
    pub fn directory(&mut self, fd: OwnedFd) -> &mut Self {
        self.directory = Some(fd);
        self
    }

    /// Has the child lead a process group of its own, of which the programs that it starts are too: see
    /// [`Child::kill_group`].
    pub fn lead_group(&mut self) -> &mut Self {
        self.leads_group = true;
        self
    }

    /// Has the child keep `fd`, and returns its number there, to be passed in an argument or a variable. This process's
    /// own copy is closed when the command was spawned or dropped.
    ///
    /// # Errors
    ///
    /// `fcntl(F_DUPFD_CLOEXEC)`, needed when it has the number of a standard stream.
    pub fn keep(&mut self, fd: OwnedFd) -> Result<RawFd, SysError> {
        let fd = above_standard(fd)?;
        let number = fd.as_raw_fd();
        self.kept.push(fd);
        Ok(number)
    }

    /// Makes `fd` the child's standard input, output or error, by default those of this process.
    ///
    /// # Errors
    ///
    /// `fcntl(F_DUPFD_CLOEXEC)`, needed when it has the number of a standard stream.
    pub fn standard(&mut self, stream: Standard, fd: OwnedFd) -> Result<&mut Self, SysError> {
        self.standard[stream as usize] = Some(above_standard(fd)?);
        Ok(self)
    }

    /// Starts the process. Waits until its program is loaded.
    ///
    /// # Errors
    ///
    /// See [`SpawnError`]; then there is no process.
    pub fn spawn(self) -> Result<Child, SpawnError> {
        fork::guard().map_err(|error| match error {
            GuardError::System(error) => SpawnError::System(error),
            GuardError::UsedAfterFork(error) => SpawnError::UsedAfterFork(error),
        })?;
        thread::spawn(self)
    }
}

/// A standard stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standard {
    /// Number 0.
    Input = 0,
    /// Number 1.
    Output = 1,
    /// Number 2.
    Error = 2,
}

/// A process that was started. Dropping it lets the process run; one that nobody waits for stays in the system's table
/// when it ends, as long as this process lives.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    pidfd: Pidfd,
}

impl Child {
    /// Returns its number, which is its own until it was waited for.
    #[must_use]
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// Returns its pidfd.
    #[must_use]
    pub const fn pidfd(&self) -> &Pidfd {
        &self.pidfd
    }

    /// Waits until it has ended: see [`Pidfd::wait`].
    ///
    /// # Errors
    ///
    /// As [`Pidfd::wait`].
    pub fn wait(&self) -> Result<ExitStatus, SysError> {
        self.pidfd.wait()
    }

    /// Kills it, without waiting. One that has ended is left alone.
    ///
    /// # Errors
    ///
    /// `pidfd_send_signal`.
    pub fn kill(&self) -> Result<(), SysError> {
        self.pidfd.signal(Signal::KILL)
    }

    /// Kills what is in the process group that it leads, or has led: see [`Command::lead_group`]. A group without living
    /// members is left alone. Before Linux 6.9 nothing is done once the child was waited for.
    ///
    /// # Errors
    ///
    /// `pidfd_send_signal`, or `kill` where that cannot: with EPERM when no member is ours to signal.
    pub fn kill_group(&self) -> Result<(), SysError> {
        group::kill_led_by(&self.pidfd, self.pid)
    }
}

/// Spawns from the calling thread.
fn spawn_here(command: &Command) -> Result<Child, SpawnError> {
    let program = CString::new(command.program.as_bytes())?;
    let args = Strings::new(command.args.iter().cloned())?;
    let env = Strings::new(environment(command))?;
    let kept = command
        .kept
        .iter()
        .map(|fd| (fd.as_raw_fd(), fd.as_raw_fd()));
    let standard = command.standard.iter().zip(0..);
    let standard = standard.filter_map(|(fd, number)| Some((fd.as_ref()?.as_raw_fd(), number)));
    let begin = Begin {
        duplicates: kept.chain(standard).collect(),
        directory: command.directory.as_ref().map(AsRawFd::as_raw_fd),
        leads_group: command.leads_group,
    };
    let pid = posix::spawn(&program, &args, &env, &begin).named("posix_spawn")?;
    adopt(pid)
}

/// Opens the pidfd of a new child, or ends it.
fn adopt(pid: Pid) -> Result<Child, SpawnError> {
    match Pidfd::open(pid) {
        // Were it not our child, then ours was reaped already, and the number is another's.
        Ok(pidfd) if pidfd.is_unreaped_child() => Ok(Child { pid, pidfd }),
        Ok(_) => Err(SpawnError::Reaped(pid.as_raw_nonzero().get())),
        Err(error) if error.errno() == Errno::SRCH => {
            Err(SpawnError::Reaped(pid.as_raw_nonzero().get()))
        }
        Err(error) => {
            // No descriptor left. It was not reported to anyone yet, so it is ended.
            let _ = kill_process(pid, Signal::KILL);
            let _ = uninterrupted(|| waitpid(Some(pid), WaitOptions::empty()));
            Err(error.into())
        }
    }
}

fn above_standard(fd: OwnedFd) -> Result<OwnedFd, SysError> {
    if fd.as_raw_fd() > 2 {
        Ok(fd)
    } else {
        fcntl_dupfd_cloexec(&fd, 3).named("fcntl(F_DUPFD_CLOEXEC)")
    }
}

fn environment(command: &Command) -> impl Iterator<Item = OsString> {
    let mut all: BTreeMap<OsString, OsString> = BTreeMap::new();
    if !command.clears_env {
        all.extend(env::vars_os());
    }
    for (name, value) in &command.env {
        match value {
            Some(value) => all.insert(name.clone(), value.clone()),
            None => all.remove(name),
        };
    }
    all.into_iter().map(|(mut pair, value)| {
        pair.push("=");
        pair.push(value);
        pair
    })
}
