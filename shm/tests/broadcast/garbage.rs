//! Memory that a publisher, or a subscriber, has filled with anything.

use ringway_shm::broadcast::{Policy, PublishEnd, Subscriber, TakeError};
use ringway_shm::error::Violation;
use ringway_shm::layout::{BroadcastLayout, CursorLayout, Pow2};
use ringway_shm::region::{Buffer, OwnRegion};
use ringway_shm::sync::{AtomicU64, Ordering::Relaxed};

use super::random::Random;
use super::{DROP, Lane, Member, WAIT};

/// Where words of the two parts stand.
const TAIL: u64 = 128;
const SLOTS: u64 = 256;
const TAKEN: u64 = 128;
const CLAIMS: u64 = 256;

fn set(part: &OwnRegion<Buffer>, offset: u64, value: u64) {
    let word: &AtomicU64 = part.record(offset).unwrap();
    word.store(value, Relaxed);
}

fn taken_or_blamed(member: &mut Member) -> Option<Violation> {
    match member.end.take(&mut [0; 7]) {
        Err(TakeError::Peer(violation)) => Some(violation),
        _ => None,
    }
}

#[test]
fn parts_that_are_something_else_are_refused() {
    let layout = BroadcastLayout::new(Pow2::of::<4>(), 7).unwrap();
    let claims = CursorLayout::new(4).unwrap();
    let lane = Buffer::region(layout.publisher_len());
    let cursor = Buffer::region(claims.subscriber_len());
    let open = |lane: &OwnRegion<Buffer>| {
        let own = Buffer::region(claims.subscriber_len());
        let opened = Subscriber::create(own, claims).open(&lane.read_only(), layout, WAIT, 0);
        opened.map(drop)
    };
    let mismatch = |found: Result<(), Violation>| matches!(found, Err(Violation::Mismatch { .. }));
    let misplaced = |found: Result<(), Violation>| matches!(found, Err(Violation::Place { .. }));
    assert!(mismatch(open(&lane)), "nothing is there yet");
    let other = BroadcastLayout::new(Pow2::of::<2>(), 7).unwrap();
    drop(PublishEnd::<(), _>::create(&lane, other));
    assert!(mismatch(open(&lane)), "fewer slots");
    let mut publish = PublishEnd::<(), _>::create(&lane, layout);
    assert_eq!(open(&lane), Ok(()));
    assert!(misplaced(open(
        &lane.span(0, layout.publisher_len() - 64).unwrap()
    )));

    let mut join = |part: &OwnRegion<Buffer>| {
        let joined = publish.join(&part.read_only(), claims, WAIT, 0);
        joined.map(drop)
    };
    assert!(mismatch(join(&cursor)), "nothing is there yet");
    drop(Subscriber::create(
        cursor.clone(),
        CursorLayout::new(3).unwrap(),
    ));
    assert!(mismatch(join(&cursor)), "fewer claims");
    drop(Subscriber::create(cursor.clone(), claims));
    assert_eq!(join(&cursor), Ok(()));
    assert!(misplaced(join(&cursor.span(0, 256).unwrap())));
    assert_eq!(publish.members().count(), 1);
}

// Goal: who waits, and finds that it was not waited for, blames the publisher, each time, and takes nothing more.
#[test]
fn a_publisher_that_does_not_wait_is_blamed() {
    let stamps = [
        6,             // overwritten
        5 | 255 << 56, // about to be: the lap after it
        2 | 254 << 56, // given up
        2 | 9 << 56,   // more lines than there are
        2 | 200 << 56, // a mark that means nothing
        3,             // another slot's
        u64::MAX,
    ];
    for stamp in stamps {
        let mut lane = Lane::new(4, 7);
        let mut member = lane.subscribe(WAIT);
        lane.publish(1).unwrap();
        lane.publish(1).unwrap();
        assert_eq!(member.sequence(), Some(1));
        set(&lane.part, SLOTS + 2 * 64, stamp);
        let expected = Violation::Sample {
            sequence: 2,
            found: stamp,
        };
        for _ in 0..2 {
            assert!(member.end.peek());
            assert_eq!(taken_or_blamed(&mut member), Some(expected));
            assert_eq!(member.end.taken(), 1);
        }
    }
}

// Goal: a `tail` that goes back, or names what is in no slot, is noticed by all who look for the newest.
#[test]
fn a_tail_that_cannot_be_is_blamed() {
    for found in [0, 1, 3, 6, 1 << 56, u64::MAX] {
        let mut lane = Lane::new(4, 7);
        let mut member = lane.subscribe(DROP);
        lane.publish(1).unwrap();
        lane.publish(1).unwrap();
        assert_eq!(member.end.newest(), Ok(2));
        set(&lane.part, TAIL, found);
        let expected = Violation::Newest { found, floor: 2 };
        assert_eq!(member.end.newest(), Err(expected));
        assert_eq!(member.end.latest(&mut []), Err(TakeError::Peer(expected)));
        assert_eq!(member.sequence(), Some(1), "who keeps up needs no tail");
    }
}

