//! Peers come, talk and are killed: their survivor has what it had before.

use crate::helper::{Helper, sockets};
use crate::support::{Bus, watch};

/// Peers that come and are killed.
const VISITORS: &str = "50";

// Goal: descriptors, mappings, threads and blocks return to where they were. A process of its own counts, as the tests of
// this one run at the same time.
#[test]
fn killed_peers_leave_nothing_behind() {
    let _watchdog = watch();
    let bus = Bus::new("survivor");
    let mut survivor = Helper::start(&bus, &["survivor", VISITORS]);
    println!("{}", survivor.read_line());
    survivor.end();
    assert_eq!(sockets(&bus), Vec::<String>::new());
}
