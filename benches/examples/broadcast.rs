//! The bare broadcast lane beside the bare ring: samples of 64 bytes from one thread to several, which check each of them.
//!
//! ```sh
//! cargo run --release -p ringway-bench --example broadcast -- 0.1 5      # seconds, rounds
//! ```
//!
//! The publisher has processor 0, all subscribers processor 1. In turn, so that what else the machine does meets all alike:
//! - `ring`: stamped slots and a progress line for each reader, nothing else; nobody may die, or lie;
//! - `wait`: the lane, whose publisher waits for all; the payload is in the slot;
//! - `drop`: the same, with subscribers that drop the oldest: publishes, then what arrived at the slowest subscriber;
//! - `lease`: the payload is in a block of the publisher's, claimed by each reader, and used again when released by all.
//!
//! First the same in one thread, which publishes and takes in turn, by its own time on the processor: what the code costs without
//! the lines that go from processor to processor, whatever else the machine does.

use std::hint::spin_loop;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringway_shm::broadcast::{Policy, PublishEnd, SubscribeEnd, Subscriber};
use ringway_shm::layout::{BroadcastLayout, CursorLayout, Pow2};
use ringway_shm::region::Buffer;
use ringway_shm::sync::Ordering::{Acquire, Relaxed, Release};
use ringway_shm::sync::{AtomicU64, thread};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, Timespec, clock_gettime};

const SLOTS: u64 = 1024;
/// Words of a payload.
const WORDS: usize = 8;
/// Samples between two looks at the clock.
const STRETCH: u64 = 256;
const CLAIMS: u16 = 16;
/// Ends a series.
const STOP: u64 = u64::MAX;

type Words = [u64; WORDS];

fn payload(number: u64) -> Words {
    std::array::from_fn(|at| number ^ at as u64)
}

/// Counts what arrives, and checks it.
struct Check {
    received: u64,
    last: u64,
    may_miss: bool,
}

impl Check {
    /// Whether it goes on after this payload.
    #[inline]
    fn take(&mut self, words: &Words) -> bool {
        if words[0] == STOP {
            return false;
        }
        assert_eq!(*words, payload(words[0]), "a payload was changed");
        let is_next = words[0] == self.last + 1 || self.may_miss && words[0] > self.last;
        assert!(is_next, "{} follows {}", words[0], self.last);
        self.last = words[0];
        self.received += 1;
        true
    }
}

/// One way to publish to several threads.
trait System {
    type Reader: Send + 'static;
    const NAME: &'static str;

    fn create(readers: usize) -> (Self, Vec<Self::Reader>)
    where
        Self: Sized;
    /// Spins while there is no room.
    fn publish(&mut self, words: &Words);
    /// Reads one payload if there is one; whether to go on.
    fn take(reader: &mut Self::Reader, check: &mut Check) -> Option<bool>;
    fn ends(&mut self) {}
}

struct Bare {
    slots: Arc<Vec<Slot>>,
    progress: Arc<Vec<Slot>>,
    sent: u64,
    free: u64,
}

#[repr(align(128))]
struct Slot([AtomicU64; 1 + WORDS]);

struct BareReader {
    slots: Arc<Vec<Slot>>,
    progress: Arc<Vec<Slot>>,
    me: usize,
    taken: u64,
}

fn slots(count: u64) -> Arc<Vec<Slot>> {
    let slot = |_| Slot(std::array::from_fn(|_| AtomicU64::new(0)));
    Arc::new((0..count).map(slot).collect())
}

fn index(position: u64) -> usize {
    usize::try_from(position & (SLOTS - 1)).unwrap_or(0)
}

impl System for Bare {
    type Reader = BareReader;
    const NAME: &'static str = "ring";

    fn create(readers: usize) -> (Self, Vec<BareReader>) {
        let (slots, progress) = (slots(SLOTS), slots(readers as u64));
        let reader = |me| BareReader {
            slots: Arc::clone(&slots),
            progress: Arc::clone(&progress),
            me,
            taken: 0,
        };
        let readers = (0..readers).map(reader).collect();
        let bare = Self {
            slots,
            progress,
            sent: 0,
            free: SLOTS,
        };
        (bare, readers)
    }

    #[inline]
    fn publish(&mut self, words: &Words) {
        while self.sent == self.free {
            let taken = self.progress.iter().map(|line| line.0[0].load(Acquire));
            self.free = taken.min().unwrap_or(0) + SLOTS;
            spin_loop();
        }
        let slot = &self.slots[index(self.sent)].0;
        for (to, from) in slot[1..].iter().zip(words) {
            to.store(*from, Relaxed);
        }
        self.sent += 1;
        slot[0].store(self.sent, Release);
    }

