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
    assert!(
        sample.iter().all(|it| *it == byte),
        "sample {number} is torn"
    );
    number
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().expect("the test reads");
}

pub(crate) fn play(words: &[&str]) {
    let node = Node::attach("test").expect("attached");
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
