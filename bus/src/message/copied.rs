//! `Copy`: slices and checked values travel in a block and are read where they lie.

use core::slice;

use bytemuck::{Pod, Zeroable};
use ringway_shm::heap::Heap;

use super::{
    Access, Answer, Bits, CheckedBits, CheckedData, InPlace, Items, Keep, Message, MessageSchema,
    Name, Never, Parcel, Schema, Semantics, SemanticsCode, Shape, TypeId, header_span,
};
use crate::entry::{Found, Verified};
use crate::lease::Lease;
use crate::loan::Loan;
use crate::token::{
    DetokenizeError, ReceivedToken, Room, TokenizeCause, TokenizeError, Tokenized, TypedToken,
    allocate,
};

/// The semantics of slices and of `Copy` values with checked bit patterns: copied, or filled in place, and received as a
/// [`Lease`]. The name is Rust's word for the values; the bound is bytemuck's, since references are Rust-`Copy` too.
#[derive(Debug)]
pub enum Copy {}

impl<M> Semantics<M> for Copy
where
    M: InPlace<Arrival = Lease<M>> + ?Sized,
{
    const CODE: SemanticsCode = SemanticsCode::COPY;

    fn arrive(parcel: Parcel<M>) -> Lease<M> {
        Loan::from_parcel(parcel).into_lease()
    }

    fn receive(verified: Verified) -> Result<Lease<M>, DetokenizeError> {
        Lease::receive(verified)
    }

    #[inline]
    fn receive_found(found: Found) -> Result<Lease<M>, DetokenizeError> {
        Lease::receive_found(found)
    }

    fn receive_value(verified: Verified) -> Result<M::Value, DetokenizeError> {
        let lease = Lease::<M>::receive(verified)?;
        let len = M::Access::bytes(&lease).len();
        M::Access::to_value(&lease).ok_or_else(|| DetokenizeError::invalid::<M>(len))
    }

    fn pack(parcel: Parcel<M>, heap: &Heap, room: Room) -> Result<Tokenized, TokenizeError<M>> {
        match parcel {
            Parcel::Value(value) => {
                let view = M::Access::of_value(&value);
                copy::<M>(&M::Header::zeroed(), view, heap, room)
                    .map_err(|cause| TokenizeError::new(Parcel::Value(value), cause))
            }
            Parcel::Loan(loan) => loan
                .pack(heap, room)
                .map_err(|(loan, cause)| TokenizeError::new(Parcel::Loan(loan), cause)),
        }
    }

    fn unpack(tokenized: Tokenized) -> Result<Parcel<M>, DetokenizeError> {
        let lease = Lease::<M>::receive(tokenized.into_verified())?;
        Ok(Parcel::Loan(lease.into_loan()))
    }

    fn sent_on(arrival: Lease<M>) -> Parcel<M> {
        Parcel::Loan(Loan::of_lease(arrival))
    }

    fn value(parcel: Parcel<M>) -> Result<M::Value, Parcel<M>> {
        match parcel {
            Parcel::Value(value) => Ok(value),
            Parcel::Loan(loan) => M::Access::to_value(&loan).ok_or(Parcel::Loan(loan)),
        }
    }
}

/// Copies header and items inline, or else into a block, once.
fn copy<M: InPlace + ?Sized>(
    header: &M::Header,
    view: &M::View,
    heap: &Heap,
    room: Room,
) -> Result<Tokenized, TokenizeCause> {
    let items = M::Access::bytes(view);
    let span = header_span::<M>();
    if span == 0 {
        return Tokenized::copy::<M>(items, heap, room);
    }
    // With a header's line a payload is too large for an entry.
    let mut block = allocate(heap, span.saturating_add(items.len()), room)?;
    let (front, back) = block.bytes_mut()[room.headroom..].split_at_mut(span);
    let header = bytemuck::bytes_of(header);
    front[..header.len()].copy_from_slice(header);
    front[header.len()..].fill(0); // nothing of an old message
    back.copy_from_slice(items);
    Ok(Tokenized::block::<M>(block, room.headroom))
}

impl Copy {
    /// Copies a slice or a value into a token. A slice message's header is all zero; see [`tokenize_with`](Self::tokenize_with).
    ///
    /// # Errors
    ///
    /// The heap has no block of its size.
    pub fn tokenize<M>(view: &M::View, heap: &Heap) -> Result<TypedToken<M>, TokenizeCause>
    where
        M: InPlace<Arrival = Lease<M>> + ?Sized,
    {
        Self::tokenize_with(&M::Header::zeroed(), view, heap)
    }

