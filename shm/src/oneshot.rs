//! One value from a giver to a getter: a place that both share, and that the last one frees.
//!
//! ```text
//!      change            give
//!    +--------> HELD <--------- WAITING --> HELD --> GIVEN   freed by the getter
//!    |           |                 |
//!    +-----------+                 +------> HELD --> LEFT    freed by the giver
//!   WAITING                          leave
//! ```
//!
//! Between threads of one process, which die together. A value costs one compare-exchange and a store, where a lock in memory
//! that is counted takes six read-modify-writes. Beside it lies what the getter leaves to whoever gives, such as a waker.
//!
//! # Invariants
//! - **held**: what the getter leaves, and the value, are touched only by who has made `WAITING` `HELD`, until it says something
//!   else; nothing of the user's runs meanwhile, so the other side waits for a few moves at most.
//! - **last-frees**: who stores `GIVEN` or `LEFT` touches the place no more; the other side frees it.
//! # Edges
//! | edge | released by | acquired by | publishes |
//! |---|---|---|---|
//! | value-given | `Giver::settle`: store of `GIVEN` | `Getter`: load of it | the value, and that the giver is done with the place |
//! | getter-left | `Getter::leave`: store of `LEFT` | `Giver`: load of it | that the getter is done with the place |
//! | let-go | `change`: store of `WAITING` | compare-exchange to `HELD` | what was changed |
#![allow(
    unsafe_code,
    reason = "two sides share a place that the last one frees, as its state tells"
)]

use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use std::boxed::Box;

use crate::brief::pause;
use crate::mutant::{Mutant, release_unless};
use crate::sync::Ordering::Acquire;
use crate::sync::{AtomicU32, UnsafeCell};

const WAITING: u32 = 0;
const HELD: u32 = 1;
const GIVEN: u32 = 2;
const LEFT: u32 = 3;

struct Place<T, W, D> {
    state: AtomicU32,
    left: UnsafeCell<Option<W>>,
    value: UnsafeCell<Option<T>>,
    beside: D,
}

/// What became of a try to hold a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hold {
    Held,
    /// The other side has said its last word.
    Over,
}

impl<T, W, D> Place<T, W, D> {
    fn hold(&self) -> Hold {
        let mut waited = 0u32;
        loop {
            // Acquire let-go, value-given, getter-left: pairs with the stores of each.
            match self.state.compare_exchange(WAITING, HELD, Acquire, Acquire) {
                Ok(_) => return Hold::Held,
                Err(GIVEN | LEFT) => return Hold::Over,
                Err(_) => pause(waited),
            }
            waited = waited.saturating_add(1);
        }
    }

    /// Changes what the getter has left, while nobody else touches it; `None` when it is over.
    fn change<R>(&self, change: impl FnOnce(&mut W) -> R) -> Option<R> {
        if self.hold() == Hold::Over {
            return None;
        }
        let changed = self.left.with_mut(|left| {
            // SAFETY: held.
            let left = unsafe { &mut *left };
            left.as_mut().map(change)
        });
        // Release let-go: pairs with the compare-exchange in `hold`.
        self.state
            .store(WAITING, release_unless(Mutant::LetGoRelaxed));
        changed
    }

    /// Takes what the getter has left.
    fn take_left(&self) -> Option<W> {
        self.left.with_mut(|left| {
            // SAFETY: held, by the caller.
            let left = unsafe { &mut *left };
            left.take()
        })
    }
}

/// The side that gives the value; dropped, it gives none.
pub struct Giver<T, W, D>(NonNull<Place<T, W, D>>);

/// The side that gets it; dropped, it leaves.
pub struct Getter<T, W, D>(NonNull<Place<T, W, D>>);

