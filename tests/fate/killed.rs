//! The receiver's process is killed, by SIGKILL, with messages in the state of a row.

use std::sync::mpsc::channel;

use futures::StreamExt;
use ringway::prelude::*;

use super::scene::{Brought, Effects, Mode, Process, Told, bring, fate, told_of_ask, told_of_tell};
use super::table::{Found, Row};
use crate::support::{Bus, watch};
use crate::worker::{Job, Worker};

/// Processes that are killed, and as many scenes, each of its own; and the same of messages with high priority.
const TIMES: usize = 100;
/// Processes under way at a time: one starts while another is killed.
const AHEAD: usize = 4;

pub(crate) fn kill_receivers(row: Row) -> Found {
    let _dog = watch();
    let bus = Bus::new(&format!("fate-killed-{row:?}"));
    let node = bus.attach("sender");
    let (log, records) = channel();
    let mut effects = Effects::new(records);
    let mut found = Found::default();
    let mailbox = if row == Row::QueuedAtSender { 1 } else { 50 };
    let start = |time: usize| {
        let mut process = Process::start(&bus, &log);
        for which in 0..2 {
            process.obey(&format!("once w{time}-{which} {mailbox}"));
        }
        process
    };
    let mut waiting: std::collections::VecDeque<_> = (0..AHEAD).map(start).collect();
    for time in 0..2 * TIMES {
        let mode = if time < TIMES { Mode::Once } else { Mode::High };
        let next = time + AHEAD;
        waiting.extend((next < 2 * TIMES).then(|| start(next)));
        let process = waiting.pop_front().unwrap();
        block_on(async {
            let mut workers = Vec::new();
            for which in 0..2 {
                let name = format!("w{time}-{which}");
                let found: Addr<Worker> = node.lookup(name).within(secs(100)).await.unwrap();
                workers.push(found.pinned());
            }
            let first = time as u64 * 100;
            let mut all: Vec<(_, Brought<'_>)> = Vec::new();
            for (which, worker) in workers.iter().enumerate() {
                if which == 0 || row == Row::BeingHandled {
                    let back = worker.undelivered::<Job>();
                    let first = first + 20 * which as u64;
                    let brought = bring(row, which, worker, first, mode, &mut effects).await;
                    all.push((back, brought));
                }
            }
            process.kill();
            for (back, brought) in all {
                let back: Vec<_> = back.collect().await;
                for item in &back {
                    assert!(item.message.is_some(), "its bytes were its sender's");
                }
                if let Some((number, telling)) = brought.tell {
                    let accepted = telling.is_none();
                    let told = match telling {
                        None => told_of_tell(number, &back, None),
                        Some(telling) => {
                            let error = telling.await.unwrap_err();
                            assert_eq!(error.into_inner().number, number);
                            Told::Back
                        }
                    };
                    found
                        .tells
                        .insert(fate(told, accepted, number, &mut effects));
                }
                if let Some((number, asking)) = brought.ask {
                    let told = told_of_ask(number, asking.await);
                    let accepted = row != Row::QueuedAtSender;
                    found
                        .asks
                        .insert(fate(told, accepted, number, &mut effects));
                }
            }
        });
    }
    effects.settled();
    found.times = TIMES;
    found
}
