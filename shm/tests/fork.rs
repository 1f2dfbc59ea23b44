//! What a child that was forked without exec finds of its parent's: nothing, and errors instead of harm.
//!
//! The forked children run as little as possible before they leave, by a code that says which expectation failed: they are
//! children of a threaded process.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]
#![allow(unsafe_code, reason = "forks")]

#[path = "support/scene.rs"]
mod scene;

use std::env;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use ringway_shm::segment::{OwnSegment, PeerSegment, SegmentError};
use ringway_shm::sys::eventfd::Eventfd;
use ringway_shm::sys::fork::{self, GuardError, UsedAfterFork};
use ringway_shm::sys::launch::{Command, SpawnError};
use ringway_shm::sys::lock::{LockByte, LockFile};
use ringway_shm::sys::process::{ExitStatus, Pid, Pidfd};
use ringway_shm::sys::socket::{RecvError, SeqPacket};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Mode;
use rustix::io::write;
use rustix::pipe::{PipeFlags, pipe_with};

#[test]
fn scene() {
    scene::play(&[
        ("fork", fork_and_look),
        ("fork by hand", fork_by_hand),
        ("leave an heir", leave_an_heir),
    ]);
}

/// Goal: everything that a child could inherit is gone or refuses, and dropping it harms nobody. Method: fork with one
/// thing of each kind open; the child looks at each.
#[test]
fn a_forked_child_owns_nothing() {
    let _dog = scene::watch();
    scene::start("fork", []).applaud();
}

fn fork_and_look() {
    assert_eq!(fork::check(), Err(UsedAfterFork), "before the first guard");
    fork::guard().unwrap();
    fork::check().unwrap();
    let bell = Eventfd::create().unwrap();
    let number = bell.as_fd().as_raw_fd();
    let own = OwnSegment::create("forked", 4096).unwrap();
    let peer = PeerSegment::map(own.fd().try_clone_to_owned().unwrap(), 4096).unwrap();
    let place = own.region().as_ptr().as_ptr().cast_const();
    let (input, output) = pipe_with(PipeFlags::CLOEXEC).unwrap();

    let child = forked(|| {
        expect(1, fork::check() == Err(UsedAfterFork));
        expect(
            2,
            fork::guard() == Err(GuardError::UsedAfterFork(UsedAfterFork)),
        );
        expect(3, is_closed(number));
        // SAFETY: the kernel checks the address, which is what is asked.
        let read = unsafe { libc::write(output.as_raw_fd(), place.cast(), 1) };
        expect(4, read == -1);
        let refused = OwnSegment::create("child's", 4096).err();
        expect(
            5,
            refused == Some(SegmentError::UsedAfterFork(UsedAfterFork)),
        );
        expect(
            6,
            matches!(
                Command::own_executable().spawn(),
                Err(SpawnError::UsedAfterFork(_))
            ),
        );
        // The child's own things now have the numbers and addresses of what it did not inherit.
        let reused: OwnedFd = File::open("/dev/null").unwrap().into();
        expect(7, reused.as_raw_fd() == number);
        let reused_place = map_at(place);
        drop((bell, own, peer));
        expect(8, !is_closed(number));
        // SAFETY: mapped by `map_at`, if nobody unmapped it.
        let read = unsafe { libc::write(output.as_raw_fd(), reused_place.cast(), 1) };
        expect(9, read == 1);
        // A child of the child: the list is not left locked.
        let grandchild = forked(|| expect(1, fork::check().is_err()));
        expect(11, grandchild.wait() == Ok(ExitStatus::Code(0)));
    });

    assert_eq!(
        child.wait().unwrap(),
        ExitStatus::Code(0),
        "the code is the expectation that failed"
    );
    fork::check().unwrap();
    let bell = Eventfd::create().unwrap();
    bell.ring().unwrap();
    drop(input);
}

/// Goal: the mark works where no handler runs. Method: a raw system call makes the child.
#[test]
fn a_child_made_without_the_library_is_marked() {
    let _dog = scene::watch();
    scene::start("fork by hand", []).applaud();
}

fn fork_by_hand() {
    fork::guard().unwrap();
    // SAFETY: without flags this is fork; the child only loads a word and leaves.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    if pid == 0 {
        leave(i32::from(fork::check().is_ok()));
    }
    let child = Pidfd::open(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()).unwrap();
    assert_eq!(
        child.wait().unwrap(),
        ExitStatus::Code(0),
        "the mark was not wiped"
    );
    fork::check().unwrap();
}

