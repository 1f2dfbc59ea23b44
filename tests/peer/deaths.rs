//! The scenes of those that die, and of those that survive.

mod holder;
mod survivor;

use std::io::{BufRead, Read};

use ringway::prelude::*;
use rustix::process::{Signal, getpid, kill_process};

use crate::messages::{Record, Sink, Small, bulk, line};

/// Plays the scene that the first word names.
pub(crate) fn play(words: &[&str]) {
    match words {
        ["sink", name] => sink(name),
        ["sender", name, load, count] => sender(name, load, count, |_| {
            kill_process(getpid(), Signal::KILL).expect("it is ours");
        }),
        ["leaver", name, load, count] => sender(name, load, count, |node| {
            node.detach();
            say(b".");
        }),
        ["burster", name, load, batch, killed_by] => {
            let number = |word: &str| word.parse().expect("a number");
            burster(name, load, number(batch), number(killed_by));
        }
        ["hoarder", bytes] => hoarder(bytes.parse().expect("a number")),
        ["holder", name] => holder::play(name),
        ["survivor", visitors] => survivor::play(visitors.parse().expect("a number")),
        ["visitor", name] => survivor::visit(name),
        other => panic!("no scene {other:?}"),
    }
}

pub(super) fn attach() -> Node {
    Node::attach("test").expect("attached")
}

pub(super) fn look_up(node: &Node, name: &str) -> Addr<Sink> {
    let found: Addr<Sink> = node.lookup(name).within(secs(100)).wait().expect("there");
    found.pinned()
}

/// Writes at once, or not at all.
fn say(bytes: &[u8]) {
    let written = rustix::io::write(rustix::stdio::stdout(), bytes).expect("the test reads");
    assert_eq!(written, bytes.len(), "a pipe takes so little at once");
}

pub(super) fn say_line(line: &str) {
    say(format!("{line}\n").as_bytes());
}

/// The lines that the test says, until it says no more.
fn lines() -> impl Iterator<Item = String> {
    std::io::stdin()
        .lock()
        .lines()
        .map(|line| line.expect("a pipe"))
}

pub(super) fn until_told_to_end() {
    std::io::stdin()
        .read_to_end(&mut Vec::new())
        .expect("a pipe");
}

/// Handles what comes, and logs it on its output, until its input ends.
fn sink(name: &str) {
    let node = attach();
    let sink = Sink::new(|record: Record| say(&record.to_bytes()));
    let _sink = node.actor(sink).name(name).spawn().expect("spawned");
    until_told_to_end();
}

/// Tells `count` messages and says a byte after each `Ok` but the last, which is followed by `end` at once.
fn sender(name: &str, load: &str, count: &str, end: impl FnOnce(&Node)) {
    let node = attach();
    let sink = look_up(&node, name);
    let count: u64 = count.parse().expect("a number");
    for number in 0..count {
        let told = match (load, number % 3) {
            ("small", _) | ("mixed", 0) => sink.tell(Small { number }).wait().is_ok(),
            ("line", _) | ("mixed", 1) => sink.tell(line(number)).wait().is_ok(),
            _ => sink.tell(bulk(&sink, number, 600)).wait().is_ok(),
        };
        assert!(told, "sent");
        if number + 1 < count {
            say(b".");
        }
    }
    end(&node);
}

/// Tells messages, so many at a time, and says a byte after each `Ok`; kills itself where number `killed_by` is made.
fn burster(name: &str, load: &str, batch: u64, killed_by: u64) {
    let node = attach();
    let sink = look_up(&node, name);
    for from in (0..).step_by(usize::try_from(batch).expect("a few")) {
        let numbers = (from..from + batch).inspect(|number| {
            if *number == killed_by {
                kill_process(getpid(), Signal::KILL).expect("it is ours");
            }
        });
        let told = match load {
            "small" => sink
                .tell_all(numbers.map(|number| Small { number }))
                .wait()
                .is_ok(),
            "line" => sink.tell_all(numbers.map(line)).wait().is_ok(),
            _ => sink
                .tell_all(numbers.map(|number| bulk(&sink, number, 600)))
                .wait()
                .is_ok(),
        };
        assert!(told, "sent");
        say(b".");
    }
}

/// Reserves shared memory, and keeps it until it is killed.
fn hoarder(bytes: usize) {
    let node = attach();
    let block = node.heap().allocate(bytes).expect("enough memory");
    say_line("ready");
    until_told_to_end();
    drop(block);
}
