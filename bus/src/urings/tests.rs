//! What a peer says about urings against the rules, and what it costs.

use std::sync::Arc;

use ringway_shm::card::Counter;

use super::PeerUrings;
use super::open;
use super::wire::UringWord;
use crate::frame::WireKey;
use crate::inbox::InboxLane;
use crate::prelude::*;
use crate::queue::BoundQueue;
use crate::testing::{TempDir, wait_until};

/// A queue of one node, and a sender that has sent to it from another.
struct Pair {
    home: Node,
    sink: BoundQueue<Plain>,
    urings: Arc<PeerUrings>,
    _sender: (Node, MessageQueue<Plain>),
    _temp: TempDir,
}

impl Pair {
    fn new() -> Self {
        let temp = TempDir::new();
        let attach = |name| Node::attach(temp.config(name)).unwrap();
        let (home, sender) = (attach("home"), attach("sender"));
        let sink = MessageQueue::<Plain>::bind(&home, "sink").unwrap();
        let queue = MessageQueue::<Plain>::connect(&sender, "sink").unwrap();
        let token = Serial::tokenize(&"text".to_owned(), sender.heap()).unwrap();
        queue.send(token).unwrap();
        wait_until("a token", || sink.receive().unwrap().is_some());
        let urings = home.shared().peer(sender.id()).unwrap();
        Self {
            home,
            sink,
            urings,
            _sender: (sender, queue),
            _temp: temp,
        }
    }

    fn lane(&self) -> Arc<InboxLane> {
        self.urings.lanes().pop().unwrap()
    }

    fn hear(&self, word: UringWord) {
        open::hear(self.home.shared(), &self.urings, word);
    }

    fn violations(&self) -> u64 {
        self.home.shared().core().counted(Counter::Violations)
    }
}

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
