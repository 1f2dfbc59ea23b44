//! The accounts of a node balance, whatever becomes of its messages; and they say what became of them.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod helper;
mod support;
#[path = "peer/worker.rs"]
#[allow(dead_code, reason = "the helper's half of it")]
mod worker;

mod accounts {
    mod ends;
    mod killed;
    mod traffic;
}

use ringway::Accounts;
use ringway::prelude::*;

/// Looks between two complaints of one that waits.
const LOOKS: u64 = 1 << 14;

/// A node's accounts once all that it knows of has come to its end, which they must show; a watchdog bounds it.
fn settled(node: &Node) -> Accounts {
    settled_but_for(node, 0)
}

/// The same while so many messages stay in flight.
fn settled_but_for(node: &Node, in_flight: u64) -> Accounts {
    let mut looks = 0_u64;
    loop {
        let accounts = node.accounts();
        let is_quiet = accounts.in_flight == in_flight
            && accounts.in_handling == 0
            && accounts.blocks_lent == 0;
        if is_quiet && accounts.check().is_ok() {
            return accounts;
        }
        looks += 1;
        if looks.is_multiple_of(LOOKS) {
            eprintln!("{}: {:?}: {accounts:?}", node.name(), accounts.check());
        }
        std::thread::yield_now();
    }
}

/// What was sent, and of that what was completed, returned and had died after it was taken.
fn fates(accounts: &Accounts) -> [u64; 4] {
    let all = *accounts;
    assert_eq!(all.uncertain, 0);
    [all.sent, all.completed, all.returned, all.died_after_take]
}
