//! Many senders at once: no message lost, none twice, none out of its sender's order.

use std::thread;

use ringway::prelude::*;

use crate::support::stage::both;
use crate::support::{Bus, watch};

/// Numbers by sender, each of which must count upwards.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Count {
    sender: u64,
    number: u64,
}

/// The same in a block.
#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct CountAtLength {
    count: (u64, u64),
    ballast: String,
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = Vec<u64>)]
struct Sums;

#[derive(Actor)]
#[actor(handles(Count, CountAtLength, Sums))]
struct Counter {
    next: Vec<u64>,
}

impl Counter {
    fn count(&mut self, sender: u64, number: u64) {
        let next = &mut self.next[usize::try_from(sender).unwrap()];
        assert_eq!(
            *next, number,
            "of sender {sender}: none lost, none twice, none out of order"
        );
        *next += 1;
    }
}

impl Handler<Count> for Counter {
    async fn handle(&mut self, count: Count, _cx: &mut Context<Self>) {
        self.count(count.sender, count.number);
    }
}

impl Handler<CountAtLength> for Counter {
    async fn handle(&mut self, message: CountAtLength, _cx: &mut Context<Self>) {
        self.count(message.count.0, message.count.1);
    }
}

impl Handler<Sums> for Counter {
    async fn handle(&mut self, _sums: Sums, _cx: &mut Context<Self>) -> Vec<u64> {
        self.next.clone()
    }
}

const SENDERS: usize = 8;
const EACH: u64 = 3_000;

async fn send(counter: Addr<Counter>, sender: usize) {
    let sender = sender as u64;
    for number in 0..EACH {
        match number % 4 {
            0 => {
                let (count, ballast) = ((sender, number), "x".repeat(100));
                counter
                    .tell(CountAtLength { count, ballast })
                    .await
                    .unwrap();
            }
            1 => counter.ask(Count { sender, number }).await.unwrap(),
            2 => {
                let mut count = Count { sender, number };
                while let Err(error) = counter.try_tell(count) {
                    assert!(matches!(error, SendError::Full { .. }), "{error}");
                    count = error.into_inner();
                    thread::yield_now();
                }
            }
            _ => counter.tell(Count { sender, number }).await.unwrap(),
        }
    }
}

// Goal: many threads that share one address meet a small mailbox, and lose and reorder nothing.
#[test]
fn many_senders_share_an_address() {
    both("mailbox-many", |stage| {
        let counter = Counter {
            next: vec![0; SENDERS],
        };
        let counter = stage.spawn_as("counter", counter, |builder| builder.mailbox(4));
        thread::scope(|scope| {
            for sender in 0..SENDERS {
                let counter = counter.clone();
                scope.spawn(move || block_on(send(counter, sender)));
            }
        });
        let sums = counter.ask(Sums).wait().unwrap();
        assert_eq!(sums, [EACH; SENDERS]);
    });
}

// Goal: the same from several nodes at once, the actor's own among them.
#[test]
fn many_nodes_send() {
    let _dog = watch();
    let bus = Bus::new("mailbox-nodes");
    let home = bus.attach("home");
    let counter = Counter {
        next: vec![0; SENDERS],
    };
    home.actor(counter)
        .name("counter")
        .mailbox(4)
        .spawn()
        .unwrap();
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (bus, home) = (&bus, &home);
            scope.spawn(move || {
                let node = match sender {
                    0 => home.clone(),
                    _ => bus.attach(&format!("sender {sender}")),
                };
                let counter: Addr<Counter> = node.lookup("counter").wait().unwrap();
                block_on(send(counter.clone(), sender));
                // Its last message is handled before its node leaves.
                assert_eq!(counter.ask(Sums).wait().unwrap()[sender], EACH);
            });
        }
    });
}
