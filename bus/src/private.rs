//! What derived code names. Not for programs: no promise is made about anything in here.

pub use bytemuck;

pub use crate::actor::incoming::Incoming;
pub use crate::actor::letter::{Handed, Letter};
pub use crate::actor::port::{Back, PortInHand, Ports, ReplyPort};
pub use crate::actor::{
    Accepted, Accepts, Actor, Context, Handler, Hooks, are_kept, arrived, begin, begin_entry, end,
    entry, take,
};
pub use crate::exit::ExitReason;
pub use crate::lease::Lease;
#[cfg(feature = "rkyv")]
pub use crate::message::Rkyv;
pub use crate::message::{
    Answer, AnyBits, BoxError, CheckedBits, Copy, Delivery, Field, HandlerError, InPlace,
    IntoReply, Items, Keep, Keeping, Message, MessageSchema, Move, NAME_MAX, Name, Never, NotKept,
    Parcel, Plain, Publish, Schema, Semantics, SemanticsCode, Serial, SerialItem, Shape, TypeId,
    Variant, Whole,
};
pub use crate::remote::undelivered::Returns;

/// Whether no id stands twice in `ids`.
pub const fn are_distinct(ids: &[TypeId]) -> bool {
    let mut at = 0;
    while at < ids.len() {
        let mut other = at + 1;
        while other < ids.len() {
            if ids[at].to_bits() == ids[other].to_bits() {
                return false;
            }
            other += 1;
        }
        at += 1;
    }
    true
}
