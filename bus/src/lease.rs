//! A lease: a message that is read where it lies.
//!
//! Dropping a lease of a peer's block posts the completion, once; then the block is its owner's again.
//!
//! # Invariants
//! - **verified**: a lease's view was made by the checks of its message's [`Access`] from bytes of its own payload, once,
//!   when the lease was made: length, alignment and content are those of a value.
//! - **in-place**: the bytes that a lease views do not move when the lease does: a block, a peer's segment, or private
//!   memory behind a pointer. Inline payloads are copied to private memory first.
//! - **lent-frozen**: nobody writes those bytes while the lease lives. Private memory and own blocks are the lease's own; a
//!   peer's block is left alone by its owner until the completion, which only the drop of its `Borrow` posts.
//!
//! # If a side dies
//! | who | what happens |
//! |---|---|
//! | the owner | its bytes stay mapped, thus readable and unchanged, until the last lease of them is dropped here |
//! | the borrower | no completion comes: the owner frees the block on the proof of death |
//! | the borrower, in a drop | the completion was posted or it was not; the owner finds out by either way, once |
//!
//! # Trust
//! lent-frozen is the peer's promise. Among *cooperative* peers (the default) it is relied on: a hostile owner could change
//! bytes under a `&T`, which Rust's memory model calls undefined behaviour. From *untrusted* peers payloads are copied first
//! (`EntryToken::verify`), and nothing of theirs is ever referenced.
#![allow(unsafe_code, reason = "the home of views into lent memory")]

#[cfg(feature = "rkyv")]
mod archived;

use core::fmt;
use core::ops::{Deref, Range};
use core::ptr::NonNull;
use std::sync::Arc;

use ringway_shm::block::Block;
use ringway_shm::region::PeerRegion;

use crate::entry::{Found, Verified};
use crate::loan::{Lines, Loan};
use crate::message::{Access, InPlace, LINE, align, header_span};
use crate::token::{DetokenizeError, Inline, Long};

#[cfg(feature = "rkyv")]
pub use self::archived::ArchivedLease;

/// A message read in place: `Deref` to the value, or to `[U]` for slice messages.
///
/// While it lives, the sender's block is lent, which counts against the credit of the sender's uring: do not hoard leases.
pub struct Lease<M: InPlace + ?Sized> {
    /// Points into the bytes of `payload`.
    view: NonNull<M::View>,
    payload: Settled,
}

impl<M: InPlace + ?Sized> Lease<M> {
    /// Takes `payload` if its bytes are a value of `M`.
    pub(crate) fn new(payload: Payload) -> Result<Self, DetokenizeError> {
        Self::of_settled(payload.in_place(align::<M>()))
    }

    /// The same of bytes that stay where they are already, aligned as they must be.
    #[inline]
    fn of_settled(payload: Settled) -> Result<Self, DetokenizeError> {
        let items = payload.bytes().get(header_span::<M>()..);
        match items.and_then(M::Access::view) {
            Some(view) => Ok(Self {
                view: NonNull::from_ref(view),
                payload,
            }),
            None => Err(DetokenizeError::invalid::<M>(payload.len())),
        }
    }

    #[inline]
    pub(crate) fn receive_found(found: Found) -> Result<Self, DetokenizeError> {
        found.signature.expect::<M>()?;
        match found.payload.kept {
            Kept::Long(_) if align::<M>() > align_of::<u64>() => Self::new(found.payload.into()),
            _ => Self::of_settled(found.payload),
        }
    }

    pub(crate) fn receive(verified: Verified) -> Result<Self, DetokenizeError> {
        Self::new(verified.expect::<M>()?.into_payload())
    }

    /// The header of a slice message.
    pub fn header(&self) -> &M::Header {
        // In range: `new` found the header's lines before the items.
        bytemuck::from_bytes(&self.payload.bytes()[..size_of::<M::Header>()])
    }

    /// The same message as this process's own, to be changed or sent again. A peer's block is copied, and goes back to it.
    pub fn into_loan(self) -> Loan<M> {
        Loan::from_payload(self.payload.into())
    }

    pub(crate) fn into_payload(self) -> Payload {
        self.payload.into()
    }

