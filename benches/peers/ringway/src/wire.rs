//! W1, W2 and W6: as `common::work` has them, for a receiver that is an actor. The client is on core 0, the sink on core 1.

use crate::sink::{SENDERS, Sink, ask as ask_one, numbered, tell, tell_all};
use common::work::params;
use common::*;
use futures::channel::oneshot;
use ringway::prelude::*;
use std::sync::atomic::Ordering::*;
use std::time::{Duration, Instant};

const SYSTEM: &str = "ringway";
/// Longer than a driver looks around before it sleeps.
const PAUSE: Duration = Duration::from_micros(300);

/// A node as a measurement has it, driven by who measures if that is to spin.
pub fn attach(cfg: &Cfg) -> Node {
    let config = NodeConfig::on(&cfg.id).directory(std::env::temp_dir().join("ringway-peers"));
    Node::attach(match cfg.spin() {
        true => config.workers(Workers::Caller),
        false => config,
    })
    .unwrap()
}

/// The sink's process: attaches, waits until every sender has come, then serves until each has said STOP.
fn serve(cfg: &Cfg, touch: Touch, in_order: bool, senders: usize) {
    let node = attach(cfg);
    let (met, everybody) = oneshot::channel();
    let sink = Sink {
        touch,
        len: cfg.len,
        in_order,
        ctl: cfg.ctl,
        senders,
        met: Some(met),
        probes: 0,
        stops: 0,
        next: [0; SENDERS],
    };
    let sink = node.actor(sink).name("sink").mailbox(cfg.depth()).spawn().unwrap();
    node.run_until(everybody).unwrap();
    if senders == 1 {
        place::answer(&cfg.ctl);
    }
    assert_eq!(node.run_until(sink.closed()), ExitReason::Normal);
    if senders == 1 {
        place::answer(&cfg.ctl);
    }
    // Leave only once the client has read the last reply.
    mem::wait_for(cfg.ctl.ready(), 1);
}

async fn join(node: &Node) -> Addr<Sink> {
    let sink = node.lookup("sink").within(secs(10)).await.unwrap();
    ask_one(&sink, 8, |b| write_payload(b, PROBE, Touch::Ends)).await;
    sink
}

/// W1: request of `len` bytes, reply of 8 bytes, one at a time.
pub fn ask(mode: &str, len: usize, touch: Touch, budget: Duration) {
    let cfg = &Cfg::new(len, mode, 1);
    let peer = fork(1, || serve(cfg, touch, false, 1));
    pin_to(0);
    let asleep = mode == "asleep";
    let budget = if asleep { budget * 3 } else { budget };
    let mut ticks = Vec::with_capacity(400_000);
    let node = attach(cfg);
    node.run_until(async {
        let sink = join(&node).await;
        place::settle(&cfg.ctl);
        let one = async |seq: u64, len: usize| {
            if asleep {
                std::thread::sleep(PAUSE);
            }
            let t = tsc();
            let reply = ask_one(&sink, len, |b| write_payload(b, seq, touch)).await;
            let t = tsc() - t;
            if seq != STOP {
                assert_eq!(reply, expected(len, seq, touch), "wrong reply");
            }
            t
        };
        let (start, mut seq, mut until) = (Instant::now(), 0, budget / 5);
        for warm in [true, false] {
            while start.elapsed() < until && ticks.len() < ticks.capacity() || seq < 30 {
                let t = one(seq, len).await;
                seq += 1;
                if !warm {
                    ticks.push(t);
                }
            }
            until = start.elapsed() + budget;
        }
        one(STOP, 8).await;
        place::check(&cfg.ctl);
        assert_eq!(cfg.ctl.count().load(Acquire), seq, "not everything arrived");
        cfg.ctl.ready().store(1, Release);
    });
    peer.join();
    emit_latency(SYSTEM, "W1", &params(cfg, len, touch), &mut ticks);
}

/// One sender of a stream, of so many messages at a time; returns how many it sent, and how long all of them took until everything
/// was handled.
fn send(cfg: &Cfg, sender: u64, (senders, batch): (usize, usize), touch: Touch, budget: Duration) -> (u64, Duration) {
    let (ctl, len) = (&cfg.ctl, cfg.len);
    let node = attach(cfg);
    node.run_until(async {
        let sink = join(&node).await;
        ctl.up().fetch_add(1, AcqRel);
        mem::wait_for(ctl.up(), senders as u64);
        if senders == 1 {
            place::settle(ctl);
        }
        let step = if len <= 4096 { 256 } else { 4 };
        let (start, mut n) = (Instant::now(), 0);
        while start.elapsed() < budget {
            if batch > 1 {
                for _ in 0..step / batch as u64 {
                    let numbers = n..n + batch as u64;
                    tell_all(&sink, len, numbers.map(|n| (numbered(sender, n), touch))).await;
                    n += batch as u64;
                }
                continue;
            }
            for _ in 0..step {
                tell(&sink, len, |b| write_payload(b, numbered(sender, n), touch)).await;
                n += 1;
            }
        }
        tell(&sink, len.min(64), |b| write_payload(b, STOP, Touch::Ends)).await;
        while ctl.done().load(Acquire) == 0 {
            std::hint::spin_loop();
        }
        (n, start.elapsed())
    })
}

/// W2: one-way messages; the sink checks order, content and count of every sender.
pub fn stream(mode: &str, len: usize, touch: Touch, (senders, batch): (usize, usize), budget: Duration) {
    let cfg = &Cfg::new(len, mode, 1);
    let peer = fork(1, || serve(cfg, touch, true, senders));
    let others: Vec<Peer> = (1..senders)
        .map(|k| {
            fork(0, || {
                let (n, _) = send(cfg, k as u64, (senders, batch), touch, budget);
                cfg.ctl.listening().fetch_add(n, AcqRel);
            })
        })
        .collect();
    pin_to(0);
    let (mine, took) = send(cfg, 0, (senders, batch), touch, budget);
    if senders == 1 {
        place::check(&cfg.ctl);
    }
    cfg.ctl.ready().store(1, Release);
    others.into_iter().for_each(Peer::join);
    peer.join();
    if senders > 1 {
        place::alone(place::check);
    }
    let n = mine + cfg.ctl.listening().load(Acquire);
    assert_eq!(cfg.ctl.count().load(Acquire), n, "not everything arrived");
    let mut p = params(cfg, len, touch);
    p.push(("subs", "1".into()));
    if senders > 1 {
        p.push(("senders", senders.to_string()));
    }
    if batch > 1 {
        p.push(("batch", batch.to_string()));
    }
    let rate = n as f64 / took.as_secs_f64();
    emit(SYSTEM, "W2", &p, "msg/s", rate, n);
    emit(SYSTEM, "W2", &p, "GB/s", rate * len as f64 / 1e9, n);
}

/// W6: processor time that the sink burns in five seconds without messages.
pub fn idle(mode: &str) {
    let cfg = &Cfg::new(64, mode, 1);
    let peer = fork(1, || serve(cfg, Touch::Ends, false, 2)); // a second sender that never comes
    pin_to(0);
    let node = attach(cfg);
    node.run_until(async { drop(join(&node).await) });
    std::thread::sleep(Duration::from_millis(300));
    let before = peer.cpu_ns();
    std::thread::sleep(Duration::from_secs(5));
    let ns = peer.cpu_ns() - before;
    assert_eq!(cfg.ctl.probed().load(Acquire), 1, "the receiver was not idle");
    peer.stop();
    emit(
        SYSTEM,
        "W6",
        &[("mode", mode.into())],
        "us CPU per 5 s",
        ns as f64 / 1e3,
        1,
    );
}