// SAFETY: what both share is changed by turns, of which the state tells; the value and what is left are moved between threads,
// and what lies beside is read by both.
unsafe impl<T: Send, W: Send, D: Send + Sync> Send for Giver<T, W, D> {}
// SAFETY: as above; a shared one changes what is left, while it holds the place.
unsafe impl<T: Send, W: Send, D: Send + Sync> Sync for Giver<T, W, D> {}
// SAFETY: as above.
unsafe impl<T: Send, W: Send, D: Send + Sync> Send for Getter<T, W, D> {}
// SAFETY: as above.
unsafe impl<T: Send, W: Send, D: Send + Sync> Sync for Getter<T, W, D> {}

/// Makes both sides of a place, where the getter leaves `left` to whoever gives; both see what lies `beside`.
#[must_use]
pub fn pair<T, W, D>(left: W, beside: D) -> (Giver<T, W, D>, Getter<T, W, D>) {
    let place = Box::new(Place {
        state: AtomicU32::new(WAITING),
        left: UnsafeCell::new(Some(left)),
        value: UnsafeCell::new(None),
        beside,
    });
    let place = NonNull::from(Box::leak(place));
    (Giver(place), Getter(place))
}

impl<T, W, D> Giver<T, W, D> {
    fn place(&self) -> &Place<T, W, D> {
        // SAFETY: last-frees: it is there as long as this side has not said its last word, after which this is gone.
        unsafe { self.0.as_ref() }
    }

    /// What lies beside the value.
    #[inline]
    #[must_use]
    pub fn beside(&self) -> &D {
        &self.place().beside
    }

    /// Whether the getter has left; `false` may be stale at once.
    #[inline]
    #[must_use]
    pub fn has_left(&self) -> bool {
        // Acquire getter-left: what the getter did before it left is seen.
        self.place().state.load(Acquire) == LEFT
    }

    /// Changes what the getter has left; `None` when it is gone. Nothing of the user's may run in `change`.
    #[inline]
    pub fn change<R>(&self, change: impl FnOnce(&mut W) -> R) -> Option<R> {
        self.place().change(change)
    }

    /// Gives the value, or says that there will be none; returns what the getter has left.
    ///
    /// Cost: a compare-exchange and a store.
    ///
    /// # Errors
    ///
    /// The getter has left: the value comes back.
    #[inline]
    pub fn settle(self, value: Option<T>) -> Result<W, Option<T>> {
        let this = ManuallyDrop::new(self);
        let place = this.place();
        if place.hold() == Hold::Over {
            // SAFETY: last-frees: the getter has left, and `this` is not used again.
            unsafe { free(this.0) };
            return Err(value);
        }
        let left = place.take_left();
        place.value.with_mut(|at| {
            // SAFETY: held.
            unsafe { *at = value };
        });
        // Release value-given: pairs with the loads of the getter, which frees the place.
        place
            .state
            .store(GIVEN, release_unless(Mutant::GivenRelaxed));
        Ok(left.expect("held: taken by who says the last word"))
    }
}

/// Frees a place; returns the value that was in it.
///
/// # Safety
///
/// Last-frees: the other side has said its last word, and was acquired; nobody uses the place after this.
unsafe fn free<T, W, D>(place: NonNull<Place<T, W, D>>) -> Option<T> {
    // SAFETY: made by `pair` of a box; the caller is the last who has it.
    let place = unsafe { Box::from_raw(place.as_ptr()) };
    place.value.into_inner()
}

impl<T, W, D> Getter<T, W, D> {
    fn place(&self) -> &Place<T, W, D> {
        // SAFETY: last-frees, as for the giver.
        unsafe { self.0.as_ref() }
    }

    /// What lies beside the value.
    #[inline]
    #[must_use]
    pub fn beside(&self) -> &D {
        &self.place().beside
    }

    /// Changes what this side has left to the giver; `None` when that has settled it. Nothing of the user's may run in
    /// `change`.
    #[inline]
    pub fn change<R>(&self, change: impl FnOnce(&mut W) -> R) -> Option<R> {
        self.place().change(change)
    }

