//! A busy pair of nodes makes no system call, neither for asks nor for their replies; only giving way, sleeping and waking takes
//! any.
#![allow(
    clippy::unwrap_used,
    reason = "a test says by panicking what went wrong"
)]

#[path = "../shm/tests/support/scene.rs"]
mod scene;
mod support;
#[path = "../shm/tests/support/trace.rs"]
mod trace;

use std::fs;
use std::os::fd::AsFd;
use std::path::PathBuf;

use ringway::prelude::*;
use ringway_shm::card::{Counter, PeerCard};
use ringway_shm::segment::PeerSegment;
use ringway_shm::sys::socket::SeqPacket;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use support::Bus;
use trace::Stretch;

/// Asks between two marks.
const ASKS: u64 = 20;
/// Stretches of so many asks.
const STRETCHES: usize = 500;
/// The variable that tells an actor its processor.
const PROCESSOR: &str = "RINGWAY_TEST_PROCESSOR";

#[test]
fn scene() {
    scene::play(&[("asks", asks), ("answers", answers)]);
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Number {
    value: u64,
}

/// Begins a stretch of the answering thread, or ends it.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Mark {
    begins: u64,
}

#[derive(Actor)]
#[actor(handles(Number, Mark))]
struct Echo {
    sleeps: Sleeps,
}

impl Handler<Number> for Echo {
    async fn handle(&mut self, number: Number, _cx: &mut Context<Self>) -> u64 {
        number.value
    }
}

impl Handler<Mark> for Echo {
    async fn handle(&mut self, mark: Mark, _cx: &mut Context<Self>) {
        if mark.begins == 1 {
            trace::begin_noting(self.sleeps.count());
        } else {
            trace::end_noting(self.sleeps.count());
        }
    }
}

/// How often a node of this process has slept, as its card tells everybody: read without a call.
struct Sleeps(PeerCard);

impl Sleeps {
    fn of(node: &str) -> Self {
        let files = fs::read_dir("/proc/self/fd").unwrap();
        let files = files.map(|file| file.unwrap().path());
        let is_card = |path: &PathBuf| {
            // The descriptor of the listing itself is gone.
            let target = fs::read_link(path).unwrap_or_default();
            target.to_string_lossy().starts_with("/memfd:ringway-card")
        };
        // A copy of the descriptor: what is opened anew is no memory file that a peer would map.
        let this = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
        let cards = files.filter(is_card).map(|path| {
            let number = path.file_name().unwrap().to_str().unwrap();
            let number: i32 = number.parse().unwrap();
            let card = pidfd_getfd(&this, number, PidfdGetfdFlags::empty()).unwrap();
            let len = fs::metadata(path).unwrap().len();
            let segment = PeerSegment::map(card, len).unwrap();
            PeerCard::open(segment.region()).unwrap()
        });
        let mut own = cards.filter(|card| card.identity().name == *node);
        Self(own.next().expect("attached"))
    }

    fn count(&self) -> u64 {
        self.0.counter(Counter::Sleeps)
    }
}

/// What the calls of a stretch were for.
#[derive(Debug, Default)]
struct Calls {
    /// Waits for bells.
    waits: u64,
    /// Bells cleared, or found silent.
    clears: u64,
    /// Bells rung.
    rings: u64,
}

impl Calls {
    /// Nothing but sleeping and waking takes a call, and giving way of one who finds nothing for some microseconds.
    fn of(stretch: &Stretch) -> Self {
        let mut calls = Self::default();
        for call in &stretch.calls {
            match *call {
                libc::SYS_epoll_pwait | libc::SYS_epoll_pwait2 => calls.waits += 1,
                libc::SYS_read => calls.clears += 1,
                libc::SYS_write => calls.rings += 1,
                libc::SYS_sched_yield => {}
                other => panic!("call {other} has no place in a busy pair: {stretch:?}"),
            }
        }
        calls
    }

    /// No more than so many sleeps of this side and of the other account for: one who sleeps waits once and clears its own
    /// bell and its peer's, and is rung once by its peer.
    fn assert_due(&self, own: u64, others: u64) {
        let is_due = self.waits <= own && self.clears <= 2 * own && self.rings <= others;
        assert!(is_due, "{self:?} with {own} sleeps, {others} of the other");
    }
}

