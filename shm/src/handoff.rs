//! A place for one value on its way from any of several threads to one: for who has nothing else under way.
//!
//! ```text
//!            claim                fill
//!   EMPTY ----------> CLAIMED ----------> FULL
//!     ^ |                |                  |
//!     | +----------------+------------------+
//!     |      let go                take     |
//!     +-------------------------------------+        close: EMPTY or FULL -> CLOSED, for good
//! ```
//!
//! Between threads of one process, which die together. A value costs one compare-exchange and two stores, where a lock takes
//! four read-modify-writes.
//!
//! # Invariants
//! - **claimed**: the value is written by who has made `EMPTY` `CLAIMED`, and by nobody else until it is `FULL`.
//! - **one-taker**: `take` and `close` are called by one thread at a time; only they leave `FULL`, and only they read the value.
//! # Edges
//! | edge | released by | acquired by | publishes |
//! |---|---|---|---|
//! | value-given | `Claim::fill_with`: store of `FULL` | `take`, `close`: load of it | the value |
//! | place-free | `take`, `Claim::drop`: store of `EMPTY` | `claim`: compare-exchange | that the value was moved out |
//! | place-looked-at | `is_used_now`: exchange | `claim`: compare-exchange | what happened before the look |
#![allow(
    unsafe_code,
    reason = "a value is written and read by turns, of which the state tells"
)]

use core::fmt;
use core::mem::MaybeUninit;

use crate::brief::pause;
use crate::mutant::{Mutant, release_unless, under};
use crate::sync::Ordering::{AcqRel, Acquire, Relaxed};
use crate::sync::{AtomicU32, UnsafeCell};

const EMPTY: u32 = 0;
const CLAIMED: u32 = 1;
const FULL: u32 = 2;
const CLOSED: u32 = 3;

/// A place for one value; see the [module](self).
pub struct Handoff<T> {
    state: AtomicU32,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: a value is moved from one thread to another, and never shared: claimed, one-taker.
unsafe impl<T: Send> Send for Handoff<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Handoff<T> {}

/// The right to fill an empty place; dropped, it leaves it empty.
#[derive(Debug)]
#[must_use = "nobody else fills the place meanwhile"]
pub struct Claim<'a, T>(Option<&'a Handoff<T>>);

impl<T> Handoff<T> {
    /// Makes an empty place.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: AtomicU32::new(EMPTY),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Makes a place that was never open.
    #[must_use]
    pub fn closed() -> Self {
        Self {
            state: AtomicU32::new(CLOSED),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Claims the place, if it is empty.
    ///
    /// Cost: a load, and a compare-exchange where that finds it empty.
    #[inline]
    #[must_use]
    pub fn claim(&self) -> Option<Claim<'_, T>> {
        // Relaxed: a hint that spares the other.
        if self.state.load(Relaxed) != EMPTY {
            return None;
        }
        // Acquire place-free: pairs with the stores of `EMPTY`.
        let claimed = self
            .state
            .compare_exchange(EMPTY, CLAIMED, Acquire, Relaxed);
        claimed.ok().map(|_| Claim(Some(self)))
    }

    /// Whether there is a value to be taken; none but the taker makes it false again.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        // Relaxed: `take` looks again.
        self.state.load(Relaxed) == FULL
    }

    /// Whether there is a value, or is about to be.
    #[inline]
    #[must_use]
    pub fn is_used(&self) -> bool {
        // Relaxed: may be stale at once.
        matches!(self.state.load(Relaxed), CLAIMED | FULL)
    }

    /// Whether there is a value, or is about to be; who claims the place after this look has acquired what happened before it.
    ///
    /// So what was stored elsewhere before the look is seen by whoever claims the place after it, and who has claimed it before
    /// is seen here. A plain look promises neither: off x86 a claim may become visible after what its claimer reads next.
    ///
    /// Cost: a read-modify-write that changes nothing.
    #[must_use]
    pub fn is_used_now(&self) -> bool {
        if under(Mutant::LookWithoutExchange) {
            return self.is_used();
        }
        // AcqRel place-looked-at: pairs with the compare-exchange in `claim`, and itself; acquires what a claim that was let
        // go passes on, as that reads what this has written, or what comes of it.
        matches!(self.state.fetch_add(0, AcqRel), CLAIMED | FULL)
    }

