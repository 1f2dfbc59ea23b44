//! Addresses that keep nothing in memory.

use std::fmt;
use std::sync::{Arc, Weak};

use super::{Addr, Inner};
use crate::actor::Actor;
use crate::actor::cell::Cell;
use crate::remote::RemoteEnd;

/// An address that does not keep the actor's mailbox, or the uring to it, in memory.
pub struct WeakAddr<A: Actor> {
    inner: WeakInner<Cell<A>>,
}

enum WeakInner<L: ?Sized> {
    Local(Weak<L>),
    Remote(Weak<RemoteEnd>),
}

impl<A: Actor> WeakAddr<A> {
    pub(super) fn new(inner: &Inner<Cell<A>>) -> Self {
        Self {
            inner: match inner {
                Inner::Local(cell) => WeakInner::Local(Arc::downgrade(cell)),
                Inner::Remote(end) => WeakInner::Remote(Arc::downgrade(end)),
            },
        }
    }

    /// Returns the address, if the actor's cell or the uring to it is still there.
    pub fn upgrade(&self) -> Option<Addr<A>> {
        Some(Addr {
            inner: match &self.inner {
                WeakInner::Local(cell) => Inner::Local(cell.upgrade()?),
                WeakInner::Remote(end) => Inner::Remote(end.upgrade()?),
            },
        })
    }
}

impl<A: Actor> fmt::Debug for WeakAddr<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.upgrade() {
            Some(addr) => write!(f, "Weak{addr:?}"),
            None => f.write_str("WeakAddr(gone)"),
        }
    }
}

impl<A: Actor> Clone for WeakAddr<A> {
    fn clone(&self) -> Self {
        Self {
            inner: match &self.inner {
                WeakInner::Local(cell) => WeakInner::Local(Weak::clone(cell)),
                WeakInner::Remote(end) => WeakInner::Remote(Weak::clone(end)),
            },
        }
    }
}
