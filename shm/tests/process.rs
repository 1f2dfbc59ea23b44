//! Processes by descriptor: how their end is known, and what is no proof of it.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]
#![allow(unsafe_code, reason = "opens the pidfd of a thread")]

#[path = "support/scene.rs"]
mod scene;

use std::fs::File;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::process;

use ringway_shm::sys::eventfd::Eventfd;
use ringway_shm::sys::limit;
use ringway_shm::sys::process::{ExitStatus, Pidfd, PidfdError, Signal, Target};
use ringway_shm::sys::socket::SeqPacket;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Resource, Rlimit, getpid, getrlimit, setrlimit};

#[test]
fn scene() {
    scene::play(&[
        ("wait", wait),
        ("leave with seven", leave_with_seven),
        ("pass a pidfd", pass_a_pidfd),
        ("raise the limit", raise_the_limit),
    ]);
}

#[test]
fn a_code_is_reported() {
    let _dog = scene::watch();
    let actor = scene::start("leave with seven", []);

    assert_eq!(actor.wait().unwrap(), ExitStatus::Code(7));
    assert!(actor.pidfd().is_dead().unwrap());
    let again = actor.wait().unwrap_err();
    assert_eq!(
        (again.call(), again.errno()),
        ("waitid(P_PIDFD)", Errno::CHILD)
    );
}

fn leave_with_seven() {
    process::exit(7);
}

/// Goal: death is known by the pidfd alone, before anyone waited. Method: an actor that waits for ever is killed.
#[test]
fn a_signal_is_reported() {
    let _dog = scene::watch();
    let actor = scene::start("wait", []);
    assert!(!actor.pidfd().is_dead().unwrap());
    assert_eq!(actor.pidfd().try_wait().unwrap(), None);
    assert_eq!(
        actor.pidfd().target().unwrap(),
        Target::Process(actor.pid())
    );

    actor.kill().unwrap();
    scene::await_readable(actor.pidfd());

    assert!(actor.pidfd().is_dead().unwrap());
    let killed = ExitStatus::Signal {
        signal: Signal::KILL.as_raw(),
        core_dumped: false,
    };
    assert_eq!(actor.pidfd().try_wait().unwrap(), Some(killed));
    assert_eq!(actor.pidfd().target().unwrap(), Target::Gone);
    actor.kill().unwrap();
}

fn wait() {
    scene::await_readable(Eventfd::create().unwrap());
}

/// Goal: a pidfd that came over a socket is proof for the process that the socket's credentials name.
#[test]
fn a_peers_pidfd_proves_its_death() {
    let _dog = scene::watch();
    let (one, other) = SeqPacket::pair().unwrap();
    let actor = scene::start(
        "pass a pidfd",
        [other.as_fd().try_clone_to_owned().unwrap()],
    );
    let pidfd = Pidfd::from_peer(scene::receive(&one, "me").remove(0)).unwrap();

    assert_eq!(pidfd.target().unwrap(), Target::Process(actor.pid()));
    assert!(!pidfd.is_dead().unwrap());
    actor.kill().unwrap();
    scene::await_readable(&pidfd);
    assert!(pidfd.is_dead().unwrap());
}

fn pass_a_pidfd() {
    let [to_test] = scene::props();
    let own = Pidfd::of_self().unwrap();
    SeqPacket::from(to_test)
        .send(b"me", &[own.as_fd()])
        .unwrap();
    wait();
}

#[test]
fn what_is_no_pidfd_is_refused() {
    let files: [OwnedFd; 3] = [
        File::open("/proc/self/status").unwrap().into(),
        rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap(),
        pipe_with(PipeFlags::CLOEXEC).unwrap().0,
    ];
    for fd in files {
        assert_eq!(Pidfd::from_peer(fd).unwrap_err(), PidfdError::NotPidfd);
    }
}

/// Goal: the end of one thread does not pass for the end of its process.
#[test]
fn a_threads_pidfd_is_refused() {
    const PIDFD_THREAD: libc::c_long = libc::O_EXCL as libc::c_long;
    let tid = rustix::thread::gettid().as_raw_nonzero().get();
    // SAFETY: a system call on plain numbers.
    let number =
        unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(tid), PIDFD_THREAD) };
    let Ok(number @ 0..) = i32::try_from(number) else {
        println!("not run: this kernel has no pidfds of threads");
        return;
    };
    // SAFETY: opened above, for us.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };

    assert_eq!(Pidfd::from_peer(fd).unwrap_err(), PidfdError::Thread);
}

#[test]
fn own_pidfd_means_this_process() {
    let own = Pidfd::of_self().unwrap();

    assert_eq!(own.target().unwrap(), Target::Process(getpid()));
    assert!(!own.is_dead().unwrap());
    assert_eq!(own.wait().unwrap_err().errno(), Errno::CHILD);
}

#[test]
fn the_limit_of_descriptors_is_raised() {
    let _dog = scene::watch();
    scene::start("raise the limit", []).applaud();
}

fn raise_the_limit() {
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(64),
            maximum: hard,
        },
    )
    .unwrap();

    let limit = limit::raise_nofile_limit().unwrap();

    assert_eq!((limit.before, limit.now), (Some(64), hard));
    assert_eq!(getrlimit(Resource::Nofile).current, hard);
    assert_eq!(limit::raise_nofile_limit().unwrap().before, hard);
}
