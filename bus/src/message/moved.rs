//! `Move`: a plain value travels as its bytes, inline when small, and arrives as the value.

use bytemuck::{Pod, Zeroable};
use ringway_shm::heap::Heap;

use super::{
    Access, Answer, AnyBits, InPlace, Keep, Message, MessageSchema, Name, Parcel, Plain, Schema,
    Semantics, SemanticsCode, Shape, TypeId, Whole,
};
use crate::entry::{Found, Verified};
use crate::token::{
    DetokenizeError, Inline, Long, ReceivedToken, Room, TokenizeError, Tokenized, TypedToken,
};

/// The semantics of plain values: sent as bytes, received as the value, or in place as a [`Lease`](crate::lease::Lease)
/// where the handler names that.
#[derive(Debug)]
pub enum Move {}

impl<M> Semantics<M> for Move
where
    M: InPlace<View = M, Header = (), Value = M, Arrival = M> + Plain,
{
    const CODE: SemanticsCode = SemanticsCode::MOVE;

    #[inline]
    fn arrive(parcel: Parcel<M>) -> M {
        match parcel {
            Parcel::Value(value) => value,
            Parcel::Loan(loan) => *loan,
        }
    }

    #[inline]
    fn receive(verified: Verified) -> Result<M, DetokenizeError> {
        let verified = verified.expect::<M>()?;
        let bytes = verified.bytes();
        M::Access::view(bytes)
            .copied()
            .ok_or_else(|| DetokenizeError::invalid::<M>(bytes.len()))
    }

    fn sent_on(arrival: M) -> Parcel<M> {
        Parcel::Value(arrival)
    }

    fn receive_value(verified: Verified) -> Result<M, DetokenizeError> {
        <Self as Semantics<M>>::receive(verified)
    }

    #[inline]
    fn pack(parcel: Parcel<M>, heap: &Heap, room: Room) -> Result<Tokenized, TokenizeError<M>> {
        match parcel {
            Parcel::Value(value) => {
                let room = room.aligned(align_of::<M>());
                Tokenized::copy::<M>(M::Access::bytes(&value), heap, room)
                    .map_err(|cause| TokenizeError::new(Parcel::Value(value), cause))
            }
            Parcel::Loan(loan) => loan
                .pack(heap, room)
                .map_err(|(loan, cause)| TokenizeError::new(Parcel::Loan(loan), cause)),
        }
    }

    #[inline]
    fn inline(parcel: &Parcel<M>, room: Room) -> Option<Inline> {
        match parcel {
            Parcel::Value(value) if size_of::<M>() <= room.inline => {
                Inline::new(M::Access::bytes(value))
            }
            _ => None,
        }
    }

    #[inline]
    fn of_inline(inline: &Inline) -> Option<M> {
        M::Access::view(inline.bytes()).copied()
    }

    #[inline]
    fn long(parcel: &Parcel<M>, room: Room) -> Option<Long> {
        match parcel {
            Parcel::Value(value) if size_of::<M>() <= room.aligned(align_of::<M>()).long => {
                Long::of_bytes(M::Access::bytes(value))
            }
            _ => None,
        }
    }

    #[inline]
    fn plain(parcel: &Parcel<M>) -> Option<&[u8]> {
        match parcel {
            Parcel::Value(value) if align_of::<M>() <= align_of::<u64>() => {
                Some(M::Access::bytes(value))
            }
            _ => None,
        }
    }

    #[inline]
    fn of_plain(bytes: &[u8]) -> Option<M> {
        M::Access::view(bytes).copied()
    }

    #[inline]
    fn receive_found(found: Found) -> Result<M, DetokenizeError> {
        found.signature.expect::<M>()?;
        let bytes = found.payload.bytes();
        M::Access::view(bytes)
            .copied()
            .ok_or_else(|| DetokenizeError::invalid::<M>(bytes.len()))
    }

    fn unpack(tokenized: Tokenized) -> Result<Parcel<M>, DetokenizeError> {
        <Self as Semantics<M>>::receive(tokenized.into_verified()).map(Parcel::Value)
    }

    fn value(parcel: Parcel<M>) -> Result<M, Parcel<M>> {
        Ok(Self::arrive(parcel))
    }
}

impl Move {
    /// Puts a value into a token: inline when small, else in a block of `heap`.
    ///
    /// # Errors
    ///
    /// The heap has no block of its size; the value comes back in the error.
    pub fn tokenize<M>(value: M, heap: &Heap) -> Result<TypedToken<M>, TokenizeError<M>>
    where
        M: InPlace<View = M, Value = M> + Plain,
    {
        TypedToken::of_parcel(Parcel::Value(value), heap)
    }

    /// The value in a token.
    ///
    /// # Errors
    ///
    /// The token is of another type, schema or semantics: try the next type.
    pub fn detokenize<M>(token: &ReceivedToken) -> Result<M, DetokenizeError>
    where
        M: InPlace<View = M, Value = M, Arrival = M> + Plain,
    {
        token.detokenize::<M>()
    }
}

/// Any `Pod` type as a `Move` message, for types that are not one themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct MoveMessage<T>(pub T);

impl<T: Pod + Send + Sync> Plain for MoveMessage<T> {
    type Bits = AnyBits;
}

impl<T: Pod + Schema + Send + Sync> MoveMessage<T> {
    const FULL_NAME: Name = Name::new().text("MoveMessage<").shape(&T::SHAPE).text(">");
}

impl<T: Pod + Schema + Send + Sync> Schema for MoveMessage<T> {
    const SHAPE: Shape = Shape::generic("MoveMessage", size_of::<T>(), &[&T::SHAPE]);
}

impl<T: Pod + Schema + Send + Sync> Message for MoveMessage<T> {
    const NAME: &'static str = Self::FULL_NAME.as_str();
    const TYPE_ID: TypeId = TypeId::of_shape(&Self::SHAPE);
    const SCHEMA: MessageSchema =
        MessageSchema::new(&Self::SHAPE, <Move as Semantics<Self>>::CODE, 0);
    type Semantics = Move;
    type Reply = ();
    type Value = Self;
    type Arrival = Self;
    const KEEP: Option<Keep<Self>> = Some(|value| *value);
}

impl<T: Pod + Schema + Send + Sync> Answer for MoveMessage<T> {}

impl<T: Pod + Schema + Send + Sync> InPlace for MoveMessage<T> {
    type View = Self;
    type Header = ();
    type Access = Whole;
}
