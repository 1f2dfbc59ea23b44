//! From the words of a peer's entry to a token, or to what is wrong with them.

mod error;

use std::sync::Arc;

use ringway_shm::generation::Key;
use ringway_shm::region::PeerRegion;

pub use self::error::VerifyError;
use super::{BEHIND, EntryToken, MORE};
use crate::envelope::{Checked, EnvelopeKind, HeaderPlace, Received};
use crate::lease::{Borrow, Completion, Held, LeaseOwner, Payload, Settled};
use crate::loan::Lines;
use crate::message::{LINE, Message};
use crate::token::{DetokenizeError, INLINE_MAX, Inline, Long, Place, Signature, Token};

/// The segments of one peer, as this process has mapped them.
pub trait Segments {
    /// The live segment of that key, if the peer has one.
    fn segment(&self, key: Key) -> Option<PeerRegion>;

    /// How its bytes may be read.
    fn trust(&self) -> Trust {
        Trust::Cooperative
    }
}

/// Whether a peer is trusted to leave a block alone while it is lent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Trust {
    /// Payloads are read in place.
    #[default]
    Cooperative,
    /// Payloads are copied to private memory first, then checked, then read there: a change meanwhile gains nothing.
    Untrusted,
}

/// The messages that may come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected<'a> {
    /// Any: the receiver tries its types in turn.
    Any,
    /// One of these.
    OneOf(&'a [Signature]),
}

impl Expected<'_> {
    #[inline]
    pub(super) fn check(self, found: Signature) -> Result<(), VerifyError> {
        let Self::OneOf(signatures) = self else {
            return Ok(());
        };
        let type_id = found.type_id;
        match signatures.iter().find(|known| known.type_id == type_id) {
            None => Err(VerifyError::Type { type_id }),
            Some(known) if known.schema_tag != found.schema_tag => Err(VerifyError::Schema {
                type_id,
                expected: known.schema_tag,
                found: found.schema_tag,
            }),
            Some(known) if known.semantics != found.semantics => Err(VerifyError::Semantics {
                type_id,
                expected: known.semantics,
                found: found.semantics,
            }),
            Some(_) => Ok(()),
        }
    }
}

/// An entry that passed every check: a token, its envelope, and the payload.
#[derive(Debug)]
pub struct Verified {
    token: Token,
    envelope: Received,
    payload: Payload,
}

/// A payload beside its entry that passed every check, as it lies: a quarter of [`Verified`] in size.
pub struct Found {
    pub(crate) signature: Signature,
    pub(crate) payload: Settled,
}

impl core::fmt::Debug for Found {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "Found({:?}, {} bytes)",
            self.signature,
            self.payload.len()
        )
    }
}

impl From<Found> for Verified {
    fn from(Found { signature, payload }: Found) -> Self {
        // Where it lies is asked by those who try one type after the other, and they have no `Found`.
        let token = Token::new(signature, payload.len() as u64, Place::Inline);
        Self::own(token, payload.into())
    }
}

/// The same segments, whose payloads are not to be read in place.
struct Copied<'a, S>(&'a S);

impl<S: Segments> Segments for Copied<'_, S> {
    fn segment(&self, key: Key) -> Option<PeerRegion> {
        self.0.segment(key)
    }

    fn trust(&self) -> Trust {
        Trust::Untrusted
    }
}

impl EntryToken {
    /// Checks everything that can be checked before the payload is decoded: envelope and kind, then type, schema and
    /// semantics, then that the payload lies in the entry or in a live segment of that very peer, aligned and within
    /// bounds, then the checksum.
    ///
    /// For who looks at entries without being their receiver: the payload is copied, as nobody lends it to them, and
    /// nothing is completed.
    ///
    /// # Errors
    ///
    /// The first check that fails.
    pub fn verify(&self, segments: &impl Segments) -> Result<Verified, VerifyError> {
        self.verify_lent(Expected::Any, &Copied(segments), None)
    }

    /// The same for the receiver, who reads in place what it may.
    ///
    /// `owner` is told once when the block is not read any more: at once if this fails or the bytes were copied, else
    /// when the last lease is dropped.
    ///
    /// # Errors
    ///
    /// The first check that fails.
    #[inline]
    pub(crate) fn verify_lent(
        &self,
        expected: Expected<'_>,
        segments: &impl Segments,
        owner: Option<Arc<dyn LeaseOwner>>,
    ) -> Result<Verified, VerifyError> {
        let completion = Completion::new(owner);
        if let Some(verified) = self.verify_simple(expected) {
            return Ok(verified);
        }
        let envelope = self
            .envelope()
            .ok_or(VerifyError::Envelope { bits: self.byte(1) })?;
        self.kind().ok_or(VerifyError::Kind {
            bits: self.byte(0) & !MORE,
        })?;
        let signature = self.signature()?;
        expected.check(signature)?;
        let placed = match self.has_block() {
            true => self.block(envelope, segments, completion)?,
            false => self.whole(envelope)?,
        };
        let envelope = self.check_sum(envelope, placed.header, placed.payload.bytes())?;
        let token = Token::new(signature, placed.payload.len() as u64, placed.place);
        Ok(Verified {
            token,
            envelope,
            payload: placed.payload,
        })
    }

