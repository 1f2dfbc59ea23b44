//! Broadcast lanes over plain memory: publisher and subscribers in one process.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]

#[path = "broadcast/garbage.rs"]
mod garbage;
#[path = "broadcast/model.rs"]
mod model;
#[path = "broadcast/random.rs"]
mod random;
#[path = "broadcast/threads.rs"]
mod threads;

use ringway_shm::broadcast::{
    Claim, Joined, MemberId, Policy, PublishEnd, Refused, SubscribeEnd, Subscriber, TakeError,
    Taken,
};
use ringway_shm::layout::{BroadcastLayout, CursorLayout, Pow2};
use ringway_shm::region::{Buffer, OwnRegion};

/// A lane whose blocks are numbers, and the memory under it.
struct Lane {
    publish: PublishEnd<u64, Buffer>,
    part: OwnRegion<Buffer>,
}

/// One of its subscribers, and the memory under it.
struct Member {
    end: SubscribeEnd<Buffer>,
    part: OwnRegion<Buffer>,
    id: MemberId,
    after: u64,
}

impl Lane {
    fn new(slots: u64, words: usize) -> Self {
        let layout = BroadcastLayout::new(Pow2::new(slots).unwrap(), words).unwrap();
        let part = Buffer::region(layout.publisher_len());
        Self {
            publish: PublishEnd::create(&part, layout),
            part,
        }
    }

    fn subscribe(&mut self, policy: Policy) -> Member {
        self.join(policy, 4, 0)
    }

    fn join(&mut self, policy: Policy, claims: u16, history: u64) -> Member {
        let layout = CursorLayout::new(claims).unwrap();
        let part = Buffer::region(layout.subscriber_len());
        let subscriber = Subscriber::create(part.clone(), layout);
        let joined = self
            .publish
            .join(&part.read_only(), layout, policy, history);
        let Joined { member, after } = joined.unwrap();
        let lane = self.part.read_only();
        let end = subscriber.open(&lane, self.publish.layout(), policy, after);
        Member {
            end: end.unwrap(),
            part,
            id: member,
            after,
        }
    }

    /// Publishes a sample whose words follow from its sequence; whether there was room.
    fn publish(&mut self, len: usize) -> Option<u64> {
        let next = self.publish.tail() + 1;
        self.publish.publish(&words(next, len), None).ok()
    }

    /// The same of one whose payload is the block of its own sequence.
    fn lend(&mut self) -> Option<u64> {
        let next = self.publish.tail() + 1;
        self.publish.publish(&words(next, 1), Some(next)).ok()
    }

    fn reclaimed(&mut self) -> Vec<u64> {
        let mut free = Vec::new();
        let left = self.publish.reclaim(|sequence, block| {
            assert_eq!(sequence, block);
            free.push(block);
        });
        assert_eq!(left, self.publish.retired());
        free
    }
}

impl Member {
    /// Takes a sample of so many words, and checks them.
    fn take(&mut self, len: usize) -> Option<Taken> {
        let mut copy = vec![0; len];
        let taken = self.end.take(&mut copy).unwrap()?;
        assert_eq!(copy, words(taken.sequence, len));
        Some(taken)
    }

    fn sequence(&mut self) -> Option<u64> {
        self.take(1).map(|taken| taken.sequence)
    }

    fn release(&self, claim: Claim) {
        assert_eq!(self.end.claims().release(claim), None, "nobody waits");
    }
}

fn words(sequence: u64, len: usize) -> Vec<u64> {
    (0..len as u64).map(|at| sequence * 1000 + at).collect()
}

const WAIT: Policy = Policy::Wait { depth: 4 };
const DROP: Policy = Policy::DropOldest { depth: 4 };

#[test]
fn smoke() {
    for policy in [WAIT, DROP] {
        let mut lane = Lane::new(4, 7);
        let (mut one, mut other) = (lane.subscribe(policy), lane.subscribe(policy));
        assert!(!one.end.peek() && one.take(7).is_none());
        assert_eq!(lane.publish(7), Some(1));
        assert_eq!(lane.publish(7), Some(2));
        for member in [&mut one, &mut other] {
            assert!(member.end.peek() && member.end.peeker().has_sample());
            for sequence in [1, 2] {
                let expected = Taken {
                    sequence,
                    missed: 0,
                    words: 7,
                    claim: None,
                };
                assert_eq!(member.take(7), Some(expected));
            }
            assert_eq!(member.take(7), None);
            assert!(!member.end.peek() && !member.end.peeker().has_sample());
        }
    }
}

