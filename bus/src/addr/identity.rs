//! Which actor an address reaches: what makes two addresses equal.

use std::fmt;
use std::hash::{Hash, Hasher};

use ringway_macros::Message;
use serde::{Deserialize, Serialize};

use super::{Addr, Recipient};
use crate::actor::Actor;
use crate::message::Message;
use crate::number::Number;
use crate::peering::NodeId;

/// Which actor an address reaches: the node, and the actor's number there. Plain data, the same in every process, and
/// never another's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Message)]
#[message(serial, name = "ringway.ActorId")]
pub struct ActorId {
    pub(super) node: NodeId,
    pub(super) number: Number,
}

impl fmt::Debug for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.number)
    }
}

macro_rules! by_identity {
    ($($address:ident<$parameter:ident: $bound:path $(, $maybe:tt)?>),+) => {$(
        impl<$parameter: $bound $(+ $maybe Sized)?> Clone for $address<$parameter> {
            fn clone(&self) -> Self {
                Self { inner: self.inner.clone() }
            }
        }

        impl<$parameter: $bound $(+ $maybe Sized)?> PartialEq for $address<$parameter> {
            fn eq(&self, other: &Self) -> bool {
                self.id() == other.id()
            }
        }

        impl<$parameter: $bound $(+ $maybe Sized)?> Eq for $address<$parameter> {}

        impl<$parameter: $bound $(+ $maybe Sized)?> Hash for $address<$parameter> {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.id().hash(state);
            }
        }

        impl<$parameter: $bound $(+ $maybe Sized)?> fmt::Debug for $address<$parameter> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($address), "({:?})"), self.id())
            }
        }
    )+};
}

by_identity!(Addr<A: Actor>, Recipient<M: Message, ?>);
