//! A small tell that was put aside when its actor ends, or the actor's process: its sender is told, though for that it was over when
//! the handler that put it aside had ended.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::channel;

use futures::StreamExt;
use ringway::prelude::*;

use super::scene::{Effects, Process};
use crate::support::{Bus, watch};
use crate::worker::{ASIDE, Job, PANIC, PASS, Worker, Yard};

const TIMES: u64 = 100;
/// Processes under way at a time.
const AHEAD: u64 = 4;
/// Messages by which all slots of a queue are used again.
const ROUND: u64 = 300;

/// What the sender does before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Nothing,
    /// Uses the slots of the message again: its bytes are gone.
    SendsOn,
    /// Lets its address go, and with it the uring.
    Leaves,
}

fn then(time: u64) -> Then {
    match time % 5 {
        0 => Then::SendsOn,
        1 | 2 => Then::Leaves,
        _ => Then::Nothing,
    }
}

fn job(number: u64, what: u64) -> Job {
    Job { number, what }
}

/// Has a tell put aside, and one handled to its end before and after that.
async fn put_aside(worker: &Addr<Worker>, number: u64, effects: &mut Effects) {
    worker.tell(job(number + 1, PASS)).await.unwrap();
    worker.tell(job(number, ASIDE)).await.unwrap();
    worker.ask(job(number + 2, PASS)).await.unwrap();
    effects.wait_for(number, 0);
}

#[test]
fn put_aside__process_killed__remote() {
    let _dog = watch();
    let bus = Bus::new("fate-aside-killed");
    let node = bus.attach("sender");
    let (log, records) = channel();
    let mut effects = Effects::new(records);
    let start = |time: u64| {
        let mut process = Process::start(&bus, &log);
        process.obey(&format!("once w{time} 50"));
        process
    };
    let mut waiting: VecDeque<_> = (0..AHEAD).map(start).collect();
    for time in 0..TIMES {
        waiting.extend((time + AHEAD < TIMES).then(|| start(time + AHEAD)));
        let process = waiting.pop_front().unwrap();
        let (number, then) = (time * 1000, then(time));
        let mut letters = node.dead_letters();
        block_on(async {
            let found: Addr<Worker> = node
                .lookup(format!("w{time}"))
                .within(secs(100))
                .await
                .unwrap();
            let worker = found.pinned();
            drop(found);
            put_aside(&worker, number, &mut effects).await;
            if then == Then::SendsOn {
                for at in 0..ROUND {
                    worker.tell(job(number + 10 + at, PASS)).await.unwrap();
                }
                worker.ask(job(number + 3, PASS)).await.unwrap();
            }
            if then == Then::Leaves {
                drop(worker);
                process.kill();
                let letter = letters.next().await.unwrap();
                assert!(letter.taken && letter.type_id == Some(Job::TYPE_ID));
                // Not that of a uring that nobody needs any more.
                let DeadReason::Ended(reason) = letter.reason else {
                    panic!("{letter:?}");
                };
                assert!(!reason.is_normal(), "{reason}");
                assert_eq!(letter.sender, Some(node.id()));
                return;
            }
            let back = worker.undelivered::<Job>();
            process.kill();
            let back: Vec<_> = back.collect().await;
            let [back] = <[_; 1]>::try_from(back).expect("one came back");
            assert!(back.taken && matches!(back.why, Undone::Ended(_)));
            let message = back.message.map(|job| job.into_value().unwrap());
            let kept = (then == Then::Nothing).then(|| job(number, ASIDE));
            assert_eq!(message, kept);
        });
        assert_eq!(effects.of(number), (1, 0, 1));
        assert!(letters.try_next().is_none());
    }
}

fn panics(node: &Node, mut obey: impl FnMut(&str), effects: &mut Effects) {
    for time in 0..TIMES {
        let (number, name) = (time * 1000, format!("w{time}"));
        obey(&format!("once {name} 50"));
        block_on(async {
            let found: Addr<Worker> = node.lookup(&*name).within(secs(100)).await.unwrap();
            let worker = found.pinned();
            let back = worker.undelivered::<Job>();
            put_aside(&worker, number, effects).await;
            worker.tell(job(number + 4, PANIC)).await.unwrap();
            let back: Vec<_> = back.collect().await;
            assert!(back.len() == 2 && back.iter().all(|it| it.taken));
            let messages = back.into_iter().filter_map(|it| it.message);
            let mut jobs = messages.map(|job| job.into_value().unwrap());
            assert!(jobs.any(|it| it == job(number, ASIDE)));
        });
        obey(&format!("end {name}"));
        assert_eq!(effects.of(number), (1, 0, 1));
    }
}

#[test]
fn put_aside__panic__local() {
    let _dog = watch();
    let bus = Bus::new("fate-aside-local");
    let node = bus.attach("sender");
    let (log, records) = channel();
    let log = Arc::new(move |record| log.send(record).unwrap_or_default());
    let yard = Yard::new(&node, log);
    panics(&node, |line| yard.obey(line), &mut Effects::new(records));
}

#[test]
fn put_aside__panic__remote() {
    let _dog = watch();
    let bus = Bus::new("fate-aside-remote");
    let node = bus.attach("sender");
    let (log, records) = channel();
    let mut process = Process::start(&bus, &log);
    panics(&node, |line| process.obey(line), &mut Effects::new(records));
    process.kill();
}
