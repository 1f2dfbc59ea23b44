//! What is idle costs nothing: neither the asks of others, nor the processor's time.
#![allow(
    clippy::unwrap_used,
    reason = "a test says by panicking what went wrong"
)]

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use ringway::prelude::*;
use rustix::thread::{CpuSet, sched_getaffinity};

#[path = "peer/crowd.rs"]
#[allow(dead_code, reason = "the helper's half of it")]
mod crowd;
mod helper;
mod support;

use crowd::{BUSY, Echo, Mouth, idle, pin};
use helper::Helper;
use support::{Bus, watch};

/// Idle actors of the larger crowd, each with an open uring.
const IDLE: u32 = 1_000;
/// Asks of one turn.
const ASKS: usize = 200;
/// Turns of each crowd, one after the other.
const TURNS: u32 = 15;
/// Turns while the bound does not hold: another load, or the host, may have had a processor all the time until then.
const TURNS_MAX: u32 = 300;

/// A crowd in a process of its own, on a bus of its own, and this process's addresses of it.
struct Crowd {
    node: Node,
    busy: Addr<Mouth>,
    _idle: Vec<Addr<Mouth>>,
    helper: Helper,
    _bus: Bus,
}

impl Crowd {
    fn gather(count: u32, processor: usize) -> Self {
        let bus = Bus::new(&format!("idle-{count}"));
        let words = ["crowd", &count.to_string(), &processor.to_string()];
        let mut helper = Helper::start(&bus, &words);
        assert_eq!(helper.read_line(), "ready");
        let node = Node::attach(bus.config("asker").workers(Workers::Caller)).unwrap();
        let (busy, idle) = node.run_until(async {
            let busy: Addr<Mouth> = node.lookup(BUSY).await.unwrap();
            let mut all = Vec::new();
            for number in 0..count {
                let one: Addr<Mouth> = node.lookup(idle(number)).await.unwrap();
                assert_eq!(one.ask(Echo { number: 7 }).await.unwrap(), 7);
                all.push(one);
            }
            (busy, all)
        });
        Self {
            node,
            busy,
            _idle: idle,
            helper,
            _bus: bus,
        }
    }

    /// Asks the busy one, one ask at a time; the median of their times.
    fn turn(&self) -> Duration {
        let mut times = self.node.run_until(async {
            let mut times = Vec::with_capacity(ASKS);
            for number in 0..ASKS as u64 {
                let start = Instant::now();
                assert_eq!(self.busy.ask(Echo { number }).await.unwrap(), number);
                times.push(start.elapsed());
            }
            times
        });
        times.sort_unstable();
        times[ASKS / 2]
    }

    fn part(self) {
        self.busy.stop();
        self.node.run_until(self.busy.closed());
        drop(self.node);
        self.helper.end();
    }
}

// Goal: an ask costs the same beside 1,000 idle actors with open urings as alone. Method: two such processes are asked in
// turns, each side on a processor of its own, as both spin; of each crowd the best median counts, which no other load
// makes better. The bound is generous: were each idle
// uring looked at only once an ask, an ask would cost several times as much. (How many a pass looks at is counted in
// the driver's own test.)
#[test]
fn an_ask_beside_idle_actors() {
    let _dog = watch();
    let allowed = sched_getaffinity(None).unwrap();
    let mut processors = (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number));
    let (Some(own), Some(other)) = (processors.next(), processors.next()) else {
        println!("not run: both sides spin, and need a processor each");
        return;
    };
    pin(own);
    let (alone, beside) = (Crowd::gather(0, other), Crowd::gather(IDLE, other));
    let (mut alone_best, mut beside_best) = (alone.turn(), beside.turn());
    for turn in 1..TURNS_MAX {
        if turn >= TURNS && beside_best <= alone_best * 2 {
            break;
        }
        alone_best = alone_best.min(alone.turn());
        beside_best = beside_best.min(beside.turn());
    }
    println!("alone {alone_best:?}, beside {IDLE} idle ones {beside_best:?}");
    assert!(
        beside_best <= alone_best * 2,
        "{beside_best:?} beside {IDLE} idle actors, {alone_best:?} alone"
    );
    alone.part();
    beside.part();
}

// Goal: a sleeping node does not run while messages go elsewhere on its bus. Method: 1,000 asks between two other nodes,
// while the kernel counts how often the sleeper's threads ran; it may still be settling during the first rounds.
#[test]
fn a_sleeping_node_does_not_run() {
    const ROUNDS: u32 = 50;
    let _dog = watch();
    let bus = Bus::new("idle-sleeper");
    let mut sleeper = Helper::start(&bus, &["crowd", "10"]);
    assert_eq!(sleeper.read_line(), "ready");
    let (asker, home) = (bus.attach("asker"), bus.attach("home"));
    let _elsewhere = home.actor(Mouth).name("elsewhere").spawn().unwrap();
    block_on(async {
        let elsewhere: Addr<Mouth> = asker.lookup("elsewhere").await.unwrap();
        // Both know the sleeper, and have an open uring to it.
        let mut known = Vec::new();
        for node in [&asker, &home] {
            let busy: Addr<Mouth> = node.lookup(BUSY).await.unwrap();
            assert_eq!(busy.ask(Echo { number: 1 }).await.unwrap(), 1);
            known.push(busy);
        }
        let mut has_slept = false;
        for _ in 0..ROUNDS {
            let before = sleeper.runs();
            for number in 0..1_000 {
                assert_eq!(elsewhere.ask(Echo { number }).await.unwrap(), number);
            }
            has_slept = sleeper.runs() == before;
            if has_slept {
                break;
            }
        }
        assert!(has_slept, "it ran during each of {ROUNDS} rounds");
        known[0].stop();
        known[0].closed().await;
    });
    sleeper.end();
}

// Goal: while nothing is published nothing runs, however subscribers wait, with a publisher that waits for room beside them: no
// spinning, no polling. Method: the kernel's own count of how often each thread of both processes was given a processor, over five
// seconds; they may still be settling during the first of them.
#[test]
fn topics_without_samples_do_not_run() {
    const PERIOD: Duration = Duration::from_secs(5);
    const PERIODS: u32 = 12;
    let _dog = watch();
    let bus = Bus::new("idle-topics");
    let mut subscribers = Helper::start(&bus, &["quiet", "subscribers"]);
    assert_eq!(subscribers.read_line(), "subscribed");
    let mut publishers = Helper::start(&bus, &["quiet", "publishers"]);
    assert_eq!(publishers.read_line(), "published");
    assert_eq!(subscribers.read_line(), "waiting");
    let (_kept, never) = channel::<()>();
    let ran = || [subscribers.runs(), publishers.runs()];
    let mut found = Vec::new();
    for _ in 0..PERIODS {
        let before = ran();
        let _timed_out = never.recv_timeout(PERIOD);
        let after = ran();
        if before == after {
            return;
        }
        found.push([after[0] - before[0], after[1] - before[1]]);
    }
    panic!("threads ran so often within {PERIOD:?} each: {found:?}");
}
