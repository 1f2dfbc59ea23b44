//! Processes that publish into one topic and keep all of it for late subscribers, subscribe to a pattern, or listen to an event, until they are killed.

use std::io::Write as _;

use ringway::prelude::*;

/// The same as in the test.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, name = "topics::Position")]
#[repr(C)]
struct Position {
    x: u64,
    y: u64,
}

fn stay(line: &str) -> ! {
    println!("{line}");
    std::io::stdout().flush().expect("the test reads");
    loop {
        std::thread::park();
    }
}

pub(crate) fn play(words: &[&str]) {
    let node = Node::attach("test").expect("attached");
    match words {
        ["many", rounds] => {
            let mut kept = Vec::new();
            for round in 1..=rounds.parse().expect("a number") {
                let number: u64 = round * 97 % 1000;
                let topic = node.topic::<Position>(format!("many/{number}"));
                let publisher = topic.expect("a topic").publisher().wait().expect("made");
                let sample = Position {
                    x: round,
                    y: !round,
                };
                publisher.publish(sample).wait().expect("published");
                kept.push(publisher);
            }
            stay("published");
        }
        ["listen", name] => {
            let event = node.event(name).expect("an event");
            let _listener = event.listener().wait().expect("made");
            stay("listening");
        }
        [topic, count] => {
            let topic = node.topic::<Position>(topic).expect("a topic");
            let publisher = topic.publisher().history(64).wait().expect("made");
            for x in 0..count.parse().expect("a number") {
                let sample = Position { x, y: !x };
                publisher.publish(sample).wait().expect("published");
            }
            stay("published");
        }
        [pattern] => {
            let all = node.topics::<Position>(pattern).expect("a pattern");
            let _all = all.subscriber().depth(4).wait().expect("made");
            stay("subscribed");
        }
        words => panic!("no scene {words:?}"),
    }
}
