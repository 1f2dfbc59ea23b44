//! Messages and descriptors between processes, and every way in which they do not get through.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]
#![allow(unsafe_code, reason = "changes the user of a process")]

#[path = "support/scene.rs"]
mod scene;

use std::fs::{self, DirBuilder, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::{env, process};

use ringway_shm::sys::eventfd::Eventfd;
use ringway_shm::sys::socket::{
    AcceptError, ConnectError, FDS_MAX, Listener, RecvError, SendError, SeqPacket,
};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, FdFlags, fcntl_getfd};
use rustix::process::{Resource, Rlimit, geteuid, getpid, getrlimit, setrlimit};

#[test]
fn scene() {
    scene::play(&[
        ("connect", connect),
        ("few descriptors", few_descriptors),
        ("many in flight", many_in_flight),
        ("deadly pipes", deadly_pipes),
    ]);
}

#[test]
fn messages_arrive_whole_and_in_order() {
    let (one, other) = SeqPacket::pair().unwrap();
    one.send(b"first", &[]).unwrap();
    one.send(b"the second", &[]).unwrap();

    assert_eq!(text(&other), "first");
    assert_eq!(text(&other), "the second");
    assert_eq!(other.recv(&mut [0; 8]).unwrap_err(), RecvError::WouldBlock);
}

/// Goal: all the descriptors that a message can carry, in order, close-on-exec. Method: bells, of which each is rung.
#[test]
fn descriptors_arrive_in_order() {
    let (one, other) = SeqPacket::pair().unwrap();
    let bells: Vec<Eventfd> = (0..FDS_MAX).map(|_| Eventfd::create().unwrap()).collect();
    let fds: Vec<_> = bells.iter().map(AsFd::as_fd).collect();
    one.send(b"bells", &fds).unwrap();

    let received = other.recv(&mut [0; 8]).unwrap();

    assert!(!received.truncated && !received.fds_lost);
    assert_eq!((received.len, received.fds.len()), (5, FDS_MAX));
    for (bell, copy) in bells.iter().zip(received.fds) {
        assert!(fcntl_getfd(&copy).unwrap().contains(FdFlags::CLOEXEC));
        Eventfd::from(copy).ring().unwrap();
        assert!(bell.clear().unwrap());
    }
}

#[test]
fn a_message_above_the_buffer_is_reported() {
    let (one, other) = SeqPacket::pair().unwrap();
    one.send(b"too long", &[one.as_fd()]).unwrap();

    let mut buffer = [0; 3];
    let received = other.recv(&mut buffer).unwrap();

    assert!(received.truncated && !received.fds_lost);
    assert_eq!((received.len, &buffer, received.fds.len()), (3, b"too", 1));
    assert_eq!(
        other.recv(&mut buffer).unwrap_err(),
        RecvError::WouldBlock,
        "the rest is gone"
    );
}

#[test]
fn a_full_queue_refuses_and_an_emptied_one_takes() {
    let (one, other) = SeqPacket::pair().unwrap();
    let message = [7; 4096];
    let full = loop {
        if let Err(error) = one.send(&message, &[]) {
            break error;
        }
    };
    assert_eq!(full, SendError::WouldBlock);

    other.recv(&mut [0; 4096]).unwrap();

    one.send(&message, &[]).unwrap();
}

#[test]
fn a_message_above_the_socket_is_refused() {
    let (one, _other) = SeqPacket::pair().unwrap();
    let message = vec![0; 16 << 20];

    assert_eq!(
        one.send(&message, &[]),
        Err(SendError::TooLarge { len: message.len() })
    );
}

/// Drops an end of a pair and waits until it is closed: a process that another test starts has a copy of it until it runs its
/// program.
fn close(one: SeqPacket, other: &SeqPacket) {
    drop(one);
    let mut fds = [PollFd::new(other, PollFlags::empty())];
    while !fds[0].revents().contains(PollFlags::HUP) {
        poll(&mut fds, None).unwrap();
    }
}

#[test]
fn what_was_sent_before_closing_arrives() {
    let (one, other) = SeqPacket::pair().unwrap();
    one.send(b"last words", &[]).unwrap();
    close(one, &other);

    assert_eq!(text(&other), "last words");
    assert_eq!(other.recv(&mut [0; 8]).unwrap_err(), RecvError::Closed);
    assert_eq!(other.send(b"hello?", &[]), Err(SendError::Closed));
}

