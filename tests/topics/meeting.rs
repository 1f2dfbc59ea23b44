//! How publishers and subscribers find each other.

use ringway::TopicError;
use ringway::prelude::*;

use super::basic::{Position, at, said};
use crate::support::{Bus, watch};

// Goal: a subscriber whose builder has returned gets the next sample, and one whose publisher is made later its first. Method: over
// and over, on nodes that have just met or have not.
#[test]
fn nothing_is_lost_at_the_start() {
    let _dog = watch();
    let bus = Bus::new("topics-start");
    for round in 0..10 {
        let near = bus.attach("near");
        let near_topic = near.topic::<Position>("start").unwrap();
        let publisher = near_topic.publisher().wait().unwrap();
        let far = bus.attach("far");
        let far_topic = far.topic::<Position>("start").unwrap();
        let mut first = far_topic.subscriber().wait().unwrap();
        assert_eq!(publisher.try_publish(at(round)).unwrap(), 1);
        assert_eq!(said(&first.blocking().next().unwrap()), (1, 0, round));
        let late = far_topic.publisher().wait().unwrap();
        let mut second = near_topic.subscriber().wait().unwrap();
        late.try_publish(at(7)).unwrap();
        assert_eq!(said(&first.blocking().next().unwrap()), (1, 0, 7));
        assert_eq!(said(&second.blocking().next().unwrap()), (1, 0, 7));
        publisher.try_publish(at(8)).unwrap();
        assert_eq!(said(&second.blocking().next().unwrap()), (2, 0, 8));
    }
}

// Goal: late joiners get as much history as they are promised, and no more.
#[test]
fn history_is_for_those_who_come_later() {
    let _dog = watch();
    let bus = Bus::new("topics-history");
    let (near, far) = (bus.attach("near"), bus.attach("far"));
    let topic = near.topic::<Position>("history").unwrap();
    let publisher = topic.publisher().history(3).wait().unwrap();
    for x in 1..=10 {
        publisher.publish(at(x)).wait().unwrap();
    }
    for node in [&near, &far] {
        let topic = node.topic::<Position>("history").unwrap();
        let mut late = topic.subscriber().wait().unwrap();
        for x in 8..=10 {
            assert_eq!(said(&late.blocking().next().unwrap()), (x, 0, x));
        }
        assert!(late.try_next().is_none());
    }
}

// Goal: a topic is one of one message, and who comes with another is refused, with both named; so is what is no name.
#[test]
fn what_does_not_agree_is_refused() {
    let _dog = watch();
    let bus = Bus::new("topics-refused");
    let (near, far) = (bus.attach("near"), bus.attach("far"));
    let position = near.topic::<Position>("typed").unwrap();
    let early = far.topic::<u64>("typed").unwrap();
    let _publisher = position.publisher().wait().unwrap();
    for node in [&near, &far] {
        while far.topic::<u64>("typed").is_ok() {
            std::thread::yield_now();
        }
        let error = node.topic::<u64>("typed").unwrap_err();
        assert!(matches!(error, TopicError::OtherMessage { .. }));
        let expected = format!(
            "topic \"typed\" is of {:?} on node \"near\", not of \"u64\"",
            <Position as Message>::NAME
        );
        assert_eq!(error.to_string(), expected);
        assert!(matches!(
            node.topic::<u64>("a//b"),
            Err(TopicError::Name(_))
        ));
        assert!(matches!(node.topic::<u64>("a/*"), Err(TopicError::Name(_))));
    }
    assert!(early.subscriber().wait().is_err());
    assert!(early.publisher().wait().is_err());
    assert!(position.subscribers().is_empty());
}

// Goal: who is there is seen on every node, and who goes is gone; a publisher can wait for its subscribers.
#[test]
fn who_is_there_is_seen() {
    let _dog = watch();
    let bus = Bus::new("topics-seen");
    let (near, far) = (bus.attach("near"), bus.attach("far"));
    let near_topic = near.topic::<Position>("seen").unwrap();
    let far_topic = far.topic::<Position>("seen").unwrap();
    let publisher = near_topic.publisher().wait().unwrap();
    assert_eq!(near_topic.publishers(), [publisher.id()]);
    let subscribers = std::thread::scope(|scope| {
        let waits = scope.spawn(|| block_on(publisher.wait_for_subscribers(2)));
        let first = far_topic.subscriber().wait().unwrap();
        let second = near_topic.subscriber().wait().unwrap();
        waits.join().unwrap();
        [first, second]
    });
    assert_eq!(far_topic.publishers(), [publisher.id()]);
    assert_eq!(publisher.subscribers().len(), 2);
    assert_eq!(near_topic.subscribers().len(), 2);
    assert_eq!(far_topic.subscribers(), near_topic.subscribers());
    drop(subscribers);
    while !near_topic.subscribers().is_empty() || !publisher.subscribers().is_empty() {
        std::thread::yield_now();
    }
    drop(publisher);
    while !far_topic.publishers().is_empty() {
        std::thread::yield_now();
    }
}

// Goal: what a publisher has published is there after it has ended, history and blocks too; then its subscribers forget it.
#[test]
fn the_last_samples_outlive_their_publisher() {
    let _dog = watch();
    let bus = Bus::new("topics-last");
    let (near, far) = (bus.attach("near"), bus.attach("far"));
    let mut texts = far
        .topic::<String>("last")
        .unwrap()
        .subscriber()
        .wait()
        .unwrap();
    for round in 0..20 {
        let topic = near.topic::<String>("last").unwrap();
        let publisher = topic.publisher().wait().unwrap();
        let text = format!("{round}").repeat(10_000);
        publisher.publish(text.clone()).wait().unwrap();
        publisher.publish("end".to_owned()).wait().unwrap();
        drop(publisher);
        block_on(async {
            assert_eq!(*texts.next().await.unwrap(), text);
            assert_eq!(*texts.next().await.unwrap(), "end");
        });
    }
    while !texts.publishers().is_empty() {
        assert!(texts.try_next().is_none());
    }
    let stats = || near.heap().stats();
    while stats().live() > 0 {
        std::thread::yield_now();
    }
}

// Goal: ends come and go without leaving anything: places in the registry, memory, blocks.
#[test]
fn ends_leave_nothing() {
    let _dog = watch();
    let bus = Bus::new("topics-nothing");
    let config = |name| bus.config(name).registry_capacity(64);
    let near = Node::attach(config("near").rings_limit(1 << 20)).unwrap();
    let far = Node::attach(config("far").rings_limit(1 << 20)).unwrap();
    for round in 0..300 {
        let name = format!("topic/{}", round % 7);
        let mut subscriber = far
            .topic::<Position>(&name)
            .unwrap()
            .subscriber()
            .wait()
            .unwrap();
        let publisher = near
            .topic::<Position>(&name)
            .unwrap()
            .publisher()
            .wait()
            .unwrap();
        publisher.try_publish(at(round)).unwrap();
        if round % 2 == 0 {
            assert_eq!(said(&subscriber.blocking().next().unwrap()), (1, 0, round));
        }
        if round % 3 == 0 {
            drop(subscriber);
            drop(publisher);
        } else {
            drop(publisher);
            drop(subscriber);
        }
    }
}
