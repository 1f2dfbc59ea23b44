//! Subscribers to patterns: topics that are there and that come, in any process; those that do not fit; and the limit.

use std::collections::HashMap;

use futures::FutureExt as _;
use ringway::AllSubscriber;
use ringway::prelude::*;

use crate::basic::{Position, at, said};
use crate::helper::{Helper, wait_until};
use crate::support::{Bus, watch};

/// The next sample: topic, and what it says.
fn next(all: &mut AllSubscriber<Position>) -> (String, (u64, u64, u64)) {
    let sample = all.next_blocking().unwrap().unwrap();
    (sample.topic().to_owned(), said(&sample))
}

// Goal: of topics that were there and that come later, on this node and another, those that match are read, each sample with its
// topic and publisher, from the first one on; others are not.
#[test]
fn topics_that_match_are_read_whenever_they_come() {
    let _dog = watch();
    let bus = Bus::new("patterns-match");
    let (near, far) = (bus.attach("near"), bus.attach("far"));
    let publisher = |node: &Node, name: &str| {
        let topic = node.topic::<Position>(name).unwrap();
        topic.publisher().wait().unwrap()
    };
    let before = publisher(&far, "robot/arm/position");
    let pattern = near.topics::<Position>("robot/*/position").unwrap();
    let mut all = pattern.subscriber().wait().unwrap();
    assert_eq!(before.subscribers(), [all.id()]);
    assert_eq!(all.pattern(), "robot/*/position");

    let other = publisher(&far, "robot/arm/speed");
    for (number, node) in (0..).zip([&near, &far, &near, &far]) {
        let name = format!("robot/{number}/position");
        let later = publisher(node, &name);
        assert_eq!(
            later.subscribers(),
            [all.id()],
            "when it is there, it is read"
        );
        assert_eq!(other.try_publish(at(99)).unwrap(), number + 1);
        later.try_publish(at(number)).unwrap();
        before.try_publish(at(100 + number)).unwrap();
        let mut got = [next(&mut all), next(&mut all)];
        got.sort();
        let arm = (
            "robot/arm/position".to_owned(),
            (number + 1, 0, 100 + number),
        );
        assert_eq!(got, [(name.clone(), (1, 0, number)), arm]);
        let topics = all.topics();
        assert_eq!(
            topics.iter().map(|it| &**it).collect::<Vec<_>>(),
            [&*name, "robot/arm/position"]
        );
        // It ends; so what it had is all there was.
        drop(later);
        wait_until(|| {
            assert!(all.try_next().is_none());
            all.topics().len() == 1
        });
    }
    assert!(all.next().now_or_never().is_none());
    drop(all);
    wait_until(|| before.subscribers().is_empty());
}

// Goal: several publishers of one topic are told apart, and `**` takes in every depth.
#[test]
fn a_sample_tells_topic_and_publisher() {
    let _dog = watch();
    let bus = Bus::new("patterns-who");
    let (near, far) = (bus.attach("near"), bus.attach("far"));
    let mut all = near
        .topics::<Position>("robot/**")
        .unwrap()
        .subscriber()
        .wait()
        .unwrap();
    let names = ["robot", "robot/a", "robot/a", "robot/a/b/c"];
    let nodes = [&near, &near, &far, &far];
    let publishers: Vec<_> = names
        .iter()
        .zip(nodes)
        .map(|(name, node)| {
            node.topic::<Position>(name)
                .unwrap()
                .publisher()
                .wait()
                .unwrap()
        })
        .collect();
    for round in 1..=50 {
        for (number, publisher) in (0..).zip(&publishers) {
            publisher.try_publish(at(number)).unwrap();
        }
        for _ in &publishers {
            let sample = all.next_blocking().unwrap().unwrap();
            let (sequence, missed, number) = said(&sample);
            let number = usize::try_from(number).unwrap();
            assert_eq!((sequence, missed), (round, 0));
            assert_eq!(sample.topic(), names[number]);
            assert_eq!(sample.publisher(), publishers[number].id());
        }
    }
    let topics = near.topics::<Position>("robot/**").unwrap().names();
    let topics: Vec<_> = topics.iter().map(|it| &**it).collect();
    assert_eq!(topics, ["robot", "robot/a", "robot/a/b/c"]);
}

// Goal: topics that match and are of another message are told of once each, and nobody waits for them.
#[test]
fn what_does_not_fit_is_told() {
    let _dog = watch();
    let bus = Bus::new("patterns-misfit");
    let (near, far) = (bus.attach("near"), bus.attach("far"));
    let here = near
        .topic::<u32>("a/number")
        .unwrap()
        .publisher()
        .wait()
        .unwrap();
    let mut all = near
        .topics::<u64>("a/**")
        .unwrap()
        .subscriber()
        .wait()
        .unwrap();
    let there = far
        .topic::<f64>("a/b/real")
        .unwrap()
        .publisher()
        .wait()
        .unwrap();
    let fits = far.topic::<u64>("a/c").unwrap().publisher().wait().unwrap();
    let mut told = Vec::new();
    for _ in 0..2 {
        match all.next_blocking().unwrap().unwrap_err() {
            TopicError::OtherMessage {
                topic,
                ours,
                theirs,
                node,
            } => told.push(format!("{topic} {ours} {theirs} {node}")),
            other => panic!("{other}"),
        }
    }
    assert_eq!(told, ["a/number u64 u32 near", "a/b/real u64 f64 far"]);
    here.try_publish(1).unwrap();
    there.try_publish(2.0).unwrap();
    fits.try_publish(3).unwrap();
    let sample = all.next_blocking().unwrap().unwrap();
    assert_eq!((sample.topic(), **sample), ("a/c", 3));
    assert!(all.try_next().is_none());
}

