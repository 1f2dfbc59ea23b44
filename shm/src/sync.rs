//! Atomics, fences, cells and threads: the core library's, or loom's under `cfg(loom)`.
//!
//! Everything that two sides share goes through here, so that the model checker sees it. Loom's `AtomicU64` is a handle
//! of eight bytes that must be made in place; memory built from these words by `region::Buffer`
//! therefore has the same layout in both worlds, and shared records that run under loom consist of `AtomicU64` alone.
#![allow(
    clippy::disallowed_types,
    reason = "the one place that names the standard ones"
)]

#[cfg(not(loom))]
pub use core::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
};
#[cfg(loom)]
pub use loom::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
};

#[cfg(all(feature = "std", not(loom)))]
pub use std::{sync::Arc, thread};

#[cfg(loom)]
pub use loom::{cell::UnsafeCell, sync::Arc, thread};

use self::Ordering::{Acquire, Relaxed};
use crate::mutant::{self, Mutant};

/// The fence of a Dekker pair: no side's load after it is satisfied before its own store ahead of it is visible.
///
/// Each side stores its own word, calls this, then loads the other's word: at least one of the two sees the other. It is
/// left out under `mutant`, so that the models show that they would notice.
#[inline]
pub(crate) fn dekker_fence(mutant: Mutant) {
    if !mutant::under(mutant) {
        // SeqCst, both sides: named by each caller.
        fence(Ordering::SeqCst);
    }
}

/// The cheap side of a Dekker pair whose other side makes a barrier in this process's threads (`sys::membarrier`): keeps the
/// compiler from turning the store ahead of it and the load behind it around, and leaves the processor to that barrier.
///
/// In the models it is the fence that the barrier amounts to; `barrier` in `tests/loom/broadcast.rs` has the other way round: nothing
/// here, and a fence in this thread wherever the other side's barrier happens to reach it.
#[inline]
pub(crate) fn light_fence(mutant: Mutant) {
    if !mutant::under(mutant) {
        // SeqCst: as the caller's partner says.
        #[cfg(not(loom))]
        core::sync::atomic::compiler_fence(Ordering::SeqCst);
        #[cfg(loom)]
        fence(Ordering::SeqCst);
    }
}

// The layouts of shared memory count on it, under loom too.
const _: () = assert!(size_of::<AtomicU64>() == 8 && align_of::<AtomicU64>() == 8);

#[cfg(not(loom))]
mod cell {
    /// A cell in loom's shape: its content is reached through closures that take a raw pointer.
    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub struct UnsafeCell<T: ?Sized>(core::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        /// Wraps `value`.
        pub const fn new(value: T) -> Self {
            Self(core::cell::UnsafeCell::new(value))
        }

        /// Unwraps the value.
        pub fn into_inner(self) -> T {
            self.0.into_inner()
        }
    }

    impl<T: ?Sized> UnsafeCell<T> {
        /// Calls `f` with a pointer for reading.
        #[inline]
        pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        /// Calls `f` with a pointer for writing.
        #[inline]
        pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}
#[cfg(not(loom))]
pub use cell::UnsafeCell;

/// An atomic word that a reader of foreign memory can load. Sealed: the atomics of this module implement it.
pub trait Word: sealed::Sealed {
    /// What the word holds.
    type Value: Copy;

    /// Loads with Relaxed: the only ordering that read-only memory allows on every target.
    fn load_relaxed(&self) -> Self::Value;

    /// Loads with Relaxed, then fences with Acquire: an Acquire load that works on read-only memory.
    #[inline]
    fn load_acquire(&self) -> Self::Value {
        let value = self.load_relaxed();
        // Acquire: the caller names the edge; the fence makes the load above its acquiring end.
        fence(Acquire);
        value
    }
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! words {
    ($($atomic:ty => $value:ty),*) => {$(
        impl sealed::Sealed for $atomic {}
        impl Word for $atomic {
            type Value = $value;

            #[inline]
            fn load_relaxed(&self) -> $value {
                self.load(Relaxed)
            }
        }
    )*};
}
words!(AtomicU64 => u64, AtomicU32 => u32);
