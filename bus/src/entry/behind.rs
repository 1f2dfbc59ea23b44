//! Plain values in a row of words: an entry, and behind it what it has no room for. What [`seal`](EntryToken::seal) and
//! [`verify_long`](EntryToken::verify_long) make of the same through larger forms, which are written and read back at once.
//!
//! ```text
//!   word  0    1     2      3..6       6   7..
//!         op   type  bits   payload    -   payload, in slots of 7 words
//! ```

use super::seal::second_word;
use super::{BEHIND, EntryHeader, EntryToken, Expected};
use crate::envelope::{EnvelopeKind, Plain};
use crate::token::Signature;

/// Where a payload begins, and how many bytes of it the entry has.
const FRONT_AT: usize = 3;
const FRONT: usize = 24;
/// Words of an entry, and of a slot behind it.
const SLOT: usize = 7;

/// Words that an entry and a payload behind it take; the payload has more bytes than an entry's front has.
const fn words_for(len: usize) -> usize {
    SLOT + (len - FRONT).div_ceil(SLOT * 8) * SLOT
}

impl EntryToken {
    /// Writes a plain submission, and its payload of more than 24 bytes. Returns how many words it takes; `None` when there are
    /// not as many, or the payload is no longer than that.
    #[inline]
    pub(crate) fn write_behind(
        header: EntryHeader,
        signature: Signature,
        payload: &[u8],
        words: &mut [u64],
    ) -> Option<usize> {
        if payload.len() <= FRONT {
            return None;
        }
        let count = words_for(payload.len());
        let words = words.get_mut(..count)?;
        let (front, rest) = payload.split_at(FRONT);
        let last = rest.len() - (count - 2 * SLOT) * 8;
        words[0] = 0;
        words[1] = signature.type_id.to_bits();
        // At most 56, as the slots are counted from the length.
        words[2] = second_word::<Plain>(signature)
            | (u64::from(BEHIND) | last as u64) << 24
            | u64::from(header.kind.to_bits());
        words[SLOT - 1] = 0;
        bytemuck::cast_slice_mut(&mut words[FRONT_AT..FRONT_AT + 3]).copy_from_slice(front);
        let behind: &mut [u8] = bytemuck::cast_slice_mut(&mut words[SLOT..]);
        let (filled, left) = behind.split_at_mut(rest.len());
        filled.copy_from_slice(rest);
        left.fill(0);
        Some(count)
    }

    /// The payload of a plain submission in these words, `slots` of them behind the entry, and what it is. The words are its: it is
    /// moved together in them. `None` says no more than that it takes [`verify_long`](Self::verify_long) to tell, and that the words
    /// are as before.
    #[inline]
    pub(crate) fn find_behind<'w>(
        words: &'w mut [u64],
        slots: usize,
        expected: Expected<'_>,
    ) -> Option<&'w [u8]> {
        let entry = Self::of_words(words.first_chunk()?);
        if entry.has_block() || entry.envelope() != Some(EnvelopeKind::Plain) || slots == 0 {
            return None;
        }
        entry.kind()?;
        expected.check(entry.signature().ok()?).ok()?;
        let last = usize::from(entry.byte(3).checked_sub(BEHIND)?);
        if !(1..=SLOT * 8).contains(&last) {
            return None;
        }
        let len = FRONT + (slots - 1) * SLOT * 8 + last;
        let payload = words.get_mut(FRONT_AT..FRONT_AT + 1 + len.div_ceil(8))?;
        payload.copy_within(..FRONT / 8, 1);
        bytemuck::cast_slice(&payload[1..]).get(..len)
    }

    /// Undoes what [`find_behind`](Self::find_behind) has done to words in which it has found a payload.
    #[cold]
    pub(crate) fn put_back_front(words: &mut [u64]) {
        words.copy_within(FRONT_AT + 1..FRONT_AT + 1 + FRONT / 8, FRONT_AT);
    }
}

#[cfg(test)]
mod tests {
    // Goal: the short way writes what the long way reads, and reads what the long way writes, for every length; and takes nothing
    // that the long way refuses.
    use ringway_shm::words::EntryWords;

    use super::*;
    use crate::entry::EntryKind;
    use crate::message::SemanticsCode;
    use crate::token::{Long, longest};

    const HEADER: EntryHeader = EntryHeader::new(EntryKind::Tell, None);

    fn signature() -> Signature {
        Signature {
            type_id: crate::message::TypeId::from_bits(77).unwrap(),
            schema_tag: 5,
            semantics: SemanticsCode::MOVE,
        }
    }

    fn bytes(len: usize) -> Vec<u8> {
        (1..=251).cycle().take(len).collect()
    }

    fn written(payload: &[u8]) -> Option<(Vec<u64>, usize)> {
        let mut words = vec![u64::MAX; 70];
        let count = EntryToken::write_behind(HEADER, signature(), payload, &mut words)?;
        Some((words, count))
    }

    fn pieces(words: &[u64]) -> (EntryToken, Long) {
        let (slots, _) = words.as_chunks::<7>();
        let entry: EntryWords = slots[0];
        (
            EntryToken::from_words(entry),
            Long::of_slots(slots[1..].iter().copied()),
        )
    }

    #[test]
    fn the_two_ways_agree() {
        let signature = signature();
        let most = longest(9);
        for len in 0..most + 20 {
            let payload = bytes(len);
            let Some((mut words, count)) = written(&payload) else {
                assert!(len <= FRONT || len > most, "{len}");
                continue;
            };
            let (entry, long) = pieces(&words[..count]);
            let verified = entry.verify_long(Expected::OneOf(&[signature]), long);
            assert_eq!(verified.unwrap().bytes(), payload, "{len}");
            assert!(words[count..].iter().all(|word| *word == u64::MAX));
            // What is left of the last slot says nothing of what stood there.
            let used = 7 * 8 + (len - FRONT);
            let all: &[u8] = bytemuck::cast_slice(&words[..count]);
            assert!(all[used..].iter().all(|byte| *byte == 0), "{len}");

            let slots = count / 7 - 1;
            let expected = Expected::OneOf(std::slice::from_ref(&signature));
            let before = words.clone();
            let found = EntryToken::find_behind(&mut words, slots, expected);
            assert_eq!(found, Some(&payload[..]), "{len}");
            EntryToken::put_back_front(&mut words);
            assert_eq!(words[..6], before[..6]);
            assert_eq!(words[7..], before[7..]);
        }
    }

    #[test]
    fn what_the_long_way_refuses_is_not_found() {
        let signature = signature();
        let (words, count) = written(&bytes(100)).unwrap();
        let slots = count / 7 - 1;
        // Every value of every byte that says what it is.
        for at in 8..24 {
            for value in 0..=u8::MAX {
                let mut words = words.clone();
                bytemuck::cast_slice_mut::<u64, u8>(&mut words)[at] = value;
                let before = words.clone();
                let (entry, long) = pieces(&words[..count]);
                let expected = Expected::OneOf(std::slice::from_ref(&signature));
                let known = entry.verify_long(expected, long).ok();
                let found = EntryToken::find_behind(&mut words, slots, expected);
                let found = found.map(<[u8]>::to_vec);
                assert_eq!(found, known.map(|it| it.bytes().to_vec()), "{at} {value}");
                if found.is_none() {
                    assert_eq!(words, before);
                }
            }
        }
        for slots in [0, 10, 100] {
            let mut words = words.clone();
            let expected = Expected::OneOf(std::slice::from_ref(&signature));
            assert_eq!(
                EntryToken::find_behind(&mut words[..14], slots, expected),
                None
            );
        }
    }
}
