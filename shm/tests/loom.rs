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
use ringway_shm::generation::Key;
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

// bell: a queue that becomes non-empty while its reader falls asleep rings.
#[test]
fn bell() {
    fn model() {
        let (mut push, take) = lane();
        let (mut asleep, bell) = doorbell();
        let sender = thread::spawn(move || {
            push.push(&[10]).unwrap();
            bell.should_ring().is_some()
        });
        asleep.arm();
        let sleeps = !take.peek();
        let rang = sender.join().unwrap();
        assert!(!sleeps || rang, "sleeps on a message");
    }
    check(
        model,
        &[Mutant::NoFenceBeforeBell, Mutant::NoFenceAfterAsleep],
    );
}

// bell, seen through a peeker: who looks without the reading end misses no more than who holds it.
#[test]
fn bell_through_a_peeker() {
    fn model() {
        let (mut push, take) = lane();
        let (mut asleep, bell) = doorbell();
        let peeker = take.peeker();
        let sender = thread::spawn(move || {
            push.push(&[10]).unwrap();
            bell.should_ring().is_some()
        });
        asleep.arm();
        let sleeps = !peeker.has_entry();
        let rang = sender.join().unwrap();
        assert!(!sleeps || rang, "sleeps on a message");
    }
    check(
        model,
        &[Mutant::NoFenceBeforeBell, Mutant::NoFenceAfterAsleep],
    );
}

// bell, seen through a peeker whose head another thread moves meanwhile: an old head hides no later entry.
#[test]
fn bell_through_a_peeker_with_an_old_head() {
    fn model() {
        let (mut push, mut take) = lane();
        let (mut asleep, bell) = doorbell();
        let peeker = take.peeker();
        push.push(&[10]).unwrap();
        let taker = thread::spawn(move || {
            take.take().unwrap().unwrap();
            take
        });
        let sender = thread::spawn(move || {
            push.push(&[11]).unwrap();
            bell.should_ring().is_some()
        });
        asleep.arm();
        let sleeps = !peeker.has_entry();
        let rang = sender.join().unwrap();
        assert!(taker.join().unwrap().peek());
        assert!(!sleeps || rang, "sleeps on a message");
    }
    check(
        model,
        &[Mutant::NoFenceBeforeBell, Mutant::NoFenceAfterAsleep],
    );
}

// bell, two threads of one sender: together they ring at least once for what either sent.
#[test]
fn bell_of_two_threads() {
    fn model() {
        let (mut asleep, bell) = doorbell();
        let bell = Arc::new(bell);
        let queues = [lane(), lane()];
        let [(push, take), (other_push, other_take)] = queues;
        let senders = [push, other_push].map(|mut push| {
            let bell = Arc::clone(&bell);
            thread::spawn(move || {
                push.push(&[10]).unwrap();
                bell.should_ring().is_some()
            })
        });
        asleep.arm();
        let sleeps = !take.peek() && !other_take.peek();
        let rang = senders.map(|sender| sender.join().unwrap());
        assert!(!sleeps || rang.contains(&true), "sleeps on a message");
    }
    // The models of two threads suffice to catch the mutants.
    check(model, &[]);
}

// idle and bell: a uring that becomes non-empty while its reader stops watching it, and then falls asleep, is noted and
// rung for. States as in the explicit model of the design: watched, idle, asleep.
#[test]
fn ready_notes() {
    fn model() {
        let (submitter, completer) = uring();
        let (mut submit, mut take) = (submitter.submit, completer.take);
        let (mut writer, mut reader) = notes();
        let (mut asleep, bell) = doorbell();
        let key = Key::first(5);
        let sender = thread::spawn(move || {
            submit.submit(&[10; 7]).unwrap();
            if submit.idle_epoch().is_some() {
                writer.note(key).unwrap();
                return bell.should_ring().is_some();
            }
            false
        });
        let sleeps = take.go_idle() && {
            asleep.arm();
            !reader.has_note()
        };
        let rang = sender.join().unwrap();
        assert!(!sleeps || rang, "sleeps on a message");
        if take.is_idle() {
            assert_eq!(reader.next(), Ok(Some(key)), "idle, and not noted");
        }
        assert_eq!(take.take(), Ok(Some([10; 7])));
    }
    check(
        model,
        &[
            Mutant::NoFenceAfterStamp,
            Mutant::NoFenceBeforeBell,
            Mutant::NoFenceAfterIdle,
            Mutant::NoFenceAfterAsleep,
        ],
    );
}

