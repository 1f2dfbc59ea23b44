//! The newest sample, for who does not want the others.

use super::basic::{Position, at, said};
use crate::helper::{Helper, wait_until};
use crate::peer::{Chunk, TOPIC, chunk, number};
use crate::support::{Bus, watch};

// Goal: a reader finds the newest sample whenever it looks, one from before it came, too; it says how many it has not seen, and holds
// nobody up. Method: on the publisher's node and on another.
#[test]
fn the_newest_is_found() {
    let _dog = watch();
    let bus = Bus::new("topics-latest");
    let nodes = ["writer", "reader"].map(|name| bus.attach(name));
    for node in &nodes {
        let name = format!("latest/{}", node.name());
        let topic = nodes[0].topic::<Position>(&name).unwrap();
        let publisher = topic.publisher().samples(4).wait().unwrap();
        let mut early = node
            .topic::<Position>(&name)
            .unwrap()
            .latest()
            .wait()
            .unwrap();
        assert!(early.get().is_none());
        for x in 1..=100 {
            assert_eq!(publisher.try_publish(at(x)).unwrap(), x);
        }
        let mut late = node
            .topic::<Position>(&name)
            .unwrap()
            .latest()
            .wait()
            .unwrap();
        assert_eq!(said(&early.get().unwrap()), (100, 0, 100));
        assert_eq!(said(&late.get().unwrap()), (100, 0, 100));
        publisher.publish_all((101..=103).map(at)).wait().unwrap();
        for missed in [2, 0] {
            assert_eq!(said(&early.get().unwrap()), (103, missed, 103));
        }
        // Of two publishers, the one that has published since.
        let other = topic.publisher().wait().unwrap();
        assert_eq!(said(&early.get().unwrap()), (103, 0, 103));
        other.publish(at(7)).wait().unwrap();
        // Its answer may still be on the way to the reader's node.
        let sample = early.wait_changed().unwrap();
        assert_eq!((said(&sample), sample.publisher()), ((1, 0, 7), other.id()));
        assert_eq!(said(&early.get().unwrap()), (1, 0, 7));
        publisher.publish(at(104)).wait().unwrap();
        assert_eq!(said(&early.get().unwrap()), (104, 0, 104));
        // The last of one that has ended is found once.
        publisher.publish(at(105)).wait().unwrap();
        drop(publisher);
        assert_eq!(said(&early.get().unwrap()), (105, 0, 105));
        wait_until(|| {
            early
                .get()
                .is_some_and(|sample| sample.publisher() == other.id())
        });
    }
}

// Goal: who waits is woken by what is published next, by any publisher, and by what was published just before. Method: readers on the
// publisher's node and on another; each waits for the sample that answers the one before.
#[test]
fn who_waits_for_a_change_is_woken() {
    const COUNT: u64 = 300;
    let _dog = watch();
    let bus = Bus::new("topics-latest-wakes");
    let nodes = ["writer", "reader"].map(|name| bus.attach(name));
    for (round, node) in nodes.iter().enumerate() {
        let (there, back) = (format!("there/{round}"), format!("back/{round}"));
        let asks = nodes[0].topic::<Position>(&there).unwrap();
        let asks = asks.publisher().wait().unwrap();
        let mut asked = node
            .topic::<Position>(&there)
            .unwrap()
            .latest()
            .wait()
            .unwrap();
        let answers = node.topic::<Position>(&back).unwrap();
        let answers = answers.publisher().wait().unwrap();
        let mut answered = nodes[0]
            .topic::<Position>(&back)
            .unwrap()
            .latest()
            .wait()
            .unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for x in 1..=COUNT {
                    assert_eq!(said(&asked.wait_changed().unwrap()), (x, 0, x));
                    answers.publish(at(x)).wait().unwrap();
                }
            });
            for x in 1..=COUNT {
                asks.publish(at(x)).wait().unwrap();
                assert_eq!(said(&answered.wait_changed().unwrap()), (x, 0, x));
            }
        });
    }
}

// Goal: a sample that is read stays as it is while others follow; with all leases held nothing is found, and who waits goes on when one
// is dropped.
#[test]
fn leases_of_the_newest() {
    let _dog = watch();
    let bus = Bus::new("topics-latest-leases");
    let nodes = ["writer", "reader"].map(|name| bus.attach(name));
    let topic = nodes[0].topic::<Chunk>("latest").unwrap();
    let publisher = topic.publisher().samples(2).wait().unwrap();
    let reader = nodes[1].topic::<Chunk>("latest").unwrap().latest();
    let mut reader = reader.leases(2).wait().unwrap();
    let publish = |number| {
        let chunk = chunk(&publisher, number, 50_000);
        publisher.publish(chunk).wait().unwrap();
    };
    publish(1);
    let mut held = vec![reader.wait_changed().unwrap(), reader.get().unwrap()];
    for number in 2..=40 {
        publish(number);
    }
    assert!(reader.get().is_none(), "all leases are held");
    assert!(held.iter().all(|sample| number(sample) == 1));
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| number(&reader.wait_changed().unwrap()));
        held.pop();
        assert_eq!(waits.join().unwrap(), 40);
    });
    assert_eq!(number(&held[0]), 1);
}

// Goal: a reader outlives publishers that are killed, whatever they were doing.
#[test]
fn publishers_are_killed() {
    let _dog = watch();
    let bus = Bus::new("topics-latest-killed");
    let node = bus.attach("reader");
    let topic = node.topic::<Chunk>(TOPIC).unwrap();
    let mut reader = topic.latest().wait().unwrap();
    let _other = topic.subscriber().drop_oldest().wait().unwrap();
    for _ in 0..4 {
        let helper = Helper::start(&bus, &["topics", "publisher", "70000"]);
        let mut last = number(&reader.wait_changed().unwrap());
        for _ in 0..20 {
            let next = number(&reader.wait_changed().unwrap());
            assert!(next > last);
            last = next;
        }
        helper.kill();
        wait_until(|| {
            let _ = reader.get();
            reader.publishers().is_empty()
        });
        assert!(reader.get().is_none());
    }
}
