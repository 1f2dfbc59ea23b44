//! Two nodes of this process: a queue of one, and a uring to it from the other, on whose behalf things are said and done
//! that an honest node does not.

use std::sync::Arc;

use ringway_shm::card::Counter;
use ringway_shm::generation::Key;
use ringway_shm::region::{OwnRegion, PeerRegion};
use ringway_shm::segment::OwnSegment;
use ringway_shm::sync::AtomicU64;
use ringway_shm::sync::Ordering::Relaxed;
use ringway_shm::uring::{Completer, CompleterEnds, Submitter, TakeEnd};
use ringway_shm::words::EntryWords;

use super::{TempDir, wait_until};
use crate::clock::Nanos;
use crate::completion;
use crate::inbox::InboxLane;
use crate::mailbox::Overflow;
use crate::message::{Parcel, Semantics};
use crate::prelude::*;
use crate::priority::Priority;
use crate::remote::ops::OpKind;
use crate::remote::{Obstacle, Opening, Outgoing, RemoteEnd};
use crate::shared::EndKey;
use crate::urings::PeerUrings;
use crate::urings::open;
use crate::urings::wire::Terms;
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
        Self::with(|home| home)
    }

    pub(crate) fn with(adjust: impl FnOnce(NodeConfig) -> NodeConfig) -> Self {
        let temp = TempDir::new();
        let home = Node::attach(adjust(temp.config("home"))).unwrap();
        // Nobody drives it: it would notice completions of ops that it does not know, and hang up after some.
        let sender = Node::attach(temp.config("sender").workers(Workers::Caller)).unwrap();
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

    pub(crate) fn dead_letters(&self) -> u64 {
        self.home.shared().core().counted(Counter::DeadLetters)
    }

    /// An end of home's to a receiver of the sender's, as if the request to open it were on its way.
    pub(crate) fn opening(&self) -> (Arc<RemoteEnd>, Key) {
        let (end, uring, _) = self.half_open();
        (end, uring)
    }

    fn half_open(&self) -> (Arc<RemoteEnd>, Key, PeerRegion) {
        let shared = self.home.shared();
        let key = EndKey {
            node: self.urings.id(),
            target: shared.numbers.next(),
            types: 0,
            priority: Priority::Normal,
        };
        let end = RemoteEnd::new(
            shared,
            key,
            TargetKind::Queue(crate::envelope::EnvelopeKind::Plain),
            Vec::new(),
        );
        let uring = self.urings.name_uring().unwrap();
        self.urings.add_end(uring, &end);
        let span = shared.ring_span(open::URING.submitter_len()).unwrap();
        let ours = span.region().read_only();
        let opening = Opening {
            peer: Arc::clone(&self.urings),
            uring,
            layout: open::URING,
            submitter: Submitter::create(span.region().clone(), open::URING),
            span,
        };
        assert!(end.claim() && end.opening(opening));
        (end, uring, ours)
    }

    /// An end of home's that is open to a half of this test's.
    pub(crate) fn opened(&self) -> Opened {
        self.opened_to(Overflow::Wait)
    }

    /// The same, to a receiver with that policy.
    pub(crate) fn opened_to(&self, overflow: Overflow) -> Opened {
        let (end, uring, ours) = self.half_open();
        let theirs = OwnSegment::create("theirs", 1 << 16).unwrap();
        let half = theirs.region();
        let half = half.span(0, open::URING.completer_len()).unwrap();
        let completer = Completer::create(half.clone(), open::URING);
        let CompleterEnds { take, .. } = completer.open(&ours).unwrap();
        let terms = Terms {
            overflow,
            bound: u64::MAX,
            redeliver: 0,
        };
        end.opened(terms, |_| Ok(half.read_only()));
        assert!(matches!(end.open_result(), Some(Ok(()))));
        Opened {
            end,
            uring,
            theirs,
            take,
        }
    }
}

/// An end, and what a test has of its other half.
pub(crate) struct Opened {
    pub(crate) end: Arc<RemoteEnd>,
    pub(crate) uring: Key,
    pub(crate) theirs: OwnSegment,
    pub(crate) take: TakeEnd,
}

impl Opened {
    /// Sends a tell without a block.
    pub(crate) fn tell(&self) {
        let mut outgoing = Outgoing {
            words: EntryWords::default(),
            block: None,
            long: None,
            kind: OpKind::Tell,
        };
        assert!(self.end.submit(&mut outgoing).unwrap().is_none());
    }

    /// Sends a text, which travels as its length wants; returns its op if it has one.
    pub(crate) fn say(&self, kind: OpKind, text: &str) -> Result<Option<Key>, Obstacle> {
        self.end.submit(&mut self.pack(kind, text))
    }

    pub(crate) fn pack(&self, kind: OpKind, text: &str) -> Outgoing {
        let heap = &self.end.heap;
        let room = completion::room(kind, &self.end);
        let parcel = Parcel::from_value(text.to_owned());
        let tokenized = <Serial as Semantics<String>>::pack(parcel, heap, room).unwrap();
        completion::outgoing(tokenized, kind, Nanos::NONE, heap).unwrap()
    }

    /// Says how far it has come, whatever is true.
    pub(crate) fn claim(&self, head: u64, done: u64) {
        let region = self.theirs.region();
        let heads = region.records::<AtomicU64>(64, 2).unwrap();
        heads[1].store(done, Relaxed);
        heads[0].store(head, Relaxed);
    }
}

/// Writes what no honest node does over a peer's memory.
pub(crate) fn spoil(region: &OwnRegion) {
    let words = region.records::<AtomicU64>(0, region.len() / 8);
    for word in words.into_iter().flatten() {
        word.store(u64::MAX, Relaxed);
    }
}
