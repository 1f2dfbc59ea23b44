//! The counting of system calls counts right; busy code over shared memory makes none.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]

#[path = "support/scene.rs"]
mod scene;
#[path = "support/trace.rs"]
mod trace;

use std::thread;

use ringway_shm::segment::{OwnSegment, PeerSegment};
use ringway_shm::sync::{AtomicU64, Ordering::Relaxed, spin_loop};
use ringway_shm::sys::fork;
use ringway_shm::sys::socket::SeqPacket;
use rustix::process::getppid;
use std::os::fd::{AsFd, OwnedFd};

#[test]
fn scene() {
    scene::play(&[
        ("three calls", three_calls),
        ("memory only", memory_only),
        ("another thread", another_thread),
    ]);
}

/// Goal: every call in the stretch counts, and none outside. Method: three known ones, others before and after.
#[test]
fn calls_between_the_marks_are_counted() {
    let Some(stretches) = trace("three calls") else {
        return;
    };

    let getppid = libc::SYS_getppid;
    assert_eq!(stretches, [[getppid; 3].to_vec(), vec![]]);
}

fn three_calls() {
    pass_gate();
    let _ = getppid();
    trace::marked(|| (getppid(), getppid(), getppid()));
    let _ = getppid();
    trace::marked(|| ());
}

/// Goal: what other threads call does not count. Method: one calls all the while.
#[test]
fn calls_of_other_threads_do_not_count() {
    let Some(stretches) = trace("another thread") else {
        return;
    };

    assert_eq!(stretches, [vec![], vec![libc::SYS_getppid]]);
}

fn another_thread() {
    let counts = [const { AtomicU64::new(0) }; 2];
    pass_gate();
    thread::scope(|scope| {
        scope.spawn(|| {
            while counts[1].load(Relaxed) == 0 {
                let _ = getppid();
                counts[0].fetch_add(1, Relaxed);
            }
            trace::marked(getppid);
        });
        trace::marked(|| {
            while counts[0].load(Relaxed) < 100 {
                spin_loop();
            }
        });
        counts[1].store(1, Relaxed);
    });
}

/// Goal: stores, loads and the fork mark's check are no system calls. Method: a segment, as its owner and as its peer.
#[test]
fn shared_memory_is_used_without_calls() {
    let Some(stretches) = trace("memory only") else {
        return;
    };

    assert_eq!(stretches, [vec![]]);
}

fn memory_only() {
    let own = OwnSegment::create("traced", 1 << 16).unwrap();
    let peer = PeerSegment::map(own.fd().try_clone_to_owned().unwrap(), 1 << 16).unwrap();
    let (own, peer) = (own.region(), peer.region());
    pass_gate();
    trace::marked(|| {
        for count in 1..=1000 {
            fork::check().unwrap();
            own.record::<AtomicU64>(0).unwrap().store(count, Relaxed);
            assert_eq!(
                peer.record::<AtomicU64>(0).unwrap().load(|word| word),
                count
            );
        }
    });
}

/// Plays a scene under trace, and returns the calls of each of its stretches; `None` where tracing is not permitted.
fn trace(scene: &str) -> Option<Vec<Vec<i64>>> {
    let _dog = scene::watch();
    let (gate, actors) = SeqPacket::pair().unwrap();
    let actor = scene::start(scene, [actors.as_fd().try_clone_to_owned().unwrap()]);
    scene::await_readable(&gate); // The actor stands at the gate.
    let tracer = trace::Tracer::attach(&[&actor])?;
    gate.send(b"open", &[]).unwrap();
    let stretches = tracer.run();
    let process = actor.pid().as_raw_nonzero().get();
    assert!(
        stretches
            .iter()
            .all(|stretch| stretch.is_whole && stretch.process == process),
        "{stretches:?}"
    );
    Some(stretches.into_iter().map(|stretch| stretch.calls).collect())
}

fn pass_gate() {
    let [gate]: [OwnedFd; 1] = scene::props();
    let gate = SeqPacket::from(gate);
    gate.send(b"here", &[]).unwrap();
    scene::await_readable(&gate);
}
