//! A loan: a message being filled by its owner, in place.

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut, Range};

use bytemuck::{Pod, Zeroable};

use ringway_shm::block::Block;
use ringway_shm::heap::{Heap, HeapError};
use ringway_shm::region::PeerRegion;

use crate::entry::Beside;
use crate::lease::{Held, Lease, Payload};
use crate::message::{Access, Fill, InPlace, LINE, Message, Parcel, align, header_span};
use crate::token::{Inline, Long, Room, TokenizeCause, Tokenized, allocate};

/// A message being filled in place: `DerefMut` to the value, or to `[U]` for slice messages.
///
/// It lies in a block of the node's heap when its receiver is another process, and then telling it copies nothing; in
/// private memory when the receiver is in this process, or it is so small (up to 528 bytes) that it travels in the queue
/// itself. A loan that is dropped gives its block back.
pub struct Loan<M: Message + ?Sized> {
    memory: Memory,
    /// Bytes before the payload, kept free for an envelope.
    headroom: usize,
    /// Bytes of the payload: the header's lines and the items.
    len: usize,
    message: PhantomData<fn() -> Box<M>>,
}

impl<M: InPlace + ?Sized> Loan<M> {
    /// A loan of `items` items to be sent by an entry with this room: in private memory if it can travel behind that, else
    /// in a block of `heap`, its content whatever was there.
    ///
    /// # Errors
    ///
    /// The heap has no block of that size.
    pub(crate) fn for_entry(heap: &Heap, items: usize, room: Room) -> Result<Self, HeapError>
    where
        M::Access: Fill<M::View>,
    {
        let len = payload_len::<M>(items);
        if len <= room.aligned(align::<M>()).long
            && let Some(long) = Long::zeroed(len)
        {
            return Ok(Self::new(Memory::Long(long), 0, len));
        }
        Self::in_block(heap, items, room)
    }

    /// A loan of `items` items in a block of `heap`, its content whatever was there.
    ///
    /// # Errors
    ///
    /// The heap has no block of that size.
    pub(crate) fn in_block(heap: &Heap, items: usize, room: Room) -> Result<Self, HeapError>
    where
        M::Access: Fill<M::View>,
    {
        let len = payload_len::<M>(items);
        let mut block = allocate(heap, len, room)?;
        let front = room.headroom + header_span::<M>();
        block.bytes_mut()[..front].fill(0); // nothing of an old message before the items
        Ok(Self::new(Memory::Block(block), room.headroom, len))
    }

    /// A loan of `items` items in private memory, all zero; the bytes that it would take, if there are not so many.
    pub(crate) fn private(items: usize) -> Result<Self, usize>
    where
        M::Access: Fill<M::View>,
    {
        let len = payload_len::<M>(items);
        let lines = Lines::try_zeroed(len).ok_or(len)?;
        Ok(Self::new(Memory::Private(lines), 0, len))
    }

    /// A value in private memory.
    pub(crate) fn of_value(value: M::Value) -> Self {
        Self::of_view(&M::Header::zeroed(), M::Access::of_value(&value))
    }

    /// A copy of a view in private memory.
    pub(crate) fn of_view(header: &M::Header, view: &M::View) -> Self {
        let (header, items) = (bytemuck::bytes_of(header), M::Access::bytes(view));
        let mut lines = Lines::zeroed(header_span::<M>() + items.len());
        let (front, back) = lines.bytes_mut().split_at_mut(header_span::<M>());
        front[..header.len()].copy_from_slice(header);
        back.copy_from_slice(items);
        let len = lines.len;
        Self::new(Memory::Private(lines), 0, len)
    }

    pub(crate) fn from_parcel(parcel: Parcel<M>) -> Self {
        match parcel {
            Parcel::Value(value) => Self::of_value(value),
            Parcel::Loan(loan) => loan,
        }
    }

    /// A message that is here already: in place if it is this process's own, else copied.
    pub(crate) fn from_payload(payload: Payload) -> Self {
        let lines = match payload.into_parts() {
            (Held::Private(lines), range) => {
                return Self::new(Memory::Private(lines), range.start, range.len());
            }
            (Held::Block(block), range) => {
                return Self::new(Memory::Block(block), range.start, range.len());
            }
            (Held::Long(long), range) if align::<M>() <= align_of::<u64>() => {
                return Self::new(Memory::Long(long), range.start, range.len());
            }
            (held, range) => Lines::of_bytes(Payload::new(held, range).bytes()),
        };
        let len = lines.len;
        Self::new(Memory::Private(lines), 0, len)
    }

