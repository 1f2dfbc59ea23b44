//! Processes that publish and subscribe until they are killed.

use std::collections::VecDeque;
use std::io::Write as _;

use ringway::Sample;
use ringway::prelude::*;

/// A sample whose bytes tell whether it is whole: each is the number's lowest.
#[derive(Message)]
#[message(copy, header = ChunkInfo, name = "topics::Chunk")]
#[repr(transparent)]
pub(crate) struct Chunk([u8]);

#[derive(Schema, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct ChunkInfo {
    pub(crate) number: u64,
}

pub(crate) const TOPIC: &str = "chunks";

/// Makes a sample.
pub(crate) fn chunk(publisher: &ringway::Publisher<Chunk>, number: u64, len: usize) -> Loan<Chunk> {
    let mut chunk = publisher.loan(len).expect("a block");
    chunk.header_mut().number = number;
    chunk.fill(number.to_le_bytes()[0]);
    chunk
}

/// Asserts that a sample is whole, and returns its number.
pub(crate) fn number(sample: &Sample<Chunk>) -> u64 {
    let number = sample.header().number;
    assert_eq!(number, sample.sequence());
    let byte = number.to_le_bytes()[0];
    let bytes: &[u8] = sample;
    let is_whole = bytes.first() == Some(&byte) && bytes[1..] == bytes[..bytes.len() - 1];
    assert!(is_whole, "sample {number} is torn");
    number
}

/// Takes samples in a thread for each subscriber until the one of sequence `last` has come; each gets all of them in order, or is told
/// how many it missed, which one that waits never does.
pub(crate) fn take_all(subscribers: Vec<ringway::Subscriber<Chunk>>, last: u64, waits: bool) {
    std::thread::scope(|scope| {
        for mut subscriber in subscribers {
            scope.spawn(move || {
                let mut accounted = 0;
                for sample in subscriber.blocking() {
                    accounted += 1 + sample.missed_before();
                    assert_eq!(
                        number(&sample),
                        accounted,
                        "in order, and none unaccounted for"
                    );
                    assert!(!waits || sample.missed_before() == 0);
                    if accounted == last {
                        break;
                    }
                }
                assert_eq!(accounted, last);
            });
        }
    });
}

/// Makes subscribers of a topic.
pub(crate) fn subscribe(
    node: &Node,
    name: &str,
    waits: bool,
    count: usize,
) -> Vec<ringway::Subscriber<Chunk>> {
    let topic = node.topic::<Chunk>(name).expect("a topic");
    let made = (0..count).map(|_| {
        let subscriber = topic.subscriber().depth(4);
        match waits {
            true => subscriber,
            false => subscriber.drop_oldest(),
        }
    });
    let made = made.map(|subscriber| subscriber.wait().expect("made"));
    made.collect()
}

/// Plays the rounds that it is told of, line by line: a topic, what its subscribers do when they are behind, and the last sequence.
fn play_rounds(node: &Node, count: usize) {
    for line in std::io::stdin().lines() {
        let line = line.expect("the test writes");
        let words: Vec<&str> = line.split(' ').collect();
        let [name, policy, last] = words[..] else {
            panic!("no round {line:?}");
        };
        let waits = policy == "waits";
        let subscribers = subscribe(node, name, waits, count);
        say("ready");
        take_all(subscribers, last.parse().expect("a number"), waits);
        say("done");
    }
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().expect("the test reads");
}

pub(crate) fn play(words: &[&str]) {
    let node = Node::attach("test").expect("attached");
    if let ["rounds", count] = words {
        return play_rounds(&node, count.parse().expect("a number"));
    }
    let topic = node.topic::<Chunk>(TOPIC).expect("a topic");
    match words {
        ["publisher", len] => {
            let len = len.parse().expect("a number");
            let publisher = topic.publisher().wait().expect("made");
            say("ready");
            block_on(publisher.wait_for_subscribers(2));
            for number in 1.. {
                let chunk = chunk(&publisher, number, len);
                publisher.publish(chunk).wait().expect("published");
            }
        }
        ["subscriber", policy, held] => {
            let held: usize = held.parse().expect("a number");
            let subscriber = topic.subscriber().depth(8).leases(16);
            let subscriber = match *policy {
                "drops" => subscriber.drop_oldest(),
                _ => subscriber,
            };
            let mut subscriber = subscriber.wait().expect("made");
            say("ready");
            let mut kept = VecDeque::new();
            for sample in subscriber.blocking() {
                number(&sample);
                kept.push_back(sample);
                if kept.len() > held {
                    number(&kept.pop_front().expect("more than none"));
                }
            }
        }
        words => panic!("no scene {words:?}"),
    }
}