// Goal: samples of every length fit, over lines, and shorter copies are of their first words.
#[test]
fn every_length() {
    let mut lane = Lane::new(2, 31);
    let mut member = lane.subscribe(WAIT);
    for len in 0..=31 {
        assert!(lane.publish(len).is_some());
        let taken = member.take(len).unwrap();
        assert_eq!(taken.words, len / 8 * 8 + 7);
        lane.publish(len);
        member.take(len / 2).unwrap();
    }
}

#[test]
#[should_panic = "more words than a slot has"]
fn words_beyond_the_slot_panic() {
    let _refused = Lane::new(2, 7).publish(8);
}

// Goal: a member that waits gets all, and the lane is full when its depth is. Method: all depths, over many laps.
#[test]
fn full_returns_the_sample() {
    for (depth, room) in [(0, 1), (1, 1), (3, 3), (4, 4), (9, 4)] {
        let mut lane = Lane::new(4, 1);
        let mut member = lane.subscribe(Policy::Wait { depth });
        let mut next = 1;
        for _ in 0..9 {
            assert_eq!(lane.publish.room(), room);
            for _ in 0..room {
                assert!(lane.lend().is_some());
            }
            let refused = lane.publish.publish(&[0], Some(99)).unwrap_err();
            assert_eq!((refused.block, refused.reason), (Some(99), Refused::Full));
            assert_eq!(lane.publish.slowest(), Some(member.id));
            while let Some(taken) = member.take(1) {
                assert_eq!((taken.sequence, taken.missed), (next, 0));
                member.release(taken.claim.unwrap());
                next += 1;
            }
        }
        assert_eq!(next, 1 + 9 * room);
    }
}

// Goal: one that drops the oldest gets the newest `depth`, and counts the others.
#[test]
fn drop_oldest_keeps_the_newest() {
    for depth in 1..=4 {
        let mut lane = Lane::new(4, 1);
        let mut member = lane.subscribe(Policy::DropOldest { depth });
        let mut last = 0;
        for published in 1..=30 {
            for _ in 0..published {
                lane.publish(1).unwrap();
            }
            let newest = lane.publish.tail();
            let kept = depth.min(published);
            for sequence in newest - kept + 1..=newest {
                let taken = member.take(1).unwrap();
                assert_eq!(
                    (taken.sequence, taken.missed),
                    (sequence, sequence - last - 1)
                );
                last = sequence;
            }
            assert_eq!(member.take(1), None);
            assert_eq!(member.end.taken(), newest);
        }
        let received: u64 = (1..=30).map(|published: u64| published.min(depth)).sum();
        assert_eq!(member.end.missed() + received, lane.publish.tail());
    }
}

// Goal: who joins late gets the history that is there, and then everything.
#[test]
fn history() {
    let mut lane = Lane::new(4, 1);
    for published in 0..9 {
        for history in 0..7 {
            let intact = lane.publish.tail() - lane.publish.gone();
            assert_eq!(intact, published.min(4));
            for policy in [WAIT, DROP] {
                let mut member = lane.join(policy, 0, history);
                assert_eq!(member.after, published - history.min(intact));
                for sequence in member.after + 1..=published {
                    assert_eq!(member.sequence(), Some(sequence));
                }
                assert_eq!(member.sequence(), None);
                assert!(lane.publish.leave(member.id));
            }
        }
        lane.publish(1).unwrap();
    }
}

// Goal: a join lowers the limit at once, by its depth and its history.
#[test]
fn a_join_lowers_the_limit() {
    let mut lane = Lane::new(4, 1);
    for _ in 0..9 {
        lane.publish(1).unwrap();
    }
    let mut late = lane.join(Policy::Wait { depth: 2 }, 0, 3);
    assert_eq!((late.after, lane.publish(1)), (6, None));
    assert_eq!((late.sequence(), lane.publish(1)), (Some(7), None));
    assert_eq!((late.sequence(), lane.publish(1)), (Some(8), Some(10)));
    assert_eq!(lane.publish(1), None);
    assert!(lane.publish.leave(late.id) && !lane.publish.leave(late.id));
    assert_eq!(lane.publish(1), Some(11));
}

