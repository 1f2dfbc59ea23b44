//! Entries: the 56 bytes that travel on a lane, and the only way from them to a token.
//!
//! ```text
//!   w0  op: its key, 0 for none
//!   w1  type id
//!   w2  kind and flags u8 | envelope u8 | semantics u8 | inline length u8 | schema tag u32
//!   w3  payload . . . . . . .   or  segment
//!   w4  . . . . . . . . . . .       offset
//!   w5  . . . . . . . . . . .       length
//!   w6  . . . . . . . . . . .   or, for asks, the deadline; for a checked tell, the checksum
//! ```
//!
//! The payload of a plain submission may go on in the slots behind its entry: it begins in w3 to w5, and the inline length is
//! 128 and the number of bytes in the last slot.
//!
//! Everything in an entry is its sender's allegation. `EntryToken::verify` checks all of it before anything else looks:
//! nothing that a peer writes makes this process panic, or read where it should not.

mod behind;
mod kind;
mod seal;
#[cfg(test)]
mod tests;
mod verify;

use core::fmt;

use bytemuck::{Pod, Zeroable};
use ringway_shm::generation::Key;
use ringway_shm::words::EntryWords;

pub use self::kind::EntryKind;
#[allow(unused_imports, reason = "used by the layer above")]
pub(crate) use self::seal::{Beside, EntryHeader, Sealed, Unsealed};
#[allow(unused_imports, reason = "used by the layer above")]
pub(crate) use self::verify::{Expected, Found};
pub use self::verify::{Segments, Trust, Verified, VerifyError};
use crate::envelope::EnvelopeKind;
use crate::message::{SemanticsCode, TypeId};

/// The payload lies in a block.
const BLOCK: u8 = 0x40;
/// Of an inline length: the payload goes on in the slots behind the entry, and the rest of it counts those in the last.
const BEHIND: u8 = 0x80;
/// Of a completion: the block is still lent, another completion follows.
const MORE: u8 = 0x80;

/// The words of an entry: plain data, not checked.
#[derive(Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct EntryToken(EntryWords);

impl EntryToken {
    /// An entry of these words, whatever they are.
    #[inline]
    pub fn from_words(words: EntryWords) -> Self {
        Self(words)
    }

    /// The words.
    #[inline]
    pub fn words(&self) -> &EntryWords {
        &self.0
    }

    /// Where words are copied to, whatever they are.
    #[inline]
    pub(crate) fn words_mut(&mut self) -> &mut EntryWords {
        &mut self.0
    }

    /// The entry of these words, where they are.
    #[inline]
    pub(crate) fn of_words(words: &EntryWords) -> &Self {
        bytemuck::cast_ref(words)
    }

    /// The op of a submission, or that a completion answers; `None` for an inline tell.
    #[inline]
    pub fn op(&self) -> Option<Key> {
        Key::from_bits(self.0[0])
    }

    /// The message's type; `None` for 0.
    #[inline]
    pub fn type_id(&self) -> Option<TypeId> {
        TypeId::from_bits(self.0[1])
    }

    /// What is wanted or answered; `None` for a byte that means nothing.
    #[inline]
    pub fn kind(&self) -> Option<EntryKind> {
        EntryKind::from_bits(self.byte(0) & !(BLOCK | MORE))
    }

    /// Whether an answer is wanted.
    #[inline]
    pub fn is_ask(&self) -> bool {
        // Asked of each entry: without a look at all the others.
        self.byte(0) & !(BLOCK | MORE) == EntryKind::Ask.to_bits()
    }

    /// Whether the payload lies in a block.
    #[inline]
    pub fn has_block(&self) -> bool {
        self.byte(0) & BLOCK != 0
    }

    /// Of a completion: whether the submission's block is still lent, so that another completion follows.
    #[inline]
    pub fn has_more(&self) -> bool {
        self.byte(0) & MORE != 0
    }

    /// When the answer to an ask is no longer waited for, in nanoseconds of CLOCK_MONOTONIC; 0 for none.
    #[inline]
    pub fn deadline(&self) -> u64 {
        if self.is_ask() { self.0[6] } else { 0 }
    }

    /// Whether the payload goes on in the slots behind the entry.
    #[inline]
    pub(crate) fn goes_on(&self) -> bool {
        self.byte(3) & BEHIND != 0
    }

    #[inline]
    fn envelope(&self) -> Option<EnvelopeKind> {
        EnvelopeKind::from_bits(self.byte(1))
    }

    #[inline]
    fn semantics(&self) -> Option<SemanticsCode> {
        SemanticsCode::from_bits(self.byte(2))
    }

    #[inline]
    fn inline_len(&self) -> usize {
        usize::from(self.byte(3))
    }

    #[inline]
    fn schema_tag(&self) -> u32 {
        u32::from_le_bytes([self.byte(4), self.byte(5), self.byte(6), self.byte(7)])
    }

    #[inline]
    fn byte(&self, at: usize) -> u8 {
        self.0[2].to_le_bytes()[at]
    }

    /// The part of the entry that a checksum covers: what it is, not where, nor for which op: that is filled in when the
    /// entry is submitted.
    fn checksum(&self, payload: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        for word in &self.0[1..3] {
            hasher.update(&word.to_le_bytes());
        }
        hasher.update(&self.deadline().to_le_bytes());
        hasher.update(payload);
        hasher.finalize()
    }
}

impl fmt::Debug for EntryToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryToken")
            .field("op", &self.op())
            .field("type", &self.type_id())
            .field("kind", &self.kind())
            .field("block", &self.has_block())
            .field("more", &self.has_more())
            .finish_non_exhaustive()
    }
}
