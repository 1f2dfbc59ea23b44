//! A worker process that crashes on poisoned input, and is started again: nothing but the poison is lost.
//!
//! A supervisor keeps a ledger, an actor of this process, and a worker in a process of its own. Each job is asked of the
//! worker, whose answer goes into the ledger. Poison kills the worker's process in the middle of its handler; what that had not
//! answered is sent again to its next life (`redeliver`), the poison once and no more: then it is a dead letter. A watcher
//! hears of a death by a `Down`.
//!
//! ```sh
//! cargo run --example supervise
//! ```
#![forbid(unsafe_code)]

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use ringway::prelude::*;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const JOBS: u64 = 60;
/// Every such job kills who begins it.
const POISON_EVERY: u64 = 20;

#[derive(Message, Clone, Copy, Debug, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Job {
    number: u64,
}

/// The child process: squares numbers.
#[derive(Actor, Default)]
#[actor(handles(Job))]
struct Worker;

impl Handler<Job> for Worker {
    async fn handle(&mut self, job: Job, _cx: &mut Context<Self>) -> u64 {
        if job.number.is_multiple_of(POISON_EVERY) {
            std::process::abort(); // as bad as a SIGSEGV in a library
        }
        job.number * job.number
    }
}

/// What was computed.
#[derive(Actor, Default)]
#[actor(handles(u64))]
struct Ledger {
    sum: u64,
}

impl Handler<u64> for Ledger {
    async fn handle(&mut self, square: u64, _cx: &mut Context<Self>) {
        self.sum += square;
        println!("{square:5} makes {}", self.sum);
    }
}

/// Asks the watcher to watch this life of the worker, or how many it has seen die.
#[derive(Message, Serialize, Deserialize)]
#[message(serial, reply = u64)]
#[serde(crate = "ringway::serde")]
struct Watch(Option<Addr<Worker>>);

/// Hears of the death of a life of the worker.
#[derive(Actor, Default)]
#[actor(handles(Watch, Down))]
struct Watcher {
    deaths: u64,
}

impl Handler<Watch> for Watcher {
    async fn handle(&mut self, Watch(worker): Watch, cx: &mut Context<Self>) -> u64 {
        if let Some(worker) = worker {
            cx.monitor(&worker);
        }
        self.deaths
    }
}

impl Handler<Down> for Watcher {
    async fn handle(&mut self, down: Down, _cx: &mut Context<Self>) {
        self.deaths += 1;
        println!("worker {:?}: {}", down.who, down.reason);
    }
}

fn main() -> ringway::ExitCode {
    let directory = std::env::temp_dir().join(format!("ringway-supervise-{}", std::process::id()));
    let config = NodeConfig::on("demo").directory(&directory);
    let code = Roles::with(config)
        .actor::<Worker>("worker")
        .run(|node| async move { supervise(&node).await });
    // A child's own is not there; the bus is its parent's.
    let _ = std::fs::remove_dir_all(directory);
    code
}

async fn supervise(node: &Node) -> Result<()> {
    let mut dead_letters = node.dead_letters();
    let tree = Supervisor::one_for_one()
        .intensity(20, secs(10))
        .backoff(ms(5)..ms(50))
        .child(Child::actor("ledger", Ledger::default))
        .child(Child::actor("watcher", Watcher::default))
        .child(Child::process::<Worker>("worker"))
        .start(node)
        .await?;
    let ledger: Addr<Ledger> = tree.addr("ledger").await?;
    let watcher: Addr<Watcher> = tree.addr("watcher").await?;
    // Follows the child from life to life.
    let worker: Addr<Worker> = tree.addr("worker").await?;
    watcher.ask(Watch(Some(worker.clone()))).await?;
    let mut asks: FuturesUnordered<_> = (1..=JOBS)
        .map(|number| {
            let ask = worker.ask(Job { number }).redeliver(1);
            async move { (number, ask.deadline(secs(100)).await) }
        })
        .collect();
    let (mut poison, mut expected) = (Vec::new(), 0);
    while let Some((number, answer)) = asks.next().await {
        match answer {
            Ok(square) => {
                expected += number * number;
                ledger.tell(square).await?;
            }
            // Two lives ended with it in hand.
            Err(AskError::Poisoned { attempts: 2, .. }) => poison.push(number),
            Err(error) => return Err(error.into()),
        }
    }
    poison.sort_unstable();
    assert_eq!(poison, [20, 40, 60]);
    let clean: u64 = (1..=JOBS)
        .filter(|number| !number.is_multiple_of(POISON_EVERY))
        .map(|number| number * number)
        .sum();
    assert_eq!(expected, clean, "nothing else was lost");
    let mut dead = Vec::new();
    while dead.len() < poison.len() {
        let letter = dead_letters.next().await.ok_or("the node has left")?;
        println!("{letter:?}");
        let job = letter.take::<Job>().and_then(|job| job.into_value().ok());
        dead.push(job.ok_or("a job")?.number);
    }
    dead.sort_unstable();
    assert_eq!(dead, poison, "which are the dead letters");
    assert_eq!(worker.ask(Job { number: 7 }).await?, 49);
    while watcher.ask(Watch(None)).await? < 1 {}
    let child = tree.which_children().pop().ok_or("three children")?;
    assert_eq!((child.id.as_str(), child.starts), ("worker", 7));
    tree.stop();
    assert_eq!(tree.closed().await, ExitReason::Stopped);
    Ok(())
}
