//! The way of a message to its receiver: into a mailbox of this process, or into a uring.

mod loan;
mod to;

use std::sync::Arc;

pub(crate) use self::to::To;
use crate::actor::cell::LocalRoute;
use crate::addr::{ActorId, Recipient};
use crate::clock::Clock;
use crate::message::Message;
use crate::priority::Priority;
use crate::remote::RemoteEnd;
use crate::shared::Shared;

/// Where a message goes.
pub(crate) enum Way<'a, M: Message + ?Sized> {
    Local(&'a dyn LocalRoute<M>),
    Remote(&'a Arc<RemoteEnd>),
}

impl<M: Message + ?Sized> Clone for Way<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Message + ?Sized> Copy for Way<'_, M> {}

impl<M: Message + ?Sized> Way<'_, M> {
    /// Who is at its end.
    pub(super) fn actor(&self) -> ActorId {
        match self {
            Self::Local(route) => ActorId::of(route.core()),
            Self::Remote(end) => ActorId::at(end),
        }
    }

    /// The same for one who keeps it; `None` when the actor has ended.
    pub(super) fn own(&self) -> Option<Recipient<M>> {
        Some(match self {
            Self::Local(route) => Recipient::local(route.core().own_route()?),
            Self::Remote(end) => Recipient::remote(Arc::clone(end)),
        })
    }

    /// How often the receiver is set to have messages of this type sent again; 0 for those that cannot be copied, too.
    #[inline]
    pub(super) fn redeliver(&self) -> u32 {
        if M::KEEP.is_none() {
            return 0;
        }
        match self {
            Self::Local(route) => route.core().redeliver(),
            Self::Remote(end) => end.redeliver(),
        }
    }

    pub(super) fn shared(&self) -> Option<Arc<Shared>> {
        match self {
            Self::Local(route) => Some(Arc::clone(route.core().shared())),
            Self::Remote(end) => end.shared(),
        }
    }
}

impl<'a, M: Message + ?Sized> Way<'a, M> {
    /// The way for what has this priority: to another process, a uring of its own. In this process the letter is handed over
    /// with its priority.
    #[inline]
    pub(super) fn with(self, priority: Priority) -> Self {
        match self {
            Self::Remote(end) => Self::Remote(end.of(priority)),
            Self::Local(route) => Self::Local(route),
        }
    }

    /// The clock of the node that sends; without the feature `test` there is only one, and nothing is looked up.
    #[inline]
    pub(super) fn clock(&self) -> &'a Clock {
        #[cfg(feature = "test")]
        match self {
            Self::Local(route) => &route.core().shared().clock,
            Self::Remote(end) => &end.clock,
        }
        #[cfg(not(feature = "test"))]
        &Clock {}
    }
}
