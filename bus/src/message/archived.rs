//! `Serial` with `codec = "rkyv"`: encoded so that the archived form can be read where it lies, after validation.

use ringway_shm::heap::Heap;
use rkyv::api::high::{HighDeserializer, HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::Error;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};

use super::semantics::values;
use super::{Message, Parcel, Semantics, SemanticsCode};
use crate::entry::Verified;
use crate::token::{
    DetokenizeError, ReceivedToken, Room, TokenizeCause, TokenizeError, Tokenized, TypedToken,
};

/// The semantics of rkyv types: received as the value, or in place as an
/// [`ArchivedLease`](crate::lease::ArchivedLease) where the handler names that.
#[derive(Debug)]
pub enum Rkyv {}

/// What a message with `codec = "rkyv"` must be. Implemented for all that is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an rkyv type",
    label = "not `Archive`, `Serialize` and `Deserialize` of rkyv",
    note = "messages with codec \"rkyv\" are: derive them with `#[rkyv(crate = ringway::rkyv)]`"
)]
pub trait Archivable:
    Sized
    + Archive<Archived: ArchivedForm<Self>>
    + for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, Error>>
{
}

#[diagnostic::do_not_recommend]
impl<T> Archivable for T where
    T: Archive<Archived: ArchivedForm<T>>
        + for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, Error>>
{
}

/// What the archived form must be: checked before it is read, and turned back into the value.
pub trait ArchivedForm<T>:
    rkyv::Portable
    + for<'a> CheckBytes<HighValidator<'a, Error>>
    + Deserialize<T, HighDeserializer<Error>>
    + Send
    + Sync
    + 'static
{
}

impl<A, T> ArchivedForm<T> for A where
    A: rkyv::Portable
        + for<'a> CheckBytes<HighValidator<'a, Error>>
        + Deserialize<T, HighDeserializer<Error>>
        + Send
        + Sync
        + 'static
{
}

/// The archived form of a value.
pub(crate) fn archive<M: Archivable>(value: &M) -> Result<AlignedVec, Error> {
    rkyv::to_bytes::<Error>(value)
}

impl<M> Semantics<M> for Rkyv
where
    M: Message<Value = M, Arrival = M> + Archivable,
{
    const CODE: SemanticsCode = SemanticsCode::RKYV;

    fn receive(verified: Verified) -> Result<M, DetokenizeError> {
        let verified = verified.expect::<M>()?;
        rkyv::from_bytes::<M, Error>(verified.bytes()).map_err(DetokenizeError::decode::<M>)
    }

    values!(M, encode);
}

/// Encodes to private memory and copies: rkyv does not know the length before it is done.
fn encode<M: Message + Archivable>(
    value: &M,
    heap: &Heap,
    room: Room,
) -> Result<Tokenized, TokenizeCause> {
    let bytes = archive(value).map_err(TokenizeCause::encode::<M>)?;
    Tokenized::copy::<M>(&bytes, heap, room)
}

impl Rkyv {
    /// Archives a value into a token: inline when small, else in a block of `heap`.
    ///
    /// # Errors
    ///
    /// The value cannot be archived, or the heap has no block of its size.
    pub fn tokenize<M>(value: &M, heap: &Heap) -> Result<TypedToken<M>, TokenizeCause>
    where
        M: Message<Value = M, Arrival = M> + Archivable,
    {
        encode(value, heap, Room::TELL).map(TypedToken::new)
    }

    /// The value in a token.
    ///
    /// # Errors
    ///
    /// The token is of another type, schema or semantics: try the next type; or its bytes are no archive of a value.
    pub fn detokenize<M>(token: &ReceivedToken) -> Result<M, DetokenizeError>
    where
        M: Message<Value = M, Arrival = M> + Archivable,
    {
        token.detokenize::<M>()
    }
}
