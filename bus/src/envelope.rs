//! Envelopes: the header beside a token.
//!
//! | envelope | carries | where |
//! |---|---|---|
//! | [`Plain`] | nothing | |
//! | [`Checked`] | a checksum over header and payload | in the entry; beside a deadline, before the payload |
//! | [`Timed`] | timestamp, deadline, expiry | before the payload, in the block |
//! | [`Traced`] | trace context | before the payload, in the block |
//! | [`Redelivered`] | what an actor is told of a message that may come more than once | before the payload, in the block |
//!
//! A header before the payload takes one line of 64 bytes, so that the payload starts on a line of its own.

use core::fmt;

use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};

use crate::message::LINE;

/// The header beside a token: one of [`Plain`], [`Timed`], [`Checked`], [`Traced`].
///
/// Sealed: both sides of a lane must know all of them.
pub trait Envelope: Pod + Default + Send + Sync + fmt::Debug + sealed::Sealed {
    /// What entries call it.
    const KIND: EnvelopeKind;

    /// Takes this envelope out of a received one, if it is of this kind.
    fn from_received(received: Received) -> Option<Self>;

    /// The header to send: a checksum is computed here, all else is as the sender wrote it.
    #[doc(hidden)]
    fn sealed(self, _checksum: impl FnOnce() -> u32) -> Self {
        self
    }
}

mod sealed {
    pub trait Sealed {}
}

/// Nothing but the token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Plain;

/// When a message was sent, and until when it matters. Nanoseconds of CLOCK_MONOTONIC; 0 is 'not set'.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Timed {
    /// When it was sent.
    pub timestamp: u64,
    /// When an answer is no longer waited for.
    pub deadline: u64,
    /// When it is no longer true.
    pub expiry: u64,
}

impl Timed {
    /// Whether the message is no longer true at `now`.
    pub fn is_expired(&self, now: u64) -> bool {
        self.expiry != 0 && now >= self.expiry
    }
}

/// A checksum over header and payload (CRC-32), against bugs and broken memory, not against enemies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Checked {
    checksum: u32,
    reserved: u32,
}

impl Checked {
    /// The checksum.
    pub fn checksum(&self) -> u32 {
        self.checksum
    }

    pub(crate) fn to_word(self) -> u64 {
        self.checksum.into()
    }

    /// `None` for a word that is no checksum.
    pub(crate) fn from_word(word: u64) -> Option<Self> {
        Some(Self {
            checksum: u32::try_from(word).ok()?,
            reserved: 0,
        })
    }
}

/// The trace that a message belongs to, in the terms of W3C Trace Context.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Traced {
    trace: [u64; 2], // low half first: a `u128` would align the header to 16
    /// The span that sent the message.
    pub span_id: u64,
    /// Bit 0: sampled.
    pub flags: u64,
}

impl Traced {
    /// A trace context.
    pub fn new(trace_id: u128, span_id: u64, flags: u64) -> Self {
        Self {
            trace: bytemuck::cast(trace_id),
            span_id,
            flags,
        }
    }

    /// The trace.
    pub fn trace_id(&self) -> u128 {
        bytemuck::cast(self.trace)
    }
}

/// A message that is sent again when its receiver dies: which it is, and which attempt this is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Redelivered {
    /// The node that sends it.
    pub node: u64,
    /// Its number there.
    pub number: u64,
    /// From 1: one more than the handlers that had begun before.
    pub attempt: u32,
    /// Bit 0: a tell, of which only the end of its handler is answered.
    pub flags: u32,
}

impl sealed::Sealed for Redelivered {}

impl Envelope for Redelivered {
    const KIND: EnvelopeKind = EnvelopeKind::Redelivered;

    fn from_received(received: Received) -> Option<Self> {
        if let Received::Redelivered(redelivered) = received {
            Some(redelivered)
        } else {
            None
        }
    }
}

impl sealed::Sealed for Plain {}
impl sealed::Sealed for Timed {}
impl sealed::Sealed for Checked {}
impl sealed::Sealed for Traced {}

impl Envelope for Plain {
    const KIND: EnvelopeKind = EnvelopeKind::Plain;

    fn from_received(received: Received) -> Option<Self> {
        matches!(received, Received::Plain).then_some(Self)
    }
}

impl Envelope for Timed {
    const KIND: EnvelopeKind = EnvelopeKind::Timed;

    fn from_received(received: Received) -> Option<Self> {
        if let Received::Timed(timed) = received {
            Some(timed)
        } else {
            None
        }
    }
}

impl Envelope for Checked {
    const KIND: EnvelopeKind = EnvelopeKind::Checked;

    fn from_received(received: Received) -> Option<Self> {
        if let Received::Checked(checked) = received {
            Some(checked)
        } else {
            None
        }
    }

