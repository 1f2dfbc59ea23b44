//! One model per edge of the heads' tables, checked in every interleaving and with every value that a weak memory may show;
//! then again under each known-wrong variant of that edge, where it must fail.
//!
//! `RUSTFLAGS='--cfg loom' cargo test -p ringway-shm --lib --test loom --release`
//!
//! A side that would block is not blocked but asked, at the end, whether anybody would have woken it.

#![cfg(loom)]
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]
#![allow(
    unsafe_code,
    reason = "plain memory, to see whether accesses to it race"
)]

#[path = "loom/broadcast.rs"]
mod broadcast;
#[path = "loom/long.rs"]
mod long;
#[path = "loom/mailbox.rs"]
mod mailboxes;
#[path = "loom/places.rs"]
mod places;
#[path = "loom/uring.rs"]
mod uring;
#[path = "loom/waking.rs"]
mod waking;

/// The real code of the crate above, as far as it is made of nothing but this one's.
#[allow(dead_code, unreachable_pub, reason = "models need some of it")]
#[path = "../../bus/src"]
mod bus {
    pub(crate) mod mailbox;
    pub(crate) mod priority;
}
use bus::{mailbox, priority};

/// What that code names of its crate and is no part of any model.
mod exit {
    #[derive(Clone, Debug)]
    pub(crate) struct ExitReason;
}
mod wait_list {
    /// Nobody waits for room.
    #[derive(Debug, Default)]
    pub(crate) struct WaitList;

    impl WaitList {
        pub(crate) fn has_waiters(&self) -> bool {
            false
        }

        pub(crate) fn wake_all(&self) {}
    }
}

use ringway_shm::doorbell::{Asleep, Bell};
use ringway_shm::error::PushError;
use ringway_shm::lane::{Push, Take};
use ringway_shm::layout::{NotesLayout, Pow2, UringLayout};
use ringway_shm::mutant::{self, Mutant};
use ringway_shm::ready::{NoteReader, NoteWriter};
use ringway_shm::region::Buffer;
use ringway_shm::sync::{Arc, UnsafeCell, thread};
use ringway_shm::uring::{Completer, CompleterEnds, Submitter, SubmitterEnds};

/// Checks `model` as it is, then that it fails under each of `mutants`.
fn check(model: fn(), mutants: &[Mutant]) {
    mutant::set(None);
    loom::model(model);
    for wrong in mutants {
        mutant::set(Some(*wrong));
        let noticed = std::panic::catch_unwind(|| loom::model(model)).is_err();
        mutant::set(None);
        assert!(noticed, "the model does not notice {wrong:?}");
    }
}

/// Plain memory, as a block's: loom reports two accesses that no edge orders.
#[derive(Clone)]
struct Plain(Arc<UnsafeCell<u64>>);

// SAFETY: loom's cell checks every access.
unsafe impl Send for Plain {}

// SAFETY: as above.
unsafe impl Sync for Plain {}

impl Plain {
    fn new(value: u64) -> Self {
        Self(Arc::new(UnsafeCell::new(value)))
    }

    fn read(&self) -> u64 {
        // SAFETY: loom panics if a write races.
        self.0.with(|value| unsafe { *value })
    }

    fn write(&self, new: u64) {
        // SAFETY: loom panics if another access races.
        self.0.with_mut(|value| unsafe { *value = new });
    }
}

/// A lane of one-word entries with two slots.
fn lane() -> (Push<1, Buffer>, Take<1, Buffer>) {
    let (slots, head) = (Buffer::region(64), Buffer::region(64));
    let push = Push::new(
        slots.hold_all(0, 2).unwrap(),
        head.read_only().hold(0).unwrap(),
    );
    let take = Take::new(
        slots.read_only().hold_all(0, 2).unwrap(),
        head.hold(0).unwrap(),
    );
    (push, take)
}

