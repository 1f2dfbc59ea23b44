//! Addresses that keep nothing in memory.

use std::fmt;
use std::sync::Arc;

use super::inner::WeakInner;
use super::{Addr, Recipient, Source};
use crate::actor::Actor;
use crate::actor::cell::{Cell, LocalRoute};
use crate::message::Message;

/// An address that does not keep the actor's mailbox, or the uring to it, in memory.
pub struct WeakAddr<A: Actor> {
    pub(super) inner: WeakInner<Cell<A>>,
    pub(super) source: Option<Arc<dyn Source<Addr<A>>>>,
}

/// A [`Recipient`] that does not keep the receiver's mailbox, or the uring to it, in memory.
pub struct WeakRecipient<M: Message + ?Sized> {
    pub(super) inner: WeakInner<dyn LocalRoute<M>>,
    pub(super) source: Option<Arc<dyn Source<Recipient<M>>>>,
}

macro_rules! weak {
    ($($weak:ident<$parameter:ident: $bound:path $(, $maybe:tt)?> of $address:ident),+) => {$(
        impl<$parameter: $bound $(+ $maybe Sized)?> $weak<$parameter> {
            /// Returns the address, if the actor's cell or the uring to it is still there. One that followed does so again.
            pub fn upgrade(&self) -> Option<$address<$parameter>> {
                let inner = self.inner.upgrade()?;
                let address = $address::of_life(inner);
                Some(match &self.source {
                    Some(source) => address.after(Arc::clone(source)),
                    None => address,
                })
            }
        }

        impl<$parameter: $bound $(+ $maybe Sized)?> Clone for $weak<$parameter> {
            fn clone(&self) -> Self {
                Self { inner: self.inner.clone(), source: self.source.clone() }
            }
        }

        impl<$parameter: $bound $(+ $maybe Sized)?> fmt::Debug for $weak<$parameter> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.upgrade() {
                    Some(address) => write!(f, "Weak{address:?}"),
                    None => f.write_str(concat!(stringify!($weak), "(gone)")),
                }
            }
        }
    )+};
}

weak!(WeakAddr<A: Actor> of Addr, WeakRecipient<M: Message, ?> of Recipient);