    /// The same of an entry in its simplest form, plain and with its payload in it; `None` says no more than that it takes
    /// [`verify_lent`](Self::verify_lent) to tell.
    ///
    /// For those who read it right after: inlined into them, nothing of what it returns needs to be written to memory.
    #[inline]
    pub(crate) fn verify_simple(&self, expected: Expected<'_>) -> Option<Verified> {
        let (signature, inline) = self.verify_inline(expected)?;
        let payload = Payload::whole(Held::Inline(inline));
        Some(Verified {
            token: Token::new(signature, payload.len() as u64, Place::Inline),
            envelope: Received::Plain,
            payload,
        })
    }

    /// The payload of an entry that passes the checks of [`verify_simple`](Self::verify_simple), and what it is: for those
    /// who need no more, and make a value of it at once.
    #[inline]
    pub(crate) fn verify_inline(&self, expected: Expected<'_>) -> Option<(Signature, Inline)> {
        if self.has_block() || self.envelope() != Some(EnvelopeKind::Plain) {
            return None;
        }
        self.kind()?;
        let signature = self.signature().ok()?;
        expected.check(signature).ok()?;
        Some((signature, self.inline().ok()?))
    }

    /// The same of a plain entry whose payload lies beside it: in `long`, or in a block that may be read in place, for which
    /// `lend` tells who hears of its return. `None` says no more than that it takes [`verify_long`](Self::verify_long) or
    /// [`verify_lent`](Self::verify_lent) to tell, and that `lend` was not called.
    #[inline]
    pub(crate) fn find(
        &self,
        expected: Expected<'_>,
        long: &mut Option<Long>,
        segments: &impl Segments,
        lend: impl FnOnce() -> Option<Arc<dyn LeaseOwner>>,
    ) -> Option<Found> {
        if self.envelope() != Some(EnvelopeKind::Plain) {
            return None;
        }
        self.kind()?;
        let signature = self.signature().ok()?;
        expected.check(signature).ok()?;
        if !self.has_block() {
            let payload = Settled::long(self.joined(long.take()?).ok()?);
            return Some(Found { signature, payload });
        }
        let [.., bits, offset, len, _] = self.0;
        let is_sound = self.inline_len() == 0 && offset.is_multiple_of(LINE as u64);
        if !is_sound || long.is_some() || segments.trust() != Trust::Cooperative {
            return None;
        }
        let region = segments.segment(Key::from_bits(bits)?)?.span(offset, len)?;
        let borrow = Borrow::new(region, Completion::new(lend()));
        let payload = Settled::borrow(borrow);
        Some(Found { signature, payload })
    }

    /// The same of an entry whose payload goes on in the slots behind it: `long`, as they were copied out of the queue.
    ///
    /// # Errors
    ///
    /// The first check that fails.
    #[inline]
    pub(crate) fn verify_long(
        &self,
        expected: Expected<'_>,
        long: Long,
    ) -> Result<Verified, VerifyError> {
        let envelope = self
            .envelope()
            .ok_or(VerifyError::Envelope { bits: self.byte(1) })?;
        if self.has_block() || envelope != EnvelopeKind::Plain {
            return Err(VerifyError::Behind { envelope });
        }
        let bits = self.byte(0) & !MORE;
        self.kind().ok_or(VerifyError::Kind { bits })?;
        let signature = self.signature()?;
        expected.check(signature)?;
        let payload = Payload::whole(Held::Long(self.joined(long)?));
        Ok(Verified {
            token: Token::new(signature, payload.len() as u64, Place::Inline),
            envelope: Received::Plain,
            payload,
        })
    }

    /// The whole payload of an entry, of which `long` are the slots behind it.
    #[inline]
    pub(super) fn joined(&self, mut long: Long) -> Result<Long, VerifyError> {
        let error = VerifyError::InlineLen {
            len: self.inline_len(),
            max: INLINE_MAX,
        };
        let last_len = self.byte(3).checked_sub(BEHIND).ok_or(error)?;
        long.set_front(&self.0);
        long.cut(last_len.into()).ok_or(error)
    }

    #[inline]
    pub(super) fn signature(&self) -> Result<Signature, VerifyError> {
        let type_id = self.type_id().ok_or(VerifyError::NoType)?;
        let bits = self.byte(2);
        let semantics = self
            .semantics()
            .ok_or(VerifyError::SemanticsBits { bits })?;
        Ok(Signature {
            type_id,
            schema_tag: self.schema_tag(),
            semantics,
        })
    }

