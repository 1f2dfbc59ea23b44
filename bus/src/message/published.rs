//! `Publish`: any of the other semantics, marked for topics.

use core::marker::PhantomData;

use ringway_shm::heap::Heap;

use super::{Answer, Message, MessageSchema, Name, Parcel, Semantics, SemanticsCode, TypeId};
use crate::entry::Verified;
use crate::token::{DetokenizeError, Inline, Long, Room, TokenizeError, Tokenized};

/// The semantics of messages for topics: travels and arrives as `S` says, one block lent to many.
#[derive(Debug)]
pub struct Publish<S>(PhantomData<S>);

impl<M: Message + ?Sized, S: Semantics<M>> Semantics<M> for Publish<S> {
    const CODE: SemanticsCode = S::CODE.published();

    fn arrive(parcel: Parcel<M>) -> M::Arrival {
        S::arrive(parcel)
    }

    fn receive(verified: Verified) -> Result<M::Arrival, DetokenizeError> {
        S::receive(verified)
    }

    fn receive_value(verified: Verified) -> Result<M::Value, DetokenizeError> {
        S::receive_value(verified)
    }

    fn pack(parcel: Parcel<M>, heap: &Heap, room: Room) -> Result<Tokenized, TokenizeError<M>> {
        S::pack(parcel, heap, room)
    }

    #[inline]
    fn inline(parcel: &Parcel<M>, room: Room) -> Option<Inline> {
        S::inline(parcel, room)
    }

    #[inline]
    fn of_inline(inline: &Inline) -> Option<M::Arrival> {
        S::of_inline(inline)
    }

    #[inline]
    fn long(parcel: &Parcel<M>, room: Room) -> Option<Long> {
        S::long(parcel, room)
    }

    #[inline]
    fn plain(parcel: &Parcel<M>) -> Option<&[u8]> {
        S::plain(parcel)
    }

    #[inline]
    fn of_plain(bytes: &[u8]) -> Option<M::Arrival> {
        S::of_plain(bytes)
    }

    fn unpack(tokenized: Tokenized) -> Result<Parcel<M>, DetokenizeError> {
        S::unpack(tokenized)
    }

    fn sent_on(arrival: M::Arrival) -> Parcel<M> {
        S::sent_on(arrival)
    }

    fn value(parcel: Parcel<M>) -> Result<M::Value, Parcel<M>> {
        S::value(parcel)
    }
}

/// Any message that is sent by value, marked for topics; for types whose own semantics is not `Publish`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct PublishMessage<M>(pub M);

/// The semantics of a [`PublishMessage`]: that of the message inside.
#[derive(Debug)]
pub enum Wrapped {}

impl<M: Message<Value = M>> PublishMessage<M> {
    const FULL_NAME: Name = Name::new().text("PublishMessage<").text(M::NAME).text(">");
}

impl<M: Message<Value = M>> Message for PublishMessage<M> {
    const NAME: &'static str = Self::FULL_NAME.as_str();
    const TYPE_ID: TypeId = M::TYPE_ID.within("PublishMessage");
    const SCHEMA: MessageSchema = M::SCHEMA.published();
    type Semantics = Wrapped;
    type Reply = M::Reply;
    type Value = Self;
    type Arrival = M::Arrival;
}

impl<M: Message<Value = M>> Answer for PublishMessage<M> {}

impl<M: Message<Value = M>> Semantics<PublishMessage<M>> for Wrapped {
    const CODE: SemanticsCode = M::Semantics::CODE.published();

    fn arrive(parcel: Parcel<PublishMessage<M>>) -> M::Arrival {
        M::Semantics::arrive(unwrap(parcel))
    }

    fn receive(verified: Verified) -> Result<M::Arrival, DetokenizeError> {
        let inner = verified.expect::<PublishMessage<M>>()?.retyped::<M>();
        M::Semantics::receive(inner)
    }

    fn receive_value(verified: Verified) -> Result<PublishMessage<M>, DetokenizeError> {
        let inner = verified.expect::<PublishMessage<M>>()?.retyped::<M>();
        M::Semantics::receive_value(inner).map(PublishMessage)
    }

    fn pack(
        parcel: Parcel<PublishMessage<M>>,
        heap: &Heap,
        room: Room,
    ) -> Result<Tokenized, TokenizeError<PublishMessage<M>>> {
        match M::Semantics::pack(unwrap(parcel), heap, room) {
            Ok(inner) => Ok(inner.retyped::<PublishMessage<M>>()),
            Err(error) => {
                let (parcel, cause) = error.into_parts();
                Err(TokenizeError::new(wrap(parcel), cause))
            }
        }
    }

    fn unpack(tokenized: Tokenized) -> Result<Parcel<PublishMessage<M>>, DetokenizeError> {
        M::Semantics::unpack(tokenized.retyped::<M>()).map(wrap)
    }

    fn sent_on(arrival: M::Arrival) -> Parcel<PublishMessage<M>> {
        wrap(M::Semantics::sent_on(arrival))
    }

    fn value(
        parcel: Parcel<PublishMessage<M>>,
    ) -> Result<PublishMessage<M>, Parcel<PublishMessage<M>>> {
        match parcel {
            Parcel::Value(value) => Ok(value),
            loan => Err(loan),
        }
    }
}

fn unwrap<M: Message<Value = M>>(parcel: Parcel<PublishMessage<M>>) -> Parcel<M> {
    match parcel {
        Parcel::Value(PublishMessage(message)) => Parcel::Value(message),
        Parcel::Loan(_) => unreachable!("loans are made of messages that are read in place"),
    }
}

fn wrap<M: Message<Value = M>>(parcel: Parcel<M>) -> Parcel<PublishMessage<M>> {
    // Packed from a value, so the value is there, also where `M` came back as a loan of it.
    let value = parcel
        .into_value()
        .expect("a type that is sent by value has values");
    Parcel::Value(PublishMessage(value))
}
