//! Payloads that travel in the slots behind their entry: too long for the entry itself, and too short to be worth a block.
//!
//! ```text
//!   entry  w3 w4 w5 | first slot behind it: 7 words | 7 words | ...
//! ```
//!
//! The sender copies them into its queue and the receiver out of it, so neither side has anything to give back: no block, no
//! op of a tell, no completion. Some hundred bytes are copied sooner than a block has gone there and come back.

use core::fmt;

use ringway_shm::words::EntryWords;

/// Words of the payload in the entry itself: what an ask leaves beside its deadline.
const FRONT: usize = 3;
/// Words in each slot behind it.
const SLOT: usize = 7;
/// Slots behind the entry, at most.
const SLOTS_MAX: usize = 9;

/// Slots of an entry and what goes on behind it, at most.
pub(crate) const ENTRY_SLOTS_MAX: u64 = 1 + SLOTS_MAX as u64;

/// Bytes of a payload behind its entry, at most: 528. Beyond some 500 a block is faster, as its bytes are read in place.
pub(crate) const LONG_MAX: usize = (FRONT + SLOTS_MAX * SLOT) * 8;

/// The bytes of a payload, aligned to eight, followed by zeroes up to whole slots.
pub struct Long {
    words: Vec<u64>,
    len: usize,
}

impl Long {
    /// A copy of `payload`; `None` for one that fits the entry, or is longer than [`LONG_MAX`].
    #[inline]
    pub(crate) fn of_bytes(payload: &[u8]) -> Option<Self> {
        let total = words_for(payload.len())?;
        let mut words = Vec::with_capacity(total);
        let (whole, part) = payload.as_chunks::<8>();
        words.extend(whole.iter().map(|bytes| u64::from_ne_bytes(*bytes)));
        if !part.is_empty() {
            let mut last = [0; 8];
            last[..part.len()].copy_from_slice(part);
            words.push(u64::from_ne_bytes(last));
        }
        words.resize(total, 0);
        let len = payload.len();
        Some(Self { words, len })
    }

    /// So many zeroes to be filled; `None` as in [`of_bytes`](Self::of_bytes).
    pub(crate) fn zeroed(len: usize) -> Option<Self> {
        let words = zeroes(words_for(len)?);
        Some(Self { words, len })
    }

    /// A payload that was in an entry and the slots behind it; where it ends, [`cut`](Self::cut) tells.
    #[inline]
    pub(crate) fn of_slots(slots: impl ExactSizeIterator<Item = EntryWords>) -> Self {
        let mut words = zeroes(FRONT + slots.len() * SLOT);
        let (places, _) = words[FRONT..].as_chunks_mut::<SLOT>();
        for (place, slot) in places.iter_mut().zip(slots) {
            *place = slot;
        }
        let len = words.len() * 8;
        Self { words, len }
    }

    /// The words that the entry itself has of it.
    #[inline]
    pub(crate) fn front(&self) -> [u64; FRONT] {
        *self.words.first_chunk().unwrap_or(&[0; FRONT])
    }

    pub(crate) fn set_front(&mut self, words: &EntryWords) {
        let [_, _, _, front @ .., _] = words;
        if let Some(to) = self.words.first_chunk_mut() {
            *to = *front;
        }
    }

    /// The words of the slots behind the entry.
    #[inline]
    pub(crate) fn slots(&self) -> &[EntryWords] {
        self.words.get(FRONT..).unwrap_or_default().as_chunks().0
    }

    /// Bytes in the last slot: 1 to 56.
    #[inline]
    pub(crate) fn last_len(&self) -> u8 {
        let before = (self.words.len() - SLOT) * 8;
        u8::try_from(self.len - before).unwrap_or_default()
    }

    /// Ends the payload after so many bytes in the last slot; `None` for a number of bytes that it cannot have there.
    pub(crate) fn cut(mut self, last_len: usize) -> Option<Self> {
        let before = self.words.len().checked_sub(SLOT)? * 8;
        self.len = before + last_len;
        (1..=SLOT * 8).contains(&last_len).then_some(self)
    }

    /// Keeps the first `len` bytes, if there are more, in as few slots as they take; `None` when they fit the entry.
    pub(crate) fn truncate(&mut self, len: usize) -> Option<()> {
        let total = words_for(len.min(self.len))?;
        self.len = self.len.min(len);
        self.words.truncate(total);
        // Nothing of what was cut off goes along.
        bytemuck::cast_slice_mut::<u64, u8>(&mut self.words)[self.len..].fill(0);
        Some(())
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[..self.len]
    }
}

/// So many zeroes. Not by `vec!`, which asks the allocator for memory that is zero already: of small pieces it is slower.
#[inline]
#[expect(clippy::slow_vector_initialization, reason = "it is not: see above")]
fn zeroes(count: usize) -> Vec<u64> {
    let mut words = Vec::with_capacity(count);
    words.resize(count, 0);
    words
}

/// Words of the entry and the slots behind it that a payload of `len` bytes takes.
#[inline]
fn words_for(len: usize) -> Option<usize> {
    let behind = len.checked_sub(FRONT * 8).filter(|behind| *behind > 0)?;
    (len <= LONG_MAX).then(|| FRONT + behind.div_ceil(SLOT * 8) * SLOT)
}

/// Bytes of the longest payload with so many slots behind its entry; 0 without any.
pub(crate) fn longest(slots: usize) -> usize {
    match slots.min(SLOTS_MAX) {
        0 => 0,
        slots => (FRONT + slots * SLOT) * 8,
    }
}

impl fmt::Debug for Long {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Long({} bytes)", self.len)
    }
}

impl PartialEq for Long {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Long {}

#[cfg(test)]
mod tests {
    // Goal: payloads of every length come out of their slots as they went in, and no other length is taken.
    use super::*;

    #[test]
    fn there_and_back() {
        let bytes: Vec<u8> = (0..1000u16).map(|at| (at % 251) as u8 + 1).collect();
        for len in 0..bytes.len() {
            let payload = &bytes[..len];
            let long = Long::of_bytes(payload);
            assert_eq!(long.is_some(), (25..=LONG_MAX).contains(&len), "{len}");
            assert_eq!(Long::zeroed(len).is_some(), long.is_some());
            let Some(long) = long else { continue };
            assert_eq!((long.len(), long.bytes()), (len, payload));
            assert!((1..=SLOTS_MAX).contains(&long.slots().len()));
            assert!(len <= longest(long.slots().len()) && len > longest(long.slots().len() - 1));
            let mut entry = EntryWords::default();
            entry[3..6].copy_from_slice(&long.front());
            let mut back = Long::of_slots(long.slots().iter().copied());
            back.set_front(&entry);
            assert_eq!(back.cut(long.last_len().into()).unwrap().bytes(), payload);
        }
    }

    #[test]
    fn lengths_that_cannot_be() {
        let long = || Long::of_slots(core::iter::once([7; SLOT]));
        assert!(long().cut(0).is_none() && long().cut(57).is_none());
        assert_eq!(long().cut(56).unwrap().len(), 80);
        assert!(Long::of_slots(core::iter::empty()).cut(1).is_none());
    }

    #[test]
    fn truncated() {
        let mut long = Long::of_bytes(&[9; 500]).unwrap();
        assert!(long.truncate(600).is_some() && long.len() == 500);
        assert!(long.truncate(24).is_none() && long.len() == 500);
        long.truncate(81).unwrap();
        assert_eq!((long.bytes(), long.slots().len()), (&[9; 81][..], 2));
        assert_eq!(long.slots()[1][1..], [0; 6]);
    }
}
