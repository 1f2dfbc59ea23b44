//! Lanes and urings over plain memory: the list of names that every structure of this crate shares.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]

use ringway_shm::error::{PushError, Violation};
use ringway_shm::lane::{HeadLine, Push, Take};
use ringway_shm::region::{Buffer, OwnRegion};
use ringway_shm::sync::{AtomicU64, Ordering::Relaxed, thread};
use ringway_shm::words::Slot;

/// A lane of 7-word entries, and the memory under it, to write garbage into.
struct Lane {
    push: Push<7, Buffer>,
    take: Take<7, Buffer>,
    slots: OwnRegion<Buffer>,
    head: OwnRegion<Buffer>,
}

fn lane(capacity: u64) -> Lane {
    let (slots, head) = (Buffer::region(capacity * 64), Buffer::region(64));
    let push = Push::new(
        slots.hold_all::<Slot<7>>(0, capacity).unwrap(),
        head.read_only().hold::<HeadLine>(0).unwrap(),
    );
    let take = Take::new(
        slots.read_only().hold_all::<Slot<7>>(0, capacity).unwrap(),
        head.hold::<HeadLine>(0).unwrap(),
    );
    Lane {
        push,
        take,
        slots,
        head,
    }
}

impl Lane {
    /// The word of shared memory that holds the stamp of slot `index`.
    fn stamp(&self, index: u64) -> &AtomicU64 {
        self.slots.record(index * 64).unwrap()
    }

    fn head(&self) -> &AtomicU64 {
        self.head.record(0).unwrap()
    }

    fn done(&self) -> &AtomicU64 {
        self.head.record(8).unwrap()
    }
}

fn entry(number: u64) -> [u64; 7] {
    core::array::from_fn(|at| number * 10 + at as u64)
}

// Goal: a look from outside says what a look of the reading end would, over more than a lap, and of garbage too.
#[test]
fn a_peeker_sees_what_the_reading_end_sees() {
    let mut lane = lane(2);
    let peeker = lane.take.peeker();
    for number in 0..5 {
        assert!(!peeker.has_entry() && !lane.take.peek());
        lane.push.push(&entry(number)).unwrap();
        assert!(peeker.has_entry() && lane.take.peek());
        lane.push.push(&entry(number + 1)).unwrap();
        lane.take.take().unwrap();
        assert!(peeker.has_entry() && lane.take.peek());
        lane.take.take().unwrap();
    }
    lane.stamp(0).store(77, Relaxed);
    assert!(peeker.has_entry() && lane.take.take().is_err());
}

#[test]
fn smoke() {
    let Lane {
        mut push, mut take, ..
    } = lane(4);
    assert!(!take.peek());
    assert_eq!(take.take(), Ok(None));
    assert_eq!(push.push(&entry(7)), Ok(0));
    assert_eq!(push.push(&entry(8)), Ok(1));
    assert!(take.peek());
    assert_eq!(take.take(), Ok(Some(entry(7))));
    assert_eq!(take.take(), Ok(Some(entry(8))));
    assert_eq!(take.take(), Ok(None));
}

// Goal: the count of what waits is right on every lap, and for any bound; looking takes nothing.
#[test]
fn has_more_than() {
    let Lane {
        mut push, mut take, ..
    } = lane(4);
    for lap in 0..3 {
        for waiting in 0..=4 {
            let bounds = [0, 1, 2, 3, 4, 5, u64::MAX];
            let more = bounds.map(|bound| take.has_more_than(bound));
            assert_eq!(more, bounds.map(|bound| waiting > bound), "lap {lap}");
            if waiting < 4 {
                push.push(&entry(waiting)).unwrap();
            }
        }
        for number in 0..4 {
            assert_eq!(take.take(), Ok(Some(entry(number))));
            assert_eq!(take.has_more_than(0), number < 3);
        }
    }
}

#[test]
fn capacity() {
    for capacity in [1, 2, 8] {
        let Lane {
            mut push, mut take, ..
        } = lane(capacity);
        for number in 0..capacity {
            assert_eq!(push.room(), Ok(capacity - number));
            assert_eq!(push.push(&entry(number)), Ok(number));
        }
        assert_eq!(push.room(), Ok(0));
        take.take().unwrap().unwrap();
        assert_eq!(push.room(), Ok(1));
    }
}