    #[inline]
    fn take(reader: &mut BareReader, check: &mut Check) -> Option<bool> {
        let slot = &reader.slots[index(reader.taken)].0;
        if slot[0].load(Acquire) != reader.taken + 1 {
            return None;
        }
        let words = std::array::from_fn(|at| slot[1 + at].load(Relaxed));
        reader.taken += 1;
        if reader.taken.is_multiple_of(SLOTS / 8) {
            reader.progress[reader.me].0[0].store(reader.taken, Release);
        }
        Some(check.take(&words))
    }
}

/// A lane with subscribers of one policy.
struct Lane<const DROPS: bool, const LEASED: bool> {
    publish: PublishEnd<u64, Buffer>,
    heap: Arc<Vec<Slot>>,
    free: Vec<u64>,
}

struct LaneReader<const DROPS: bool, const LEASED: bool> {
    end: SubscribeEnd<Buffer>,
    heap: Arc<Vec<Slot>>,
}

impl<const DROPS: bool, const LEASED: bool> System for Lane<DROPS, LEASED> {
    type Reader = LaneReader<DROPS, LEASED>;
    const NAME: &'static str = match (DROPS, LEASED) {
        (false, false) => "wait",
        (true, false) => "drop",
        (false, true) => "lease",
        (true, true) => "drop lease",
    };

    fn create(readers: usize) -> (Self, Vec<Self::Reader>) {
        let words = if LEASED { 1 } else { WORDS };
        let slots = Pow2::of::<SLOTS>();
        let layout = BroadcastLayout::new(slots, words).expect("a few words");
        let part = Buffer::region(layout.publisher_len());
        let mut publish = PublishEnd::create(&part, layout);
        let blocks = 2 * SLOTS;
        let heap = crate::slots(if LEASED { blocks } else { 0 });
        let policy = if DROPS {
            Policy::DropOldest { depth: SLOTS }
        } else {
            Policy::Wait { depth: SLOTS }
        };
        let reader = |_| {
            let claims = CursorLayout::new(CLAIMS).expect("a few claims");
            let own = Buffer::region(claims.subscriber_len());
            let subscriber = Subscriber::create(own.clone(), claims);
            let joined = publish.join(&own.read_only(), claims, policy, 0);
            let after = joined.expect("made above").after;
            let end = subscriber.open(&part.read_only(), layout, policy, after);
            LaneReader {
                end: end.expect("made above"),
                heap: Arc::clone(&heap),
            }
        };
        let readers = (0..readers).map(reader).collect();
        let lane = Self {
            publish,
            heap,
            free: (0..blocks).collect(),
        };
        (lane, readers)
    }

    #[inline]
    fn publish(&mut self, words: &Words) {
        if !LEASED {
            while self.publish.publish(words, None).is_err() {
                spin_loop();
            }
            return;
        }
        let block = loop {
            match self.free.pop() {
                Some(block) => break block,
                None => self.publish.reclaim(|_, block| self.free.push(block)),
            };
        };
        let place = &self.heap[usize::try_from(block).unwrap_or(0)].0;
        for (to, from) in place.iter().zip(words) {
            to.store(*from, Relaxed);
        }
        while self.publish.publish(&[block], Some(block)).is_err() {
            spin_loop();
        }
    }

    #[inline]
    fn take(reader: &mut Self::Reader, check: &mut Check) -> Option<bool> {
        let mut words = [0; WORDS];
        let into = if LEASED {
            &mut words[..1]
        } else {
            &mut words[..]
        };
        let taken = reader.end.take(into).expect("nobody lies here")?;
        if let Some(claim) = taken.claim {
            let place = &reader.heap[usize::try_from(words[0]).unwrap_or(0)].0;
            words = std::array::from_fn(|at| place[at].load(Relaxed));
            let _wants = reader.end.claims().release(claim);
        }
        Some(check.take(&words))
    }

    fn ends(&mut self) {
        let members: Vec<_> = self.publish.members().collect();
        for member in members {
            self.publish.leave(member);
        }
    }
}

fn pin(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor);
    if let Err(error) = sched_setaffinity(None, &set) {
        eprintln!("not pinned: {error}");
    }
}