// Goal: no more topics are read than the limit says; the others are told of, their publishers do not wait for who will not come,
// and one of them is read when a place is free.
#[test]
fn topics_beyond_the_limit_wait_for_a_place() {
    let _dog = watch();
    let bus = Bus::new("patterns-limit");
    let (near, far) = (bus.attach("near"), bus.attach("far"));
    let pattern = near.topics::<Position>("limit/*").unwrap();
    let mut all = pattern.subscriber().topics_max(2).wait().unwrap();
    let publisher = |node: &Node, name: &str| {
        let topic = node.topic::<Position>(name).unwrap();
        topic.publisher().within(secs(60)).wait().unwrap()
    };
    let one = publisher(&far, "limit/one");
    let two = publisher(&near, "limit/two");
    let again = publisher(&far, "limit/two"); // of a topic that is read
    assert_eq!(again.subscribers(), [all.id()]);
    for (node, name) in [(&far, "limit/three"), (&near, "limit/four")] {
        let late = publisher(node, name);
        assert!(late.subscribers().is_empty());
        match all.next_blocking().unwrap().unwrap_err() {
            TopicError::TooMany {
                topic,
                pattern,
                limit,
            } => assert_eq!((&*topic, &*pattern, limit), (name, "limit/*", 2)),
            other => panic!("{other}"),
        }
    }
    let (three, four) = (
        publisher(&far, "limit/three"),
        publisher(&near, "limit/four"),
    );
    wait_until(|| all.try_next().is_some()); // told anew, as they had gone
    two.try_publish(at(2)).unwrap();
    one.try_publish(at(1)).unwrap();
    drop(one);
    let mut seen = 0;
    wait_until(|| {
        seen += u64::from(all.try_next().is_some_and(|it| it.is_ok()));
        three.subscribers().len() + four.subscribers().len() == 1
    });
    wait_until(|| all.topics().len() == 2);
    let late = [three, four]
        .into_iter()
        .find(|it| !it.subscribers().is_empty())
        .unwrap();
    late.try_publish(at(3)).unwrap();
    while seen < 3 {
        seen += u64::from(all.next_blocking().unwrap().is_ok());
    }
}

// Goal: publishers of other processes that are killed leave what they had published to a pattern's subscriber, and their topics'
// places to others. Method: two at a time under a limit of two, of which the one or the other is killed.
#[test]
fn killed_publishers_free_their_places() {
    const COUNT: u64 = 50; // of each
    let _dog = watch();
    let bus = Bus::new("patterns-killed");
    let node = bus.attach("survivor");
    let pattern = node.topics::<Position>("killed/*").unwrap();
    let mut all = pattern.subscriber().topics_max(2).wait().unwrap();
    let mut got = HashMap::<String, u64>::new();
    let mut take_until = |reads: usize| {
        wait_until(|| {
            while let Some(item) = all.try_next() {
                let sample = match item {
                    Ok(sample) => sample,
                    Err(TopicError::TooMany { .. }) => continue, // until the place is free
                    Err(other) => panic!("{other}"),
                };
                let got = got.entry(sample.topic().to_owned()).or_default();
                assert_eq!(said(&sample), (*got + 1, 0, *got));
                *got += 1;
            }
            all.topics().len() == reads
        });
    };
    let start = |number: u64| {
        let topic = format!("killed/{number}");
        let mut helper = Helper::start(&bus, &["patterns", &topic, &COUNT.to_string()]);
        assert_eq!(helper.read_line(), "published");
        helper
    };
    let mut former = start(0);
    for number in 1..8 {
        let helper = start(number);
        take_until(2);
        let (goes, stays) = match number % 2 {
            0 => (helper, former),
            _ => (former, helper),
        };
        goes.kill();
        former = stays;
        take_until(1);
    }
    former.kill();
    take_until(0);
    assert_eq!(got.len(), 8);
    assert!(got.values().all(|count| *count == COUNT), "{got:?}");
}

// Goal: a subscriber that is killed is waited for no more.
#[test]
fn a_killed_subscriber_is_forgotten() {
    let _dog = watch();
    let bus = Bus::new("patterns-killed-subscriber");
    let node = bus.attach("survivor");
    let topic = node.topic::<Position>("killed/a").unwrap();
    let publisher = topic.publisher().samples(4).wait().unwrap();
    for _ in 0..3 {
        let mut helper = Helper::start(&bus, &["patterns", "killed/**"]);
        assert_eq!(helper.read_line(), "subscribed");
        assert_eq!(
            (publisher.subscribers().len(), topic.subscribers().len()),
            (1, 1)
        );
        while publisher.try_publish(at(1)).is_ok() {}
        helper.kill();
        publisher.publish(at(2)).wait().unwrap();
        wait_until(|| topic.subscribers().is_empty() && publisher.subscribers().is_empty());
    }
}
