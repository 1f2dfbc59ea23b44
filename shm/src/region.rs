//! Checked spans of mapped memory: the one place where an offset becomes a pointer.
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
mod record;

use core::{fmt, ptr::NonNull, slice};

#[cfg(feature = "std")]
pub use buffer::Buffer;
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

/// Memory that this process owns: it alone writes it, others read it.
#[derive(Clone, Debug)]
pub struct OwnRegion<K = DefaultKeep>(Span<K>);

impl<K: Keep> OwnRegion<K> {
    /// Takes `len` bytes at `base` as a region.
    ///
    /// # Panics
    ///
    /// When `base` is not aligned to a cache line.
    ///
    /// # Safety
    ///
    /// 1. The bytes are mapped, readable, writable and initialized while `keep` or a clone of it lives.
    /// 2. Shared records in them are reached through regions only; other bytes are not referenced as records.
    #[must_use]
    pub unsafe fn new(base: NonNull<u8>, len: usize, keep: K) -> Self {
        Self(Span::new(base, len, keep))
    }

    /// Cuts out `len` bytes at `offset`; `None` when they leave the region.
    #[must_use]
    pub fn span(&self, offset: u64, len: u64) -> Option<Self> {
        self.0.span(offset, len).map(Self)
    }

    /// The shared record at `offset`; `None` when it leaves the region or is misaligned.
    #[inline]
    #[must_use]
    pub fn record<T: Record>(&self, offset: u64) -> Option<&T> {
        self.records(offset, 1)?.first()
    }

    /// The `count` shared records at `offset`; `None` when they leave the region or are misaligned.
    #[inline]
    #[must_use]
    pub fn records<T: Record>(&self, offset: u64, count: u64) -> Option<&[T]> {
        let place = self.0.records(offset, count)?;
        // SAFETY: in-range and aligned (checked by `records`), mapped while `self.keep` lives, and any bits are a record.
        Some(unsafe { place.as_ref() })
    }

    /// The shared record at `offset`, with a share in its mapping.
    #[must_use]
    pub fn hold<T: Record>(&self, offset: u64) -> Option<OwnRecord<T, K>> {
        let place = self.0.record(offset)?;
        // SAFETY: duty 1: in-range, aligned, kept by the clone of `keep`. Duty 2: an own region.
        Some(unsafe { OwnRecord::new(place, self.0.keep.clone()) })
    }

    /// The `count` shared records at `offset`, with a share in their mapping.
    #[must_use]
    pub fn hold_all<T: Record>(&self, offset: u64, count: u64) -> Option<OwnRecords<T, K>> {
        let place = self.0.records(offset, count)?;
        // SAFETY: duty 1: in-range, aligned, kept by the clone of `keep`. Duty 2: an own region.
        Some(unsafe { OwnRecords::new(place, self.0.keep.clone()) })
    }

    /// The first byte; valid for [`len`](Self::len) bytes while this region or a clone of it lives.
    #[inline]
    #[must_use]
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.0.base
    }

    /// The same memory as a peer sees it, for tests and for two nodes in one process.
    #[must_use]
    pub fn read_only(&self) -> PeerRegion<K> {
        PeerRegion(self.0.clone())
    }

    /// Bytes of the region.
    #[inline]
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a size, not a count of things")]
    pub fn len(&self) -> u64 {
        self.0.len
    }
}

/// Memory that another process owns and may change at any moment; read-only here.
#[derive(Clone, Debug)]
pub struct PeerRegion<K = DefaultKeep>(Span<K>);

impl<K: Keep> PeerRegion<K> {
    /// What keeps the region mapped.
    #[must_use]
    pub fn keep(&self) -> &K {
        &self.0.keep
    }

    /// Takes `len` bytes at `base` as a region.
    ///
    /// # Panics
    ///
    /// When `base` is not aligned to a cache line.
    ///
    /// # Safety
    ///
    /// The bytes are mapped, readable and initialized while `keep` or a clone of it lives, and cannot be truncated
    /// meanwhile (sealed).
    #[must_use]
    pub unsafe fn new(base: NonNull<u8>, len: usize, keep: K) -> Self {
        Self(Span::new(base, len, keep))
    }

    /// Cuts out `len` bytes at `offset`; `None` when they leave the region.
    #[must_use]
    pub fn span(&self, offset: u64, len: u64) -> Option<Self> {
        self.0.span(offset, len).map(Self)
    }

