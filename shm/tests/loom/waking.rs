//! Who sleeps, who rings: bells, and notes of urings that nobody watches.

use ringway_shm::generation::Key;
use ringway_shm::mutant::Mutant;
use ringway_shm::sync::{Arc, thread};

use super::{check, doorbell, lane, notes, uring};

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
