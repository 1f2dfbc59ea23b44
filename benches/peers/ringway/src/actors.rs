//! W4: actors in one process, on the workloads of `local`. Two kinds of rows: `ringway`, where the thread that tells and
//! asks drives the node (`Workers::Caller`), and `ringway-threads`, a node with two threads of its own.

use common::*;
use futures::future::join_all;
use ringway::prelude::*;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::Instant;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Add(u64);

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = Totals)]
#[repr(C)]
struct Get([u8; 0]);

#[derive(Message, Clone, Copy, PartialEq, Debug, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Totals {
    n: u64,
    sum: u64,
}

#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Ball {
    from: Addr<Counter>,
    left: u32,
}

#[derive(Actor)]
#[actor(handles(Add, Get, Ball))]
struct Counter(Totals);

fn counter() -> Counter {
    Counter(Totals { n: 0, sum: 0 })
}

static PAIRS_DONE: AtomicU64 = AtomicU64::new(0);

impl Handler<Add> for Counter {
    async fn handle(&mut self, add: Add, _cx: &mut Context<Self>) {
        self.0.n += 1;
        self.0.sum = self.0.sum.wrapping_add(add.0);
    }
}

impl Handler<Get> for Counter {
    async fn handle(&mut self, _get: Get, _cx: &mut Context<Self>) -> Totals {
        self.0
    }
}

impl Handler<Ball> for Counter {
    async fn handle(&mut self, ball: Ball, cx: &mut Context<Self>) {
        self.0.n += 1;
        if ball.left == 1 {
            PAIRS_DONE.fetch_add(1, AcqRel);
        } else {
            let back = Ball {
                from: cx.addr(),
                left: ball.left - 1,
            };
            ball.from.tell(back).await.unwrap();
        }
    }
}

struct Bench {
    node: Node,
    system: &'static str,
}

pub fn run() {
    let work: [fn(&Bench); 5] = [|b| tell(b, 1), |b| tell(b, 4), ask, pairs, spawn];
    let two = Workers::Threads(NonZeroUsize::new(2).unwrap());
    for (system, workers) in [("ringway", Workers::Caller), ("ringway-threads", two)] {
        for w in work {
            let alone = fork(0, || {
                allow(&[0, 1]);
                place::alone(place::settle);
                let cfg = Cfg::new(8, "local", 1);
                let config = NodeConfig::on(&cfg.id).directory(std::env::temp_dir().join("ringway-peers"));
                let node = Node::attach(config.workers(workers)).unwrap();
                w(&Bench { node, system });
            });
            alone.join();
        }
    }
}

fn tell(b: &Bench, senders: u64) {
    const N: u64 = 800_000;
    b.node.run_until(async {
        let r = b.node.spawn(counter()).unwrap();
        let start = Instant::now();
        let each = N / senders;
        let all = (0..senders).map(|_| async {
            for v in 0..each {
                r.tell(Add(v)).await.unwrap();
            }
        });
        join_all(all).await;
        while r.ask(Get([])).await.unwrap().n < N {}
        let took = start.elapsed();
        let totals = r.ask(Get([])).await.unwrap();
        assert_eq!(
            (totals.n, totals.sum),
            (N, senders * (each * (each - 1) / 2)),
            "lost tells"
        );
        let p = [("senders", senders.to_string())];
        emit(b.system, "W4-tell", &p, "msg/s", N as f64 / took.as_secs_f64(), N);
    });
}

fn ask(b: &Bench) {
    const N: u64 = 60_000;
    let mut ticks = Vec::with_capacity(N as usize);
    b.node.run_until(async {
        let r = b.node.spawn(counter()).unwrap();
        r.tell(Add(7)).await.unwrap();
        for i in 0..N + 2000 {
            let t = tsc();
            let totals = r.ask(Get([])).await.unwrap();
            let t = tsc() - t;
            assert_eq!((totals.n, totals.sum), (1, 7));
            if i >= 2000 {
                ticks.push(t);
            }
        }
    });
    emit_latency(b.system, "W4-ask", &[], &mut ticks);
}

fn pairs(b: &Bench) {
    const PAIRS: u64 = 1000;
    const HOPS: u32 = 1000;
    b.node.run_until(async {
        let new = || b.node.spawn(counter()).unwrap();
        let all: Vec<_> = (0..PAIRS).map(|_| (new(), new())).collect();
        let start = Instant::now();
        for (a, to) in &all {
            to.tell(Ball {
                from: a.clone(),
                left: HOPS,
            })
            .await
            .unwrap();
        }
        while PAIRS_DONE.load(Acquire) < PAIRS {
            // Any await lets the actors run; this one asks one of them.
            all[0].0.ask(Get([])).await.unwrap();
        }
        let took = start.elapsed();
        let mut seen = 0;
        for (a, to) in &all {
            seen += a.ask(Get([])).await.unwrap().n + to.ask(Get([])).await.unwrap().n;
        }
        assert_eq!(seen, PAIRS * u64::from(HOPS), "lost balls");
        let p = [("pairs", PAIRS.to_string())];
        emit(
            b.system,
            "W4-pairs",
            &p,
            "msg/s",
            seen as f64 / took.as_secs_f64(),
            seen,
        );
    });
}

fn rss_kib() -> u64 {
    let s = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = s.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn spawn(b: &Bench) {
    const N: usize = 100_000;
    b.node.run_until(async {
        let mut all = Vec::with_capacity(N);
        let before = rss_kib();
        let start = Instant::now();
        for _ in 0..N {
            all.push(b.node.spawn(counter()).unwrap());
        }
        let spawned = start.elapsed();
        for r in &all {
            assert_eq!(r.ask(Get([])).await.unwrap().n, 0);
        }
        let alive = start.elapsed();
        let bytes = (rss_kib() - before) as f64 * 1024.0 / N as f64;
        let each = |took: std::time::Duration| took.as_nanos() as f64 / N as f64;
        let stat = |stat: &str| [("stat", stat.to_string())];
        emit(b.system, "W4-spawn", &stat("call"), "ns/actor", each(spawned), N as u64);
        emit(
            b.system,
            "W4-spawn",
            &stat("first-answer"),
            "ns/actor",
            each(alive),
            N as u64,
        );
        emit(b.system, "W4-memory", &[], "bytes/actor", bytes, N as u64);
        std::mem::forget(all);
        std::process::exit(0);
    });
}
