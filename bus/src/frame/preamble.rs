//! The first bytes of every frame: who speaks, and which protocols.
//!
//! A frame starts with a preamble that every version of the protocol writes alike, so that nodes which cannot
//! understand each other can say so with both versions:
//!
//! ```text
//! 0         8           10         12         14       16
//! | RINGWAY | byte order | protocol | protocol | zero   | postcard of Frame ...
//! |         | 0x0102     | min, LE  | max, LE  |        |
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use super::FrameError;

const MAGIC: [u8; 8] = *b"RINGWAY\0";
pub(super) const BYTE_ORDER: u16 = 0x0102;
/// Bytes of a preamble.
pub(super) const PREAMBLE: usize = 16;

/// The protocols that this build speaks.
pub(crate) const SPOKEN: Protocols = Protocols { min: 3, max: 3 };

/// A range of protocol versions, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Protocols {
    pub(crate) min: u16,
    pub(crate) max: u16,
}

impl Protocols {
    pub(super) const fn overlaps(self, other: Self) -> bool {
        self.min <= self.max
            && other.min <= other.max
            && self.min <= other.max
            && other.min <= self.max
    }
}

impl fmt::Display for Protocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            write!(f, "{}", self.min)
        } else {
            write!(f, "{} to {}", self.min, self.max)
        }
    }
}

/// What stands before each frame of a node that speaks these.
pub(crate) fn preamble(spoken: Protocols) -> [u8; PREAMBLE] {
    let mut bytes = [0; PREAMBLE];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..10].copy_from_slice(&BYTE_ORDER.to_ne_bytes());
    bytes[10..12].copy_from_slice(&spoken.min.to_le_bytes());
    bytes[12..14].copy_from_slice(&spoken.max.to_le_bytes());
    bytes
}

/// Reads it back.
pub(super) fn read_preamble(bytes: &[u8]) -> Result<Protocols, FrameError> {
    let (magic, rest) = bytes.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(FrameError::NotRingway);
    }
    let word = |at: usize| [rest[at], rest[at + 1]];
    let order = u16::from_ne_bytes(word(0));
    if order != BYTE_ORDER {
        return Err(FrameError::ByteOrder {
            theirs: order,
            ours: BYTE_ORDER,
        });
    }
    Ok(Protocols {
        min: u16::from_le_bytes(word(2)),
        max: u16::from_le_bytes(word(4)),
    })
}
