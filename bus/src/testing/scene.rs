//! Processes that play a scene: this test program again, told by its environment which one, led by lines on its pipes.
//!
//! The child does what a line on its standard input asks and answers with a line that starts with `@`. It ends when its
//! input does, and is killed and waited for when its handle is dropped.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use ringway_shm::generation::Key;
use ringway_shm::registry::Kind;
use ringway_shm::sys::process::{Pid, Signal, die_with_parent};
use ringway_shm::sys::socket::{RecvError, SeqPacket};
use rustix::process::{WaitId, WaitIdOptions, kill_process, waitid};

use super::{Notice, Notices, TempDir, TestNode};
use crate::access::Access;
use crate::config::NodeConfig;
use crate::control::Core;
use crate::frame::{FRAME_MAX, Frame};
use crate::names::Wanted;
use crate::peering::NodeId;

const DIRECTORY: &str = "RINGWAY_TEST_DIRECTORY";
const PARENT: &str = "RINGWAY_TEST_PARENT";

/// A child process, attached as the node `child`.
#[derive(Debug)]
pub(crate) struct Scene {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Scene {
    /// Starts a process that attaches to the bus of `temp`, and waits until it has.
    pub(crate) fn attach(temp: &TempDir) -> (Self, NodeId) {
        let mut scene = Self::start(temp, |_| {});
        let id = scene.ask("attach");
        let id = NodeId::parse(&id).unwrap_or_else(|| panic!("not attached: {id}"));
        (scene, id)
    }

    /// Starts a process that waits to be told what to do.
    pub(crate) fn start(temp: &TempDir, adjust: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([
                "--exact",
                "testing::scene::child",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(DIRECTORY, temp.path())
            .env(PARENT, std::process::id().to_string())
            .env_remove("RINGWAY_ROLE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        adjust(&mut command);
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        Self {
            child,
            input,
            output: BufReader::new(output),
        }
    }

    /// Says a line and returns the answer.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
        loop {
            let mut answer = String::new();
            let read = self.output.read_line(&mut answer).unwrap();
            assert!(read > 0, "the child ended instead of answering {line:?}");
            // The test harness prints on the same line.
            if let Some((_, answer)) = answer.trim_end().split_once('@') {
                return answer.to_owned();
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Stops the process, and waits until it has stopped.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        let stopped = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.pid()), stopped).unwrap();
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child's side; nothing in the parent.
#[test]
fn child() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let parent = std::env::var(PARENT).unwrap().parse().unwrap();
    if die_with_parent(Signal::KILL, Pid::from_raw(parent).unwrap()).is_err() {
        return;
    }
    let config = NodeConfig::on("test")
        .named("child")
        .directory(PathBuf::from(directory).join("root"));
    let mut node = None;
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match verb {
            "attach" => {
                let attached = TestNode::attach_with(config.clone());
                println!("@{}", attached.id());
                node = Some(attached);
            }
            "try-attach" => try_attach(config.clone(), &mut node),
            "try-attach-trusting" => {
                let own_group = rustix::process::getegid().as_raw();
                let access = Access::same_user()
                    .user(rest.parse().unwrap())
                    .group(own_group);
                try_attach(config.clone().access(access), &mut node);
            }
            "connect" => println!("@{}", refusal_of(&config, rest)),
            "detach" => {
                node = None;
                println!("@detached");
            }
            _ => play(verb, rest, node.as_ref().unwrap()),
        }
    }
}

fn try_attach(config: NodeConfig, node: &mut Option<TestNode>) {
    let notices = Arc::new(Notices::default());
    match Core::attach(config, notices.clone(), |_| {}) {
        Ok(core) => {
            println!("@{}", core.id());
            *node = Some(TestNode { core, notices });
        }
        Err(error) => println!("@{error}"),
    }
}

/// Connects to a node and returns its reason for hanging up.
fn refusal_of(config: &NodeConfig, id: &str) -> String {
    let bus = config.explicit_directory().unwrap().join(config.bus());
    let directory = rustix::fs::openat(
        rustix::fs::CWD,
        &bus,
        rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    );
    let socket = SeqPacket::connect(directory.unwrap(), id).unwrap();
    let mut buffer = [0; FRAME_MAX];
    loop {
        match socket.recv(&mut buffer) {
            Ok(received) => match Frame::decode(&buffer[..received.len]) {
                Ok(Frame::Refuse(refusal)) => return refusal.to_string(),
                other => return format!("{other:?}"),
            },
            Err(RecvError::WouldBlock) => std::thread::yield_now(),
            Err(RecvError::Reset) => {}
            Err(error) => return error.to_string(),
        }
    }
}

fn play(verb: &str, rest: &str, node: &TestNode) {
    let core = &node.core;
    match verb {
        "claim" => {
            let wanted = Wanted {
                name: rest,
                kind: Kind::Actor,
                type_hash: 7,
            };
            match core.claim(wanted, |_| {}) {
                Ok(key) => println!("@claimed {key}"),
                Err(error) => println!("@{error}"),
            }
        }
        "meet" => {
            node.meet(NodeId::parse(rest).unwrap());
            println!("@met");
        }
        // Becomes another program, which keeps the process and closes its descriptors.
        "become" => panic!(
            "{}",
            Command::new(rest).arg("1000").stdout(Stdio::null()).exec()
        ),
        // Closes every descriptor but the standard ones, then reads the peer's heap as told.
        "close-and-read" => {
            let peer = core.peers().pop().unwrap();
            let key = node
                .notices
                .all()
                .into_iter()
                .find_map(|notice| match notice {
                    Notice::Frame(_, frame) => frame.decode::<u64>().ok(),
                    _ => None,
                });
            let key = Key::from_bits(key.unwrap()).unwrap();
            let segment = peer.heap_segment(key).unwrap();
            close_all();
            println!("@closed");
            let mut bytes = [0; 8];
            segment
                .region()
                .copy_to(rest.parse().unwrap(), &mut bytes)
                .unwrap();
            println!("@{}", u64::from_ne_bytes(bytes));
        }
        "await-frame" => {
            node.notices.wait_until("a frame", |heard| {
                heard
                    .iter()
                    .any(|notice| matches!(notice, Notice::Frame(..)))
            });
            println!("@heard");
        }
        other => panic!("no scene {other:?}"),
    }
}

#[allow(
    unsafe_code,
    reason = "a test closes descriptors under their owners, as daemonising libraries do"
)]
fn close_all() {
    for fd in 3..1024 {
        // SAFETY: not sound for the owners of the descriptors, whose calls fail from now on: this is the scene.
        unsafe { rustix::io::close(fd) };
    }
}
