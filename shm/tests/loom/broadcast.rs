//! The broadcast lane's edges, for inline samples and for leased ones: their blocks are plain memory, so that loom reports a
//! block that is written while it is read.

use ringway_shm::broadcast::{Policy, PublishEnd, SubscribeEnd, Subscriber, Taken};
use ringway_shm::layout::{BroadcastLayout, CursorLayout, Pow2};
use ringway_shm::mutant::{self, Mutant};
use ringway_shm::region::{Buffer, OwnRegion};
use ringway_shm::sync::Ordering::{Acquire, Release, SeqCst};
use ringway_shm::sync::{Arc, AtomicU64, fence, thread};

use super::{Plain, check, doorbell};

const WAIT: Policy = Policy::Wait { depth: 2 };
const DROP: Policy = Policy::DropOldest { depth: 2 };

/// A lane of one-line slots, and the memory under it.
struct Lane {
    publish: PublishEnd<Plain, Buffer>,
    part: OwnRegion<Buffer>,
}

impl Lane {
    fn new(slots: u64) -> Self {
        let layout = BroadcastLayout::new(Pow2::new(slots).unwrap(), 1).unwrap();
        let part = Buffer::region(layout.publisher_len());
        Self {
            publish: PublishEnd::create(&part, layout),
            part,
        }
    }

    /// A subscriber with one claim.
    fn subscribe(&mut self, policy: Policy) -> SubscribeEnd<Buffer> {
        self.subscribe_with(policy, |_| ())
    }

    fn subscribe_with(
        &mut self,
        policy: Policy,
        says: impl FnOnce(&Subscriber<Buffer>),
    ) -> SubscribeEnd<Buffer> {
        let layout = CursorLayout::new(1).unwrap();
        let part = Buffer::region(layout.subscriber_len());
        let subscriber = Subscriber::create(part.clone(), layout);
        says(&subscriber);
        let peer = part.read_only();
        let joined = self.publish.join(&peer, layout, policy, 0).unwrap();
        let lane = self.part.read_only();
        subscriber
            .open(&lane, self.publish.layout(), policy, joined.after)
            .unwrap()
    }

    /// Ends a model in which blocks were published: while it has members, a lane never gives them back.
    fn end(mut self) {
        let members: Vec<_> = self.publish.members().collect();
        for member in members {
            self.publish.leave(member);
        }
    }
}

/// Publishes a sample whose word is ten times its sequence; whether there was room.
fn publish(end: &mut PublishEnd<Plain, Buffer>, block: Option<&Plain>) -> bool {
    let word = 10 * (end.tail() + 1);
    end.publish(&[word], block.cloned()).is_ok()
}

/// Takes, and checks that the word is that of its sequence.
fn take(end: &mut SubscribeEnd<Buffer>) -> Option<Taken> {
    let mut word = [0];
    let taken = end.take(&mut word).unwrap()?;
    assert_eq!(word[0], 10 * taken.sequence, "a torn copy");
    Some(taken)
}

/// Reads the block of a leased sample, which must be as it was published, and releases it.
fn read(end: &SubscribeEnd<Buffer>, taken: Taken, block: &Plain) {
    assert_eq!(block.read(), taken.sequence);
    let _wants = end.claims().release(taken.claim.unwrap());
}

// sample-written: a stamp that is seen is seen after its words.
#[test]
fn sample_written() {
    fn model() {
        let mut lane = Lane::new(2);
        let mut end = lane.subscribe(WAIT);
        let publisher = thread::spawn(move || {
            publish(&mut lane.publish, None);
            publish(&mut lane.publish, None);
        });
        let first = [take(&mut end), take(&mut end)];
        publisher.join().unwrap();
        let rest = [take(&mut end), take(&mut end)];
        let taken = first.into_iter().chain(rest).flatten();
        let sequences: Vec<u64> = taken.map(|taken| taken.sequence).collect();
        assert_eq!(sequences, [1, 2]);
    }
    check(model, &[Mutant::StampBeforeWords]);
}

