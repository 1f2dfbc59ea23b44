//! Types of core and std that are messages already, so that they can be replies: plain ones by `Move`, the others by `Serial`.

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Answer, BoxError, HandlerError, InPlace, IntoReply, Keep, Keeping, Message, MessageSchema,
    Move, Name, NotKept as _, Plain, Schema, Semantics, Serial, TypeId, Whole,
};

/// The items that all builtin messages share: names from the shape, no reply, values that arrive as themselves.
macro_rules! items {
    ($semantics:ty) => {
        const NAME: &'static str = const { &Name::new().shape(&Self::SHAPE) }.as_str();
        const TYPE_ID: TypeId = TypeId::of_shape(&Self::SHAPE);
        const SCHEMA: MessageSchema =
            MessageSchema::new(&Self::SHAPE, <$semantics as Semantics<Self>>::CODE, 0);
        type Semantics = $semantics;
        type Reply = ();
        type Value = Self;
        type Arrival = Self;
    };
}

macro_rules! moved {
    ($($type:ty)*) => {
        $(impl Message for $type {
            items!(Move);
            const KEEP: Option<Keep<Self>> = Some(|value| *value);
        }

        impl Answer for $type {}

        impl InPlace for $type {
            type View = Self;
            type Header = ();
            type Access = Whole;
        }

        replies!([] $type);)*
    };
}

/// A handler of a builtin message, whose reply is `()`, may return that or a `Result`.
macro_rules! replies {
    ([$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> IntoReply<$type> for () {
            fn into_reply(self) -> Result<(), HandlerError> {
                Ok(())
            }
        }

        impl<X: Into<BoxError> + Send + 'static, $($generics)*> IntoReply<$type> for Result<(), X> {
            fn into_reply(self) -> Result<(), HandlerError> {
                self.map_err(HandlerError::from_error)
            }
        }
    };
}

moved!(() u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 bool char);

impl<T: Plain + Schema, const N: usize> Message for [T; N] {
    items!(Move);
    const KEEP: Option<Keep<Self>> = Some(|value| *value);
}

impl<T: Plain + Schema, const N: usize> Answer for [T; N] {}

impl<T: Plain + Schema, const N: usize> InPlace for [T; N] {
    type View = Self;
    type Header = ();
    type Access = Whole;
}

replies!([T: Plain + Schema, const N: usize] [T; N]);

/// What an argument of a `Serial` type of std must be.
pub trait SerialItem: Serialize + DeserializeOwned + Schema + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Schema + Send + 'static> SerialItem for T {}

macro_rules! serial {
    ($([$($argument:ident)*] $type:ty;)*) => {
        $(impl<$($argument: SerialItem),*> Message for $type {
            items!(Serial);
            const KEEP: Option<Keep<Self>> = Keeping::<Self>::KEEP;
        }

        impl<$($argument: SerialItem),*> Answer for $type {}

        replies!([$($argument: SerialItem),*] $type);)*
    };
}

serial! {
    [] String;
    [T] Vec<T>;
    [T] Option<T>;
    [T E] Result<T, E>;
    [A] (A,);
    [A B] (A, B);
    [A B C] (A, B, C);
    [A B C D] (A, B, C, D);
    [A B C D E] (A, B, C, D, E);
    [A B C D E F] (A, B, C, D, E, F);
}