fn sleeps(stretch: &Stretch) -> u64 {
    stretch.notes[1] - stretch.notes[0]
}

// Goal: an ask and its reply cost no system call. All there are put a side to sleep that has waited for long, wake it, or give its
// processor away before that: so none at all while neither waits for long, which is up to who else wants the processors. Method: two processes under trace, each
// driven by its own thread, and the sleeps that they count. A stretch of the asker's lies within one of the answerer's, and
// its sleeps are counted from before that began: so each call falls into the time of the sleep that it is due to.
#[test]
fn a_busy_pair_makes_no_call() {
    let _dog = scene::watch();
    let bus = Bus::new("busy");
    let allowed = sched_getaffinity(None).unwrap();
    let mut processors = (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number));
    let (Some(one), Some(other)) = (processors.next(), processors.next()) else {
        println!("not run: both sides spin, and need a processor each");
        return;
    };
    let start = |scene, processor: usize| {
        let (gate, theirs) = SeqPacket::pair().unwrap();
        let mut command = scene::command(scene, [theirs.as_fd().try_clone_to_owned().unwrap()]);
        command.env("RINGWAY_DIR", bus.directory());
        command.env(PROCESSOR, processor.to_string());
        let actor = scene::Actor(command.spawn().unwrap());
        scene::await_readable(&gate);
        (gate, actor)
    };
    let (_gate, answers) = start("answers", one);
    let (gate, asks) = start("asks", other);
    let Some(tracer) = trace::Tracer::attach(&[&asks, &answers]) else {
        return;
    };
    gate.send(b"open", &[]).unwrap();
    let stretches = tracer.run();
    let [asks, answers] = [&asks, &answers].map(|actor| {
        let process = actor.pid().as_raw_nonzero().get();
        let own = stretches.iter().filter(|it| it.process == process);
        own.filter(|it| it.is_whole).collect::<Vec<_>>()
    });
    assert_eq!([asks.len(), answers.len()], [STRETCHES; 2]);
    let (mut silent, mut all) = (0, 0);
    for (ask, answer) in asks.into_iter().zip(answers) {
        Calls::of(ask).assert_due(sleeps(ask), sleeps(answer));
        Calls::of(answer).assert_due(sleeps(answer), sleeps(ask));
        silent += usize::from(ask.calls.is_empty() && answer.calls.is_empty());
        all += sleeps(ask) + sleeps(answer);
    }
    println!(
        "{silent} of {STRETCHES} stretches of {ASKS} asks without a call; {all} sleeps in all"
    );
    assert!(silent > 0, "calls in every stretch: {stretches:?}");
}

/// Attaches a node on the processor that this actor was given.
fn attach(name: &str) -> Node {
    let mut only = CpuSet::new();
    only.set(std::env::var(PROCESSOR).unwrap().parse().unwrap());
    sched_setaffinity(None, &only).unwrap();
    Node::attach(NodeConfig::on("test").named(name).workers(Workers::Caller)).unwrap()
}

fn gate() -> SeqPacket {
    let [gate] = scene::props();
    let gate = SeqPacket::from(gate);
    gate.send(b"here", &[]).unwrap();
    gate
}

fn answers() {
    let node = attach("answers");
    let sleeps = Sleeps::of("answers");
    let echo = node.actor(Echo { sleeps }).name("echo").spawn();
    let echo = echo.unwrap();
    let _gate = gate();
    node.run_until(echo.closed());
}

fn asks() {
    let node = attach("asks");
    let echo: Addr<Echo> = node.run_until(async { node.lookup("echo").await }).unwrap();
    let gate = gate();
    scene::await_readable(&gate);
    let ask = |value| {
        assert_eq!(
            node.run_until(async { echo.ask(Number { value }).await.unwrap() }),
            value
        )
    };
    let mark = |begins| node.run_until(async { echo.ask(Mark { begins }).await.unwrap() });
    let sleeps = Sleeps::of("asks");
    for _ in 0..STRETCHES {
        (0..ASKS).for_each(ask); // until both are awake
        let before = sleeps.count();
        mark(1);
        trace::begin_noting(before);
        (0..ASKS).for_each(ask);
        trace::end_noting(sleeps.count());
        mark(0);
    }
    echo.stop();
    node.run_until(echo.closed());
}
