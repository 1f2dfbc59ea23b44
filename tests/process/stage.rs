//! The stage on which the helper plays: a directory of its own, its processes, and their end.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use ringway_shm::sys::epoll::{Epoll, Interest};
use ringway_shm::sys::process::{Pid, Pidfd};

use super::support::Bus;

/// A directory for one test's bus, and for what else it needs.
pub(super) struct Stage(Bus);

impl Stage {
    pub(super) fn set() -> Self {
        let thread = thread::current();
        let bus = Bus::new(&thread.name().unwrap_or("test").replace("::", "-"));
        fs::create_dir(bus.directory()).unwrap();
        Self(bus)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.directory().join(name)
    }

    pub(super) fn command(&self, scene: &str, args: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_family")), scene, args)
    }

    pub(super) fn command_of(&self, program: &Path, scene: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .arg(scene)
            .args(args)
            .env("RINGWAY_DIR", self.path("buses"));
        command
    }

    /// Plays a scene to its end, which must be good, and returns what it printed.
    pub(super) fn play(&self, scene: &str, args: &[&str]) -> String {
        applaud(self.command(scene, args))
    }

    /// Starts a scene that prints the numbers of processes in its first line, and opens those.
    pub(super) fn start(&self, scene: &str) -> (Killed, Vec<Pidfd>) {
        let (parent, pidfds) = Self::started(self.command(scene, &[]));
        (parent.process, pidfds)
    }

    /// The same, of a program that is stopped by signals.
    pub(super) fn start_with_signals(&self, scene: &str) -> (Parent, Vec<Pidfd>) {
        let mut command = self.command(scene, &[]);
        command.env("RINGWAY_TEST_SIGNALS", "1");
        Self::started(command)
    }

    fn started(mut command: Command) -> (Parent, Vec<Pidfd>) {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Killed(command.spawn().unwrap());
        let mut said = BufReader::new(process.0.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let parent = Parent { process, said };
        let pids = line.split_whitespace();
        let pids = pids.map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap());
        (parent, pids.map(|pid| Pidfd::open(pid).unwrap()).collect())
    }

    pub(super) fn copy_of_family(&self) -> PathBuf {
        let copy = self.path("copy");
        fs::copy(env!("CARGO_BIN_EXE_family"), &copy).unwrap();
        copy
    }
}

/// A scene that has said its first line.
pub(super) struct Parent {
    pub(super) process: Killed,
    pub(super) said: BufReader<ChildStdout>,
}

pub(super) fn applaud(mut command: Command) -> String {
    let mut scene = Killed(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut said = String::new();
    scene
        .0
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(
        scene.0.wait().unwrap().success(),
        "the scene failed: see above"
    );
    said
}

/// A process that does not outlive its test.
pub(super) struct Killed(pub(super) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Errors mean that it was waited for already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn await_end(process: &Pidfd) {
    let set = Epoll::create().unwrap();
    set.add(process, 0, Interest::Read).unwrap();
    set.wait(&mut Vec::new(), None).unwrap();
    assert!(process.is_dead().unwrap());
}
