//! Which actor an address reaches: what makes two addresses equal.

use std::fmt;
use std::hash::{Hash, Hasher};

use ringway_macros::Message;
use serde::{Deserialize, Serialize};

use super::{Addr, Recipient};
use crate::actor::Actor;
use crate::actor::cell::CellCore;
use crate::message::Message;
use crate::number::Number;
use crate::peering::NodeId;
use crate::remote::RemoteEnd;

/// Which actor an address reaches: the node, and the actor's number there. Plain data, the same in every process, and
/// never another's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Message)]
#[message(serial, name = "ringway.ActorId")]
pub struct ActorId {
    pub(super) node: NodeId,
    pub(super) number: Number,
}

impl ActorId {
    #[cfg(test)]
    pub(crate) const FIRST: Self = Self {
        node: NodeId::from_bits(1).expect("not zero"),
        number: Number::FIRST,
    };

    pub(crate) fn new(node: NodeId, number: Number) -> Self {
        Self { node, number }
    }

    /// Puts all actors into one order, the same everywhere.
    pub(crate) fn order(self) -> (NodeId, u64) {
        (self.node, self.number.to_bits())
    }

    pub(crate) fn number(self) -> Number {
        self.number
    }

    /// An actor of this process.
    pub(crate) fn of(core: &CellCore) -> Self {
        Self::new(core.shared().core().id(), core.number())
    }

    /// Who is at the other end of a uring.
    pub(crate) fn at(end: &RemoteEnd) -> Self {
        Self::new(end.key.node, end.key.target)
    }

    pub(crate) fn node(self) -> NodeId {
        self.node
    }
}

impl fmt::Debug for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.number)
    }
}

macro_rules! by_identity {
    ($($address:ident<$parameter:ident: $bound:path $(, $maybe:tt)?>),+) => {$(
        impl<$parameter: $bound $(+ $maybe Sized)?> PartialEq for $address<$parameter> {
            fn eq(&self, other: &Self) -> bool {
                self.identity() == other.identity()
            }
        }

        impl<$parameter: $bound $(+ $maybe Sized)?> Eq for $address<$parameter> {}

        impl<$parameter: $bound $(+ $maybe Sized)?> Hash for $address<$parameter> {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.identity().hash(state);
            }
        }

        impl<$parameter: $bound $(+ $maybe Sized)?> fmt::Debug for $address<$parameter> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.follows() {
                    Some(name) => write!(f, concat!(stringify!($address), "({:?}: {:?})"), name, self.id()),
                    None => write!(f, concat!(stringify!($address), "({:?})"), self.id()),
                }
            }
        }
    )+};
}

by_identity!(Addr<A: Actor>, Recipient<M: Message, ?>);