    /// A message that was received, to be sent on as it is: a peer's block stays where it is, until it is written to.
    pub(crate) fn of_lease(lease: Lease<M>) -> Self {
        match lease.into_payload() {
            payload if payload.is_borrowed() => {
                let len = payload.len();
                Self::new(Memory::Lent(Box::new(payload)), 0, len)
            }
            own => Self::from_payload(own),
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
        Lease::new(self.into_payload()).expect("holds-a-value: checked when the loan was made")
    }

    fn into_payload(self) -> Payload {
        let range = self.range();
        let held = match self.memory {
            Memory::Private(lines) => Held::Private(lines),
            Memory::Long(long) => Held::Long(long),
            Memory::Block(block) => Held::Block(block),
            Memory::Lent(payload) if range == (0..payload.len()) => return *payload,
            Memory::Lent(payload) => Held::Private(Lines::of_bytes(payload.bytes())),
        };
        Payload::new(held, range)
    }

    /// Turns into what an entry carries: as it is if it lies in a block with the right headroom, else copied.
    ///
    /// # Errors
    ///
    /// The heap has no block of that size; the loan comes back.
    pub(crate) fn pack(self, heap: &Heap, room: Room) -> Result<Tokenized, (Self, TokenizeCause)> {
        if self.len <= room.inline
            && let Some(inline) = Inline::new(self.payload())
        {
            return Ok(Tokenized::inline::<M>(inline));
        }
        match self.memory {
            Memory::Block(block)
                if self.headroom == room.headroom && block.heap().is_same(heap) =>
            {
                Ok(Tokenized::block::<M>(block, room.headroom))
            }
            Memory::Long(long)
                if self.headroom == 0 && long.len() == self.len && self.len <= room.long =>
            {
                Ok(Tokenized::long::<M>(long))
            }
            memory => {
                let loan = Self { memory, ..self };
                let room = room.aligned(align::<M>());
                Tokenized::copy::<M>(loan.payload(), heap, room).map_err(|cause| (loan, cause))
            }
        }
    }

    fn payload(&self) -> &[u8] {
        &self.memory.bytes()[self.range()]
    }

    fn payload_mut(&mut self) -> &mut [u8] {
        let range = self.range();
        &mut self.memory.bytes_mut()[range]
    }
}

impl<M: InPlace<View = [U]> + ?Sized, U> Loan<M> {
    /// Keeps the first `items` items; without effect when there are no more.
    pub fn truncate(&mut self, items: usize) {
        let Some(items) = M::Access::size(items.min(self.deref().len())) else {
            return;
        };
        self.len = header_span::<M>() + items;
        let end = self.headroom + self.len;
        match &mut self.memory {
            Memory::Private(lines) => lines.len = end,
            Memory::Long(_) | Memory::Lent(_) => {} // what is cut off is left out when it is packed
            Memory::Block(block) => block.set_len(end),
        }
    }
}

impl<M: Message + ?Sized> Loan<M> {
    /// What lies beside its entry, if it was made for an entry with this room: nothing is copied.
    ///
    /// # Errors
    ///
    /// The loan comes back; what becomes of it [`pack`](Self::pack) tells.
    #[inline]
    pub(crate) fn into_beside(self, heap: &Heap, room: Room) -> Result<Beside, Self> {
        if self.len <= room.inline || self.headroom != room.headroom {
            return Err(self);
        }
        match self.memory {
            Memory::Long(long) if long.len() == self.len && self.len <= room.long => {
                Ok(Beside::Long(long))
            }
            Memory::Block(block) if block.heap().is_same(heap) => Ok(Beside::Block(block)),
            memory => Err(Self { memory, ..self }),
        }
    }

    /// A copy of it in private memory.
    pub(crate) fn keep(&self) -> Self {
        let lines = Lines::of_bytes(&self.memory.bytes()[self.range()]);
        Self {
            len: lines.len,
            memory: Memory::Private(lines),
            headroom: 0,
            message: PhantomData,
        }
    }

    fn range(&self) -> Range<usize> {
        self.headroom..self.headroom + self.len
    }
}

impl<M: InPlace + ?Sized> Deref for Loan<M> {
    type Target = M::View;

    fn deref(&self) -> &M::View {
        let bytes = &self.payload()[header_span::<M>()..];
        M::Access::view(bytes).expect("holds-a-value: checked when the loan was made")
    }
}

impl<M: InPlace + ?Sized> DerefMut for Loan<M> {
    fn deref_mut(&mut self) -> &mut M::View {
        let bytes = &mut self.payload_mut()[header_span::<M>()..];
        M::Access::view_mut(bytes).expect("holds-a-value: checked when the loan was made")
    }
}

impl<M: Message + ?Sized> fmt::Debug for Loan<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loan({} bytes of {})", self.len, M::NAME)
    }
}

/// Bytes of a payload with `items` items: the header's lines, then the items. More than there can be stays more.
fn payload_len<M: InPlace + ?Sized>(items: usize) -> usize {
    M::Access::size(items)
        .unwrap_or(usize::MAX)
        .saturating_add(header_span::<M>())
}

/// Where a loan's bytes are.
pub(crate) enum Memory {
    /// On this process's own heap.
    Private(Lines),
    /// There as well, as it will travel behind its entry.
    Long(Long),
    /// In a segment of this process's heap.
    Block(Block),
    /// In a peer's block, which is read and never written. Boxed: rare, and larger than all else.
    Lent(Box<Payload>),
}

impl Memory {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Private(lines) => lines.bytes(),
            Self::Long(long) => long.bytes(),
            Self::Block(block) => block.bytes(),
            Self::Lent(payload) => payload.bytes(),
        }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        if let Self::Lent(payload) = self {
            *self = Self::Private(Lines::of_bytes(payload.bytes()));
        }
        match self {
            Self::Lent(_) => &mut [],
            Self::Private(lines) => lines.bytes_mut(),
            Self::Long(long) => long.bytes_mut(),
            Self::Block(block) => block.bytes_mut(),
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

    /// The same; `None` when there is no memory for it.
    fn try_zeroed(len: usize) -> Option<Self> {
        let lines = bytemuck::try_zeroed_vec(len.div_ceil(LINE)).ok()?;
        Some(Self { lines, len })
    }

    /// A copy of a peer's bytes, which may change meanwhile; the copy does not. `None` when there is no memory for it.
    pub(crate) fn of_region(region: &PeerRegion) -> Option<Self> {
        let mut copy = Self::try_zeroed(usize::try_from(region.len()).ok()?)?;
        region.copy_to(0, copy.bytes_mut())?;
        Some(copy)
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
