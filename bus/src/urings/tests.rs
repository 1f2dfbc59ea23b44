//! What a peer says about urings against the rules, and what it costs.

use std::sync::Arc;

use super::wire::UringWord;
use crate::frame::WireKey;
use crate::testing::pair::Pair;
use crate::testing::wait_until;

// Goal: a uring that is released before it is closed is let go by its target at once, and its bytes count until they are
// free: a peer that opens one after the other comes to its bound and not to the node's. Method: the word is said for a
// sender that is alive, at a queue that nobody reads any more.
#[test]
fn a_uring_released_too_early_is_let_go() {
    let pair = Pair::new();
    let lane = pair.lane();
    let uring = WireKey(lane.uring);
    let used = pair.urings.lane_bytes();
    pair.hear(UringWord::Released { uring });
    assert_eq!(pair.violations(), 1);
    assert_eq!(pair.urings.lane_bytes(), used, "it is still held");
    let held = Arc::downgrade(&lane);
    drop(lane);
    wait_until("the end of the uring", || held.strong_count() == 0);
    assert_eq!(pair.urings.lane_bytes(), 0);
    assert!(pair.sink.receive().unwrap().is_none());
}
