//! A tally: words and how often each was seen, counted where they lie.
//!
//! Words are runs of bytes between ASCII white space. Eight bytes are looked at together: most words end within them
//! and are found by comparing two numbers. Nothing is copied but the first sight of a longer word.
//!
//! The table is open addressing with linear probing, half of it vacant. Source of the byte tests: Lamport, "Multiple
//! byte processing with full-word instructions" (CACM 18:8, 1975).

use std::cmp::Ordering;
use std::hash::{BuildHasher, RandomState};

use crate::counts::Counts;

/// The longest word that a tally can hold, in bytes: its length takes the low bits of a tag.
pub(crate) const WORD_MAX: usize = (1 << TAG_LEN_BITS) - 1;

const LANE: usize = 8; // bytes looked at together
const ONES: u64 = 0x0101_0101_0101_0101; // 1 in every byte
const HIGH: u64 = 0x8080_8080_8080_8080; // the high bit of every byte
const TAG_LEN_BITS: u32 = 24; // the other 40 are of the hash: slots for 2^40 words
const SLOTS_FIRST: usize = 1 << 12; // 128 KiB: fits the second-level cache beside the text
const MIX: u64 = 0x9e37_79b9_7f4a_7c15; // 2^64 over the golden ratio: odd, bits without pattern

/// Tells whether `byte` separates words, as `isspace` does in the C locale.
pub(crate) fn is_white(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// How often each word was seen.
pub(crate) struct Tally {
    slots: Vec<Slot>,
    /// What longer words have beyond their first eight bytes.
    rests: Vec<u8>,
    distinct: usize,
    /// Makes it hard to write a text of words that collide.
    seed: u64,
}

/// A word and its count; vacant while that is 0.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// The first eight bytes, the first lowest, zero beyond the word.
    head: u64,
    tag: Tag,
    /// Where the rest begins, for a word longer than eight bytes.
    rest: usize,
    count: u64,
}

/// Bits of a word's hash above its length.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Tag(u64);

impl Default for Tally {
    fn default() -> Self {
        let seed = RandomState::new().hash_one(MIX);
        Self {
            slots: vec![Slot::default(); SLOTS_FIRST],
            rests: Vec::new(),
            distinct: 0,
            seed,
        }
    }
}

impl Tally {
    /// Counts the words of `text`, in place, and returns their number. Its ends separate words, too.
    ///
    /// # Panics
    ///
    /// A word is longer than [`WORD_MAX`].
    pub(crate) fn count(&mut self, text: &[u8]) -> u64 {
        let mut words = 0;
        let mut at = 0;
        while at < text.len() {
            let bytes = lane(text, at);
            let white = white_in(bytes);
            let len = first(white);
            if len == 0 {
                at += first(!white & HIGH); // a run of white space
                continue;
            }
            if len < LANE {
                let head = bytes & below(len);
                self.add(head, &[], Tag::new(mix(self.seed, head), len));
                at += len + 1;
            } else {
                at += self.count_long(bytes, &text[at..]) + 1;
            }
            words += 1;
        }
        words
    }

    /// Counts the word of eight bytes or more that begins `text`; returns its length.
    fn count_long(&mut self, head: u64, text: &[u8]) -> usize {
        let mut hash = mix(self.seed, head);
        let mut len = LANE;
        loop {
            let bytes = lane(text, len);
            let more = first(white_in(bytes));
            hash = mix(hash, bytes & below(more));
            len += more;
            if more < LANE {
                break;
            }
        }
        assert!(len <= WORD_MAX, "a word of {len} bytes");
        self.add(head, &text[LANE..len], Tag::new(hash, len));
        len
    }

    fn add(&mut self, head: u64, rest: &[u8], tag: Tag) {
        let mask = self.slots.len() - 1;
        let mut at = tag.place(mask);
        loop {
            let slot = &mut self.slots[at];
            if slot.tag == tag
                && slot.head == head
                && (rest.is_empty() || self.rests[slot.rest..].starts_with(rest))
            {
                slot.count += 1;
                return;
            }
            if slot.count == 0 {
                *slot = Slot {
                    head,
                    tag,
                    rest: self.rests.len(),
                    count: 1,
                };
                self.rests.extend_from_slice(rest);
                return self.added();
            }
            at = (at + 1) & mask;
        }
    }

