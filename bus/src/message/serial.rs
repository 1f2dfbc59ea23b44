//! `Serial`: anything that serde can encode travels as postcard bytes and arrives as the value.

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Codec, Message, MessageSchema, Name, Parcel, Schema, Semantics, SemanticsCode, Shape, TypeId,
};
use crate::entry::Verified;
use crate::token::DetokenizeError;

/// The semantics of serde types: encoded with postcard, received as the value.
#[derive(Debug)]
pub enum Serial {}

impl<M> Semantics<M> for Serial
where
    M: Message<Value = M, Arrival = M> + Serialize + DeserializeOwned,
{
    const CODE: SemanticsCode = SemanticsCode::new(Codec::Serial);

    fn arrive(parcel: Parcel<M>) -> M {
        match parcel {
            Parcel::Value(value) => value,
            Parcel::Loan(_) => unreachable!("loans are made of messages that are read in place"),
        }
    }

    fn receive(verified: Verified) -> Result<M, DetokenizeError> {
        let payload = verified.expect::<M>()?;
        match postcard::take_from_bytes(payload.bytes()) {
            Ok((value, [])) => Ok(value),
            Ok((_, rest)) => Err(DetokenizeError::trailing::<M>(rest.len())),
            Err(error) => Err(DetokenizeError::decode::<M>(error)),
        }
    }

    fn value(parcel: Parcel<M>) -> Result<M, Parcel<M>> {
        match parcel {
            Parcel::Value(value) => Ok(value),
            loan => Err(loan),
        }
    }
}

/// Any serde type as a `Serial` message, for types that are not one themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct SerialMessage<T>(pub T);

impl<T: Schema> SerialMessage<T> {
    const FULL_NAME: Name = Name::new()
        .text("SerialMessage<")
        .shape(&T::SHAPE)
        .text(">");
}

impl<T: Schema> Schema for SerialMessage<T> {
    const SHAPE: Shape = Shape::generic("SerialMessage", size_of::<T>(), &[&T::SHAPE]);
}

impl<T> Message for SerialMessage<T>
where
    T: Serialize + DeserializeOwned + Schema + Send + 'static,
{
    const NAME: &'static str = Self::FULL_NAME.as_str();
    const TYPE_ID: TypeId = TypeId::of_shape(&Self::SHAPE);
    const SCHEMA: MessageSchema =
        MessageSchema::new(&Self::SHAPE, <Serial as Semantics<Self>>::CODE, 0);
    type Semantics = Serial;
    type Reply = ();
    type Value = Self;
    type Arrival = Self;
}