/// Goal: a peer that dies with unread messages is told from one that closed, and what it sent is not lost.
#[test]
fn a_reset_is_told_once_and_queued_messages_follow() {
    let (one, other) = SeqPacket::pair().unwrap();
    other.send(b"never read", &[]).unwrap();
    one.send(b"last words", &[]).unwrap();
    close(one, &other);

    assert_eq!(other.recv(&mut [0; 16]).unwrap_err(), RecvError::Reset);
    assert_eq!(text(&other), "last words");
    assert_eq!(other.recv(&mut [0; 16]).unwrap_err(), RecvError::Closed);
}

#[test]
fn a_reset_met_by_sending_is_told() {
    let (one, other) = SeqPacket::pair().unwrap();
    other.send(b"never read", &[]).unwrap();
    close(one, &other);

    assert_eq!(other.send(b"more", &[]), Err(SendError::Reset));
    assert_eq!(other.send(b"more", &[]), Err(SendError::Closed));
}

#[test]
#[should_panic(expected = "an empty message means the end")]
fn an_empty_message_panics() {
    let (one, _other) = SeqPacket::pair().unwrap();
    let _ = one.send(b"", &[]);
}

/// Goal: no limit on the directory's path. Method: one of about 400 bytes, where a socket address holds 108.
#[test]
fn sockets_in_long_directories_are_bound_and_found() {
    let dir = Dir::new();
    let long = dir.path.join("d".repeat(200)).join("e".repeat(200));
    fs::create_dir_all(&long).unwrap();
    let long = File::open(long).unwrap();
    let listener = Listener::bind(&long, "node", 4).unwrap();
    assert!(listener.accept().unwrap().is_none());

    let one = SeqPacket::connect(&long, "node").unwrap();
    let other = listener.accept().unwrap().unwrap();

    one.send(b"hello", &[]).unwrap();
    assert_eq!(text(&other), "hello");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let dir = Dir::new();
    for name in ["", "../node", "a/b", &"n".repeat(108)] {
        let refused = Listener::bind(&dir.fd, name, 1).unwrap_err();
        assert_eq!(refused.call(), "bind");
        assert!(
            matches!(refused.errno(), Errno::INVAL | Errno::NAMETOOLONG),
            "{name:?}: {refused:?}"
        );
    }
}

#[test]
fn a_taken_name_is_refused() {
    let dir = Dir::new();
    let _listener = Listener::bind(&dir.fd, "node", 1).unwrap();

    let refused = Listener::bind(&dir.fd, "node", 1).unwrap_err();

    assert_eq!(
        (refused.call(), refused.errno()),
        ("bind", Errno::ADDRINUSE)
    );
}

#[test]
fn missing_stale_and_busy_sockets_are_told_apart() {
    let dir = Dir::new();
    assert_eq!(
        SeqPacket::connect(&dir.fd, "node").unwrap_err(),
        ConnectError::Missing
    );

    let listener = Listener::bind(&dir.fd, "node", 1).unwrap();
    let mut waiting = Vec::new();
    let busy = loop {
        match SeqPacket::connect(&dir.fd, "node") {
            Ok(one) => waiting.push(one),
            Err(error) => break error,
        }
    };
    assert_eq!(busy, ConnectError::Busy);
    listener.accept().unwrap().unwrap();
    SeqPacket::connect(&dir.fd, "node").unwrap();

    drop(listener);
    assert_eq!(
        SeqPacket::connect(&dir.fd, "node").unwrap_err(),
        ConnectError::Refused
    );
}

/// Goal: the kernel says who is there. Method: another process connects, and waits until it was looked at.
#[test]
fn the_peer_is_who_the_kernel_says() {
    let _dog = scene::watch();
    let dir = Dir::new();
    let listener = Listener::bind(&dir.fd, "node", 1).unwrap();
    let actor = scene::start("connect", [dir.fd.try_clone().unwrap().into()]);
    scene::await_readable(&listener);

    let peer = listener.accept().unwrap().unwrap();
    let cred = peer.peer_cred().unwrap();

    assert_eq!(
        (cred.pid, cred.uid),
        (Some(actor.pid()), geteuid().as_raw())
    );
    drop(peer);
    actor.applaud();
    let (one, _other) = SeqPacket::pair().unwrap();
    assert_eq!(one.peer_cred().unwrap().pid, Some(getpid()));
}

