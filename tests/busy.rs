//! A busy pair of nodes makes no system call, neither for asks nor for their replies.
#![allow(
    clippy::unwrap_used,
    reason = "a test says by panicking what went wrong"
)]

#[path = "../shm/tests/support/scene.rs"]
mod scene;
mod support;
#[path = "../shm/tests/support/trace.rs"]
mod trace;

use std::os::fd::AsFd;

use ringway::prelude::*;
use ringway_shm::sys::socket::SeqPacket;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use support::Bus;

/// Asks between two marks.
const ASKS: u64 = 20;
/// Stretches of so many asks. Both sides sleep when the other gets no processor for a while, which costs calls; but not
/// in every stretch.
const STRETCHES: u64 = 500;
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
struct Echo;

impl Handler<Number> for Echo {
    async fn handle(&mut self, number: Number, _cx: &mut Context<Self>) -> u64 {
        number.value
    }
}

impl Handler<Mark> for Echo {
    async fn handle(&mut self, mark: Mark, _cx: &mut Context<Self>) {
        if mark.begins == 1 {
            trace::begin();
        } else {
            trace::end();
        }
    }
}

// Goal: while both nodes are awake, an ask and its reply cost no system call on either side. Method: two processes under
// trace, each driven by its own thread; were there a call per ask, no stretch would be without.
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
    for actor in [&asks, &answers] {
        let process = actor.pid().as_raw_nonzero().get();
        let own = || stretches.iter().filter(|it| it.process == process);
        assert_eq!(own().filter(|it| it.is_whole).count() as u64, STRETCHES);
        let silent = own().filter(|it| it.calls.is_empty()).count();
        println!("{silent} of {STRETCHES} stretches of {ASKS} asks without a call");
        assert!(silent > 0, "calls in every stretch: {stretches:?}");
    }
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
    let echo = node.actor(Echo).name("echo").spawn().unwrap();
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
    for _ in 0..STRETCHES {
        (0..ASKS).for_each(ask); // until both are awake
        mark(1);
        trace::marked(|| (0..ASKS).for_each(ask));
        mark(0);
    }
    echo.stop();
    node.run_until(echo.closed());
}
