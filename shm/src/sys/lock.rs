//! Locks on single bytes of a file, which the kernel gives back when their holder dies.
//!
//! They belong to the *open file description*: closing another descriptor of the same file does not drop them, as it
//! would with POSIX locks, and a forked child would share them, which is why the file is a [`PrivateFd`]. Two claims
//! through one `LockFile` do not exclude each other: a process keeps its own table for its own.
#![allow(unsafe_code, reason = "rustix has no open-file-description locks")]

use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::fork::PrivateFd;
use super::{Named, SysError, uninterrupted};

/// The byte that is locked: an offset of 63 bits. The file stays empty, whatever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LockByte(i64);

impl LockByte {
    /// Takes the lower 63 bits of `offset`.
    #[must_use]
    pub const fn new(offset: u64) -> Self {
        Self((offset & (u64::MAX >> 1)).cast_signed())
    }
}

/// A file of which single bytes are locked.
#[derive(Debug)]
pub struct LockFile {
    fd: PrivateFd,
}

impl LockFile {
    /// Opens `name` in the directory `dir`, creating it for its owner (and, where `mode` says so, group) if need be.
    /// A symbolic link is refused.
    ///
    /// # Errors
    ///
    /// `openat`.
    pub fn open(dir: impl AsFd, name: &str, mode: Mode) -> Result<Self, SysError> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let fd = uninterrupted(|| openat(&dir, name, flags, mode)).named("openat")?;
        Ok(Self {
            fd: PrivateFd::new(fd),
        })
    }

    /// Locks `byte`, unless another open file has it: then `false`. Locking what is locked already is `true` again.
    ///
    /// # Errors
    ///
    /// `fcntl(F_OFD_SETLK)`: no memory for locks.
    pub fn try_lock(&self, byte: LockByte) -> Result<bool, SysError> {
        match self.control(libc::F_OFD_SETLK, libc::F_WRLCK, byte) {
            Ok(_) => Ok(true),
            Err(Errno::AGAIN | Errno::ACCESS) => Ok(false),
            Err(errno) => Err(SysError::new("fcntl(F_OFD_SETLK)", errno)),
        }
    }

    /// Gives `byte` back, also when it was not locked.
    ///
    /// # Errors
    ///
    /// `fcntl(F_OFD_SETLK)`: no memory for locks.
    pub fn unlock(&self, byte: LockByte) -> Result<(), SysError> {
        self.control(libc::F_OFD_SETLK, libc::F_UNLCK, byte)
            .map(drop)
            .named("fcntl(F_OFD_SETLK)")
    }

    /// Returns whether another open file has `byte` locked. May be stale at once. Our own lock does not show.
    ///
    /// # Errors
    ///
    /// `fcntl(F_OFD_GETLK)`.
    pub fn is_locked_elsewhere(&self, byte: LockByte) -> Result<bool, SysError> {
        let found = self
            .control(libc::F_OFD_GETLK, libc::F_WRLCK, byte)
            .named("fcntl(F_OFD_GETLK)")?;
        Ok(c_int::from(found.l_type) != libc::F_UNLCK)
    }

    fn control(&self, command: c_int, kind: c_int, byte: LockByte) -> Result<libc::flock64, Errno> {
        let mut lock = libc::flock64 {
            l_type: kind.try_into().map_err(|_| Errno::INVAL)?,
            l_whence: 0, // SEEK_SET
            l_start: byte.0,
            l_len: 1,
            l_pid: 0, // Demanded for these locks.
        };
        uninterrupted(|| {
            // SAFETY: the descriptor is open while `self` lives; the kernel reads and writes one `flock64`, ours, and
            // keeps no pointer to it.
            let outcome =
                unsafe { libc::fcntl(self.fd.as_fd().as_raw_fd(), command, &raw mut lock) };
            if outcome == -1 {
                Err(last_errno())
            } else {
                Ok(())
            }
        })?;
        Ok(lock)
    }
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)
}

impl AsFd for LockFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
