//! The test's side of a process that is watched: sees each of its system calls before the kernel does.
#![allow(unsafe_code, reason = "seccomp has no safe wrapper")]

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::mpsc::Sender;

use ringway_shm::sys::socket::{Listener, RecvError};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::Bus;

/// What `prctl` is asked at the begin and at the end of an act; the helper has the same number.
const MARK: u64 = 0x52_49_4e_47;

/// What is done to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    Kill,
    Stop,
    /// The first call of this number from there on.
    Fail(i64, Errno),
}

/// Which call of the act is hit, counted from 0, and how.
pub(crate) type Plan = Option<(usize, Blow)>;

/// What was seen.
#[derive(Debug)]
pub(crate) enum Event {
    /// The planned call came, and was hit.
    Struck(i64),
    /// The process is gone; so many calls were in the act.
    Over(Vec<i64>),
}

/// Where a helper hands its calls over.
pub(crate) struct Desk(Listener);

impl Desk {
    pub(crate) fn new(bus: &Bus) -> Self {
        let directory = open(bus.directory(), OFlags::PATH, Mode::empty()).unwrap();
        Self(Listener::bind(&directory, "calls", 8).unwrap())
    }

    /// Waits for the next helper's calls, or for why there are none.
    pub(crate) fn receive(&self) -> Result<OwnedFd, String> {
        let socket = loop {
            match self.0.accept().unwrap() {
                Some(socket) => break socket,
                None => std::thread::yield_now(),
            }
        };
        let mut text = [0; 200];
        loop {
            match socket.recv(&mut text) {
                Ok(mut received) => {
                    let why = String::from_utf8_lossy(&text[..received.len]).into_owned();
                    return received.fds.pop().ok_or(why);
                }
                Err(RecvError::WouldBlock) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Lets calls pass, but for the planned one, until the process is gone.
pub(crate) fn watch(listener: &OwnedFd, victim: Pid, plan: Plan, events: &Sender<Event>) {
    let mut calls = Vec::new();
    let mut is_acting = false;
    let mut is_struck = false;
    while let Some(call) = next(listener) {
        let number = identity(&call);
        if number == libc::SYS_prctl && call.data.args[0] == MARK {
            is_acting = call.data.args[1] != 0;
            answer(listener, &call, None);
            continue;
        }
        let planned = plan.filter(|(at, blow)| {
            is_acting
                && !is_struck
                && calls.len() >= *at
                && !matches!(blow, Blow::Fail(wanted, _) if *wanted != number)
        });
        is_struck |= planned.is_some();
        if is_acting {
            calls.push(number);
        }
        match planned {
            None => answer(listener, &call, None),
            Some((_, Blow::Kill)) => {
                // The call is never answered: it is not begun.
                let _ = kill_process(victim, Signal::KILL);
                let _ = events.send(Event::Struck(number));
            }
            Some((_, Blow::Stop)) => {
                let _ = kill_process(victim, Signal::STOP);
                answer(listener, &call, None);
                let _ = events.send(Event::Struck(number));
            }
            Some((_, Blow::Fail(_, errno))) => {
                answer(listener, &call, Some(errno));
                let _ = events.send(Event::Struck(number));
            }
        }
    }
    let _ = events.send(Event::Over(calls));
}

/// The number of a call, and above it the command of one that is many calls in one.
fn identity(call: &libc::seccomp_notif) -> i64 {
    let number = i64::from(call.data.nr);
    if !matches!(number, libc::SYS_fcntl | libc::SYS_epoll_ctl) {
        return number;
    }
    number | i64::try_from(call.data.args[1] & 0xFFFF).expect("small") << 32
}

/// An `fcntl` that duplicates a descriptor.
pub(crate) const DUPLICATE: i64 = libc::SYS_fcntl | (libc::F_DUPFD_CLOEXEC as i64) << 32;

/// An `epoll_ctl` that adds one; to change or remove it takes no memory.
pub(crate) const WATCH: i64 = libc::SYS_epoll_ctl | (libc::EPOLL_CTL_ADD as i64) << 32;

/// The next call, or none when no process has the filter any more.
fn next(listener: &OwnedFd) -> Option<libc::seccomp_notif> {
    loop {
        let mut fds = [PollFd::new(listener, PollFlags::IN)];
        match poll(&mut fds, None) {
            Err(Errno::INTR) => continue,
            outcome => outcome.unwrap(),
        };
        if fds[0].revents().contains(PollFlags::HUP) {
            return None;
        }
        let mut call = MaybeUninit::<libc::seccomp_notif>::zeroed();
        // SAFETY: the kernel wants it zeroed and fills it.
        let outcome = unsafe {
            libc::ioctl(
                listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_RECV,
                call.as_mut_ptr(),
            )
        };
        if outcome == 0 {
            // SAFETY: filled; and plain numbers.
            return Some(unsafe { call.assume_init() });
        }
        // Who called was killed meanwhile, or a signal came.
    }
}

fn answer(listener: &OwnedFd, call: &libc::seccomp_notif, refusal: Option<Errno>) {
    let answer = libc::seccomp_notif_resp {
        id: call.id,
        val: 0,
        error: refusal.map_or(0, |errno| -errno.raw_os_error()),
        flags: if refusal.is_some() {
            0
        } else {
            u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).expect("one bit")
        },
    };
    // SAFETY: a whole answer; who called may be dead, and then it is refused.
    unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SEND,
            &raw const answer,
        )
    };
}

/// The name of a call, as far as it is one that the bus makes.
pub(crate) fn name(call: i64) -> String {
    let known = [
        (libc::SYS_accept4, "accept4"),
        (libc::SYS_bind, "bind"),
        (libc::SYS_clone3, "clone3"),
        (libc::SYS_close, "close"),
        (libc::SYS_connect, "connect"),
        (libc::SYS_epoll_create1, "epoll_create1"),
        (libc::SYS_epoll_ctl, "epoll_ctl"),
        (libc::SYS_epoll_pwait, "epoll_pwait"),
        (libc::SYS_eventfd2, "eventfd2"),
        (libc::SYS_fallocate, "fallocate"),
        (libc::SYS_fchmod, "fchmod"),
        (libc::SYS_fcntl, "fcntl"),
        (libc::SYS_fstat, "fstat"),
        (libc::SYS_ftruncate, "ftruncate"),
        (libc::SYS_getdents64, "getdents64"),
        (libc::SYS_getsockopt, "getsockopt"),
        (libc::SYS_listen, "listen"),
        (libc::SYS_memfd_create, "memfd_create"),
        (libc::SYS_mkdirat, "mkdirat"),
        (libc::SYS_mmap, "mmap"),
        (libc::SYS_openat, "openat"),
        (libc::SYS_pidfd_open, "pidfd_open"),
        (libc::SYS_prctl, "prctl"),
        (libc::SYS_prlimit64, "prlimit64"),
        (libc::SYS_read, "read"),
        (libc::SYS_recvmsg, "recvmsg"),
        (libc::SYS_sendmsg, "sendmsg"),
        (libc::SYS_socket, "socket"),
        (libc::SYS_statx, "statx"),
        (libc::SYS_unlinkat, "unlinkat"),
        (libc::SYS_write, "write"),
    ];
    let found = known
        .iter()
        .find(|(number, _)| *number == call & 0xFFFF_FFFF);
    found.map_or_else(|| format!("call {call}"), |(_, name)| (*name).to_owned())
}
