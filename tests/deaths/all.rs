//! All processes of a bus are killed: the kernel has freed its memory, and the next node starts it again.

use ringway::prelude::*;

use crate::helper::{Helper, sockets, wait_until};
use crate::messages::{Sink, Small};
use crate::support::{Bus, watch};

/// Bytes of shared memory that each process reserves: enough to tell from what other tests do meanwhile.
const HOARD: u64 = 128 << 20;
const HOARDERS: u64 = 3;

/// Bytes of shared memory in use on this machine.
fn shared_memory() -> u64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = meminfo
        .lines()
        .find(|line| line.starts_with("Shmem:"))
        .unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes << 10
}

#[test]
fn all_killed_leave_no_memory_and_no_sockets() {
    let _watchdog = watch();
    let bus = Bus::new("all-killed");
    let before = shared_memory();
    let start = |_| {
        let mut hoarder = Helper::start(&bus, &["hoarder", &HOARD.to_string()]);
        assert_eq!(hoarder.read_line(), "ready");
        hoarder
    };
    let hoarders: Vec<_> = (0..HOARDERS).map(start).collect();
    let hoarded = shared_memory();
    assert!(
        hoarded >= before + HOARD * HOARDERS / 2,
        "{hoarded} after {before}"
    );
    assert_eq!(sockets(&bus).len() as u64, HOARDERS);

    hoarders.into_iter().for_each(Helper::kill);
    wait_until(|| shared_memory() <= before + HOARD / 2);

    let sink = Helper::start(&bus, &["sink", "sink"]);
    let node = bus.attach("next");
    let addr: Addr<Sink> = node.lookup("sink").within(secs(100)).wait().unwrap();
    assert_eq!(addr.ask(Small { number: 7 }).wait().unwrap(), 7);
    wait_until(|| sockets(&bus).len() == 2);
    sink.end();
    node.detach();
    wait_until(|| sockets(&bus).is_empty());
}
