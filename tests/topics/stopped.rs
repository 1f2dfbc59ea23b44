//! Subscribers that are stopped, and nodes that sleep.

use ringway::PublishError;
use ringway::prelude::*;
use rustix::process::Signal;

use super::basic::{Position, at};
use crate::helper::{Helper, wait_until};
use crate::peer::{Chunk, TOPIC, chunk, number};
use crate::support::{Bus, watch};

// Goal: a stopped subscriber that drops the oldest delays nobody, and what it can keep from being used again is bounded; once it
// goes on, it gets the newest. Method: many times what the heap has are published past it.
#[test]
fn a_stopped_subscriber_that_drops_delays_nobody() {
    let _dog = watch();
    let bus = Bus::new("topics-stopped-drops");
    let node = Node::attach(bus.config("survivor").heap_limit(32 << 20)).unwrap();
    let topic = node.topic::<Chunk>(TOPIC).unwrap();
    let publisher = topic.publisher().samples(8).wait().unwrap();
    let mut here = topic.subscriber().depth(8).wait().unwrap();
    let mut helper = Helper::start(&bus, &["topics", "subscriber", "drops", "12"]);
    assert_eq!(helper.read_line(), "ready");
    assert_eq!(publisher.subscribers().len(), 2);
    for expected in 1..=400_u64 {
        let chunk = chunk(&publisher, expected, 200_000);
        publisher.publish(chunk).wait().unwrap();
        assert_eq!(number(&here.blocking().next().unwrap()), expected);
        if expected == 100 {
            helper.stop();
        }
    }
    // 16 leases, 8 samples in the lane, and those overwritten that were not looked at yet.
    let live = node.heap().stats().live();
    assert!(live <= 16 + 8 + 32, "{live} blocks");
    helper.signal(Signal::CONT);
    helper.kill();
}

// Goal: a stopped subscriber that is waited for holds its publisher up, as that was told to: the sample comes back, or after a
// deadline, or it waits, until the subscriber is dead.
#[test]
fn a_stopped_subscriber_that_is_waited_for_holds_up() {
    let _dog = watch();
    let bus = Bus::new("topics-stopped-waits");
    let node = bus.attach("survivor");
    let topic = node.topic::<Chunk>(TOPIC).unwrap();
    let publisher = topic.publisher().wait().unwrap();
    let mut helper = Helper::start(&bus, &["topics", "subscriber", "waits", "0"]);
    assert_eq!(helper.read_line(), "ready");
    assert_eq!(publisher.subscribers().len(), 1);
    helper.stop();
    let mut next = 1;
    let refused = loop {
        match publisher.try_publish(chunk(&publisher, next, 24)) {
            Ok(sequence) => assert_eq!(sequence, next),
            Err(error) => break error,
        }
        next += 1;
    };
    assert_eq!(next, 9, "its depth is 8");
    assert!(matches!(refused, PublishError::Full { .. }), "{refused}");
    let refused = refused.into_inner();
    assert_eq!(refused.header().number, next);
    let late = publisher
        .publish(refused)
        .within(ms(30))
        .wait()
        .unwrap_err();
    assert!(matches!(late, PublishError::Deadline { .. }), "{late}");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| publisher.publish(late.into_inner()).wait());
        helper.kill();
        assert_eq!(waits.join().unwrap().unwrap(), next);
    });
}

// Goal: a subscriber for whom nothing is published does not run. Method: samples go elsewhere on its bus, while the kernel counts
// how often its threads ran; it may still be settling during the first rounds. Then a sample wakes it.
#[test]
fn a_subscriber_that_waits_does_not_run() {
    const ROUNDS: u32 = 50;
    let _dog = watch();
    let bus = Bus::new("topics-sleeper");
    let (near, far) = (bus.attach("near"), bus.attach("far"));
    let publisher = near.topic::<Chunk>(TOPIC).unwrap().publisher();
    let publisher = publisher.wait().unwrap();
    // It begins behind these.
    for number in 1..=3 {
        let chunk = chunk(&publisher, number, 24);
        publisher.publish(chunk).wait().unwrap();
    }
    let mut sleeper = Helper::start(&bus, &["topics", "subscriber", "drops", "0"]);
    assert_eq!(sleeper.read_line(), "ready");
    let elsewhere = near.topic::<Position>("elsewhere").unwrap();
    let elsewhere = elsewhere.publisher().wait().unwrap();
    let there = far.topic::<Position>("elsewhere").unwrap();
    let mut there = there.subscriber().wait().unwrap();
    let mut sequence = 3;
    for round in 0..2 {
        let mut has_slept = false;
        for _ in 0..ROUNDS {
            let before = sleeper.runs();
            for x in 0..1000 {
                elsewhere.publish(at(x)).wait().unwrap();
                assert_eq!(there.blocking().next().unwrap().x, x);
            }
            has_slept = sleeper.runs() == before;
            if has_slept {
                break;
            }
        }
        assert!(has_slept, "it ran during each of {ROUNDS} rounds, {round}");
        let before = sleeper.runs();
        sequence += 1;
        let chunk = chunk(&publisher, sequence, 24);
        publisher.publish(chunk).wait().unwrap();
        wait_until(|| sleeper.runs() > before);
    }
    sleeper.kill();
}
