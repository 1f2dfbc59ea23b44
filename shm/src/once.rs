//! A box that is made on first use, in one word where the standard library's takes two.
//!
//! # Edges
//! | edge | released by | acquired by | publishes |
//! |---|---|---|---|
//! | box-made | `get_or_init`: compare-exchange | `get`: load; `get_or_init`: compare-exchange | what lies in the box |
#![allow(unsafe_code, reason = "a pointer that is null or a box's")]

use core::fmt;
use core::marker::PhantomData;
use core::ptr::null_mut;
use std::boxed::Box;

use crate::mutant::{Mutant, release_unless};
use crate::sync::AtomicPtr;
use crate::sync::Ordering::Acquire;

/// Nothing, or a box that stays until this is dropped.
pub struct OnceBox<T>(AtomicPtr<T>, PhantomData<Option<Box<T>>>);

// SAFETY: it owns a box, and shares what lies in it.
unsafe impl<T: Send + Sync> Sync for OnceBox<T> {}

impl<T> OnceBox<T> {
    /// Makes one without a box.
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicPtr::new(null_mut()), PhantomData)
    }

    /// Returns what lies in the box, if there is one; `None` may be stale at once.
    #[inline]
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        // Acquire box-made: pairs with the compare-exchange in `get_or_init`.
        let made = self.0.load(Acquire);
        // SAFETY: null, or from `get_or_init`, and freed when nobody borrows this any more.
        unsafe { made.as_ref() }
    }

    /// Returns what lies in the box, made now if there was none. Of two threads that make it at the same time, what one has
    /// made is dropped.
    #[inline]
    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        match self.get() {
            Some(made) => made,
            None => self.init_slow(make()),
        }
    }

    #[cold]
    fn init_slow(&self, value: T) -> &T {
        let new = Box::into_raw(Box::new(value));
        // Release box-made, or Acquire where another was quicker: pairs with itself and the load in `get`.
        let before = self
            .0
            .compare_exchange(null_mut(), new, release_unless(Mutant::BoxRelaxed), Acquire)
            .unwrap_or_else(|made| made);
        if before.is_null() {
            // SAFETY: as in `get`.
            return unsafe { &*new };
        }
        // SAFETY: from a box, a moment ago, and seen by nobody else.
        drop(unsafe { Box::from_raw(new) });
        // SAFETY: as in `get`.
        unsafe { &*before }
    }
}

impl<T> Default for OnceBox<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for OnceBox<T> {
    fn drop(&mut self) {
        // Acquire box-made: as in `get`.
        let made = self.0.load(Acquire);
        if !made.is_null() {
            // SAFETY: from a box in `get_or_init`; nobody borrows this any more.
            drop(unsafe { Box::from_raw(made) });
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceBox").field(&self.get()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sync::thread;

    // Goal: made once, seen by all, dropped once, also what came second.
    #[test]
    fn made_once() {
        let value = Arc::new(());
        {
            let once = OnceBox::<Arc<()>>::new();
            assert!(once.get().is_none());
            thread::scope(|threads| {
                let make = || std::ptr::from_ref(once.get_or_init(|| Arc::clone(&value))).addr();
                let (one, other) = (threads.spawn(make), threads.spawn(make));
                assert_eq!(one.join().unwrap(), other.join().unwrap());
            });
            assert_eq!(Arc::strong_count(&value), 2);
            assert!(once.get().is_some());
        }
        assert_eq!(Arc::strong_count(&value), 1);
        assert_eq!(size_of::<OnceBox<Arc<()>>>(), 8);
    }
}
