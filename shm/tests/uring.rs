//! Urings, bells and notes over plain memory, both sides in one process.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]

#[path = "uring/bells.rs"]
mod bells;
#[path = "uring/garbage.rs"]
mod garbage;
#[path = "uring/words.rs"]
mod words;

use ringway_shm::error::PushError;
use ringway_shm::generation::Key;
use ringway_shm::layout::{Pow2, UringLayout};
use ringway_shm::region::{Buffer, OwnRegion};
use ringway_shm::sync::thread;
use ringway_shm::uring::{Completer, CompleterEnds, PostEnd, Submitter, SubmitterEnds, TakeEnd};
use ringway_shm::words::EntryWords;

const LAYOUT: UringLayout = UringLayout {
    sq: Pow2::of::<4>(),
    cq: Pow2::of::<8>(),
};

/// Both sides of a uring, and the memory under them, to write garbage into.
struct Uring {
    submitter: SubmitterEnds<Buffer>,
    completer: CompleterEnds<Buffer>,
    submitter_part: OwnRegion<Buffer>,
    completer_part: OwnRegion<Buffer>,
}

fn uring(layout: UringLayout) -> Uring {
    let submitter_part = Buffer::region(layout.submitter_len());
    let completer_part = Buffer::region(layout.completer_len());
    join(layout, submitter_part, completer_part)
}

fn join(
    layout: UringLayout,
    submitter_part: OwnRegion<Buffer>,
    completer_part: OwnRegion<Buffer>,
) -> Uring {
    let submitter = Submitter::create(submitter_part.clone(), layout);
    let completer = Completer::create(completer_part.clone(), layout);
    Uring {
        completer: completer.open(&submitter_part.read_only()).unwrap(),
        submitter: submitter.open(&completer_part.read_only()).unwrap(),
        submitter_part,
        completer_part,
    }
}

fn entry(number: u64) -> EntryWords {
    core::array::from_fn(|at| number * 10 + at as u64)
}

#[test]
fn smoke() {
    let Uring {
        mut submitter,
        mut completer,
        ..
    } = uring(LAYOUT);
    assert_eq!(submitter.submit.submit(&entry(1)), Ok(0));
    assert!(completer.take.peek());
    assert_eq!(completer.take.take(), Ok(Some(entry(1))));
    assert!(!submitter.reap.has_completion());
    completer.post.complete(&entry(2)).unwrap();
    completer.take.finish(1);
    assert!(submitter.reap.has_completion());
    assert_eq!(submitter.reap.reap(), Ok(Some(entry(2))));
    assert_eq!(
        (submitter.submit.taken(), submitter.submit.done()),
        (Ok(1), Ok(1))
    );
}

