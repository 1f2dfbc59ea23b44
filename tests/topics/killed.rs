//! Publishers and subscribers that are killed, at any moment.

use ringway::prelude::*;

use crate::helper::{Helper, Rng, wait_until};
use crate::peer::{Chunk, TOPIC, chunk, number};
use crate::support::{Bus, watch};

// Goal: what a killed publisher had published is taken, whole and without a gap, by who waits; what was read before stays as it
// was; then its subscribers forget it. Method: small samples and large ones; leases are kept over the death.
#[test]
fn a_killed_publisher_leaves_what_it_had_published() {
    let _dog = watch();
    let bus = Bus::new("topics-killed-publisher");
    let node = bus.attach("survivor");
    let topic = node.topic::<Chunk>(TOPIC).unwrap();
    let mut rng = Rng::new("killed publisher");
    for round in 0..12 {
        let len = [24, 500, 100_000][round % 3];
        let helper = Helper::start(&bus, &["topics", "publisher", &len.to_string()]);
        let mut waits = topic.subscriber().depth(8).wait().unwrap();
        let drops = topic.subscriber().depth(4).drop_oldest();
        let mut drops = drops.wait().unwrap();
        let until = 1 + rng.below(300);
        let mut kept = Vec::new();
        let mut next = 1;
        while next <= until {
            let sample = waits.blocking().next().unwrap();
            assert_eq!((number(&sample), sample.missed_before()), (next, 0));
            next += 1;
            if next + 4 > until {
                kept.push(sample);
            }
        }
        helper.kill();
        wait_until(|| {
            while let Some(sample) = waits.try_next() {
                assert_eq!((number(&sample), sample.missed_before()), (next, 0));
                next += 1;
            }
            waits.publishers().is_empty()
        });
        let mut seen = 0;
        wait_until(|| {
            while let Some(sample) = drops.try_next() {
                seen += 1 + sample.missed_before();
                assert_eq!(number(&sample), seen);
            }
            drops.publishers().is_empty()
        });
        assert!(seen < next);
        kept.iter().for_each(|sample| _ = number(sample));
        assert!(topic.publishers().is_empty());
    }
}

// Goal: a killed subscriber gives everything back, whatever it held: its publisher goes on, and its blocks are free. Method: it
// holds more leases than it has depth, and is killed while its publisher waits for it, or does not.
#[test]
fn a_killed_subscriber_gives_everything_back() {
    let _dog = watch();
    let bus = Bus::new("topics-killed-subscriber");
    let node = Node::attach(bus.config("survivor").heap_limit(8 << 20)).unwrap();
    let topic = node.topic::<Chunk>(TOPIC).unwrap();
    let mut rng = Rng::new("killed subscriber");
    let mut first = 1;
    let publisher = topic.publisher().samples(16).wait().unwrap();
    let mut here = topic.subscriber().depth(16).wait().unwrap();
    for round in 0..12 {
        let policy = ["waits", "drops"][round % 2];
        let mut helper = Helper::start(&bus, &["topics", "subscriber", policy, "12"]);
        assert_eq!(helper.read_line(), "ready");
        assert_eq!(publisher.subscribers().len(), 2);
        let numbers = first..first + 100;
        let last = first + rng.below(90);
        first = numbers.end;
        let mut helper = Some(helper);
        std::thread::scope(|scope| {
            let publisher = &publisher;
            let publishes = numbers.clone();
            scope.spawn(move || {
                for number in publishes {
                    let chunk = chunk(publisher, number, 100_000);
                    publisher.publish(chunk).wait().unwrap();
                }
            });
            for expected in numbers {
                let sample = here.blocking().next().unwrap();
                assert_eq!(number(&sample), expected);
                if expected == last {
                    helper.take().unwrap().kill();
                }
            }
        });
        wait_until(|| publisher.subscribers().len() == 1);
    }
    drop(here);
    wait_until(|| publisher.subscribers().is_empty());
    drop(publisher);
    wait_until(|| node.heap().stats().live() == 0);
}
