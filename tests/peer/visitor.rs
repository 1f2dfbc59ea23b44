//! A visitor: it attaches when it is told to, as poor in descriptors or rights as it is told to be, and answers each line
//! on its input with one on its output.

use std::error::Error;
use std::fs::File;
use std::io::stdin;
use std::os::fd::{AsFd, BorrowedFd};

use ringway::prelude::*;
use ringway_shm::sys::socket::{FDS_MAX, SendError, SeqPacket};
use rustix::process::{
    DumpableBehavior, Gid, Resource, Rlimit, Uid, getgid, getrlimit, getuid, set_dumpable_behavior,
    setrlimit,
};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};

use crate::crowd::{Echo, Mouth};

/// Descriptors that a poor visitor may have besides those that it has: more than a node needs.
const SPARE: u64 = 64;

/// Becomes another user, for good, before there is a second thread.
pub(crate) fn become_user(uid: u32) {
    set_thread_groups(&[]).expect("root");
    set_thread_gid(Gid::from_raw(uid)).expect("root");
    set_thread_uid(Uid::from_raw(uid)).expect("root");
    // As if another program had been started as that user: its own `/proc` is its own again.
    set_dumpable_behavior(DumpableBehavior::Dumpable).expect("no root");
    assert_eq!((getuid().as_raw(), getgid().as_raw()), (uid, uid));
}

/// What the visitor has.
#[derive(Default)]
struct Visitor {
    config: Option<NodeConfig>,
    node: Option<Node>,
    /// Open for nothing.
    files: Vec<File>,
    /// With descriptors on their way that nobody takes.
    sockets: Vec<(SeqPacket, SeqPacket)>,
}

/// Does what it is told until its input ends.
pub(crate) fn play() {
    let mut visitor = Visitor::default();
    for line in stdin().lines() {
        let line = line.expect("text");
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        println!("{}", visitor.obey(verb, rest));
    }
}

impl Visitor {
    fn obey(&mut self, verb: &str, rest: &str) -> String {
        match verb {
            "bus" => self.config = Some(NodeConfig::on(rest)),
            "named" => self.config = Some(self.config().named(rest)),
            "attach" => match Node::attach(self.config()) {
                Ok(node) => self.node = Some(node),
                Err(error) => return text_of(&error),
            },
            "serve" => drop(
                self.node()
                    .actor(Mouth)
                    .name(rest)
                    .spawn()
                    .expect("spawned"),
            ),
            "look" => return self.look(rest),
            "fill" => self.fill(),
            "free" => self.files.clear(),
            "attach-with-few" => return self.attach_with_few(),
            "limit-threads" => limit_threads(rest.parse().expect("a number")),
            "threads" => return count_threads().to_string(),
            "hoard" => return self.hoard(),
            "let-go" => self.sockets.clear(),
            other => panic!("no verb {other:?}"),
        }
        "done".to_owned()
    }

    fn config(&self) -> NodeConfig {
        self.config
            .clone()
            .unwrap_or_else(|| NodeConfig::on("test"))
    }

    fn node(&self) -> &Node {
        self.node.as_ref().expect("attached")
    }

    /// Looks a name up for as long as the first word says, in milliseconds, and asks who has it.
    fn look(&self, words: &str) -> String {
        let (within, name) = words.split_once(' ').expect("a time and a name");
        let within = ms(within.parse().expect("a number"));
        let found: Result<Recipient<Echo>, _> = self.node().lookup(name).within(within).wait();
        match found {
            Ok(mouth) => format!("{:?}", mouth.ask(Echo { number: 7 }).wait()),
            Err(error) => text_of(&error),
        }
    }

    /// Lowers the limit of open files, the hard one too, and opens files until it is reached.
    fn fill(&mut self) {
        limit_files(open_files() + SPARE);
        self.files = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    }

    /// Attaches with no descriptor left, then with one, two, and so on until that is enough. Each failure must say what is
    /// short and leave nothing behind.
    fn attach_with_few(&mut self) -> String {
        self.obey("attach", "");
        self.node = None; // the bus is there, and what a process opens once, as for random numbers
        let expected = |limit| {
            format!(
                "this process has too many open files for a node, which needs some ten and as many for each peer: \
                 its limit (RLIMIT_NOFILE, `ulimit -Hn`) is {limit}: "
            )
        };
        let open = open_files();
        let limit = open + SPARE;
        self.fill();
        let mut said = Vec::new();
        loop {
            match Node::attach(self.config()) {
                Ok(_) => break,
                Err(error) => {
                    assert!(
                        matches!(error, AttachError::TooManyFiles { .. }),
                        "{error:?}"
                    );
                    let text = text_of(&error);
                    let reason = text
                        .strip_prefix(&expected(limit))
                        .unwrap_or_else(|| panic!("{text}"));
                    assert!(
                        reason.ends_with("Too many open files (os error 24)"),
                        "{reason}"
                    );
                    if said.last().is_none_or(|last| last != reason) {
                        said.push(reason.to_owned());
                    }
                }
            }
            self.files.pop().expect("enough for a node");
            await_single_thread();
            assert_eq!(
                open_files(),
                open + self.files.len() as u64,
                "after {said:#?}"
            );
        }
        self.files.clear();
        said.join(" | ")
    }

    /// Sends so many descriptors, which nobody takes, that its user may send no more.
    fn hoard(&mut self) -> String {
        let limit = open_files() + SPARE;
        assert!(limit < FDS_MAX as u64);
        limit_files(limit);
        let null = File::open("/dev/null").expect("there");
        let (one, other) = SeqPacket::pair().expect("descriptors");
        let many: Vec<BorrowedFd<'_>> = std::iter::repeat_n(null.as_fd(), FDS_MAX).collect();
        // The kernel looks at what is under way already, so one message may go beyond the limit.
        one.send(b"x", &many).expect("sent");
        let more = one.send(b"x", &many);
        self.sockets.push((one, other));
        match more {
            Err(SendError::TooManyInFlight) => "done".to_owned(),
            other => format!("this process may send any number of descriptors: {other:?}"),
        }
    }
}

fn limit_files(limit: u64) {
    let limit = Some(limit);
    let limits = Rlimit {
        current: limit,
        maximum: limit,
    };
    setrlimit(Resource::Nofile, limits).expect("lower than before");
    assert_eq!(getrlimit(Resource::Nofile).current, limit);
}

/// Lowers the limit of the user's threads, or raises it again.
fn limit_threads(current: u64) {
    let limits = Rlimit {
        current: Some(current),
        ..getrlimit(Resource::Nproc)
    };
    setrlimit(Resource::Nproc, limits).expect("within the hard limit");
}

fn open_files() -> u64 {
    // The listing's own is among them.
    std::fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64 - 1)
}

/// Waits, under the test's watchdog, until the kernel lists this thread alone: it does so a little after a join.
fn await_single_thread() {
    while count_threads() > 1 {
        std::thread::yield_now();
    }
}

fn count_threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("there").count()
}

/// An error with its causes.
fn text_of(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