    /// Takes the value, if there is one.
    ///
    /// Cost: a load and a store.
    ///
    /// # Safety
    ///
    /// One-taker: no other thread is in `take` or [`close`](Self::close) of this place, and what the last one did there
    /// happened before.
    #[inline]
    pub unsafe fn take(&self) -> Option<T> {
        // Acquire value-given: pairs with the store in `fill_with`.
        if self.state.load(Acquire) != FULL {
            return None;
        }
        // SAFETY: one-taker: it is full, and stays so until the store below.
        let value = unsafe { self.read() };
        // Release place-free: pairs with the compare-exchange in `claim`. The value was moved out before.
        self.state
            .store(EMPTY, release_unless(Mutant::EmptyRelaxed));
        Some(value)
    }

    /// Moves the value out.
    ///
    /// # Safety
    ///
    /// One-taker; the place is full, which was acquired, and is not taken from again before it is filled anew.
    unsafe fn read(&self) -> T {
        self.value.with(|value| {
            // SAFETY: claimed: written before the place became full. The caller moves it out once.
            unsafe { value.cast::<T>().read() }
        })
    }

    /// Closes the place for good and returns the value that was there: who claims it later finds that it cannot.
    ///
    /// Waits for one who has claimed it and not filled it yet, for as long as moving a value takes.
    ///
    /// # Safety
    ///
    /// One-taker, as for [`take`](Self::take).
    pub unsafe fn close(&self) -> Option<T> {
        if under(Mutant::PlaceTakenBeforeClosing) {
            // SAFETY: one-taker, the caller's duty.
            return unsafe { self.take() };
        }
        let mut waited = 0u32;
        loop {
            // Acquire value-given: as in `take`.
            match self.state.load(Acquire) {
                FULL => {
                    // SAFETY: one-taker, as in `take`.
                    let value = unsafe { self.read() };
                    // Relaxed: nobody reads or writes the value any more.
                    self.state.store(CLOSED, Relaxed);
                    return Some(value);
                }
                CLOSED => return None,
                _ => {
                    // Relaxed: as above.
                    let empty = self.state.compare_exchange(EMPTY, CLOSED, Relaxed, Relaxed);
                    if empty.is_ok() {
                        return None;
                    }
                    pause(waited);
                    waited = waited.saturating_add(1);
                }
            }
        }
    }
}

impl<T> Claim<'_, T> {
    /// Fills the place with what `make` builds, where it is to lie.
    #[inline]
    pub fn fill_with(mut self, make: impl FnOnce() -> T) {
        let Some(place) = self.0 else { return };
        place.value.with_mut(|value| {
            let made = MaybeUninit::new(make());
            // SAFETY: claimed: nobody else writes, and nobody reads before it is full.
            unsafe { *value = made };
        });
        self.0 = None;
        // Release value-given: pairs with the loads in `take` and `close`.
        place.state.store(FULL, release_unless(Mutant::FullRelaxed));
    }
}

impl<T> Drop for Claim<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            // Release place-free: nothing was written; whoever claims it next takes over from this claim.
            place
                .state
                .store(EMPTY, release_unless(Mutant::UnclaimedRelaxed));
        }
    }
}

impl<T> Default for Handoff<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for Handoff<T> {
    fn drop(&mut self) {
        // SAFETY: one-taker: nobody else has it any more.
        drop(unsafe { self.take() });
    }
}

impl<T> fmt::Debug for Handoff<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handoff")
            .field("is_full", &self.is_full())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;

    // Goal: one value at a time; a claim that is let go leaves the place as it was; closed is closed.
    #[test]
    fn capacity() {
        let place = Handoff::new();
        drop(place.claim().unwrap());
        assert!(!place.is_used());
        let claim = place.claim().unwrap();
        assert!(place.is_used() && place.is_used_now());
        assert!(!place.is_full() && place.claim().is_none());
        claim.fill_with(|| 7);
        assert!(place.is_full() && place.claim().is_none());
        // SAFETY: one-taker: one thread.
        assert_eq!(unsafe { place.take() }, Some(7));
        // SAFETY: as above.
        assert_eq!(unsafe { place.take() }, None);
        place.claim().unwrap().fill_with(|| 8);
        // SAFETY: as above.
        assert_eq!(unsafe { place.close() }, Some(8));
        // SAFETY: as above.
        assert_eq!(unsafe { place.close() }, None);
        assert!(place.claim().is_none() && !place.is_used());
        assert!(Handoff::<u32>::closed().claim().is_none());
    }

    // Goal: what nobody has taken is dropped with the place, once.
    #[test]
    fn drops_once() {
        let value = Arc::new(());
        for is_taken in [false, true] {
            let place = Handoff::new();
            place.claim().unwrap().fill_with(|| Arc::clone(&value));
            if is_taken {
                // SAFETY: one-taker: one thread.
                drop(unsafe { place.take() });
            }
            drop(place);
            assert_eq!(Arc::strong_count(&value), 1);
        }
    }
}
