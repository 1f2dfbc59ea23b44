//! Actors that subscribe to topics and publish into them.

use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex};

use ringway::prelude::*;
use ringway_shm::sync::Ordering::Relaxed;

use crate::basic::{Position, at, said};
use crate::helper::wait_until;
use crate::peer::{Chunk, chunk};
use crate::support::{Bus, watch};

/// Publishes the squares of the numbers that it subscribes to; a tell of 0 has it panic.
#[derive(Actor)]
#[actor(handles(Position, u64), hooks)]
struct Squares {
    squares: Option<Publisher<Position>>,
    starts: Arc<AtomicU32>,
}

impl Hooks for Squares {
    async fn started(&mut self, cx: &mut Context<Self>) -> Result<(), BoxError> {
        let node = cx.node();
        let squares = node.topic("squares")?;
        self.squares = Some(squares.publisher().await?);
        let numbers = node.topic::<Position>("numbers")?;
        cx.subscribe(numbers.subscriber().depth(4)).await?;
        self.starts.fetch_add(1, Relaxed); // Relaxed: a count.
        Ok(())
    }
}

impl Handler<Position> for Squares {
    async fn handle(&mut self, number: Position, _cx: &mut Context<Self>) {
        let squares = self.squares.as_ref().unwrap();
        squares.publish(at(number.x * number.x)).await.unwrap();
    }
}

impl Handler<u64> for Squares {
    async fn handle(&mut self, _: u64, _cx: &mut Context<Self>) {
        panic!("as it was told");
    }
}

// Goal: an actor gets every sample of a topic of another node as a message, in order, and what it publishes arrives; one that is
// restarted subscribes again; one that has ended subscribes no more.
#[test]
fn an_actor_subscribes_and_publishes_in_each_of_its_lives() {
    let _dog = watch();
    let bus = Bus::new("topics-actor");
    let (near, far) = (bus.attach("near"), bus.attach("far"));
    let numbers = far
        .topic::<Position>("numbers")
        .unwrap()
        .publisher()
        .wait()
        .unwrap();
    let mut squares = far
        .topic::<Position>("squares")
        .unwrap()
        .subscriber()
        .wait()
        .unwrap();
    let starts = Arc::new(AtomicU32::new(0));
    let child = {
        let starts = Arc::clone(&starts);
        Child::actor("squares", move || Squares {
            squares: None,
            starts: Arc::clone(&starts),
        })
    };
    let tree = Supervisor::one_for_one()
        .child(child.permanent())
        .start(&near)
        .wait()
        .unwrap();
    let squarer: Addr<Squares> = tree.addr("squares").wait().unwrap();
    for life in 1..=3 {
        wait_until(|| starts.load(Relaxed) == life && numbers.subscribers().len() == 1);
        for x in 1..=100 {
            numbers.publish(at(x)).wait().unwrap();
            let sample = squares.blocking().next().unwrap();
            assert_eq!(said(&sample), (x, 0, x * x), "of this life's publisher");
        }
        if life < 3 {
            let reader = numbers.subscribers();
            squarer.tell(0).wait().unwrap();
            wait_until(|| numbers.subscribers() != reader);
        }
    }
    drop(tree);
    near.detach();
    wait_until(|| numbers.subscribers().is_empty());
}

/// Handles a sample when it is let.
#[derive(Actor)]
#[actor(handles(Position, Seen, u64), hooks)]
struct Slow {
    drops: bool,
    seen: Arc<Mutex<Vec<Seen>>>,
    gate: Arc<AtomicU64>,
}

#[derive(Message, Clone, Copy, Pod, Zeroable, Debug, PartialEq)]
#[message(move)]
#[repr(C)]
struct Seen {
    sequence: u64,
    missed: u64,
}

impl Hooks for Slow {
    async fn started(&mut self, cx: &mut Context<Self>) -> Result<(), BoxError> {
        let topic = cx.node().topic::<Position>("slow")?;
        let subscriber = topic.subscriber().depth(4);
        let subscriber = match self.drops {
            true => subscriber.drop_oldest(),
            false => subscriber,
        };
        let seen = |sample: ringway::Sample<Position>| Seen {
            sequence: sample.sequence(),
            missed: sample.missed_before(),
        };
        cx.subscribe_as(subscriber, seen).await?;
        Ok(())
    }
}

impl Handler<Position> for Slow {
    async fn handle(&mut self, _: Position, _cx: &mut Context<Self>) {}
}

