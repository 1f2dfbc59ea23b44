//! Processes that play a scene: this test program again, told by its environment which one, led by lines on its pipes.
//!
//! The child does what a line on its standard input asks and answers with a line that starts with `@`. It ends when its
//! input does, and is killed and waited for when its handle is dropped.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

use ringway_shm::generation::Key;
use ringway_shm::registry::Kind;
use ringway_shm::sys::process::{Pid, Signal, die_with_parent};
use ringway_shm::sys::socket::{RecvError, SeqPacket};
use rustix::process::{
    Resource, Rlimit, WaitId, WaitIdOptions, getpid, getrlimit, kill_process, setrlimit, waitid,
};

use super::{Notice, Notices, TempDir, TestNode, WATCHDOG};
use crate::access::Access;
use crate::config::NodeConfig;
use crate::control::Core;
use crate::frame::{FRAME_MAX, Frame, UringFrame};
use crate::names::Wanted;
use crate::number::Number;
use crate::peering::NodeId;
use crate::peering::link::Flushed;

const DIRECTORY: &str = "RINGWAY_TEST_DIRECTORY";
const PARENT: &str = "RINGWAY_TEST_PARENT";

/// A child process, attached as the node `child`.
#[derive(Debug)]
pub(crate) struct Scene {
    child: Child,
    input: ChildStdin,
    answers: Receiver<String>,
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
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, answers) = mpsc::channel();
        std::thread::spawn(move || {
            // The test harness prints on the same lines. Ends with the child.
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            for line in lines {
                if let Some((_, answer)) = line.split_once('@') {
                    let _ = sender.send(answer.to_owned());
                }
            }
        });
        Self {
            child,
            input,
            answers,
        }
    }

    /// Says a line and returns the answer.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.hear()
    }

    /// Says a line to which there is no answer.
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// Returns the child's next answer.
    pub(crate) fn hear(&mut self) -> String {
        self.answers
            .recv_timeout(WATCHDOG)
            .expect("the child ended, or hangs")
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

    /// Waits until the process has ended by itself.
    pub(crate) fn wait(&mut self) {
        self.child.wait().unwrap();
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
    let (mut node, mut held) = (None, Vec::new());
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
            "fill-files" => {
                held = fill_files();
                println!("@{} files", held.len());
            }
            "free-files" => {
                held.clear();
                println!("@free");
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
        Err(error) => {
            let mut texts = vec![error.to_string()];
            let mut error: &dyn Error = &error;
            while let Some(cause) = error.source() {
                texts.push(cause.to_string());
                error = cause;
            }
            println!("@{}", texts.join(": "));
        }
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
                number: Number::FIRST,
                type_hash: 7,
            };
            match core.claim(wanted, || {}) {
                Ok(key) => println!("@claimed {key}"),
                Err(error) => println!("@{error}"),
            }
        }
        "find" => {
            println!(
                "@{}",
                if core.find(rest).is_some() {
                    "found"
                } else {
                    "nothing"
                }
            );
        }
        "await-name" => {
            node.notices.wait_until("the name", |_| node.knows(rest));
            println!("@found");
        }
        // As much as the kernel takes at once.
        "send-and-die" => {
            let peer = core.peers().pop().unwrap();
            let mut sent = 0_u64;
            while peer.send(UringFrame::encode(&sent).unwrap()).is_ok()
                && peer.link().flush() == Flushed::Empty
            {
                sent += 1;
            }
            println!("@{sent}");
            kill_process(getpid(), Signal::KILL).unwrap();
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

/// Fills the table of descriptors to the last place.
fn fill_files() -> Vec<File> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = Some(64 + std::fs::read_dir("/proc/self/fd").unwrap().count() as u64);
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

/// Closes every descriptor but the standard ones. Their numbers stay in use, for the peace of their owners.
#[allow(
    unsafe_code,
    reason = "closes descriptors under their owners, as daemonising libraries do"
)]
fn close_all() {
    let null = File::open("/dev/null").unwrap();
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .file_name()
                .to_str()
                .unwrap()
                .parse()
                .unwrap()
        })
        .filter(|fd| *fd > 2)
        .collect();
    for fd in open {
        // SAFETY: not sound for the owner of the descriptor, whose calls fail from now on: this is the scene. The
        // number stays open, and is closed by its owner alone.
        let mut fd = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(fd) });
        let _ = rustix::io::dup2(&null, &mut fd); // one of them was the listing's, and is closed
    }
}
