//! A storm: supervisors at three levels, eight child processes, kills and panics at random, and load all the while.
//!
//! ```text
//! root --+-- left ---+-- a (one for all):  p0 p1 x
//!        |           +-- b (rest for one): p2 p3 y
//!        +-- right --+-- c (one for one):  p4 p5 l0 l1 l2 l3
//!                    +-- d (one for one):  p6 p7
//! ```
//!
//! Leaves `p` are processes, the others actors of this one. Each does what it is told by telling the ledger, an actor of this
//! process, which nobody kills. Every message has a number; in the end each is accounted for.

mod account;
mod census;
mod chance;
mod leaf;
mod load;
mod tree;
mod weather;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use ringway::prelude::*;
use ringway::{ExitCode, ExitReason};

use self::account::Account;
use self::chance::Chance;
use self::leaf::{AS_ASKED, Ledger, Worker};
use self::tree::Forest;

/// What a scene's closure may fail with.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What ends a storm that hangs.
const PATIENCE: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    let standard = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        // Thousands of them are part of the storm.
        if info.payload_as_str() != Some(AS_ASKED) {
            standard(info);
        }
    }));
    let config = NodeConfig::on("storm");
    Roles::with(config)
        .actor::<Worker>(tree::ROLE)
        .run(|node| async move {
            let mut words = std::env::args().skip(1);
            let mut number = || Outcome::Ok(words.next().ok_or("KILLS PANICS SEED")?.parse()?);
            let (kills, panics, seed) = (number()?, number()?, number()?);
            watch();
            storms(&node, kills, panics, seed).await
        })
}

/// What a storm takes is given back: all memory files are what they were before the first one. The threads and descriptors of those who
/// start and bury children come with the first child and stay, so they are counted after a short storm.
async fn storms(node: &Node, kills: u64, panics: u64, seed: u64) -> Outcome {
    let fresh = census::fresh(node);
    storm(node, kills / 4, panics / 4, !seed).await?;
    let before = census::least(&fresh, node);
    storm(node, kills, panics, seed).await?;
    census::come_back_to(&before, node);
    census::balance(node);
    Ok(())
}

async fn storm(node: &Node, kills: u64, panics: u64, seed: u64) -> Outcome {
    let began = Instant::now();
    let account = Arc::new(Account::default());
    let ledger = node.spawn(Ledger::new(&account))?;
    let forest = Forest::plant(node, ledger.recipient()).await?;
    let over = Arc::new(AtomicBool::new(false));
    let loads = load::ALL.into_iter().enumerate().map(|(index, load)| {
        let (forest, account, over) = (forest.clone(), Arc::clone(&account), Arc::clone(&over));
        let chance = Chance::new(seed.wrapping_add(index as u64));
        thread::spawn(move || load(&forest, &account, &over, &chance))
    });
    let loads: Vec<_> = loads.collect();
    let weather: [(weather::Storm, u64); 2] = [(weather::kills, kills), (weather::panics, panics)];
    let weather = weather.map(|(storm, times)| {
        let (forest, chance) = (forest.clone(), Chance::new(!seed ^ times));
        thread::spawn(move || storm(&forest, times, &chance))
    });
    for storm in weather {
        storm.join().map_err(|_| "a storm panicked")??;
    }
    let weathered = began.elapsed();
    // Ordering: Relaxed; nothing else is told by it.
    over.store(true, Ordering::Relaxed);
    let mut readers = Vec::new();
    for load in loads {
        readers.push(load.join().map_err(|_| "a load panicked")??);
    }
    account.await_redelivered();
    forest.every_leaf_works().await?;
    forest.root.stop();
    assert_eq!(forest.root.closed().await, ExitReason::Stopped);
    drop(forest);
    // They end when all that came back has been read.
    for reader in readers {
        reader
            .join()
            .map_err(|_| "a reader of what came back panicked")?;
    }
    let sums = account.balance();
    ledger.stop();
    ledger.closed().await;
    println!("{kills} kills and {panics} panics in {weathered:?}, seed {seed}: {sums}");
    Ok(())
}

/// Ends this process, loudly, if it takes too long.
fn watch() {
    thread::spawn(|| {
        let (_open, never) = channel::<()>();
        if never.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            eprintln!("watchdog: no end after {PATIENCE:?}");
            std::process::abort();
        }
    });
}
