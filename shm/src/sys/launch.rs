//! Starts processes, all from one thread that lives as long as this process.
//!
//! A parent-death signal comes when the *thread* that spawned the child ends, so children are spawned by one that never
//! does. It starts with the first request, sleeps between them, and takes no signals.
//!
//! Everything this library opens is close-on-exec, and a child keeps only what is named here: the flag is cleared in the
//! child, after the fork (`dup2` onto itself), so that spawns by other threads never see an inheritable descriptor.
#![allow(
    unsafe_code,
    reason = "posix_spawn and signal masks are the C library's"
)]

use std::collections::BTreeMap;
use std::env;
use std::ffi::{CString, NulError, OsStr, OsString, c_char, c_int, c_short};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::ptr;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::fork::{self, GuardError, UsedAfterFork};
use super::process::{ExitStatus, Pidfd};
use super::{Named, SysError, uninterrupted};

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
    kept: Vec<OwnedFd>,
    standard: [Option<OwnedFd>; 3],
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
            kept: Vec::new(),
            standard: [None, None, None],
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
        let (reply, answer) = mpsc::channel();
        launcher()?
            .send(Request {
                command: self,
                reply,
            })
            .map_err(|_| launcher_lost())?;
        answer.recv().map_err(|_| launcher_lost())?
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
}

struct Request {
    command: Command,
    reply: mpsc::Sender<Result<Child, SpawnError>>,
}

/// Returns the way to the launcher, starting it if need be.
fn launcher() -> Result<mpsc::Sender<Request>, SysError> {
    static LAUNCHER: Mutex<Option<mpsc::Sender<Request>>> = Mutex::new(None);
    let mut launcher = LAUNCHER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(requests) = &*launcher {
        return Ok(requests.clone());
    }
    let (requests, queue) = mpsc::channel();
    thread::Builder::new()
        .name("ringway-launch".into())
        .spawn(move || launch_all(&queue))
        .named("pthread_create")?;
    *launcher = Some(requests.clone());
    Ok(requests)
}

fn launcher_lost() -> SysError {
    SysError::new("posix_spawn", Errno::SRCH)
}

/// The launcher's life: as a sender is kept in a static, it ends with the process.
fn launch_all(requests: &mpsc::Receiver<Request>) {
    block_signals();
    for Request { command, reply } in requests {
        let outcome = spawn_here(&command);
        // Before the answer, so that the requester finds its copies closed.
        drop(command);
        // A requester that is gone leaves its child to run; nobody asked for that one any more, but nobody said stop.
        drop(reply.send(outcome));
    }
}

fn block_signals() {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is ours, and is made by this call.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: reads the set made above; the old mask is not asked for. It touches the calling thread only.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), ptr::null_mut()) };
}

fn spawn_here(command: &Command) -> Result<Child, SpawnError> {
    let program = CString::new(command.program.as_bytes())?;
    let args = Strings::new(command.args.iter().cloned())?;
    let env = Strings::new(environment(&command.env))?;
    let mut actions = FileActions::new().map_err(spawn_failed)?;
    for fd in &command.kept {
        actions
            .duplicate(fd.as_raw_fd(), fd.as_raw_fd())
            .map_err(spawn_failed)?;
    }
    for (fd, number) in command.standard.iter().zip(0..) {
        if let Some(fd) = fd {
            actions
                .duplicate(fd.as_raw_fd(), number)
                .map_err(spawn_failed)?;
        }
    }
    let attributes = Attributes::new().map_err(spawn_failed)?;
    let mut pid = 0;
    // SAFETY: all pointers are to live objects of this frame: the three strings' arrays end with a null pointer, actions
    // and attributes are initialized. The child shares memory until exec and runs nothing of ours.
    let code = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            program.as_ptr(),
            &raw const actions.0,
            &raw const attributes.0,
            args.as_ptr(),
            env.as_ptr(),
        )
    };
    check(code).map_err(spawn_failed)?;
    let pid = Pid::from_raw(pid).ok_or(SysError::new("posix_spawn", Errno::CHILD))?;
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

