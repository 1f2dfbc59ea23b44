//! Priorities: what is urgent comes before what waits, in order, and not for ever; here and in another node's mailbox.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

#[path = "priorities/ending.rs"]
mod ending;
#[path = "priorities/flood.rs"]
mod flood;
#[path = "priorities/overtaking.rs"]
mod overtaking;
#[path = "priorities/room.rs"]
mod room;
#[path = "priorities/ways.rs"]
mod ways;

use ringway::prelude::*;

use support::probe::Event::{Began, Ended};
use support::probe::{Hold, Note, Probe, Text, Watcher};
use support::stage::Stage;

/// Messages of high priority in a row, as the documentation says.
const IN_ROW: u64 = 16;

/// A probe in whose hand a hold is, of number 0, and to which something of high priority has come before.
fn held(stage: &Stage, mailbox: usize, overflow: Overflow) -> (Addr<Probe>, Watcher) {
    let (actor, watcher) = support::probe::probe();
    let probe = stage.spawn_as("probe", actor, |builder| {
        builder.mailbox(mailbox).overflow(overflow)
    });
    watcher.expect(support::probe::Event::Started);
    block_on(async {
        // Also what is needed to send a block.
        let (number, text) = (1000, "x".repeat(3000));
        let first = probe.ask(Text { number, text }).priority(High);
        first.await.unwrap();
        probe.tell(Hold { number: 0 }).await.unwrap();
    });
    handles(&watcher, [1000]);
    watcher.expect(Began(0));
    (probe, watcher)
}

async fn tell(probe: &Addr<Probe>, priority: Priority, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let told = probe.tell(Note { number }).priority(priority).await;
        told.unwrap();
    }
}

/// Expects these notes to be handled, one after the other.
fn handles(watcher: &Watcher, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        watcher.expect(Began(number));
        watcher.expect(Ended(number));
    }
}

/// Lets the handler in hand end.
fn release(watcher: &Watcher, number: u64) {
    watcher.open_gate();
    watcher.expect(Ended(number));
}
