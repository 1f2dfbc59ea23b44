//! Long entries: taken whole or not at all, in order with short ones, never in a short one's place.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]

use ringway_shm::error::{PushError, Violation};
use ringway_shm::lane::{Push, REST_MAX, Take};
use ringway_shm::region::{Buffer, OwnRegion};
use ringway_shm::sync::AtomicU64;
use ringway_shm::sync::Ordering::Relaxed;

type Entry = [u64; 7];

struct Lane {
    push: Push<7, Buffer>,
    take: Take<7, Buffer>,
    slots: OwnRegion<Buffer>,
    heads: OwnRegion<Buffer>,
}

fn lane(capacity: u64, limit: u64) -> Lane {
    let (slots, heads) = (Buffer::region(capacity * 64), Buffer::region(64));
    let mut push = Push::new(
        slots.hold_all(0, capacity).unwrap(),
        heads.read_only().hold(0).unwrap(),
    );
    assert_eq!(push.limit(limit), limit);
    let take = Take::new(
        slots.read_only().hold_all(0, capacity).unwrap(),
        heads.hold(0).unwrap(),
    );
    Lane {
        push,
        take,
        slots,
        heads,
    }
}

impl Lane {
    fn stamp(&self, index: u64) -> &AtomicU64 {
        self.slots.record(index * 64).unwrap()
    }

    fn head(&self) -> &AtomicU64 {
        self.heads.record(0).unwrap()
    }

    fn take(&mut self) -> Option<(Entry, Vec<Entry>, u64)> {
        let taken = self
            .take
            .take_long(|rest| rest.collect::<Vec<_>>())
            .unwrap();
        taken.map(|taken| (taken.words, taken.rest.unwrap_or_default(), taken.slots))
    }
}

fn entry(number: u64) -> Entry {
    core::array::from_fn(|at| number * 10 + at as u64)
}

fn rest(number: u64, slots: usize) -> Vec<Entry> {
    (0..slots as u64)
        .map(|at| entry(number * 1000 + at))
        .collect()
}

// Goal: entries of every length go round many laps unchanged, in order, whatever lies where they begin; and are counted as
// handled by their slots.
#[test]
fn go_round() {
    let mut lane = lane(16, 8);
    for number in 0..500 {
        let slots = usize::try_from(number % 9).unwrap();
        let position = lane.push.tail();
        assert_eq!(
            lane.push.push_long(&entry(number), &rest(number, slots)),
            Ok(position)
        );
        assert_eq!(lane.push.push(&entry(7)), Ok(position + 1 + slots as u64));
        let (words, rest_taken, taken) = lane.take().unwrap();
        assert_eq!(
            (words, rest_taken, taken),
            (entry(number), rest(number, slots), 1 + slots as u64)
        );
        assert_eq!(lane.take(), Some((entry(7), vec![], 1)));
        assert_eq!(lane.take(), None);
        assert!(!lane.take.peek() && !lane.take.peeker().has_entry());
        lane.take.finish(taken);
        assert_eq!(lane.push.done(), Ok(position + taken));
        lane.take.finish(1);
        assert_eq!(lane.push.done(), Ok(lane.push.tail()));
    }
}

// Goal: long entries take only what the limit leaves over: as many entries as it says always fit.
#[test]
fn leave_room_for_short_ones() {
    let mut lane = lane(16, 8);
    assert_eq!(lane.push.rest_max(), 8);
    assert_eq!(
        lane.push.push_long(&entry(0), &rest(0, 9)),
        Err(PushError::Crowded)
    );
    lane.push.push_long(&entry(0), &rest(0, 5)).unwrap();
    assert!(lane.push.has_room_for_rest(3) && !lane.push.has_room_for_rest(4));
    assert_eq!(
        lane.push.push_long(&entry(1), &rest(1, 4)),
        Err(PushError::Crowded)
    );
    lane.push.push_long(&entry(1), &rest(1, 3)).unwrap();
    assert_eq!(lane.push.room(), Ok(6));
    for number in 2..8 {
        lane.push.push(&entry(number)).unwrap();
    }
    assert_eq!(lane.push.push(&entry(8)), Err(PushError::Full));
    assert_eq!(lane.push.push_long(&entry(8), &[]), Err(PushError::Full));
    assert_eq!(lane.push.untaken(), Ok(8));
    assert_eq!(lane.take().unwrap().2, 6);
    assert_eq!((lane.push.untaken(), lane.push.room()), (Ok(7), Ok(1)));
    lane.push.push_long(&entry(8), &rest(8, 5)).unwrap();
    assert_eq!(lane.push.push(&entry(9)), Err(PushError::Full));
}

