//! Memory of this process, which it alone writes. Its invariants are those of the region's head.
#![allow(
    unsafe_code,
    reason = "turns checked places into references to records"
)]

use core::ptr::NonNull;

use super::{DefaultKeep, Keep, OwnRecord, OwnRecords, PeerRegion, Record, Span};

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