// overwritten: what is copied while its slot is written again is not taken, and counts as missed.
#[test]
fn overwritten() {
    fn model() {
        let mut lane = Lane::new(1);
        let mut end = lane.subscribe(DROP);
        publish(&mut lane.publish, None);
        let publisher = thread::spawn(move || publish(&mut lane.publish, None));
        let first = take(&mut end);
        assert!(publisher.join().unwrap());
        let taken: Vec<Taken> = first.into_iter().chain(take(&mut end)).collect();
        assert_eq!(taken.last().unwrap().sequence, 2);
        let missed: u64 = taken.iter().map(|taken| taken.missed).sum();
        assert_eq!(taken.len() as u64 + missed, 2);
        assert_eq!(missed, end.missed());
    }
    check(
        model,
        &[
            Mutant::NoWritingStamp,
            Mutant::NoFenceAfterWriting,
            Mutant::NoFenceAfterCopy,
            Mutant::NoSecondStamp,
        ],
    );
}

// taken: a slot that a member waits for is written again only when its words were copied.
#[test]
fn taken() {
    fn model() {
        let mut lane = Lane::new(1);
        let mut end = lane.subscribe(WAIT);
        publish(&mut lane.publish, None);
        let publisher = thread::spawn(move || publish(&mut lane.publish, None));
        let first = take(&mut end).unwrap();
        let has_second = publisher.join().unwrap();
        let second = take(&mut end);
        assert_eq!((first.sequence, first.missed), (1, 0));
        assert_eq!(second.is_some(), has_second);
    }
    check(model, &[Mutant::CursorBeforeCopy]);
}

// taken and released: the block of a member that waits is written again only when it has taken the sample and released it.
#[test]
fn lease_of_one_that_waits() {
    fn model() {
        let mut lane = Lane::new(1);
        let mut end = lane.subscribe(WAIT);
        let block = Plain::new(1);
        publish(&mut lane.publish, Some(&block));
        let subscriber = thread::spawn(move || {
            let taken = take(&mut end).unwrap();
            read(&end, taken, &block);
        });
        if publish(&mut lane.publish, None) {
            lane.publish.reclaim(|_, block| block.write(99));
        }
        subscriber.join().unwrap();
        lane.end();
    }
    check(
        model,
        &[Mutant::CursorBeforeClaim, Mutant::ClaimReleaseRelaxed],
    );
}

// released: as long as a lease is held, however long, its block is not written.
#[test]
fn lease_that_is_held() {
    fn model() {
        let mut lane = Lane::new(1);
        let mut end = lane.subscribe(WAIT);
        let block = Plain::new(1);
        publish(&mut lane.publish, Some(&block));
        let subscriber = thread::spawn(move || {
            let taken = take(&mut end).unwrap();
            thread::yield_now();
            read(&end, taken, &block);
        });
        if publish(&mut lane.publish, None) {
            lane.publish.reclaim(|_, block| block.write(99));
        }
        subscriber.join().unwrap();
        lane.end();
    }
    check(model, &[Mutant::NoScan]);
}

// claim, of a member that was cut off and does not know it yet: it takes what it can have, or blames the publisher.
#[test]
fn lease_of_one_that_is_not_waited_for_any_more() {
    fn model() {
        let mut lane = Lane::new(1);
        let mut end = lane.subscribe(WAIT);
        let block = Plain::new(1);
        publish(&mut lane.publish, Some(&block));
        let subscriber = thread::spawn(move || {
            let mut word = [0];
            if let Ok(Some(taken)) = end.take(&mut word) {
                assert_eq!((taken.sequence, word), (1, [10]), "a torn copy");
                read(&end, taken, &block);
            }
        });
        let member = lane.publish.members().next().unwrap();
        lane.publish.disregard(member);
        assert!(publish(&mut lane.publish, None));
        lane.publish.reclaim(|_, block| block.write(99));
        subscriber.join().unwrap();
        lane.end();
    }
    check(
        model,
        &[
            Mutant::NoFenceAfterClaim,
            Mutant::NoFenceBeforeScan,
            Mutant::NoSecondStamp,
            Mutant::NoScan,
        ],
    );
}

