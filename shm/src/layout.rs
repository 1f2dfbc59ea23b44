//! Where everything stands in shared memory: sizes and offsets by `const` functions, nothing measured at run time.

use core::fmt;

/// A power of two from 1 to 2^20: a capacity that positions can be masked with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pow2(u8); // the exponent

impl Pow2 {
    /// The largest: as many as a [`Key`](crate::generation::Key) can index.
    pub const MAX: Self = Self(20);

    /// The power of two `N`, checked when the program is compiled.
    ///
    /// ```
    /// # use ringway_shm::layout::Pow2;
    /// const CAPACITY: Pow2 = Pow2::of::<256>();
    /// ```
    /// ```compile_fail
    /// # use ringway_shm::layout::Pow2;
    /// const CAPACITY: Pow2 = Pow2::of::<100>();
    /// ```
    #[must_use]
    pub const fn of<const N: u64>() -> Self {
        const {
            match Self::new(N) {
                Some(pow2) => pow2,
                None => panic!("not a power of two from 1 to 2^20"),
            }
        }
    }

    /// `n` as a power of two; `None` when it is none, or too large.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "an exponent of at most 63")]
    pub const fn new(n: u64) -> Option<Self> {
        if n.is_power_of_two() {
            Self::from_exponent(n.trailing_zeros() as u8)
        } else {
            None
        }
    }

    /// Two to the power `exponent`; `None` when that is too large.
    #[must_use]
    pub const fn from_exponent(exponent: u8) -> Option<Self> {
        if exponent <= Self::MAX.0 {
            Some(Self(exponent))
        } else {
            None
        }
    }

    /// The exponent.
    #[inline]
    #[must_use]
    pub const fn exponent(self) -> u8 {
        self.0
    }

    /// The number.
    #[inline]
    #[must_use]
    pub const fn get(self) -> u64 {
        1 << self.0
    }

    /// Where `position` stands in a ring of this many slots.
    #[inline]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "masked to 20 bits")]
    pub const fn slot_index(self, position: u64) -> usize {
        (position & (self.get() - 1)) as usize
    }

    /// Twice as many; `None` beyond [`MAX`](Self::MAX).
    #[must_use]
    pub const fn double(self) -> Option<Self> {
        Self::from_exponent(self.0 + 1)
    }
}

impl fmt::Debug for Pow2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.get())
    }
}

impl fmt::Display for Pow2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_powers_of_two() {
        let found: std::vec::Vec<u64> = (0..20).filter_map(Pow2::new).map(Pow2::get).collect();
        assert_eq!(found, [1, 2, 4, 8, 16]);
        assert_eq!(Pow2::new(1 << 20), Some(Pow2::MAX));
        assert_eq!(Pow2::new(1 << 21), None);
        assert_eq!(Pow2::MAX.double(), None);
    }

    #[test]
    fn positions_wrap_around_the_slots() {
        let four = Pow2::of::<4>();
        let indices: std::vec::Vec<usize> = (3..9).map(|at| four.slot_index(at)).collect();
        assert_eq!(indices, [3, 0, 1, 2, 3, 0]);
        assert_eq!(four.slot_index(u64::MAX), 3);
    }
}
