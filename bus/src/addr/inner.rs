//! What every kind of address can do, whatever it carries: watch its actor's end, order it, and say which actor it is.

use std::sync::{Arc, Weak};

use super::ActorId;
use super::follow::Following;
use crate::actor::Actor;
use crate::actor::cell::{Cell, CellCore, LocalRoute};
use crate::exit::ExitReason;
use crate::message::Message;
use crate::remote::RemoteEnd;
use crate::remote::undelivered::Returns;
use crate::shared::Shared;
use crate::stop::StopStep;
use crate::urings::wire::Order;
use crate::wait_list::{WaitKey, WaitList};

/// How an actor is reached: by its cell, or by the uring to it.
pub(super) enum Inner<L: ?Sized> {
    Local(Arc<L>),
    Remote(Arc<RemoteEnd>),
}

/// What an address reaches: one life of an actor, or all of what it follows. `T` is the address.
///
/// Who follows has all that it needs behind one pointer, so that an address is no larger than without.
pub(super) enum Reach<L: ?Sized, T> {
    Life(Inner<L>),
    Follows(Arc<Following<T>>),
}

/// The same, keeping nothing in memory.
pub(super) enum WeakInner<L: ?Sized> {
    Local(Weak<L>),
    Remote(Weak<RemoteEnd>),
}

/// What a local address holds, for this file.
pub(super) trait Local {
    fn cell_core(&self) -> &CellCore;
}

impl<A: Actor> Local for Cell<A> {
    fn cell_core(&self) -> &CellCore {
        self.core()
    }
}

impl<M: Message + ?Sized> Local for dyn LocalRoute<M> {
    fn cell_core(&self) -> &CellCore {
        self.core()
    }
}

#[cfg(feature = "test")]
impl<A: Actor> super::Addr<A> {
    /// The actor's cell, if it is one of this node.
    pub(crate) fn cell_core(&self) -> Option<&CellCore> {
        match self.reached() {
            Inner::Local(cell) => Some(cell.core()),
            Inner::Remote(_) => None,
        }
    }
}

impl<L: ?Sized> Clone for Inner<L> {
    fn clone(&self) -> Self {
        match self {
            Self::Local(local) => Self::Local(Arc::clone(local)),
            Self::Remote(end) => Self::Remote(Arc::clone(end)),
        }
    }
}

impl<L: ?Sized> Clone for WeakInner<L> {
    fn clone(&self) -> Self {
        match self {
            Self::Local(local) => Self::Local(Weak::clone(local)),
            Self::Remote(end) => Self::Remote(Weak::clone(end)),
        }
    }
}

impl<L: ?Sized> WeakInner<L> {
    pub(super) fn upgrade(&self) -> Option<Inner<L>> {
        Some(match self {
            Self::Local(local) => Inner::Local(local.upgrade()?),
            Self::Remote(end) => Inner::Remote(end.upgrade()?),
        })
    }
}

impl<L: Local + ?Sized> Inner<L> {
    pub(super) fn downgrade(&self) -> WeakInner<L> {
        match self {
            Self::Local(local) => WeakInner::Local(Arc::downgrade(local)),
            Self::Remote(end) => WeakInner::Remote(Arc::downgrade(end)),
        }
    }

    pub(super) fn id(&self) -> ActorId {
        match self {
            Self::Local(local) => ActorId::of(local.cell_core()),
            Self::Remote(end) => ActorId::at(end),
        }
    }

    pub(super) fn returns(&self) -> Arc<Returns> {
        match self {
            Self::Local(local) => local.cell_core().returns(),
            Self::Remote(end) => Arc::clone(&end.returns),
        }
    }

    pub(super) fn stop(&self) {
        match self {
            Self::Local(local) => local.cell_core().stop(ExitReason::Stopped),
            Self::Remote(end) => end.control(Order::Stop),
        }
    }

    pub(super) fn kill(&self) {
        match self {
            Self::Local(local) => local.cell_core().kill(ExitReason::Killed),
            Self::Remote(end) => end.control(Order::Kill),
        }
    }

    /// Takes a step of a stop ladder.
    pub(super) fn take(&self, step: StopStep) {
        match (self, step) {
            (Self::Local(local), StopStep::Drain) => local.cell_core().drain(ExitReason::Stopped),
            (Self::Local(local), StopStep::Kill) => {
                local.cell_core().kill(ExitReason::StopTimeout);
            }
            (Self::Remote(end), StopStep::Drain) => end.control(Order::Drain),
            (Self::Remote(_), StopStep::Kill) => self.kill(),
            _ => self.stop(),
        }
    }

    pub(super) fn shared(&self) -> Option<Arc<Shared>> {
        match self {
            Self::Local(local) => Some(Arc::clone(local.cell_core().shared())),
            Self::Remote(end) => end.shared(),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Local(local) => local.cell_core().outcome().is_some(),
            Self::Remote(end) => end.end_reason().is_some(),
        }
    }

    pub(super) async fn closed(&self) -> ExitReason {
        let mut waiting = WaitingForEnd {
            ended: match self {
                Self::Local(local) => local.cell_core().ended_list(),
                Self::Remote(end) => &end.ended,
            },
            key: WaitKey::default(),
        };
        std::future::poll_fn(|cx| match self {
            Self::Local(local) => local.cell_core().poll_ended(&mut waiting.key, cx),
            Self::Remote(end) => end.poll_ended(&mut waiting.key, cx),
        })
        .await
    }
}

/// Leaves the list of those who wait, however the wait ends.
struct WaitingForEnd<'a> {
    ended: &'a WaitList,
    key: WaitKey,
}

impl Drop for WaitingForEnd<'_> {
    fn drop(&mut self) {
        self.ended.remove(&mut self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use futures_util::FutureExt as _;

    use crate::prelude::*;
    use crate::testing::TempDir;

    use super::*;

    #[derive(Actor)]
    #[actor(handles(u64))]
    struct Idle;

    impl Handler<u64> for Idle {
        async fn handle(&mut self, _: u64, _: &mut crate::Context<Self>) {}
    }

    // Goal: an address is two words, as letters and futures hold many. Method: the compiler's layout of it.
    #[test]
    fn an_address_is_two_words() {
        assert_eq!(size_of::<Addr<Idle>>(), 16);
        assert_eq!(size_of::<Option<Addr<Idle>>>(), 16);
    }

    // Goal: a wait for the end that is given up leaves nothing behind, here or far. Method: look at the list of waiters.
    #[test]
    fn a_wait_that_is_dropped_leaves_nothing() {
        let temp = TempDir::new();
        let attach = |name| Node::attach(temp.config(name)).unwrap();
        let (home, other) = (attach("home"), attach("other"));
        let own = home.actor(Idle).name("idle").spawn().unwrap();
        let far: Addr<Idle> = other.lookup("idle").wait().unwrap();
        for addr in [own, far] {
            let has_waiters = || match addr.reached() {
                Inner::Local(cell) => cell.core().ended_list().has_waiters(),
                Inner::Remote(end) => end.ended.has_waiters(),
            };
            let mut closed = Box::pin(addr.closed());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(closed.poll_unpin(&mut cx).is_pending());
            assert!(has_waiters());
            drop(closed);
            assert!(!has_waiters());
        }
    }
}
