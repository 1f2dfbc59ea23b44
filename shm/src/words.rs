//! An entry's words, and the slot that carries them: copied word by word, never referenced in place.
#![allow(unsafe_code, reason = "declares the generic slot a shared record")]

use crate::region::{ReadOnly, Record};
use crate::sync::{AtomicU64, Ordering::Relaxed};

/// What an entry carries beside its stamp: 56 bytes.
pub type EntryWords = [u64; 7];

/// A place in a lane: a stamp and `W` words. With seven words it is one cache line.
#[derive(Debug)]
#[repr(C)]
pub struct Slot<const W: usize> {
    /// Position plus one of the entry whose words these are; 0 before the first.
    pub(crate) stamp: AtomicU64,
    words: [AtomicU64; W],
}

const _: () = assert!(size_of::<Slot<7>>() == 64 && size_of::<Slot<1>>() == 16);

// SAFETY: `repr(C)`, atomics only, no padding.
unsafe impl<const W: usize> Record for Slot<W> {}

impl<const W: usize> Slot<W> {
    /// Stores `words`. Relaxed: the stamp publishes them.
    #[inline]
    pub(crate) fn write(&self, words: &[u64; W]) {
        for (to, from) in self.words.iter().zip(words) {
            to.store(*from, Relaxed);
        }
    }

    /// Asks for the slot's line, to write it soon.
    #[inline]
    pub(crate) fn ask_for(&self) {
        ask_for::<true, W>(self);
    }

    /// Copies the words out. Relaxed: the stamp was acquired, or is this side's own.
    #[inline]
    pub(crate) fn copy(&self) -> [u64; W] {
        core::array::from_fn(|at| self.words[at].load(Relaxed))
    }
}

/// Asks for the line of `slot`, to write it soon or to read it: a hint, which changes nothing and waits for nothing.
#[inline]
fn ask_for<const FOR_WRITING: bool, const W: usize>(slot: &Slot<W>) {
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    {
        use core::arch::x86_64::{_MM_HINT_ET0, _MM_HINT_T0, _mm_prefetch};
        let line = core::ptr::from_ref(slot).cast();
        if FOR_WRITING {
            // SAFETY: a prefetch reads and writes nothing, at whatever address.
            unsafe { _mm_prefetch::<_MM_HINT_ET0>(line) };
        } else {
            // SAFETY: as above.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line) };
        }
    }
    #[cfg(not(all(target_arch = "x86_64", not(loom), not(miri))))]
    let _ = slot;
}

impl<'a, const W: usize> ReadOnly<'a, Slot<W>> {
    /// Asks for the slot's line, to read it soon.
    #[inline]
    pub(crate) fn ask_for(self) {
        let _ = self.part(|slot| {
            ask_for::<false, W>(slot);
            slot
        });
    }

    /// Copies the words out. Relaxed: the stamp was acquired.
    #[inline]
    pub(crate) fn copy_words(self) -> [u64; W] {
        core::array::from_fn(|at| self.load(|slot| &slot.words[at]))
    }

    /// The same to where they are read next: each is written once.
    #[inline]
    pub(crate) fn copy_words_to(self, target: &mut [u64; W]) {
        for (at, word) in target.iter_mut().enumerate() {
            *word = self.load(|slot| &slot.words[at]);
        }
    }
}
