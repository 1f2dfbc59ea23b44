//! A lock for a few instructions between threads of one process: it costs one read-modify-write where the standard library's
//! takes two.
//!
//! It is let go by a plain store, which wakes nobody. So who finds it held looks again, then gives its processor away, and in
//! the end sleeps a moment between two looks: for what is mostly over sooner than a thread is put to sleep. It is not fair: among
//! many that meet, one may come last for long.
//!
//! No waker or value of the user's is cloned, woken or dropped under it. Mailboxes and workers' queues grow
//! outside of it. Who holds it for longer costs who meets it such a moment or two:
//!
//! | holder | does meanwhile | how often |
//! |---|---|---|
//! | an end that takes in completions | gives their blocks back, under the heap's lock | for each burst |
//! | many letters told at once | makes them, where they lie | once for all of them |
//! | an end that opens | checks the peer's part, makes the table of its ops | once |
//! | an end that finishes | goes through its ops | once |
//! | an inbox | looks for a lane in its lists, which may grow | when a lane comes or goes |
//! | a topic's publisher | looks at cursors and claims, takes a burst of samples, and in its list, which may grow, a reader | when short of room or blocks; for each burst; once |
//! | a topic's subscriber | passes over up to 1024 samples that its filter refuses | seldom |
//! | an actor that ends | puts its batch back before what is queued | once |
//!
//! # Edges
//! | edge | released by | acquired by | publishes |
//! |---|---|---|---|
//! | let-go | `Guard::drop`: store of `FREE` | `lock`: compare-exchange | what its holder has written |
#![allow(unsafe_code, reason = "what it guards is reached by its holder alone")]

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use crate::mutant::{Mutant, release_unless};
use crate::sync::Ordering::{Acquire, Relaxed};
use crate::sync::{AtomicU32, UnsafeCell, spin_loop, thread};

const FREE: u32 = 0;
const HELD: u32 = 1;

/// Looks, some 5 ns each, before the processor is given away.
const LOOKS: u32 = 64;
/// Times that the processor is given away before the thread sleeps between two looks: its holder may not be allowed to run
/// while this one is.
const YIELDS: u32 = 256;

/// A value that one thread at a time reaches; see the [module](self).
pub struct Brief<T> {
    state: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the value goes from holder to holder, and is reached by one of them at a time.
unsafe impl<T: Send> Send for Brief<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Brief<T> {}

/// The value, while its lock is held.
#[must_use = "dropped, it lets the lock go"]
pub struct Guard<'a, T> {
    lock: &'a Brief<T>,
    lends: PhantomData<&'a mut T>,
}

impl<T> Brief<T> {
    /// Wraps `value`.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self {
            state: AtomicU32::new(FREE),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits until nobody else holds it. A thread that holds it already waits for ever.
    ///
    /// Cost: a read-modify-write where it is free.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T> {
        if !self.take() {
            self.wait();
        }
        Guard {
            lock: self,
            lends: PhantomData,
        }
    }

    /// The value, which nobody else reaches now.
    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: borrowed by the caller alone, and for as long.
        self.value.with_mut(|value| unsafe { &mut *value })
    }

    #[inline]
    fn take(&self) -> bool {
        // Acquire let-go: pairs with the store in `Guard::drop`.
        self.state
            .compare_exchange(FREE, HELD, Acquire, Relaxed)
            .is_ok()
    }

    #[cold]
    fn wait(&self) {
        let mut waited = 0;
        loop {
            pause(waited);
            waited = waited.saturating_add(1);
            // Relaxed: a hint that leaves the line where it is; `take` looks again.
            if self.state.load(Relaxed) == FREE && self.take() {
                return;
            }
        }
    }
}

/// Lets the holder get on, for a waiter that has waited so many times; also of a place that is held for as short.
#[cold]
pub(crate) fn pause(waited: u32) {
    if cfg!(loom) || (LOOKS..LOOKS + YIELDS).contains(&waited) {
        return thread::yield_now();
    }
    if waited < LOOKS {
        return spin_loop();
    }
    #[cfg(not(loom))]
    #[expect(
        clippy::disallowed_methods,
        reason = "a holder that lets go wakes nobody"
    )]
    thread::sleep(core::time::Duration::from_micros(50));
}

impl<T: Default> Default for Brief<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: held by this guard, which outlives what it lends.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and this guard is borrowed for as long.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Release let-go: pairs with the compare-exchange in `take`.
        self.lock
            .state
            .store(FREE, release_unless(Mutant::LetGoOfLockRelaxed));
    }
}

impl<T> fmt::Debug for Brief<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brief").finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    // Goal: one holder at a time, also where there are more threads than processors, and after one that panicked.
    #[test]
    fn one_at_a_time() {
        const EACH: u64 = 20_000;
        let lock = Brief::new((0, 0));
        thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for _ in 0..EACH {
                        let mut held = lock.lock();
                        held.0 += 1;
                        held.1 += 1;
                        assert_eq!(held.0, held.1);
                    }
                });
            }
        });
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _held = lock.lock();
            panic!("intended");
        }));
        assert!(panicked.is_err());
        assert_eq!(*lock.lock(), (4 * EACH, 4 * EACH));
    }

    // Goal: a holder that is held up for long is waited for, by a thread that sleeps.
    #[test]
    fn a_long_wait_ends() {
        let lock = Brief::new(0);
        thread::scope(|threads| {
            let mut held = lock.lock();
            let waiting = threads.spawn(|| *lock.lock());
            for waited in 0..LOOKS + YIELDS + 20 {
                // The last of these pauses sleep, as those of the waiting thread do meanwhile.
                pause(waited);
            }
            *held = 7;
            drop(held);
            assert_eq!(waiting.join().unwrap(), 7);
        });
    }
}