fn spawn_failed(errno: Errno) -> SpawnError {
    SysError::new("posix_spawn", errno).into()
}

fn check(code: c_int) -> Result<(), Errno> {
    if code == 0 {
        Ok(())
    } else {
        Err(Errno::from_raw_os_error(code))
    }
}

fn above_standard(fd: OwnedFd) -> Result<OwnedFd, SysError> {
    if fd.as_raw_fd() > 2 {
        Ok(fd)
    } else {
        fcntl_dupfd_cloexec(&fd, 3).named("fcntl(F_DUPFD_CLOEXEC)")
    }
}

fn environment(changes: &BTreeMap<OsString, Option<OsString>>) -> impl Iterator<Item = OsString> {
    let mut all: BTreeMap<OsString, OsString> = env::vars_os().collect();
    for (name, value) in changes {
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

/// Strings as C wants them: an array of pointers that ends with a null.
struct Strings {
    pointers: Vec<*mut c_char>,
    _owned: Vec<CString>,
}

impl Strings {
    fn new(strings: impl Iterator<Item = OsString>) -> Result<Self, NulError> {
        let owned = strings
            .map(|s| CString::new(s.into_vec()))
            .collect::<Result<Vec<_>, _>>()?;
        let pointers = owned
            .iter()
            .map(|s| s.as_ptr().cast_mut())
            .chain([ptr::null_mut()])
            .collect();
        Ok(Self {
            pointers,
            _owned: owned,
        })
    }

    fn as_ptr(&self) -> *const *mut c_char {
        self.pointers.as_ptr()
    }
}

struct FileActions(libc::posix_spawn_file_actions_t);

impl FileActions {
    fn new() -> Result<Self, Errno> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: initializes the record that it is given.
        check(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
        // SAFETY: initialized by the call above, which succeeded.
        Ok(Self(unsafe { actions.assume_init() }))
    }

    /// Has the child put a copy of `fd` at `number`. With equal numbers this clears close-on-exec.
    fn duplicate(&mut self, fd: RawFd, number: RawFd) -> Result<(), Errno> {
        // SAFETY: `self.0` is initialized; the numbers are only noted.
        check(unsafe { libc::posix_spawn_file_actions_adddup2(&raw mut self.0, fd, number) })
    }
}

impl Drop for FileActions {
    fn drop(&mut self) {
        // SAFETY: initialized in `new`, destroyed once.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> Result<Self, Errno> {
        let mut record = MaybeUninit::uninit();
        // SAFETY: initializes the record that it is given.
        check(unsafe { libc::posix_spawnattr_init(record.as_mut_ptr()) })?;
        // SAFETY: initialized by the call above, which succeeded.
        let mut attributes = Self(unsafe { record.assume_init() });
        attributes.reset_signals()?;
        Ok(attributes)
    }

    /// The launcher blocks all signals, and Rust programs ignore SIGPIPE: neither is for the child to inherit.
    fn reset_signals(&mut self) -> Result<(), Errno> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: makes the set, which is ours.
        unsafe { libc::sigemptyset(set.as_mut_ptr()) };
        // SAFETY: both records are initialized; the set is copied.
        check(unsafe { libc::posix_spawnattr_setsigmask(&raw mut self.0, set.as_ptr()) })?;
        // SAFETY: the set is initialized, the signal is a valid one.
        unsafe { libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE) };
        // SAFETY: both records are initialized; the set is copied.
        check(unsafe { libc::posix_spawnattr_setsigdefault(&raw mut self.0, set.as_ptr()) })?;
        let flags = libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF;
        let flags = c_short::try_from(flags).map_err(|_| Errno::INVAL)?;
        // SAFETY: the record is initialized.
        check(unsafe { libc::posix_spawnattr_setflags(&raw mut self.0, flags) })
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialized in `new`, destroyed once.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}
