//! What two nodes say to each other on their socket: one frame a message, each with its protocol's range in front.
//!
//! Frames carry no message of an actor: they introduce, announce memory, open and close urings, and part. Whatever
//! bytes arrive, decoding returns a frame or says what is wrong; it never panics and allocates at most what the frame
//! is long.
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

use ringway_shm::generation::Key;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::peering::hello::Hello;
use crate::peering::refusal::Refusal;

/// Bytes of the largest frame: far below what a socket's buffer takes at once, far above what any frame needs.
pub(crate) const FRAME_MAX: usize = 32 * 1024;

const MAGIC: [u8; 8] = *b"RINGWAY\0";
const BYTE_ORDER: u16 = 0x0102;
const PREAMBLE: usize = 16;

/// The protocols that this build speaks.
pub(crate) const SPOKEN: Protocols = Protocols { min: 1, max: 1 };

/// A range of protocol versions, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Protocols {
    pub(crate) min: u16,
    pub(crate) max: u16,
}

impl Protocols {
    const fn overlaps(self, other: Self) -> bool {
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
        let mut message = preamble(SPOKEN).to_vec();
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

pub(crate) fn preamble(spoken: Protocols) -> [u8; PREAMBLE] {
    let mut bytes = [0; PREAMBLE];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..10].copy_from_slice(&BYTE_ORDER.to_ne_bytes());
    bytes[10..12].copy_from_slice(&spoken.min.to_le_bytes());
    bytes[12..14].copy_from_slice(&spoken.max.to_le_bytes());
    bytes
}

fn read_preamble(bytes: &[u8]) -> Result<Protocols, FrameError> {
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
mod tests {
    use super::*;

    fn samples() -> Vec<Frame> {
        let name = SegmentName::heap(Key::new(3, 9));
        vec![
            Frame::Hello(Box::new(Hello::sample())),
            Frame::Agreed,
            Frame::Settled,
            Frame::Refuse(Refusal::Duplicate),
            Frame::Segment(Announcement { name, len: 1 << 40 }),
            Frame::SegmentAck(name),
            Frame::SegmentLater(name),
            Frame::Retire(name),
            Frame::Retired(name),
            Frame::NamesChanged,
            Frame::Bell,
            Frame::Uring(UringFrame::encode(&("open", 7_u64)).unwrap()),
            Frame::Leaving,
            Frame::Goodbye,
        ]
    }

    #[test]
    fn frames_round_trip() {
        for frame in samples() {
            assert_eq!(Frame::decode(&frame.encode().unwrap()), Ok(frame));
        }
    }

    #[test]
    fn damaged_frames_are_errors() {
        // Goal: no bytes panic or pass for another frame by accident. Method: every cut and every changed byte.
        for frame in samples() {
            let good = frame.encode().unwrap();
            for len in 0..good.len() {
                assert!(
                    Frame::decode(&good[..len]).is_err(),
                    "{frame:?} cut to {len}"
                );
            }
            for at in 0..good.len() {
                for flip in [1, 0x80, 0xff] {
                    let mut bad = good.clone();
                    bad[at] ^= flip;
                    let _ = Frame::decode(&bad);
                }
            }
            let longer = [good, vec![0]].concat();
            assert_eq!(
                Frame::decode(&longer),
                Err(FrameError::Garbled),
                "trailing bytes"
            );
        }
    }

    #[test]
    fn preamble_is_checked() {
        let good = Frame::Agreed.encode().unwrap();
        let with = |at: usize, bytes: &[u8]| {
            let mut frame = good.clone();
            frame[at..at + bytes.len()].copy_from_slice(bytes);
            Frame::decode(&frame)
        };
        assert_eq!(with(0, b"X"), Err(FrameError::NotRingway));
        let swapped = BYTE_ORDER.swap_bytes();
        let expected = FrameError::ByteOrder {
            theirs: swapped,
            ours: BYTE_ORDER,
        };
        assert_eq!(with(8, &swapped.to_ne_bytes()), Err(expected));
        let theirs = Protocols { min: 7, max: 8 };
        let refused = with(0, &preamble(theirs)).expect_err("another protocol");
        assert_eq!(refused.to_string(), "speaks protocol 7 to 8, this node 1");
        assert_eq!(
            with(0, &preamble(Protocols { min: 1, max: 9 })),
            Ok(Frame::Agreed)
        );
        let inverted = with(0, &preamble(Protocols { min: 2, max: 1 }));
        assert!(
            matches!(inverted, Err(FrameError::Protocol { .. })),
            "a range without members"
        );
    }

    #[test]
    fn size_is_bounded_both_ways() {
        let long = Frame::Uring(UringFrame::encode(&vec![7_u8; FRAME_MAX]).unwrap());
        assert!(matches!(long.encode(), Err(FrameError::TooLong { .. })));
        assert!(matches!(
            Frame::decode(&vec![0; FRAME_MAX + 1]),
            Err(FrameError::TooLong { .. })
        ));
        // A length that claims more than the frame holds allocates nothing.
        let mut lying = Frame::Uring(UringFrame::encode(&0_u8).unwrap())
            .encode()
            .unwrap();
        lying.truncate(PREAMBLE + 1);
        lying.extend([0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(Frame::decode(&lying), Err(FrameError::Garbled));
    }
}