// Goal: the two queues, shared by two threads, carry a million entries unharmed. Method: the submitter keeps at most
// `cq` in flight; the completer answers each entry with a checksum of it; both sides also check every word.
#[test]
fn a_million_entries_there_and_back() {
    const COUNT: u64 = 1_000_000;
    const FLIGHT: u64 = 64;

    fn numbered(number: u64) -> EntryWords {
        core::array::from_fn(|at| {
            number
                .wrapping_add(at as u64)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        })
    }
    fn checksum(entry: &EntryWords) -> u64 {
        entry.iter().fold(0xcbf2_9ce4_8422_2325, |sum, word| {
            (sum ^ word).wrapping_mul(0x0100_0000_01b3)
        })
    }
    fn complete(take: &mut TakeEnd<Buffer>, post: &mut PostEnd<Buffer>) -> u64 {
        let mut total = 0;
        while take.taken() < COUNT {
            let Some(entry) = take.take().unwrap() else {
                thread::yield_now();
                continue;
            };
            assert_eq!(entry, numbered(take.done()));
            let sum = checksum(&entry);
            total ^= sum.rotate_left((take.done() % 64) as u32);
            let answer = core::array::from_fn(|at| sum.wrapping_add(at as u64));
            post.complete(&answer)
                .expect("in-flight: there is always room");
            take.finish(1);
        }
        total
    }

    let layout = UringLayout {
        sq: Pow2::of::<32>(),
        cq: Pow2::of::<FLIGHT>(),
    };
    let Uring {
        mut submitter,
        completer,
        ..
    } = uring(layout);
    let CompleterEnds { mut take, mut post } = completer;
    let other = thread::spawn(move || complete(&mut take, &mut post));

    let (mut reaped, mut total) = (0, 0);
    while reaped < COUNT {
        let submitted = submitter.submit.tail();
        if submitted < COUNT && submitted - reaped < FLIGHT {
            match submitter.submit.submit(&numbered(submitted)) {
                Ok(position) => assert_eq!(position, submitted),
                Err(PushError::Full) => thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
        while let Some(answer) = submitter.reap.reap().unwrap() {
            let sum = checksum(&numbered(reaped));
            assert_eq!(
                answer,
                core::array::from_fn(|at| sum.wrapping_add(at as u64))
            );
            total ^= sum.rotate_left((reaped % 64) as u32);
            reaped += 1;
        }
    }
    assert_eq!(other.join().unwrap(), total);
    assert_eq!(submitter.submit.done(), Ok(COUNT));
}

#[test]
fn completions_cannot_overflow() {
    let Uring {
        mut submitter,
        mut completer,
        ..
    } = uring(LAYOUT);
    for number in 0..8 {
        submitter.submit.submit(&entry(number)).unwrap();
        completer.take.take().unwrap().unwrap();
        completer.post.complete(&entry(number)).unwrap();
    }
    assert_eq!(
        completer.post.complete(&entry(8)),
        Err(PushError::Full),
        "nine were in flight"
    );
    let mut target = [[0; 7]; 16];
    assert_eq!(submitter.reap.reap_batch(&mut target), Ok(8));
    assert_eq!(completer.post.complete_batch(&[entry(8)]), Ok(1));
}

#[test]
fn closed() {
    let Uring {
        mut submitter,
        mut completer,
        ..
    } = uring(LAYOUT);
    submitter.submit.submit(&entry(1)).unwrap();
    assert!(!completer.take.submitter_closed());
    submitter.submit.close();
    assert_eq!(submitter.submit.submit(&entry(2)), Err(PushError::Closed));
    assert!(completer.take.submitter_closed());
    assert_eq!(
        completer.take.take(),
        Ok(Some(entry(1))),
        "what came before is still there"
    );
    completer.post.complete(&entry(1)).unwrap();
    assert_eq!(
        submitter.reap.reap(),
        Ok(Some(entry(1))),
        "and is still completed"
    );
}

#[test]
fn closed_by_the_completer() {
    let Uring {
        mut submitter,
        mut completer,
        ..
    } = uring(LAYOUT);
    submitter
        .submit
        .submit_batch(&[entry(1), entry(2)])
        .unwrap();
    completer.take.take().unwrap().unwrap();
    completer.take.close();
    assert!(submitter.submit.peer_closed() && submitter.reap.peer_closed());
    assert_eq!(submitter.submit.submit(&entry(3)), Err(PushError::Closed));
    assert_eq!(
        submitter.submit.submit_batch(&[entry(3)]),
        Err(PushError::Closed)
    );
    let taken = submitter.submit.taken().unwrap();
    assert_eq!(
        submitter.submit.entry_at(taken),
        Some(entry(2)),
        "never taken: it comes back"
    );
}

#[test]
fn a_place_is_used_again() {
    let first = uring(LAYOUT);
    let (submitter_part, completer_part) = (first.submitter_part, first.completer_part);
    let (mut submitter, mut completer) = (first.submitter, first.completer);
    for number in 0..3 {
        submitter.submit.submit(&entry(number)).unwrap();
        completer.take.take().unwrap().unwrap();
        completer.post.complete(&entry(number)).unwrap();
    }
    assert!(completer.take.go_idle());
    submitter.submit.ask_for_room();
    submitter.ops.cancel(Key::first(0));
    submitter.submit.close();
    completer.take.close();
    drop((submitter, completer));

    let Uring {
        mut submitter,
        mut completer,
        ..
    } = join(LAYOUT, submitter_part, completer_part);
    assert!(!completer.take.peek() && !submitter.reap.has_completion());
    assert!(!completer.take.submitter_closed() && !submitter.submit.peer_closed());
    assert_eq!(submitter.submit.idle_epoch(), None);
    assert_eq!(completer.take.submitter_wants(), None);
    assert!(
        !completer
            .take
            .op_word(Key::first(0))
            .unwrap()
            .is_cancelled()
    );
    assert_eq!(submitter.submit.submit(&entry(9)), Ok(0));
    assert_eq!(completer.take.take(), Ok(Some(entry(9))));
}
