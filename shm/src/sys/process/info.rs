//! What a pidfd tells of a process that is in no table any more.
#![allow(unsafe_code, reason = "a request to the kernel that rustix lacks")]

use std::os::fd::{AsRawFd, BorrowedFd};

/// The kernel's `struct pidfd_info`, as its first version has it.
#[repr(C)]
#[derive(Default)]
struct Info {
    /// What is asked for, then what was given.
    mask: u64,
    cgroup: u64,
    /// Numbers of the process, its parent and its users.
    ids: [u32; 11],
    /// As `wait` gives it.
    exit_code: i32,
}

const _: () = assert!(size_of::<Info>() == 64); // the request's number names it

/// `_IOWR(PIDFS_IOCTL_MAGIC, 11, struct pidfd_info)`.
const PIDFD_GET_INFO: libc::Ioctl = (3 << 30) | (64 << 16) | (0xff << 8) | 11;
/// The exit code is asked for, or was given: once the process was waited for.
const PIDFD_INFO_EXIT: u64 = 1 << 3;

/// How the process ended, in the form that `wait` has; `None` while that is not known, or where the kernel does not tell.
pub(super) fn wait_status(pidfd: BorrowedFd<'_>) -> Option<i32> {
    let mut info = Info {
        mask: PIDFD_INFO_EXIT,
        ..Info::default()
    };
    // SAFETY: the descriptor is open; a pidfd writes a record of the size in the request's number to the one given, and any
    // other file refuses the request.
    let outcome = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO, &raw mut info) };
    (outcome == 0 && info.mask & PIDFD_INFO_EXIT != 0).then_some(info.exit_code)
}
