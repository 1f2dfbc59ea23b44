//! W7: round trips of 8 bytes, alone and beside a crowd that does nothing: actors with names on both sides, and a uring from here
//! to each of those over there. Of Ringway alone: what is asked is whether the crowd costs it anything.

use common::*;
use futures::channel::oneshot;
use ringway::prelude::*;
use std::time::{Duration, Instant};

/// Idle actors and names on each side, and urings between them.
pub const CROWD: usize = 10_000;
/// A node's registry has not so much room unless it says so; also without a crowd, so that nothing else differs.
const REGISTRY: u32 = 32_768;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Number(u64);

/// Counts numbers that come in order; the reply is how many there were.
#[derive(Actor)]
#[actor(handles(Number))]
struct Counts {
    had: u64,
    /// Told of `PROBE`.
    probed: Option<oneshot::Sender<()>>,
}

impl Handler<Number> for Counts {
    async fn handle(&mut self, number: Number, _cx: &mut Context<Self>) -> u64 {
        match self.probed.take() {
            Some(probed) if number.0 == PROBE => drop(probed.send(())),
            probed => {
                self.probed = probed;
                self.had += u64::from(number.0 == self.had);
            }
        }
        self.had
    }
}

async fn count(one: &Addr<Counts>, number: u64) {
    assert_eq!(
        one.ask(Number(number)).await.unwrap(),
        number + 1,
        "lost, doubled or reordered"
    );
}

fn attach(cfg: &Cfg) -> Node {
    let config = NodeConfig::on(&cfg.id).directory(std::env::temp_dir().join("ringway-peers"));
    let config = config.registry_capacity(REGISTRY);
    Node::attach(config.workers(Workers::Caller)).unwrap()
}

fn name(side: &str, index: usize) -> String {
    format!("{side}-{index}")
}

/// Idle actors, each of which has been asked once.
fn crowd(node: &Node, side: &str, size: usize) -> Vec<Addr<Counts>> {
    let one = |index| {
        let one = Counts { had: 0, probed: None };
        node.actor(one).name(name(side, index)).spawn().unwrap()
    };
    let all: Vec<_> = (0..size).map(one).collect();
    node.run_until(async {
        for one in &all {
            count(one, 0).await;
        }
    });
    all
}

fn serve(cfg: &Cfg, size: usize) {
    let node = attach(cfg);
    let _crowd = crowd(&node, "there", size);
    let (probed, ready) = oneshot::channel();
    let sink = Counts {
        had: 0,
        probed: Some(probed),
    };
    let sink = node.actor(sink).name("sink").spawn().unwrap();
    node.run_until(ready).unwrap();
    place::answer(&cfg.ctl);
    assert_eq!(node.run_until(sink.closed()), ExitReason::Stopped);
    place::answer(&cfg.ctl);
}

/// Round trips beside a crowd of this size, or 0.
pub fn ask(mode: &str, size: usize, budget: Duration) {
    let cfg = &Cfg::new(8, mode, 1);
    let peer = fork(1, || serve(cfg, size));
    pin_to(0);
    let mut ticks = Vec::with_capacity(400_000);
    let node = attach(cfg);
    let _crowd = crowd(&node, "here", size);
    node.run_until(async {
        let sink: Addr<Counts> = node.lookup("sink").within(secs(30)).await.unwrap();
        let mut idle = Vec::new();
        for index in 0..size {
            let one = node.lookup(name("there", index)).await.unwrap();
            count(&one, 1).await;
            idle.push(one);
        }
        sink.ask(Number(PROBE)).await.unwrap();
        place::settle(&cfg.ctl);
        let (start, mut number, mut until) = (Instant::now(), 0, budget / 5);
        for warm in [true, false] {
            while start.elapsed() < until && ticks.len() < ticks.capacity() {
                let t = tsc();
                count(&sink, number).await;
                let t = tsc() - t;
                number += 1;
                if !warm {
                    ticks.push(t);
                }
            }
            until = start.elapsed() + budget;
        }
        for one in &idle {
            count(one, 2).await;
        }
        sink.stop();
        assert_eq!(sink.closed().await, ExitReason::Stopped);
        place::check(&cfg.ctl);
    });
    peer.join();
    let mut params = vec![("mode", mode.to_string()), ("beside", size.to_string())];
    emit_latency("ringway", "W7", &params, &mut ticks);
    // As steady as a median, and finer than the counter's step.
    let quarter = ticks.len() / 4;
    let middle = &ticks[quarter..ticks.len() - quarter];
    let mean = middle.iter().sum::<u64>() as f64 / middle.len() as f64 * tick_ns();
    params.push(("stat", "middle".into()));
    emit("ringway", "W7", &params, "ns", mean, ticks.len() as u64);
}
