//! How a value becomes bytes that another process may read, and back.

use core::fmt;

use ringway_shm::heap::Heap;

use super::schema::Layout;
use super::{Message, Parcel};
use crate::entry::{Found, Verified};
use crate::token::{DetokenizeError, Inline, Long, Room, TokenizeError, Tokenized};

/// One of [`Move`](super::Move), [`Copy`](super::Copy), [`Serial`](super::Serial), [`Publish`](super::Publish): how values of
/// `M` travel. Programs name it in `#[message(..)]`; the bus calls its functions.
pub trait Semantics<M: Message + ?Sized>: Sized + 'static {
    /// What an entry says of it.
    const CODE: SemanticsCode;

    /// Delivers inside this process: no shared memory, and no bytes where the value will do.
    fn arrive(parcel: Parcel<M>) -> M::Arrival;

    /// Makes what the receiver gets of an entry that was verified.
    ///
    /// # Errors
    ///
    /// The entry is of another type, schema or semantics, or its payload is not a value of `M`.
    fn receive(verified: Verified) -> Result<M::Arrival, DetokenizeError>;

    /// The same, as a value: what the asker gets of a reply.
    ///
    /// # Errors
    ///
    /// As `receive`; and messages that have no values are [`DetokenizeError::Invalid`].
    fn receive_value(verified: Verified) -> Result<M::Value, DetokenizeError>;

    /// Puts a parcel where another process can read it: in the entry if there is `room`, else in a block of `heap`.
    ///
    /// # Errors
    ///
    /// The heap has no block, or the value cannot be encoded; the parcel comes back in the error.
    fn pack(parcel: Parcel<M>, heap: &Heap, room: Room) -> Result<Tokenized, TokenizeError<M>>;

    /// The payload of a value that an entry has room for: what `pack` would put there, without a way through larger forms.
    /// `None` says no more than that it takes [`pack`](Self::pack) to tell.
    #[inline]
    fn inline(_parcel: &Parcel<M>, _room: Room) -> Option<Inline> {
        None
    }

    /// What the receiver gets of a payload of `M` in an entry that was verified: what `receive` would make of it, without a
    /// way through larger forms. `None` says no more than that it takes [`receive`](Self::receive) to tell.
    #[inline]
    fn of_inline(_inline: &Inline) -> Option<M::Arrival> {
        None
    }

    /// The same of a value that may go on behind its entry.
    #[inline]
    fn long(_parcel: &Parcel<M>, _room: Room) -> Option<Long> {
        None
    }

    /// The bytes of a value, as they travel and as they arrive, of no more than a word's alignment. `None` says no more than that it
    /// takes [`pack`](Self::pack) to tell.
    #[inline]
    fn plain(_parcel: &Parcel<M>) -> Option<&[u8]> {
        None
    }

    /// What the receiver gets of such bytes of an `M` that was verified, aligned to a word. `None` says no more than that it takes
    /// [`receive`](Self::receive) to tell.
    #[inline]
    fn of_plain(_bytes: &[u8]) -> Option<M::Arrival> {
        None
    }

    /// [`receive`](Self::receive) of a payload beside its entry, without a way through larger forms.
    ///
    /// # Errors
    ///
    /// As `receive`.
    #[inline]
    fn receive_found(found: Found) -> Result<M::Arrival, DetokenizeError> {
        Self::receive(Verified::from(found))
    }

    /// Takes back what was packed and never taken.
    ///
    /// # Errors
    ///
    /// It is not what `pack` made of a parcel of `M`.
    fn unpack(tokenized: Tokenized) -> Result<Parcel<M>, DetokenizeError>;

    /// What was received, as it can be sent on. What lies in a peer's block stays there.
    fn sent_on(arrival: M::Arrival) -> Parcel<M>;

    /// The value in a parcel.
    ///
    /// # Errors
    ///
    /// The parcel comes back where messages have no values, only loans.
    fn value(parcel: Parcel<M>) -> Result<M::Value, Parcel<M>>;
}

