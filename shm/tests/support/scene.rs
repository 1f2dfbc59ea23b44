//! Plays scenes in other processes: the test binary again, told by a variable which scene, holding descriptors it was given.
//!
//! A test file names its scenes in one `#[test] fn scene()`, which does nothing unless this process is an actor. An actor
//! that fails an assertion ends with a code other than 0; one whose test fails is killed.
#![allow(
    dead_code,
    unsafe_code,
    reason = "each test file uses a part; an actor owns the descriptors that it was given"
)]

use std::env;
use std::fs::{self, File};
use std::ops::Deref;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::process::abort;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use ringway_shm::sys::epoll::{Epoll, Interest};
use ringway_shm::sys::launch::{Child, Command, Standard};
use ringway_shm::sys::process::ExitStatus;
use ringway_shm::sys::socket::SeqPacket;

const SCENE: &str = "RINGWAY_SCENE";
const PROPS: &str = "RINGWAY_PROPS";

/// Longer than any scene takes on a loaded machine; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// In an actor: plays its scene. Elsewhere: does nothing.
pub(crate) fn play(scenes: &[(&str, fn())]) {
    let Ok(name) = env::var(SCENE) else { return };
    let _dog = watch();
    let (_, scene) = scenes
        .iter()
        .find(|(scene, _)| *scene == name)
        .unwrap_or_else(|| panic!("no scene {name}"));
    scene();
}

/// Starts an actor for `scene`, which takes over `props`.
pub(crate) fn start(scene: &str, props: impl IntoIterator<Item = OwnedFd>) -> Actor {
    Actor(command(scene, props).spawn().unwrap())
}

/// What starts an actor, for tests that add to it.
pub(crate) fn command(scene: &str, props: impl IntoIterator<Item = OwnedFd>) -> Command {
    let mut command = Command::own_executable();
    let numbers: Vec<String> = props
        .into_iter()
        .map(|fd| command.keep(fd).unwrap().to_string())
        .collect();
    command
        .arg("--exact")
        .arg("scene")
        .arg("--nocapture")
        .arg("--quiet");
    let nowhere = File::options().write(true).open("/dev/null").unwrap();
    command.standard(Standard::Output, nowhere.into()).unwrap();
    command.env(SCENE, scene).env(PROPS, numbers.join(","));
    command
}

/// In an actor: the descriptors that it was given, in order. To be called once.
pub(crate) fn props<const N: usize>() -> [OwnedFd; N] {
    let numbers = env::var(PROPS).unwrap();
    let numbers: Vec<RawFd> = numbers
        .split(',')
        .map(|number| number.parse().unwrap())
        .collect();
    let numbers: [RawFd; N] = numbers.try_into().unwrap();
    // SAFETY: the starter kept these numbers open for us alone, and this is called once.
    numbers.map(|number| unsafe { OwnedFd::from_raw_fd(number) })
}

/// A process playing a scene; killed and waited for when dropped.
pub(crate) struct Actor(pub(crate) Child);

impl Actor {
    /// Waits for the end of the scene, and demands that it went well.
    pub(crate) fn applaud(self) {
        assert_eq!(
            self.0.wait().unwrap(),
            ExitStatus::Code(0),
            "the scene failed: see above"
        );
    }
}

impl Deref for Actor {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // Errors mean that it was waited for already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for a message, which must be `text`, and returns the descriptors that came with it.
pub(crate) fn receive(socket: &SeqPacket, text: &str) -> Vec<OwnedFd> {
    await_readable(socket);
    let mut buffer = [0; 64];
    let received = socket.recv(&mut buffer).unwrap();
    assert_eq!(std::str::from_utf8(&buffer[..received.len]).unwrap(), text);
    received.fds
}

/// Removes a file when dropped.
pub(crate) struct Removed(pub(crate) PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Waits, as long as the watchdog lets us, until `fd` is readable.
pub(crate) fn await_readable(fd: impl AsFd) {
    let set = Epoll::create().unwrap();
    set.add(fd, 0, Interest::Read).unwrap();
    set.wait(&mut Vec::new(), None).unwrap();
}

/// Ends this process, loudly, unless the returned guard is dropped in time.
pub(crate) fn watch() -> Watchdog {
    let (guard, dropped) = channel();
    thread::spawn(move || {
        if dropped.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            eprintln!("watchdog: no end after {PATIENCE:?}");
            abort();
        }
    });
    Watchdog(guard)
}

/// Dropped at the end of what is watched.
pub(crate) struct Watchdog(#[expect(dead_code, reason = "its drop is the message")] Sender<()>);