    /// Copies a slice and its header into a token.
    ///
    /// # Errors
    ///
    /// The heap has no block of their size.
    pub fn tokenize_with<M>(
        header: &M::Header,
        view: &M::View,
        heap: &Heap,
    ) -> Result<TypedToken<M>, TokenizeCause>
    where
        M: InPlace<Arrival = Lease<M>> + ?Sized,
    {
        copy::<M>(header, view, heap, Room::TELL).map(TypedToken::new)
    }

    /// The message in a token, to be read in place.
    ///
    /// # Errors
    ///
    /// The token is of another type, schema or semantics: try the next type; or its bytes are no value.
    pub fn detokenize<M>(token: &ReceivedToken) -> Result<Lease<M>, DetokenizeError>
    where
        M: InPlace<Arrival = Lease<M>> + ?Sized,
    {
        token.detokenize::<M>()
    }
}

/// A plain slice as a message: `addr.loan::<BytesMessage<u8>>(len)`.
#[derive(Debug)]
#[repr(transparent)]
pub struct BytesMessage<U>([U]);

impl<U: Pod + Schema + Send + Sync> BytesMessage<U> {
    const FULL_NAME: Name = Name::new().text("BytesMessage<").shape(&U::SHAPE).text(">");
    const SHAPE: Shape = Shape::generic("BytesMessage", 0, &[&U::SHAPE]);
}

impl<U: Pod + Schema + Send + Sync> Message for BytesMessage<U> {
    const NAME: &'static str = Self::FULL_NAME.as_str();
    const TYPE_ID: TypeId = TypeId::of_shape(&Self::SHAPE);
    const SCHEMA: MessageSchema =
        MessageSchema::new(&Self::SHAPE, <Copy as Semantics<Self>>::CODE, 0);
    type Semantics = Copy;
    type Reply = ();
    type Value = Never;
    type Arrival = Lease<Self>;
    const KEEP: Option<Keep<Never>> = Some(|never| match *never {});
}

impl<U: Pod + Schema + Send + Sync> InPlace for BytesMessage<U> {
    type View = [U];
    type Header = ();
    type Access = Items;
}

/// Any value with checked bit patterns as a `Copy` message, for types that are not one themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct CopyMessage<T>(pub T);

/// The one value of a [`CopyMessage`], read in place as the inner type.
#[derive(Debug)]
pub struct Inner;

impl<T: CheckedData + Schema> Access<T> for Inner {
    type Value = CopyMessage<T>;
    const ALIGN: usize = align_of::<T>();

    fn size(_items: usize) -> Option<usize> {
        Some(size_of::<T>())
    }

    fn view(bytes: &[u8]) -> Option<&T> {
        CheckedBits::view(bytes)
    }

    fn view_mut(bytes: &mut [u8]) -> Option<&mut T> {
        CheckedBits::view_mut(bytes)
    }

    fn bytes(view: &T) -> &[u8] {
        CheckedBits::bytes(slice::from_ref(view))
    }

    fn of_value(value: &CopyMessage<T>) -> &T {
        &value.0
    }

    fn to_value(view: &T) -> Option<CopyMessage<T>> {
        Some(CopyMessage(*view))
    }
}

impl<T: CheckedData + Schema> CopyMessage<T> {
    const FULL_NAME: Name = Name::new().text("CopyMessage<").shape(&T::SHAPE).text(">");
    const SHAPE: Shape = Shape::generic("CopyMessage", size_of::<T>(), &[&T::SHAPE]);
}

impl<T: CheckedData + Schema> Message for CopyMessage<T> {
    const NAME: &'static str = Self::FULL_NAME.as_str();
    const TYPE_ID: TypeId = TypeId::of_shape(&Self::SHAPE);
    const SCHEMA: MessageSchema =
        MessageSchema::new(&Self::SHAPE, <Copy as Semantics<Self>>::CODE, 0);
    type Semantics = Copy;
    type Reply = ();
    type Value = Self;
    type Arrival = Lease<Self>;
    const KEEP: Option<Keep<Self>> = Some(|value| *value);
}

impl<T: CheckedData + Schema> Answer for CopyMessage<T> {}

impl<T: CheckedData + Schema> InPlace for CopyMessage<T> {
    type View = T;
    type Header = ();
    type Access = Inner;
}