/// Millions of samples a second: published, and received by the one that received fewest.
fn measure<S: System>(readers: usize, budget: Duration, may_miss: bool) -> (f64, f64) {
    let (mut system, ends) = S::create(readers);
    let start = |mut end: S::Reader| {
        thread::spawn(move || {
            pin(1);
            let mut check = Check {
                received: 0,
                last: 0,
                may_miss,
            };
            let mut looks = 0;
            loop {
                match S::take(&mut end, &mut check) {
                    Some(true) => looks = 0,
                    Some(false) => return check.received,
                    None if readers == 1 || looks < 64 => spin_loop(),
                    None => thread::yield_now(),
                }
                looks += 1;
            }
        })
    };
    let subscribers: Vec<_> = ends.into_iter().map(start).collect();
    let (start, mut number) = (Instant::now(), 0);
    while start.elapsed() < budget {
        for _ in 0..STRETCH {
            number += 1;
            system.publish(&payload(number));
        }
    }
    system.publish(&[STOP; WORDS]);
    let published = start.elapsed().as_secs_f64();
    let join = |subscriber: thread::JoinHandle<u64>| subscriber.join().expect("all was right");
    let least = subscribers.into_iter().map(join).min().unwrap_or(0);
    let took = start.elapsed().as_secs_f64();
    assert!(may_miss || least == number, "{least} of {number} arrived");
    system.ends();
    let took = if may_miss { published } else { took };
    (number as f64 / took / 1e6, least as f64 / took / 1e6)
}

/// Nanoseconds of one thread's own time for each sample, in the cache: to publish, and to take.
fn cost<S: System>(budget: Duration) -> (f64, f64) {
    let own_time = || clock_gettime(ClockId::ThreadCPUTime);
    let nanos = |from: Timespec, to: Timespec| {
        (to.tv_sec - from.tv_sec) as f64 * 1e9 + (to.tv_nsec - from.tv_nsec) as f64
    };
    let (mut system, mut readers) = S::create(1);
    let mut reader = readers.pop().expect("one was asked for");
    let mut check = Check {
        received: 0,
        last: 0,
        may_miss: false,
    };
    let (start, mut number) = (Instant::now(), 0);
    let (mut publish, mut take) = (0.0, 0.0);
    while start.elapsed() < budget {
        let begins = own_time();
        for _ in 0..STRETCH {
            number += 1;
            system.publish(&payload(number));
        }
        let between = own_time();
        while S::take(&mut reader, &mut check).is_some() {}
        publish += nanos(begins, between);
        take += nanos(between, own_time());
    }
    assert_eq!(check.received, number);
    system.ends();
    (publish / number as f64, take / number as f64)
}

fn costs<S: System>(rounds: usize, budget: Duration) {
    let mut found: Vec<(f64, f64)> = (0..rounds).map(|_| cost::<S>(budget)).collect();
    found.sort_by(|one, other| one.0.total_cmp(&other.0));
    let publish = found[rounds / 2].0;
    found.sort_by(|one, other| one.1.total_cmp(&other.1));
    println!(
        "one thread  {:10}  publish {publish:5.1} ns   take {:5.1} ns",
        S::NAME,
        found[rounds / 2].1
    );
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let seconds = words.first().and_then(|word| word.parse().ok());
    let seconds = seconds.unwrap_or(0.1);
    let budget = Duration::from_secs_f64(seconds);
    let rounds = words.get(1).and_then(|word| word.parse().ok());
    let rounds: usize = rounds.unwrap_or(5).max(1);
    pin(0);
    costs::<Bare>(rounds, budget);
    costs::<Lane<false, false>>(rounds, budget);
    costs::<Lane<true, false>>(rounds, budget);
    costs::<Lane<false, true>>(rounds, budget);
    costs::<Lane<true, true>>(rounds, budget);
    println!("M samples of 64 bytes a second: median (best) of {rounds} rounds of {seconds} s");
    for readers in [1, 2, 4, 8] {
        let mut found: Vec<Vec<(f64, f64)>> = vec![Vec::new(); 5];
        for _ in 0..rounds {
            found[0].push(measure::<Bare>(readers, budget, false));
            found[1].push(measure::<Lane<false, false>>(readers, budget, false));
            found[2].push(measure::<Lane<true, false>>(readers, budget, true));
            found[3].push(measure::<Lane<false, true>>(readers, budget, false));
            found[4].push(measure::<Lane<true, true>>(readers, budget, true));
        }
        let names = [
            Bare::NAME,
            Lane::<false, false>::NAME,
            Lane::<true, false>::NAME,
            Lane::<false, true>::NAME,
            Lane::<true, true>::NAME,
        ];
        for (name, mut found) in names.into_iter().zip(found) {
            found.sort_by(|one, other| one.0.total_cmp(&other.0));
            let (median, best) = (found[found.len() / 2], found[found.len() - 1]);
            println!(
                "{readers} subscribers  {name:10}  {:7.2} ({:7.2})   received {:7.2}",
                median.0, best.0, median.1
            );
        }
    }
}