fn connect() {
    let [dir] = scene::props();
    let peer = SeqPacket::connect(&dir, "node").unwrap();
    scene::await_readable(&peer);
    assert_eq!(peer.recv(&mut [0; 8]).unwrap_err(), RecvError::Closed);
}

/// Goal: a full table of descriptors loses no descriptor silently and leaks none. Method: a process with a low limit.
#[test]
fn a_full_table_is_reported() {
    let _dog = scene::watch();
    scene::start("few descriptors", []).applaud();
}

fn few_descriptors() {
    let dir = Dir::new();
    let listener = Listener::bind(&dir.fd, "node", 4).unwrap();
    let (one, other) = SeqPacket::pair().unwrap();
    let three = [one.as_fd(), other.as_fd(), one.as_fd()];
    one.send(b"three", &three).unwrap();
    one.send(b"three", &three).unwrap();
    let _waiting = SeqPacket::connect(&dir.fd, "node").unwrap();
    let next_number = lowest_free();
    limit_descriptors(next_number + 1);

    let received = other.recv(&mut [0; 8]).unwrap();
    assert!(received.fds_lost && received.fds.is_empty() && !received.truncated);
    assert_eq!(received.len, 5, "the message itself is there");
    assert_eq!(lowest_free(), next_number, "the one that came was closed");

    let _last = File::open("/dev/null").unwrap();
    assert_eq!(listener.accept().unwrap_err(), AcceptError::TooManyFiles);
    assert_eq!(
        SeqPacket::connect(&dir.fd, "node").unwrap_err(),
        ConnectError::TooManyFiles
    );
    limit_descriptors(next_number + 64);
    assert!(
        listener.accept().unwrap().is_some(),
        "the connection stayed queued"
    );
    assert_eq!(other.recv(&mut [0; 8]).unwrap().fds.len(), 3);
}

/// Goal: the user's limit of descriptors under way is told apart. Method: a user of its own, as root has no such limit.
#[test]
fn too_many_descriptors_in_flight_are_reported() {
    let _dog = scene::watch();
    scene::start("many in flight", []).applaud();
}

fn many_in_flight() {
    limit_descriptors(64);
    if geteuid().is_root() {
        // SAFETY: a system call on plain numbers, in a process that plays this scene alone. The raw call changes the
        // calling thread only, which is the one that sends.
        let code = unsafe { libc::syscall(libc::SYS_setresuid, 54321, 54321, 54321) };
        assert_eq!(code, 0);
    }
    let (one, other) = SeqPacket::pair().unwrap();
    let fds = [one.as_fd(); 16];
    let refused = (0..64).find_map(|_| one.send(b"many", &fds).err());

    assert_eq!(refused, Some(SendError::TooManyInFlight));
    while other.recv(&mut [0; 8]).is_ok() {}
    one.send(b"few", &fds[..1]).unwrap();
}

/// Goal: a dead peer is an error, not SIGPIPE. Method: a process in which that signal kills. (Today's kernels raise none for
/// this kind of socket, whatever the flags.)
#[test]
fn no_send_raises_a_signal() {
    let _dog = scene::watch();
    scene::start("deadly pipes", []).applaud();
}

fn deadly_pipes() {
    // SAFETY: restores the default; nothing else in this process depends on it.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let (one, other) = SeqPacket::pair().unwrap();
    drop(other);

    assert_eq!(one.send(b"hello?", &[]), Err(SendError::Closed));
}

fn text(socket: &SeqPacket) -> String {
    let mut buffer = [0; 64];
    let received = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..received.len].to_vec()).unwrap()
}

fn lowest_free() -> u64 {
    let probe: OwnedFd = File::open("/dev/null").unwrap().into();
    u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&probe)).unwrap()
}

fn limit_descriptors(count: u64) {
    let limit = Rlimit {
        current: Some(count),
        ..getrlimit(Resource::Nofile)
    };
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// A directory that goes with the test.
struct Dir {
    path: PathBuf,
    fd: File,
}

impl Dir {
    fn new() -> Self {
        static COUNT: AtomicU16 = AtomicU16::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("ringway-socket-{}-{count}", process::id()));
        DirBuilder::new().mode(0o700).create(&path).unwrap();
        let fd = File::open(Path::new(&path)).unwrap();
        Self { path, fd }
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
