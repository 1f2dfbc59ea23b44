//! One publisher and several subscribers, each a thread, with blocks that are used again as soon as nobody claims them.

use std::collections::VecDeque;
use std::sync::Arc;

use ringway_shm::broadcast::{Claim, MemberId, Policy, SubscribeEnd, TakeError};
use ringway_shm::region::Buffer;
use ringway_shm::sync::Ordering::Relaxed;
use ringway_shm::sync::{AtomicU64, thread};

use super::random::Random;
use super::{Lane, Member};

const SAMPLES: u64 = 50_000;
const BLOCK_WORDS: usize = 24;
const CLAIMS: u16 = 4;

/// A block of the publisher's heap; of atomics, so that a wrong reader finds another value, and no undefined behaviour.
type Block = [AtomicU64; BLOCK_WORDS];

fn value(sequence: u64, at: usize) -> u64 {
    (sequence << 8 | at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Counts what one subscriber has got, and missed.
fn subscribe(mut end: SubscribeEnd<Buffer>, heap: &[Block], seed: u64) -> (u64, u64) {
    let mut random = Random(seed);
    let claims = end.claims();
    let mut held: VecDeque<(Claim, usize)> = VecDeque::new();
    let (mut received, mut last) = (0, 0);
    let check = |sequence: u64, block: usize| {
        for (at, word) in heap[block].iter().enumerate() {
            assert_eq!(
                word.load(Relaxed),
                value(sequence, at),
                "a lease was overwritten"
            );
        }
    };
    let release = |(claim, block): (Claim, usize)| {
        check(claim.sequence(), block);
        let _wants = claims.release(claim);
    };
    loop {
        let ends = end.publisher_closed();
        let mut words = [0; 9];
        match end.take(&mut words) {
            Ok(Some(taken)) => {
                assert_eq!(taken.sequence, last + 1 + taken.missed);
                last = taken.sequence;
                received += 1;
                assert!(
                    words[1..]
                        .iter()
                        .enumerate()
                        .all(|(at, word)| *word == value(last, at))
                );
                if let Some(claim) = taken.claim {
                    let block = usize::try_from(words[0]).unwrap();
                    check(last, block);
                    held.push_back((claim, block));
                }
            }
            Ok(None) if ends => break,
            Ok(None) => thread::yield_now(),
            Err(TakeError::Hoarding { .. }) => assert_eq!(held.len(), usize::from(CLAIMS)),
            Err(error) => panic!("{error:?}"),
        }
        if held.len() as u64 > random.below(u64::from(CLAIMS)) {
            let which = random.index(held.len());
            release(held.swap_remove_back(which).unwrap());
        }
        if random.below(64) == 0 {
            thread::yield_now();
        }
    }
    held.into_iter().for_each(release);
    (received, end.missed())
}

/// A lane, its subscribers, and blocks to publish in.
struct Scene {
    slots: u64,
    policies: &'static [Policy],
    /// Whether blocks are looked for at once, and the last one found is used next; else when there is none left.
    eager: bool,
}

/// A publisher's heap, as far as it is free.
struct Free {
    blocks: Vec<u64>,
    eager: bool,
}

impl Free {
    fn next(&mut self, lane: &mut Lane) -> u64 {
        loop {
            if self.eager {
                lane.publish.reclaim(|_, block| self.blocks.push(block));
            }
            if let Some(block) = self.blocks.pop() {
                return block;
            }
            lane.publish.retire(2);
            if lane.publish.reclaim(|_, block| self.blocks.push(block)) > 0 {
                thread::yield_now();
            }
        }
    }
}

fn play(scene: &Scene) {
    let policies = scene.policies;
    let mut lane = Lane::new(scene.slots, 9);
    // Those in slots, those claimed, one to fill, and one more.
    let count = scene.slots + policies.len() as u64 * u64::from(CLAIMS) + 2;
    let heap: Arc<Vec<Block>> = Arc::new(
        (0..count)
            .map(|_| std::array::from_fn(|_| AtomicU64::new(0)))
            .collect(),
    );
    let join = |policy: &Policy| lane.join(*policy, CLAIMS, 0);
    let members: Vec<Member> = policies.iter().map(join).collect();
    let ids: Vec<MemberId> = members.iter().map(|member| member.id).collect();
    let start = |(seed, member): (u64, Member)| {
        let heap = Arc::clone(&heap);
        thread::spawn(move || subscribe(member.end, &heap, seed))
    };
    let subscribers: Vec<_> = (1..).zip(members).map(start).collect();
    let mut free = Free {
        blocks: (0..count).collect(),
        eager: scene.eager,
    };
    for sequence in 1..=SAMPLES {
        let block = (sequence % 5 > 0).then(|| free.next(&mut lane));
        let mut words: [u64; 9] = std::array::from_fn(|at| value(sequence, at.wrapping_sub(1)));
        if let Some(block) = block {
            words[0] = block;
            for (at, word) in heap[usize::try_from(block).unwrap()].iter().enumerate() {
                word.store(value(sequence, at), Relaxed);
            }
        }
        while lane.publish.publish(&words, block).is_err() {
            thread::yield_now();
            let ended = subscribers.iter().any(|thread| thread.is_finished());
            assert!(!ended, "a subscriber has failed");
        }
    }
    lane.publish.close();
    for ((subscriber, id), policy) in subscribers.into_iter().zip(ids).zip(policies) {
        let (received, missed) = subscriber.join().unwrap();
        assert_eq!(received + missed, SAMPLES, "{policy:?}");
        assert!(!policy.waits() || missed == 0);
        assert_eq!(lane.publish.member(id).unwrap().claims, 0);
        lane.publish.leave(id);
    }
    lane.publish.retire(0);
    let left = lane.publish.reclaim(|_, block| free.blocks.push(block));
    assert_eq!(left, 0);
    free.blocks.sort_unstable();
    assert!(free.blocks.into_iter().eq(0..count));
}

// Goal: no lease is ever overwritten, no copy torn, and all samples are received or counted, under all policies at once.
// Method: the publisher fills each block anew; subscribers check every word when they take a sample and again when they
// release it, out of order.
#[test]
fn leases_are_never_overwritten() {
    play(&Scene {
        slots: 8,
        policies: &[
            Policy::Wait { depth: 8 },
            Policy::Wait { depth: 1 },
            Policy::DropOldest { depth: 8 },
            Policy::DropOldest { depth: 3 },
        ],
        eager: false,
    });
}

// Goal: the same while nobody is waited for, and every sample is overwritten at once. Method: two slots; a block is used
// again for the next sample but one.
#[test]
fn leases_are_never_overwritten_by_one_that_does_not_wait() {
    play(&Scene {
        slots: 2,
        policies: &[
            Policy::DropOldest { depth: 2 },
            Policy::DropOldest { depth: 1 },
        ],
        eager: true,
    });
}
