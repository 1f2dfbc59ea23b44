//! Segments and keys, as frames name them.

use std::fmt;

use ringway_shm::generation::Key;
use serde::{Deserialize, Serialize};

/// A segment that the sender owns. The length is checked against the descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Announcement {
    pub(crate) name: SegmentName,
    pub(crate) len: u64,
}

/// Which segment of its owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentName {
    pub(crate) kind: SegmentKind,
    pub(crate) key: WireKey,
}

impl SegmentName {
    pub(crate) fn heap(key: Key) -> Self {
        Self {
            kind: SegmentKind::Heap,
            key: WireKey(key),
        }
    }

    pub(crate) fn ring(key: Key) -> Self {
        Self {
            kind: SegmentKind::Ring,
            key: WireKey(key),
        }
    }

    pub(crate) fn key(self) -> Key {
        self.key.0
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            SegmentKind::Ring => "ring",
            SegmentKind::Heap => "heap",
        };
        write!(f, "{kind} segment {}", self.key())
    }
}

/// What a segment is for; each kind has its own keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum SegmentKind {
    /// Urings' lanes and heads.
    Ring,
    /// Blocks of messages.
    Heap,
}

/// A key as its 64 bits; what arrives is a key, as others are not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub(crate) struct WireKey(pub(crate) Key);

impl From<WireKey> for u64 {
    fn from(key: WireKey) -> Self {
        key.0.to_bits()
    }
}

impl TryFrom<u64> for WireKey {
    type Error = &'static str;

    fn try_from(bits: u64) -> Result<Self, Self::Error> {
        Key::from_bits(bits)
            .map(Self)
            .ok_or("a key without generation")
    }
}