#[test]
fn full_returns_the_entry() {
    let Lane {
        mut push, mut take, ..
    } = lane(2);
    push.push(&entry(0)).unwrap();
    push.push(&entry(1)).unwrap();
    let third = entry(2);
    assert_eq!(push.push(&third), Err(PushError::Full));
    assert_eq!(push.tail(), 2, "nothing was written");
    assert_eq!(take.take(), Ok(Some(entry(0))));
    assert_eq!(push.push(&third), Ok(2), "the caller has it still");
    assert_eq!(take.take(), Ok(Some(entry(1))));
    assert_eq!(take.take(), Ok(Some(entry(2))));
}

// Goal: order and content survive any number of laps. Method: every fill level from 1 to the capacity, many laps each.
#[test]
fn wraps() {
    for level in 1..=4 {
        let Lane {
            mut push, mut take, ..
        } = lane(4);
        let (mut pushed, mut taken) = (0, 0);
        for _ in 0..100 {
            for _ in 0..level {
                assert_eq!(push.push(&entry(pushed)), Ok(pushed));
                pushed += 1;
            }
            for _ in 0..level {
                assert_eq!(take.take(), Ok(Some(entry(taken))));
                taken += 1;
            }
            assert_eq!(take.take(), Ok(None));
        }
    }
}

#[test]
fn batches_stop_at_the_ends() {
    let Lane {
        mut push, mut take, ..
    } = lane(4);
    let entries: Vec<_> = (0..6).map(entry).collect();
    assert_eq!(push.push_batch(&entries), Ok(4));
    assert_eq!(push.push_batch(&entries[4..]), Ok(0), "full");
    let mut target = [[0; 7]; 3];
    assert_eq!(take.take_batch(&mut target), Ok(3));
    assert_eq!(target, [entry(0), entry(1), entry(2)]);
    assert_eq!(
        push.push_batch(&entries[4..]),
        Ok(2),
        "the head was published"
    );
    let mut target = [[0; 7]; 8];
    assert_eq!(take.take_batch(&mut target), Ok(3));
    assert_eq!(target[..3], [entry(3), entry(4), entry(5)]);
    assert_eq!(take.take_batch(&mut target), Ok(0));

    assert_eq!(push.push_batch(&entries[..2]), Ok(2));
    assert_eq!(take.take_batch(&mut target), Ok(2));
    assert_eq!(
        push.push_batch(&entries),
        Ok(4),
        "the head is read again when too little looks free"
    );
}

// Goal: nothing lost, torn or reordered between two threads. Method: every word of an entry tells its number.
#[test]
fn spsc() {
    const COUNT: u64 = if cfg!(debug_assertions) {
        100_000
    } else {
        1_000_000
    };
    let Lane {
        mut push, mut take, ..
    } = lane(64);
    let writer = thread::spawn(move || {
        for number in 0..COUNT {
            while push.push(&entry(number)) == Err(PushError::Full) {
                thread::yield_now();
            }
        }
    });
    for number in 0..COUNT {
        let words = loop {
            match take.take().unwrap() {
                Some(words) => break words,
                None => thread::yield_now(),
            }
        };
        assert_eq!(words, entry(number));
    }
    assert_eq!(take.take(), Ok(None));
    writer.join().unwrap();
}

// Goal: what was never taken can be taken back, and nothing else is handed out for it.
#[test]
fn untaken_entries_are_intact() {
    let Lane {
        mut push, mut take, ..
    } = lane(4);
    for number in 0..6 {
        push.push(&entry(number)).unwrap();
        if number < 3 {
            take.take().unwrap().unwrap();
        }
    }
    let taken = push.taken().unwrap();
    let untaken: Vec<_> = (taken..push.tail())
        .map(|at| push.entry_at(at).unwrap())
        .collect();
    assert_eq!(untaken, [entry(3), entry(4), entry(5)]);
    assert_eq!(push.entry_at(1), None, "its slot was used again");
    assert_eq!(push.entry_at(6), None, "was not pushed yet");
}