// claim and released: the block of a member that drops the oldest is written again only when it does not read it.
#[test]
fn lease_of_one_that_drops() {
    fn model() {
        let mut lane = Lane::new(1);
        let mut end = lane.subscribe(DROP);
        let block = Plain::new(1);
        publish(&mut lane.publish, Some(&block));
        let subscriber = thread::spawn(move || {
            let taken = take(&mut end);
            if let Some(taken) = taken.filter(|taken| taken.claim.is_some()) {
                read(&end, taken, &block);
            }
        });
        assert!(publish(&mut lane.publish, None));
        lane.publish.reclaim(|_, block| block.write(99));
        subscriber.join().unwrap();
        lane.end();
    }
    check(
        model,
        &[
            Mutant::NoFenceAfterClaim,
            Mutant::NoFenceBeforeScan,
            Mutant::NoSecondStamp,
            Mutant::NoScan,
            Mutant::ClaimReleaseRelaxed,
        ],
    );
}

// The same where the publisher gives the sample up without another in its place.
#[test]
fn lease_of_a_retired_sample() {
    fn model() {
        let mut lane = Lane::new(1);
        let mut end = lane.subscribe(DROP);
        let block = Plain::new(1);
        publish(&mut lane.publish, Some(&block));
        let subscriber = thread::spawn(move || {
            if let Some(taken) = take(&mut end) {
                read(&end, taken, &block);
            }
        });
        assert_eq!(lane.publish.retire(0), 1);
        lane.publish.reclaim(|_, block| block.write(99));
        subscriber.join().unwrap();
        lane.end();
    }
    check(
        model,
        &[
            Mutant::NoFenceAfterClaim,
            Mutant::NoFenceBeforeScan,
            Mutant::NoSecondStamp,
            Mutant::NoScan,
        ],
    );
}

// The same for the newest sample, which any member may look at without taking it.
#[test]
fn lease_of_the_newest() {
    fn model() {
        let mut lane = Lane::new(2);
        let mut end = lane.subscribe(WAIT);
        let block = Plain::new(1);
        publish(&mut lane.publish, Some(&block));
        take(&mut end).map(|taken| read(&end, taken, &block));
        let subscriber = thread::spawn(move || {
            let taken = end.latest(&mut []).unwrap();
            if let Some(taken) = taken {
                read(&end, taken, &block);
            }
        });
        assert_eq!(lane.publish.retire(0), 1);
        lane.publish.reclaim(|_, block| block.write(99));
        subscriber.join().unwrap();
        lane.end();
    }
    check(
        model,
        &[
            Mutant::NoFenceAfterClaim,
            Mutant::NoFenceBeforeScan,
            Mutant::NoSecondStamp,
        ],
    );
}

// claim-free: a claim word that another thread has released and that bears the next claim passes on that the block was read.
#[test]
fn claim_in_the_place_of_another() {
    fn model() {
        let mut lane = Lane::new(2);
        let mut end = lane.subscribe(WAIT);
        let blocks = [Plain::new(1), Plain::new(2)];
        publish(&mut lane.publish, Some(&blocks[0]));
        publish(&mut lane.publish, Some(&blocks[1]));
        let first = take(&mut end).unwrap();
        let claims = end.claims();
        let [block, _] = blocks;
        let reader = thread::spawn(move || {
            assert_eq!(block.read(), 1);
            let _wants = claims.release(first.claim.unwrap());
        });
        let publisher = thread::spawn(move || {
            // Loom forgets a load behind which another thread loads and stores; this makes it try the other order.
            thread::yield_now();
            assert_eq!(lane.publish.retire(1), 1);
            lane.publish.reclaim(|_, block| block.write(99));
            lane
        });
        // Hoards, if the first lease is still held.
        let _second = end.take(&mut []);
        reader.join().unwrap();
        publisher.join().unwrap().end();
    }
    // Without the fence of another edge, which both variants leave out, too.
    mutant::set(Some(Mutant::NoFenceAfterRelease));
    loom::model(model);
    check(model, &[Mutant::ClaimFreeRelaxed, Mutant::ClaimRelaxed]);
}

