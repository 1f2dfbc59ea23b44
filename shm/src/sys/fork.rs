//! What a forked child may touch of Ringway: nothing. A mark that fork wipes, and descriptors that the child closes at once.
//!
//! A child made by `fork` without `exec` shares open file descriptions with its parent: it would keep the parent's locks
//! held and sockets open after the parent's death. So every descriptor of a node is a [`PrivateFd`], which a handler
//! closes in the child, and every call first asks [`check`], which costs one relaxed load.
//! A child made by a raw `clone` runs no handler: its mark is wiped all the same, its descriptors stay until exec or exit.
//!
//! # Invariants
//! - **mark**: `MARK` is 1 in a process that called [`guard`] and 0 in the children it forks afterwards: the kernel wipes
//!   the page, and the handler stores 0 as well, for systems that cannot wipe.
//! - **listed-open**: a number in `LISTED` is a descriptor that is open and belongs to one `PrivateFd`. It is listed after
//!   it was opened and struck off before it is closed, each under `LOCK`, which the forking thread holds during the fork:
//!   between the kernel's copies of descriptors and of memory the list stands still.
//! # Edges
//! | edge | released by | acquired by | publishes |
//! |---|---|---|---|
//! | list-free | `unlock`: store of `LOCK` | `lock`: swap of `LOCK` | the slots of `LISTED` |
//! | guarded | `guard`: store of `GUARDED` | `guard`: load of `GUARDED` | that the mark is set and the handlers are registered |
#![allow(
    unsafe_code,
    reason = "madvise, pthread_atfork and closing by number in the child"
)]

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::{ptr, thread};

use rustix::io::Errno;
use rustix::mm::{Advice, madvise};
use rustix::param::page_size;

use super::SysError;
use crate::sync::AtomicU32;
use crate::sync::Ordering::{Acquire, Relaxed, Release};

/// Descriptors that a child closes; those beyond it stay open in a child until it calls exec or exits.
const LISTED_MAX: usize = 8192;

/// The mark alone on its page, as wiping works by pages. Zero at first, so it lies in anonymous memory, as wiping demands.
#[cfg_attr(target_arch = "x86_64", repr(C, align(4096)))]
#[cfg_attr(not(target_arch = "x86_64"), repr(C, align(65536)))] // the largest page of the 64-bit ARM machines
struct MarkPage {
    mark: AtomicU32,
}

static MARK: MarkPage = MarkPage {
    mark: AtomicU32::new(0),
};
static GUARDED: AtomicU32 = AtomicU32::new(0);
static REGISTERED: AtomicU32 = AtomicU32::new(0);
static LOCK: AtomicU32 = AtomicU32::new(0);
/// Descriptor numbers plus one; 0 is a free slot.
static LISTED: [AtomicU32; LISTED_MAX] = [const { AtomicU32::new(0) }; LISTED_MAX];
/// Where the search for a free slot starts.
static HINT: AtomicU32 = AtomicU32::new(0);

/// This process was forked from one that uses Ringway: what it inherited is not its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("used after fork: a forked child inherits nothing, it must exec and attach anew")]
pub struct UsedAfterFork;

