//! Plain memory in place of a mapping: for unit tests, the model checker, and two ends in one process.
#![cfg(feature = "std")]

use super::{Keep, LINE, OwnRegion};
use crate::sync::AtomicU64;
use core::{fmt, ptr::NonNull};
use std::{boxed::Box, sync::Arc, vec::Vec};

/// A line of words, made in place because loom's words must be.
#[repr(C, align(64))]
struct Line([AtomicU64; 8]);

const _: () = assert!(size_of::<Line>() as u64 == LINE);

/// Keeps memory of this process's own heap, all zero at first.
#[derive(Clone)]
pub struct Buffer(Arc<Box<[Line]>>);

impl Buffer {
    /// Allocates `len` bytes of zeroes, rounded up to a cache line, as a region.
    #[must_use]
    pub fn region(len: u64) -> OwnRegion<Self> {
        let lines: Vec<Line> = (0..len.div_ceil(LINE))
            .map(|_| Line(core::array::from_fn(|_| AtomicU64::new(0))))
            .collect();
        let len = size_of_val(&*lines);
        let keep = Self(Arc::new(lines.into_boxed_slice()));
        let base = NonNull::from(&**keep.0).cast::<u8>();
        // SAFETY: duty 1: the box does not move and lives while `keep` or a clone does; its words are initialized and,
        // being atomics, writable through the shared reference. Duty 2: nothing else refers to them.
        unsafe { OwnRegion::new(base, len, keep) }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} lines)", self.0.len())
    }
}

// SAFETY: every clone shares the box, which is freed with the last.
unsafe impl Keep for Buffer {}
