//! What derived code names. Not for programs: no promise is made about anything in here.

pub use bytemuck;
pub use serde;

pub use crate::lease::Lease;
pub use crate::message::{
    Access, AnyBits, ArrayBits, Bits, BoxError, CheckedBits, Copy, Delivery, Field, HandlerError,
    InPlace, IntoReply, Items, Message, MessageSchema, Move, NAME_MAX, Name, Never, Parcel, Plain,
    Publish, Schema, Semantics, Serial, Shape, TypeId, Variant, Whole,
};
