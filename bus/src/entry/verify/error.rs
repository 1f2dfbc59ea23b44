//! What can be wrong with an entry.

use crate::envelope::EnvelopeKind;
use crate::message::{LINE, SemanticsCode, TypeId};

/// What is wrong with an entry. All but [`NoMemory`](Self::NoMemory) are its sender's fault: a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The kind is none.
    #[error("an entry of kind {bits:#x}")]
    Kind {
        /// The byte found.
        bits: u8,
    },
    /// The envelope is none.
    #[error("an entry in envelope {bits:#x}")]
    Envelope {
        /// The byte found.
        bits: u8,
    },
    /// The semantics is none.
    #[error("an entry with semantics {bits:#x}")]
    SemanticsBits {
        /// The byte found.
        bits: u8,
    },
    /// The type id is 0.
    #[error("an entry without type")]
    NoType,
    /// A type that was not agreed on.
    #[error("an entry of type {type_id}, which was not agreed on")]
    Type {
        /// The type found.
        type_id: TypeId,
    },
    /// A type with another schema than was agreed on.
    #[error("an entry of type {type_id} with schema {found:#x}, agreed was {expected:#x}")]
    Schema {
        /// The type.
        type_id: TypeId,
        /// The tag agreed on.
        expected: u32,
        /// The tag found.
        found: u32,
    },
    /// A type with another semantics than was agreed on.
    #[error("an entry of type {type_id} as {found}, agreed was {expected}")]
    Semantics {
        /// The type.
        type_id: TypeId,
        /// The semantics agreed on.
        expected: SemanticsCode,
        /// The semantics found.
        found: SemanticsCode,
    },
    /// More inline bytes than there is room for, or a length beside a block.
    #[error("an entry with {len} inline bytes, where {max} have room")]
    InlineLen {
        /// The length found.
        len: usize,
        /// The room.
        max: usize,
    },
    /// An envelope whose header needs a block, without one.
    #[error("an entry in envelope {envelope:?} without a block for it")]
    NoBlock {
        /// The envelope.
        envelope: EnvelopeKind,
    },
    /// A payload that goes on behind its entry, where that cannot be.
    #[error("an entry in envelope {envelope:?}, or with a block, whose payload goes on behind it")]
    Behind {
        /// The envelope.
        envelope: EnvelopeKind,
    },
    /// No live segment of the peer has that key.
    #[error("a block in segment {bits:#x}, which the peer does not have")]
    Segment {
        /// The word found.
        bits: u64,
    },
    /// Blocks start on lines.
    #[error("a block at offset {offset}, which is not a multiple of {LINE}")]
    Misaligned {
        /// The offset found.
        offset: u64,
    },
    /// The block leaves its segment.
    #[error("a block of {len} bytes at offset {offset} in a segment of {segment_len}")]
    OutOfBounds {
        /// The offset found.
        offset: u64,
        /// The length found, without the envelope's.
        len: u64,
        /// The length of the segment.
        segment_len: u64,
    },
    /// Not the peer's fault: this process has no memory for a copy of so many bytes.
    #[error("no private memory for a payload of {len} bytes")]
    NoMemory {
        /// The length.
        len: u64,
    },
    /// Header or payload are not what was sent.
    #[error("an entry with checksum {found:#x}, computed {computed:#x}")]
    Checksum {
        /// The checksum of what is there.
        computed: u32,
        /// The checksum sent.
        found: u64,
    },
}

impl VerifyError {
    /// Whether the peer broke the protocol.
    pub fn is_violation(&self) -> bool {
        !matches!(self, Self::NoMemory { .. })
    }
}