    /// Keeps half of the slots vacant: a word is then found at the first look, mostly.
    fn added(&mut self) {
        self.distinct += 1;
        if self.distinct <= self.slots.len() / 2 {
            return;
        }
        let wider = vec![Slot::default(); self.slots.len() * 2];
        let mask = wider.len() - 1;
        for slot in std::mem::replace(&mut self.slots, wider) {
            if slot.count > 0 {
                let mut at = slot.tag.place(mask);
                while self.slots[at].count > 0 {
                    at = (at + 1) & mask;
                }
                self.slots[at] = slot;
            }
        }
    }

    /// Puts the words in order; from then on it can only be read.
    pub(crate) fn sort(mut self) -> Sorted {
        self.slots.retain(|slot| slot.count > 0);
        let rests = &self.rests;
        self.slots
            .sort_unstable_by(|left, right| left.cmp(right, rests));
        Sorted {
            slots: self.slots,
            rests: self.rests,
        }
    }
}

/// A tally in the order of its words.
pub(crate) struct Sorted {
    slots: Vec<Slot>,
    rests: Vec<u8>,
}

impl Sorted {
    /// Copies the words from the `at`-th on, as many as have `bytes_max` bytes of text; one at least, while there are any.
    pub(crate) fn page(&self, at: usize, bytes_max: usize) -> Counts {
        let mut page = Counts::default();
        for slot in self.slots.get(at..).unwrap_or_default() {
            let head = slot.head.to_le_bytes();
            page.push(
                &[&head[..slot.tag.len().min(LANE)], slot.rest(&self.rests)],
                slot.count,
            );
            if page.text_len() >= bytes_max {
                break;
            }
        }
        page
    }
}

impl Slot {
    fn rest<'a>(&self, rests: &'a [u8]) -> &'a [u8] {
        let len = self.tag.len().saturating_sub(LANE);
        &rests[self.rest..self.rest + len]
    }

    /// The order of the words' bytes.
    fn cmp(&self, other: &Self, rests: &[u8]) -> Ordering {
        // Short words are followed by zeros here: words that differ in such zeros only are told apart by length.
        let heads = self.head.swap_bytes().cmp(&other.head.swap_bytes());
        heads
            .then_with(|| self.rest(rests).cmp(other.rest(rests)))
            .then_with(|| self.tag.len().cmp(&other.tag.len()))
    }
}

impl Tag {
    fn new(hash: u64, len: usize) -> Self {
        Self(hash << TAG_LEN_BITS | len as u64)
    }

    #[expect(clippy::cast_possible_truncation, reason = "24 bits")]
    fn len(self) -> usize {
        (self.0 & WORD_MAX as u64) as usize
    }

    /// Where to look first, in a table of `mask + 1` slots.
    fn place(self, mask: usize) -> usize {
        (self.0 >> TAG_LEN_BITS) as usize & mask
    }
}

/// Eight bytes of `text`, the first lowest; white space beyond its end.
fn lane(text: &[u8], at: usize) -> u64 {
    let text = &text[at.min(text.len())..];
    let bytes = text.first_chunk().copied().unwrap_or_else(|| {
        let mut bytes = [b' '; LANE];
        bytes[..text.len()].copy_from_slice(text);
        bytes
    });
    u64::from_le_bytes(bytes)
}

/// The high bit of every byte that is white space.
fn white_in(bytes: u64) -> u64 {
    let low = bytes & !HIGH; // no sum below carries into the next byte
    let from_tab = low + ONES * (0x80 - b'\t' as u64);
    let past_return = low + ONES * (0x80 - b'\r' as u64 - 1);
    let not_blank = (low ^ (ONES * b' ' as u64)) + ONES * 0x7f;
    (from_tab & !past_return | !not_blank) & !bytes & HIGH
}