    /// The payload in the entry.
    #[inline]
    pub(super) fn inline(&self) -> Result<Inline, VerifyError> {
        let is_word_taken = self.is_ask() || self.envelope() == Some(EnvelopeKind::Checked);
        let max = if is_word_taken {
            INLINE_MAX - 8
        } else {
            INLINE_MAX
        };
        let len = self.inline_len();
        let error = VerifyError::InlineLen { len, max };
        if len > max {
            return Err(error);
        }
        let [_, _, _, words @ ..] = &self.0;
        Inline::of_words(words, len).ok_or(error)
    }

    #[inline]
    fn whole(&self, envelope: EnvelopeKind) -> Result<Placed, VerifyError> {
        if envelope.place(self.is_ask()) == HeaderPlace::Line {
            return Err(VerifyError::NoBlock { envelope });
        }
        let payload = Payload::whole(Held::Inline(self.inline()?));
        Ok(Placed {
            place: Place::Inline,
            header: [0; LINE],
            payload,
        })
    }

    /// The payload in a block of the peer.
    fn block(
        &self,
        envelope: EnvelopeKind,
        segments: &impl Segments,
        completion: Completion,
    ) -> Result<Placed, VerifyError> {
        let [.., bits, offset, len, _] = self.0;
        if self.inline_len() != 0 {
            return Err(VerifyError::InlineLen {
                len: self.inline_len(),
                max: 0,
            });
        }
        let key = Key::from_bits(bits).ok_or(VerifyError::Segment { bits })?;
        let segment = segments.segment(key).ok_or(VerifyError::Segment { bits })?;
        if !offset.is_multiple_of(LINE as u64) {
            return Err(VerifyError::Misaligned { offset });
        }
        let out_of_bounds = VerifyError::OutOfBounds {
            offset,
            len,
            segment_len: segment.len(),
        };
        let headroom = envelope.place(self.is_ask()).headroom() as u64;
        let start = offset.checked_add(headroom).ok_or(out_of_bounds)?;
        let region = segment.span(start, len).ok_or(out_of_bounds)?;
        let mut header = [0; LINE];
        if headroom != 0 {
            segment.copy_to(offset, &mut header).ok_or(out_of_bounds)?;
        }
        let held = match segments.trust() {
            Trust::Cooperative => Held::Peer(Borrow::new(region, completion)),
            Trust::Untrusted => {
                Held::Private(Lines::of_region(&region).ok_or(VerifyError::NoMemory { len })?)
            }
        };
        let place = Place::Block {
            segment: key,
            offset: start,
        };
        Ok(Placed {
            place,
            header,
            payload: Payload::whole(held),
        })
    }

    #[inline]
    fn check_sum(
        &self,
        kind: EnvelopeKind,
        header: [u8; LINE],
        payload: &[u8],
    ) -> Result<Received, VerifyError> {
        let received = match kind.place(self.is_ask()) {
            HeaderPlace::None => Received::Plain,
            HeaderPlace::Line => Received::read(kind, &header),
            HeaderPlace::Word => {
                let computed = self.checksum(payload);
                let found = self.0[6];
                let checked = Checked::from_word(found);
                Received::Checked(checked.ok_or(VerifyError::Checksum { computed, found })?)
            }
        };
        if let Received::Checked(checked) = received {
            let computed = self.checksum(payload);
            if computed != checked.checksum() {
                let found = checked.checksum().into();
                return Err(VerifyError::Checksum { computed, found });
            }
        }
        Ok(received)
    }
}

/// A payload that was found, and the line before it.
struct Placed {
    place: Place,
    header: [u8; LINE],
    payload: Payload,
}

impl Verified {
    /// A message of this process itself.
    pub(crate) fn own(token: Token, payload: Payload) -> Self {
        Self {
            token,
            envelope: Received::Plain,
            payload,
        }
    }

    /// What and where the payload is.
    #[inline]
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// The envelope that it came in.
    pub fn envelope(&self) -> Received {
        self.envelope
    }

    /// Checks that this is a message of type `M`.
    #[inline]
    pub(crate) fn expect<M: Message + ?Sized>(self) -> Result<Self, DetokenizeError> {
        self.token.signature().expect::<M>()?;
        Ok(self)
    }

    /// The same payload as one of `M`, which was wrapped.
    pub(crate) fn retyped<M: Message + ?Sized>(self) -> Self {
        let token = Token::new(Signature::of::<M>(), self.token.len(), self.token.place());
        Self { token, ..self }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.payload.bytes()
    }

    #[inline]
    pub(crate) fn into_payload(self) -> Payload {
        self.payload
    }

    pub(crate) fn into_parts(self) -> (Token, Payload) {
        (self.token, self.payload)
    }
}
