//! SIGINT and SIGTERM, for a program that asks to be told of them: the first one is a number that can be read, the second
//! one does what it does by default, which is to end the process.
#![allow(unsafe_code, reason = "a signal handler")]

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;
use rustix::process::Signal;

use super::SysError;
use super::eventfd::Eventfd;
use crate::sync::AtomicU32;
use crate::sync::Ordering::{Acquire, Relaxed, Release};

/// The signals that ask a process to end.
const ASKING: [Signal; 2] = [Signal::INT, Signal::TERM];

/// The bell's number, once the handler is installed.
static BELL: AtomicU32 = AtomicU32::new(0);
/// The process that installed it: not one that was forked off it, where the bell is closed.
static OWNER: AtomicU32 = AtomicU32::new(0);
/// The first signal that came; 0 is none.
static CAME: AtomicU32 = AtomicU32::new(0);

/// What rings when the first of the signals has come.
#[derive(Debug)]
pub struct Asked {
    bell: &'static Eventfd,
}

/// Has SIGINT and SIGTERM noted from now on, instead of what this process did about them: for all threads, until the first one
/// comes. After that one they do what they do by default. May be called again.
///
/// # Errors
///
/// `eventfd` or `sigaction`.
pub fn note_asking() -> Result<Asked, SysError> {
    static INSTALLED: Mutex<Option<&'static Eventfd>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bell) = *installed {
        return Ok(Asked { bell });
    }
    // Never given back: the handler may run at any time.
    let bell: &'static Eventfd = Box::leak(Box::new(Eventfd::create()?));
    // Relaxed, both: the handler is installed by system calls after them.
    BELL.store(bell.as_fd().as_raw_fd().cast_unsigned(), Relaxed);
    OWNER.store(std::process::id(), Relaxed);
    for signal in ASKING {
        // The handler's address, as the C library's record has it.
        install(signal, note as *const () as libc::sighandler_t)?;
    }
    *installed = Some(bell);
    Ok(Asked { bell })
}

impl Asked {
    /// Returns the signal that has come, if one has.
    #[must_use]
    pub fn signal(&self) -> Option<Signal> {
        // Acquire signal-came: pairs with the store in the handler.
        Signal::from_named_raw(CAME.load(Acquire).cast_signed())
    }

    /// Returns what is readable once a signal has come, and for good.
    #[must_use]
    pub fn bell(&self) -> &Eventfd {
        self.bell
    }
}

/// The handler: notes the signal, and leaves the next one to the system. Calls only what a handler may.
extern "C" fn note(signal: libc::c_int) {
    // SAFETY: the address of this thread's number of the last error, always valid; it is put back before the end, as what was
    // interrupted may be about to read it.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    for asking in ASKING {
        let _ = install(asking, libc::SIG_DFL);
    }
    // SAFETY: a system call without arguments.
    let own = unsafe { libc::getpid() }.cast_unsigned();
    // Relaxed: stored before the handler was installed.
    if own == OWNER.load(Relaxed) {
        // Release signal-came: pairs with the load in `signal`.
        CAME.store(signal.cast_unsigned(), Release);
        let one = 1_u64.to_ne_bytes();
        // Relaxed: as above.
        let bell = BELL.load(Relaxed).cast_signed();
        // SAFETY: writes eight bytes of this frame to a descriptor that this process never closes.
        unsafe { libc::write(bell, one.as_ptr().cast(), one.len()) };
    } else {
        // SAFETY: sends this thread the signal again, which does what it does by default when the handler has ended.
        unsafe { libc::raise(signal) };
    }
    // SAFETY: as above.
    unsafe { *errno = before };
}

/// Sets what a signal does.
fn install(signal: Signal, handler: libc::sighandler_t) -> Result<(), SysError> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: all zeroes are a record without flags, with an empty mask and the default action.
    let record = unsafe { action.assume_init_mut() };
    record.sa_sigaction = handler;
    record.sa_flags = libc::SA_RESTART;
    // SAFETY: the record is whole; the handler takes one integer, as its flags say, and may run at any time.
    let outcome = unsafe { libc::sigaction(signal.as_raw(), action.as_ptr(), ptr::null_mut()) };
    if outcome == 0 {
        Ok(())
    } else {
        Err(SysError::new("sigaction", Errno::INVAL))
    }
}
