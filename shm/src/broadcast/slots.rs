//! The slots of a lane, as their readers see them; [`write`] has their writer's.

#[cfg(feature = "std")]
mod write;

#[cfg(feature = "std")]
pub(super) use write::OwnSlots;

use super::Line;
use super::stamp::Stamp;
use crate::layout::BroadcastLayout;
use crate::region::{Keep, PeerRecords, ReadOnly};

/// Words of a slot's first line, behind the stamp.
const FIRST: usize = 7;

/// The index of the first line of the slot of `sequence`.
#[inline]
fn first_line(sequence: u64, layout: BroadcastLayout) -> usize {
    layout.slots().slot_index(sequence) * layout.lines() as usize
}

/// Another process's slots.
#[derive(Debug, Clone)]
pub(super) struct PeerSlots<K> {
    lines: PeerRecords<Line, K>,
    layout: BroadcastLayout,
}

impl<K: Keep> PeerSlots<K> {
    pub(super) fn new(lines: PeerRecords<Line, K>, layout: BroadcastLayout) -> Self {
        Self { lines, layout }
    }

    #[inline]
    pub(super) fn layout(&self) -> BroadcastLayout {
        self.layout
    }

    /// The stamp of the slot of `sequence`, acquired.
    #[inline]
    pub(super) fn stamp_acquired(&self, sequence: u64) -> Stamp {
        // Acquire sample-written: pairs with the store of the stamp in `OwnSlots::write`.
        Stamp(self.first(sequence).load_acquire(|line| &line.words[0]))
    }

    /// The same, to be compared only.
    #[inline]
    pub(super) fn stamp(&self, sequence: u64) -> Stamp {
        // Relaxed: the caller fences, or reads nothing further on the strength of it.
        Stamp(self.first(sequence).load(|line| &line.words[0]))
    }

    /// Copies the words of the sample of `sequence`, which has so many lines, as far as `into` has room. Returns how many words
    /// its lines have.
    #[inline]
    pub(super) fn copy(&self, sequence: u64, lines: u8, into: &mut [u64]) -> usize {
        let first = first_line(sequence, self.layout);
        let words = 8 * usize::from(lines) - 1;
        let len = into.len().min(words);
        let (head, rest) = into[..len].split_at_mut(len.min(FIRST));
        let line = self.line(first);
        for (at, to) in head.iter_mut().enumerate() {
            *to = line.load(|line| &line.words[1 + at]); // Relaxed: the stamp was acquired.
        }
        for (index, into) in (first + 1..).zip(rest.chunks_mut(8)) {
            let line = self.line(index);
            for (at, to) in into.iter_mut().enumerate() {
                *to = line.load(|line| &line.words[at]); // Relaxed: as above.
            }
        }
        words
    }

    #[inline]
    fn first(&self, sequence: u64) -> ReadOnly<'_, Line> {
        self.line(first_line(sequence, self.layout))
    }

    #[inline]
    fn line(&self, index: usize) -> ReadOnly<'_, Line> {
        let line = self.lines.get(index);
        line.expect(
            "in-range: masked with the slots, and the lines were checked against the layout",
        )
    }
}
