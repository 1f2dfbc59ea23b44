//! A lease: a message that is read where it lies.
//!
//! # Invariants
//! - **verified**: a lease's view was made by the checks of its message's [`Access`] from bytes of its own payload, once,
//!   when the lease was made: length, alignment and content are those of a value.
//! - **lent-frozen**: nobody writes those bytes while the lease lives. Private memory is the lease's own; a peer's block is
//!   left alone by its owner until the completion, which only the lease's drop posts.
#![allow(unsafe_code, reason = "the home of views into lent memory")]

use core::fmt;
use core::ops::{Deref, Range};
use core::ptr::NonNull;

use crate::entry::Verified;
use crate::loan::Lines;
use crate::message::{Access, InPlace, LINE, header_span};
use crate::token::{DetokenizeError, Inline};

/// A message read in place: `Deref` to the value, or to `[U]` for slice messages.
pub struct Lease<M: InPlace + ?Sized> {
    /// Points into the bytes of `payload`, which do not move when the lease does.
    view: NonNull<M::View>,
    payload: Payload,
}

impl<M: InPlace + ?Sized> Lease<M> {
    /// Takes `payload` if its bytes are a value of `M`.
    pub(crate) fn new(payload: Payload) -> Result<Self, DetokenizeError> {
        let payload = payload.in_place();
        let len = payload.len();
        let items = payload.bytes().get(header_span::<M>()..);
        match items.and_then(M::Access::view) {
            Some(view) => Ok(Self {
                view: NonNull::from_ref(view),
                payload,
            }),
            None => Err(DetokenizeError::invalid::<M>(len)),
        }
    }

    pub(crate) fn receive(verified: Verified) -> Result<Self, DetokenizeError> {
        Self::new(verified.expect::<M>()?.into_payload())
    }

    /// The header of a slice message.
    pub fn header(&self) -> &M::Header {
        bytemuck::from_bytes(&self.payload.bytes()[..size_of::<M::Header>()])
    }
}

impl<M: InPlace + ?Sized> Deref for Lease<M> {
    type Target = M::View;

    fn deref(&self) -> &M::View {
        // SAFETY: verified: `new` made the view from bytes of our payload, which stay in place and mapped while we live.
        // lent-frozen: nobody writes them until our drop.
        unsafe { self.view.as_ref() }
    }
}

// SAFETY: a lease is the payload, which is Send by itself, and shared access to a view, which is Sync by InPlace's bound.
unsafe impl<M: InPlace + ?Sized> Send for Lease<M> {}

// SAFETY: shared access gives out `&M::View` and `&M::Header`, both Sync by InPlace's bounds.
unsafe impl<M: InPlace + ?Sized> Sync for Lease<M> {}

impl<M: InPlace + ?Sized> fmt::Debug for Lease<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({} bytes of {})", self.payload.len(), M::NAME)
    }
}

/// The bytes of a message and what keeps them.
pub(crate) struct Payload {
    held: Held,
    range: Range<usize>,
}

/// What keeps the bytes of a payload.
pub(crate) enum Held {
    /// Copied out of an entry.
    Inline(Inline),
    /// Private memory.
    Private(Lines),
}

impl Payload {
    /// The bytes at `range` of `held`, which must be in it.
    pub(crate) fn new(held: Held, range: Range<usize>) -> Self {
        debug_assert!(
            range.end <= held.bytes().len(),
            "in-range: checked by who made it"
        );
        Self { held, range }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.held.bytes()[self.range.clone()]
    }

    pub(crate) fn len(&self) -> usize {
        self.range.len()
    }

    /// The same payload with bytes that stay where they are when it is moved.
    fn in_place(self) -> Self {
        match self.held {
            Held::Inline(inline) => {
                Self::new(Held::Private(Lines::of_bytes(inline.bytes())), self.range)
            }
            Held::Private(_) => self,
        }
    }
}

impl Held {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Inline(inline) => inline.bytes(),
            Self::Private(lines) => lines.bytes(),
        }
    }
}

const _: () = assert!(LINE == 64, "payloads are aligned like blocks");
