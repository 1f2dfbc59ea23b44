//! Where everything stands in a broadcast lane, and in what each of its subscribers writes.

use super::{Pow2, VERSION};
use crate::region::LINE;

/// The layout of a broadcast lane, in its publisher's segment.
///
/// ```text
/// LaneLine | … | TailLine | … | slots, each of so many lines
/// ```
/// What is written at every sample is a line apart from what is read at every sample, as processors fetch lines in pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BroadcastLayout {
    slots: Pow2,
    lines: u8,
}

impl BroadcastLayout {
    /// The most cache lines that a slot can have.
    pub const LINES_MAX: u8 = 64;

    pub(crate) const LINE_AT: u64 = 0;
    pub(crate) const TAIL_AT: u64 = 2 * LINE;
    pub(crate) const SLOTS_AT: u64 = 4 * LINE;

    /// A lane of so many slots, each with room for `words` words; `None` beyond what [`LINES_MAX`](Self::LINES_MAX) lines hold.
    /// The lines have room for [`words`](Self::words), which may be more.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "at most LINES_MAX")]
    pub const fn new(slots: Pow2, words: usize) -> Option<Self> {
        let lines = words / 8 + 1; // a stamp, then the words
        if lines > Self::LINES_MAX as usize {
            return None;
        }
        Some(Self {
            slots,
            lines: lines as u8,
        })
    }

    /// The number of slots.
    #[inline]
    #[must_use]
    pub const fn slots(self) -> Pow2 {
        self.slots
    }

    /// Cache lines of a slot.
    #[inline]
    #[must_use]
    pub const fn lines(self) -> u8 {
        self.lines
    }

    /// Words that a slot has beside its stamp: seven in the first line, eight in each other.
    #[inline]
    #[must_use]
    pub const fn words(self) -> usize {
        8 * self.lines as usize - 1
    }

    /// Lines of all slots.
    pub(crate) const fn slot_lines(self) -> u64 {
        self.slots.get() * self.lines as u64
    }

    /// Bytes of the publisher's part: a multiple of a cache line.
    #[must_use]
    pub const fn publisher_len(self) -> u64 {
        Self::SLOTS_AT + self.slot_lines() * LINE
    }

    /// The word in the part by which a subscriber checks that the publisher means the same.
    pub(crate) const fn to_bits(self) -> u64 {
        const KIND: u64 = 1 << 24;
        (VERSION as u64) << 32 | KIND | (self.lines as u64) << 8 | self.slots.exponent() as u64
    }
}

/// The layout of what a subscriber writes: its cursor and its claims, in a segment of its own.
///
/// ```text
/// CursorLine | … | TakenLine | … | claims
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CursorLayout {
    claims: u16,
}

impl CursorLayout {
    /// The most claims that a subscriber can have.
    pub const CLAIMS_MAX: u16 = 1024;

    pub(crate) const LINE_AT: u64 = 0;
    pub(crate) const TAKEN_AT: u64 = 2 * LINE;
    pub(crate) const CLAIMS_AT: u64 = 4 * LINE;

    /// A cursor with so many claims, each for one lease at a time; `None` beyond [`CLAIMS_MAX`](Self::CLAIMS_MAX). Without any
    /// it is for samples that are no leases.
    #[must_use]
    pub const fn new(claims: u16) -> Option<Self> {
        if claims > Self::CLAIMS_MAX {
            return None;
        }
        Some(Self { claims })
    }

    /// Leases that can be held at a time.
    #[inline]
    #[must_use]
    pub const fn claims(self) -> u16 {
        self.claims
    }

    /// Bytes of the subscriber's part: a multiple of a cache line.
    #[must_use]
    pub const fn subscriber_len(self) -> u64 {
        (Self::CLAIMS_AT + self.claims as u64 * 8).next_multiple_of(LINE)
    }

    /// The word in the part by which a publisher checks that the subscriber means the same.
    pub(crate) const fn to_bits(self) -> u64 {
        const KIND: u64 = 2 << 24;
        (VERSION as u64) << 32 | KIND | self.claims as u64
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn slots_have_room_for_the_words_and_no_line_too_many() {
        let lines =
            |words| BroadcastLayout::new(Pow2::of::<4>(), words).map(BroadcastLayout::lines);
        let found = [0, 1, 7, 8, 15, 16, 511, 512].map(lines);
        assert_eq!(
            found,
            [
                Some(1),
                Some(1),
                Some(1),
                Some(2),
                Some(2),
                Some(3),
                Some(64),
                None
            ]
        );
        let layout = BroadcastLayout::new(Pow2::of::<4>(), 9).unwrap();
        assert_eq!(
            (layout.words(), layout.publisher_len()),
            (15, 256 + 4 * 128)
        );
    }

    #[test]
    fn claims_are_whole_lines() {
        let len = |claims| CursorLayout::new(claims).map(CursorLayout::subscriber_len);
        let found = [0, 1, 8, 9, 1024, 1025].map(len);
        assert_eq!(
            found,
            [
                Some(256),
                Some(320),
                Some(320),
                Some(384),
                Some(256 + 8192),
                None
            ]
        );
    }
}
