//! `posix_spawn` with its records, and the signal mask of a thread: the C library's part in launching.
#![allow(unsafe_code, reason = "the C library's records and calls")]

use std::ffi::{CStr, CString, NulError, OsString, c_char, c_int, c_short};
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStringExt;
use std::ptr;

use rustix::io::Errno;
use rustix::process::Pid;

/// What a child does before its program is loaded.
pub(super) struct Begin {
    /// It puts a copy of each descriptor at its number, in order, and keeps no other that is close-on-exec. Equal numbers
    /// clear that flag, in the child alone.
    pub(super) duplicates: Vec<(RawFd, RawFd)>,
    /// Where it goes.
    pub(super) directory: Option<RawFd>,
    pub(super) leads_group: bool,
}

/// Starts `program`; returns when it is loaded.
pub(super) fn spawn(
    program: &CStr,
    args: &Strings,
    env: &Strings,
    begin: &Begin,
) -> Result<Pid, Errno> {
    let mut actions = FileActions::new()?;
    // First: the numbers are this process's, and a copy may take the place of any.
    if let Some(directory) = begin.directory {
        actions.enter(directory)?;
    }
    for (fd, number) in &begin.duplicates {
        actions.duplicate(*fd, *number)?;
    }
    let attributes = Attributes::new(begin.leads_group)?;
    let mut pid = 0;
    // SAFETY: all pointers are to live objects of this frame or the caller's: the arrays of strings end with a null
    // pointer, actions and attributes are initialized. The child shares memory until exec and runs nothing of ours.
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
    check(code)?;
    Pid::from_raw(pid).ok_or(Errno::CHILD)
}

/// Has the calling thread take no signals.
pub(super) fn block_signals() {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is ours, and is made by this call.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: reads the set made above; the old mask is not asked for. It touches the calling thread only.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), ptr::null_mut()) };
}

fn check(code: c_int) -> Result<(), Errno> {
    if code == 0 {
        Ok(())
    } else {
        Err(Errno::from_raw_os_error(code))
    }
}

/// Strings as C wants them: an array of pointers that ends with a null.
pub(super) struct Strings {
    pointers: Vec<*mut c_char>,
    _owned: Vec<CString>,
}

impl Strings {
    pub(super) fn new(strings: impl Iterator<Item = OsString>) -> Result<Self, NulError> {
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

    /// Has the child go to the directory that `fd` is open on.
    fn enter(&mut self, fd: RawFd) -> Result<(), Errno> {
        // SAFETY: `self.0` is initialized; the number is only noted.
        check(unsafe { libc::posix_spawn_file_actions_addfchdir_np(&raw mut self.0, fd) })
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
    fn new(leads_group: bool) -> Result<Self, Errno> {
        let mut record = MaybeUninit::uninit();
        // SAFETY: initializes the record that it is given.
        check(unsafe { libc::posix_spawnattr_init(record.as_mut_ptr()) })?;
        // SAFETY: initialized by the call above, which succeeded.
        let mut attributes = Self(unsafe { record.assume_init() });
        attributes.reset_signals()?;
        let mut flags = libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF;
        if leads_group {
            // The group's number is 0 unless it is set: a new one, of the child's own number.
            flags |= libc::POSIX_SPAWN_SETPGROUP;
        }
        let flags = c_short::try_from(flags).map_err(|_| Errno::INVAL)?;
        // SAFETY: the record is initialized.
        check(unsafe { libc::posix_spawnattr_setflags(&raw mut attributes.0, flags) })?;
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
        check(unsafe { libc::posix_spawnattr_setsigdefault(&raw mut self.0, set.as_ptr()) })
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialized in `new`, destroyed once.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}
