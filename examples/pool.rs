//! A pool of worker processes: each job goes to one of them, and all get done although one is killed in the midst of it.
//!
//! A supervisor keeps the workers, processes of their own. Jobs are asked of the pool, many at a time, each of the worker with
//! the fewest under way. One worker is killed: the jobs that it had not taken go to another one by themselves, the one that it
//! had begun comes back as `Died` and is asked again, as doing it twice harms nobody; its next life has its turns again.
//!
//! ```sh
//! cargo run --example pool
//! ```
#![forbid(unsafe_code)]

use std::collections::HashMap;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use ringway::prelude::*;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const WORKERS: [&str; 3] = ["anna", "berta", "carla"];
const JOBS: u64 = 600;
/// After so many answers a worker is killed.
const KILLED_AFTER: usize = 200;

/// How many numbers below `limit` are prime?
#[derive(Message, Clone, Copy, Debug, Pod, Zeroable)]
#[message(move, reply = [u64; 2])]
#[repr(C)]
struct Primes {
    limit: u64,
}

/// The child process: replies the count, and its process id.
#[derive(Actor, Default)]
#[actor(handles(Primes))]
struct Worker;

impl Handler<Primes> for Worker {
    async fn handle(&mut self, primes: Primes, _cx: &mut Context<Self>) -> [u64; 2] {
        [count(primes.limit), u64::from(std::process::id())]
    }
}

fn count(limit: u64) -> u64 {
    let is_prime = |number: &u64| {
        (2..*number)
            .take_while(|it| it * it <= *number)
            .all(|it| !number.is_multiple_of(it))
    };
    (2..limit).filter(is_prime).count() as u64
}

fn main() -> ringway::ExitCode {
    let directory = std::env::temp_dir().join(format!("ringway-pool-{}", std::process::id()));
    let config = NodeConfig::on("demo").directory(&directory);
    let code = Roles::with(config)
        .actor::<Worker>("worker")
        .run(|node| async move { work(&node).await });
    // A child's own is not there; the bus is its parent's.
    let _ = std::fs::remove_dir_all(directory);
    code
}

async fn work(node: &Node) -> Result<()> {
    let workers = WORKERS.map(|id| Child::process::<Worker>("worker").id(id));
    let tree = workers
        .into_iter()
        .fold(
            Supervisor::one_for_one().backoff(ms(5)..ms(50)),
            |it, child| it.child(child),
        )
        .start(node)
        .await?;
    let pool = Pool::least_loaded(node, []);
    for id in WORKERS {
        pool.add(tree.addr::<Worker>(id).await?);
    }
    // Of this one life; the addresses in the pool follow their workers from life to life.
    let victim = tree.addr::<Worker>(WORKERS[0]).await?.pinned();

    let begin = |job| {
        let ask = pool.ask(job);
        async move { (job, ask.await) }
    };
    let mut asks: FuturesUnordered<_> = (0..JOBS).map(|limit| begin(Primes { limit })).collect();
    let (mut done, mut by, mut in_doubt) = (HashMap::new(), HashMap::new(), 0);
    while let Some((job, answer)) = asks.next().await {
        match answer {
            Ok([primes, pid]) => {
                assert_eq!(primes, count(job.limit));
                assert!(done.insert(job.limit, pid).is_none(), "answered once");
                *by.entry(pid).or_insert(0) += 1;
            }
            // Begun, and perhaps done: once more is as good as once.
            Err(AskError::Died {
                taken: true,
                reason,
                ..
            }) => {
                println!("begun by a worker that died: {job:?}: {reason}");
                in_doubt += 1;
                asks.push(begin(job));
            }
            Err(error) => return Err(error.into()),
        }
        if done.len() == KILLED_AFTER {
            victim.kill();
        }
    }
    println!("jobs by process: {by:?}");
    assert_eq!(done.len() as u64, JOBS, "all is done");
    assert!(in_doubt <= 1, "a worker has one job in hand");
    assert!(by.len() >= WORKERS.len(), "all have worked");
    // The jobs may have been done before its end was known.
    println!("the worker that was killed: {}", victim.closed().await);
    assert_eq!(pool.members().len(), WORKERS.len());
    tree.stop();
    assert_eq!(tree.closed().await, ExitReason::Stopped);
    Ok(())
}
