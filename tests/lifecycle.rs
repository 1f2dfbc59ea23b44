//! Nodes that come and go.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use support::{Bus, watch};

// Goal: a driver that is about to sleep hears that its node goes. Method: many nodes go at all moments of their drivers'
// lives.
#[test]
fn nodes_come_and_go() {
    let _watchdog = watch();
    let bus = Bus::new("nodes_come_and_go");
    for round in 0..400 {
        let node = bus.attach("visitor");
        for _ in 0..round % 7 {
            std::thread::yield_now();
        }
        drop(node);
    }
}
