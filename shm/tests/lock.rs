//! Byte locks: who excludes whom, and that the dead hold nothing.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]

#[path = "support/scene.rs"]
mod scene;

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::{env, process};

use ringway_shm::sys::eventfd::Eventfd;
use ringway_shm::sys::lock::{LockByte, LockFile};
use ringway_shm::sys::socket::SeqPacket;
use rustix::fs::Mode;

const BYTE: LockByte = LockByte::new(0x1234_5678_9ABC_DEF0);

#[test]
fn scene() {
    scene::play(&[("hold", hold)]);
}

#[test]
fn one_open_file_excludes_another() {
    let file = Shared::new();
    let (one, other) = (file.open(), file.open());

    assert!(one.try_lock(BYTE).unwrap());
    assert!(!other.try_lock(BYTE).unwrap());
    assert!(other.is_locked_elsewhere(BYTE).unwrap());
    assert!(
        !one.is_locked_elsewhere(BYTE).unwrap(),
        "its own does not show"
    );
    assert!(one.try_lock(BYTE).unwrap(), "its own does not exclude");

    one.unlock(BYTE).unwrap();
    assert!(!other.is_locked_elsewhere(BYTE).unwrap());
    assert!(other.try_lock(BYTE).unwrap());
}

#[test]
fn only_the_byte_is_locked() {
    let file = Shared::new();
    let (one, other) = (file.open(), file.open());
    let (last, first) = (LockByte::new(u64::MAX), LockByte::new(0));
    assert_eq!(last, LockByte::new(u64::MAX >> 1), "63 bits");

    for byte in [first, BYTE, last] {
        assert!(one.try_lock(byte).unwrap());
    }

    for free in [
        1,
        0x1234_5678_9ABC_DEEF,
        0x1234_5678_9ABC_DEF1,
        (u64::MAX >> 1) - 1,
    ] {
        assert!(other.try_lock(LockByte::new(free)).unwrap(), "{free:#x}");
    }
    assert!(!other.try_lock(first).unwrap());
    assert!(!other.try_lock(last).unwrap());
    assert_eq!(
        fs::metadata(&file.0).unwrap().len(),
        0,
        "the file stays empty"
    );
}

/// Goal: no lock is lost by accident, as POSIX locks are when any descriptor of the file is closed.
#[test]
fn closing_another_descriptor_keeps_the_lock() {
    let file = Shared::new();
    let (one, other) = (file.open(), file.open());
    assert!(one.try_lock(BYTE).unwrap());

    drop(File::open(&file.0).unwrap());
    drop(one.as_fd().try_clone_to_owned().unwrap());

    assert!(!other.try_lock(BYTE).unwrap());
}

/// Goal: the kernel gives back what the dead held. Method: an actor locks, says so, and is killed.
#[test]
fn death_unlocks() {
    let _dog = scene::watch();
    let file = Shared::new();
    let (one, other) = SeqPacket::pair().unwrap();
    let dir = File::open(file.0.parent().unwrap()).unwrap();
    let mut command = scene::command(
        "hold",
        [dir.into(), other.as_fd().try_clone_to_owned().unwrap()],
    );
    command.env("RINGWAY_LOCK", file.0.file_name().unwrap());
    let actor = scene::Actor(command.spawn().unwrap());
    scene::await_readable(&one);
    let here = file.open();
    assert!(!here.try_lock(BYTE).unwrap());

    actor.kill().unwrap();
    actor.wait().unwrap();

    assert!(here.try_lock(BYTE).unwrap());
}

fn hold() {
    let [dir, to_test] = scene::props();
    let name = env::var("RINGWAY_LOCK").unwrap();
    let file = LockFile::open(&dir, &name, Mode::RUSR | Mode::WUSR).unwrap();
    assert!(file.try_lock(BYTE).unwrap());
    SeqPacket::from(to_test).send(b"locked", &[]).unwrap();
    // Holds it until killed.
    scene::await_readable(Eventfd::create().unwrap());
}

#[test]
fn a_symbolic_link_is_refused() {
    let file = Shared::new();
    let link = file.0.with_extension("link");
    let _removed = scene::Removed(link.clone());
    std::os::unix::fs::symlink(&file.0, &link).unwrap();
    let dir = File::open(link.parent().unwrap()).unwrap();

    let refused = LockFile::open(
        &dir,
        link.file_name().unwrap().to_str().unwrap(),
        Mode::RUSR,
    )
    .unwrap_err();

    assert_eq!(
        (refused.call(), refused.errno()),
        ("openat", rustix::io::Errno::LOOP)
    );
}

/// A lock file that goes with the test.
struct Shared(PathBuf);

impl Shared {
    fn new() -> Self {
        static COUNT: AtomicU16 = AtomicU16::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(env::temp_dir().join(format!("ringway-lock-{}-{count}", process::id())))
    }

    fn open(&self) -> LockFile {
        let dir = File::open(self.0.parent().unwrap()).unwrap();
        assert!(dir.as_raw_fd() > 2);
        LockFile::open(
            &dir,
            self.0.file_name().unwrap().to_str().unwrap(),
            Mode::RUSR | Mode::WUSR,
        )
        .unwrap()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
