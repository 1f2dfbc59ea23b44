//! Checked spans of mapped memory: the one place where an offset becomes a pointer (`Span::place`).
//!
//! An [`OwnRegion`] is memory that this process owns and may write; a [`PeerRegion`] is another's, mapped read-only.
//! Neither ever hands out a reference to plain bytes of another process in safe code: shared [`Record`]s consist of
//! atomics, and bytes are copied out, or read in place under the one `unsafe` method [`PeerRegion::bytes`].
//!
//! # Invariants
//! - **mapped**: `base..base + len` stays mapped at the same address while any clone of `keep` lives. Promised by whoever
//!   calls `new`; every region, span and record holds a clone.
//! - **in-range**: a span lies within the region that it was cut from: checked by `Span::place` alone.
//! - **read-only**: nothing reachable from a `PeerRegion` is stored to; the pages would fault.
#![allow(unsafe_code, reason = "turns checked offsets into pointers")]

mod buffer;
mod own;
mod peer;
mod record;

use core::{fmt, ptr::NonNull};

#[cfg(feature = "std")]
pub use buffer::Buffer;
pub use own::OwnRegion;
pub use peer::PeerRegion;
pub use record::{OwnRecord, OwnRecords, PeerRecord, PeerRecords, ReadOnly, Record, record};

/// Bytes of a cache line: what two sides must not share by accident.
pub const LINE: u64 = 64;

/// Keeps memory mapped.
///
/// # Safety
///
/// Memory that a value keeps stays mapped, at the same address, while that value or any clone of it lives.
pub unsafe trait Keep: Clone + Send + Sync + 'static {}

/// Keeps memory that is never unmapped: a static, or a firmware's fixed window.
#[derive(Debug, Clone, Copy)]
pub struct Forever;

// SAFETY: only memory that is never unmapped is paired with it; see duty 1 of the regions' `new`.
unsafe impl Keep for Forever {}

/// Keeps a mapping by sharing whatever unmaps it when dropped.
#[cfg(feature = "std")]
#[derive(Clone)]
pub struct Mapping(std::sync::Arc<dyn core::any::Any + Send + Sync>);

#[cfg(feature = "std")]
impl Mapping {
    /// Shares `owner`, whose drop unmaps.
    #[must_use]
    pub fn new(owner: std::sync::Arc<dyn core::any::Any + Send + Sync>) -> Self {
        Self(owner)
    }

    /// Tells whether this is the only share: nothing else that was cut from the mapping is left. True stays true for
    /// whoever lends no more of it.
    #[must_use]
    pub fn is_sole(&self) -> bool {
        std::sync::Arc::strong_count(&self.0) == 1
    }
}

#[cfg(feature = "std")]
impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapping({:p})", self.0)
    }
}

// SAFETY: every clone shares the owner, which unmaps only when the last clone is dropped.
#[cfg(feature = "std")]
unsafe impl Keep for Mapping {}

/// A count of bytes or records as the machine counts them: the same, as this crate builds for 64-bit targets only.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "usize has 64 bits")]
const fn to_usize(count: u64) -> usize {
    count as usize
}

/// What regions keep their memory by unless they say otherwise.
#[cfg(feature = "std")]
pub type DefaultKeep = Mapping;
/// What regions keep their memory by unless they say otherwise.
#[cfg(not(feature = "std"))]
pub type DefaultKeep = Forever;

/// Memory with its keeper; what both kinds of region are made of.
#[derive(Clone)]
struct Span<K> {
    base: NonNull<u8>,
    len: u64,
    keep: K,
}

// SAFETY: the pointer stands for memory that any thread may reach (mapped), and `Keep` is Send.
unsafe impl<K: Keep> Send for Span<K> {}
// SAFETY: as above, and all methods take `&self` without changing it.
unsafe impl<K: Keep> Sync for Span<K> {}

impl<K: Keep> Span<K> {
    fn new(base: NonNull<u8>, len: usize, keep: K) -> Self {
        assert!(
            base.addr().get().is_multiple_of(to_usize(LINE)),
            "a region starts on a cache line"
        );
        Self {
            base,
            len: len as u64,
            keep,
        }
    }

    /// Finds the place of `len` bytes at `offset`, or `None` if they leave the region.
    #[inline]
    fn place(&self, offset: u64, len: u64) -> Option<NonNull<u8>> {
        if offset > self.len || len > self.len - offset {
            return None;
        }
        // SAFETY: in-range: `offset <= len`, and a region is one mapping, so the sum stays inside it.
        Some(unsafe { self.base.add(to_usize(offset)) })
    }

    fn span(&self, offset: u64, len: u64) -> Option<Self> {
        let base = self.place(offset, len)?;
        Some(Self {
            base,
            len,
            keep: self.keep.clone(),
        })
    }

    /// Finds the place of `count` records of type `T` at `offset`, or `None` if they leave the region or are misaligned.
    #[inline]
    fn records<T: Record>(&self, offset: u64, count: u64) -> Option<NonNull<[T]>> {
        let len = count.checked_mul(size_of::<T>() as u64)?;
        let first = self.place(offset, len)?.cast::<T>();
        first
            .is_aligned()
            .then(|| NonNull::slice_from_raw_parts(first, to_usize(count)))
    }

    /// Finds the place of a record at `offset`, likewise.
    #[inline]
    fn record<T: Record>(&self, offset: u64) -> Option<NonNull<T>> {
        self.records::<T>(offset, 1).map(NonNull::cast)
    }
}

impl<K> fmt::Debug for Span<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:p}+{}", self.base, self.len)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