// Goal: leases are released in any order, and a block comes back when the last member has released it.
#[test]
fn leases_in_any_order() {
    let mut lane = Lane::new(4, 1);
    let (mut one, mut other) = (lane.subscribe(WAIT), lane.subscribe(DROP));
    for _ in 0..4 {
        lane.lend().unwrap();
    }
    let claims = |member: &mut Member| -> Vec<Claim> {
        let taken = core::iter::from_fn(|| member.take(1));
        taken.map(|taken| taken.claim.unwrap()).collect()
    };
    let (mut ones, mut others) = (claims(&mut one), claims(&mut other));
    assert_eq!(lane.reclaimed(), [], "all are in their slots");
    for _ in 0..4 {
        lane.publish(1).unwrap();
    }
    assert_eq!(lane.reclaimed(), []);
    for (at, sequence) in [(2, 3), (0, 1), (1, 4), (0, 2)] {
        let claim = ones.remove(at);
        assert_eq!(claim.sequence(), sequence);
        one.release(claim);
        assert_eq!(lane.reclaimed(), []);
        other.release(others.remove(at));
        assert_eq!(lane.reclaimed(), [sequence]);
    }
    assert_eq!(
        (lane.publish.retired(), lane.publish.is_deserted()),
        (0, false)
    );
}

// Goal: who holds all of its claims takes nothing more, and misses nothing by that.
#[test]
fn hoarding() {
    for policy in [WAIT, DROP] {
        let mut lane = Lane::new(4, 1);
        let mut member = lane.join(policy, 2, 0);
        for _ in 0..3 {
            lane.lend().unwrap();
        }
        let [first, second] = [(); 2].map(|()| member.take(1).unwrap().claim.unwrap());
        let hoarding = Err(TakeError::Hoarding { claims: 2 });
        assert_eq!(member.end.take(&mut []), hoarding);
        assert_eq!((member.end.taken(), member.end.claims().held()), (2, 2));
        member.release(first);
        assert_eq!(member.sequence(), Some(3));
        assert_eq!(
            member.end.take(&mut []),
            Ok(None),
            "an empty lane needs no claim"
        );
        member.release(second);
    }
}

// Goal: a member that is overlooked is not named when it is idle, whoever comes and goes beside it; what it claims is kept.
#[test]
fn who_is_overlooked_is_not_named() {
    let mut lane = Lane::new(2, 1);
    let mut members: Vec<_> = (0..4).map(|_| lane.subscribe(DROP)).collect();
    let named = |lane: &mut Lane| {
        let mut named = Vec::new();
        lane.publish.idle_members(|member, _| named.push(member));
        named.sort_unstable();
        named
    };
    for member in &mut members {
        assert!(member.end.go_idle());
    }
    let ids: Vec<_> = members.iter().map(|member| member.id).collect();
    lane.publish.overlook(ids[1]);
    lane.publish.overlook(ids[1]);
    assert_eq!(named(&mut lane), [ids[0], ids[2], ids[3]]);
    assert!(lane.publish.leave(ids[0]) && !lane.publish.leave(ids[0]));
    members.push(lane.subscribe(DROP));
    for member in &mut members {
        assert!(member.end.go_idle());
    }
    assert_eq!(named(&mut lane), [ids[2], ids[3], members[4].id]);
    lane.lend().unwrap();
    let mut word = [0];
    let lease = members[1].end.latest(&mut word).unwrap().unwrap();
    lane.publish(1).unwrap();
    lane.publish(1).unwrap();
    assert_eq!(lane.reclaimed(), []);
    members[1].release(lease.claim.unwrap());
    assert_eq!(lane.reclaimed(), [1]);
    for at in [1, 2, 3] {
        assert!(lane.publish.leave(ids[at]));
    }
    assert!(members[4].end.go_idle() || members[4].end.peek());
    assert_eq!(lane.publish.members().collect::<Vec<_>>(), [members[4].id]);
}

// Goal: what a member claims is free when it has left, or is dead.
#[test]
fn the_dead_are_ignored() {
    let mut lane = Lane::new(1, 1);
    let mut member = lane.subscribe(DROP);
    lane.lend().unwrap();
    let _lease = member.take(1).unwrap();
    lane.publish(1).unwrap();
    assert_eq!(lane.reclaimed(), []);
    lane.publish.leave(member.id);
    assert_eq!(lane.reclaimed(), [1]);
}