// closed: who sees the publisher closed sees its last sample; who sees a member closed sees its last claim.
#[test]
fn closed() {
    fn by_publisher() {
        let mut lane = Lane::new(1);
        let mut end = lane.subscribe(WAIT);
        let publisher = thread::spawn(move || {
            publish(&mut lane.publish, None);
            lane.publish.close();
        });
        if end.publisher_closed() {
            assert!(take(&mut end).is_some(), "closed before its last sample");
        }
        publisher.join().unwrap();
    }
    fn by_subscriber() {
        let mut lane = Lane::new(1);
        let mut end = lane.subscribe(WAIT);
        let block = Plain::new(1);
        publish(&mut lane.publish, Some(&block));
        let subscriber = thread::spawn(move || {
            let taken = take(&mut end).unwrap();
            let claims = end.close();
            assert_eq!(block.read(), 1);
            let _wants = claims.release(taken.claim.unwrap());
        });
        if publish(&mut lane.publish, None) {
            lane.publish.reclaim(|_, block| block.write(99));
        }
        subscriber.join().unwrap();
        lane.end();
    }
    check(by_publisher, &[Mutant::ClosedRelaxed]);
    // The fence behind its claim orders a member's end as well.
    check(by_subscriber, &[]);
}

// tail: who sees which sample is the newest finds it in its slot.
#[test]
fn tail() {
    fn model() {
        let mut lane = Lane::new(2);
        let mut end = lane.subscribe(DROP);
        let publisher = thread::spawn(move || {
            publish(&mut lane.publish, None);
            publish(&mut lane.publish, None);
        });
        let newest = end.newest().unwrap();
        let again = end.newest().unwrap();
        assert!(newest <= again);
        publisher.join().unwrap();
        assert_eq!(end.newest(), Ok(2));
    }
    check(model, &[Mutant::TailRelaxed]);
}

// idle: a sample that comes while a member stops watching is seen by it, or it is named.
#[test]
fn idle() {
    fn model() {
        let mut lane = Lane::new(2);
        let mut end = lane.subscribe(DROP);
        let publisher = thread::spawn(move || {
            publish(&mut lane.publish, None);
            let mut named = false;
            lane.publish.idle_members(|_, _| named = true);
            named
        });
        let idle = end.go_idle();
        let named = publisher.join().unwrap();
        assert!(!idle || named, "idle, and not named");
        assert!(end.peek());
    }
    check(
        model,
        &[Mutant::NoFenceAfterStamp, Mutant::NoFenceAfterIdle],
    );
}

// room: a publisher that sleeps for want of room is rung by the member that takes.
#[test]
fn room() {
    fn model() {
        let mut lane = Lane::new(1);
        let mut end = lane.subscribe(WAIT);
        let (mut asleep, bell) = doorbell();
        publish(&mut lane.publish, None);
        let subscriber = thread::spawn(move || {
            take(&mut end).unwrap();
            let rings = |end: &SubscribeEnd<Buffer>| {
                end.publisher_wants().is_some() && bell.should_ring().is_some()
            };
            let after_batch = rings(&end);
            assert!(end.go_idle());
            after_batch || rings(&end)
        });
        asleep.arm();
        lane.publish.ask_for_room();
        let sleeps = lane.publish.room() == 0;
        let rang = subscriber.join().unwrap();
        assert!(!sleeps || rang, "sleeps beside an empty lane");
    }
    check(
        model,
        &[
            Mutant::NoFenceAfterIdle,
            Mutant::NoFenceBeforeBell,
            Mutant::NoFenceAfterWants,
        ],
    );
}

// blocks: a publisher that sleeps for want of blocks is rung by whoever releases the last lease, at once.
#[test]
fn blocks() {
    fn model() {
        let mut lane = Lane::new(1);
        let mut end = lane.subscribe(WAIT);
        let (mut asleep, bell) = doorbell();
        publish(&mut lane.publish, Some(&Plain::new(1)));
        let taken = take(&mut end).unwrap();
        publish(&mut lane.publish, None);
        let subscriber = thread::spawn(move || {
            let wants = end.claims().release(taken.claim.unwrap());
            wants.is_some() && bell.should_ring().is_some()
        });
        asleep.arm();
        lane.publish.ask_for_room();
        let sleeps = lane.publish.reclaim(|_, _| ()) > 0;
        let rang = subscriber.join().unwrap();
        assert!(!sleeps || rang, "sleeps on a block that nobody reads");
        lane.end();
    }
    check(model, &[Mutant::NoFenceAfterRelease]);
}

