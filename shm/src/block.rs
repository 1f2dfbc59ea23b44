//! A block: a piece of a heap that holds one payload, owned by this process until dropped.
//!
//! Filling one is ordinary `&mut [u8]` work: nobody else looks, as no token leads here yet. Once
//! its place has been sent, whoever sent it keeps the block, untouched, until the receiver has
//! completed or died (**lent-frozen**); the block does not know of it.
//!
//! # Invariants
//! - **owned-block**: the span belongs to this value alone; the heap's books gave it out once.
//! - **stays-mapped**: the heap retires no segment that holds a block, and the block holds the
//!   heap.
#![allow(unsafe_code, reason = "makes slices of a span that the books gave out")]

use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::{fmt, slice};

use crate::generation::Key;
use crate::heap::{Heap, Home, Place, UNIT};

/// A block of a [`Heap`], aligned to 64 bytes. Dropping it frees it.
pub struct Block {
    heap: Heap,
    place: ManuallyDrop<Place<Home>>, // taken by drop alone
    len: usize,                       // at most the place's bytes
}

impl Block {
    /// Takes over a place of `heap` that holds at least `len` bytes.
    pub(crate) fn new(heap: Heap, place: Place<Home>, len: usize) -> Self {
        debug_assert!(len <= place.units() as usize * UNIT);
        Self {
            heap,
            place: ManuallyDrop::new(place),
            len,
        }
    }

    /// Returns the key of its segment: what a token calls it.
    #[inline]
    #[must_use]
    pub fn key(&self) -> Key {
        self.place.home.key
    }

    /// Returns where it starts in its segment, in bytes.
    #[inline]
    #[must_use]
    pub fn offset(&self) -> u64 {
        u64::from(self.place.offset()) * UNIT as u64
    }

    /// Returns how many bytes it holds; may be 0.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Reports whether it holds no bytes. It has a place all the same.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns how many bytes it can hold: `len` rounded up to its size class.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.place.units() as usize * UNIT
    }

    /// Changes how many bytes it holds. Those that are new keep what they were.
    ///
    /// # Panics
    ///
    /// When `len` exceeds the [`capacity`](Self::capacity).
    pub fn set_len(&mut self, len: usize) {
        assert!(
            len <= self.capacity(),
            "{len} bytes in a block of {}",
            self.capacity()
        );
        self.len = len;
    }

    /// Returns its bytes.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: owned-block and stays-mapped: the span is ours, mapped, and initialized, as
        // segments start zeroed; it is written through `&mut self` only.
        unsafe { slice::from_raw_parts(self.as_ptr().as_ptr(), self.len) }
    }

    /// Returns its bytes, to be filled. Not after it was lent.
    #[inline]
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `bytes`, and `&mut self` excludes all other slices.
        unsafe { slice::from_raw_parts_mut(self.as_ptr().as_ptr(), self.len) }
    }

    /// Returns its first byte. Valid for [`capacity`](Self::capacity) bytes while the block lives,
    /// wherever it is moved.
    #[inline]
    #[must_use]
    pub fn as_ptr(&self) -> NonNull<u8> {
        let offset = self.place.offset() as usize * UNIT;
        // SAFETY: owned-block: the books gave out a span inside the segment, which is one mapping.
        unsafe { self.place.home.base.add(offset) }
    }

    /// Returns the heap that it came from.
    #[inline]
    #[must_use]
    pub fn heap(&self) -> &Heap {
        &self.heap
    }

    /// Reports whether the peer in this slot has mapped its segment, so that it may be lent there.
    #[inline]
    #[must_use]
    pub fn is_acknowledged(&self, peer: u16) -> bool {
        self.heap.is_acknowledged(self.key(), peer)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: taken once, here, and not used afterwards.
        let place = unsafe { ManuallyDrop::take(&mut self.place) };
        self.heap.free(place);
    }
}

impl fmt::Debug for Block {
    /// Shows where it is, not what it holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("key", &self.key())
            .field("offset", &self.offset())
            .field("len", &self.len)
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
