//! A broadcast lane between processes of which some are killed: no lease is overwritten, no block lost, no sample unaccounted.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]

#[path = "broadcast/random.rs"]
mod random;
#[path = "support/scene.rs"]
mod scene;

use std::collections::VecDeque;
use std::os::fd::AsFd;

use random::Random;
use ringway_shm::broadcast::{
    Claim, MemberId, Policy, PublishEnd, SubscribeEnd, Subscriber, TakeError,
};
use ringway_shm::layout::{BroadcastLayout, CursorLayout, Pow2};
use ringway_shm::region::{OwnRecords, PeerRecords, PeerRegion};
use ringway_shm::segment::{OwnSegment, PeerSegment};
use ringway_shm::sync::Ordering::Relaxed;
use ringway_shm::sync::{AtomicU64, thread};
use ringway_shm::sys::socket::SeqPacket;
use scene::Actor;

const SLOTS: u64 = 8;
const BLOCK_WORDS: usize = 16;
const BLOCKS: u64 = SLOTS + 3 * CLAIMS as u64 + 2;
const CLAIMS: u16 = 4;
/// Bytes of each segment.
const LEN: u64 = 1 << 14;
/// Where a publisher's blocks begin.
const HEAP: u64 = LEN / 2;

#[test]
fn scene() {
    scene::play(&[("subscribes", subscribes), ("publishes", publishes)]);
}

fn layout() -> BroadcastLayout {
    BroadcastLayout::new(Pow2::of::<SLOTS>(), 3).unwrap()
}

fn claims() -> CursorLayout {
    CursorLayout::new(CLAIMS).unwrap()
}