// idle, the next round: an entry that comes while the reader watches again and then goes idle again is seen, or noted.
#[test]
fn ready_notes_next_round() {
    fn model() {
        let (submitter, completer) = uring();
        let (mut submit, mut take) = (submitter.submit, completer.take);
        let (mut writer, mut reader) = notes();
        assert!(take.go_idle());
        let sender = thread::spawn(move || {
            submit.submit(&[10; 7]).unwrap();
            if submit.idle_epoch().is_some() {
                writer.note(Key::first(5)).unwrap();
            }
        });
        take.go_hot();
        while reader.next().unwrap().is_some() {}
        let idle = take.go_idle();
        sender.join().unwrap();
        assert!(take.peek());
        assert!(!idle || reader.has_note(), "idle, and not noted");
    }
    check(
        model,
        &[Mutant::NoFenceAfterStamp, Mutant::NoFenceAfterIdle],
    );
}

// room: a submitter that sleeps for want of room is rung by the completer that makes some.
#[test]
fn room() {
    fn model() {
        let (submitter, completer) = uring();
        let (mut submit, mut take) = (submitter.submit, completer.take);
        let (mut asleep, bell) = doorbell();
        submit.submit(&[10; 7]).unwrap();
        let other = thread::spawn(move || {
            take.take().unwrap().unwrap();
            let after_batch = take.submitter_wants().is_some() && bell.should_ring().is_some();
            assert!(take.go_idle());
            after_batch || take.submitter_wants().is_some() && bell.should_ring().is_some()
        });
        submit.ask_for_room();
        asleep.arm();
        let sleeps = submit.room().unwrap() == 0;
        let rang = other.join().unwrap();
        assert!(!sleeps || rang, "sleeps beside an empty queue");
    }
    check(
        model,
        &[
            Mutant::NoFenceAfterIdle,
            Mutant::NoFenceBeforeBell,
            Mutant::NoFenceAfterAsleep,
        ],
    );
}

// room, while the completer does not come to its queue's end: it looks before it sleeps, and watches on.
#[test]
fn room_beside_a_queue_that_is_not_drained() {
    fn model() {
        let (submitter, completer) = uring();
        let (mut submit, mut take) = (submitter.submit, completer.take);
        let (mut asleep, bell) = doorbell();
        submit.submit(&[10; 7]).unwrap();
        let other = thread::spawn(move || {
            take.take().unwrap().unwrap();
            let after_batch = take.submitter_wants().is_some() && bell.should_ring().is_some();
            after_batch || take.submitter_wants_by_now().is_some() && bell.should_ring().is_some()
        });
        submit.ask_for_room();
        asleep.arm();
        let sleeps = submit.room().unwrap() == 0;
        let rang = other.join().unwrap();
        assert!(!sleeps || rang, "sleeps beside a free place");
    }
    check(
        model,
        &[
            Mutant::NoFenceBeforeWants,
            Mutant::NoFenceBeforeBell,
            Mutant::NoFenceAfterAsleep,
        ],
    );
}

// closed: who sees a side closed sees all that it sent, or took, before.
#[test]
fn closed() {
    fn by_submitter() {
        let (submitter, completer) = uring();
        let (mut submit, mut take) = (submitter.submit, completer.take);
        let other = thread::spawn(move || {
            submit.submit(&[10; 7]).unwrap();
            submit.close();
        });
        if take.submitter_closed() {
            assert!(
                take.take().unwrap().is_some(),
                "closed before its last entry"
            );
        }
        other.join().unwrap();
    }
    fn by_completer() {
        let (submitter, completer) = uring();
        let (mut submit, mut take) = (submitter.submit, completer.take);
        submit.submit(&[10; 7]).unwrap();
        let other = thread::spawn(move || {
            take.take().unwrap().unwrap();
            take.close();
        });
        if submit.peer_closed() {
            assert_eq!(submit.taken(), Ok(1), "closed before its last head");
        }
        other.join().unwrap();
    }
    check(by_submitter, &[Mutant::ClosedRelaxed]);
    check(by_completer, &[Mutant::ClosedRelaxed]);
}

// op-word: a reply's block is used again only after its last reader.
#[test]
fn reply_released() {
    fn model() {
        let (submitter, completer) = uring();
        let block = Plain::new(7);
        let key = Key::new(1, 3);
        let reader = thread::spawn({
            let block = block.clone();
            move || {
                assert_eq!(block.read(), 7);
                submitter.ops.release_reply(key);
            }
        });
        // Loom forgets a load that another thread's compare-and-swap follows; this makes it try the other order.
        thread::yield_now();
        if completer.take.op_word(key).unwrap().is_reply_released() {
            block.write(8);
        }
        reader.join().unwrap();
    }
    check(model, &[Mutant::OpWordRelaxed]);
}

// op-word: two threads of the submitter speak of one op; neither word is lost.
#[test]
fn op_words_of_two_threads() {
    fn model() {
        let (submitter, completer) = uring();
        let ops = submitter.ops;
        let key = Key::new(1, 3);
        let other = thread::spawn({
            let ops = ops.clone();
            move || ops.cancel(key)
        });
        ops.release_reply(key);
        other.join().unwrap();
        let word = completer.take.op_word(key).unwrap();
        assert!(word.is_cancelled() && word.is_reply_released());
    }
    check(model, &[]);
}