    /// The shared record at `offset`; `None` when it leaves the region or is misaligned.
    #[inline]
    #[must_use]
    pub fn record<T: Record>(&self, offset: u64) -> Option<ReadOnly<'_, T>> {
        let place = self.0.record::<T>(offset)?;
        // SAFETY: in-range and aligned (checked by `records`), mapped while `self.keep` lives, and any bits are a record.
        Some(ReadOnly::new(unsafe { place.as_ref() }))
    }

    /// The shared record at `offset`, with a share in its mapping.
    #[must_use]
    pub fn hold<T: Record>(&self, offset: u64) -> Option<PeerRecord<T, K>> {
        let place = self.0.record(offset)?;
        // SAFETY: in-range, aligned, kept by the clone of `keep`.
        Some(unsafe { PeerRecord::new(place, self.0.keep.clone()) })
    }

    /// The `count` shared records at `offset`, with a share in their mapping.
    #[must_use]
    pub fn hold_all<T: Record>(&self, offset: u64, count: u64) -> Option<PeerRecords<T, K>> {
        let place = self.0.records(offset, count)?;
        // SAFETY: in-range, aligned, kept by the clone of `keep`.
        Some(unsafe { PeerRecords::new(place, self.0.keep.clone()) })
    }

    /// Copies bytes at `offset` into `target`; `None`, and `target` untouched, when they leave the region.
    ///
    /// Reads words where it can and never the same byte twice. The owner may write meanwhile: the copy is then a
    /// mixture, but it does not change any more, so check the copy and use the copy.
    #[cfg(not(loom))]
    #[must_use]
    pub fn copy_to(&self, offset: u64, target: &mut [u8]) -> Option<()> {
        use crate::sync::{AtomicU64, Word};
        use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

        let place = self.0.place(offset, target.len() as u64)?;
        // SAFETY: in-range (checked by `place`), mapped while `self.keep` lives; an `AtomicU8` needs no alignment, any
        // bits are one, and the reference does not outlive this call.
        let source: &[AtomicU8] =
            unsafe { slice::from_raw_parts(place.cast().as_ptr(), target.len()) };
        // SAFETY: eight bytes of memory in range, aligned by `align_to`, are an `AtomicU64`, whatever their bits.
        let (front, middle, back) = unsafe { source.align_to::<AtomicU64>() };
        let (target_front, rest) = target.split_at_mut(front.len());
        let (target_middle, target_back) = rest.split_at_mut(middle.len() * 8);
        // Relaxed throughout: the caller has taken the token that leads here, and with it the bytes.
        for (to, from) in target_front.iter_mut().zip(front) {
            *to = from.load(Relaxed);
        }
        for (to, from) in target_middle.chunks_exact_mut(8).zip(middle) {
            to.copy_from_slice(&from.load_relaxed().to_ne_bytes());
        }
        for (to, from) in target_back.iter_mut().zip(back) {
            *to = from.load(Relaxed);
        }
        Some(())
    }

    /// The bytes at `offset`, in place; `None` when they leave the region.
    ///
    /// # Safety
    ///
    /// **lent-frozen**: while the returned reference or one made of it lives, the owner does not write these bytes: it has
    /// lent them, and the completion that returns them has not been posted. This trusts the peer: a hostile owner can
    /// break it, and then the compiler's assumptions about `&[u8]`; from such a peer use [`copy_to`](Self::copy_to).
    #[inline]
    #[must_use]
    pub unsafe fn bytes(&self, offset: u64, len: u64) -> Option<&[u8]> {
        let place = self.0.place(offset, len)?;
        // SAFETY: in-range (checked by `place`), mapped while `self.keep` lives; lent-frozen is the caller's duty.
        Some(unsafe { slice::from_raw_parts(place.as_ptr(), to_usize(len)) })
    }

    /// Bytes of the region.
    #[inline]
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a size, not a count of things")]
    pub fn len(&self) -> u64 {
        self.0.len
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sync::{AtomicU64, Ordering::Relaxed};

    #[test]
    fn spans_stay_inside() {
        let region = Buffer::region(256);
        assert_eq!(region.span(64, 192).unwrap().len(), 192);
        assert_eq!(region.span(256, 0).unwrap().len(), 0);
        for (offset, len) in [(64, 193), (257, 0), (u64::MAX, 1), (1, u64::MAX)] {
            assert!(region.span(offset, len).is_none(), "{offset} {len}");
            assert!(
                region.read_only().span(offset, len).is_none(),
                "{offset} {len}"
            );
        }
    }

    #[test]
    fn records_are_aligned_and_inside() {
        let region = Buffer::region(64);
        assert!(region.record::<AtomicU64>(56).is_some());
        assert!(
            region.record::<AtomicU64>(57).is_none(),
            "leaves the region"
        );
        assert!(region.record::<AtomicU64>(4).is_none(), "is misaligned");
        assert!(
            region.hold_all::<AtomicU64>(0, 9).is_none(),
            "leaves the region"
        );
        assert!(
            region.hold_all::<AtomicU64>(0, 1 << 61).is_none(),
            "overflows"
        );
    }

    #[test]
    fn records_outlive_their_region() {
        let region = Buffer::region(64);
        let own = region.hold::<AtomicU64>(8).unwrap();
        let peer = region.read_only().hold_all::<AtomicU64>(0, 2).unwrap();
        drop(region);
        own.store(7, Relaxed);
        assert_eq!(peer.get(1).unwrap().load(|word| word), 7);
        assert!(peer.get(2).is_none());
    }

    #[test]
    fn copies_at_any_offset_and_length() {
        let bytes: [u8; 64] = core::array::from_fn(|at| u8::try_from(at).unwrap());
        let region = Buffer::region(64);
        let words = region.records::<AtomicU64>(0, 8).unwrap();
        for (word, bytes) in words.iter().zip(bytes.chunks_exact(8)) {
            word.store(u64::from_ne_bytes(bytes.try_into().unwrap()), Relaxed);
        }
        let peer = region.read_only();
        for offset in 0..=64 {
            for len in 0..=64 - offset {
                let mut copy = [0xFF; 64];
                peer.copy_to(offset as u64, &mut copy[..len]).unwrap();
                assert_eq!(copy[..len], bytes[offset..offset + len]);
            }
        }
        assert!(peer.copy_to(1, &mut [0; 64]).is_none());
    }
}
