//! Urings, bells and notes over plain memory, both sides in one process.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]

use ringway_shm::doorbell::{Asleep, AsleepLine, Bell};
use ringway_shm::error::{PushError, Violation};
use ringway_shm::generation::Key;
use ringway_shm::layout::{NotesLayout, Pow2, UringLayout};
use ringway_shm::ready::{NoteReader, NoteWriter};
use ringway_shm::region::{Buffer, OwnRegion};
use ringway_shm::sync::{AtomicU64, Ordering::Relaxed, thread};
use ringway_shm::uring::{
    Completer, CompleterEnds, Forward, PostEnd, Submitter, SubmitterEnds, TakeEnd,
};
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
    completer.take.finish();
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
            take.finish();
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

#[test]
fn parts_that_are_something_else_are_refused() {
    let completer_part = Buffer::region(LAYOUT.completer_len());
    let open = |peer: &OwnRegion<Buffer>| {
        let own = Buffer::region(LAYOUT.submitter_len());
        Submitter::create(own, LAYOUT)
            .open(&peer.read_only())
            .map(drop)
            .unwrap_err()
    };
    assert!(matches!(
        open(&completer_part),
        Violation::Mismatch { found: 0, .. }
    ));

    let other = UringLayout {
        sq: LAYOUT.cq,
        cq: LAYOUT.sq,
    };
    let _other = Completer::create(completer_part.clone(), other);
    let violation = open(&completer_part);
    assert!(
        violation.to_string().contains("version and sizes"),
        "{violation}"
    );

    let _completer = Completer::create(completer_part.clone(), LAYOUT);
    assert!(
        Submitter::create(Buffer::region(LAYOUT.submitter_len()), LAYOUT)
            .open(&completer_part.read_only())
            .is_ok()
    );
    let short = completer_part.span(0, LAYOUT.completer_len() - 8).unwrap();
    assert!(matches!(open(&short), Violation::Place { .. }));
    let askew = Buffer::region(LAYOUT.completer_len() + 8);
    let askew = askew.span(8, LAYOUT.completer_len()).unwrap();
    assert!(matches!(open(&askew), Violation::Place { .. }));
    let magic: &AtomicU64 = completer_part.record(0).unwrap();
    magic.store(1, Relaxed);
    let violation = open(&completer_part);
    assert!(matches!(violation, Violation::Mismatch { found: 1, .. }));
}

#[test]
fn op_words_speak_of_one_generation() {
    let Uring {
        submitter,
        completer,
        ..
    } = uring(LAYOUT);
    let key = Key::new(15, 7);
    let read = |key| completer.take.op_word(key).unwrap();
    assert!(!read(key).is_cancelled());
    submitter.ops.cancel(key);
    assert!(read(key).is_cancelled() && !read(key).is_reply_released());
    assert!(
        !read(key.next()).is_cancelled(),
        "the next op at that index is another"
    );
    submitter.ops.release_reply(key);
    assert!(read(key).is_cancelled() && read(key).is_reply_released());

    let next = key.next();
    submitter.ops.forwarding(next);
    assert_eq!(read(next).forward(), Forward::Forwarding);
    submitter.ops.forwarded(next);
    assert_eq!(read(next).forward(), Forward::Forwarded);
    assert_eq!(submitter.ops.op_word(next), read(next));
    submitter.ops.cancel(key);
    assert_eq!(
        read(next).forward(),
        Forward::Forwarded,
        "a late word of an older op is not said"
    );
}

#[test]
fn a_key_beyond_the_op_words_is_a_violation() {
    let Uring { completer, .. } = uring(LAYOUT);
    assert!(completer.take.op_word(Key::first(15)).is_ok());
    let beyond = Key::first(16);
    let found = beyond.to_bits();
    let violation = Violation::Meaningless {
        name: "an entry's user_data",
        found,
    };
    assert_eq!(completer.take.op_word(beyond), Err(violation));
}

#[test]
fn idle_asks_for_one_note() {
    let Uring {
        mut submitter,
        mut completer,
        ..
    } = uring(LAYOUT);
    submitter.submit.submit(&entry(1)).unwrap();
    assert_eq!(submitter.submit.idle_epoch(), None, "watched");
    assert!(!completer.take.go_idle(), "an entry came before");
    assert!(!completer.take.is_idle());
    completer.take.take().unwrap().unwrap();

    assert!(completer.take.go_idle() && completer.take.is_idle());
    submitter.submit.submit(&entry(2)).unwrap();
    let first = submitter.submit.idle_epoch();
    assert!(first.is_some());
    assert_eq!(submitter.submit.idle_epoch(), None, "noted already");

    completer.take.go_hot();
    assert_eq!(submitter.submit.idle_epoch(), None, "watched again");
    completer.take.take().unwrap().unwrap();
    assert!(completer.take.go_idle());
    let second = submitter.submit.idle_epoch();
    assert!(
        second.is_some() && second != first,
        "a new number each time"
    );

    completer.take.go_hot();
    assert!(completer.take.go_idle());
    completer.take.go_hot();
    let never_seen = submitter.submit.idle_epoch();
    assert_eq!(never_seen, None, "that number is no more");
}