fn value(sequence: u64, at: usize) -> u64 {
    (sequence << 8 | at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The publisher's side.
struct Publisher {
    lane: PublishEnd<u64>,
    heap: OwnRecords<AtomicU64>,
    free: Vec<u64>,
    segment: OwnSegment,
}

impl Publisher {
    fn create() -> Self {
        let segment = OwnSegment::create("publisher", LEN).unwrap();
        let region = segment.region();
        Self {
            lane: PublishEnd::create(&region, layout()),
            heap: region.hold_all(HEAP, BLOCKS * BLOCK_WORDS as u64).unwrap(),
            free: (0..BLOCKS).collect(),
            segment,
        }
    }

    /// Publishes the next sample, in a block if one is free; `false` when somebody has not taken enough.
    fn publish(&mut self) -> bool {
        let next = self.lane.tail() + 1;
        if self.free.is_empty() {
            self.lane.retire(1);
        }
        self.lane.reclaim(|_, block| self.free.push(block));
        let block = self.free.pop();
        if let Some(block) = block {
            let first = usize::try_from(block).unwrap() * BLOCK_WORDS;
            let words = &self.heap[first..][..BLOCK_WORDS];
            for (at, word) in words.iter().enumerate() {
                word.store(value(next, at), Relaxed);
            }
        }
        let words = [value(next, 0), value(next, 1), block.unwrap_or(u64::MAX)];
        match self.lane.publish(&words, block) {
            Ok(_) => true,
            Err(unpublished) => {
                self.free.extend(unpublished.block);
                false
            }
        }
    }

    /// Lets the process at the other end of the socket subscribe.
    fn admit(&mut self, socket: &SeqPacket, policy: Policy) -> MemberId {
        let fd = receive(socket).1.unwrap();
        let part = PeerSegment::map(fd, LEN).unwrap().region();
        let joined = self.lane.join(&part, claims(), policy, 2).unwrap();
        let depth = policy.depth_in(layout().slots());
        let words = [joined.after, depth, policy.waits().into()];
        let bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
        socket.send(&bytes, &[self.segment.fd()]).unwrap();
        joined.member
    }

    /// All have left: all blocks come back.
    fn ends(mut self) {
        assert!(self.lane.is_deserted());
        self.lane.retire(0);
        let left = self.lane.reclaim(|_, block| self.free.push(block));
        self.free.sort_unstable();
        assert_eq!(left, 0);
        assert!(self.free.into_iter().eq(0..BLOCKS));
    }
}

fn receive(socket: &SeqPacket) -> (Vec<u64>, Option<std::os::fd::OwnedFd>) {
    scene::await_readable(socket);
    let mut bytes = [0; 64];
    let mut received = socket.recv(&mut bytes).unwrap();
    let words = bytes[..received.len].chunks_exact(8);
    let words = words.map(|word| u64::from_le_bytes(word.try_into().unwrap()));
    (words.collect(), received.fds.pop())
}

/// The subscriber's side.
struct Reader {
    end: SubscribeEnd,
    heap: PeerRecords<AtomicU64>,
    held: VecDeque<(Claim, u64)>,
    last: u64,
    _segment: OwnSegment,
}

impl Reader {
    fn join(socket: &SeqPacket) -> Self {
        let segment = OwnSegment::create("subscriber", LEN).unwrap();
        let subscriber = Subscriber::create(segment.region(), claims());
        socket.send(b"subscribe", &[segment.fd()]).unwrap();
        let (words, fd) = receive(socket);
        let [after, depth, waits] = words[..] else {
            panic!("{words:?}");
        };
        let policy = if waits == 1 {
            Policy::Wait { depth }
        } else {
            Policy::DropOldest { depth }
        };
        let peer: PeerRegion = PeerSegment::map(fd.unwrap(), LEN).unwrap().region();
        Self {
            end: subscriber.open(&peer, layout(), policy, after).unwrap(),
            heap: peer.hold_all(HEAP, BLOCKS * BLOCK_WORDS as u64).unwrap(),
            held: VecDeque::new(),
            last: after,
            _segment: segment,
        }
    }

    /// Takes a sample, and checks it; `false` when there is none, or no claim for it.
    fn take(&mut self) -> bool {
        let mut words = [0; 3];
        let taken = match self.end.take(&mut words) {
            Ok(Some(taken)) => taken,
            Ok(None) | Err(TakeError::Hoarding { .. }) => return false,
            Err(error) => panic!("{error:?}"),
        };
        assert_eq!(taken.sequence, self.last + 1 + taken.missed);
        self.last = taken.sequence;
        assert_eq!(words[..2], [value(self.last, 0), value(self.last, 1)]);
        if let Some(claim) = taken.claim {
            self.held.push_back((claim, words[2]));
            self.check(self.held.len() - 1);
        }
        true
    }

    fn check(&self, held: usize) {
        let (claim, block) = &self.held[held];
        for at in 0..BLOCK_WORDS {
            let index = usize::try_from(*block).unwrap() * BLOCK_WORDS + at;
            let word = self.heap.get(index).unwrap().load(|word| word);
            assert_eq!(word, value(claim.sequence(), at), "a lease was overwritten");
        }
    }

    fn release(&mut self, which: usize) {
        self.check(which);
        let (claim, _) = self.held.swap_remove_back(which).unwrap();
        let _wants = self.end.claims().release(claim);
    }
}

fn subscribes() {
    let [socket] = scene::props();
    let mut reader = Reader::join(&SeqPacket::from(socket));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    loop {
        let ends = reader.end.publisher_closed();
        let took = reader.take();
        if reader.held.len() as u64 > random.below(u64::from(CLAIMS) + 1) || !took {
            let len = reader.held.len();
            (len > 0).then(|| reader.release(random.index(len)));
        }
        if !took && ends && reader.held.is_empty() {
            break;
        }
        if !took {
            thread::yield_now();
        }
    }
}

fn start(scene: &str) -> (Actor, SeqPacket) {
    let (ours, theirs) = SeqPacket::pair().unwrap();
    let prop = theirs.as_fd().try_clone_to_owned().unwrap();
    (scene::start(scene, [prop]), ours)
}

/// Goal: whenever a subscriber is killed, the others miss nothing by it and read what they hold, the publisher goes on, and
/// what the dead one had claimed comes back. Method: one that waits and two that drop the oldest, of which one after the other
/// is killed at some sample, waited for, and replaced; all check every word that they read.
#[test]
fn subscribers_are_killed() {
    let _dog = scene::watch();
    let policies = [
        Policy::Wait { depth: 4 },
        Policy::DropOldest { depth: SLOTS },
        Policy::DropOldest { depth: 2 },
    ];
    let mut publisher = Publisher::create();
    let subscribe = |publisher: &mut Publisher, policy| {
        let (actor, socket) = start("subscribes");
        let member = publisher.admit(&socket, policy);
        (actor, member)
    };
    let mut members: Vec<(Actor, MemberId)> = policies
        .iter()
        .map(|policy| subscribe(&mut publisher, *policy))
        .collect();
    let mut random = Random(7);
    for kill in 0..12 {
        // So many samples further, whoever is waited for.
        let until = publisher.lane.tail() + 1 + random.below(3_000);
        while publisher.lane.tail() < until {
            if !publisher.publish() {
                thread::yield_now();
            }
        }
        let at = kill % policies.len();
        let (actor, member) = members.remove(at);
        actor.0.kill().unwrap();
        actor.0.wait().unwrap();
        assert!(publisher.lane.leave(member));
        members.insert(at, subscribe(&mut publisher, policies[at]));
    }
    assert_eq!(publisher.lane.next_blame(), None);
    publisher.lane.close();
    for (actor, member) in members {
        actor.applaud();
        assert_eq!(publisher.lane.member(member).unwrap().claims, 0);
        publisher.lane.leave(member);
    }
    publisher.ends();
}

fn publishes() {
    let [socket] = scene::props();
    let socket = SeqPacket::from(socket);
    let mut publisher = Publisher::create();
    for policy in [
        Policy::Wait { depth: SLOTS },
        Policy::DropOldest { depth: SLOTS },
    ] {
        publisher.admit(&socket, policy);
    }
    loop {
        publisher.publish();
    }
}

/// Goal: whenever a publisher is killed, what it had published is there for those who subscribed, their leases stay what they are, and nothing
/// looks like a violation. Method: kill it at some sample, then read on to the end, and look for the newest.
#[test]
fn publishers_are_killed() {
    let _dog = scene::watch();
    let mut random = Random(11);
    for _ in 0..12 {
        let (actor, socket) = start("publishes");
        let mut readers = [Reader::join(&socket), Reader::join(&socket)];
        for _ in 0..random.below(3_000) {
            for reader in &mut readers {
                while !reader.take() {
                    match reader.held.len() {
                        0 => thread::yield_now(),
                        len => reader.release(random.index(len)),
                    }
                }
            }
        }
        actor.0.kill().unwrap();
        actor.0.wait().unwrap();
        let [waiting, dropping] = readers.each_mut().map(|reader| {
            loop {
                while !reader.held.is_empty() {
                    reader.release(0);
                }
                if !reader.take() {
                    break;
                }
            }
            assert!(!reader.end.peek(), "there is no more");
            let newest = reader.end.newest().unwrap();
            assert_eq!((reader.end.taken(), reader.last), (newest, newest));
            let latest = reader.end.latest(&mut []).unwrap().unwrap();
            assert_eq!(latest.sequence, newest);
            reader.last
        });
        assert_eq!(waiting, dropping);
    }
}
