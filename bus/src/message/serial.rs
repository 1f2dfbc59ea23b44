//! `Serial`: anything that serde can encode travels as postcard bytes and arrives as the value.

use postcard::ser_flavors::Size;
use ringway_shm::heap::Heap;
use serde::{Serialize, de::DeserializeOwned};

use super::semantics::values;
use super::{
    Answer, Message, MessageSchema, Name, Parcel, Schema, Semantics, SemanticsCode, Shape, TypeId,
};
use crate::entry::Verified;
use crate::token::{
    DetokenizeError, INLINE_MAX, Inline, Long, ReceivedToken, Room, TokenizeCause, TokenizeError,
    Tokenized, TypedToken, allocate,
};

/// The semantics of serde types: encoded with postcard, received as the value.
#[derive(Debug)]
pub enum Serial {}

impl<M> Semantics<M> for Serial
where
    M: Message<Value = M, Arrival = M> + Encoded,
{
    const CODE: SemanticsCode = SemanticsCode::SERIAL;

    fn receive(verified: Verified) -> Result<M, DetokenizeError> {
        let verified = verified.expect::<M>()?;
        match postcard::take_from_bytes(verified.bytes()) {
            Ok((value, [])) => Ok(value),
            Ok((_, rest)) => Err(DetokenizeError::trailing::<M>(rest.len())),
            Err(error) => Err(DetokenizeError::decode::<M>(error)),
        }
    }

    values!(M, encode);
}

/// What a `serial` message must be. Implemented for all that is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a serde type",
    label = "not `Serialize` and `Deserialize`",
    note = "`serial` messages are: derive `Serialize, Deserialize` with `#[serde(crate = \"ringway::serde\")]`"
)]
pub trait Encoded: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Encoded for T {}

/// Encodes into the entry, or else straight into a block: the length is found first, so nothing is copied.
fn encode<M: Message + Serialize>(
    value: &M,
    heap: &Heap,
    room: Room,
) -> Result<Tokenized, TokenizeCause> {
    let mut small = [0; INLINE_MAX];
    let space = &mut small[..room.inline.min(INLINE_MAX)];
    if let Ok(bytes) = postcard::to_slice(value, space)
        && let Some(inline) = Inline::new(bytes)
    {
        return Ok(Tokenized::inline::<M>(inline));
    }
    let len = postcard::serialize_with_flavor(value, Size::default())
        .map_err(TokenizeCause::encode::<M>)?;
    if len <= room.long
        && let Some(mut long) = Long::zeroed(len)
    {
        let used = postcard::to_slice(value, long.bytes_mut())
            .map_err(TokenizeCause::encode::<M>)?
            .len();
        // An encoder that is not the same twice may need less than it said; so little less that it fits the entry goes
        // into a block, as if it had not tried.
        if long.truncate(used).is_some() {
            return Ok(Tokenized::long::<M>(long));
        }
    }
    let mut block = allocate(heap, len, room)?;
    let used = postcard::to_slice(value, &mut block.bytes_mut()[room.headroom..])
        .map_err(TokenizeCause::encode::<M>)?
        .len();
    // An encoder that is not the same twice may need less than it said.
    block.set_len(room.headroom + used);
    Ok(Tokenized::block::<M>(block, room.headroom))
}

impl Serial {
    /// Encodes a value into a token: inline when small, else in a block of `heap`.
    ///
    /// # Errors
    ///
    /// The value cannot be encoded, or the heap has no block of its size.
    pub fn tokenize<M>(value: &M, heap: &Heap) -> Result<TypedToken<M>, TokenizeCause>
    where
        M: Message<Value = M, Arrival = M> + Encoded,
    {
        encode(value, heap, Room::TELL).map(TypedToken::new)
    }

    /// The value in a token.
    ///
    /// # Errors
    ///
    /// The token is of another type, schema or semantics: try the next type; or its bytes cannot be decoded.
    pub fn detokenize<M>(token: &ReceivedToken) -> Result<M, DetokenizeError>
    where
        M: Message<Value = M, Arrival = M> + Encoded,
    {
        token.detokenize::<M>()
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

impl<T> Answer for SerialMessage<T> where T: Serialize + DeserializeOwned + Schema + Send + 'static {}
