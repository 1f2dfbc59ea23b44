//! Shared records: structs of atomics that two processes see at the same place.

use super::{DefaultKeep, Keep};
use crate::sync::{AtomicU32, AtomicU64, Word};
use core::{fmt, marker::PhantomData, ops::Deref, ptr::NonNull};

/// A struct that lives in shared memory. Made by [`record!`](crate::region::record!), which checks the fields.
///
/// # Safety
///
/// `repr(C)`, consisting of records and the atomics of [`sync`](crate::sync) only: no pointers, no `Drop`, every bit
/// pattern valid, and no byte that is not atomic is ever read or written.
pub unsafe trait Record: Sync + Sized + 'static {}

// SAFETY: an atomic.
unsafe impl Record for AtomicU64 {}
// SAFETY: an atomic.
unsafe impl Record for AtomicU32 {}
// SAFETY: records one after the other.
unsafe impl<T: Record, const N: usize> Record for [T; N] {}

/// Declares a shared record: `repr(C)`, of the stated size and alignment, every field a record.
#[doc(hidden)]
#[macro_export]
macro_rules! __record {
    ($(#[$meta:meta])* $vis:vis struct $name:ident: size $size:literal, align $align:literal {
        $($(#[$field_meta:meta])* $field_vis:vis $field:ident: $type:ty),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug)]
        #[repr(C, align($align))]
        $vis struct $name {
            $($(#[$field_meta])* $field_vis $field: $type),*
        }

        const _: () = {
            // Loom's words have the size of real ones, except the 32-bit ones.
            #[cfg(not(loom))]
            assert!(size_of::<$name>() == $size);
            const fn is_record<T: $crate::region::Record>() {}
            $(is_record::<$type>();)*
        };

        // SAFETY: `repr(C)`, and each field's type is a record: checked above.
        #[allow(unsafe_code, reason = "the fields are checked by `is_record`")]
        unsafe impl $crate::region::Record for $name {}
    };
}
/// Declares a shared record: `repr(C)`, of the stated size and alignment, every field a record itself.
///
/// ```
/// use ringway_shm::{region::record, sync::AtomicU64};
///
/// record! {
///     /// What the one side counts.
///     pub struct Counts: size 64, align 64 {
///         /// Apples seen.
///         apples: AtomicU64,
///     }
/// }
/// ```
pub use crate::__record as record;

/// A record of a peer: its words can be loaded, not stored to.
#[derive(Debug)]
pub struct ReadOnly<'a, T>(&'a T);

impl<T> Clone for ReadOnly<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for ReadOnly<'_, T> {}

impl<'a, T> ReadOnly<'a, T> {
    #[inline]
    pub(super) fn new(record: &'a T) -> Self {
        Self(record)
    }

    /// Loads a word (Relaxed).
    #[inline]
    pub fn load<W: Word + 'a>(self, word: impl FnOnce(&'a T) -> &'a W) -> W::Value {
        word(self.0).load_relaxed()
    }

    /// Loads a word, and acquires what its writer released with it (Relaxed, then an Acquire fence).
    #[inline]
    pub fn load_acquire<W: Word + 'a>(self, word: impl FnOnce(&'a T) -> &'a W) -> W::Value {
        word(self.0).load_acquire()
    }

    /// The part of the record that `part` picks.
    #[inline]
    pub fn part<P>(self, part: impl FnOnce(&'a T) -> &'a P) -> ReadOnly<'a, P> {
        ReadOnly(part(self.0))
    }
}

macro_rules! held {
    ($(#[$meta:meta])* $name:ident, $place:ty) => {
        $(#[$meta])*
        pub struct $name<T, K = DefaultKeep> {
            place: $place, // **mapped** and aligned: found by a region
            _keep: K,
            _record: PhantomData<T>,
        }

        // SAFETY: records are Sync and hold nothing of a thread; `Keep` is Send.
        unsafe impl<T: Record, K: Keep> Send for $name<T, K> {}
        // SAFETY: records are Sync; `Keep` is Sync.
        unsafe impl<T: Record, K: Keep> Sync for $name<T, K> {}

        impl<T, K: Clone> Clone for $name<T, K> {
            fn clone(&self) -> Self {
                Self { place: self.place, _keep: self._keep.clone(), _record: PhantomData }
            }
        }

        impl<T, K> fmt::Debug for $name<T, K> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:p})"), self.place)
            }
        }

        impl<T: Record, K: Keep> $name<T, K> {
            /// # Safety
            ///
            /// 1. The place holds these records, aligned and mapped, while `keep` or a clone lives.
            /// 2. For an own record: this process may write it.
            pub(super) unsafe fn new(place: $place, keep: K) -> Self {
                Self { place, _keep: keep, _record: PhantomData }
            }
        }
    };
}

held!(
    /// A record of an own region, with a share in its mapping.
    OwnRecord, NonNull<T>
);
held!(
    /// Records of an own region, with a share in their mapping.
    OwnRecords, NonNull<[T]>
);
held!(
    /// A record of a peer's region, with a share in its mapping.
    PeerRecord, NonNull<T>
);
held!(
    /// Records of a peer's region, with a share in their mapping.
    PeerRecords, NonNull<[T]>
);

impl<T: Record, K: Keep> Deref for OwnRecord<T, K> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: mapped: duty 1 of `new`, and `_keep` lives as long as `self`.
        unsafe { self.place.as_ref() }
    }
}

impl<T: Record, K: Keep> Deref for OwnRecords<T, K> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: mapped: duty 1 of `new`, and `_keep` lives as long as `self`.
        unsafe { self.place.as_ref() }
    }
}

impl<T: Record, K: Keep> PeerRecord<T, K> {
    /// The record, for reading.
    #[inline]
    pub fn get(&self) -> ReadOnly<'_, T> {
        // SAFETY: mapped: duty 1 of `new`, and `_keep` lives as long as `self`.
        ReadOnly(unsafe { self.place.as_ref() })
    }
}

impl<T: Record, K: Keep> PeerRecords<T, K> {
    /// The record at `index`, for reading; `None` when there are not as many.
    #[inline]
    pub fn get(&self, index: usize) -> Option<ReadOnly<'_, T>> {
        // SAFETY: mapped: duty 1 of `new`, and `_keep` lives as long as `self`.
        let records = unsafe { self.place.as_ref() };
        records.get(index).map(ReadOnly)
    }

    /// How many there are.
    #[inline]
    #[expect(
        clippy::len_without_is_empty,
        reason = "a size, fixed when it was cut out"
    )]
    pub fn len(&self) -> usize {
        self.place.len()
    }
}
