//! Too many threads: when a node attaches.

use std::fs;
use std::os::unix::fs::chown;

use super::visitor::{is_root, sockets_in, visitor_of};
use crate::helper::wait_until;
use crate::support::{Bus, watch};

/// Users of whom no process runs but the test's: above those of people and services, below the special ones.
const UIDS: u32 = 61_000;

/// Goal: a node that gets only some of its threads, or none, says so, with the remedy, and leaves the bus again: no
/// thread, no socket. Method: a user of its own, as the limit counts a user's threads, whose main thread is the first.
#[test]
fn attaching_without_threads_says_so_and_leaves_nothing() {
    let _dog = watch();
    if !is_root() {
        println!("not run: a user without other processes, whom root alone can become");
        return;
    }
    let bus = Bus::new("threads");
    let uid = UIDS + std::process::id() % 4000;
    fs::create_dir(bus.directory()).unwrap();
    chown(bus.directory(), Some(uid), Some(uid)).unwrap();
    let mut visitor = visitor_of(uid, &bus, |_| {});

    // The control thread, then the worker.
    for limit in [1, 2] {
        assert_eq!(visitor.ask(&format!("limit-threads {limit}")), "done");
        let said = visitor.ask("attach");
        let expected = "no thread for the node (RLIMIT_NPROC, `ulimit -u`, limits the threads of a user, and a control \
                        group those in it): Resource temporarily unavailable (os error 11)";
        assert_eq!(said, expected, "with {limit} threads");
        wait_until(|| visitor.ask("threads") == "1");
        assert_eq!(
            sockets_in(&bus.directory().join("test")),
            0,
            "with {limit} threads"
        );
    }

    assert_eq!(visitor.ask("limit-threads 3"), "done");
    assert_eq!(visitor.ask("attach"), "done");
    visitor.end();
}
