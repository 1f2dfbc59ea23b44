//! Waiting goes on after a signal.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]
#![allow(unsafe_code, reason = "signals")]

#[path = "support/scene.rs"]
mod scene;

use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

use ringway_shm::sys::epoll::{Epoll, Interest};
use ringway_shm::sys::eventfd::Eventfd;

static SIGNALS: AtomicU16 = AtomicU16::new(0);

#[test]
fn scene() {
    scene::play(&[("interrupted", interrupted)]);
}

/// Goal: a signal neither fails a wait nor ends it early. Method: in a process of its own, a thread waits for ever; each
/// signal must run its handler there before the next; then the bell is rung.
#[test]
fn a_signal_does_not_end_a_wait() {
    let _dog = scene::watch();
    scene::start("interrupted", []).applaud();
}

fn interrupted() {
    extern "C" fn count(_: libc::c_int) {
        SIGNALS.fetch_add(1, Ordering::SeqCst);
    }
    // SAFETY: a handler that adds to an atomic.
    unsafe { libc::signal(libc::SIGALRM, count as *const () as libc::sighandler_t) };
    let bell = Arc::new(Eventfd::create().unwrap());
    let rung = Arc::clone(&bell);
    let waiting = thread::spawn(move || {
        let set = Epoll::create().unwrap();
        set.add(&*rung, 5, Interest::Read).unwrap();
        let mut events = Vec::new();
        set.wait(&mut events, Some(Duration::from_secs(1 << 20)))
            .unwrap();
        events
    });
    for sent in 1..=20 {
        // SAFETY: the thread was not joined yet.
        let code = unsafe { libc::pthread_kill(waiting.as_pthread_t(), libc::SIGALRM) };
        assert_eq!(code, 0);
        while SIGNALS.load(Ordering::SeqCst) < sent {
            thread::yield_now();
        }
    }
    bell.ring().unwrap();
    assert_eq!(waiting.join().unwrap()[0].token, 5);
}
