//! Size classes: how many units a block gets, and which free list it returns to.
//!
//! A unit is 64 bytes, a cache line; nothing smaller is handed out. Classes are spaced like
//! floating-point numbers with three bits of mantissa: exact up to 16 units, then eight to each
//! doubling, so that rounding up wastes at most an eighth. The allocator underneath sorts its free
//! space by the same numbers, hence a class never falls between two of its bins. Blocks above
//! [`Class::LARGEST`] have no class: their length is rounded to a unit only.
//!
//! Source: the bins of Sebastian Aaltonen's `OffsetAllocator`.

/// Bytes in a unit: a cache line, the grain and the alignment of all blocks.
pub(crate) const UNIT: usize = 64;

const MANTISSA_BITS: u32 = 3; // eight classes to a doubling
const MANTISSA: u32 = (1 << MANTISSA_BITS) - 1;

const LIST_UNITS: u32 = 8192; // 512 KiB: what one free list may hold: about a core's second-level cache
const LIST_MAX: u32 = 64; // and no more blocks than this: a flush of all lists stays below a millisecond
const LIST_MIN: u32 = 2; // two blocks in turn are the least that a sender of large messages needs
const TURN_MIN: u32 = 512; // 32 KiB: from here on blocks of a class are used in turn
const TURN_UNITS: u32 = 65536; // 4 MiB of them: more than the second-level caches of both sides hold

/// Returns the units that hold `len` bytes (one for none), or `None` when they cannot be counted in
/// 32 bits.
pub(crate) fn units_for(len: usize) -> Option<u32> {
    let units = u32::try_from(len.div_ceil(UNIT).max(1)).ok()?;
    Some(Class::of(units).map_or(units, Class::units))
}

/// One size class, by its index: smaller classes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class(u8);

impl Class {
    /// Units of the largest class: 4 MiB. Larger blocks are few, and what they cost is their bytes.
    pub(crate) const LARGEST: u32 = 64 * 1024;

    /// How many classes there are, counting class 0, which holds nothing.
    pub(crate) const COUNT: usize = index_down(Self::LARGEST) as usize + 1;

    /// Returns the smallest class of at least `units`, or `None` above [`Class::LARGEST`].
    pub(crate) fn of(units: u32) -> Option<Self> {
        if units > Self::LARGEST {
            return None;
        }
        let down = index_down(units);
        let up = down + u32::from(units_of(down) < units);
        u8::try_from(up).ok().map(Self)
    }

    /// Returns how many units a block of this class has.
    pub(crate) fn units(self) -> u32 {
        units_of(u32::from(self.0))
    }

    /// Returns how many free blocks of this class are kept at hand.
    pub(crate) fn list_max(self) -> usize {
        let units = if self.takes_turns() {
            TURN_UNITS
        } else {
            LIST_UNITS
        };
        (units / self.units().max(1)).clamp(LIST_MIN, LIST_MAX) as usize
    }

    /// Whether the block that was freed first is used again first, so that what a peer has just read is left alone for a while:
    /// its lines are still in that processor's own cache, from where each would have to be fetched back to be written. A small
    /// block costs less than the miss that another one would be.
    pub(crate) fn takes_turns(self) -> bool {
        self.units() >= TURN_MIN
    }

    /// Returns the index of this class's free list.
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The index of the largest class of at most `units`.
const fn index_down(units: u32) -> u32 {
    if units <= MANTISSA {
        return units;
    }
    let shift = units.ilog2() - MANTISSA_BITS;
    ((shift + 1) << MANTISSA_BITS) | ((units >> shift) & MANTISSA)
}

/// The units of the class at `index`.
const fn units_of(index: u32) -> u32 {
    let (exponent, mantissa) = (index >> MANTISSA_BITS, index & MANTISSA);
    if exponent == 0 {
        mantissa
    } else {
        (mantissa | (MANTISSA + 1)) << (exponent - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_lengths_round_to_a_unit() {
        let cases = [
            (0, 1),
            (1, 1),
            (64, 1),
            (65, 2),
            (512, 8),
            (1024, 16),
            (1025, 18),
            (1152, 18),
            (2049, 36),
        ];
        for (len, units) in cases {
            assert_eq!(units_for(len), Some(units), "{len} bytes");
        }
    }

    #[test]
    fn large_lengths_are_exact() {
        let largest = Class::LARGEST as usize * UNIT;
        assert_eq!(units_for(largest), Some(Class::LARGEST));
        assert_eq!(units_for(largest + 1), Some(Class::LARGEST + 1));
        assert_eq!(units_for(100_000_001), Some(1_562_501));
        assert_eq!(units_for(usize::MAX), None);
    }

    // Goal: the class is the least that holds the request, and wastes at most an eighth. Method:
    // all of them.
    #[test]
    fn every_request_gets_the_least_class_that_holds_it() {
        for units in 1..=Class::LARGEST {
            let class = Class::of(units).unwrap();
            assert!(class.units() >= units);
            assert!(
                class.units() - units <= units / 8,
                "{units} units got {}",
                class.units()
            );
            let smaller = Class(class.0 - 1);
            assert!(smaller.units() < units, "{units} units fit a smaller class");
            assert!(class.index() < Class::COUNT);
        }
        assert_eq!(Class::of(Class::LARGEST).unwrap().index() + 1, Class::COUNT);
        assert_eq!(Class::of(Class::LARGEST + 1), None);
    }

    #[test]
    fn lists_hold_fewer_of_the_larger() {
        assert_eq!(Class::of(1).unwrap().list_max(), 64);
        assert_eq!(Class::of(256).unwrap().list_max(), 32); // 16 KiB
        assert_eq!(Class::of(1024).unwrap().list_max(), 64); // 64 KiB, in turn
        assert_eq!(Class::of(16 * 1024).unwrap().list_max(), 4);
        assert_eq!(Class::of(Class::LARGEST).unwrap().list_max(), 2);
    }
}
