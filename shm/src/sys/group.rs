//! Process groups: a child and the programs that it has started, which end together.
//!
//! A group's number is that of its leader, and is not used again as long as the group has members. When it has none, its
//! number may become another's: so a group is named by its leader's pidfd, or by a number that a dead leader, not waited for,
//! still holds.
#![allow(unsafe_code, reason = "a system call that rustix lacks")]

use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, getpgid, getpgrp, getpid, kill_current_process_group, kill_process_group, setpgid,
};

use super::SysError;
use super::process::Pidfd;

/// `PIDFD_SIGNAL_PROCESS_GROUP`, of Linux 6.9: the signal is for the group that the process leads, or has led.
const TO_GROUP: libc::c_uint = 1 << 2;

/// Kills what is in the group that `leader`, a child with that pidfd and number, leads or has led.
pub(super) fn kill_led_by(pidfd: &Pidfd, leader: Pid) -> Result<(), SysError> {
    match signal(pidfd, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(Errno::INVAL) if pidfd.is_unreaped_child() => {
            match kill_process_group(leader, Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => Ok(()),
                Err(errno) => Err(SysError::new("kill", errno)),
            }
        }
        Err(Errno::INVAL) => Ok(()),
        Err(errno) => Err(SysError::new("pidfd_send_signal", errno)),
    }
}

fn signal(pidfd: &Pidfd, signal: Signal) -> Result<(), Errno> {
    // SAFETY: a system call on plain numbers; the record of details may be null.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_fd().as_raw_fd(),
            signal.as_raw(),
            ptr::null_mut::<libc::siginfo_t>(),
            TO_GROUP,
        )
    };
    if outcome == 0 {
        return Ok(());
    }
    let code = std::io::Error::last_os_error().raw_os_error();
    Err(Errno::from_raw_os_error(code.unwrap_or(libc::EINVAL)))
}

/// Kills what else is in the group that this process leads, which then leads none: it goes over to that of its parent. One
/// that leads none does nothing.
///
/// # Errors
///
/// `setpgid`: the parent's group is not there any more, or one of another session. Nobody was killed then.
pub fn leave_and_kill(parent: Pid) -> Result<(), SysError> {
    let own = getpid();
    if getpgrp() != own {
        return Ok(());
    }
    let moved = getpgid(Some(parent)).and_then(|group| setpgid(None, Some(group)));
    moved.map_err(|errno| SysError::new("setpgid", errno))?;
    // The number is ours as long as we live, whoever is in the group.
    let _ = kill_process_group(own, Signal::KILL);
    Ok(())
}

/// Kills the group that this process leads, itself included; itself alone if it leads none.
pub fn kill_own() -> ! {
    if getpgrp() == getpid() {
        let _ = kill_current_process_group(Signal::KILL);
    }
    let _ = rustix::process::kill_process(getpid(), Signal::KILL);
    // Neither call fails for a process of its own user; one that is not allowed to call them ends in another way.
    std::process::abort()
}
