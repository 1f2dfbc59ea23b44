//! A key: an index that is used again, with a generation that is not.
//!
//! Twenty bits of index and forty-four of generation in one word, so that a key fits an entry's `user_data`, a shared
//! word and a register. A hot index reused ten million times a second repeats a key after twenty days; with 32 bits of
//! generation it would be seven minutes. No bits set means 'none', which makes `Option<Key>` one word too.

use core::{fmt, num::NonZeroU64};

/// An index with its generation; never all zero. See the [module](self).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Key(NonZeroU64); // generation << INDEX_BITS | index; the generation is never 0

impl Key {
    /// Bits of the index.
    pub const INDEX_BITS: u32 = 20;
    /// Bits of the generation.
    pub const GENERATION_BITS: u32 = 64 - Self::INDEX_BITS;
    /// The largest index.
    pub const INDEX_MAX: u32 = (1 << Self::INDEX_BITS) - 1;
    /// The largest generation; [`next`](Self::next) goes from it to 1.
    pub const GENERATION_MAX: u64 = (1 << Self::GENERATION_BITS) - 1;

    /// Joins `index` and `generation`.
    ///
    /// # Panics
    ///
    /// When `index` exceeds [`INDEX_MAX`](Self::INDEX_MAX), or `generation` is 0 or exceeds
    /// [`GENERATION_MAX`](Self::GENERATION_MAX).
    #[inline]
    #[must_use]
    pub const fn new(index: u32, generation: u64) -> Self {
        assert!(index <= Self::INDEX_MAX, "index exceeds 20 bits");
        assert!(
            generation <= Self::GENERATION_MAX,
            "generation exceeds 44 bits"
        );
        assert!(generation != 0, "generation 0 means none");
        match NonZeroU64::new(generation << Self::INDEX_BITS | index as u64) {
            Some(bits) => Self(bits),
            None => unreachable!(),
        }
    }

    /// The first key of `index`: generation 1.
    ///
    /// # Panics
    ///
    /// When `index` exceeds [`INDEX_MAX`](Self::INDEX_MAX).
    #[inline]
    #[must_use]
    pub const fn first(index: u32) -> Self {
        Self::new(index, 1)
    }

    /// Reads a key from a word; `None` when the generation is 0, thus also for 'none' itself.
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match NonZeroU64::new(bits) {
            Some(word) if bits >> Self::INDEX_BITS != 0 => Some(Self(word)),
            _ => None,
        }
    }

    /// The word that carries this key.
    #[inline]
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// Where the thing stands in its table.
    #[inline]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "masked to 20 bits")]
    pub const fn index(self) -> u32 {
        self.to_bits() as u32 & Self::INDEX_MAX
    }

    /// Which of the things that stood there it is, from 1.
    #[inline]
    #[must_use]
    pub const fn generation(self) -> u64 {
        self.to_bits() >> Self::INDEX_BITS
    }

    /// The key of the next thing at the same index; after the last generation comes 1.
    #[inline]
    #[must_use]
    pub const fn next(self) -> Self {
        match self.generation() {
            Self::GENERATION_MAX => Self::first(self.index()),
            generation => Self::new(self.index(), generation + 1),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.index(), self.generation())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_back() {
        for (index, generation) in [
            (0, 1),
            (7, 3),
            (Key::INDEX_MAX, 1),
            (0, Key::GENERATION_MAX),
        ] {
            let key = Key::new(index, generation);
            assert_eq!((key.index(), key.generation()), (index, generation));
            assert_eq!(Key::from_bits(key.to_bits()), Some(key));
        }
        assert_eq!(size_of::<Option<Key>>(), 8);
    }

    #[test]
    fn generation_zero_is_none() {
        assert_eq!(Key::from_bits(0), None);
        assert_eq!(Key::from_bits(Key::INDEX_MAX.into()), None);
    }

    #[test]
    fn next_skips_zero() {
        assert_eq!(Key::first(5).next(), Key::new(5, 2));
        assert_eq!(Key::new(5, Key::GENERATION_MAX).next(), Key::first(5));
    }

    #[test]
    #[should_panic = "index exceeds 20 bits"]
    fn index_beyond_twenty_bits_panics() {
        let _ = Key::first(Key::INDEX_MAX + 1);
    }
}
