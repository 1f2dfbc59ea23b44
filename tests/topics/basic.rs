//! Samples reach every subscriber, in order, on the publisher's node and on others.

use std::future::IntoFuture as _;

use futures::future::join_all;
use ringway::Sample;
use ringway::prelude::*;

use crate::support::{Bus, watch};

#[derive(Message, Clone, Copy, Pod, Zeroable, Debug, PartialEq)]
#[message(move, name = "topics::Position")]
#[repr(C)]
pub(crate) struct Position {
    pub(crate) x: u64,
    pub(crate) y: u64,
}

pub(crate) fn at(x: u64) -> Position {
    Position { x, y: !x }
}

/// What a sample says, in short: sequence, missed, and the number that it was made of.
pub(crate) fn said(sample: &Sample<Position>) -> (u64, u64, u64) {
    assert_eq!(sample.y, !sample.x, "torn");
    (sample.sequence(), sample.missed_before(), sample.x)
}

// Goal: the program in the documentation, on one node.
#[test]
fn one_publishes_and_one_subscribes() {
    let _dog = watch();
    let bus = Bus::new("topics-one");
    let node = bus.attach("node");
    let topic = node.topic::<Position>("robot/arm/position").unwrap();
    block_on(async {
        let mut positions = topic.subscriber().await.unwrap();
        let publisher = topic.publisher().await.unwrap();
        assert_eq!(positions.publishers(), [publisher.id()]);
        assert_eq!(publisher.subscribers(), [positions.id()]);
        assert!(positions.try_next().is_none());
        assert_eq!(publisher.publish(at(7)).await.unwrap(), 1);
        let sample = positions.next().await.unwrap();
        assert_eq!(said(&sample), (1, 0, 7));
        assert_eq!(sample.publisher(), publisher.id());
        assert!(positions.try_next().is_none());
    });
}

// Goal: each subscriber, wherever it is, gets each publisher's samples, all of them, in order. Method: three nodes, each with a
// publisher and two subscribers that wait for nobody; threads publish at once.
#[test]
fn everybody_gets_everything_in_order() {
    const COUNT: u64 = 2000; // of each of three
    let _dog = watch();
    let bus = Bus::new("topics-all");
    let nodes: Vec<_> = (0..3).map(|at| bus.attach(&format!("node-{at}"))).collect();
    let topics: Vec<_> = nodes
        .iter()
        .map(|node| node.topic::<Position>("all").unwrap())
        .collect();
    let ends = topics.iter().flat_map(|topic| [topic, topic]);
    let subscribers = block_on(join_all(
        ends.map(|topic| topic.subscriber().depth(32).into_future()),
    ));
    let publishers = block_on(join_all(
        topics.iter().map(|topic| topic.publisher().into_future()),
    ));
    let publishers: Vec<_> = publishers.into_iter().map(Result::unwrap).collect();
    std::thread::scope(|scope| {
        for (number, publisher) in (0..).zip(&publishers) {
            scope.spawn(move || {
                for x in 0..COUNT {
                    publisher.publish(at(number * COUNT + x)).wait().unwrap();
                }
            });
        }
        for subscriber in subscribers {
            let mut subscriber = subscriber.unwrap();
            let publishers = &publishers;
            scope.spawn(move || {
                let mut next = vec![0; publishers.len()];
                for sample in subscriber.blocking().take(3 * 2000) {
                    let from = publishers
                        .iter()
                        .position(|it| it.id() == sample.publisher());
                    let from = from.unwrap();
                    let x = from as u64 * COUNT + next[from];
                    next[from] += 1;
                    assert_eq!(said(&sample), (next[from], 0, x));
                }
                assert_eq!(next, vec![COUNT; publishers.len()]);
                assert!(subscriber.try_next().is_none());
            });
        }
    });
}

// Goal: a subscriber that waits is woken, here and from another node, each time; nothing is lost between its look and its sleep.
// Method: two topics, there and back, one sample at a time.
#[test]
fn who_waits_is_woken() {
    const ROUNDS: u64 = 500;
    let _dog = watch();
    let bus = Bus::new("topics-woken");
    let (near, far) = (bus.attach("near"), bus.attach("far"));
    for other in [&near, &far] {
        let topic = |node: &Node, name| node.topic::<Position>(name).unwrap();
        let mut there = topic(other, "there").subscriber().wait().unwrap();
        let mut back = topic(&near, "back").subscriber().wait().unwrap();
        let out = topic(&near, "there").publisher().wait().unwrap();
        let home = topic(other, "back").publisher().wait().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for sample in there.blocking().take(500) {
                    home.publish(*sample).wait().unwrap();
                }
            });
            for round in 1..=ROUNDS {
                out.publish(at(round)).wait().unwrap();
                let sample = back.blocking().next().unwrap();
                assert_eq!(said(&sample), (round, 0, round));
            }
        });
    }
}

// Goal: the stream of a subscriber ends when its node leaves the bus, and a publisher says so.
#[test]
fn a_node_that_leaves_ends_them() {
    let _dog = watch();
    let bus = Bus::new("topics-leave");
    let (node, other) = (bus.attach("node"), bus.attach("other"));
    let topic = node.topic::<Position>("ends").unwrap();
    let far = other.topic::<Position>("ends").unwrap();
    let mut positions = topic.subscriber().wait().unwrap();
    let mut theirs = far.subscriber().wait().unwrap();
    let publisher = topic.publisher().wait().unwrap();
    publisher.publish(at(1)).wait().unwrap();
    node.detach();
    assert!(publisher.try_publish(at(2)).is_err());
    assert!(positions.blocking().next().is_none());
    let sample = theirs.blocking().next().unwrap();
    assert_eq!(said(&sample), (1, 0, 1));
    while !theirs.publishers().is_empty() {
        assert!(theirs.try_next().is_none());
        std::thread::yield_now();
    }
    // Its lane says that it has ended before its node says that it leaves.
    while !far.publishers().is_empty() {
        std::thread::yield_now();
    }
}