// Goal: a member whose cursor cannot be is blamed once, and not waited for any more; what it claims is kept until it leaves.
#[test]
fn a_cursor_that_cannot_be_is_cut_off() {
    for found in [1, 5, u64::MAX] {
        let mut lane = Lane::new(4, 1);
        let (mut liar, mut other) = (lane.subscribe(WAIT), lane.subscribe(WAIT));
        for _ in 0..4 {
            lane.lend().unwrap();
        }
        let _lease = [(); 2].map(|()| liar.take(1).unwrap());
        let leases = [(); 2].map(|()| other.take(1).unwrap());
        assert_eq!(lane.publish.room(), 2);
        set(&liar.part, TAKEN, found);
        for lease in leases {
            other.release(lease.claim.unwrap());
        }
        let (floor, newest) = (2, 4);
        assert_eq!(lane.publish.room(), 2, "the other one is waited for");
        let expected = Violation::Cursor {
            found,
            floor,
            newest,
        };
        assert_eq!(lane.publish.next_blame(), Some((liar.id, expected)));
        lane.publish(1).unwrap();
        lane.publish(1).unwrap();
        assert_eq!(lane.publish(1), None);
        assert_eq!(lane.reclaimed(), [], "it may read them still");
        assert_eq!(lane.publish.next_blame(), None);
        lane.publish.leave(liar.id);
        assert_eq!(lane.reclaimed(), [1, 2]);
    }
}

// Goal: a claim of what its member cannot have seen is blamed, and keeps nothing.
#[test]
fn a_claim_that_cannot_be_keeps_nothing() {
    let mut lane = Lane::new(2, 1);
    for _ in 0..3 {
        lane.lend().unwrap();
    }
    let liar = lane.subscribe(DROP);
    for (found, after) in [(1, 1), (4, 1), (u64::MAX, 1)] {
        set(&liar.part, CLAIMS + 8, found);
        let free = lane.reclaimed();
        assert!(free.is_empty() || free == [1]);
        let blame = lane.publish.next_blame();
        let violation = Violation::Claim {
            found,
            after,
            newest: 3,
        };
        assert!(blame.is_none() || blame == Some((liar.id, violation)));
        lane.publish.retire(3);
    }
    set(&liar.part, CLAIMS + 8, 2);
    assert_eq!(lane.publish.retire(1), 1);
    assert_eq!(lane.reclaimed(), [], "it was there when it joined");
    let state = lane.publish.member(liar.id).unwrap();
    assert_eq!((state.claims, state.claims_max), (1, 4));
}

// Goal: no shared word can make either side panic, loop or leave its memory. Method: fill each side's whole part with
// garbage, then call everything that reads it.
#[test]
fn garbage_everywhere_is_survived() {
    let mut random = Random(1);
    let mut word = move || {
        let small = random.next() >> 8 & 15;
        // Small numbers come close to stamps and cursors; marked ones to stamps; large ones overflow sums.
        match random.next() % 5 {
            0 => random.next(),
            1 => small | (random.next() & 3) << 56,
            2 => small | (252 + (random.next() & 3)) << 56,
            3 => small | (128 + (random.next() & 3)) << 56,
            _ => small,
        }
    };
    for round in 0..2_000 {
        let mut lane = Lane::new(4, 15);
        let depth = 1 + round % 4;
        let policies = [Policy::Wait { depth }, Policy::DropOldest { depth }];
        let mut members = policies.map(|policy| lane.join(policy, 3, 0));
        for _ in 0..word() % 4 {
            let _full = lane.lend();
        }
        for part in [&lane.part, &members[0].part, &members[1].part] {
            for shared in part.records::<AtomicU64>(0, part.len() / 8).unwrap() {
                shared.store(word(), Relaxed);
            }
        }
        let mut into = [0; 15];
        for _ in 0..4 {
            for member in &mut members {
                let _ = (member.end.peek(), member.end.peeker().has_sample());
                for taken in [member.end.take(&mut into), member.end.latest(&mut into)] {
                    if let Ok(Some(taken)) = taken {
                        assert!(taken.words <= 15);
                        if let Some(claim) = taken.claim {
                            let _ = member.end.claims().release(claim);
                        }
                    }
                }
                let _ = (member.end.newest(), member.end.go_idle());
                let _ = (member.end.publisher_wants(), member.end.publisher_closed());
            }
        }
        for _ in 0..4 {
            let _ = (lane.lend(), lane.publish.room(), lane.publish.slowest());
            lane.publish.idle_members(|_, _| ());
            lane.publish.retire(word() % 4);
            lane.publish.reclaim(|_, _| ());
            while lane.publish.next_blame().is_some() {}
            let _ = lane.publish.member(members[0].id);
        }
        set(&members[0].part, TAKEN, u64::MAX);
        assert!(lane.lend().is_some(), "a liar is not waited for");
    }
}
