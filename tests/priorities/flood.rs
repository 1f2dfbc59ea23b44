//! Many senders of both priorities at once, into small mailboxes.

use std::collections::HashMap;
use std::thread;

use ringway::Node;
use ringway::prelude::*;
use ringway::test::quiescent;

use crate::support::probe::Event::{Began, Started};
use crate::support::probe::{Note, Page, Probe, Text, probe};
use crate::support::{Bus, watch};

/// Messages of one sender of each priority.
const EACH: u64 = 600;
/// Room for how many of each.
const MAILBOX: usize = 8;

/// Tells in turn with both priorities, in each of the ways in which a message travels.
fn send(probe: &Addr<Probe>, sender: u64) {
    block_on(async {
        for at in 0..EACH {
            for priority in [Priority::Normal, High] {
                let number = (sender * 2 + u64::from(priority == High)) * 1_000_000 + at;
                match at % 5 {
                    0 => {
                        let words = [number; 511];
                        let page = Page { number, words };
                        probe.tell(page).priority(priority).await.unwrap();
                    }
                    1 => {
                        let text = "x".repeat(200);
                        let text = Text { number, text };
                        probe.tell(text).priority(priority).await.unwrap();
                    }
                    2 => {
                        let asked = probe.ask(Note { number }).priority(priority);
                        let asked = asked.deadline(secs(100)).await;
                        assert_eq!(asked.unwrap(), number);
                    }
                    3 => {
                        let one = std::iter::once(Note { number });
                        probe.tell_all(one).priority(priority).await.unwrap();
                    }
                    _ => {
                        let note = Note { number };
                        probe.tell(note).priority(priority).await.unwrap();
                    }
                }
            }
        }
    });
}

// Goal: with full mailboxes, waits for room and turns between six senders of three nodes nothing is lost, doubled or out of its
// order, of each sender and priority; and when all is quiet, all has been handled.
#[test]
fn each_order_is_kept() {
    let _dog = watch();
    let bus = Bus::new("priorities-flood");
    let home = bus.attach("home");
    let (actor, watcher) = probe();
    let builder = home.actor(actor).name("probe").mailbox(MAILBOX);
    let own = builder.spawn().unwrap();
    watcher.expect(Started);
    let others: Vec<Node> = ["one", "two"].map(|name| bus.attach(name)).into();
    let far = others
        .iter()
        .map(|node| node.lookup("probe").wait().unwrap());
    let addresses: Vec<Addr<Probe>> = std::iter::once(own).chain(far).collect();
    thread::scope(|scope| {
        for sender in 0..6 {
            let probe = &addresses[sender % 3];
            scope.spawn(move || send(probe, sender as u64));
        }
    });
    quiescent(others.iter().chain([&home])).wait();
    let mut next: HashMap<u64, u64> = HashMap::new();
    for event in watcher.so_far() {
        let Began(number) = event else { continue };
        let next = next.entry(number / 1_000_000).or_default();
        assert_eq!(number % 1_000_000, *next, "of {}", number / 1_000_000);
        *next += 1;
    }
    assert_eq!(next.len(), 12);
    assert!(next.values().all(|count| *count == EACH), "{next:?}");
}