// Goal: a lane whose limit leaves nothing over takes no long entry, and one never has more than a stamp can count.
#[test]
fn as_long_as_can_be() {
    let mut small = lane(4, 4);
    assert_eq!(small.push.rest_max(), 0);
    assert_eq!(
        small.push.push_long(&entry(0), &rest(0, 1)),
        Err(PushError::Crowded)
    );
    let mut large = lane(1024, 1);
    assert_eq!(large.push.rest_max(), REST_MAX);
    assert_eq!(
        large.push.push_long(&entry(0), &rest(0, REST_MAX + 1)),
        Err(PushError::Crowded)
    );
    large.push.push_long(&entry(0), &rest(0, REST_MAX)).unwrap();
    assert_eq!(large.take(), Some((entry(0), rest(0, REST_MAX), 255)));
}

// Goal: what was not taken can be read back whole, and its rest is no entry.
#[test]
fn can_be_taken_back() {
    let mut lane = lane(16, 4);
    lane.push.push(&entry(0)).unwrap();
    lane.push.push_long(&entry(1), &rest(1, 3)).unwrap();
    lane.push.push(&entry(2)).unwrap();
    lane.take().unwrap();
    let at = lane.push.taken().unwrap();
    let entries: Vec<_> = (at..lane.push.tail())
        .map(|at| lane.push.entry_at(at))
        .collect();
    assert_eq!(entries, [Some(entry(1)), None, None, None, Some(entry(2))]);
    assert_eq!(lane.push.rest_at(at).collect::<Vec<_>>(), rest(1, 3));
    assert_eq!(
        lane.push.rest_at(at + 1).count() + lane.push.rest_at(at + 4).count(),
        0
    );
    assert_eq!(lane.push.rest_at(at + 5).count(), 0, "not pushed yet");
}

// Goal: any stamp of a long entry that cannot be is a violation, and takes nothing.
#[test]
fn garbage_stamps_are_violations() {
    let mut lane = lane(8, 4);
    for number in 0..7 {
        lane.push.push(&entry(number)).unwrap();
        lane.take().unwrap();
    }
    lane.push.push_long(&entry(7), &rest(7, 2)).unwrap();
    for index in [7, 0, 1] {
        let right = lane.stamp(index).load(Relaxed);
        for found in [
            right ^ (1 << 56),
            right ^ (1 << 63),
            right + 1,
            right + 8,
            u64::MAX,
            255 << 56 | 8,
        ] {
            if found == right {
                continue; // one of them
            }
            lane.stamp(index).store(found, Relaxed);
            let result = lane.take.take_long(|rest| rest.count());
            assert!(
                matches!(result, Err(Violation::Stamp { .. })),
                "{index} {found:#x} {result:?}"
            );
            assert_eq!(lane.head().load(Relaxed), 7, "nothing was taken");
        }
        lane.stamp(index).store(right, Relaxed);
    }
    assert!(lane.take.take().is_err(), "a short one was wanted");
    assert_eq!(lane.take(), Some((entry(7), rest(7, 2), 3)));
    // A rest that is said to be longer than the lane.
    lane.stamp(2).store(11 | 8 << 56, Relaxed);
    assert!(lane.take.take_long(|rest| rest.count()).is_err());
}

// Goal: a head in the middle of a long entry cannot be.
#[test]
fn garbage_heads_are_violations() {
    for found in 1..=3 {
        let mut lane = lane(8, 4);
        lane.push.push_long(&entry(0), &rest(0, 3)).unwrap();
        lane.push.push(&entry(1)).unwrap();
        lane.head().store(found, Relaxed);
        let violation = Violation::Head {
            found,
            floor: 0,
            tail: 5,
        };
        assert_eq!(lane.push.taken(), Err(violation));
        assert_eq!(
            lane.push.push_long(&entry(2), &rest(2, 2)),
            Err(PushError::Peer(violation))
        );
        lane.head().store(4, Relaxed);
        assert_eq!(lane.push.taken(), Ok(4), "and it goes on");
        assert_eq!(lane.push.untaken(), Ok(1));
    }
}

// Goal: two threads pass each other entries of all lengths, and nothing is torn.
#[test]
fn between_threads() {
    const COUNT: u64 = 20_000;
    let Lane {
        mut push, mut take, ..
    } = lane(64, 8);
    let writer = std::thread::spawn(move || {
        for number in 0..COUNT {
            let rest = rest(number, usize::try_from(number % 20).unwrap());
            while push.push_long(&entry(number), &rest).is_err() {
                std::thread::yield_now();
            }
        }
    });
    for number in 0..COUNT {
        let taken = loop {
            match take.take_long(|rest| rest.collect::<Vec<_>>()).unwrap() {
                Some(taken) => break taken,
                None => std::thread::yield_now(),
            }
        };
        assert_eq!(taken.words, entry(number));
        assert_eq!(
            taken.rest.unwrap_or_default(),
            rest(number, usize::try_from(number % 20).unwrap())
        );
        take.finish(taken.slots);
    }
    writer.join().unwrap();
}
