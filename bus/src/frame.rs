//! What two nodes say to each other on their socket: one frame a message, each with its protocol's range in front.
//!
//! Frames carry no message of an actor: they introduce, announce memory, open and close urings, and part. Whatever
//! bytes arrive, decoding returns a frame or says what is wrong; it never panics and allocates at most what the frame
//! is long.

mod preamble;
mod segments;

use serde::{Deserialize, Serialize};
use thiserror::Error;

#[cfg(test)]
pub(crate) use self::preamble::preamble;
use self::preamble::{PREAMBLE, read_preamble};
pub(crate) use self::preamble::{Protocols, SPOKEN};
pub(crate) use self::segments::{Announcement, SegmentKind, SegmentName, WireKey};
use crate::peering::hello::Hello;
use crate::peering::refusal::Refusal;

/// Bytes of the largest frame: far below what a socket's buffer takes at once, far above what any frame needs.
pub(crate) const FRAME_MAX: usize = 32 * 1024;

/// One message on the socket of a peering.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Frame {
    /// Introduces the sender, with the descriptors of its card, first ring segment, doorbell and process.
    Hello(Box<Hello>),
    /// Accepts the other's hello; sent by a connector with the larger id.
    Agreed,
    /// Makes this connection the peering; sent by the smaller id, once.
    Settled,
    /// Ends the connection before it became the peering.
    Refuse(Refusal),
    /// Announces a segment, with its descriptor.
    Segment(Announcement),
    /// The segment is mapped: tokens may name it.
    SegmentAck(SegmentName),
    /// The segment could not be mapped now (no descriptors, no address space): announce it again later.
    SegmentLater(SegmentName),
    /// The segment holds nothing that is lent, and will be given back: unmap it.
    Retire(SegmentName),
    /// The segment is unmapped.
    Retired(SegmentName),
    /// The sender's card lists other names than before.
    NamesChanged,
    /// Rings the receiver's bell, where the sender must not write to its descriptor.
    Bell,
    /// Opens and closes urings; understood by the layer above.
    Uring(UringFrame),
    /// The sender takes no new traffic and will say goodbye when it holds nothing of the receiver's any more.
    Leaving,
    /// The sender's last word: it holds nothing of the receiver's.
    Goodbye,
}

/// What the layer above says to its counterpart, opaque here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UringFrame {
    bytes: Vec<u8>,
}

impl UringFrame {
    /// Wraps any message of the layer above.
    pub(crate) fn encode<T: Serialize>(message: &T) -> Result<Self, FrameError> {
        let bytes = postcard::to_stdvec(message).map_err(|_| FrameError::Garbled)?;
        Ok(Self { bytes })
    }

    /// Reads it back.
    pub(crate) fn decode<T: for<'a> Deserialize<'a>>(&self) -> Result<T, FrameError> {
        decode_all(&self.bytes)
    }
}

impl Frame {
    /// What the frame is called in errors.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Agreed => "agreed",
            Self::Settled => "settled",
            Self::Refuse(_) => "refuse",
            Self::Segment(_) => "segment",
            Self::SegmentAck(_) => "segment-ack",
            Self::SegmentLater(_) => "segment-later",
            Self::Retire(_) => "retire",
            Self::Retired(_) => "retired",
            Self::NamesChanged => "names-changed",
            Self::Bell => "bell",
            Self::Uring(_) => "uring",
            Self::Leaving => "leaving",
            Self::Goodbye => "goodbye",
        }
    }

    /// Writes the frame as one message.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, FrameError> {
        let mut message = preamble::preamble(SPOKEN).to_vec();
        message = postcard::to_extend(self, message).map_err(|_| FrameError::Garbled)?;
        if message.len() > FRAME_MAX {
            return Err(FrameError::TooLong { len: message.len() });
        }
        Ok(message)
    }

    /// Reads one message.
    pub(crate) fn decode(message: &[u8]) -> Result<Self, FrameError> {
        if message.len() > FRAME_MAX {
            return Err(FrameError::TooLong { len: message.len() });
        }
        let Some((preamble, body)) = message.split_at_checked(PREAMBLE) else {
            return Err(FrameError::TooShort { len: message.len() });
        };
        let theirs = read_preamble(preamble)?;
        if !theirs.overlaps(SPOKEN) {
            return Err(FrameError::Protocol {
                theirs,
                ours: SPOKEN,
            });
        }
        decode_all(body)
    }
}

/// Decodes a value that fills `bytes` exactly.
fn decode_all<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, FrameError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(FrameError::Garbled),
    }
}

/// Bytes that are no frame of ours.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum FrameError {
    #[error("a frame of {len} bytes, the smallest has {}", PREAMBLE + 1)]
    TooShort { len: usize },
    #[error("a frame of {len} bytes, the largest has {FRAME_MAX}")]
    TooLong { len: usize },
    #[error("no node of a ringway bus")]
    NotRingway,
    #[error("byte order {theirs:#06x}, this node's is {ours:#06x}")]
    ByteOrder { theirs: u16, ours: u16 },
    #[error("speaks protocol {theirs}, this node {ours}")]
    Protocol { theirs: Protocols, ours: Protocols },
    #[error("a frame that means nothing")]
    Garbled,
}

#[cfg(test)]
mod tests;
