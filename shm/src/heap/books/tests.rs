//! What lists and spaces hand out, in which order, and what may be withdrawn.

use super::*;
use crate::heap::class::Class;

fn books(sizes: &[u32]) -> Books<u32> {
    let mut books = Books::new();
    for (slot, &units) in (0..).zip(sizes) {
        books.insert(slot, slot, Space::new(units));
        assert_eq!(books.unpin(slot), Freed::Emptied(units));
    }
    books
}

#[test]
fn the_last_freed_is_the_first_reused() {
    let mut books = books(&[4096]);
    let [a, b, c] = [(); 3].map(|()| books.allocate(4).unwrap());
    let freed = [a.offset(), c.offset(), b.offset()];
    for place in [a, c, b] {
        let _ = books.free(place);
    }
    let again = [(); 3].map(|()| books.allocate(4).unwrap().offset());
    assert_eq!(again, [freed[2], freed[1], freed[0]]);
}

// Goal: lists never make memory short. Method: fill with one class, free all, ask for
// everything at once.
#[test]
fn lists_are_flushed_before_a_request_fails() {
    let mut books = books(&[4096]);
    let small: Vec<_> = std::iter::from_fn(|| books.allocate(1)).collect();
    assert_eq!(small.len(), 4096);
    for place in small {
        let _ = books.free(place);
    }
    assert!(books.lists.units() > 0, "the test is about listed blocks");
    let all = books.allocate(4096).expect("flushed");
    assert_eq!(books.totals().free, 0);
    assert_eq!(books.free(all), Freed::Emptied(4096));
}

#[test]
fn a_full_list_returns_its_oldest_to_the_space() {
    let mut books = books(&[4096]);
    let kept = Class::of(1).unwrap().list_max();
    let places: Vec<_> = (0..kept + 10).map(|_| books.allocate(1).unwrap()).collect();
    let offsets: Vec<_> = places.iter().map(Place::offset).collect();
    for place in places {
        let _ = books.free(place);
    }
    assert_eq!(
        (books.lists.units(), books.totals().free),
        (kept as u64, 4096)
    );
    let again: Vec<_> = (0..kept)
        .map(|_| books.allocate(1).unwrap().offset())
        .collect();
    let youngest: Vec<_> = offsets[10..].iter().rev().copied().collect();
    assert_eq!(again, youngest);
}

#[test]
fn runs_between_two_classes_are_not_listed() {
    let mut books = books(&[4096]);
    let between = books.allocate(17).unwrap();
    assert_eq!(books.free(between), Freed::Emptied(4096));
    assert_eq!(books.lists.units(), 0);
    let [a, b] = [(); 2].map(|()| books.allocate(18).unwrap());
    assert!(a.offset().abs_diff(b.offset()) >= 18);
}

#[test]
fn withdraw_takes_the_smallest_empty_and_keeps_what_it_must() {
    let mut books = books(&[100, 300, 200]);
    let place = books.allocate(48).unwrap();
    assert_eq!(place.home, 0, "first fit by slot");
    assert!(books.withdraw(2, 0).is_none(), "two are empty, two to keep");
    assert!(books.withdraw(1, 401).is_none(), "the floor");
    assert_eq!(books.withdraw(1, 400).unwrap().slot, 2);
    assert_eq!(books.free(place), Freed::Emptied(100));
    assert_eq!(
        books.withdraw(1, 0).unwrap().slot,
        0,
        "its block is on a list, not live"
    );
    assert_eq!((books.lists.units(), books.totals().units), (0, 300));
    assert!(books.withdraw(1, 0).is_none());
    books.insert(0, 7, Space::new(10));
    assert!(books.withdraw(1, 0).is_none(), "pinned");
    assert_eq!(books.unpin(0), Freed::Emptied(10));
    assert_eq!(books.allocate(10).unwrap().home, 7);
}

#[test]
fn refused_requests_are_tried_again_after_a_free() {
    let mut books = books(&[64]);
    let [a, b] = [(); 2].map(|()| books.allocate(32).unwrap());
    assert!(books.allocate(32).is_none());
    assert!(books.allocate(1).is_none());
    assert_eq!(books.free(a), Freed::InUse);
    assert!(
        books.allocate(1).is_some(),
        "cut from what the list gave back"
    );
    assert_eq!(books.free(b), Freed::InUse);
}

// Goal: large blocks are used in turn, the one freed longest ago first, while the spaces have as many as shall take turns;
// where they have fewer, those take turns, and what is missing is told once.
#[test]
fn large_blocks_take_turns() {
    const UNITS: u32 = 1024; // 64 KiB
    let wanted = Class::of(UNITS).unwrap().list_max();
    let mut roomy = books(&[UNITS * 100]);
    let mut used: Vec<u32> = Vec::new();
    for _ in 0..wanted * 3 {
        let place = roomy.allocate(UNITS).unwrap();
        used.push(place.offset());
        let _ = roomy.free(place);
    }
    assert_eq!(used[wanted..], used[..wanted * 2]);
    used.truncate(wanted);
    used.sort_unstable();
    used.dedup();
    assert_eq!(used.len(), wanted, "no block twice in a turn");
    assert_eq!(roomy.take_wish(), 0);

    let mut narrow = books(&[UNITS * 3]);
    let mut wishes = Vec::new();
    let mut last = [None; 2];
    for _ in 0..100 {
        let place = narrow.allocate(UNITS).unwrap();
        assert!(!last.contains(&Some(place.offset())), "three take turns");
        last = [last[1], Some(place.offset())];
        let _ = narrow.free(place);
        wishes.push(narrow.take_wish());
    }
    wishes.retain(|wish| *wish > 0);
    assert_eq!(wishes, [UNITS * (u32::try_from(wanted).unwrap() + 1)]);
}