#[test]
fn wants_are_answered_once() {
    let Uring {
        mut submitter,
        mut completer,
        ..
    } = uring(LAYOUT);
    assert_eq!(completer.take.submitter_wants(), None);
    let first = submitter.submit.ask_for_room();
    assert_eq!(completer.take.submitter_wants(), Some(first));
    assert_eq!(completer.take.submitter_wants(), None);
    let second = submitter.submit.ask_for_room();
    assert_ne!(first, second);
    submitter.submit.stop_asking();
    assert_eq!(completer.take.submitter_wants(), None);
}

#[test]
fn a_bell_rings_once_per_sleep() {
    let line = Buffer::region(64);
    let mut asleep = Asleep::new(line.hold::<AsleepLine>(0).unwrap());
    let bell = Bell::new(line.read_only().hold(0).unwrap());
    assert_eq!(bell.should_ring(), None, "awake");
    let first = asleep.arm();
    assert_eq!(bell.should_ring(), Some(first));
    assert_eq!(bell.should_ring(), None, "rang already");
    asleep.disarm();
    assert_eq!(bell.should_ring(), None);
    let second = asleep.arm();
    assert_ne!(first, second);
    assert_eq!(bell.should_ring(), Some(second));
    let other = Bell::new(line.read_only().hold(0).unwrap());
    assert_eq!(
        other.should_ring(),
        Some(second),
        "each sender remembers for itself"
    );

    asleep.arm();
    asleep.disarm();
    assert_eq!(bell.should_ring(), None, "awake again");
}

#[test]
fn notes_arrive_in_order() {
    let layout = NotesLayout::for_urings(Pow2::of::<2>()).unwrap();
    let (written, read) = (
        Buffer::region(layout.writer_len()),
        Buffer::region(NotesLayout::reader_len()),
    );
    let mut writer = NoteWriter::open(&written, &read.read_only(), layout).unwrap();
    let mut reader = NoteReader::open(&read, &written.read_only(), layout).unwrap();
    for lap in 1..9 {
        assert!(!reader.has_note());
        assert_eq!(reader.next(), Ok(None));
        writer.note(Key::new(3, lap)).unwrap();
        writer.note(Key::new(1, lap)).unwrap();
        assert!(reader.has_note());
        assert_eq!(reader.next(), Ok(Some(Key::new(3, lap))));
        assert_eq!(reader.next(), Ok(Some(Key::new(1, lap))));
    }

    for _ in 0..4 {
        writer.note(Key::first(1)).unwrap();
    }
    let violation = Violation::Notes { capacity: 4 };
    assert_eq!(
        writer.note(Key::first(1)),
        Err(violation),
        "only made-up epochs lead here"
    );

    for _ in 0..4 {
        reader.next().unwrap().unwrap();
    }
    writer.note(Key::first(1)).unwrap();
    let note: &AtomicU64 = written.record(8).unwrap();
    note.store(7, Relaxed);
    assert_eq!(reader.next(), Err(Violation::Note { found: 7 }));
    assert_eq!(reader.next(), Ok(None), "and it goes on");
}

// Goal: no shared word can make either side panic, loop or leave its memory. Method: fill each side's whole part with
// garbage, then call everything that reads it.
#[test]
fn garbage_everywhere_is_survived() {
    let mut seed = 1_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        // Small numbers come close to stamps and heads; large ones overflow sums.
        if seed.is_multiple_of(3) {
            seed
        } else {
            seed % 16
        }
    };
    for _ in 0..2_000 {
        let Uring {
            mut submitter,
            mut completer,
            submitter_part,
            completer_part,
        } = uring(LAYOUT);
        for number in 0..random() % 4 {
            submitter.submit.submit(&entry(number)).unwrap();
        }
        for (part, len) in [
            (&submitter_part, LAYOUT.submitter_len()),
            (&completer_part, LAYOUT.completer_len()),
        ] {
            for word in part.records::<AtomicU64>(0, len / 8).unwrap() {
                word.store(random(), Relaxed);
            }
        }
        let mut target = [[0; 7]; 4];
        for _ in 0..4 {
            let _ = submitter.submit.submit(&entry(1));
            let _ = submitter.submit.submit_batch(&[entry(1), entry(2)]);
            let _ = (
                submitter.submit.room(),
                submitter.submit.done(),
                submitter.submit.idle_epoch(),
            );
            let _ = (
                submitter.reap.reap(),
                submitter.reap.reap_batch(&mut target),
            );
            let _ = (
                completer.take.take(),
                completer.take.go_idle(),
                completer.take.peek(),
            );
            let _ = (
                completer.take.submitter_wants(),
                completer.take.op_word(Key::first(3)),
            );
            let _ = completer.post.complete_batch(&[entry(1); 4]);
        }
    }
}
