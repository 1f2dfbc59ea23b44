//! What happens when a subscriber is slower than its publisher.

use ringway::PublishError;
use ringway::prelude::*;

use super::basic::{Position, at, said};
use crate::support::{Bus, watch};

struct Scene {
    nodes: Vec<Node>,
    _bus: Bus,
}

impl Scene {
    fn set(name: &str) -> Self {
        let bus = Bus::new(&format!("topics-{name}"));
        let nodes = vec![bus.attach("near"), bus.attach("far")];
        Self { nodes, _bus: bus }
    }

    fn topic(&self, node: usize) -> ringway::Topic<Position> {
        self.nodes[node].topic("full").unwrap()
    }
}

// Goal: a publisher waits for a subscriber that asked for it: gives the sample back, waits with a deadline, or waits until there is
// room. Method: one that takes nothing, here and on another node; then it takes one sample.
#[test]
fn a_waiting_subscriber_holds_its_publisher_up() {
    let _dog = watch();
    for node in [0, 1] {
        let scene = Scene::set(&format!("waits-{node}"));
        let mut slow = scene.topic(node).subscriber().depth(4).wait().unwrap();
        let publisher = scene.topic(0).publisher().wait().unwrap();
        for x in 1..=4 {
            assert_eq!(publisher.try_publish(at(x)).unwrap(), x);
        }
        let error = publisher.try_publish(at(5)).unwrap_err();
        assert!(matches!(error, PublishError::Full { .. }), "{error}");
        assert_eq!(error.into_inner(), at(5));
        let error = publisher.publish(at(6)).within(ms(20)).wait().unwrap_err();
        assert!(matches!(error, PublishError::Deadline { .. }), "{error}");
        assert_eq!(error.into_inner(), at(6));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| publisher.publish(at(7)).wait());
            // Nothing tells that it has begun to wait: whichever comes first, it is published.
            assert_eq!(said(&slow.blocking().next().unwrap()), (1, 0, 1));
            assert_eq!(waits.join().unwrap().unwrap(), 5);
        });
        let rest: Vec<_> = (0..4).map(|_| said(&slow.try_next().unwrap())).collect();
        assert_eq!(rest, [(2, 0, 2), (3, 0, 3), (4, 0, 4), (5, 0, 7)]);
        assert!(slow.try_next().is_none());
    }
}

// Goal: one that is dropped holds nobody up, whoever waits for it already.
#[test]
fn a_dropped_subscriber_is_not_waited_for() {
    let _dog = watch();
    for node in [0, 1] {
        let scene = Scene::set(&format!("dropped-{node}"));
        let slow = scene.topic(node).subscriber().depth(1).wait().unwrap();
        let publisher = scene.topic(0).publisher().wait().unwrap();
        publisher.try_publish(at(1)).unwrap();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| publisher.publish(at(2)).wait());
            drop(slow);
            assert_eq!(waits.join().unwrap().unwrap(), 2);
        });
        while !publisher.subscribers().is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(publisher.try_publish(at(3)).unwrap(), 3);
    }
}

// Goal: a subscriber that drops the oldest keeps the newest, is told how many it missed, and delays nobody.
#[test]
fn one_that_drops_the_oldest_misses_and_counts() {
    let _dog = watch();
    for node in [0, 1] {
        let scene = Scene::set(&format!("drops-{node}"));
        let slow = scene.topic(node).subscriber().depth(8);
        let mut slow = slow.drop_oldest().wait().unwrap();
        let publisher = scene.topic(0).publisher().samples(16).wait().unwrap();
        // It is read from then on; the subscriber's node hears so a moment later, and finds nothing until then.
        while slow.publishers().is_empty() {
            std::thread::yield_now();
        }
        let mut accounted = 0;
        for round in 1..=5_u64 {
            for x in 0..100 {
                publisher.try_publish(at(x)).unwrap();
            }
            let mut taken = 0;
            while let Some(sample) = slow.try_next() {
                accounted += 1 + sample.missed_before();
                assert_eq!(sample.sequence(), accounted);
                taken += 1;
            }
            assert_eq!((accounted, taken), (round * 100, 8));
        }
    }
}

// Goal: one slow subscriber that is waited for and many that are not: all are accounted for.
#[test]
fn every_sample_is_received_or_missed() {
    const COUNT: u64 = 20_000;
    let _dog = watch();
    let scene = Scene::set("account");
    let waits = scene.topic(1).subscriber().depth(16).wait().unwrap();
    let drops: Vec<_> = (0..4)
        .map(|at| scene.topic(at % 2).subscriber().depth(16))
        .map(|it| it.drop_oldest().wait().unwrap())
        .collect();
    let publisher = scene.topic(0).publisher().wait().unwrap();
    std::thread::scope(|scope| {
        let account = |mut subscriber: ringway::Subscriber<Position>| {
            let (mut next, mut missed) = (0, 0);
            while next < COUNT {
                let sample = subscriber.blocking().next().unwrap();
                let (sequence, before, x) = said(&sample);
                missed += before;
                next += 1 + before;
                assert_eq!((sequence, x), (next, next));
            }
            missed
        };
        let waits = scope.spawn(move || account(waits));
        let drops: Vec<_> = drops
            .into_iter()
            .map(|it| scope.spawn(move || account(it)))
            .collect();
        for x in 1..=COUNT {
            publisher.publish(at(x)).wait().unwrap();
        }
        assert_eq!(waits.join().unwrap(), 0);
        drops.into_iter().for_each(|it| _ = it.join().unwrap());
    });
}

// Goal: who holds all the leases that it can waits for one to be dropped, and nothing else wakes it over and over. Method: its
// stream is polled beside; each poll is counted.
#[test]
fn who_hoards_waits_for_a_lease() {
    use std::future::poll_fn;
    use std::task::Poll;

    let _dog = watch();
    for node in [0, 1] {
        let scene = Scene::set(&format!("hoards-{node}"));
        let topic = scene.nodes[node].topic::<[u64; 512]>("large").unwrap();
        let mut holds = topic.subscriber().in_place().leases(2).wait().unwrap();
        let topic = scene.nodes[0].topic::<[u64; 512]>("large").unwrap();
        let publisher = topic.publisher().wait().unwrap();
        for x in 0..4 {
            publisher.try_publish([x; 512]).unwrap();
        }
        let mut held: Vec<_> = holds.blocking().take(2).collect();
        assert!(holds.try_next().is_none());
        let mut polls = 0;
        let sample = scene.nodes[node].run_until(poll_fn(|cx| {
            polls += 1;
            let polled = holds.poll_next_unpin(cx);
            if polls == 1 {
                assert!(polled.is_pending());
                // The driver is asleep long before.
                let (waker, last) = (cx.waker().clone(), held.pop());
                std::thread::spawn(move || {
                    std::thread::park_timeout(ms(50));
                    drop(last);
                    drop(waker);
                });
            }
            match polled {
                Poll::Ready(sample) => Poll::Ready(sample.unwrap()),
                Poll::Pending => Poll::Pending,
            }
        }));
        assert_eq!((sample.sequence(), sample[0]), (3, 2));
        assert!(polls < 10, "{polls} polls");
    }
}