// blocks, of a member that gives way: its claim, which it gave up, has kept a block that nobody reads.
#[test]
fn blocks_of_one_that_gives_way() {
    fn model() {
        let mut lane = Lane::new(1);
        let mut end = lane.subscribe(DROP);
        let (mut asleep, bell) = doorbell();
        publish(&mut lane.publish, Some(&Plain::new(1)));
        let subscriber = thread::spawn(move || {
            let taken = take(&mut end);
            let gave_way = taken.is_none_or(|taken| taken.claim.is_none());
            let rang = end.publisher_wants_by_now().is_some() && bell.should_ring().is_some();
            (gave_way, rang)
        });
        assert!(publish(&mut lane.publish, None));
        asleep.arm();
        lane.publish.ask_for_room();
        let sleeps = lane.publish.reclaim(|_, _| ()) > 0;
        let (gave_way, rang) = subscriber.join().unwrap();
        assert!(
            !sleeps || !gave_way || rang,
            "sleeps on a block that nobody reads"
        );
        lane.end();
    }
    check(model, &[Mutant::NoFenceAfterRelease]);
}

// room, of a member that looks at nothing more: it rings after what it took last.
#[test]
fn room_in_a_lane_that_is_not_drained() {
    fn model() {
        let mut lane = Lane::new(1);
        let mut end = lane.subscribe(WAIT);
        let (mut asleep, bell) = doorbell();
        publish(&mut lane.publish, None);
        let subscriber = thread::spawn(move || {
            take(&mut end).unwrap();
            end.publisher_wants_by_now().is_some() && bell.should_ring().is_some()
        });
        asleep.arm();
        lane.publish.ask_for_room();
        let sleeps = lane.publish.room() == 0;
        let rang = subscriber.join().unwrap();
        assert!(!sleeps || rang, "sleeps beside a free slot");
    }
    check(
        model,
        &[Mutant::NoFenceBeforeWants, Mutant::NoFenceAfterWants],
    );
}

/// A barrier that one thread makes in another: where that happens to reach it, it fences.
struct Barrier {
    is_asked: AtomicU64,
    is_made: AtomicU64,
}

impl Barrier {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            is_asked: AtomicU64::new(0),
            is_made: AtomicU64::new(0),
        })
    }

    /// The barrier has reached the other thread when this returns.
    fn make(&self) {
        fence(SeqCst);
        self.is_asked.store(1, Release);
        while self.is_made.load(Acquire) == 0 {
            thread::yield_now();
        }
        fence(SeqCst);
    }

    /// A place of the other thread where it may reach it.
    fn may_reach(&self) {
        if self.is_asked.load(Acquire) != 0 {
            self.reaches();
        }
    }

    /// Where it does at the latest: the thread does not run any more.
    fn reaches(&self) {
        fence(SeqCst);
        self.is_made.store(1, Release);
    }
}

// room, by a barrier: the member makes no fence with its sample, and the publisher's barrier reaches it ahead of its cursor, between
// that and its look, or behind both.
#[test]
fn room_by_a_barrier() {
    fn model_of(makes_barrier: bool) {
        let mut lane = Lane::new(1);
        lane.publish.promise_barriers();
        let mut end = lane.subscribe(WAIT);
        end.rely_on_barriers();
        let (mut asleep, bell) = doorbell();
        publish(&mut lane.publish, None);
        let barrier = Barrier::new();
        let reached = Arc::clone(&barrier);
        let subscriber = thread::spawn(move || {
            reached.may_reach();
            take(&mut end).unwrap();
            reached.may_reach();
            let rang = end.publisher_wants_by_now().is_some() && bell.should_ring().is_some();
            reached.reaches();
            rang
        });
        asleep.arm();
        lane.publish.ask_before_barrier();
        if makes_barrier {
            barrier.make();
        }
        let sleeps = lane.publish.room() == 0;
        let rang = subscriber.join().unwrap();
        assert!(!sleeps || rang, "sleeps beside a free slot");
    }
    // The member's own fence is left out throughout.
    mutant::set(Some(Mutant::NoFenceBeforeWants));
    loom::model(|| model_of(true));
    let noticed = std::panic::catch_unwind(|| loom::model(|| model_of(false))).is_err();
    mutant::set(None);
    assert!(
        noticed,
        "the model does not notice that no barrier was made"
    );
}

