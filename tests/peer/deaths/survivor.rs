//! A node whose peers come, talk and are killed: what it has of the system's returns to what it was.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ringway::prelude::*;

use super::{attach, look_up, say_line, until_told_to_end};
use crate::messages::{Sink, Small, Wish, bulk, bulk_wish};

/// Longer than anything takes to be forgotten on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Is visited, and counts.
pub(super) fn play(visitors: u32) {
    let node = attach();
    let sink = Sink::keeping(0, |_| {});
    let _sink = node.actor(sink).name("survivor").spawn().expect("spawned");
    // What is made at first need, and stays.
    drop(node.heap().allocate(1).expect("a block"));
    let before = Held::now(&node);
    for visitor in 0..visitors {
        be_visited(&node, visitor);
    }
    let after = Held::settled(&node, &before);
    say_line(&format!("{before:?} {after:?}"));
    assert_eq!(before, after);
}

/// Has one visitor come, talks with it in both directions, and kills it in the middle of that.
fn be_visited(node: &Node, visitor: u32) {
    let name = format!("visitor-{visitor}");
    let mut child = Command::new(std::env::current_exe().expect("a file"))
        .args(["visitor", &name])
        .env("RINGWAY_TEST_PARENT", std::process::id().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("spawned");
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let sink = look_up(node, &name);
    block_on(async {
        for number in 0..20 {
            sink.tell(Small { number }).await.expect("sent");
            sink.tell(bulk(&sink, number, 2000)).await.expect("sent");
            sink.ask(Wish { number }).await.expect("answered");
            sink.ask(bulk_wish(&sink, number, 2000))
                .await
                .expect("answered");
        }
    });
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    assert_eq!(line, "talking\n");
    kill(&mut child);
    block_on(sink.closed());
}

fn kill(child: &mut Child) {
    child.kill().expect("it lives");
    child.wait().expect("it is ours");
}

/// Talks with the survivor until it is killed: an actor of its own, and asks whose replies are blocks under way.
pub(super) fn visit(name: &str) {
    let node = attach();
    let own = node
        .actor(Sink::new(|_| {}))
        .name(name)
        .spawn()
        .expect("spawned");
    let survivor = look_up(&node, "survivor");
    block_on(async {
        for number in 0..20 {
            survivor
                .tell(bulk(&survivor, number, 2000))
                .await
                .expect("sent");
            survivor.ask(Wish { number }).await.expect("answered");
        }
        say_line("talking");
        for number in 0.. {
            let wishes = (0..30).map(|_| survivor.ask(Wish { number }));
            let bulks = (0..30).map(|_| survivor.tell(bulk(&survivor, number, 500)));
            let (wishes, bulks): (Vec<_>, Vec<_>) = (wishes.collect(), bulks.collect());
            let talked = futures::join!(
                futures::future::join_all(wishes),
                futures::future::join_all(bulks)
            );
            drop(talked);
        }
    });
    drop(own);
    until_told_to_end();
}

/// What this process has of the system's, and of its own heap.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    descriptors: BTreeMap<String, usize>,
    mappings: usize,
    threads: usize,
    blocks: u64,
    peers: usize,
}

impl Held {
    fn now(node: &Node) -> Self {
        let stats = node.heap().stats();
        Self {
            descriptors: descriptors(),
            mappings: memfd_mappings(),
            threads: entries("/proc/self/task"),
            blocks: stats.allocated - stats.freed,
            peers: node.peers().len(),
        }
    }

    /// What it has once that is what is `wanted`, or after a while.
    fn settled(node: &Node, wanted: &Self) -> Self {
        let began = Instant::now();
        loop {
            let now = Self::now(node);
            if now == *wanted || began.elapsed() > PATIENCE {
                return now;
            }
            std::thread::yield_now();
        }
    }
}

fn entries(directory: &str) -> usize {
    std::fs::read_dir(directory).expect("procfs").count()
}

/// Descriptors by what they are.
fn descriptors() -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for entry in std::fs::read_dir("/proc/self/fd").expect("procfs") {
        // The descriptor of this very look is gone when it is looked at.
        let Ok(target) = std::fs::read_link(entry.expect("procfs").path()) else {
            continue;
        };
        let target = target.to_string_lossy();
        let kind = target.split([':', '(']).next().unwrap_or_default();
        let kind = if target.starts_with("anon_inode") {
            &target
        } else {
            kind
        };
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    kinds
}

fn memfd_mappings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("procfs");
    maps.lines()
        .filter(|line| line.contains("memfd:ringway"))
        .count()
}