/// Goal: a forked child does not keep its parent's locks and connections alive. Method: a parent forks and dies while its
/// child lives on.
#[test]
fn an_heir_holds_no_lock_and_no_connection() {
    let _dog = scene::watch();
    let (parents, to_parent) = SeqPacket::pair().unwrap();
    let (heirs, to_heir) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let path = env::temp_dir().join(format!("ringway-fork-{}", std::process::id()));
    let _removed = scene::Removed(path.clone());
    let dir: OwnedFd = File::open(path.parent().unwrap()).unwrap().into();
    let name = path.file_name().unwrap().to_str().unwrap();
    let file = LockFile::open(&dir, name, Mode::RUSR | Mode::WUSR).unwrap();
    let props = [
        to_parent.as_fd().try_clone_to_owned().unwrap(),
        to_heir,
        dir,
    ];
    let mut command = scene::command("leave an heir", props);
    command.env("RINGWAY_LOCK", name);
    drop(to_parent);

    let parent = scene::Actor(command.spawn().unwrap());
    scene::await_readable(&heirs); // The heir is there.
    assert_eq!(parents.recv(&mut [0; 8]).unwrap().len, 6, "locked");
    assert!(!file.try_lock(LockByte::new(7)).unwrap());
    parent.kill().unwrap();
    parent.wait().unwrap();

    assert!(
        file.try_lock(LockByte::new(7)).unwrap(),
        "the heir holds the lock"
    );
    assert_eq!(
        parents.recv(&mut [0; 8]).unwrap_err(),
        RecvError::Closed,
        "the heir holds the connection"
    );
    let mut heir = [0; 4];
    rustix::io::read(&heirs, &mut heir).unwrap();
    let heir = Pidfd::open(Pid::from_raw(i32::from_ne_bytes(heir)).unwrap()).unwrap();
    assert!(!heir.is_dead().unwrap(), "the heir lived all the while");
}

fn leave_an_heir() {
    let [to_test, heirs, dir] = scene::props();
    let to_test = SeqPacket::from(to_test);
    let name = env::var("RINGWAY_LOCK").unwrap();
    let file = LockFile::open(&dir, &name, Mode::RUSR | Mode::WUSR).unwrap();
    assert!(file.try_lock(LockByte::new(7)).unwrap());
    to_test.send(b"locked", &[]).unwrap();
    let _heir = forked_until(0, || {
        // SAFETY: asks for the number of this process.
        let pid = unsafe { libc::getpid() };
        write(&heirs, &pid.to_ne_bytes()).unwrap();
        // Lives until the test closes its end.
        let _ = poll(&mut [PollFd::new(&heirs, PollFlags::empty())], None);
    });
    scene::await_readable(Eventfd::create().unwrap());
}

/// Forks; the child runs `scene` and leaves with code 0. It is killed when the parent ends.
fn forked(scene: impl FnOnce()) -> Pidfd {
    forked_until(libc::SIGKILL, scene)
}

/// As `forked`; the parent's end sends `signal`, which may be none.
fn forked_until(signal: libc::c_int, scene: impl FnOnce()) -> Pidfd {
    // SAFETY: the child runs `scene` alone, which allocates at most (glibc keeps its allocator usable), and leaves without
    // running destructors or handlers of this process.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: asks for a signal when the forking thread ends; touches nothing else.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) };
        scene();
        leave(0);
    }
    Pidfd::open(Pid::from_raw(pid).unwrap()).unwrap()
}

fn expect(code: i32, fulfilled: bool) {
    if !fulfilled {
        leave(code);
    }
}

fn leave(code: i32) -> ! {
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(code) }
}

fn is_closed(number: i32) -> bool {
    // SAFETY: asks for a flag of whatever has that number.
    unsafe { libc::fcntl(number, libc::F_GETFD) == -1 }
}

/// Maps a new page exactly at `place`, which must be free.
fn map_at(place: *const u8) -> *const u8 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: refused, rather than replacing anything, when the place is taken.
    let mapped =
        unsafe { libc::mmap(place.cast_mut().cast(), 4096, libc::PROT_READ, flags, -1, 0) };
    expect(10, mapped.cast_const().cast() == place);
    mapped.cast_const().cast()
}
