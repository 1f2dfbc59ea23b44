//! The cross-process workloads, generic over `Wire`. Client on core 0, servers on core 1.

use crate::*;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

pub fn params(cfg: &Cfg, len: usize, touch: Touch) -> Vec<(&'static str, String)> {
    vec![
        ("mode", cfg.mode.clone()),
        ("bytes", len.to_string()),
        ("touch", format!("{touch:?}").to_lowercase()),
    ]
}

async fn until<W: Wire>(a: &AtomicU64, want: u64) {
    while a.load(Acquire) < want {
        W::nap().await;
    }
}

/// W1: request of `len` bytes, reply of 8 bytes, one at a time.
pub fn ask<W: Wire>(mode: &str, len: usize, touch: Touch, budget: Duration) {
    let cfg = &Cfg::new(len, mode, 1);
    let (plan_c, plan_s) = share(W::plan(cfg));
    let peer = fork(1, || {
        W::run(async {
            let mut w = W::server(plan_s(), cfg).await;
            cfg.ctl.ready().fetch_add(1, AcqRel);
            until::<W>(cfg.ctl.up(), 1).await;
            place::answer(&cfg.ctl);
            loop {
                let (seq, reply) = w.recv(|b| read_payload(b, touch)).await;
                w.send(8, |b| b.copy_from_slice(&reply.to_le_bytes())).await;
                if seq == STOP {
                    break;
                }
            }
            until::<W>(cfg.ctl.probed(), 1).await;
            place::answer(&cfg.ctl);
            // Leave only once the client has read the last reply.
            until::<W>(cfg.ctl.done(), 1).await;
        });
    });
    pin_to(0);
    let mut ticks = Vec::with_capacity(400_000);
    W::run(async {
        let mut w = W::client(plan_c(), cfg).await;
        cfg.ctl.up().store(1, Release);
        until::<W>(cfg.ctl.ready(), 1).await;
        place::settle(&cfg.ctl);
        let mut one = async |seq: u64, len: usize| {
            let t = tsc();
            w.send(len, |b| write_payload(b, seq, touch)).await;
            let reply = w.recv(|b| u64::from_le_bytes(b[..8].try_into().unwrap())).await;
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
        one(STOP, 8.max(len.min(64))).await;
        cfg.ctl.probed().store(1, Release);
        place::check(&cfg.ctl);
        cfg.ctl.done().store(1, Release);
    });
    peer.join();
    emit_latency(W::NAME, "W1", &params(cfg, len, touch), &mut ticks);
}

/// W2 (one receiver) and W3 (several): one-way messages, each receiver checks order and count.
pub fn stream<W: Wire>(workload: &str, mode: &str, len: usize, touch: Touch, peers: usize, budget: Duration) {
    let cfg = &Cfg::new(len, mode, peers);
    let (plan_c, plan_s) = share(W::plan(cfg));
    let servers: Vec<Peer> = (0..peers)
        .map(|_| {
            fork(1, || {
                W::run(async {
                    let mut w = W::server(plan_s(), cfg).await;
                    cfg.ctl.ready().fetch_add(1, AcqRel);
                    let (mut next, mut probed) = (0, false);
                    loop {
                        let (seq, check) = w.recv(|b| read_payload(b, touch)).await;
                        match seq {
                            PROBE if !probed => {
                                probed = true;
                                cfg.ctl.probed().fetch_add(1, AcqRel);
                                if peers == 1 {
                                    place::answer(&cfg.ctl);
                                }
                            }
                            PROBE => {}
                            STOP => break,
                            _ => {
                                assert_eq!(seq, next, "lost, doubled or reordered");
                                assert_eq!(check, expected(len, seq, touch), "wrong content");
                                next += 1;
                            }
                        }
                    }
                    cfg.ctl.count().fetch_add(next, AcqRel);
                    cfg.ctl.done().fetch_add(1, AcqRel);
                    if peers == 1 {
                        place::answer(&cfg.ctl);
                    }
                    until::<W>(cfg.ctl.done(), peers as u64 + 1).await;
                });
            })
        })
        .collect();
    pin_to(0);
    let (mut n, mut took) = (0, Duration::ZERO);
    W::run(async {
        let mut w = W::client(plan_c(), cfg).await;
        while cfg.ctl.probed().load(Acquire) < peers as u64 {
            w.send(len, |b| write_payload(b, PROBE, Touch::Ends)).await;
            for _ in 0..10 {
                W::nap().await;
            }
        }
        if peers == 1 {
            place::settle(&cfg.ctl);
        }
        let step = if len <= 4096 { 256 } else { 4 };
        let start = Instant::now();
        while start.elapsed() < budget {
            for _ in 0..step {
                w.send(len, |b| write_payload(b, n, touch)).await;
                n += 1;
            }
        }
        w.send(len, |b| write_payload(b, STOP, Touch::Ends)).await;
        while cfg.ctl.done().load(Acquire) < peers as u64 {
            W::relax().await;
        }
        took = start.elapsed();
        if peers == 1 {
            place::check(&cfg.ctl);
        }
        cfg.ctl.done().fetch_add(1, AcqRel);
    });
    servers.into_iter().for_each(Peer::join);
    if peers > 1 {
        place::alone(place::check);
    }
    assert_eq!(
        cfg.ctl.count().load(Acquire),
        n * peers as u64,
        "not everything arrived"
    );
    let mut p = params(cfg, len, touch);
    p.push(("subs", peers.to_string()));
    let rate = n as f64 / took.as_secs_f64();
    emit(W::NAME, workload, &p, "msg/s", rate, n);
    emit(W::NAME, workload, &p, "GB/s", rate * len as f64 / 1e9, n);
}

/// W6: processor time a receiver burns in five seconds without messages.
pub fn idle<W: Wire>(mode: &str) {
    let cfg = &Cfg::new(64, mode, 1);
    let (plan_c, plan_s) = share(W::plan(cfg));
    let peer = fork(1, || {
        W::run(async {
            let mut w = W::server(plan_s(), cfg).await;
            cfg.ctl.ready().fetch_add(1, AcqRel);
            loop {
                w.recv(|b| read_payload(b, Touch::Ends)).await;
                cfg.ctl.probed().fetch_add(1, AcqRel);
            }
        });
    });
    pin_to(0);
    let (mut ns, mut woke) = (0, 0);
    W::run(async {
        let mut w = W::client(plan_c(), cfg).await;
        while cfg.ctl.probed().load(Acquire) == 0 {
            w.send(64, |b| write_payload(b, PROBE, Touch::Ends)).await;
            for _ in 0..50 {
                W::nap().await;
            }
        }
        std::thread::sleep(Duration::from_millis(300));
        let before = (peer.cpu_ns(), cfg.ctl.probed().load(Acquire));
        std::thread::sleep(Duration::from_secs(5));
        ns = peer.cpu_ns() - before.0;
        woke = cfg.ctl.probed().load(Acquire) - before.1;
        std::mem::forget(w);
    });
    assert_eq!(woke, 0, "the receiver was not idle");
    peer.stop();
    emit(
        W::NAME,
        "W6",
        &[("mode", mode.into())],
        "us CPU per 5 s",
        ns as f64 / 1e3,
        1,
    );
}

/// A plan is used once in each process; after the fork each process owns its own copy.
fn share<P>(plan: P) -> (impl FnOnce() -> P, impl Fn() -> P) {
    let p = std::rc::Rc::new(std::cell::Cell::new(Some(plan)));
    let q = p.clone();
    (move || p.take().unwrap(), move || q.take().unwrap())
}

/// Requests, and how they are touched.
pub const SIZES: [(usize, &[Touch]); 7] = [
    (8, &[Touch::Fill]),
    (64, &[Touch::Fill]),
    (1024, &[Touch::Fill]),
    (4096, &[Touch::Fill, Touch::Sum]),
    (65536, &[Touch::Ends, Touch::Fill, Touch::Sum]),
    (1 << 20, &[Touch::Ends, Touch::Fill, Touch::Sum]),
    (4 << 20, &[Touch::Ends, Touch::Fill, Touch::Sum]),
];

/// What is sent one way.
pub const STREAMS: [(usize, &[Touch]); 6] = [
    (8, &[Touch::Fill]),
    (32, &[Touch::Fill]),
    (64, &[Touch::Fill]),
    (1024, &[Touch::Fill]),
    (65536, &[Touch::Ends, Touch::Fill, Touch::Sum]),
    (1 << 20, &[Touch::Ends, Touch::Fill, Touch::Sum]),
];

/// How often a measurement that spins is made, at most, until the processors are at its end where they are wanted. A state in
/// which they are not can last minutes, and there are other rounds.
const TIMES: usize = 2;

/// Every measurement gets a fresh process, so no threads or caches of an earlier one remain. What spins is made again if the
/// processors lay elsewhere; the lines of all are printed, and `table.py` drops those.
pub fn fresh(mode: &str, body: impl Fn()) {
    let times = if mode == "spin" { TIMES } else { 1 };
    for _ in 0..times {
        let one = fork(0, || {
            place::alone(place::settle);
            body();
            place::leave()
        });
        if one.held() {
            return;
        }
    }
}

pub fn w1<W: Wire>(mode: &str, max: usize) {
    for (len, touches) in SIZES {
        for &t in touches.iter().filter(|_| len <= max) {
            fresh(mode, || {
                ask::<W>(mode, len, t, Duration::from_millis(if len <= 4096 { 150 } else { 220 }))
            });
        }
    }
}

pub fn w2<W: Wire>(mode: &str, max: usize) {
    for (len, touches) in STREAMS.into_iter().filter(|s| s.0 <= max) {
        for &t in touches {
            fresh(mode, || stream::<W>("W2", mode, len, t, 1, Duration::from_millis(200)));
        }
    }
}

pub fn w3<W: Wire>(mode: &str) {
    for len in [64, 1 << 20] {
        for peers in [1, 2, 4, 8] {
            fresh(mode, || {
                stream::<W>("W3", mode, len, Touch::Fill, peers, Duration::from_millis(250))
            });
        }
    }
}

/// Runs one workload of one system: the whole command line of a peer binary.
pub fn dispatch<W: Wire>(workload: &str, mode: &str, max: usize) {
    match workload {
        "w1" => w1::<W>(mode, max),
        "w2" => w2::<W>(mode, max),
        "w3" => w3::<W>(mode),
        "w6" => fresh(mode, || idle::<W>(mode)),
        _ => panic!("unknown workload {workload}"),
    }
}
