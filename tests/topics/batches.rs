//! Many samples at once, and those that a subscriber does not want.

use ringway::PublishError;
use ringway::prelude::*;

use super::basic::{Position, at, said};
use crate::peer::Chunk;
use crate::support::{Bus, watch};

// Goal: what is published together arrives as what is published one by one: all of it, in order, here and on another node. Method:
// bursts that the lane has no room for; batches of all sizes, waited for or not.
#[test]
fn batches_are_whole_and_in_order() {
    const COUNT: u64 = 3000;
    let _dog = watch();
    for reader in ["writer", "reader"] {
        let bus = Bus::new("topics-batches");
        let nodes = ["writer", "reader"].map(|name| bus.attach(name));
        let node = &nodes[usize::from(reader == "reader")];
        let mut subscriber = node
            .topic::<Position>("batches")
            .unwrap()
            .subscriber()
            .depth(100)
            .wait()
            .unwrap();
        let topic = nodes[0].topic::<Position>("batches").unwrap();
        let publisher = topic.publisher().wait().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(
                    publisher.publish_all((1..=COUNT).map(at)).wait().unwrap(),
                    COUNT
                );
            });
            let mut next = 1;
            for round in 0.. {
                if next > COUNT {
                    break;
                }
                let max = 1 + round % 70;
                let samples = match round % 3 {
                    0 => subscriber.try_batch(max),
                    _ => block_on(subscriber.batch(max)),
                };
                assert!(samples.len() <= max);
                for sample in samples {
                    assert_eq!(said(&sample), (next, 0, next));
                    next += 1;
                }
            }
        });
        assert!(subscriber.try_batch(8).is_empty());
        assert!(block_on(subscriber.batch(0)).is_empty());
    }
}

// Goal: what was not published comes back, in its order, and may be published again.
#[test]
fn what_finds_no_room_comes_back() {
    let _dog = watch();
    let bus = Bus::new("topics-batches-back");
    let node = bus.attach("node");
    let topic = node.topic::<Position>("back").unwrap();
    let mut slow = topic.subscriber().depth(16).wait().unwrap();
    let publisher = topic.publisher().samples(16).wait().unwrap();
    let error = publisher
        .publish_all((1..=200).map(at))
        .within(ms(20))
        .wait();
    let error = error.unwrap_err();
    assert_eq!(error.published(), 16);
    assert!(
        matches!(error.cause(), PublishError::Deadline { .. }),
        "{error}"
    );
    let rest: Vec<_> = error.into_inner().collect();
    assert_eq!(rest, (17..=200).map(at).collect::<Vec<_>>());
    assert_eq!(slow.try_batch(100).len(), 16);
    assert_eq!(
        publisher
            .publish_all(rest.into_iter().take(3))
            .wait()
            .unwrap(),
        3
    );
    let again: Vec<_> = slow.try_batch(100).iter().map(said).collect();
    assert_eq!(again, [(17, 0, 17), (18, 0, 18), (19, 0, 19)]);
    assert_eq!(
        publisher
            .publish_all(Vec::<Position>::new())
            .wait()
            .unwrap(),
        0
    );
}

// Goal: a batch of leases holds their blocks, and no more than it may; loans are published together, too.
#[test]
fn a_batch_of_leases_holds_their_blocks() {
    let _dog = watch();
    let bus = Bus::new("topics-batches-leases");
    let nodes = ["writer", "reader"].map(|name| bus.attach(name));
    let topic = nodes[1].topic::<Chunk>("leases").unwrap();
    let mut subscriber = topic.subscriber().depth(8).leases(4).wait().unwrap();
    let publisher = nodes[0].topic::<Chunk>("leases").unwrap();
    let publisher = publisher.publisher().wait().unwrap();
    let chunks = (1..=6).map(|number| crate::peer::chunk(&publisher, number, 20_000));
    assert_eq!(publisher.publish_all(chunks).wait().unwrap(), 6);
    let mut numbers = Vec::new();
    while numbers.len() < 6 {
        let samples = block_on(subscriber.batch(8));
        assert!(samples.len() <= 4, "{} leases", samples.len());
        numbers.extend(samples.iter().map(crate::peer::number));
        if samples.len() == 4 {
            assert!(subscriber.try_batch(8).is_empty(), "all leases are held");
        }
    }
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
}

// Goal: samples before a sequence, and old ones, are passed over, counted, and hold nobody up; of a publisher that does not say when,
// none is old.
#[test]
fn what_is_not_wanted_is_passed_over() {
    let _dog = watch();
    let bus = Bus::new("topics-filters");
    let nodes = ["writer", "reader"].map(|name| bus.attach(name));
    for node in &nodes {
        let name = format!("filters/{}", node.name());
        let topic = nodes[0].topic::<Position>(&name).unwrap();
        let timed = topic.publisher().timed().history(8).wait().unwrap();
        timed.publish_all((1..=8).map(at)).wait().unwrap();
        let topic = node.topic::<Position>(&name).unwrap();
        let mut late = topic.subscriber().from_sequence(6).wait().unwrap();
        let sample = late.try_next().unwrap();
        assert_eq!((said(&sample), sample.filtered_before()), ((6, 0, 6), 5));
        let sample = late.try_next().unwrap();
        assert_eq!((said(&sample), sample.filtered_before()), ((7, 0, 7), 0));
        let age = sample.age().unwrap();
        assert!(sample.timestamp().is_some() && age < secs(120), "{age:?}");

        let fresh = topic.subscriber().max_age(secs(0)).depth(8);
        let mut fresh = fresh.wait().unwrap();
        let silent = topic.publisher().wait().unwrap();
        timed
            .publish_all((9..=40).map(at))
            .within(ms(20))
            .wait()
            .unwrap_err();
        assert!(fresh.try_next().is_none(), "older than nothing");
        silent.publish(at(1)).wait().unwrap();
        let sample = block_on(fresh.next()).unwrap();
        assert_eq!((said(&sample), sample.timestamp()), ((1, 0, 1), None));
        assert_eq!(sample.publisher(), silent.id());
    }
}
