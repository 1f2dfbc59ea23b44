//! Where everything stands in shared memory: sizes and offsets by `const` functions, nothing measured at run time.

mod broadcast;

pub use broadcast::{BroadcastLayout, CursorLayout};

use core::fmt;
use core::mem::{offset_of, size_of};

use crate::broadcast::{CursorLine, LaneLine, TakenLine};
use crate::doorbell::AsleepLine;
use crate::lane::HeadLine;
use crate::region::LINE;
use crate::uring::{AsideSlot, CompleterLine, SubmitterLine};
use crate::words::Slot;

/// What every shared part of a uring begins with.
pub const MAGIC: u64 = u64::from_le_bytes(*b"ringway\0");

/// Changes with every change of meaning that [`layout_hash`] does not show.
pub const VERSION: u32 = 2;

/// The layout of a uring: two parts, one in each side's segment, from two powers of two.
///
/// ```text
/// submitter's part: SubmitterLine | CQ HeadLine | SQ slots | op words
/// completer's part: CompleterLine | SQ HeadLine | CQ slots | aside slots
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UringLayout {
    /// Slots of the submission queue.
    pub sq: Pow2,
    /// Slots of the completion queue, which bound the ops in flight.
    pub cq: Pow2,
}

impl UringLayout {
    /// Where either side's own line stands.
    pub(crate) const LINE_AT: u64 = 0;
    /// Where either side's head line stands.
    pub(crate) const HEAD_AT: u64 = LINE;
    /// Where either side's slots begin.
    pub(crate) const SLOTS_AT: u64 = 2 * LINE;

    /// Where the submitter's op words begin.
    pub(crate) const fn op_words_at(self) -> u64 {
        Self::SLOTS_AT + self.sq.get() * SLOT
    }

    /// Op words: one for each op in flight, and as many for forwards that wait for room without credit. The indices of
    /// `user_data` are below this.
    #[must_use]
    pub const fn op_words(self) -> u64 {
        2 * self.cq.get()
    }

    /// Bytes of the submitter's part: a multiple of a cache line.
    #[must_use]
    pub const fn submitter_len(self) -> u64 {
        (self.op_words_at() + self.op_words() * 8).next_multiple_of(LINE)
    }

    /// Entries without an op whose completer can say by name that it has put them aside, a bit in a word for each; further ones are
    /// counted.
    pub(crate) const ASIDE_MAX: u64 = 64;

    /// Where the completer's aside slots begin.
    pub(crate) const fn aside_at(self) -> u64 {
        Self::SLOTS_AT + self.cq.get() * SLOT
    }

    /// Bytes of the completer's part: a multiple of a cache line.
    #[must_use]
    pub const fn completer_len(self) -> u64 {
        let aside = Self::ASIDE_MAX * size_of::<AsideSlot>() as u64;
        (self.aside_at() + aside).next_multiple_of(LINE)
    }

    /// The word in both parts by which each side checks that the other means the same.
    pub(crate) const fn to_bits(self) -> u64 {
        (VERSION as u64) << 32 | (self.sq.exponent() as u64) << 8 | self.cq.exponent() as u64
    }
}

/// The layout of a note ring: two parts, one in each side's segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NotesLayout {
    /// Notes; at least twice as many as urings.
    pub capacity: Pow2,
}

impl NotesLayout {
    /// A ring that cannot overflow with up to `urings` urings; `None` beyond 2^19.
    #[must_use]
    pub const fn for_urings(urings: Pow2) -> Option<Self> {
        match urings.double() {
            Some(capacity) => Some(Self { capacity }),
            None => None,
        }
    }

    /// Bytes of the writer's part: a multiple of a cache line.
    #[must_use]
    pub const fn writer_len(self) -> u64 {
        (self.capacity.get() * size_of::<Slot<1>>() as u64).next_multiple_of(LINE)
    }

