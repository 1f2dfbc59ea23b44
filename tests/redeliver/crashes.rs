//! Lives that end by SIGKILL.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::channel;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use ringway::prelude::*;

use super::scene::{Process, effects, find};
use crate::helper::{Rng, wait_until};
use crate::support::{Bus, watch};
use crate::worker::{DIE, Job, PASS, Worker, bad_until};

// Goal: a process that is killed in the middle of a handler, and one that is killed with messages in its queue, are followed by
// the next with the name, which has what was left, the attempts counted.
#[test]
fn after_a_sigkill_the_next_process_has_it() {
    let _dog = watch();
    let bus = Bus::new("redeliver-sigkill");
    let node = bus.attach("sender");
    let (log, records) = channel();
    let mut process = Process::start(&bus, &log);
    process.obey("once worker 64");
    let worker = find(&node, "worker");
    let ask_all = async {
        let asks = FuturesUnordered::new();
        for number in 0..20 {
            let what = if number == 5 { DIE } else { PASS };
            let ask = worker.ask(bad_until(number, what, 3)).redeliver(2);
            asks.push(ask.deadline(secs(100)));
        }
        asks.collect::<Vec<_>>().await
    };
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| block_on(ask_all));
        for _ in 0..2 {
            process.died();
            process = Process::start(&bus, &log);
            process.obey("once worker 64");
        }
        for answer in asking.join().unwrap() {
            answer.unwrap();
        }
        process.kill();
    });
    let seen: Vec<_> = records.try_iter().collect();
    let effects = effects(&seen);
    assert_eq!(effects[&5], (vec![1, 2, 3], 1));
    for number in (0..20).filter(|number| *number != 5) {
        let (attempts, ended) = &effects[&number];
        assert_eq!(*ended, 1, "{number}: what was answered is not sent again");
        assert_eq!(attempts[..], [1], "{number}");
    }
}

/// Tells and asks by turns, until it is over and all asks are answered; returns how many messages were sent.
async fn send_until(worker: &Addr<Worker>, is_over: &AtomicBool) -> u64 {
    let (mut number, mut asks) = (0, FuturesUnordered::new());
    while !is_over.load(Relaxed) {
        let job = Job { number, what: PASS };
        if number % 2 == 0 {
            worker.tell(job).redeliver(1000).await.unwrap();
        } else {
            asks.push(worker.ask(job).redeliver(1000).deadline(secs(100)));
        }
        number += 1;
        if asks.len() > 20 {
            asks.next().await.unwrap().unwrap();
        }
    }
    while let Some(answer) = asks.next().await {
        answer.unwrap();
    }
    // Behind all that was told.
    let job = Job { number, what: PASS };
    let asked = worker.ask(job).redeliver(1000).deadline(secs(100));
    asked.await.unwrap();
    number + 1
}

/// Receivers that are killed under load.
const KILLS: u64 = 30;

// Goal: with a handler that does nothing twice, each message counts exactly once in the end, whatever is killed when. Its effects
// are kept by a process that lives: the log. Method: tells and asks without pause, 30 kills at random moments.
#[test]
fn each_counts_exactly_once_in_the_end() {
    let _dog = watch();
    let bus = Bus::new("redeliver-storm");
    let mut rng = Rng::new("redeliver-storm");
    let node = bus.attach("sender");
    let (log, records) = channel();
    let start = || {
        let mut process = Process::start(&bus, &log);
        process.obey("once worker 64");
        process
    };
    let process = start();
    let worker = find(&node, "worker");
    let is_over = AtomicBool::new(false);
    let (sent, mut seen, last) = std::thread::scope(|scope| {
        let sending = scope.spawn(|| block_on(send_until(&worker, &is_over)));
        // On this thread: a helper dies with the one that started it.
        let (mut process, mut seen) = (process, Vec::new());
        for _ in 0..KILLS {
            // So many records later.
            let count = usize::try_from(rng.below(60)).unwrap();
            seen.extend(records.iter().take(count));
            process.kill();
            process = start();
        }
        is_over.store(true, Relaxed);
        (sending.join().unwrap(), seen, process)
    });
    last.kill();
    drop(log);
    seen.extend(records.iter());
    // The handler that does nothing twice: what has an id that was seen has no effect.
    let (mut ids, mut counts) = (HashSet::new(), HashMap::<u64, u64>::new());
    for record in seen.iter().filter(|it| it.ended == 1) {
        if ids.insert(record.id) {
            *counts.entry(record.number).or_default() += 1;
        }
    }
    assert_eq!(counts.len() as u64, sent);
    assert!(counts.values().all(|count| *count == 1));
    let twice = seen
        .iter()
        .filter(|it| it.attempt > 1 && it.ended == 0)
        .count();
    println!("{sent} messages, {KILLS} kills, {twice} attempts again");
    assert_eq!(node.dead_letter_counts(), []);
    wait_until(|| node.heap().stats().allocated == node.heap().stats().freed);
}
