//! Words in order, each with its count: what a child hands over page by page, and what the pages add up to.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ringway::prelude::*;

/// Words in the order of their bytes, each once, with how often it was seen.
#[derive(Message, Serialize, Deserialize, Default, Debug, PartialEq)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
pub(crate) struct Counts {
    /// The words, one after the other.
    text: Vec<u8>,
    /// For each word, where it ends in the text.
    ends: Vec<usize>,
    counts: Vec<u64>,
}

impl Counts {
    /// Appends a word, given in parts, that comes after all others.
    pub(crate) fn push(&mut self, parts: &[&[u8]], count: u64) {
        parts
            .iter()
            .for_each(|part| self.text.extend_from_slice(part));
        self.ends.push(self.text.len());
        self.counts.push(count);
    }

    /// Appends words that come after all others.
    pub(crate) fn append(&mut self, more: &Self) {
        more.iter()
            .for_each(|(word, count)| self.push(&[word], count));
    }

    /// Adds up the counts of each word.
    pub(crate) fn merge(parts: &[Self]) -> Self {
        let mut merged = Self::default();
        let mut parts: Vec<_> = parts.iter().map(|part| part.iter().peekable()).collect();
        while let Some(word) = parts
            .iter_mut()
            .filter_map(|part| Some(part.peek()?.0))
            .min()
        {
            let counts = parts
                .iter_mut()
                .filter_map(|part| part.next_if(|next| next.0 == word));
            let count = counts.map(|(_, count)| count).sum();
            merged.push(&[word], count);
        }
        merged
    }

    /// Returns the words and their counts, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let starts = std::iter::once(&0).chain(&self.ends);
        let words = starts
            .zip(&self.ends)
            .map(|(&start, &end)| &self.text[start..end]);
        words.zip(self.counts.iter().copied())
    }

    /// Returns the `most` most frequent words, the most frequent first; of equally frequent ones, those first in order.
    pub(crate) fn top(&self, most: usize) -> Vec<(&[u8], u64)> {
        let mut best = BinaryHeap::new();
        for (word, count) in self.iter() {
            best.push(Reverse((count, Reverse(word))));
            if best.len() > most {
                best.pop();
            }
        }
        let best = best.into_sorted_vec().into_iter();
        best.map(|Reverse((count, Reverse(word)))| (word, count))
            .collect()
    }

    /// Returns the number of different words.
    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }

    /// Tells whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Returns how many words were seen, each as often as it was.
    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns the bytes of all words together.
    pub(crate) fn text_len(&self) -> usize {
        self.text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(words: &[(&str, u64)]) -> Counts {
        let mut counts = Counts::default();
        words
            .iter()
            .for_each(|(word, count)| counts.push(&[word.as_bytes()], *count));
        counts
    }

    // Goal: each word of any part stands once in the sum, in order.
    #[test]
    fn merge_adds_up() {
        let left = counts(&[("a", 1), ("c", 2), ("d", 3)]);
        let right = counts(&[("a", 10), ("b", 20), ("d", 30), ("e", 40)]);
        let sum = counts(&[("a", 11), ("b", 20), ("c", 2), ("d", 33), ("e", 40)]);
        assert_eq!(Counts::merge(&[left, Counts::default(), right]), sum);
        assert_eq!((sum.len(), sum.total(), sum.text_len()), (5, 106, 5));
        assert!(Counts::merge(&[]).is_empty());
    }

    // Goal: the most frequent come first, and among equals the order of words decides who stays.
    #[test]
    fn top_is_by_count_then_word() {
        let counts = counts(&[("a", 1), ("b", 5), ("c", 1), ("d", 7), ("e", 1)]);
        let top: Vec<_> = counts
            .top(3)
            .into_iter()
            .map(|(word, count)| (word[0], count))
            .collect();
        assert_eq!(top, [(b'd', 7), (b'b', 5), (b'a', 1)]);
        assert_eq!(counts.top(9).len(), 5);
    }
}
