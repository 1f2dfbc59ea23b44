//! What this process holds, before and after.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::thread;

use ringway::prelude::*;

/// What must not leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Census {
    descriptors: usize,
    threads: usize,
    children: usize,
    /// Blocks of the node's heap.
    blocks: u64,
    memory: Memory,
}

/// Memory files: this process's own and those of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Memory {
    /// Those that this process has a descriptor of.
    files: usize,
    /// How long they are, together, and what of that is taken from the system.
    len: u64,
    taken: u64,
    mappings: usize,
    mapped: u64,
}

/// The memory of a node that has just attached, with the first segment of its heap: the first message in a block takes it, and it
/// stays.
pub(crate) fn fresh(node: &Node) -> Memory {
    hold_first_segment(node);
    memory()
}

fn hold_first_segment(node: &Node) {
    if node.heap().stats().segments == 0 {
        drop(node.heap().allocate(1));
    }
}

/// Waits until the memory is what it was in the beginning; a watchdog bounds it. What is left then is the least of many looks: the
/// last descriptors of what has ended are closed a moment later.
pub(crate) fn least(fresh: &Memory, node: &Node) -> Census {
    await_no_peers(node);
    let mut looks = 0_u64;
    while memory() != *fresh {
        looks += 1;
        if looks.is_multiple_of(5_000) {
            eprintln!("still {:?}, where there was {fresh:?}", memory());
        }
        hold_first_segment(node);
        thread::yield_now();
    }
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
            now.descriptors <= before.descriptors,
            now.threads <= before.threads,
            now.children <= before.children,
            now.blocks <= before.blocks,
            now.memory == before.memory,
        ];
        if is_back == [true; 5] {
            println!("{now:?}");
            return;
        }
        looks += 1;
        if looks.is_multiple_of(5_000) {
            eprintln!("still {now:?}, where there was {before:?}");
        }
        hold_first_segment(node);
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
        if looks.is_multiple_of(5_000) {
            eprintln!("{checked:?}: {accounts:?}");
        }
        thread::yield_now();
    }
}

fn take(node: &Node) -> Census {
    let count = |path| fs::read_dir(path).map_or(0, Iterator::count);
    Census {
        descriptors: count("/proc/self/fd"),
        threads: count("/proc/self/task"),
        children: children(),
        blocks: node.heap().stats().live(),
        memory: memory(),
    }
}

fn memory() -> Memory {
    let mut memory = Memory::default();
    let files = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    for file in files {
        let name = fs::read_link(file.path()).unwrap_or_default();
        // What is closed meanwhile is gone.
        if let Ok(about) = fs::metadata(file.path())
            && name.to_string_lossy().starts_with("/memfd:")
        {
            memory.files += 1;
            memory.len += about.len();
            memory.taken += about.blocks() * 512; // the unit of `st_blocks`, whatever the file system's
        }
    }
    // Stacks and the allocator's arenas come and go with threads and load: what is shared is counted.
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for mapping in maps.lines().filter(|line| line.contains("/memfd:")) {
        memory.mappings += 1;
        memory.mapped += len_of(mapping).unwrap_or_default();
    }
    memory
}

/// Bytes of a mapping, by its line in the list of them: `first-end ...`.
fn len_of(mapping: &str) -> Option<u64> {
    let (first, end) = mapping.split_whitespace().next()?.split_once('-')?;
    let number = |digits| u64::from_str_radix(digits, 16).ok();
    number(end)?.checked_sub(number(first)?)
}

fn children() -> usize {
    let tasks = fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.map(|list| list.split_whitespace().count()).sum()
}
