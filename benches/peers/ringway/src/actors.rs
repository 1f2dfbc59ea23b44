//! W4: actors in one process, on the workloads of `local`. Three kinds of rows: `ringway`, where the thread that tells and
//! asks drives the node (`Workers::Caller`); `ringway-threads`, a node with two threads of its own, where an actor tells
//! and asks, as a task does in the rivals' runtimes; `ringway-outside`, the same node, where a thread that is none of its
//! workers does.

use common::work::fresh;
use common::*;
use futures::future::join_all;
use ringway::prelude::*;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

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

/// Has a handler run a workload, on the workers of its node.
#[derive(Actor)]
#[actor(handles(Begin))]
struct Runner(Option<Work>);

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u8)]
#[repr(C)]
struct Begin([u8; 0]);

impl Handler<Begin> for Runner {
    async fn handle(&mut self, _begin: Begin, _cx: &mut Context<Self>) -> u8 {
        self.0.take().unwrap().await;
        0
    }
}

#[derive(Clone)]
struct Bench {
    node: Node,
    system: &'static str,
}

impl Bench {
    /// Does one of several things: in an actor of its own where actors do them.
    async fn beside(self, work: impl Future<Output = ()> + Send + 'static) {
        if self.system != "ringway-threads" {
            return work.await;
        }
        let runner = self.node.spawn(Runner(Some(Box::pin(work)))).unwrap();
        runner.ask(Begin([])).deadline(LONG).await.unwrap();
    }
}

/// Longer than any workload takes.
const LONG: Duration = Duration::from_secs(60);

pub fn run() {
    let work: [fn(Bench) -> Work; 5] = [
        |b| Box::pin(tell(b, 1)),
        |b| Box::pin(tell(b, 4)),
        |b| Box::pin(ask(b)),
        |b| Box::pin(pairs(b)),
        |b| Box::pin(spawn(b)),
    ];
    let two = Workers::Threads(NonZeroUsize::new(2).unwrap());
    for (system, workers) in [
        ("ringway", Workers::Caller),
        ("ringway-threads", two),
        ("ringway-outside", two),
    ] {
        for w in work {
            fresh("spin", || {
                allow(&[0, 1]);
                let cfg = Cfg::new(8, "local", 1);
                let config = NodeConfig::on(&cfg.id).directory(std::env::temp_dir().join("ringway-peers"));
                let node = Node::attach(config.workers(workers)).unwrap();
                let work = w(Bench {
                    node: node.clone(),
                    system,
                });
                node.run_until(
                    Bench {
                        node: node.clone(),
                        system,
                    }
                    .beside(work),
                );
            });
        }
    }
}

async fn tell(b: Bench, senders: u64) {
    const N: u64 = 800_000;
    let r = b.node.spawn(counter()).unwrap();
    let start = Instant::now();
    let each = N / senders;
    let all = (0..senders).map(|_| {
        let (r, b) = (r.clone(), b.clone());
        let one = async move {
            for v in 0..each {
                r.tell(Add(v)).await.unwrap();
            }
        };
        async move { b.beside(one).await }
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
    place::alone(place::check);
    let p = [("senders", senders.to_string())];
    emit(b.system, "W4-tell", &p, "msg/s", N as f64 / took.as_secs_f64(), N);
}

async fn ask(b: Bench) {
    const N: u64 = 60_000;
    let mut ticks = Vec::with_capacity(N as usize);
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
    place::alone(place::check);
    emit_latency(b.system, "W4-ask", &[], &mut ticks);
}

async fn pairs(b: Bench) {
    const PAIRS: u64 = 1000;
    const HOPS: u32 = 1000;
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
    place::alone(place::check);
    let p = [("pairs", PAIRS.to_string())];
    emit(
        b.system,
        "W4-pairs",
        &p,
        "msg/s",
        seen as f64 / took.as_secs_f64(),
        seen,
    );
}

fn rss_kib() -> u64 {
    let s = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = s.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn spawn(b: Bench) {
    const N: usize = 100_000;
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
    let start = Instant::now();
    all.iter().for_each(Addr::stop);
    for r in &all {
        assert_eq!(r.closed().await, ExitReason::Stopped);
    }
    // With their addresses all is gone, as it is of the others.
    drop(all);
    let stopped = start.elapsed();
    place::alone(place::check);
    for (stat, took) in [("call", spawned), ("first-answer", alive), ("stop", stopped)] {
        let each = took.as_nanos() as f64 / N as f64;
        emit(
            b.system,
            "W4-spawn",
            &[("stat", stat.into())],
            "ns/actor",
            each,
            N as u64,
        );
    }
    emit(b.system, "W4-memory", &[], "bytes/actor", bytes, N as u64);
}

/// A million idle actors, each of which has answered once.
pub fn million() {
    const N: usize = 1_000_000;
    let alone = fork(0, || {
        let cfg = Cfg::new(8, "local", 1);
        let config = NodeConfig::on(&cfg.id).directory(std::env::temp_dir().join("ringway-peers"));
        let node = Node::attach(config.workers(Workers::Caller)).unwrap();
        let mut all = Vec::with_capacity(N);
        let before = rss_kib();
        for _ in 0..N {
            all.push(node.spawn(counter()).unwrap());
        }
        node.run_until(async {
            for r in &all {
                assert_eq!(r.ask(Get([])).await.unwrap().n, 0);
            }
        });
        let bytes = (rss_kib() - before) as f64 * 1024.0;
        emit("ringway", "W4-million", &[], "bytes", bytes, N as u64);
        // So many would take their time to end.
        std::mem::forget((node, all));
    });
    alone.join();
}