#[test]
fn done_follows_taken() {
    let Lane {
        mut push, mut take, ..
    } = lane(4);
    for number in 0..3 {
        push.push(&entry(number)).unwrap();
    }
    take.take().unwrap().unwrap();
    take.take().unwrap().unwrap();
    take.finish(1);
    assert_eq!((push.taken(), push.done()), (Ok(2), Ok(1)));
    assert_eq!((take.taken(), take.done()), (2, 1));
}

// Goal: any stamp but the two that can be is a violation, and takes nothing. Method: every lap's stamps around the
// expected, and the extremes, at an empty slot of the first and of a later lap.
#[test]
fn garbage_stamps_are_violations() {
    for laps in [0, 5] {
        let mut lane = lane(4);
        for number in 0..laps * 4 + 1 {
            lane.push.push(&entry(number)).unwrap();
            lane.take.take().unwrap().unwrap();
        }
        let position = laps * 4 + 1;
        let empty = (position + 1).saturating_sub(4);
        let garbage = [
            0,
            1,
            2,
            3,
            position - 1,
            position,
            position + 2,
            position + 5,
            1 << 63,
            u64::MAX,
        ];
        for found in garbage
            .into_iter()
            .filter(|stamp| *stamp != empty && *stamp != position + 1)
        {
            lane.stamp(1).store(found, Relaxed);
            let expected = Err(Violation::Stamp {
                position,
                empty,
                found,
            });
            assert!(lane.take.peek(), "there is something to say");
            assert_eq!(lane.take.take(), expected);
            assert_eq!(
                lane.take.take_batch(&mut [[0; 7]; 2]).map(|_| None),
                expected
            );
            assert_eq!(lane.head().load(Relaxed), position, "nothing was taken");
        }
        lane.stamp(1).store(empty, Relaxed);
        assert_eq!(lane.take.take(), Ok(None), "and it goes on");
        lane.push.push(&entry(position)).unwrap();
        assert_eq!(lane.take.take(), Ok(Some(entry(position))));
    }
}

#[test]
fn garbage_further_on_ends_the_batch_before_it() {
    let mut lane = lane(4);
    lane.push.push(&entry(0)).unwrap();
    lane.stamp(1).store(99, Relaxed);
    assert_eq!(lane.take.take_batch(&mut [[0; 7]; 4]), Ok(1));
    let violation = Violation::Stamp {
        position: 1,
        empty: 0,
        found: 99,
    };
    assert_eq!(lane.take.take_batch(&mut [[0; 7]; 4]), Err(violation));
}

// Goal: a head that cannot be is a violation, and lets nothing be overwritten. Method: after six pushes and three takes
// (head last seen: 3), each of the heads that cannot be.
#[test]
fn garbage_heads_are_violations() {
    for found in [0, 1, 2, 8, 1 << 63, u64::MAX] {
        let mut lane = lane(4);
        for number in 0..7 {
            lane.push.push(&entry(number)).unwrap();
            if number < 3 {
                lane.take.take().unwrap().unwrap();
                lane.push.taken().unwrap();
            }
        }
        lane.head().store(found, Relaxed);
        let violation = Violation::Head {
            found,
            floor: 3,
            tail: 7,
        };
        assert_eq!(lane.push.push(&entry(7)), Err(PushError::Peer(violation)));
        assert_eq!(lane.push.push_batch(&[entry(7)]), Err(violation));
        assert_eq!(
            (lane.push.taken(), lane.push.room()),
            (Err(violation), Err(violation))
        );
        assert_eq!(
            lane.push.entry_at(3),
            Some(entry(3)),
            "nothing was overwritten"
        );
        lane.head().store(3, Relaxed);
        assert_eq!(
            lane.push.push(&entry(7)),
            Err(PushError::Full),
            "and it goes on"
        );
    }
}

#[test]
fn garbage_done_is_a_violation() {
    let mut lane = lane(4);
    for number in 0..3 {
        lane.push.push(&entry(number)).unwrap();
        lane.take.take().unwrap().unwrap();
    }
    lane.take.finish(1);
    assert_eq!(lane.push.done(), Ok(1));
    for found in [0, 4, u64::MAX] {
        lane.done().store(found, Relaxed);
        assert_eq!(
            lane.push.done(),
            Err(Violation::Done {
                found,
                floor: 1,
                head: 3
            })
        );
    }
}
