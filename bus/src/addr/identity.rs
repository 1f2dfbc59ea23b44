//! Which actor an address reaches: what makes two addresses equal.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::{Addr, Recipient};
use crate::actor::Actor;
use crate::actor::cell::CellCore;
use crate::message::Message;
use crate::peering::NodeId;
use crate::remote::RemoteEnd;

/// Which actor an address reaches: the node, and the actor's place there. Plain data.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ActorId {
    node: NodeId,
    place: u64,
}

impl fmt::Debug for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:x}", self.node, self.place)
    }
}

/// A local actor that peers cannot reach is known by its number, with the high bit that no registry key has.
pub(super) fn local_id(core: &CellCore) -> ActorId {
    ActorId {
        node: core.shared().core().id(),
        place: core.number(),
    }
}

pub(super) fn remote_id(end: &RemoteEnd) -> ActorId {
    ActorId {
        node: end.key.node,
        place: end.key.target.to_bits(),
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
