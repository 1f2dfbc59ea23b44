//! An actor's mailbox: the real code, which is made of places of this crate.
//!
//! What wakes the actor is a flag here, set and taken as a task's state is: by read-modify-writes.

use ringway_shm::mutant::Mutant;
use ringway_shm::sync::Ordering::AcqRel;
use ringway_shm::sync::{Arc, AtomicBool, thread};

use super::check;
use crate::exit::ExitReason;
use crate::mailbox::{Batch, Mailbox, Overflow, Pushed, Refused};

type Letters = Mailbox<u32>;

fn mailbox() -> Arc<Letters> {
    Arc::new(Mailbox::new(8, Overflow::Fail))
}

/// Sends a letter as a local address does; whether it was accepted, and as one for which the actor is woken.
fn send(mailbox: &Letters, letter: u32) -> Result<bool, Refused> {
    let pushed = mailbox.push(|| letter)?;
    Ok(matches!(pushed, Pushed::First))
}

// order, one-taker: letters of one sender come in their order, whether straight or queued, while the actor looks for them.
#[test]
fn in_order() {
    fn model() {
        let mailbox = mailbox();
        let theirs = Arc::clone(&mailbox);
        let taking = thread::spawn(move || {
            let mut batch = Batch::default();
            let come: Vec<u32> = theirs.take(&mut batch).into_iter().collect();
            (come, batch)
        });
        for letter in [1, 2] {
            assert!(send(&mailbox, letter).is_ok());
        }
        let (mut come, mut batch) = taking.join().unwrap();
        come.extend(std::iter::from_fn(|| mailbox.take(&mut batch)));
        assert_eq!(come, [1, 2]);
    }
    check(model, &[Mutant::NoLookUnderLock]);
}

// edge: the actor that waits has no letter, or is about to be woken.
#[test]
fn woken() {
    fn model() {
        let mailbox = mailbox();
        assert!(matches!(mailbox.push_of((), |()| 1), Ok(Pushed::First)));
        let is_woken = Arc::new(AtomicBool::new(false));
        let (theirs, task) = (Arc::clone(&mailbox), Arc::clone(&is_woken));
        let sending = thread::spawn(move || {
            // Not straight, as if the place had been used when it looked.
            if let Ok(Pushed::First) = theirs.push_of((), |()| 2) {
                task.swap(true, AcqRel);
            }
        });
        let mut batch = Batch::default();
        let mut come = Vec::new();
        let mut run = || {
            while mailbox.has_letter(&batch) {
                come.extend(mailbox.take(&mut batch));
            }
        };
        run();
        if is_woken.swap(false, AcqRel) {
            run();
        }
        sending.join().unwrap();
        if is_woken.swap(false, AcqRel) {
            run();
        }
        assert_eq!(come, [1, 2], "nobody is woken for the rest");
    }
    check(model, &[Mutant::HintOutsideLock]);
}

// Closed, it refuses; what it has accepted comes out, in order, whichever way it went.
#[test]
fn closed() {
    fn model() {
        let mailbox = mailbox();
        // Behind this one, which goes straight, or in its place.
        assert!(send(&mailbox, 1).is_ok_and(|wakes| wakes));
        assert!(matches!(mailbox.push_of((), |()| 2), Ok(Pushed::First)));
        let theirs = Arc::clone(&mailbox);
        let sending = thread::spawn(move || send(&theirs, 3).is_ok());
        let left: Vec<u32> = mailbox.close(&ExitReason).into();
        let accepted = sending.join().unwrap();
        assert_eq!(left, [1, 2, 3][..2 + usize::from(accepted)]);
        assert!(matches!(send(&mailbox, 4), Err(Refused::Closed(_))));
    }
    check(model, &[Mutant::ClosedAfterTaking]);
}

// The same of one that may go straight while the place is closed.
#[test]
fn closed_before_it_went_straight() {
    fn model() {
        let mailbox = mailbox();
        let theirs = Arc::clone(&mailbox);
        let sending = thread::spawn(move || send(&theirs, 1).is_ok());
        let left: Vec<u32> = mailbox.close(&ExitReason).into();
        let accepted = sending.join().unwrap();
        assert_eq!(left, [1][..usize::from(accepted)]);
    }
    check(model, &[Mutant::PlaceTakenBeforeClosing]);
}

// place-looked-at: what was sent before the look comes among the next so many as it says: one who has ended is not told of
// before its last letter is handled.
#[test]
fn looked_ahead() {
    fn model() {
        let mailbox = mailbox();
        let theirs = Arc::clone(&mailbox);
        // Straight, or not at all: behind what is queued it would do no harm.
        let another = thread::spawn(move || {
            if let Some(place) = theirs.claim() {
                place.fill_with(|| 20);
            }
        });
        // The last letter of one who has ended: it had found the place used.
        assert!(mailbox.push_of((), |()| 10).is_ok());
        let mut batch = Batch::default();
        let ahead = mailbox.ahead(&batch);
        let come = (0..ahead).filter_map(|_| mailbox.take(&mut batch));
        assert!(come.collect::<Vec<_>>().contains(&10));
        another.join().unwrap();
    }
    check(
        model,
        &[Mutant::LookWithoutExchange, Mutant::NoLookAfterClaim],
    );
}