    /// Bytes of the reader's part.
    #[must_use]
    pub const fn reader_len() -> u64 {
        size_of::<HeadLine>() as u64
    }
}

const SLOT: u64 = size_of::<Slot<7>>() as u64;

/// A hash of all sizes and offsets on which two builds must agree; compared when two nodes meet.
#[must_use]
pub const fn layout_hash() -> u64 {
    let sample = UringLayout {
        sq: Pow2::of::<64>(),
        cq: Pow2::of::<16>(),
    };
    fold(
        FNV_OFFSET,
        &[
            VERSION as u64,
            LINE,
            size_of::<Slot<1>>() as u64,
            SLOT,
            offset_of!(Slot<7>, stamp) as u64,
            offset_of!(HeadLine, head) as u64,
            offset_of!(HeadLine, done) as u64,
            size_of::<AsleepLine>() as u64,
            offset_of!(SubmitterLine, wants) as u64,
            offset_of!(SubmitterLine, closed) as u64,
            offset_of!(CompleterLine, idle) as u64,
            offset_of!(CompleterLine, closed) as u64,
            offset_of!(CompleterLine, aside_beyond) as u64,
            offset_of!(AsideSlot, taken) as u64,
            offset_of!(AsideSlot, type_id) as u64,
            sample.op_words_at(),
            sample.submitter_len(),
            sample.completer_len(),
            NotesLayout {
                capacity: Pow2::of::<64>(),
            }
            .writer_len(),
            BROADCAST.to_bits(),
            BROADCAST.publisher_len(),
            BroadcastLayout::TAIL_AT,
            offset_of!(LaneLine, wants) as u64,
            offset_of!(LaneLine, closed) as u64,
            CURSOR.to_bits(),
            CURSOR.subscriber_len(),
            CursorLayout::TAKEN_AT,
            offset_of!(CursorLine, idle) as u64,
            offset_of!(CursorLine, closed) as u64,
            offset_of!(TakenLine, taken) as u64,
        ],
    )
}

const BROADCAST: BroadcastLayout = match BroadcastLayout::new(Pow2::of::<64>(), 9) {
    Some(layout) => layout,
    None => unreachable!(),
};
const CURSOR: CursorLayout = match CursorLayout::new(9) {
    Some(layout) => layout,
    None => unreachable!(),
};

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// Folds `words` into an FNV-1a hash, byte by byte.
pub(crate) const fn fold(mut hash: u64, words: &[u64]) -> u64 {
    let mut at = 0;
    while at < words.len() * 8 {
        let byte = words[at / 8].to_le_bytes()[at % 8];
        hash = (hash ^ byte as u64).wrapping_mul(FNV_PRIME);
        at += 1;
    }
    hash
}

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
    fn parts_are_whole_lines_and_do_not_overlap() {
        for (sq, cq) in [(0, 0), (0, 5), (5, 0), (10, 10), (20, 20)] {
            let layout = UringLayout {
                sq: Pow2::from_exponent(sq).unwrap(),
                cq: Pow2::from_exponent(cq).unwrap(),
            };
            assert_eq!(layout.op_words_at(), 128 + layout.sq.get() * 64);
            assert!(layout.op_words_at() + layout.op_words() * 8 <= layout.submitter_len());
            assert_eq!(layout.submitter_len() % 64, 0);
            assert_eq!(layout.aside_at(), 128 + layout.cq.get() * 64);
            assert_eq!(layout.completer_len(), layout.aside_at() + 64 * 16);
        }
        assert_eq!(
            NotesLayout {
                capacity: Pow2::of::<2>()
            }
            .writer_len(),
            64
        );
    }

    #[test]
    fn positions_wrap_around_the_slots() {
        let four = Pow2::of::<4>();
        let indices: std::vec::Vec<usize> = (3..9).map(|at| four.slot_index(at)).collect();
        assert_eq!(indices, [3, 0, 1, 2, 3, 0]);
        assert_eq!(four.slot_index(u64::MAX), 3);
    }
}
