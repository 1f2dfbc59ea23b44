//! `Move`: a plain value travels as its bytes, inline when small, and arrives as the value.

use bytemuck::{Pod, Zeroable};

use super::{
    Access, AnyBits, Codec, InPlace, Message, MessageSchema, Name, Parcel, Plain, Schema,
    Semantics, SemanticsCode, Shape, TypeId, Whole,
};
use crate::entry::Verified;
use crate::token::DetokenizeError;

/// The semantics of plain values: sent as bytes, received as the value, or in place as a [`Lease`](crate::lease::Lease)
/// where the handler names that.
#[derive(Debug)]
pub enum Move {}

impl<M> Semantics<M> for Move
where
    M: InPlace<View = M, Header = (), Value = M, Arrival = M> + Plain,
{
    const CODE: SemanticsCode = SemanticsCode::new(Codec::Move);

    fn arrive(parcel: Parcel<M>) -> M {
        match parcel {
            Parcel::Value(value) => value,
            Parcel::Loan(loan) => *loan,
        }
    }

    fn receive(verified: Verified) -> Result<M, DetokenizeError> {
        let payload = verified.expect::<M>()?;
        let value = M::Access::view(payload.bytes()).copied();
        value.ok_or_else(|| DetokenizeError::invalid::<M>(payload.len()))
    }

    fn value(parcel: Parcel<M>) -> Result<M, Parcel<M>> {
        Ok(Self::arrive(parcel))
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
}

impl<T: Pod + Schema + Send + Sync> InPlace for MoveMessage<T> {
    type View = Self;
    type Header = ();
    type Access = Whole;
}
