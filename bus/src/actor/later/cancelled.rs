//! Whether anybody still waits for an answer, and the wait for the moment when nobody does.
//!
//! An asker of this process says so in what it shares with a handler that asks. One of another process stores it in its op's
//! word, which needs no notice while nobody looks; whoever waits here is on the node's list of
//! [`Watches`](crate::inbox::abandoned::Watches), which the driver looks through now and then and before it sleeps, and who
//! gives an ask up rings.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use ringway_shm::generation::Key;

use crate::actor::reply::Awaited;
use crate::clock::Nanos;
use crate::driver::timer::TimerKey;
use crate::inbox::InboxLane;
use crate::shared::Shared;

/// Who waits for an answer.
#[derive(Clone)]
pub(crate) enum Interest {
    /// Nobody: it was told.
    Nobody,
    /// An asker of this process.
    Local(Weak<Awaited>),
    /// An asker of another process, by the lane of its ask and its op.
    Remote(Weak<InboxLane>, Key),
}

impl Interest {
    /// Whether nobody waits any more.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Nobody => true,
            Self::Local(slot) => slot.upgrade().is_none_or(|slot| !slot.is_awaited()),
            Self::Remote(lane, op) => lane.upgrade().is_none_or(|lane| lane.is_abandoned(*op)),
        }
    }
}

/// Ready when the asker has given up; see [`Context::cancelled`](crate::Context::cancelled).
///
/// # Cancel safety
///
/// Dropping it changes nothing.
#[must_use = "futures do nothing unless polled"]
pub struct Cancelled {
    shared: Option<Arc<Shared>>,
    interest: Interest,
    deadline: Nanos,
    timer: Option<TimerKey>,
    /// The place among the node's watches.
    watch: Option<usize>,
}

impl Cancelled {
    pub(crate) fn new(shared: &Arc<Shared>, interest: Interest, deadline: Nanos) -> Self {
        Self {
            shared: Some(Arc::clone(shared)),
            interest,
            deadline,
            timer: None,
            watch: None,
        }
    }

    /// Nobody ever says so.
    pub(crate) fn never() -> Self {
        Self {
            shared: None,
            interest: Interest::Nobody,
            deadline: Nanos::NONE,
            timer: None,
            watch: None,
        }
    }

    /// Has `waker` woken when the interest is over; `false` if it is already.
    fn watch(&mut self, shared: &Shared, waker: &Waker) -> bool {
        match &self.interest {
            Interest::Nobody => false,
            Interest::Local(slot) => slot.upgrade().is_some_and(|slot| slot.watch(waker)),
            Interest::Remote(lane, op) => {
                let watches = &shared.watches;
                match self.watch {
                    Some(place) => watches.rewake(place, waker),
                    None => self.watch = Some(watches.add(lane, *op, waker)),
                }
                // After that: what is said from now on is seen by the driver.
                !self.interest.is_over()
            }
        }
    }
}

impl Future for Cancelled {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let Some(shared) = this.shared.clone() else {
            return Poll::Pending;
        };
        if shared.clock.has_passed(this.deadline) || !this.watch(&shared, cx.waker()) {
            return Poll::Ready(());
        }
        if this.deadline != Nanos::NONE {
            match this.timer {
                Some(timer) => shared.timers.rewake(timer, cx.waker()),
                None => this.timer = Some(shared.arm_timer(this.deadline, cx.waker())),
            }
            if shared.clock.has_passed(this.deadline) {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        let Some(shared) = &self.shared else { return };
        if let Some(timer) = self.timer {
            shared.timers.disarm(timer);
        }
        if let Some(place) = self.watch {
            shared.watches.remove(place);
        }
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelled").finish_non_exhaustive()
    }
}
