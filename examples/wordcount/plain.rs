//! The same count by one process, as plainly as it can be written: the check, and the measure to compare with.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read};

use crate::chunks::{CHUNK_BYTES, LongWord};
use crate::farm::Counted;
use crate::files::Files;
use crate::tally::is_white;

const BUFFER_BYTES: usize = 64 << 10; // whatever: words may lie across its end

/// What a plain count found.
#[derive(Default)]
pub(crate) struct Plain {
    counts: HashMap<Vec<u8>, u64>,
    total: u64,
    bytes: u64,
    /// What was read of a word.
    word: Vec<u8>,
    /// The same, once it is long.
    long: Option<LongWord>,
}

/// Counts all files.
pub(crate) fn count(files: &Files) -> io::Result<Plain> {
    let mut plain = Plain::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    for file in files.open() {
        plain.count(file?, &mut buffer)?;
    }
    Ok(plain)
}

impl Plain {
    fn count(&mut self, mut file: impl Read, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            let read = match file.read(buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if read == 0 {
                self.end_word();
                return Ok(());
            }
            self.bytes += read as u64;
            let mut pieces = buffer[..read].split(is_white).peekable();
            while let Some(piece) = pieces.next() {
                let is_whole =
                    pieces.peek().is_some() && self.word.is_empty() && self.long.is_none();
                if is_whole {
                    self.add(piece);
                    continue;
                }
                self.extend_word(piece);
                if pieces.peek().is_some() {
                    self.end_word();
                }
            }
        }
    }

    fn add(&mut self, word: &[u8]) {
        if word.is_empty() {
            return; // between two white bytes
        }
        self.total += 1;
        match self.counts.get_mut(word) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(word.to_owned(), 1)),
        }
    }

    fn extend_word(&mut self, piece: &[u8]) {
        if let Some(long) = &mut self.long {
            return long.extend(piece);
        }
        self.word.extend_from_slice(piece);
        if self.word.len() >= CHUNK_BYTES {
            self.long.get_or_insert_default().extend(&self.word);
            self.word.clear();
        }
    }

    fn end_word(&mut self) {
        if let Some(long) = self.long.take() {
            self.word = long.name();
        }
        let word = std::mem::take(&mut self.word);
        self.add(&word);
    }

    /// Compares with what the children counted: the bytes, the total, and each word's count.
    ///
    /// # Errors
    ///
    /// Names the first difference found.
    pub(crate) fn compare(&self, counted: &Counted) -> Result<(), String> {
        let Counted { counts, bytes } = counted;
        if self.bytes != *bytes {
            return Err(format!(
                "the files changed: they had {bytes} bytes, then {}",
                self.bytes
            ));
        }
        if self.total != counts.total() {
            return Err(format!(
                "{} words were counted, and {} in plain",
                counts.total(),
                self.total
            ));
        }
        for (word, count) in counts.iter() {
            let plain = self.counts.get(word).copied().unwrap_or_default();
            if plain != count {
                let word = word.escape_ascii();
                return Err(format!(
                    "\"{word}\" was counted {count} times, and {plain} in plain"
                ));
            }
        }
        Ok(()) // the totals agree, and so does each word: there are no others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: words across a buffer's end, and long ones, are counted whole; method: tiny buffers.
    #[test]
    fn words_lie_across_buffers() {
        let long = [b'x'; CHUNK_BYTES + 5];
        let text = [b"one two  one\n", &long[..], b"\tone"].concat();
        for len in [1, 2, 3, 7, BUFFER_BYTES] {
            let mut plain = Plain::default();
            plain
                .count(&text[..], &mut vec![0; len])
                .expect("reads from memory");
            plain
                .count(&b"one"[..], &mut vec![0; len])
                .expect("reads from memory");
            assert_eq!((plain.total, plain.counts.len()), (6, 3));
            assert_eq!(plain.counts[&b"one"[..]], 4);
        }
    }
}
