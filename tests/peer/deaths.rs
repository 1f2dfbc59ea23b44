//! The scenes of those that die.

use std::io::Read;

use ringway::prelude::*;
use rustix::process::{Signal, getpid, kill_process};

use crate::messages::{Record, Sink, Small, bulk};

/// Plays the scene that the first word names.
pub(crate) fn play(words: &[&str]) {
    match words {
        ["sink", name] => sink(name),
        ["sender", name, load, count] => {
            let _node = sender(name, load, count.parse().expect("a number"));
            kill_process(getpid(), Signal::KILL).expect("it is ours");
        }
        ["leaver", name, load, count] => {
            drop(sender(name, load, count.parse().expect("a number")));
            say(b".");
        }
        other => panic!("no scene {other:?}"),
    }
}

fn attach() -> Node {
    Node::attach("test").expect("attached")
}

/// Writes at once, or not at all.
fn say(bytes: &[u8]) {
    let written = rustix::io::write(rustix::stdio::stdout(), bytes).expect("the test reads");
    assert_eq!(written, bytes.len(), "a pipe takes so little at once");
}

/// Handles what comes, and logs it on its output, until its input ends.
fn sink(name: &str) {
    let node = attach();
    let sink = Sink::new(|record: Record| say(&record.to_bytes()));
    let _sink = node.actor(sink).name(name).spawn().expect("spawned");
    std::io::stdin()
        .read_to_end(&mut Vec::new())
        .expect("a pipe");
}

/// Tells `count` messages and says a byte after each `Ok` but the last. What ends then is the caller's choice.
fn sender(name: &str, load: &str, count: u64) -> Node {
    let node = attach();
    let sink: Addr<Sink> =
        block_on(node.lookup(name).within(secs(60)).into_future()).expect("there");
    for number in 0..count {
        let is_small = match load {
            "small" => true,
            "bulk" => false,
            _ => number % 3 != 0,
        };
        if is_small {
            sink.tell(Small { number }).wait().expect("sent");
        } else {
            sink.tell(bulk(&sink, number, 100)).wait().expect("sent");
        }
        if number + 1 < count {
            say(b".");
        }
    }
    node
}
