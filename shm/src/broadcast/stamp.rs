//! What a slot's stamp says, and what it means to a reader that looks for one sequence.
//!
//! A stamp is a count of 56 bits, the sequence, and a mark of 8 bits above it, which says what the slot is.

use crate::error::Violation;
use crate::layout::BroadcastLayout;

const MARK_SHIFT: u32 = 56;
/// The mark of a slot whose sample is not whole yet.
const WRITING: u8 = 255;
/// The mark of a slot whose sample is gone while no other has taken its place.
const RETIRED: u8 = 254;
/// Marks below are lines behind the first, with or without this bit.
const LEASED: u8 = 128;

/// The largest sequence.
pub(super) const SEQUENCE_MAX: u64 = (1 << MARK_SHIFT) - 1;

const _: () =
    assert!(BroadcastLayout::LINES_MAX <= LEASED && LEASED + BroadcastLayout::LINES_MAX <= RETIRED);

/// A slot's stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(pub(super) u64);

/// What a stamp means to who looks for a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The sample is here, in so many lines.
    Here { lines: u8, leased: bool },
    /// It was not published yet.
    Empty,
    /// It was, and another one has, or is about to have, its place.
    Overwritten { by: u64 },
    /// It was, and was given up before another one took its place.
    Retired,
}

impl Stamp {
    const fn new(sequence: u64, mark: u8) -> Self {
        Self(sequence | (mark as u64) << MARK_SHIFT)
    }

    pub(super) const fn writing(sequence: u64) -> Self {
        Self::new(sequence, WRITING)
    }

    #[cfg(feature = "std")]
    pub(super) const fn retired(sequence: u64) -> Self {
        Self::new(sequence, RETIRED)
    }

    /// The stamp of a whole sample in so many lines, from 1.
    #[cfg(feature = "std")]
    pub(super) const fn whole(sequence: u64, lines: u8, leased: bool) -> Self {
        let mark = (lines - 1) | if leased { LEASED } else { 0 };
        Self::new(sequence, mark)
    }

    #[inline]
    pub(super) const fn sequence(self) -> u64 {
        self.0 & SEQUENCE_MAX
    }

    #[inline]
    const fn mark(self) -> u8 {
        (self.0 >> MARK_SHIFT) as u8
    }

    /// Whether the sample of its sequence was published, whatever has become of it.
    #[inline]
    pub(super) const fn is_published(self) -> bool {
        self.mark() != WRITING
    }

    /// Whether the sample of `sequence` was not published yet.
    #[inline]
    pub(super) fn is_empty(self, sequence: u64, layout: BroadcastLayout) -> bool {
        self == Self::writing(sequence)
            || self.sequence() == before(sequence, layout) && self.is_published()
    }

    /// What it means to who looks for `sequence`, whose predecessor was published.
    ///
    /// # Errors
    ///
    /// It cannot be there.
    #[inline]
    pub(super) fn judge(
        self,
        sequence: u64,
        layout: BroadcastLayout,
    ) -> Result<Meaning, Violation> {
        if self.sequence() == sequence {
            return match self.mark() {
                WRITING => Ok(Meaning::Empty),
                RETIRED => Ok(Meaning::Retired),
                mark if mark & !LEASED < layout.lines() => Ok(Meaning::Here {
                    lines: 1 + (mark & !LEASED),
                    leased: mark & LEASED != 0,
                }),
                _ => Err(self.violation(sequence)),
            };
        }
        if self.is_empty(sequence, layout) {
            return Ok(Meaning::Empty);
        }
        let by = self.sequence();
        let is_same_slot = by & (layout.slots().get() - 1) == sequence & (layout.slots().get() - 1);
        if by > sequence && is_same_slot {
            Ok(Meaning::Overwritten { by })
        } else {
            Err(self.violation(sequence))
        }
    }

    #[cold]
    pub(super) fn violation(self, sequence: u64) -> Violation {
        Violation::Sample {
            sequence,
            found: self.0,
        }
    }
}

/// The sequence that stood in the slot of `sequence` on the lap before; 0 on the first.
#[inline]
fn before(sequence: u64, layout: BroadcastLayout) -> u64 {
    sequence.saturating_sub(layout.slots().get())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::layout::Pow2;

    // Goal: every stamp that a slot can bear means the one thing, and no other is accepted. Method: a slot of sequence 10 in a
    // lane of four, as a table.
    #[test]
    fn every_stamp_means_one_thing() {
        let layout = BroadcastLayout::new(Pow2::of::<4>(), 15).unwrap();
        let judge = |stamp: Stamp| stamp.judge(10, layout);
        let here = |lines, leased| Ok(Meaning::Here { lines, leased });
        assert_eq!(judge(Stamp::whole(10, 1, false)), here(1, false));
        assert_eq!(judge(Stamp::whole(10, 2, true)), here(2, true));
        assert_eq!(judge(Stamp::whole(6, 1, true)), Ok(Meaning::Empty));
        assert_eq!(judge(Stamp::retired(6)), Ok(Meaning::Empty));
        assert_eq!(judge(Stamp::writing(10)), Ok(Meaning::Empty));
        assert_eq!(judge(Stamp::retired(10)), Ok(Meaning::Retired));
        for later in [
            Stamp::writing(14),
            Stamp::whole(14, 2, true),
            Stamp::retired(14),
        ] {
            assert_eq!(judge(later), Ok(Meaning::Overwritten { by: 14 }));
        }
        assert_eq!(
            judge(Stamp::whole(SEQUENCE_MAX - 1, 1, false)),
            Ok(Meaning::Overwritten {
                by: SEQUENCE_MAX - 1
            })
        );
        let wrong = [
            Stamp(0),
            Stamp::whole(2, 1, false),
            Stamp::writing(6),
            Stamp::whole(10, 3, false),
            Stamp::whole(10, 64, true),
            Stamp::whole(11, 1, false),
            Stamp::whole(9, 1, false),
            Stamp(u64::MAX),
        ];
        for stamp in wrong {
            assert!(judge(stamp).is_err(), "{stamp:?}");
        }
    }

    #[test]
    fn on_the_first_lap_a_slot_is_empty_without_a_stamp() {
        let layout = BroadcastLayout::new(Pow2::of::<4>(), 7).unwrap();
        for sequence in 1..=4 {
            assert_eq!(Stamp(0).judge(sequence, layout), Ok(Meaning::Empty));
        }
        assert!(Stamp(0).judge(5, layout).is_err());
    }
}
