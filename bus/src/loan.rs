//! A loan: a message being filled by its owner, in place.

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut, Range};

use bytemuck::{Pod, Zeroable};

use crate::lease::Lease;
use crate::lease::{Held, Payload};
use crate::message::{Access, Fill, InPlace, LINE, Message, Parcel, header_span};

/// A message being filled in place: `DerefMut` to the value, or to `[U]` for slice messages.
///
/// It lies in a block of the node's heap when its receiver is another process, and then telling it copies nothing; in
/// private memory when the receiver is in this process. A loan that is dropped gives its block back.
pub struct Loan<M: Message + ?Sized> {
    memory: Memory,
    /// Bytes before the payload, kept free for an envelope.
    headroom: usize,
    /// Bytes of the payload: the header's lines and the items.
    len: usize,
    message: PhantomData<fn() -> Box<M>>,
}

impl<M: InPlace + ?Sized> Loan<M> {
    /// A loan of `items` items in private memory, all zero; `None` when no memory is that large.
    pub(crate) fn private(items: usize) -> Option<Self>
    where
        M::Access: Fill<M::View>,
    {
        let len = payload_len::<M>(items)?;
        Some(Self::new(Memory::Private(Lines::zeroed(len)), 0, len))
    }

    /// A value in private memory.
    pub(crate) fn of_value(value: M::Value) -> Self {
        let bytes = M::Access::bytes(M::Access::of_value(&value));
        let mut lines = Lines::zeroed(header_span::<M>() + bytes.len());
        lines.bytes_mut()[header_span::<M>()..].copy_from_slice(bytes);
        let len = lines.len;
        Self::new(Memory::Private(lines), 0, len)
    }

    pub(crate) fn from_parcel(parcel: Parcel<M>) -> Self {
        match parcel {
            Parcel::Value(value) => Self::of_value(value),
            Parcel::Loan(loan) => loan,
        }
    }

    fn new(memory: Memory, headroom: usize, len: usize) -> Self {
        const {
            assert!(
                align_of::<M::Header>() <= LINE,
                "a header is aligned to 64 at most"
            )
        };
        Self {
            memory,
            headroom,
            len,
            message: PhantomData,
        }
    }

    /// The header of a slice message.
    pub fn header(&self) -> &M::Header {
        bytemuck::from_bytes(&self.payload()[..size_of::<M::Header>()])
    }

    /// The header of a slice message, to be filled.
    pub fn header_mut(&mut self) -> &mut M::Header {
        bytemuck::from_bytes_mut(&mut self.payload_mut()[..size_of::<M::Header>()])
    }

    /// Turns into what a receiver in this process gets. Nothing is copied.
    pub(crate) fn into_lease(self) -> Lease<M> {
        let range = self.range();
        let held = match self.memory {
            Memory::Private(lines) => Held::Private(lines),
        };
        Lease::new(Payload::new(held, range)).expect("a loan holds a value at any time")
    }

    fn payload(&self) -> &[u8] {
        &self.memory.bytes()[self.range()]
    }

    fn payload_mut(&mut self) -> &mut [u8] {
        let range = self.range();
        &mut self.memory.bytes_mut()[range]
    }
}

impl<M: Message + ?Sized> Loan<M> {
    fn range(&self) -> Range<usize> {
        self.headroom..self.headroom + self.len
    }
}

impl<M: InPlace + ?Sized> Deref for Loan<M> {
    type Target = M::View;

    fn deref(&self) -> &M::View {
        let bytes = &self.payload()[header_span::<M>()..];
        M::Access::view(bytes).expect("a loan holds a value at any time")
    }
}

impl<M: InPlace + ?Sized> DerefMut for Loan<M> {
    fn deref_mut(&mut self) -> &mut M::View {
        let bytes = &mut self.payload_mut()[header_span::<M>()..];
        M::Access::view_mut(bytes).expect("a loan holds a value at any time")
    }
}

impl<M: Message + ?Sized> fmt::Debug for Loan<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loan({} bytes of {})", self.len, M::NAME)
    }
}

/// Bytes of a payload with `items` items: the header's lines, then the items.
pub(crate) fn payload_len<M: InPlace + ?Sized>(items: usize) -> Option<usize> {
    M::Access::size(items)?.checked_add(header_span::<M>())
}

/// Where a loan's bytes are.
pub(crate) enum Memory {
    /// On this process's own heap.
    Private(Lines),
}

impl Memory {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Private(lines) => lines.bytes(),
        }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Private(lines) => lines.bytes_mut(),
        }
    }
}

/// Private memory aligned like a block. Its bytes stay where they are when it is moved.
pub(crate) struct Lines {
    lines: Vec<Line>,
    len: usize,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

impl Lines {
    pub(crate) fn zeroed(len: usize) -> Self {
        Self {
            lines: bytemuck::zeroed_vec(len.div_ceil(LINE)),
            len,
        }
    }

    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        let mut lines = Self::zeroed(bytes.len());
        lines.bytes_mut().copy_from_slice(bytes);
        lines
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}
