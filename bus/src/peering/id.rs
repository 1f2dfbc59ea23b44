//! The id of a node: random, never used again, and the name of its socket.

use std::fmt;

use ringway_macros::Schema;
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use serde::{Deserialize, Serialize};

/// Identifies one node for as long as anybody remembers it. The smaller of two ids settles their peering.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Schema)]
pub struct NodeId(u64);

impl NodeId {
    /// Draws an id that no other node has: 64 random bits, not zero.
    pub(crate) fn random() -> Result<Self, Errno> {
        loop {
            let mut bytes = [0; 8];
            // Eight bytes are filled whole or not at all.
            match getrandom(&mut bytes, GetRandomFlags::empty()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
            if let Some(id) = Self::from_bits(u64::from_ne_bytes(bytes)) {
                return Ok(id);
            }
        }
    }

    /// Reads an id from a word; zero is none.
    pub(crate) const fn from_bits(bits: u64) -> Option<Self> {
        if bits == 0 { None } else { Some(Self(bits)) }
    }

    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    /// Reads the sixteen small hexadecimal digits that `Display` writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 16 || !text.bytes().all(is_digit) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().and_then(Self::from_bits)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