    /// Whether another process lends it.
    pub fn is_borrowed(&self) -> bool {
        self.payload.is_borrowed()
    }
}

impl<M: InPlace + ?Sized> Deref for Lease<M> {
    type Target = M::View;

    fn deref(&self) -> &M::View {
        // SAFETY: verified: `new` made the view from bytes of our payload. in-place: they are where they were, and mapped
        // while the payload lives. lent-frozen: nobody writes them until our drop.
        unsafe { self.view.as_ref() }
    }
}

// SAFETY: a lease is a payload, which is Send by itself, and shared access to a view, which is Sync by InPlace's bound.
unsafe impl<M: InPlace + ?Sized> Send for Lease<M> {}

// SAFETY: shared access gives out `&M::View` and `&M::Header`, both Sync by InPlace's bounds.
unsafe impl<M: InPlace + ?Sized> Sync for Lease<M> {}

impl<M: InPlace + ?Sized> fmt::Debug for Lease<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({} bytes of {})", self.payload.len(), M::NAME)
    }
}

/// Who is told that a borrowed block is not read any more.
pub(crate) trait LeaseOwner: Send + Sync {
    /// Posts the completion. Called once, from any thread, after the last read.
    fn completed(&self);
}

/// Tells the owner once, when dropped.
pub(crate) struct Completion(Option<Arc<dyn LeaseOwner>>);

impl Completion {
    pub(crate) fn new(owner: Option<Arc<dyn LeaseOwner>>) -> Self {
        Self(owner)
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if let Some(owner) = self.0.take() {
            owner.completed();
        }
    }
}

/// Bytes of a peer's block, and the duty to say when they are not read any more.
pub(crate) struct Borrow {
    region: PeerRegion,
    _completion: Completion,
}

impl Borrow {
    /// The whole of `region`, which `completion` gives back.
    pub(crate) fn new(region: PeerRegion, completion: Completion) -> Self {
        Self {
            region,
            _completion: completion,
        }
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        // SAFETY: lent-frozen: the owner lent these bytes with the entry that was verified, and the completion that gives
        // them back is posted by our drop, which the reference does not outlive.
        unsafe { self.region.bytes(0, self.region.len()) }.expect("in-range: all of the region")
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.len())
    }
}

/// The bytes of a message, and what keeps them.
pub(crate) struct Payload {
    held: Held,
    range: Range<usize>, // of the held bytes
}

/// What keeps the bytes of a payload.
pub(crate) enum Held {
    /// Copied out of an entry.
    Inline(Inline),
    /// Copied out of the slots behind an entry.
    Long(Long),
    /// Private memory.
    Private(Lines),
    /// A block of this process.
    Block(Block),
    /// A block of a peer.
    Peer(Borrow),
    /// A part in any of these.
    Shared(Arc<Payload>),
}

impl Payload {
    /// The bytes at `range` of `held`, which must lie in it.
    pub(crate) fn new(held: Held, range: Range<usize>) -> Self {
        debug_assert!(
            range.start <= range.end && range.end <= held.bytes().len(),
            "in-range"
        );
        Self { held, range }
    }

    /// All bytes of `held`.
    #[inline]
    pub(crate) fn whole(held: Held) -> Self {
        let len = held.bytes().len();
        Self::new(held, 0..len)
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.held.bytes()[self.range.clone()]
    }

    pub(crate) fn len(&self) -> usize {
        self.range.len()
    }

    pub(crate) fn is_borrowed(&self) -> bool {
        match &self.held {
            Held::Inline(_) | Held::Long(_) | Held::Private(_) | Held::Block(_) => false,
            Held::Peer(_) => true,
            Held::Shared(shared) => shared.is_borrowed(),
        }
    }

    pub(crate) fn into_parts(self) -> (Held, Range<usize>) {
        (self.held, self.range)
    }

