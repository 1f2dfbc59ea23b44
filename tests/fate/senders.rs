//! The sender's process is killed, by SIGKILL, with messages in the state of a row: its receivers are in this process.

use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::channel;

use ringway::prelude::*;

use super::scene::Effects;
use super::table::{Fate, Found, Row};
use crate::helper::{Helper, wait_until};
use crate::support::{Bus, watch};
use crate::worker::{PASS, Yard};

/// Senders of each priority that are killed, and receivers of each.
const SENDERS: usize = 25;
const RECEIVERS: usize = 4;

pub(crate) fn kill_senders(row: Row) -> Found {
    let _dog = watch();
    let bus = Bus::new(&format!("fate-senders-{row:?}"));
    let mut found = Found::default();
    let scenes: &[&str] = match row {
        Row::QueuedAtSender => &["queued_at_sender"],
        Row::QueuedAtReceiver => &["queued_at_receiver"],
        Row::BeingHandled => &["being_handled_tell", "being_handled_ask"],
        Row::RepliedNotRead => &["replied"],
    };
    for scene in scenes {
        for priority in ["normal", "high"] {
            for time in 0..SENDERS {
                kill_one(&bus, (scene, priority), time, row, &mut found);
            }
        }
    }
    found.times = SENDERS * RECEIVERS;
    found
}

fn kill_one(bus: &Bus, (scene, priority): (&str, &str), time: usize, row: Row, found: &mut Found) {
    let node = bus.attach("home");
    let mut letters = node.dead_letters();
    let (log, records) = channel();
    let log = Arc::new(move |record| log.send(record).unwrap_or_default());
    let (yard, mut effects) = (Yard::new(&node, log), Effects::new(records));
    let mailbox = if row == Row::QueuedAtSender { 1 } else { 50 };
    let names: Vec<_> = (0..RECEIVERS)
        .map(|at| format!("{scene}-{priority}-{time}-{at}"))
        .collect();
    for name in &names {
        yard.obey(&format!("once {name} {mailbox}"));
    }
    let mut words = vec!["sender-of", scene, priority];
    words.extend(names.iter().map(String::as_str));
    let mut sender = Helper::start(bus, &words);
    let mut ready = [0; RECEIVERS];
    sender.take_output().read_exact(&mut ready).unwrap();
    let is_held = |number| number % 10 == 0 && row != Row::RepliedNotRead;
    let firsts = (0..RECEIVERS as u64).map(|at| at * 10);
    firsts
        .clone()
        .filter(|it| is_held(*it))
        .for_each(|it| effects.wait_for(it, 0));
    sender.kill();
    wait_until(|| node.peers().is_empty());
    for name in &names {
        yard.obey(&format!("open {name} {PASS}"));
    }
    // How many of each are told, and then asked, by which numbers; what was accepted is handled to its end.
    let (told, asked, refused): (&[u64], &[u64], &[u64]) = match scene {
        "queued_at_sender" => (&[0, 1], &[], &[2, 3]),
        "queued_at_receiver" => (&[0, 1], &[2], &[]),
        "being_handled_tell" => (&[0], &[], &[]),
        "being_handled_ask" => (&[], &[0], &[]),
        _ => (&[], &[0], &[]),
    };
    for first in firsts.clone() {
        for at in told.iter().chain(asked) {
            effects.wait_for(first + at, 1);
        }
    }
    for name in &names {
        let worker: Addr<crate::worker::Worker> = node.lookup(name.as_str()).wait().unwrap();
        yard.obey(&format!("end {name}"));
        block_on(worker.closed());
    }
    // A reply that nobody is there for is a dead letter here, once the death is proved.
    let unread = match row {
        Row::QueuedAtReceiver => RECEIVERS,
        Row::BeingHandled => asked.len() * RECEIVERS,
        Row::QueuedAtSender | Row::RepliedNotRead => 0,
    };
    let letters: Vec<_> = std::iter::from_fn(|| letters.try_next()).collect();
    assert!(letters.len() <= unread, "{letters:?}");
    for letter in letters {
        assert_eq!(letter.reason, DeadReason::ReplyUnread);
    }
    let mut judge = |number: u64, is_tell: bool| {
        let fate = match effects.of(number) {
            (1, 1, _) => Fate::Delivered,
            (0, 0, _) => Fate::Lost,
            other => panic!("{number}: {other:?}"),
        };
        match is_tell {
            true => found.tells.insert(fate),
            false => found.asks.insert(fate),
        };
    };
    for first in firsts {
        match row {
            Row::QueuedAtSender => {
                judge(first + refused[0], true);
                judge(first + refused[1], false);
            }
            _ => {
                told.iter().for_each(|at| judge(first + at, true));
                asked.iter().for_each(|at| judge(first + at, false));
            }
        }
    }
}
