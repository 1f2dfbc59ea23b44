//! What a message is: a type with a name, a schema, a semantics and a reply.
//!
//! A message type never says where it goes; the same type is told to an actor of this process, to one of another
//! process, or published. [`Semantics`] says how its value becomes bytes that another process may read, and back.

#[cfg(feature = "rkyv")]
mod archived;
mod builtin;
mod copied;
mod delivery;
mod description;
mod keep;
mod moved;
mod name;
mod place;
mod plain;
mod published;
mod reply;
mod schema;
mod semantics;
mod serial;
mod shapes;

#[cfg(feature = "rkyv")]
pub(crate) use archived::archive;
#[cfg(feature = "rkyv")]
pub use archived::{Archivable, ArchivedForm, Rkyv};
pub use builtin::SerialItem;
pub use copied::{BytesMessage, Copy, CopyMessage, Inner};
pub use delivery::{Delivery, Never, Parcel, Sendable};
pub use description::{Description, DescriptionError, Difference};
pub use keep::{Keep, Keeping, NotKept};
pub use moved::{Move, MoveMessage};
pub use name::{NAME_MAX, Name};
pub use place::{Access, Fill, InPlace, Items, Whole};
pub(crate) use place::{LINE, align, header_span};
pub use plain::{AnyBits, ArrayBits, Bits, CheckedBits, CheckedData, Plain, PlainData};
pub use published::{Publish, PublishMessage, Wrapped};
pub use reply::{Answer, BoxError, HandlerError, IntoReply};
pub use schema::{Body, Field, Layout, MessageSchema, Schema, Shape, Variant};
pub use semantics::{Codec, Semantics, SemanticsCode};
pub use serial::{Encoded, Serial, SerialMessage};

use core::fmt;

/// A type that can be told, asked, published or replied.
///
/// Derived: `#[derive(Message)] #[message(move)]`. Integers, floats, `bool`, `()` and arrays of them are `Move`
/// messages already; `String`, `Vec<T>`, `Option<T>`, `Result<T, E>` and tuples of serde types are `Serial`.
///
/// `Self` may be unsized: `struct Frame([u8])` is a message whose values exist only in lent memory.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message",
    label = "not a message",
    note = "derive it: `#[derive(Message)] #[message(move)]`, or `copy` or `serial`"
)]
pub trait Message: Send + 'static {
    /// What the type is called on a bus, at most [`NAME_MAX`] bytes.
    const NAME: &'static str;
    /// Identifies the type on a bus: given by hand, or the hash of [`NAME`](Message::NAME). Never 0.
    const TYPE_ID: TypeId;
    /// What both sides must agree on before the first message.
    const SCHEMA: MessageSchema;
    /// How values become bytes, and back.
    type Semantics: Semantics<Self>;
    /// What an actor answers.
    type Reply: Answer;
    /// What a sender hands over by value: `Self`, or [`Never`] where values exist only in lent memory.
    type Value: Send + 'static;
    /// What a receiver gets: `Self`, or a [`Lease`](crate::lease::Lease) of it.
    type Arrival: Send + 'static;
    /// How a value is copied, for a message that may be sent again; `None` for what is not known to be `Clone`.
    #[doc(hidden)]
    const KEEP: Option<Keep<Self::Value>> = None;
}

/// Identifies a message type on a bus. Never 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub(crate) u64);

impl TypeId {
    /// An id chosen by hand. The derive refuses 0.
    ///
    /// # Panics
    ///
    /// If `id` is 0; in a const that is a compile error.
    pub const fn new(id: u64) -> Self {
        assert!(id != 0, "a message's id must not be 0");
        Self(id)
    }

    /// The id of a type that is known by its name alone.
    pub const fn of_name(name: &str) -> Self {
        Self::from_hash(name::Hash::new().bytes(name.as_bytes()).finish())
    }

    /// The id of a type with arguments.
    pub const fn of_shape(shape: &Shape) -> Self {
        Self::from_hash(shape.name_hash())
    }

    /// The id of a wrapper around the type with this id.
    pub const fn within(self, wrapper: &str) -> Self {
        Self::from_hash(name::Hash::new().text(wrapper).number(self.0).finish())
    }

    const fn from_hash(hash: u64) -> Self {
        // One hash in 2^64 is 0, and 0 means 'none' in an entry.
        Self(if hash == 0 { 1 } else { hash })
    }

    /// The number as it stands in an entry.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The id with this number, or `None` for 0.
    pub const fn from_bits(bits: u64) -> Option<Self> {
        if bits == 0 { None } else { Some(Self(bits)) }
    }
}

impl fmt::Debug for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TypeId({:#x})", self.0)
    }
}

impl fmt::Display for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
