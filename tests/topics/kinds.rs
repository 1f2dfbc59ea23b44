//! Payloads of each semantics, small and large.

use ringway::prelude::*;

use crate::support::{Bus, watch};

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Line([u64; 8]);

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Large([u64; 8192]);

#[derive(Message)]
#[message(copy, header = Header)]
#[repr(transparent)]
struct Frame([u8]);

#[derive(Clone, Copy, Pod, Zeroable, Schema)]
#[repr(C)]
struct Header {
    number: u64,
}

#[derive(Message, Serialize, Deserialize, Debug, PartialEq, Clone)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Text {
    content: String,
}

fn nodes(name: &str) -> (Bus, Vec<Node>) {
    let bus = Bus::new(&format!("topics-{name}"));
    let nodes = vec![bus.attach("near"), bus.attach("far")];
    (bus, nodes)
}

// Goal: plain values of all sizes arrive whole: in the slot, over several lines of it, and in a block.
#[test]
fn plain_values() {
    let _dog = watch();
    let (_bus, nodes) = nodes("plain");
    for node in &nodes {
        let mut units = node
            .topic::<()>("unit")
            .unwrap()
            .subscriber()
            .wait()
            .unwrap();
        let mut lines = node
            .topic::<Line>("line")
            .unwrap()
            .subscriber()
            .wait()
            .unwrap();
        let large = node.topic::<Large>("large").unwrap();
        let mut values = large.subscriber().wait().unwrap();
        let mut leases = large.subscriber().in_place().wait().unwrap();
        let near = &nodes[0];
        let unit = near
            .topic::<()>("unit")
            .unwrap()
            .publisher()
            .wait()
            .unwrap();
        let line = near
            .topic::<Line>("line")
            .unwrap()
            .publisher()
            .wait()
            .unwrap();
        let large = near
            .topic::<Large>("large")
            .unwrap()
            .publisher()
            .wait()
            .unwrap();
        for round in 0..100 {
            unit.publish(()).wait().unwrap();
            line.publish(Line([round; 8])).wait().unwrap();
            let mut loan = large.loan(1).unwrap();
            loan.0.fill(round);
            large.publish(loan).wait().unwrap();
            units.blocking().next().unwrap();
            assert_eq!(lines.blocking().next().unwrap().0, [round; 8]);
            assert!(
                values
                    .blocking()
                    .next()
                    .unwrap()
                    .0
                    .iter()
                    .all(|it| *it == round)
            );
            let lease = leases.blocking().next().unwrap();
            assert!(lease.0.iter().all(|it| *it == round));
        }
    }
}

// Goal: slices and their headers, filled in place, read in place, of no items and of many.
#[test]
fn slices() {
    let _dog = watch();
    let (_bus, nodes) = nodes("slices");
    for node in &nodes {
        let mut frames = node
            .topic::<Frame>("frames")
            .unwrap()
            .subscriber()
            .wait()
            .unwrap();
        let topic = nodes[0].topic::<Frame>("frames").unwrap();
        let publisher = topic.publisher().wait().unwrap();
        for (number, len) in [(0, 0), (1, 1), (2, 80), (3, 700), (4, 1 << 20)] {
            let mut frame = publisher.loan(len).unwrap();
            frame.header_mut().number = number;
            frame.fill(u8::try_from(number).unwrap());
            publisher.publish(frame).wait().unwrap();
            let sample = frames.blocking().next().unwrap();
            assert_eq!((sample.header().number, sample.len()), (number, len));
            assert!(sample.iter().all(|byte| u64::from(*byte) == number));
        }
    }
}

// Goal: values that are encoded, once for all.
#[test]
fn encoded_values() {
    let _dog = watch();
    let (_bus, nodes) = nodes("encoded");
    for node in &nodes {
        let mut texts = node
            .topic::<Text>("texts")
            .unwrap()
            .subscriber()
            .wait()
            .unwrap();
        let topic = nodes[0].topic::<Text>("texts").unwrap();
        let publisher = topic.publisher().wait().unwrap();
        for len in [0, 1, 31, 32, 33, 79, 80, 81, 500, 100_000] {
            let content = "x".repeat(len);
            let text = Text { content };
            publisher.publish(text.clone()).wait().unwrap();
            assert_eq!(*texts.blocking().next().unwrap(), text);
        }
    }
}

// Goal: blocks come back: samples of more bytes than the heap has are published, whether leases are dropped in order or not; who
// holds leases keeps their blocks, and no more.
#[test]
fn blocks_are_used_again() {
    let _dog = watch();
    for far in [false, true] {
        let bus = Bus::new(&format!("topics-blocks-{far}"));
        let near = Node::attach(bus.config("near").heap_limit(16 << 20)).unwrap();
        let other = bus.attach("other");
        let node = if far { &other } else { &near };
        let topic = node.topic::<Frame>("frames").unwrap();
        let mut frames = topic.subscriber().depth(4).leases(8).wait().unwrap();
        let drops = topic.subscriber().depth(4).leases(2).drop_oldest();
        let mut lazy = drops.wait().unwrap();
        let topic = near.topic::<Frame>("frames").unwrap();
        let publisher = topic.publisher().wait().unwrap();
        let mut held = std::collections::VecDeque::new();
        for number in 0..60_u64 {
            let mut frame = publisher.loan(1 << 20).unwrap();
            frame.header_mut().number = number;
            frame.fill(number.to_le_bytes()[0]);
            publisher.publish(frame).wait().unwrap();
            held.push_back(frames.blocking().next().unwrap());
            if held.len() == 5 {
                let first = held.remove((number % 5) as usize).unwrap();
                let byte = first.header().number.to_le_bytes()[0];
                assert!(first.iter().all(|it| *it == byte));
            }
            for sample in &held {
                let byte = sample.header().number.to_le_bytes()[0];
                assert!(
                    [0, 1 << 19, (1 << 20) - 1]
                        .iter()
                        .all(|at| sample[*at] == byte)
                );
            }
        }
        let last = lazy.try_next().unwrap();
        assert!(last.header().number >= 50, "{}", last.header().number);
    }
}