impl Handler<Seen> for Slow {
    async fn handle(&mut self, seen: Seen, _cx: &mut Context<Self>) {
        self.seen.lock().unwrap().push(seen);
        // Until it is let: a handler that takes long.
        let gate = Arc::clone(&self.gate);
        std::future::poll_fn(move |cx| {
            if gate.load(Relaxed) > 0 {
                return std::task::Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
    }
}

impl Handler<u64> for Slow {
    async fn handle(&mut self, _: u64, _cx: &mut Context<Self>) {}
}

// Goal: what an actor that falls behind does to publishers is what its subscription says: they wait after depth and the two samples
// that it has in hand, or they do not, and it is told how many it missed. Method: its handler holds until the topic is full.
#[test]
fn an_actor_behind_has_publishers_wait_or_misses_samples() {
    for drops in [false, true] {
        let _dog = watch();
        let bus = Bus::new("topics-slow-actor");
        let (near, far) = (bus.attach("near"), bus.attach("far"));
        let (seen, gate) = <(Arc<Mutex<Vec<Seen>>>, Arc<AtomicU64>)>::default();
        let actor = Slow {
            drops,
            seen: Arc::clone(&seen),
            gate: Arc::clone(&gate),
        };
        let slow = near.spawn(actor).unwrap();
        slow.ask(1).wait().unwrap(); // it has started
        let topic = far.topic::<Position>("slow").unwrap();
        let publisher = topic.publisher().samples(64).wait().unwrap();
        let mut published = 0;
        if drops {
            while published < 1000 {
                published = publisher.try_publish(at(0)).unwrap();
            }
        } else {
            // One being handled, one in hand, four in the subscription; no more, however long it is tried.
            while published < 6 {
                published = publisher.publish(at(0)).wait().unwrap();
            }
            assert!(publisher.publish(at(0)).within(ms(50)).wait().is_err());
        }
        gate.store(1, Relaxed);
        let all = || {
            let seen = seen.lock().unwrap();
            seen.iter().map(|it| it.missed + 1).sum::<u64>()
        };
        wait_until(|| all() == published);
        let mut next = 1;
        for it in &*seen.lock().unwrap() {
            next += it.missed;
            assert_eq!(it.sequence, next);
            next += 1;
        }
        assert_eq!(seen.lock().unwrap().len() as u64 == published, !drops);
        slow.kill();
        wait_until(|| publisher.subscribers().is_empty());
    }
}

/// Keeps the leases that it gets, until it is asked.
#[derive(Actor, Default)]
#[actor(handles(Chunk, u64), hooks)]
struct Keeper(Vec<Lease<Chunk>>);

impl Hooks for Keeper {
    async fn started(&mut self, cx: &mut Context<Self>) -> Result<(), BoxError> {
        let topic = cx.node().topic::<Chunk>("kept")?;
        cx.subscribe(topic.subscriber().depth(8).leases(8)).await?;
        Ok(())
    }
}

impl Handler<Chunk> for Keeper {
    async fn handle(&mut self, chunk: Lease<Chunk>, _cx: &mut Context<Self>) {
        self.0.push(chunk);
    }
}

impl Handler<u64> for Keeper {
    async fn handle(&mut self, _: u64, _cx: &mut Context<Self>) -> () {
        let kept = std::mem::take(&mut self.0);
        for chunk in kept {
            let byte = chunk.header().number.to_le_bytes()[0];
            assert!(chunk.iter().all(|it| *it == byte));
        }
    }
}

// Goal: what lies in a block reaches an actor as a lease of that very block, which the publisher gets back when it is dropped.
#[test]
fn an_actor_reads_large_samples_in_place() {
    let _dog = watch();
    let bus = Bus::new("topics-actor-leases");
    let (near, far) = (bus.attach("near"), bus.attach("far"));
    let keeper = near.spawn(Keeper::default()).unwrap();
    keeper.ask(0).wait().unwrap(); // it has started
    let publisher = far
        .topic::<Chunk>("kept")
        .unwrap()
        .publisher()
        .wait()
        .unwrap();
    for number in 1..=40 {
        let sample = chunk(&publisher, number, 100_000);
        publisher.publish(sample).wait().unwrap();
        if number % 4 == 0 {
            keeper.ask(0).wait().unwrap();
        }
    }
    keeper.kill();
    wait_until(|| publisher.subscribers().is_empty());
    drop(publisher);
    wait_until(|| far.heap().stats().live() == 0);
    assert_eq!(near.heap().stats().live(), 0);
}