/// Why the process could not be guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// The process is itself a forked child of a guarded one.
    #[error(transparent)]
    UsedAfterFork(#[from] UsedAfterFork),
    /// The kernel or the C library refused.
    #[error("cannot guard against fork")]
    System(#[from] SysError),
}

/// Returns whether this is the process that called [`guard`]: `Ok` there, an error in its forked children, and before
/// the first call.
///
/// Cost: one relaxed load.
///
/// # Errors
///
/// [`UsedAfterFork`] in a forked child.
#[inline]
pub fn check() -> Result<(), UsedAfterFork> {
    // Relaxed: set before the caller got the first handle; afterwards only a fork changes it, which is no other thread.
    if MARK.mark.load(Relaxed) == 1 {
        Ok(())
    } else {
        Err(UsedAfterFork)
    }
}

/// Marks this process as the owner of what it opens. Any number of calls is one.
///
/// # Errors
///
/// [`GuardError::UsedAfterFork`] in a forked child; [`GuardError::System`] when the handlers cannot be registered.
pub fn guard() -> Result<(), GuardError> {
    // Acquire guarded: pairs with the store below.
    if GUARDED.load(Acquire) == 1 {
        return Ok(check()?);
    }
    wipe_on_fork()?;
    // Relaxed: only one caller may win; nothing is published by it.
    if REGISTERED.swap(1, Relaxed) == 0 {
        register_handlers().inspect_err(|_| REGISTERED.store(0, Relaxed))?;
    }
    MARK.mark.store(1, Relaxed);
    // Release guarded: pairs with the load above. Later than the mark: a child forked in between owns no handle, as
    // none was given out yet, and may guard itself.
    GUARDED.store(1, Release);
    Ok(())
}

fn wipe_on_fork() -> Result<(), SysError> {
    if page_size() > align_of::<MarkPage>() {
        return Ok(()); // The handler clears the mark; wiping would take the neighbours along.
    }
    let page = ptr::from_ref(&MARK).cast_mut().cast();
    // SAFETY: the range is a static of our own whose alignment and size are whole pages, and it holds nothing but the
    // mark; wiping it in a child is the purpose.
    match unsafe { madvise(page, size_of::<MarkPage>(), Advice::LinuxWipeOnFork) } {
        // Refused by kernels that imitate Linux, and where the loader backs zeroes by a file: the handler clears the mark.
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(errno) => Err(SysError::new("madvise(MADV_WIPEONFORK)", errno)),
    }
}

fn register_handlers() -> Result<(), SysError> {
    // SAFETY: the three functions are `extern "C"`, take nothing, never unwind, and live as long as the program: they
    // spin, load, store and close, all of which a child of a threaded process may do.
    let code = unsafe { libc::pthread_atfork(Some(lock), Some(unlock), Some(disown)) };
    if code == 0 {
        Ok(())
    } else {
        Err(SysError::new(
            "pthread_atfork",
            Errno::from_raw_os_error(code),
        ))
    }
}

/// Takes the list. Held for a few instructions, or by a forking thread until the fork is over.
extern "C" fn lock() {
    // Acquire list-free: pairs with the store in `unlock`.
    while LOCK.swap(1, Acquire) == 1 {
        thread::yield_now();
    }
}

extern "C" fn unlock() {
    // Release list-free: pairs with the swap in `lock`.
    LOCK.store(0, Release);
}

/// Runs in the child, in its only thread, with the list locked by that thread: closes what is the parent's.
extern "C" fn disown() {
    MARK.mark.store(0, Relaxed);
    for slot in &LISTED {
        let listed = slot.swap(0, Relaxed);
        if let Some(fd) = descriptor(listed) {
            // SAFETY: listed-open: the number is open and its owner, a PrivateFd, never closes it in this process, as
            // its drop asks `check` first.
            unsafe { rustix::io::close(fd) };
        }
    }
    unlock();
}

fn descriptor(listed: u32) -> Option<RawFd> {
    RawFd::try_from(listed.checked_sub(1)?).ok()
}

/// A descriptor that forked children do not keep: close-on-exec as all others, and closed in a child that does not exec.
#[derive(Debug)]
pub struct PrivateFd {
    fd: ManuallyDrop<OwnedFd>,
    slot: Option<usize>,
}

impl PrivateFd {
    /// Takes `fd` over, and guards the process.
    ///
    /// Where that is not possible (in a forked child, or with more than 8192 descriptors) `fd` is held like any other.
    #[must_use]
    pub fn new(fd: OwnedFd) -> Self {
        let slot = if guard().is_ok() {
            list(fd.as_raw_fd())
        } else {
            None
        };
        Self {
            fd: ManuallyDrop::new(fd),
            slot,
        }
    }
}

impl From<OwnedFd> for PrivateFd {
    fn from(fd: OwnedFd) -> Self {
        Self::new(fd)
    }
}

impl AsFd for PrivateFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for PrivateFd {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            if check().is_err() {
                return; // The child's handler has closed it; the number may by now be somebody else's.
            }
            lock();
            LISTED[slot].store(0, Relaxed); // Relaxed: list-free orders it.
            unlock();
        }
        // SAFETY: dropped once, here, and not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.fd) };
    }
}

/// Lists an open descriptor; `None` when the list is full.
fn list(fd: RawFd) -> Option<usize> {
    let number = u32::try_from(fd).ok()? + 1;
    lock();
    // Relaxed throughout: list-free orders slots and hint.
    let start = HINT.load(Relaxed) as usize;
    let found = (0..LISTED_MAX)
        .map(|step| (start + step) % LISTED_MAX)
        .find(|&slot| LISTED[slot].load(Relaxed) == 0);
    if let Some(slot) = found {
        LISTED[slot].store(number, Relaxed);
        #[expect(clippy::cast_possible_truncation, reason = "slot < LISTED_MAX")]
        HINT.store(slot as u32 + 1, Relaxed);
    }
    unlock();
    found
}
