//! Op words: what a submitter says of an op that it has already submitted. A store; it never meets a full queue.
//!
//! A word carries the generation of the op that it speaks of, and flags. An op of which nothing was said has no word: a word
//! of an older generation means 'no flags'. So issuing an op stores nothing, and the line stays in the completer's cache. A
//! word of a newer generation means that the op is over: an index is given out again only when the reply was read.
//!
//! # Invariants
//! - **one-writer**: words are written by the submitter's process alone. Its threads do so at any time (a future may be
//!   dropped anywhere), thus by compare-and-swap among themselves.
//! - **newest**: a word never goes back to an older generation; what is said too late is not said.

use crate::generation::Key;
use crate::mutant::{Mutant, release_unless};
use crate::region::{DefaultKeep, Keep, OwnRecords};
use crate::step;
use crate::sync::{AtomicU64, Ordering::Relaxed};

const CANCELLED: u64 = 1 << 0; // the sender does not want it any more
const REPLY_RELEASED: u64 = 1 << 1; // the sender has read the reply's block
const FORWARDING: u64 = 1 << 2; // about to submit the forward
const FORWARDED: u64 = 1 << 3; // the forward is submitted
const FLAGS: u64 = CANCELLED | REPLY_RELEASED | FORWARDING | FORWARDED;

/// How far the owner of a block has come with a forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// It has not begun.
    Untouched,
    /// It stored this just before the submit: if it dies now, nobody knows.
    Forwarding,
    /// It stored this just after the submit.
    Forwarded,
}

/// What was said of one op; a copy, checked for its generation.
///
/// Of an op that is over, because its index was given out again, it says that its reply is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpWord(u64);

impl OpWord {
    /// What `word` says of the op `key`: nothing, if it speaks of an older one; that it is over, if of a newer one.
    #[inline]
    pub(super) fn of(key: Key, word: u64) -> Self {
        Self(match SpeaksOf::of(word, key) {
            SpeaksOf::This => word & FLAGS,
            SpeaksOf::Older => 0,
            SpeaksOf::Newer => REPLY_RELEASED,
        })
    }

    /// Whether the sender does not want it any more.
    #[inline]
    #[must_use]
    pub fn is_cancelled(self) -> bool {
        self.0 & CANCELLED != 0
    }

    /// Whether the sender has read the reply, so that its block is free.
    #[inline]
    #[must_use]
    pub fn is_reply_released(self) -> bool {
        self.0 & REPLY_RELEASED != 0
    }

    /// How far the owner has come with the forward that was asked for.
    #[must_use]
    pub fn forward(self) -> Forward {
        match self.0 & (FORWARDING | FORWARDED) {
            0 => Forward::Untouched,
            FORWARDING => Forward::Forwarding,
            _ => Forward::Forwarded,
        }
    }
}

/// The submitter's own op words. Shared by its threads, beside any lock.
#[derive(Debug, Clone)]
pub struct OpWords<K = DefaultKeep> {
    words: OwnRecords<AtomicU64, K>,
}

impl<K: Keep> OpWords<K> {
    pub(super) fn new(words: OwnRecords<AtomicU64, K>) -> Self {
        Self { words }
    }

    /// Says that the op is not wanted any more: not begun if it has not, and visible to its handler if it has.
    pub fn cancel(&self, key: Key) {
        self.say(key, CANCELLED);
    }

    /// Says that the reply's block was read and is the completer's again.
    pub fn release_reply(&self, key: Key) {
        self.say(key, REPLY_RELEASED);
        step!("reply-released");
    }

    /// Says that the forward of this op's block is about to be submitted.
    pub fn forwarding(&self, key: Key) {
        self.say(key, FORWARDING);
        step!("forwarding");
    }

    /// Says that the forward of this op's block was submitted.
    pub fn forwarded(&self, key: Key) {
        self.say(key, FORWARDED);
        step!("forwarded");
    }

    /// What was said of the op.
    ///
    /// # Panics
    ///
    /// When the key's index is not below [`len`](Self::len).
    #[must_use]
    pub fn op_word(&self, key: Key) -> OpWord {
        OpWord::of(key, self.word(key).load(Relaxed)) // Relaxed: this side's own word.
    }

    /// How many ops have a word: indices are below this.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a size, fixed by the layout")]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    fn word(&self, key: Key) -> &AtomicU64 {
        &self.words[key.index() as usize]
    }

    fn say(&self, key: Key, flag: u64) {
        let order = release_unless(Mutant::OpWordRelaxed);
        // Release op-word: pairs with the load in `TakeEnd::op_word`. Relaxed on failure: nothing is read through it.
        let _too_late = self
            .word(key)
            .fetch_update(order, Relaxed, |word| said(word, key, flag));
    }
}

/// `word` with `flag` said of `key`; `None` when the word speaks of a newer op already.
fn said(word: u64, key: Key, flag: u64) -> Option<u64> {
    match SpeaksOf::of(word, key) {
        SpeaksOf::This => Some(word | flag),
        SpeaksOf::Older => Some(key.generation() << Key::INDEX_BITS | flag),
        SpeaksOf::Newer => None,
    }
}

/// Which op of an index a word speaks of, seen from one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SpeaksOf {
    Older,
    This,
    Newer,
}

impl SpeaksOf {
    #[inline]
    fn of(word: u64, key: Key) -> Self {
        const HALF: u64 = Key::GENERATION_MAX / 2;
        let generation = word >> Key::INDEX_BITS;
        // Generations go round after 2^44: the newer of two is the one less than half a round ahead.
        match generation.wrapping_sub(key.generation()) & Key::GENERATION_MAX {
            0 => Self::This,
            1..=HALF if generation != 0 => Self::Newer,
            _ => Self::Older,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_add_up_within_a_generation() {
        let key = Key::new(3, 9);
        let word = said(said(0, key, FORWARDING).unwrap(), key, CANCELLED).unwrap();
        let word = OpWord::of(key, word);
        assert!(word.is_cancelled() && !word.is_reply_released());
        assert_eq!(word.forward(), Forward::Forwarding);
    }

    #[test]
    fn an_older_generation_says_nothing() {
        let word = said(0, Key::new(3, 9), CANCELLED | REPLY_RELEASED).unwrap();
        for generation in [10, 11, Key::GENERATION_MAX / 2] {
            assert_eq!(OpWord::of(Key::new(3, generation), word), OpWord(0));
            assert_eq!(OpWord::of(Key::new(3, generation), 0), OpWord(0));
        }
    }

    // Goal: who looks late learns that a reply was released, whatever was said of the index's later ops.
    #[test]
    fn a_newer_generation_says_that_the_op_is_over() {
        let word = said(0, Key::new(3, 9), CANCELLED).unwrap();
        for generation in [1, 8, Key::GENERATION_MAX] {
            let over = OpWord::of(Key::new(3, generation), word);
            assert!(over.is_reply_released() && !over.is_cancelled());
            assert_eq!(over.forward(), Forward::Untouched);
        }
    }

    #[test]
    fn what_is_said_too_late_is_not_said() {
        let old = Key::new(3, Key::GENERATION_MAX);
        let new = old.next();
        let word = said(said(0, old, CANCELLED).unwrap(), new, CANCELLED).unwrap();
        assert!(
            OpWord::of(new, word).is_cancelled(),
            "a newer op replaces an older, round the end"
        );
        assert_eq!(said(word, old, REPLY_RELEASED), None);
    }
}