/// How many bytes come before the first one marked by its high bit; eight without a mark.
fn first(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

/// All bits of the first `len` bytes.
fn below(len: usize) -> u64 {
    if len < LANE {
        (1 << (8 * len)) - 1
    } else {
        u64::MAX
    }
}

/// Folds eight more bytes into a hash: both halves of a product.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the halves are taken apart"
)]
fn mix(hash: u64, bytes: u64) -> u64 {
    let product = u128::from(hash ^ bytes) * u128::from(MIX);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn by_hand(text: &[u8]) -> BTreeMap<&[u8], u64> {
        let mut counts = BTreeMap::new();
        for word in text.split(is_white).filter(|word| !word.is_empty()) {
            *counts.entry(word).or_default() += 1;
        }
        counts
    }

    fn assert_counts(text: &[u8]) {
        let mut tally = Tally::default();
        let words = tally.count(text);
        let expected = by_hand(text);
        assert_eq!(
            words,
            expected.values().sum::<u64>(),
            "{:?}",
            text.escape_ascii()
        );
        let page = tally.sort().page(0, usize::MAX);
        let found: Vec<_> = page.iter().collect();
        assert_eq!(
            found,
            expected.into_iter().collect::<Vec<_>>(),
            "{:?}",
            text.escape_ascii()
        );
    }

    // Goal: every byte is white space where `isspace` says so, at every place of a lane.
    #[test]
    fn white_space_is_that_of_the_c_locale() {
        for byte in 0..=u8::MAX {
            assert_eq!(
                is_white(&byte),
                b" \t\n\x0b\x0c\r".contains(&byte),
                "{byte}"
            );
            for at in 0..LANE {
                for other in [b'a', 0, 0x80, 0xff] {
                    let mut bytes = [other; LANE];
                    bytes[at] = byte;
                    let expected = if is_white(&byte) { 0x80 << (8 * at) } else { 0 };
                    assert_eq!(white_in(u64::from_le_bytes(bytes)), expected, "{bytes:?}");
                }
            }
        }
    }

    // Goal: words are told apart at every length around a lane's, with zeros and bytes that are no text.
    #[test]
    fn words_of_every_length() {
        for len in 1..=40 {
            let word = vec![b'w'; len];
            let zero = [&word[..], b"\0"].concat();
            let text = [
                &word[..],
                b" \t",
                &zero,
                b"\n",
                &word,
                b"\x0b\x0c\r",
                &zero[1..],
            ]
            .concat();
            assert_counts(&text);
        }
        assert_counts(b"");
        assert_counts(b" \n ");
        assert_counts(b"\xff\xfe \x80 \xc3\xa9 \xff\xfe x\x85y x\xa0y");
        assert_counts(b"abcdefgh abcdefghi abcdefgh\0 abcdefg abcdefg\0");
    }

    // Goal: the table grows without losing a count; method: pseudo-random bytes with few white ones.
    #[test]
    fn many_words() {
        let mut state = 1_u64;
        let text: Vec<u8> = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let byte = state.to_be_bytes()[0];
            if byte < 40 { b' ' } else { byte % 6 + b'a' }
        })
        .take(1 << 20)
        .collect();
        assert_counts(&text);
    }

    // Goal: pages in turn give every word once.
    #[test]
    fn pages_follow_each_other() {
        let mut tally = Tally::default();
        tally.count(b"one two three four five six seven eight nine ten one");
        let sorted = tally.sort();
        let whole: Vec<_> = sorted
            .page(0, usize::MAX)
            .iter()
            .map(|(word, count)| (word.to_vec(), count))
            .collect();
        let mut pieces = Vec::new();
        loop {
            let page = sorted.page(pieces.len(), 8);
            if page.is_empty() {
                break;
            }
            pieces.extend(page.iter().map(|(word, count)| (word.to_vec(), count)));
        }
        assert_eq!(pieces, whole);
    }
}
