//! Addresses as fields of messages: they mean the same actor in any process of the bus.
//!
//! An address is written as its node and number, and the name that it follows if it does. The node that reads it is the one whose message is being decoded; code
//! that decodes outside of a message names it with [`within`].

use std::cell::RefCell;
use std::sync::Arc;

use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ActorId, Addr, ByName, Inner, Recipient};
use crate::actor::Actor;
use crate::message::{Codec, Message, Schema, Semantics, Shape};
use crate::node::Reachable;
use crate::node::lookup::NotAtHome;
use crate::number::Number;
use crate::peering::NodeId;
use crate::shared::Shared;
use crate::urings::wire::TargetKind;

thread_local! {
    /// The node whose messages this thread is decoding.
    static NODE: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
}

/// The node in whose name this thread is decoding.
pub(crate) fn node() -> Option<Arc<Shared>> {
    NODE.with_borrow(Clone::clone)
}

/// Decodes in the name of a node: addresses that are read become addresses of it.
pub(crate) fn within<T>(shared: &Arc<Shared>, decode: impl FnOnce() -> T) -> T {
    struct Restore(Option<Arc<Shared>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            NODE.set(self.0.take());
        }
    }
    let _restore = Restore(NODE.replace(Some(Arc::clone(shared))));
    decode()
}

/// Decodes a message of type `M` in the name of a node, which costs something only where its form can carry addresses.
pub(crate) fn decode<M: Message + ?Sized, T>(
    shared: impl FnOnce() -> Option<Arc<Shared>>,
    decode: impl FnOnce() -> T,
) -> T {
    if !matches!(<M::Semantics as Semantics<M>>::CODE.codec(), Codec::Serial) {
        return decode();
    }
    match shared() {
        Some(shared) => within(&shared, decode),
        None => decode(),
    }
}

/// What stands for an address.
#[derive(Serialize, Deserialize)]
struct Written {
    node: NodeId,
    number: Number,
    follows: Option<String>,
}

impl Written {
    fn of(id: ActorId, follows: Option<&str>) -> Self {
        let ActorId { node, number } = id;
        Self {
            node,
            number,
            follows: follows.map(str::to_owned),
        }
    }
}

fn read<T: Reachable, E: serde::de::Error>(written: &Written) -> Result<T, E> {
    let shared = node();
    let shared =
        shared.ok_or_else(|| E::custom("an address can be read only as part of a message"))?;
    let address = read_life::<T, E>(written, &shared)?;
    Ok(match &written.follows {
        Some(name) => {
            crate::names::check(name).map_err(E::custom)?;
            address.following(Arc::new(ByName::new(&shared, name)))
        }
        None => address,
    })
}

fn read_life<T: Reachable, E: serde::de::Error>(
    written: &Written,
    shared: &Arc<Shared>,
) -> Result<T, E> {
    let Written { node, number, .. } = *written;
    if node == shared.core().id() {
        let Some(target) = shared.target(number) else {
            return Ok(T::abroad(shared.ended_end(node, number)));
        };
        return match T::at_home(&target) {
            Ok(address) => Ok(address),
            Err(NotAtHome::Gone) => Ok(T::abroad(shared.ended_end(node, number))),
            Err(NotAtHome::OtherType) => Err(E::custom("an address of an actor of another type")),
        };
    }
    Ok(T::abroad(shared.end_to(
        node,
        number,
        TargetKind::Actor,
        &T::accepted(),
    )))
}

/// What a receiver handles is agreed upon when a uring to it is opened, so the shape of an address only names it. That a
/// message may carry addresses of receivers of itself follows from it.
impl<M: Message + ?Sized> Schema for Recipient<M> {
    const SHAPE: Shape = Shape::generic(
        "Recipient",
        size_of::<Self>(),
        const { &[&Shape::leaf(M::NAME, 0)] },
    );
}

impl<A: Actor> Schema for Addr<A> {
    const SHAPE: Shape = Shape::leaf("Addr", size_of::<Self>());
}

impl<A: Actor> Serialize for Addr<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let life = self.reached();
        if let Inner::Local(cell) = life {
            crate::node::make_reachable(cell).map_err(S::Error::custom)?;
        }
        Written::of(life.id(), self.bus_name()).serialize(serializer)
    }
}

impl<'de, A: Actor> Deserialize<'de> for Addr<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read::<Self, D::Error>(&Written::deserialize(deserializer)?)
    }
}

impl<M: Message + ?Sized> Serialize for Recipient<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let life = self.reached();
        if let Inner::Local(route) = life {
            let route = Arc::clone(route);
            route.make_reachable().map_err(S::Error::custom)?;
        }
        Written::of(life.id(), self.bus_name()).serialize(serializer)
    }
}

impl<'de, M: Message + ?Sized> Deserialize<'de> for Recipient<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read::<Self, D::Error>(&Written::deserialize(deserializer)?)
    }
}