    fn sealed(self, checksum: impl FnOnce() -> u32) -> Self {
        Self {
            checksum: checksum(),
            reserved: 0,
        }
    }
}

impl Envelope for Traced {
    const KIND: EnvelopeKind = EnvelopeKind::Traced;

    fn from_received(received: Received) -> Option<Self> {
        if let Received::Traced(traced) = received {
            Some(traced)
        } else {
            None
        }
    }
}

/// What an entry says of its envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EnvelopeKind {
    /// [`Plain`].
    Plain,
    /// [`Timed`].
    Timed,
    /// [`Checked`].
    Checked,
    /// [`Traced`].
    Traced,
    /// [`Redelivered`].
    Redelivered,
}

impl EnvelopeKind {
    /// The byte in an entry.
    pub const fn to_bits(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Timed => 1,
            Self::Checked => 2,
            Self::Traced => 3,
            Self::Redelivered => 4,
        }
    }

    /// The kind with this byte, if there is one.
    #[inline]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::Plain),
            1 => Some(Self::Timed),
            2 => Some(Self::Checked),
            3 => Some(Self::Traced),
            4 => Some(Self::Redelivered),
            _ => None,
        }
    }

    /// Where the header stands; the last word of an ask is its deadline.
    #[inline]
    pub(crate) const fn place(self, is_ask: bool) -> HeaderPlace {
        match self {
            Self::Plain => HeaderPlace::None,
            Self::Checked if !is_ask => HeaderPlace::Word,
            Self::Checked | Self::Timed | Self::Traced | Self::Redelivered => HeaderPlace::Line,
        }
    }
}

/// Where the header of an envelope stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderPlace {
    None,
    /// In the entry's last word.
    Word,
    /// In a line before the payload.
    Line,
}

impl HeaderPlace {
    /// Bytes before the payload in a block.
    #[inline]
    pub(crate) const fn headroom(self) -> usize {
        match self {
            Self::None | Self::Word => 0,
            Self::Line => LINE,
        }
    }
}

/// The envelope that an entry came in, checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Received {
    /// Nothing.
    #[default]
    Plain,
    /// Times.
    Timed(Timed),
    /// A checksum that is right.
    Checked(Checked),
    /// A trace context.
    Traced(Traced),
    /// Which message, and which attempt.
    Redelivered(Redelivered),
}

impl Received {
    /// Reads the header in `line`, of a kind that stands there.
    #[inline]
    pub(crate) fn read(kind: EnvelopeKind, line: &[u8; LINE]) -> Self {
        match kind {
            EnvelopeKind::Plain => Self::Plain,
            EnvelopeKind::Timed => Self::Timed(front(line)),
            EnvelopeKind::Checked => Self::Checked(front(line)),
            EnvelopeKind::Traced => Self::Traced(front(line)),
            EnvelopeKind::Redelivered => Self::Redelivered(front(line)),
        }
    }
}

fn front<H: Pod>(line: &[u8; LINE]) -> H {
    const { assert!(size_of::<H>() <= LINE, "a header fits its line") };
    bytemuck::pod_read_unaligned(&line[..size_of::<H>()])
}

#[cfg(test)]
mod tests {
    // Goal: headers return from their line; a kind that there is not is refused.
    use super::*;

    fn line(header: &impl Envelope) -> [u8; LINE] {
        let mut line = [0xFF; LINE];
        let bytes = bytemuck::bytes_of(header);
        line[..bytes.len()].copy_from_slice(bytes);
        line
    }

    #[test]
    fn headers_return() {
        let timed = Timed {
            timestamp: 1,
            deadline: 2,
            expiry: 3,
        };
        let received = Received::read(EnvelopeKind::Timed, &line(&timed));
        assert_eq!(Timed::from_received(received), Some(timed));
        assert_eq!(Traced::from_received(received), None);

        let traced = Traced::new(u128::MAX - 7, 9, 1);
        let received = Received::read(EnvelopeKind::Traced, &line(&traced));
        assert_eq!(
            Traced::from_received(received).map(|it| it.trace_id()),
            Some(u128::MAX - 7)
        );
    }

    #[test]
    fn kinds_round_trip_or_are_refused() {
        let known: Vec<_> = (0..=u8::MAX).filter_map(EnvelopeKind::from_bits).collect();
        assert_eq!(known.len(), 5);
        assert!(
            known
                .iter()
                .all(|kind| EnvelopeKind::from_bits(kind.to_bits()) == Some(*kind))
        );
    }

    #[test]
    fn expiry_of_zero_never_comes() {
        assert!(!Timed::default().is_expired(u64::MAX));
        assert!(
            Timed {
                expiry: 5,
                ..Timed::default()
            }
            .is_expired(5)
        );
        assert!(
            !Timed {
                expiry: 5,
                ..Timed::default()
            }
            .is_expired(4)
        );
    }
}