    /// Gets the value, if it was given; `Ok(None)` when there will be none.
    ///
    /// Cost: a load.
    ///
    /// # Errors
    ///
    /// Nothing was said yet: this side goes on.
    #[inline]
    pub fn get(self) -> Result<Option<T>, Self> {
        // Acquire value-given: pairs with the store in `settle`.
        if self.place().state.load(Acquire) != GIVEN {
            return Err(self);
        }
        let this = ManuallyDrop::new(self);
        // SAFETY: last-frees: the giver has given, and `this` is not used again.
        Ok(unsafe { free(this.0) })
    }

    /// Leaves; returns the value if it was given.
    ///
    /// # Errors
    ///
    /// None was: what this side had left comes back.
    pub fn leave(self) -> Result<Option<T>, W> {
        let this = ManuallyDrop::new(self);
        let place = this.place();
        if place.hold() == Hold::Over {
            // SAFETY: last-frees: the giver has given, and `this` is not used again.
            return Ok(unsafe { free(this.0) });
        }
        let left = place.take_left();
        // Release getter-left: pairs with the loads of the giver, which frees the place.
        place.state.store(LEFT, release_unless(Mutant::LeftRelaxed));
        Err(left.expect("held: taken by who says the last word"))
    }
}

impl<T, W, D> Drop for Giver<T, W, D> {
    fn drop(&mut self) {
        drop(Self(self.0).settle(None));
    }
}

impl<T, W, D> Drop for Getter<T, W, D> {
    fn drop(&mut self) {
        drop(Self(self.0).leave());
    }
}

impl<T, W, D> fmt::Debug for Giver<T, W, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Giver")
            .field("has_left", &self.has_left())
            .finish_non_exhaustive()
    }
}

impl<T, W, D> fmt::Debug for Getter<T, W, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Getter").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;

    type Counted = Arc<()>;
    type Sides = (
        Giver<Counted, Counted, Counted>,
        Getter<Counted, Counted, Counted>,
    );

    fn sides() -> (Counted, Sides) {
        let all = Counted::default();
        let (left, beside) = (Arc::clone(&all), Arc::clone(&all));
        (all, pair(left, beside))
    }

    // Goal: a value is given once, and what was left comes to who gives it; what was changed meanwhile is what comes.
    #[test]
    fn given_and_got() {
        let (giver, getter) = pair::<_, _, u32>("first", 7);
        let getter = getter.get().expect_err("nothing was given");
        assert_eq!((*giver.beside(), *getter.beside()), (7, 7));
        assert_eq!(getter.change(|left| *left = "second"), Some(()));
        assert_eq!(giver.settle(Some(8)), Ok("second"));
        assert_eq!(getter.change(|left| *left = "third"), None);
        assert!(matches!(getter.get(), Ok(Some(8))));
    }

    // Goal: whoever goes first, the other side hears of it, and all that was there is dropped once.
    #[test]
    fn drops_once() {
        let (all, (giver, getter)) = sides();
        drop(giver);
        assert!(matches!(getter.get(), Ok(None)));
        assert_eq!(Arc::strong_count(&all), 1);

        let (all, (giver, getter)) = sides();
        assert!(!giver.has_left());
        assert!(getter.leave().is_err());
        assert!(giver.has_left() && giver.change(|_| ()).is_none());
        let value = giver.settle(Some(Arc::clone(&all)));
        assert!(matches!(value, Err(Some(_))));
        drop(value);
        assert_eq!(Arc::strong_count(&all), 1);

        let (all, (giver, getter)) = sides();
        drop(giver.settle(Some(Arc::clone(&all))));
        assert_eq!(getter.leave().ok().flatten(), Some(Arc::clone(&all)));
        assert_eq!(Arc::strong_count(&all), 1);

        let (all, (giver, getter)) = sides();
        drop(giver.settle(Some(Arc::clone(&all))));
        drop(getter);
        assert_eq!(Arc::strong_count(&all), 1);
    }
}
