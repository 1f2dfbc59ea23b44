//! Segments announced to peers, and given back when all of them have answered.

use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use ringway_shm::generation::Key;
use ringway_shm::heap::{HeapChange, HeapError};
use ringway_shm::sync::AtomicUsize;
use ringway_shm::sync::Ordering::Relaxed;

use super::{KIB, Log, MIB, heap};

// Goal: empty segments are given back when every peer that has them has answered, and not before.
// Method: two peers acknowledge; one answers the retirement, the other dies.
#[test]
fn a_retired_segment_waits_for_its_peers() {
    let heap = heap(256 * KIB, 128 * KIB, 128 * KIB);
    let log = Log::of(&heap);
    let [a, b] = [(); 2].map(|()| heap.allocate(128 << 10).unwrap());
    let (a_key, b_key) = (a.key(), b.key());
    assert_eq!(log.announced(), [a_key, b_key]);
    for peer in [3, 255] {
        assert!(!heap.is_acknowledged(b_key, peer));
        assert!(heap.acknowledge(b_key, peer));
        assert!(b.is_acknowledged(peer) && !a.is_acknowledged(peer));
    }
    drop(a);
    drop(b); // of two equals the later goes
    assert_eq!(log.retired(), [b_key]);
    assert_eq!((heap.stats().retiring, heap.stats().bytes), (1, 256 * KIB));
    assert!(!heap.acknowledge(b_key, 4), "too late");

    let c = heap.allocate(128 << 10).unwrap();
    let refused = heap.allocate(1);
    assert!(
        matches!(refused, Err(HeapError::Full { .. })),
        "its memory still counts"
    );
    heap.retire_acknowledged(b_key, 3);
    heap.retire_acknowledged(b_key, 3); // said twice
    heap.retire_acknowledged(b_key, 7); // never had it
    assert_eq!(heap.stats().retiring, 1);
    heap.forget_peer(255);
    assert_eq!((heap.stats().retiring, heap.stats().bytes), (0, 128 * KIB));

    let d = heap.allocate(128 << 10).unwrap();
    assert_eq!(
        d.key(),
        b_key.next(),
        "the index returns with a new generation"
    );
    assert!(!heap.is_acknowledged(b_key, 3) && !d.is_acknowledged(3));
    assert_ne!(c.key(), d.key());
}

#[test]
fn acknowledgements_end_with_the_peer() {
    let heap = heap(MIB, 64 * KIB, 64 * KIB);
    let block = heap.allocate(1).unwrap();
    assert!(heap.acknowledge(block.key(), 9));
    heap.retire_acknowledged(block.key(), 9); // not retiring: nobody asked
    assert!(block.is_acknowledged(9));
    heap.forget_peer(9);
    assert!(!block.is_acknowledged(9));
    assert!(!heap.acknowledge(block.key().next(), 9), "no such segment");
    assert!(!heap.acknowledge(Key::first(500), 9));
}

#[test]
fn reserved_memory_stays() {
    let heap = heap(4 * MIB, 64 * KIB, 256 * KIB);
    let log = Log::of(&heap);
    heap.reserve(MIB).unwrap();
    let grown = heap.stats();
    assert!(grown.bytes >= MIB && grown.free == grown.bytes);
    let blocks: Vec<_> = (0..4).map(|_| heap.allocate(200 << 10).unwrap()).collect();
    drop(blocks);
    assert_eq!(heap.stats().bytes, grown.bytes);
    assert_eq!(log.retired(), []);
    heap.reserve(0).unwrap();
    assert_eq!((heap.stats().segments, heap.stats().bytes), (1, 256 * KIB));
    let too_large = HeapError::TooLarge {
        wanted: 5 * MIB,
        limit: 4 * MIB,
    };
    assert_eq!(heap.reserve(5 * MIB).unwrap_err(), too_large);
}

// Goal: what load has left behind goes at the second look, unless it was used between the two; a segment of the first size stays,
// and so does what was reserved. That there is something to look for is said once.
#[test]
fn what_is_not_used_for_a_while_is_given_back() {
    let heap = heap(MIB, 64 * KIB, 256 * KIB);
    let said = Arc::new(AtomicUsize::new(0));
    let heard = Arc::clone(&said);
    heap.on_change(move |change| {
        if matches!(change, HeapChange::Rest) {
            heard.fetch_add(1, Relaxed);
        }
    });
    let segments = || {
        let segments = heap.segments();
        segments.iter().map(|it| it.segment.len()).sum::<u64>()
    };
    drop(heap.allocate(1).unwrap());
    assert_eq!(
        (said.load(Relaxed), heap.trim(), segments()),
        (0, false, 64 * KIB)
    );
    for _ in 0..3 {
        drop(heap.allocate(128 << 10).unwrap());
    }
    assert_eq!(
        (said.load(Relaxed), segments()),
        (1, 128 * KIB),
        "the larger one is kept"
    );
    assert!(heap.trim(), "the first look");
    drop(heap.allocate(1).unwrap());
    assert!(heap.trim(), "it was used since");
    let block = heap.allocate(1).unwrap();
    assert!(!heap.trim(), "it is in use");
    drop(block);
    assert_eq!(said.load(Relaxed), 2, "and is not any more");
    assert!(heap.trim());
    assert_eq!((heap.trim(), segments()), (false, 0));

    heap.reserve(128 * KIB).unwrap();
    drop(heap.allocate(128 << 10).unwrap());
    assert_eq!(
        (heap.trim(), heap.trim(), segments()),
        (false, false, 128 * KIB)
    );
    heap.reserve(0).unwrap();
    drop(heap.allocate(1).unwrap());
    assert_eq!((heap.trim(), heap.trim(), segments()), (true, false, 0));
}

#[test]
fn a_callback_may_use_the_heap() {
    let heap = heap(MIB, 64 * KIB, 64 * KIB);
    let (sender, seen) = mpsc::channel();
    let inner = heap.clone();
    heap.on_change(move |_| sender.send(inner.segments().len()).unwrap());
    let blocks: Vec<_> = (0..3).map(|_| heap.allocate(64 << 10).unwrap()).collect();
    drop(blocks);
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [1, 2, 3, 2, 1]);
    heap.on_change(|_| ()); // drops the clone inside
}

// Goal: a segment is retired only after its announcement has returned. Method: hold the announcing
// thread in its callback, with another empty segment there, while nothing is to be kept any more.
#[test]
fn announcements_come_before_retirements() {
    let heap = heap(MIB, 64 * KIB, 64 * KIB);
    drop(heap.allocate(1).unwrap());
    let log = Log::default();
    let (copy, barrier) = (log.clone(), Arc::new(Barrier::new(2)));
    let inside = barrier.clone();
    heap.on_change(move |change| {
        if matches!(change, HeapChange::Announce(_)) {
            inside.wait();
            inside.wait();
        }
        copy.note(&change);
    });
    thread::scope(|scope| {
        scope.spawn(|| heap.reserve(128 * KIB).unwrap());
        barrier.wait();
        heap.reserve(0).unwrap();
        barrier.wait();
    });
    let key = log.announced()[0];
    assert_eq!(*log.0.lock().unwrap(), [(key, true), (key, false)]);
}
