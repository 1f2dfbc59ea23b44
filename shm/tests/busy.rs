//! A busy pair over a uring makes no system call.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]

#[path = "support/scene.rs"]
mod scene;
#[path = "support/trace.rs"]
mod trace;

use std::os::fd::AsFd;

use ringway_shm::doorbell::{Asleep, Bell};
use ringway_shm::layout::{Pow2, UringLayout};
use ringway_shm::region::PeerRegion;
use ringway_shm::segment::{OwnSegment, PeerSegment};
use ringway_shm::sync::spin_loop;
use ringway_shm::sys::socket::SeqPacket;
use ringway_shm::uring::{Completer, Submitter};
use ringway_shm::words::EntryWords;

const LAYOUT: UringLayout = UringLayout {
    sq: Pow2::of::<8>(),
    cq: Pow2::of::<8>(),
};
/// Entries there and back: the queues go round hundreds of times.
const COUNT: u64 = 5_000;

/// Bytes of a side's segment: its part of the uring, and at the end the line on which it would say that it sleeps.
const LEN: u64 = 1 << 14;
const ASLEEP_AT: u64 = LEN - 64;

#[test]
fn scene() {
    scene::play(&[("submits", submits), ("completes", completes)]);
}

/// Goal: while both sides are awake, an entry and its completion cost neither a system call: all there is are stores,
/// fences and loads. Method: two processes under trace, with everything that a sender and a receiver look at.
#[test]
fn a_busy_pair_makes_no_call() {
    let _dog = scene::watch();
    let (one, other) = SeqPacket::pair().unwrap();
    let (gates, actors): (Vec<_>, Vec<_>) = [("submits", one), ("completes", other)]
        .map(|(scene, socket)| {
            let (gate, theirs) = SeqPacket::pair().unwrap();
            let props = [&theirs, &socket].map(|end| end.as_fd().try_clone_to_owned().unwrap());
            (gate, scene::start(scene, props))
        })
        .into_iter()
        .unzip();
    gates.iter().for_each(scene::await_readable);
    let Some(tracer) = trace::Tracer::attach(&actors.iter().collect::<Vec<_>>()) else {
        return;
    };
    for gate in &gates {
        gate.send(b"open", &[]).unwrap();
    }
    let stretches = tracer.run();
    assert_eq!(stretches.len(), 2);
    for stretch in stretches {
        assert!(stretch.is_whole, "the scene failed: see above");
        assert_eq!(stretch.calls, []);
    }
}

/// Exchanges segments with the other side, once both have made their parts.
fn meet(own: &OwnSegment, other: &SeqPacket) -> PeerRegion {
    other.send(b"mine", &[own.fd()]).unwrap();
    scene::await_readable(other);
    let mut fds = other.recv(&mut [0; 8]).unwrap().fds;
    PeerSegment::map(fds.pop().unwrap(), LEN).unwrap().region()
}

fn sides() -> (SeqPacket, SeqPacket, OwnSegment) {
    let [gate, other] = scene::props();
    let own = OwnSegment::create("busy", LEN).unwrap();
    (SeqPacket::from(gate), SeqPacket::from(other), own)
}

fn pass(gate: &SeqPacket) {
    gate.send(b"here", &[]).unwrap();
    scene::await_readable(gate);
}

fn entry(number: u64) -> EntryWords {
    [number; 7]
}

fn submits() {
    let (gate, other, own) = sides();
    let _awake = Asleep::new(own.region().hold(ASLEEP_AT).unwrap());
    let submitter = Submitter::create(own.region(), LAYOUT);
    let peer = meet(&own, &other);
    let mut ends = submitter.open(&peer).unwrap();
    let bell = Bell::new(peer.hold(ASLEEP_AT).unwrap());
    pass(&gate);
    trace::marked(|| {
        for number in 1..=COUNT {
            ends.submit.submit(&entry(number)).unwrap();
            assert_eq!(ends.submit.idle_epoch(), None, "the other side watches");
            assert_eq!(bell.should_ring(), None, "the other side is awake");
            let reply = loop {
                match ends.reap.reap().unwrap() {
                    Some(reply) => break reply,
                    None => spin_loop(),
                }
            };
            assert_eq!(reply, entry(!number));
        }
    });
}

fn completes() {
    let (gate, other, own) = sides();
    let _awake = Asleep::new(own.region().hold(ASLEEP_AT).unwrap());
    let completer = Completer::create(own.region(), LAYOUT);
    let peer = meet(&own, &other);
    let mut ends = completer.open(&peer).unwrap();
    let bell = Bell::new(peer.hold(ASLEEP_AT).unwrap());
    pass(&gate);
    trace::marked(|| {
        for number in 1..=COUNT {
            while !ends.take.peek() {
                spin_loop();
            }
            assert_eq!(ends.take.take().unwrap(), Some(entry(number)));
            ends.take.finish(1);
            ends.post.complete(&entry(!number)).unwrap();
            assert_eq!(bell.should_ring(), None, "the other side is awake");
        }
    });
}
