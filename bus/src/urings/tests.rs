//! What a peer says about urings against the rules, and what it costs.

mod aside;
mod heads;

use std::sync::Arc;

use ringway_shm::error::Violation;
use ringway_shm::generation::Key;
use ringway_shm::layout::{NotesLayout, Pow2};
use ringway_shm::segment::{OwnSegment, PeerSegment};
use ringway_shm::uring::Completer;

use super::open;
use super::wire::{Place, Terms, UringWord};
use crate::exit::ExitReason;
use crate::frame::{SegmentKind, WireKey};
use crate::mailbox::Overflow;
use crate::remote::Linger;
use crate::remote::ops::Leases;
use crate::testing::pair::{Pair, spoil};
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
    wait_until("its bytes", || pair.urings.lane_bytes() == 0); // given back as it is dropped
    assert!(pair.sink.receive().unwrap().is_none());
}

// Goal: a uring whose half lies in a segment that this process was too poor to map is not the peer's fault: it opens once the
// segment is mapped, and what was said of it meanwhile comes after that.
#[test]
fn an_answer_waits_for_the_segment_that_it_names() {
    let pair = Pair::new();
    let shared = pair.home.shared();
    let rings = pair.urings.peer().segments(SegmentKind::Ring);
    let key = Key::first(7);
    let (end, uring) = pair.opening();
    rings.await_later(key);
    pair.hear(UringWord::Opened {
        uring: WireKey(uring),
        place: Place {
            segment: WireKey(key),
            offset: 0,
        },
        notes_head: None,
        terms: Terms {
            overflow: Overflow::Fail,
            bound: 4,
            redeliver: 0,
        },
    });
    assert_eq!(pair.violations(), 0);
    assert!(end.open_result().is_none(), "it waits");

    let own = OwnSegment::create("theirs", 1 << 20).unwrap();
    let half = own.region().span(0, open::URING.completer_len()).unwrap();
    let _completer = Completer::create(half, open::URING);
    let mapped = PeerSegment::map(own.fd().try_clone_to_owned().unwrap(), own.len()).unwrap();
    rings.insert(key, mapped).unwrap();
    assert!(rings.end_wait(key));
    open::hear_held(shared, &pair.urings);
    assert_eq!(pair.violations(), 0);
    assert!(matches!(end.open_result(), Some(Ok(()))));
    assert_eq!(end.overflow(), Overflow::Fail);
}

/// Violations after which a peer is cut off, and some that threads may count at the same moment.
const ENOUGH: std::ops::Range<u64> = 64..80;

// Goal: what a peer that is cut off has broken is not looked at for ever. Method: a ring of notes that are none.
#[test]
fn notes_of_a_peer_that_was_cut_off_are_not_read() {
    let pair = Pair::new();
    let layout = NotesLayout {
        capacity: Pow2::of::<2>(),
    };
    let span = || pair.home.shared().ring_span(64).unwrap();
    let theirs = span();
    let ring = theirs.region().read_only();
    let added = pair.urings.add_note_ring(&ring, layout, span());
    added.unwrap();
    spoil(theirs.region());
    (0..1000).for_each(|_| pair.urings.read_notes(|_| {}));
    assert!(ENOUGH.contains(&pair.violations()), "{}", pair.violations());
}

// Goal: the same of completions. Method: a completion queue whose stamps cannot be.
#[test]
fn completions_of_a_peer_that_was_cut_off_are_not_read() {
    let pair = Pair::new();
    let opened = pair.opened();
    spoil(&opened.theirs.region());
    let reap = || opened.end.reap(&mut Vec::new(), Linger::Yes);
    for _ in 0..1000 {
        let _ = reap();
    }
    assert!(ENOUGH.contains(&pair.violations()), "{}", pair.violations());
    assert!(!reap().watch);
}

// Goal: nothing more is taken of a peer that was cut off, whatever it goes on stamping.
#[test]
fn a_peer_that_was_cut_off_is_not_heard() {
    let pair = Pair::new();
    let lane = pair.lane();
    let violation = Violation::Note { found: 7 };
    (0..64).for_each(|_| pair.urings.violation(violation));
    wait_until("the end of its lanes", || lane.is_closed());
}

// Goal: a peer that takes and never says that it is done has each tell told or counted once at its end, and the look at them is
// no longer than the queue, whatever was sent. Method: more tells than the queue has places, all taken.
#[test]
fn what_was_taken_and_never_done_is_told_or_counted() {
    let pair = Pair::new();
    let mut opened = pair.opened();
    let (places, sent) = (open::URING.sq.get(), open::URING.sq.get() + 72);
    for _ in 0..sent {
        opened.tell();
        assert!(opened.take.take().unwrap().is_some());
    }
    opened.end.finish(&ExitReason::ProcessDied, Leases::Gone);
    let told = std::iter::from_fn(|| opened.end.returns.take_token().0);
    let told = told.map(|back| assert!(back.taken)).count() as u64;
    assert_eq!((told, pair.dead_letters()), (places, 72));
}

// Goal: messages that a receiver never took are dead letters, also when it ends in the moment in which their sender lets go.
#[test]
fn what_was_not_taken_before_an_early_end_is_counted() {
    let pair = Pair::new();
    let opened = pair.opened();
    (0..3).for_each(|_| opened.tell());
    pair.home
        .shared()
        .closed_unheld(&pair.urings, opened.uring, &ExitReason::Stopped);
    assert_eq!(pair.dead_letters(), 0);
    drop(opened);
    assert_eq!(pair.dead_letters(), 3);
}
