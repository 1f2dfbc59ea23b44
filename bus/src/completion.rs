//! Entries as the bus writes and reads them: submissions with their blocks, completions and what they say.

use std::sync::Arc;

use ringway_shm::generation::Key;
use ringway_shm::heap::{Heap, HeapError};
use ringway_shm::region::PeerRegion;
use ringway_shm::words::EntryWords;

use crate::actor::Undone;
use crate::addr;
use crate::clock::Nanos;
use crate::entry::{
    Beside, EntryHeader, EntryKind, EntryToken, Expected, Sealed, Segments, Trust, Unsealed,
    Verified,
};
use crate::envelope::{Plain, Redelivered};
use crate::lease::LeaseOwner;
use crate::message::{Message, Parcel, Semantics as _};
use crate::remote::ops::{OpKind, Said};
use crate::remote::{Outgoing, RemoteEnd};
use crate::shared::Shared;
use crate::token::{Room, Signature, TokenizeCause, TokenizeError, Tokenized};

/// Encodes a message for a submission; `make_room` frees what it can of a full heap, before a second try.
#[inline]
pub(crate) fn pack<M: Message + ?Sized>(
    parcel: Parcel<M>,
    kind: OpKind,
    deadline: Nanos,
    end: &RemoteEnd,
    make_room: impl FnOnce(),
) -> Result<Outgoing, TokenizeError<M>> {
    let heap = &end.heap;
    let room = room(kind, end);
    let parcel = match straight(parcel, kind, deadline, heap, room) {
        Ok(outgoing) => return Ok(outgoing),
        Err(parcel) => parcel,
    };
    let tokenized = match M::Semantics::pack(parcel, heap, room) {
        Err(error) if is_full(&error) => {
            make_room();
            M::Semantics::pack(error.into_inner(), heap, room)?
        }
        packed => packed?,
    };
    outgoing(tokenized, kind, deadline, heap).map_err(|unsealed| not_sealed(*unsealed))
}

/// Encodes an ask that may be sent more than once: in an envelope that says so, which lies before its payload in a block.
#[cold]
pub(crate) fn pack_again<M: Message + ?Sized>(
    parcel: Parcel<M>,
    envelope: Redelivered,
    deadline: Nanos,
    end: &RemoteEnd,
    make_room: impl FnOnce(),
) -> Result<Outgoing, TokenizeError<M>> {
    let heap = &end.heap;
    let header = submission(OpKind::Ask, deadline);
    let room = header.room::<Redelivered>();
    let tokenized = match M::Semantics::pack(parcel, heap, room) {
        Err(error) if is_full(&error) => {
            make_room();
            M::Semantics::pack(error.into_inner(), heap, room)?
        }
        packed => packed?,
    };
    match EntryToken::seal(header, envelope, tokenized, heap) {
        Ok(sealed) => Ok(Outgoing::new(sealed, OpKind::Ask)),
        Err(unsealed) => Err(not_sealed(*unsealed)),
    }
}

/// The message of what could not be sealed.
fn not_sealed<M: Message + ?Sized>(unsealed: Unsealed) -> TokenizeError<M> {
    match M::Semantics::unpack(unsealed.tokenized) {
        Ok(parcel) => TokenizeError::new(parcel, unsealed.cause),
        Err(error) => unreachable!("packed: by the same semantics a moment ago: {error}"),
    }
}

/// The same of what needs no way through larger forms: small values, and loans that lie where they are to be sent from.
#[inline]
fn straight<M: Message + ?Sized>(
    parcel: Parcel<M>,
    kind: OpKind,
    deadline: Nanos,
    heap: &Heap,
    room: Room,
) -> Result<Outgoing, Parcel<M>> {
    let header = submission(kind, deadline);
    let signature = const { Signature::of::<M>() };
    if let Some(inline) = M::Semantics::inline(&parcel, room) {
        let entry = EntryToken::simple(header, signature, &inline);
        let beside = Beside::Nothing;
        return Ok(Outgoing::new(Sealed { entry, beside }, kind));
    }
    let beside = match parcel {
        Parcel::Loan(loan) => loan.into_beside(heap, room).map_err(Parcel::Loan)?,
        value => match M::Semantics::long(&value, room) {
            Some(long) => Beside::Long(long),
            None => return Err(value),
        },
    };
    let entry = EntryToken::with_beside(header, signature, &beside);
    Ok(Outgoing::new(Sealed { entry, beside }, kind))
}

/// The room of a submission on its way to `end`.
#[inline]
pub(crate) fn room(kind: OpKind, end: &RemoteEnd) -> Room {
    let room = match kind {
        OpKind::Ask => Room::ASK,
        OpKind::Tell => Room::TELL,
    };
    room.or_behind(end.long_max())
}

/// Whether a message found no block, and more would help.
pub(crate) fn is_full<M: Message + ?Sized>(error: &TokenizeError<M>) -> bool {
    matches!(error.cause(), TokenizeCause::Heap(HeapError::Full { .. }))
}

/// Makes a submission; its op is filled in when it is issued.
#[inline]
pub(crate) fn outgoing(
    tokenized: Tokenized,
    kind: OpKind,
    deadline: Nanos,
    heap: &Heap,
) -> Result<Outgoing, Box<Unsealed>> {
    let sealed = EntryToken::seal(submission(kind, deadline), Plain, tokenized, heap)?;
    Ok(Outgoing::new(sealed, kind))
}

/// What a submission says beside its payload.
#[inline]
fn submission(kind: OpKind, deadline: Nanos) -> EntryHeader {
    let kind = match kind {
        OpKind::Tell => EntryKind::Tell,
        OpKind::Ask => EntryKind::Ask,
    };
    EntryHeader {
        deadline: deadline.0,
        ..EntryHeader::new(kind, None)
    }
}

