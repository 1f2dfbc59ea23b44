//! A submitter that says of its entries what it likes: a uring from a peer to an actor, whose submitting half is this
//! test's, written slot by slot.

use std::sync::Arc;

use ringway_shm::generation::Key;
use ringway_shm::region::OwnRegion;
use ringway_shm::segment::{OwnSegment, PeerSegment};
use ringway_shm::sync::AtomicU64;
use ringway_shm::sync::Ordering::{Relaxed, Release};
use ringway_shm::uring::Submitter;
use ringway_shm::words::EntryWords;

use super::pair::Pair;
use super::wait_until;
use crate::frame::{SegmentKind, WireKey};
use crate::inbox::InboxLane;
use crate::number::Number;
use crate::priority::Priority;
use crate::urings::open::URING;
use crate::urings::wire::{OpenWord, Place, TargetKind, UringWord};

/// Words before the slots: the submitter's line, and the completions' head.
const SLOTS_AT: u64 = 16;
/// Words of a slot: its stamp, and what it says.
const SLOT: u64 = 8;

/// The submitting half of a uring.
pub(crate) struct Liar<'a> {
    pair: &'a Pair,
    half: OwnRegion,
    uring: Key,
    pub(crate) lane: Arc<InboxLane>,
    /// The position of its next slot.
    pub(crate) tail: u64,
}

impl<'a> Liar<'a> {
    /// Opens a uring to an actor of home's, as its `nth` one.
    pub(crate) fn new(pair: &'a Pair, target: Number, nth: u32) -> Self {
        let own = OwnSegment::create("lies", 1 << 17).unwrap();
        let half = own.region().span(0, URING.submitter_len()).unwrap();
        let _submitter = Submitter::create(half.clone(), URING);
        let mapped = PeerSegment::map(own.fd().try_clone_to_owned().unwrap(), own.len()).unwrap();
        let segment = Key::first(100 + nth);
        let rings = pair.urings.peer().segments(SegmentKind::Ring);
        rings.insert(segment, mapped).unwrap();
        let uring = Key::first(1000 + nth);
        pair.hear(UringWord::Open(Box::new(OpenWord {
            uring: WireKey(uring),
            target,
            kind: TargetKind::Actor,
            priority: Priority::Normal,
            types: Vec::new(),
            sq: URING.sq.exponent(),
            cq: URING.cq.exponent(),
            place: Place {
                segment: WireKey(segment),
                offset: 0,
            },
            notes: None,
        })));
        let lane = pair.urings.lane(uring).expect("it was opened");
        Self {
            pair,
            half,
            uring,
            lane,
            tail: 0,
        }
    }

    /// Writes a slot with any stamp.
    pub(crate) fn slot(&self, position: u64, stamp: u64, words: &EntryWords) {
        let at = SLOTS_AT + position % URING.sq.get() * SLOT;
        let slot = self.half.records::<AtomicU64>(at * 8, SLOT).unwrap();
        for (to, word) in slot[1..].iter().zip(words) {
            to.store(*word, Relaxed); // Relaxed: the stamp publishes them.
        }
        // Release entry-written: as an honest writer does.
        slot[0].store(stamp, Release);
    }

    /// Says an entry with so many slots behind it, as an honest writer would.
    pub(crate) fn say(&mut self, words: &EntryWords, rest: &[EntryWords]) {
        let (first, mark) = (self.tail, rest.len() as u64);
        for (position, words) in (first + 1..).zip(rest) {
            self.slot(position, stamp(position, 255), words);
        }
        self.slot(first, stamp(first, mark), words);
        self.tail += 1 + mark;
        self.look();
    }

    /// Has home look at it.
    pub(crate) fn look(&self) {
        let uring = WireKey(self.uring);
        self.pair.hear(UringWord::Look { uring });
    }

    /// Waits until all that was said is handled or refused.
    pub(crate) fn wait_until_done(&self) {
        wait_until("the end of what was said", || {
            self.look();
            self.lane.heads() == (self.tail, self.tail)
        });
    }
}

/// The stamp of a slot with that mark.
pub(crate) fn stamp(position: u64, mark: u64) -> u64 {
    (position + 1) | mark << 56
}
