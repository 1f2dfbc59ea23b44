//! Memory of another process, read-only here. Its invariants are those of the region's head.
#![allow(
    unsafe_code,
    reason = "turns checked places into references to records and lent bytes"
)]

use core::ptr::NonNull;
use core::slice;

use super::{DefaultKeep, Keep, PeerRecord, PeerRecords, ReadOnly, Record, Span, to_usize};

/// Memory that another process owns and may change at any moment; read-only here.
#[derive(Clone, Debug)]
pub struct PeerRegion<K = DefaultKeep>(pub(super) Span<K>);

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