/// The methods of a semantics whose messages are values: all but `receive`, whatever the codec. `$encode` makes of a
/// value of `$message` what is sent.
macro_rules! values {
    ($message:ident, $encode:path) => {
        fn arrive(parcel: Parcel<$message>) -> $message {
            match parcel {
                Parcel::Value(value) => value,
                Parcel::Loan(_) => {
                    unreachable!("loans are made of messages that are read in place")
                }
            }
        }

        fn receive_value(verified: Verified) -> Result<$message, DetokenizeError> {
            <Self as Semantics<$message>>::receive(verified)
        }

        fn pack(
            parcel: Parcel<$message>,
            heap: &Heap,
            room: Room,
        ) -> Result<Tokenized, TokenizeError<$message>> {
            let value = Self::arrive(parcel);
            $encode(&value, heap, room)
                .map_err(|cause| TokenizeError::new(Parcel::Value(value), cause))
        }

        fn unpack(tokenized: Tokenized) -> Result<Parcel<$message>, DetokenizeError> {
            <Self as Semantics<$message>>::receive(tokenized.into_verified()).map(Parcel::Value)
        }

        fn sent_on(arrival: $message) -> Parcel<$message> {
            Parcel::Value(arrival)
        }

        fn value(parcel: Parcel<$message>) -> Result<$message, Parcel<$message>> {
            match parcel {
                Parcel::Value(value) => Ok(value),
                loan => Err(loan),
            }
        }
    };
}
pub(super) use values;

/// How values are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// The bytes of a plain value.
    Move,
    /// Bytes that are read in place, of a slice or of a value with checked bit patterns.
    Copy,
    /// serde with postcard.
    Serial,
    /// rkyv, which can be read in place after validation.
    Rkyv,
}

/// A semantics as it stands in entries and schemas: the codec, and whether the type is marked for topics.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SemanticsCode {
    codec: Codec,
    publish: bool,
}

impl SemanticsCode {
    /// [`Move`](super::Move).
    pub const MOVE: Self = Self::new(Codec::Move);
    /// [`Copy`](super::Copy).
    pub const COPY: Self = Self::new(Codec::Copy);
    /// [`Serial`](super::Serial).
    pub const SERIAL: Self = Self::new(Codec::Serial);
    /// `Serial` with codec rkyv.
    pub const RKYV: Self = Self::new(Codec::Rkyv);

    const PUBLISH: u8 = 0x80;

    const fn new(codec: Codec) -> Self {
        Self {
            codec,
            publish: false,
        }
    }

    /// The same, marked for topics.
    pub const fn published(self) -> Self {
        Self {
            publish: true,
            ..self
        }
    }

    /// How values are encoded.
    pub const fn codec(self) -> Codec {
        self.codec
    }

    /// Whether the type is marked for topics.
    pub const fn is_publish(self) -> bool {
        self.publish
    }

    pub(crate) const fn layout(self) -> Layout {
        match self.codec {
            Codec::Move | Codec::Copy => Layout::Bytes,
            Codec::Serial | Codec::Rkyv => Layout::Encoded,
        }
    }

    /// The byte in an entry.
    pub const fn to_bits(self) -> u8 {
        let codec = match self.codec {
            Codec::Move => 1,
            Codec::Copy => 2,
            Codec::Serial => 3,
            Codec::Rkyv => 4,
        };
        if self.publish {
            codec | Self::PUBLISH
        } else {
            codec
        }
    }

    /// The code with this byte, if there is one.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        let codec = match bits & !Self::PUBLISH {
            1 => Codec::Move,
            2 => Codec::Copy,
            3 => Codec::Serial,
            4 => Codec::Rkyv,
            _ => return None,
        };
        Some(Self {
            codec,
            publish: bits & Self::PUBLISH != 0,
        })
    }
}

impl fmt::Display for SemanticsCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codec = match self.codec {
            Codec::Move => "move",
            Codec::Copy => "copy",
            Codec::Serial => "serial",
            Codec::Rkyv => "serial (rkyv)",
        };
        f.write_str(if self.publish { "publish " } else { "" })?;
        f.write_str(codec)
    }
}

impl fmt::Debug for SemanticsCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    // Goal: bytes of a peer become codes only where there is one.
    use super::*;

    #[test]
    fn every_byte_round_trips_or_is_refused() {
        let known = (0..=u8::MAX).filter_map(SemanticsCode::from_bits);
        assert!(
            known
                .clone()
                .all(|code| SemanticsCode::from_bits(code.to_bits()) == Some(code))
        );
        assert_eq!(known.count(), 8);
        assert_eq!(
            SemanticsCode::new(Codec::Serial).published().to_string(),
            "publish serial"
        );
    }
}
