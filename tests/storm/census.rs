//! What this process holds, before and after.

use std::fs;
use std::thread;

use ringway::prelude::*;

/// What must not leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Census {
    descriptors: usize,
    threads: usize,
    children: usize,
    mappings: usize,
    /// Of the memory files that are open or mapped here, by the kernel's count.
    memory_files: usize,
    /// Blocks of the node's heap.
    blocks: u64,
}

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
        let least = [
            now.descriptors <= before.descriptors,
            now.threads <= before.threads,
            now.children <= before.children,
            now.mappings <= before.mappings,
            now.memory_files <= before.memory_files,
            now.blocks <= before.blocks,
        ];
        if least == [true; 6] {
            return;
        }
        looks += 1;
        if looks.is_multiple_of(50_000) {
            eprintln!("still {now:?}, where there was {before:?}");
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
    let memory_files = files.filter(|fd| {
        let path = fs::read_link(fd.path()).unwrap_or_default();
        path.to_string_lossy().starts_with("/memfd:")
    });
    Census {
        descriptors: count("/proc/self/fd"),
        threads: count("/proc/self/task"),
        children: children(),
        mappings: shared.count(),
        memory_files: memory_files.count(),
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
