//! What this process holds, before and after.

use std::fs;
use std::thread;

use ringway::prelude::*;

/// What must not leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Census {
    /// Segments of this process's rings and heap: kept for the next load, so there are as many as the heaviest took.
    segments: usize,
    /// Beside those of the segments.
    descriptors: usize,
    threads: usize,
    children: usize,
    /// Of memory files, beside those of the segments.
    mappings: usize,
    /// Blocks of the node's heap.
    blocks: u64,
}

/// Segments that a storm may add because its load came together differently: a leak has as many as there are kills.
const MORE_SEGMENTS: usize = 3;

/// The least of many looks: the last descriptors of what has ended are closed a moment later.
pub(crate) fn least(node: &Node) -> Census {
    await_no_peers(node);
    let looks = (0..1_000).map(|_| {
        thread::yield_now();
        take(node)
    });
    looks.min().expect("some looks")
}

fn await_no_peers(node: &Node) {
    while !node.peers().is_empty() {
        thread::yield_now();
    }
}

/// Waits until there is no more than there was; a watchdog bounds it.
pub(crate) fn come_back_to(before: &Census, node: &Node) {
    await_no_peers(node);
    let mut looks = 0_u64;
    loop {
        let now = take(node);
        let is_back = [
            now.segments <= before.segments + MORE_SEGMENTS,
            now.descriptors <= before.descriptors,
            now.threads <= before.threads,
            now.children <= before.children,
            now.mappings <= before.mappings,
            now.blocks <= before.blocks,
        ];
        if is_back == [true; 6] {
            return;
        }
        looks += 1;
        if looks.is_multiple_of(50_000) {
            eprintln!("still {now:?}, where there was {before:?}");
        }
        thread::yield_now();
    }
}

/// Waits until nothing is under way any more and the node's accounts balance; a watchdog bounds it.
pub(crate) fn balance(node: &Node) {
    let mut looks = 0_u64;
    loop {
        let accounts = node.accounts();
        let checked = accounts.check();
        if checked.is_ok() && accounts.is_quiet() {
            println!("{accounts:?}");
            assert!(accounts.sent > 0 && accounts.taken > 0);
            return;
        }
        looks += 1;
        if looks.is_multiple_of(50_000) {
            eprintln!("{checked:?}: {accounts:?}");
        }
        thread::yield_now();
    }
}

fn take(node: &Node) -> Census {
    let count = |path| fs::read_dir(path).map_or(0, Iterator::count);
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    // Stacks and the allocator's arenas come and go with threads and load: what is shared is counted.
    let shared = maps.lines().filter(|line| line.contains("/memfd:"));
    let files = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    let segments = files.filter(|fd| {
        let path = fs::read_link(fd.path()).unwrap_or_default();
        let path = path.to_string_lossy();
        ["/memfd:ringway-rings", "/memfd:ringway-heap"]
            .iter()
            .any(|name| path.starts_with(name))
    });
    let segments = segments.count();
    Census {
        segments,
        descriptors: count("/proc/self/fd").saturating_sub(segments),
        threads: count("/proc/self/task"),
        children: children(),
        mappings: shared.count().saturating_sub(segments),
        blocks: node.heap().stats().live(),
    }
}

fn children() -> usize {
    let tasks = fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.map(|list| list.split_whitespace().count()).sum()
}
