//! Two nodes of this process: a queue of one, and a uring to it from the other, on whose behalf things are said and done
//! that an honest node does not.

use std::sync::Arc;

use ringway_shm::card::Counter;
use ringway_shm::generation::Key;
use ringway_shm::uring::Submitter;

use super::{TempDir, wait_until};
use crate::inbox::InboxLane;
use crate::prelude::*;
use crate::remote::{Opening, RemoteEnd};
use crate::shared::EndKey;
use crate::urings::PeerUrings;
use crate::urings::open;
use crate::urings::wire::{TargetKind, UringWord};

/// A queue of one node, and a sender that has sent to it from another.
pub(crate) struct Pair {
    pub(crate) home: Node,
    pub(crate) sink: BoundQueue<Plain>,
    pub(crate) urings: Arc<PeerUrings>,
    _sender: (Node, MessageQueue<Plain>),
    _temp: TempDir,
}

impl Pair {
    pub(crate) fn new() -> Self {
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

    pub(crate) fn lane(&self) -> Arc<InboxLane> {
        self.urings.lanes().pop().unwrap()
    }

    pub(crate) fn hear(&self, word: UringWord) {
        open::hear(self.home.shared(), &self.urings, word);
    }

    pub(crate) fn violations(&self) -> u64 {
        self.home.shared().core().counted(Counter::Violations)
    }

    /// An end of home's to a receiver of the sender's, as if the request to open it were on its way.
    pub(crate) fn opening(&self) -> (Arc<RemoteEnd>, Key) {
        let shared = self.home.shared();
        let key = EndKey {
            node: self.urings.id(),
            target: Key::first(0),
            types: 0,
        };
        let end = RemoteEnd::new(shared, key, TargetKind::Actor, Vec::new());
        let uring = self.urings.name_uring().unwrap();
        self.urings.add_end(uring, &end);
        let span = shared.ring_span(open::URING.submitter_len()).unwrap();
        let opening = Opening {
            peer: Arc::clone(&self.urings),
            uring,
            layout: open::URING,
            submitter: Submitter::create(span.region().clone(), open::URING),
            span,
        };
        assert!(end.claim() && end.opening(opening));
        (end, uring)
    }
}