// idle, by a barrier: the publisher makes no fence with its burst, and the member's barrier reaches it ahead of its stamp, between
// that and its look, or behind both.
#[test]
fn idle_by_a_barrier() {
    fn model_of(makes_barrier: bool) {
        let mut lane = Lane::new(2);
        lane.publish.rely_on_barriers();
        let mut end = lane.subscribe_with(DROP, Subscriber::promise_barriers);
        let barrier = Barrier::new();
        let reached = Arc::clone(&barrier);
        let publisher = thread::spawn(move || {
            reached.may_reach();
            publish(&mut lane.publish, None);
            reached.may_reach();
            let mut named = false;
            lane.publish.idle_members(|_, _| named = true);
            reached.reaches();
            named
        });
        end.go_idle_before_barrier();
        if makes_barrier {
            barrier.make();
        }
        let idle = end.stays_idle();
        let named = publisher.join().unwrap();
        assert!(!idle || named, "idle, and not named");
    }
    // The publisher's own fence is left out throughout.
    mutant::set(Some(Mutant::NoFenceAfterStamp));
    loom::model(|| model_of(true));
    let noticed = std::panic::catch_unwind(|| loom::model(|| model_of(false))).is_err();
    mutant::set(None);
    assert!(
        noticed,
        "the model does not notice that no barrier was made"
    );
}

// idle, of two members of which one makes no barrier: the publisher fences.
#[test]
fn idle_beside_one_that_makes_no_barrier() {
    fn model() {
        let mut lane = Lane::new(2);
        lane.publish.rely_on_barriers();
        let _other = lane.subscribe_with(DROP, Subscriber::promise_barriers);
        let mut end = lane.subscribe(DROP);
        let publisher = thread::spawn(move || {
            publish(&mut lane.publish, None);
            let mut named = false;
            lane.publish.idle_members(|_, _| named = true);
            named
        });
        let idle = end.go_idle();
        let named = publisher.join().unwrap();
        assert!(!idle || named, "idle, and not named");
    }
    check(
        model,
        &[Mutant::NoFenceAfterStamp, Mutant::NoFenceAfterIdle],
    );
}

// room, beside what makes none: a lease is released first, and may answer. That answer rings, or is to an earlier number.
#[test]
fn room_after_an_answer() {
    fn model_of(arms_first: bool) {
        let mut lane = Lane::new(1);
        let mut end = lane.subscribe(WAIT);
        let (mut asleep, bell) = doorbell();
        publish(&mut lane.publish, Some(&Plain::new(1)));
        let lease = take(&mut end).unwrap();
        publish(&mut lane.publish, None);
        let subscriber = thread::spawn(move || {
            let wants = end.claims().release(lease.claim.unwrap());
            let rang = wants.is_some() && bell.should_ring().is_some();
            take(&mut end).unwrap();
            rang | (end.publisher_wants_by_now().is_some() && bell.should_ring().is_some())
        });
        if arms_first {
            asleep.arm();
        }
        lane.publish.ask_for_room();
        if !arms_first {
            asleep.arm();
        }
        let sleeps = lane.publish.room() == 0;
        let rang = subscriber.join().unwrap();
        assert!(!sleeps || rang, "sleeps beside a free slot");
        lane.end();
    }
    check(
        || model_of(true),
        &[Mutant::NoFenceBeforeWants, Mutant::NoFenceAfterWants],
    );
    let noticed = std::panic::catch_unwind(|| loom::model(|| model_of(false))).is_err();
    assert!(noticed, "the model does not notice an answer that is spent");
}

// All of it over two laps: a member that drops the oldest gets some of the samples, in order, whole, and counts the others.
#[test]
fn two_laps() {
    fn model() {
        let mut lane = Lane::new(2);
        let mut end = lane.subscribe(DROP);
        let publisher = thread::spawn(move || {
            for _ in 0..3 {
                assert!(publish(&mut lane.publish, None));
            }
        });
        let first = take(&mut end);
        publisher.join().unwrap();
        let rest = core::iter::from_fn(|| take(&mut end));
        let taken: Vec<Taken> = first.into_iter().chain(rest).collect();
        let mut last = 0;
        for taken in taken {
            assert_eq!(taken.sequence, last + 1 + taken.missed);
            last = taken.sequence;
        }
        assert_eq!(last, 3);
    }
    check(model, &[Mutant::NoWritingStamp, Mutant::NoSecondStamp]);
}
