//! Cuts files into chunks that end at white space, so that every word is counted in one piece.
//!
//! Bytes go from the file straight to the chunk that its caller lends. What follows the last white space, less than a
//! word, is carried to the front of the next chunk. The end of a file ends its last word.
//!
//! A word as long as a chunk, or longer, is in no chunk: it is read past, in a chunk's memory, and known by its first
//! bytes, its length and a hash ([`LongWord`]).

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read};

use crate::counts::Counts;
use crate::tally::is_white;

/// Bytes of a chunk: fits a second-level cache beside a table, and takes a hundred times as long to count as to send.
pub(crate) const CHUNK_BYTES: usize = 256 << 10;

const SHOWN_BYTES: usize = 32; // how much of a long word its name shows

/// The chunks of several sources, one after the other.
pub(crate) struct Chunks<S: Iterator, R> {
    sources: std::iter::Fuse<S>,
    source: Option<R>,
    /// The begin of a word whose end was not in the last chunk.
    carry: Vec<u8>,
    long_words: BTreeMap<Vec<u8>, u64>,
    bytes: u64,
}

impl<S: Iterator<Item = io::Result<R>>, R: Read> Chunks<S, R> {
    /// Cuts what the sources hold.
    pub(crate) fn of(sources: impl IntoIterator<IntoIter = S>) -> Self {
        Self {
            sources: sources.into_iter().fuse(),
            source: None,
            carry: Vec::new(),
            long_words: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Fills `chunk` with whole words and white space; returns how many bytes of it are filled, 0 at the end.
    ///
    /// All chunks must have the same length.
    ///
    /// # Errors
    ///
    /// A source cannot be opened or read.
    pub(crate) fn fill(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        let mut filled = self.carry.len();
        chunk[..filled].copy_from_slice(&self.carry);
        self.carry.clear();
        loop {
            filled += self.read(&mut chunk[filled..])?;
            if filled < chunk.len() {
                return Ok(filled); // the end, and that is white space
            }
            if let Some(last) = chunk.iter().rposition(is_white) {
                self.carry.extend_from_slice(&chunk[last + 1..]);
                return Ok(last + 1);
            }
            filled = self.pass_long_word(chunk)?;
        }
    }

    /// Reads past the word whose begin fills `chunk`; returns how many bytes after it were read, now in front.
    fn pass_long_word(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        let mut word = LongWord::default();
        word.extend(chunk);
        loop {
            let filled = self.read(chunk)?;
            let end = chunk[..filled].iter().position(is_white);
            word.extend(&chunk[..end.unwrap_or(filled)]);
            if end.is_some() || filled < chunk.len() {
                let end = end.unwrap_or(filled);
                *self.long_words.entry(word.name()).or_default() += 1;
                chunk.copy_within(end..filled, 0);
                return Ok(filled - end);
            }
        }
    }

    /// Reads until `bytes` is full or all sources have ended, each with a line's end.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < bytes.len() {
            let Some(source) = &mut self.source else {
                match self.sources.next() {
                    Some(source) => self.source = Some(source?),
                    None => break,
                }
                continue;
            };
            match source.read(&mut bytes[filled..]) {
                Ok(0) => {
                    bytes[filled] = b'\n';
                    filled += 1;
                    self.source = None;
                }
                Ok(read) => {
                    filled += read;
                    self.bytes += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Returns how many bytes were read.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the words that were in no chunk, by their [names](LongWord::name).
    pub(crate) fn long_words(&self) -> Counts {
        let mut counts = Counts::default();
        self.long_words
            .iter()
            .for_each(|(name, count)| counts.push(&[name], *count));
        counts
    }
}

/// A word of [`CHUNK_BYTES`] or more, however long: all that is kept of it.
pub(crate) struct LongWord {
    shown: Vec<u8>,
    len: u64,
    hash: u64,
}

impl Default for LongWord {
    fn default() -> Self {
        Self {
            shown: Vec::new(),
            len: 0,
            hash: 0xcbf2_9ce4_8422_2325,
        }
    }
}

impl LongWord {
    /// Adds the bytes that follow. The hash is FNV-1a: the same wherever the word is cut.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        let shown = bytes
            .len()
            .min(SHOWN_BYTES.saturating_sub(self.shown.len()));
        self.shown.extend_from_slice(&bytes[..shown]);
        self.len += bytes.len() as u64;
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// What the word is counted as. It contains spaces, so it is no other word.
    pub(crate) fn name(&self) -> Vec<u8> {
        let rest = format!("... ({} bytes, hash {:016x})", self.len, self.hash);
        [&self.shown[..], rest.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: usize = 8;

    /// What comes out of chunks of 8 bytes: their words, joined by `|` within a chunk and `/` between them, and the long ones.
    fn cut(sources: &[&[u8]]) -> (String, Vec<String>) {
        let mut chunks = Chunks::of(sources.iter().map(|source| Ok(*source)));
        let mut cut = Vec::new();
        loop {
            let mut chunk = [b'!'; CHUNK];
            let filled = chunks.fill(&mut chunk).expect("reads from memory");
            if filled == 0 {
                break;
            }
            assert!(is_white(&chunk[filled - 1]), "{:?}", chunk.escape_ascii());
            let words = chunk[..filled]
                .split(is_white)
                .filter(|word| !word.is_empty());
            cut.push(
                words
                    .map(|word| word.escape_ascii().to_string())
                    .collect::<Vec<_>>()
                    .join("|"),
            );
        }
        assert_eq!(
            chunks.fill(&mut [0; CHUNK]).expect("reads from memory"),
            0,
            "once more at the end"
        );
        assert_eq!(
            chunks.bytes(),
            sources
                .iter()
                .map(|source| source.len() as u64)
                .sum::<u64>()
        );
        let long = chunks.long_words();
        let long = long
            .iter()
            .map(|(word, count)| format!("{count} {}", word.escape_ascii()));
        (cut.join("/"), long.collect())
    }

    // Goal: no word is cut, whether it ends before, at or after a chunk's end.
    #[test]
    fn words_stay_whole() {
        for (source, expected) in [
            ("", ""),
            ("a", "a"),
            ("abc def ", "abc|def/"),
            ("abc defg h", "abc/defg|h"),
            ("abc defghij k", "abc/defghij/k"),
            ("abcdefg", "abcdefg"),
            ("abcdefg h", "abcdefg/h"),
            ("          a", "/a"),
            (" abcdefg a", "/abcdefg/a"),
        ] {
            let (cut, long) = cut(&[source.as_bytes()]);
            assert_eq!(cut, expected, "{source:?}");
            assert!(long.is_empty(), "{source:?}: {long:?}");
        }
    }

    // Goal: the end of a file ends its last word, in a chunk and at its end; empty files are nothing.
    #[test]
    fn files_end_words() {
        assert_eq!(cut(&[b"ab", b"", b"cd"]).0, "ab|cd");
        assert_eq!(cut(&[b"abcdefg", b"h"]).0, "abcdefg/h");
        assert_eq!(cut(&[b"", b"", b""]).0, "/".repeat(0));
    }

    // Goal: a word that no chunk holds is counted once, with its length, wherever it lies, and what is around it too.
    #[test]
    fn long_words_are_passed() {
        let word = "0123456789abcdef0123456789";
        for len in CHUNK..=word.len() {
            for before in ["", "a ", "abcdefg "] {
                let text = format!("{before}{} z", &word[..len]);
                let (cut, long) = cut(&[text.as_bytes(), b"y"]);
                let words: Vec<_> = cut
                    .split(['/', '|'])
                    .filter(|word| !word.is_empty())
                    .collect();
                let mut expected: Vec<_> = before.split_whitespace().collect();
                expected.extend(["z", "y"]);
                assert_eq!(words, expected, "{text:?}");
                assert_eq!(long.len(), 1, "{text:?}");
                assert!(
                    long[0].starts_with(&format!("1 {}... ({len} bytes", &word[..len])),
                    "{long:?}"
                );
            }
        }
        let twice = cut(&[b"0123456789", b"x 0123456789\t0123456780"]);
        assert_eq!(twice.1.len(), 2);
        assert!(twice.1[1].starts_with("2 0123456789"), "{:?}", twice.1);
    }

    // Goal: an error in the middle comes out.
    #[test]
    fn errors_come_out() {
        let sources = [Ok(&b"abc"[..]), Err(io::Error::other("gone"))];
        let error = Chunks::of(sources)
            .fill(&mut [0; CHUNK])
            .expect_err("the second source");
        assert_eq!(error.to_string(), "gone");
    }
}
