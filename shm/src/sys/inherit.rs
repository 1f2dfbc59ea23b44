//! What a child finds of its parent's: a socket by its number, a name by its variable. Each is taken once, so that
//! nothing is passed on to children of its own.
#![allow(
    unsafe_code,
    reason = "a number becomes a descriptor, and the environment is changed"
)]

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};
use std::{env, fs};

use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::net::sockopt::{socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketType};

use super::socket::SeqPacket;
use super::{Named, SysError};

/// Takes the end of a [`SeqPacket::pair`] that [`Command::keep`](super::launch::Command::keep) let this process inherit
/// as `number`.
///
/// From then on it is close-on-exec, which is how a second call knows that it was taken.
///
/// # Errors
///
/// `fcntl(F_GETFD)` with EBADF when nothing was inherited as `number`: it is not open, a standard stream, or
/// close-on-exec, and so opened, or taken, by this process itself. `getsockopt` when it is no such socket.
pub fn take_socket(number: RawFd) -> Result<SeqPacket, SysError> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let nothing = SysError::new("fcntl(F_GETFD)", Errno::BADF);
    if number <= libc::STDERR_FILENO {
        return Err(nothing);
    }
    // SAFETY: the number is not -1; what is done with it first is a call that fails if it is not open, and nobody closes
    // a descriptor that came through exec: nobody in this process knows it.
    let inherited = unsafe { BorrowedFd::borrow_raw(number) };
    let flags = fcntl_getfd(inherited).named("fcntl(F_GETFD)")?;
    if flags.contains(FdFlags::CLOEXEC) {
        return Err(nothing);
    }
    let domain = socket_domain(inherited).named("getsockopt(SO_DOMAIN)")?;
    let kind = socket_type(inherited).named("getsockopt(SO_TYPE)")?;
    if (domain, kind) != (AddressFamily::UNIX, SocketType::SEQPACKET) {
        return Err(SysError::new("getsockopt(SO_TYPE)", Errno::PROTOTYPE));
    }
    fcntl_setfd(inherited, flags | FdFlags::CLOEXEC).named("fcntl(F_SETFD)")?;
    // SAFETY: it is open and was not close-on-exec, so it came through exec and belongs to nobody in this process: the
    // standard library and this one open everything close-on-exec. It is now, so nobody takes it a second time.
    Ok(SeqPacket::from(unsafe { OwnedFd::from_raw_fd(number) }))
}

/// Removes variables from this process's environment, so that no child inherits them; returns whether it could.
///
/// Only a process of one thread may change its environment: others could be reading it. One with more keeps it.
pub fn remove_variables(names: &[&str]) -> bool {
    let is_alone = fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1);
    if is_alone {
        for name in names {
            // SAFETY: this thread is the only one, and starts no other meanwhile: nobody else uses the environment.
            unsafe { env::remove_var(name) };
        }
    }
    is_alone
}
