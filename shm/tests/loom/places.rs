//! Places for one value between threads of a process, and a lock.

use ringway_shm::brief::Brief;
use ringway_shm::handoff::Handoff;
use ringway_shm::mutant::Mutant;
use ringway_shm::once::OnceBox;
use ringway_shm::oneshot;
use ringway_shm::sync::Ordering::Relaxed;
use ringway_shm::sync::{Arc, AtomicU32, thread};

use super::{Plain, check};

/// What a model hands over: plain memory, which is read where it arrives.
fn read(value: &Plain) -> u64 {
    value.read()
}

// value-given, place-free: of two that fill a place, each value is taken once and as it was written.
#[test]
fn handed_over() {
    fn model() {
        let place = Arc::new(Handoff::new());
        let fill = |number| {
            let place = Arc::clone(&place);
            move || {
                let claim = place.claim();
                let has_claimed = claim.is_some();
                if let Some(claim) = claim {
                    claim.fill_with(|| Plain::new(number));
                }
                has_claimed
            }
        };
        let (one, other) = (thread::spawn(fill(10)), fill(11));
        // SAFETY: one-taker: this thread.
        let take = || unsafe { place.take() }.map(|it| read(&it));
        let mut taken: Vec<u64> = take().into_iter().collect();
        let filled = other();
        taken.extend(take());
        let filled = usize::from(filled) + usize::from(one.join().unwrap());
        taken.extend(take());
        assert_eq!(taken.len(), filled);
    }
    check(model, &[Mutant::FullRelaxed, Mutant::EmptyRelaxed]);
}

// place-free: who fills a place after another's claim that was let go writes after the value before was moved out.
#[test]
fn unclaimed() {
    fn model() {
        let place = Arc::new(Handoff::new());
        if let Some(claim) = place.claim() {
            claim.fill_with(|| Plain::new(1));
        }
        let theirs = Arc::clone(&place);
        let claiming = thread::spawn(move || drop(theirs.claim()));
        let theirs = Arc::clone(&place);
        let filling = thread::spawn(move || {
            let claim = theirs.claim();
            claim
                .map(|claim| claim.fill_with(|| Plain::new(2)))
                .is_some()
        });
        // SAFETY: one-taker: this thread.
        let take = || unsafe { place.take() }.map(|it| read(&it));
        assert_eq!(take(), Some(1));
        claiming.join().unwrap();
        assert_eq!(filling.join().unwrap(), take() == Some(2));
    }
    check(model, &[Mutant::UnclaimedRelaxed]);
}

// A place that is closed loses nothing: what was filled comes out, and who comes later cannot claim it.
#[test]
fn closed_over() {
    fn model() {
        let place = Arc::new(Handoff::new());
        let theirs = Arc::clone(&place);
        let filling = thread::spawn(move || {
            let claim = theirs.claim();
            claim
                .map(|claim| claim.fill_with(|| Plain::new(7)))
                .is_some()
        });
        // SAFETY: one-taker: this thread.
        let closed = unsafe { place.close() }.map(|it| read(&it));
        assert_eq!(filling.join().unwrap(), closed == Some(7));
        assert!(place.claim().is_none());
    }
    check(model, &[Mutant::FullRelaxed]);
}

// place-looked-at: a claim that the look did not see sees what happened before the look, and so goes back behind what was queued
// by then. The word is another's, as a queue's hint is: none of the two orders it.
#[test]
fn looked_at() {
    fn model() {
        let place = Arc::new(Handoff::<u64>::new());
        let queued = Arc::new(AtomicU32::new(0));
        let (theirs, hint) = (Arc::clone(&place), Arc::clone(&queued));
        let claiming = thread::spawn(move || {
            let claim = theirs.claim().filter(|_| hint.load(Relaxed) == 0);
            claim.map(|claim| claim.fill_with(|| 7)).is_some()
        });
        queued.store(1, Relaxed);
        let is_used = place.is_used_now();
        let has_filled = claiming.join().unwrap();
        assert!(is_used || !has_filled, "it came before what was queued");
    }
    check(model, &[Mutant::LookWithoutExchange]);
}

// value-given, getter-left: the value is got as it was written, or comes back to who gives it; the place is freed once.
#[test]
fn given_once() {
    fn model() {
        let (giver, getter) = oneshot::pair::<Plain, Plain, _>(Plain::new(1), Plain::new(2));
        let giving = thread::spawn(move || {
            if giver.has_left() {
                assert_eq!(giver.beside().read(), 3);
            }
            match giver.settle(Some(Plain::new(7))) {
                Ok(left) => Some(left.read()),
                Err(_) => None,
            }
        });
        let got = match getter.get() {
            Ok(value) => value,
            Err(getter) => {
                getter.beside().write(3);
                getter.leave().unwrap_or_default()
            }
        };
        let got = got.map(|it| read(&it));
        assert_eq!(giving.join().unwrap(), got.map(|_| 1));
    }
    check(model, &[Mutant::GivenRelaxed, Mutant::LeftRelaxed]);
}

// let-go: what the getter leaves anew is what the giver finds, whole.
#[test]
fn left_anew() {
    fn model() {
        let (giver, getter) = oneshot::pair::<u64, Plain, ()>(Plain::new(1), ());
        let giving = thread::spawn(move || giver.settle(Some(7)).map(|left| left.read()).ok());
        let changed = getter.change(|left| left.write(2)).is_some();
        let left = giving.join().unwrap();
        assert_eq!(left, Some(if changed { 2 } else { 1 }));
        assert!(matches!(getter.get(), Ok(Some(7))));
    }
    check(model, &[Mutant::LetGoRelaxed]);
}

// box-made: who finds the box finds it whole; of two that make it, both have the same.
#[test]
fn made_once() {
    fn model() {
        let once = Arc::new(OnceBox::<Plain>::new());
        let theirs = Arc::clone(&once);
        let making = thread::spawn(move || theirs.get_or_init(|| Plain::new(7)).read());
        if let Some(made) = once.get() {
            assert_eq!(made.read(), 7);
        }
        assert_eq!(
            once.get_or_init(|| Plain::new(8)).read(),
            making.join().unwrap()
        );
    }
    check(model, &[Mutant::BoxRelaxed]);
}

// let-go: what one holder has written, the next one reads.
#[test]
fn locked() {
    fn model() {
        let lock = Arc::new(Brief::new(0));
        let theirs = Arc::clone(&lock);
        let other = thread::spawn(move || *theirs.lock() += 1);
        *lock.lock() += 1;
        other.join().unwrap();
        assert_eq!(*lock.lock(), 2);
    }
    check(model, &[Mutant::LetGoOfLockRelaxed]);
}