/// The message of a submission that was never taken.
pub(crate) fn take_back<M: Message + ?Sized>(
    shared: impl FnOnce() -> Option<Arc<Shared>>,
    words: EntryWords,
    beside: Beside,
) -> Option<Parcel<M>> {
    (words[1] == M::TYPE_ID.to_bits()).then_some(())?;
    addr::wire::decode::<M, _>(shared, || Parcel::from_entry(words, beside))
}

/// Makes a tell that is no more than its entry; `None` says no more than that it takes [`pack`] to tell.
#[inline]
pub(crate) fn simple_tell<M: Message + ?Sized>(parcel: &Parcel<M>) -> Option<EntryToken> {
    let inline = M::Semantics::inline(parcel, Room::TELL)?;
    let header = submission(OpKind::Tell, Nanos::NONE);
    let signature = const { Signature::of::<M>() };
    Some(EntryToken::simple(header, signature, &inline))
}

/// Makes a reply that its completion has room for; `None` says no more than that it takes [`seal`] to tell, and that `more`, which
/// says whether the submission's block is still lent, was not called.
#[inline]
pub(crate) fn simple_reply<M: Message + ?Sized>(
    op: Key,
    parcel: &Parcel<M>,
    more: impl FnOnce() -> bool,
) -> Option<EntryToken> {
    let inline = M::Semantics::inline(parcel, Room::REPLY)?;
    let header = EntryHeader {
        more: more(),
        ..EntryHeader::new(EntryKind::Reply, Some(op))
    };
    let signature = const { Signature::of::<M>() };
    Some(EntryToken::simple(header, signature, &inline))
}

/// Makes a completion. A payload that finds no room is left out: the verdict itself always arrives.
#[inline]
pub(crate) fn seal(
    op: Key,
    kind: EntryKind,
    more: bool,
    payload: Option<Tokenized>,
    heap: &Heap,
) -> Sealed {
    let header = EntryHeader {
        more,
        ..EntryHeader::new(kind, Some(op))
    };
    payload
        .and_then(|payload| EntryToken::seal(header, Plain, payload, heap).ok())
        .unwrap_or_else(|| Sealed {
            entry: EntryToken::bare(header),
            beside: Beside::Nothing,
        })
}

/// What a completion says about its op.
#[inline]
pub(crate) fn read(words: &EntryWords) -> Said {
    let entry = EntryToken::of_words(words);
    let kind = entry.kind();
    Said {
        answers: kind.is_some_and(|kind| kind.is_completion() && kind != EntryKind::Done),
        more: entry.has_more(),
        has_block: entry.has_block(),
        failed: !matches!(kind, Some(EntryKind::Reply | EntryKind::Done)),
        displaced: kind == Some(EntryKind::Displaced),
    }
}

/// Why a tell came back undone, as its completion says; `None` when its handler did not come to its end, which is told
/// with the end of its actor.
pub(crate) fn undone(words: &EntryWords) -> Option<Undone> {
    match EntryToken::from_words(*words).kind() {
        Some(EntryKind::Displaced) => Some(Undone::Dropped),
        Some(EntryKind::Expired) => Some(Undone::Expired),
        Some(EntryKind::Cancelled) => Some(Undone::Cancelled),
        Some(EntryKind::Refused) => Some(Undone::Refused("it is not handled there".to_owned())),
        _ => None,
    }
}

/// Gives a reply's block back to the completer once nobody reads it.
struct Release {
    end: Arc<RemoteEnd>,
    op: Key,
}

impl LeaseOwner for Release {
    fn completed(&self) {
        self.end.release(self.op);
    }
}

/// The segments of an end's peer, looked for only when a block is.
struct SegmentsOf<'a>(&'a RemoteEnd);

impl Segments for SegmentsOf<'_> {
    #[inline]
    fn segment(&self, key: Key) -> Option<PeerRegion> {
        self.0.peer()?.segments().segment(key)
    }

    fn trust(&self) -> Trust {
        let peer = self.0.peer();
        peer.map_or(Trust::Untrusted, |peer| peer.segments().trust())
    }
}

/// Reads the payload of a completion; a held op is released when that is read, or when the lease on it is dropped.
#[inline]
pub(crate) fn payload<M: Message + ?Sized>(
    end: &Arc<RemoteEnd>,
    op: Key,
    words: &EntryWords,
    is_held: bool,
) -> Result<M::Arrival, String> {
    let release = is_held.then(|| {
        let end = Arc::clone(end);
        Arc::new(Release { end, op }) as Arc<dyn LeaseOwner>
    });
    let receive = |verified| {
        let receive = || M::Semantics::receive(verified).map_err(|error| error.to_string());
        addr::wire::decode::<M, _>(|| end.shared(), receive)
    };
    let token = EntryToken::of_words(words);
    let signature = const { Signature::of::<M>() };
    if let Some((_, inline)) = token.verify_inline(Expected::OneOf(&[signature]))
        && let Some(arrival) = M::Semantics::of_inline(&inline)
    {
        drop(release);
        return Ok(arrival);
    }
    // Each way has its own `receive`: what is verified in the simplest form is read from registers.
    if let Some(verified) = token.verify_simple(Expected::OneOf(&[signature])) {
        drop(release);
        return receive(verified);
    }
    receive(verify(end, token, signature, release)?)
}

#[inline(never)]
fn verify(
    end: &RemoteEnd,
    token: &EntryToken,
    expected: Signature,
    release: Option<Arc<dyn LeaseOwner>>,
) -> Result<Verified, String> {
    token
        .verify_lent(Expected::OneOf(&[expected]), &SegmentsOf(end), release)
        .map_err(|error| {
            if let Some(peer) = end.peer() {
                peer.bad_entry(&error);
            }
            error.to_string()
        })
}