fn uring() -> (SubmitterEnds<Buffer>, CompleterEnds<Buffer>) {
    let layout = UringLayout {
        sq: Pow2::of::<1>(),
        cq: Pow2::of::<1>(),
    };
    let submitter_part = Buffer::region(layout.submitter_len());
    let completer_part = Buffer::region(layout.completer_len());
    let submitter = Submitter::create(submitter_part.clone(), layout);
    let completer = Completer::create(completer_part.clone(), layout);
    (
        submitter.open(&completer_part.read_only()).unwrap(),
        completer.open(&submitter_part.read_only()).unwrap(),
    )
}

fn doorbell() -> (Asleep<Buffer>, Bell<Buffer>) {
    let line = Buffer::region(64);
    let asleep = Asleep::new(line.hold(0).unwrap());
    (asleep, Bell::new(line.read_only().hold(0).unwrap()))
}

fn notes() -> (NoteWriter<Buffer>, NoteReader<Buffer>) {
    let layout = NotesLayout {
        capacity: Pow2::of::<2>(),
    };
    let written = Buffer::region(layout.writer_len());
    let read = Buffer::region(NotesLayout::reader_len());
    (
        NoteWriter::open(&written, &read.read_only(), layout).unwrap(),
        NoteReader::open(&read, &written.read_only(), layout).unwrap(),
    )
}

// entry-written: a stamp that is seen is seen after its words.
#[test]
fn entry_written() {
    fn model() {
        let (mut push, mut take) = lane();
        let writer = thread::spawn(move || {
            push.push(&[10]).unwrap();
            push.push(&[11]).unwrap();
        });
        let mut taken: Vec<[u64; 1]> = (0..2).filter_map(|_| take.take().unwrap()).collect();
        writer.join().unwrap();
        while let Some(words) = take.take().unwrap() {
            taken.push(words);
        }
        assert_eq!(taken, [[10], [11]]);
    }
    check(model, &[Mutant::StampBeforeWords]);
}

// slot-free: a slot is written again only when its words were copied.
#[test]
fn slot_free() {
    fn model() {
        let (mut push, mut take) = lane();
        push.push(&[10]).unwrap();
        push.push(&[11]).unwrap();
        let writer = thread::spawn(move || match push.push(&[12]) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error, PushError::Full);
                false
            }
        });
        let mut taken: Vec<[u64; 1]> = (0..2).filter_map(|_| take.take().unwrap()).collect();
        let third = writer.join().unwrap();
        taken.extend(take.take().unwrap());
        assert_eq!(taken, [[10], [11], [12]][..2 + usize::from(third)]);
    }
    check(model, &[Mutant::HeadBeforeCopy]);
}

// entry-written and slot-free together, over two laps.
#[test]
fn two_laps() {
    fn model() {
        let (mut push, mut take) = lane();
        let writer = thread::spawn(move || {
            for number in 0..3 {
                while push.push(&[number]).is_err() {
                    thread::yield_now();
                }
            }
        });
        for number in 0..3 {
            let words = loop {
                match take.take().unwrap() {
                    Some(words) => break words,
                    None => thread::yield_now(),
                }
            };
            assert_eq!(words, [number]);
        }
        writer.join().unwrap();
    }
    check(model, &[Mutant::StampBeforeWords, Mutant::HeadBeforeCopy]);
}

// handled: who sees `done` sees what the handler did, and a head that is not behind it.
#[test]
fn handled() {
    fn model() {
        let (mut push, mut take) = lane();
        let effect = Plain::new(0);
        push.push(&[10]).unwrap();
        let handler = thread::spawn({
            let effect = effect.clone();
            move || {
                take.take().unwrap().unwrap();
                effect.write(1);
                take.finish(1);
            }
        });
        if push.done().unwrap() == 1 {
            assert_eq!(effect.read(), 1);
        }
        handler.join().unwrap();
    }
    check(model, &[Mutant::DoneRelaxed]);
}