    /// The same payload with bytes that stay where they are when it is moved (in-place), aligned to `align` at least if its
    /// range is, to at most a line.
    pub(crate) fn in_place(self, align: usize) -> Settled {
        debug_assert!(align <= LINE, "messages are aligned to 64 bytes at most");
        let Self { held, range } = self;
        let kept = match held {
            Held::Inline(inline) => Kept::Private(Lines::of_bytes(inline.bytes())),
            Held::Long(long) if align > align_of::<u64>() => {
                Kept::Private(Lines::of_bytes(long.bytes()))
            }
            Held::Long(long) => Kept::Long(long),
            Held::Private(lines) => Kept::Private(lines),
            Held::Block(block) => Kept::Block(block),
            Held::Peer(borrow) => Kept::Peer(borrow),
            Held::Shared(payload) => Kept::Shared(payload),
        };
        Settled { kept, range }
    }
}

/// The bytes of a lease, which stay where they are when it is moved, and what keeps them. Half a payload in size: leases are
/// moved several times on the way to their handlers, and so is every letter of an actor that handles one.
pub(crate) struct Settled {
    kept: Kept,
    range: Range<usize>, // of the kept bytes
}

/// What [`Held`] says, but for bytes that move.
enum Kept {
    Long(Long),
    Private(Lines),
    Block(Block),
    Peer(Borrow),
    Shared(Arc<Payload>),
}

impl Settled {
    /// All bytes of the slots behind an entry.
    #[inline]
    pub(crate) fn long(long: Long) -> Self {
        let range = 0..long.len();
        let kept = Kept::Long(long);
        Self { kept, range }
    }

    /// All bytes of a peer's block.
    #[inline]
    pub(crate) fn borrow(borrow: Borrow) -> Self {
        let range = 0..borrow.bytes().len();
        let kept = Kept::Peer(borrow);
        Self { kept, range }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        let bytes = match &self.kept {
            Kept::Long(long) => long.bytes(),
            Kept::Private(lines) => lines.bytes(),
            Kept::Block(block) => block.bytes(),
            Kept::Peer(borrow) => borrow.bytes(),
            Kept::Shared(payload) => payload.bytes(),
        };
        &bytes[self.range.clone()]
    }

    pub(crate) fn len(&self) -> usize {
        self.range.len()
    }

    fn is_borrowed(&self) -> bool {
        match &self.kept {
            Kept::Long(_) | Kept::Private(_) | Kept::Block(_) => false,
            Kept::Peer(_) => true,
            Kept::Shared(shared) => shared.is_borrowed(),
        }
    }
}

impl From<Settled> for Payload {
    fn from(Settled { kept, range }: Settled) -> Self {
        let held = match kept {
            Kept::Long(long) => Held::Long(long),
            Kept::Private(lines) => Held::Private(lines),
            Kept::Block(block) => Held::Block(block),
            Kept::Peer(borrow) => Held::Peer(borrow),
            Kept::Shared(payload) => Held::Shared(payload),
        };
        Self { held, range }
    }
}

impl Held {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Inline(inline) => inline.bytes(),
            Self::Long(long) => long.bytes(),
            Self::Private(lines) => lines.bytes(),
            Self::Block(block) => block.bytes(),
            Self::Peer(borrow) => borrow.bytes(),
            Self::Shared(payload) => payload.bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    // Goal: what a lease views stays where the lease's own bytes are, however often it is moved.
    use super::*;
    use crate::message::{CopyMessage, Delivery};
    use crate::token::{Room, Tokenized};

    #[test]
    fn a_view_stays_with_its_bytes() {
        let heap = ringway_shm::heap::Heap::new(ringway_shm::heap::HeapConfig::default());
        let tokenized = Tokenized::copy::<CopyMessage<bool>>(&[1], &heap, Room::TELL).unwrap();
        let lease = <Lease<CopyMessage<bool>>>::receive(tokenized.into_verified()).unwrap();
        let lease = Box::new(lease); // moved
        assert_eq!((&raw const **lease).cast(), lease.payload.bytes().as_ptr());
        assert!(**lease);
    }

    #[test]
    fn bytes_that_are_no_value_are_refused() {
        let heap = ringway_shm::heap::Heap::new(ringway_shm::heap::HeapConfig::default());
        for bytes in [&[2][..], &[0, 0], &[]] {
            let tokenized = Tokenized::copy::<CopyMessage<bool>>(bytes, &heap, Room::TELL).unwrap();
            let verified = tokenized.into_verified();
            assert!(<Lease<CopyMessage<bool>> as Delivery>::receive(verified).is_err());
        }
    }
}
