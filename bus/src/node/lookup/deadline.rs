//! One deadline for all waits of an operation: each looks, and is woken to look again.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::clock::Nanos;
use crate::driver::timer::TimerKey;
use crate::shared::Shared;
use crate::wait_list::{WaitKey, WaitList};

/// A deadline for several waits in a row.
pub(crate) struct Deadline {
    shared: Arc<Shared>,
    at: Nanos,
}

impl Deadline {
    pub(crate) fn new(shared: &Arc<Shared>, within: Duration) -> Self {
        Self {
            shared: Arc::clone(shared),
            at: shared.clock.after(within),
        }
    }

    /// A deadline at a point in time, which may be none.
    pub(crate) fn at(shared: &Arc<Shared>, at: Nanos) -> Self {
        Self {
            shared: Arc::clone(shared),
            at,
        }
    }

    /// A deadline that never comes.
    pub(crate) fn never(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            at: Nanos::NONE,
        }
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.shared.clock.has_passed(self.at)
    }

    /// Looks until there is something, woken by `list`; `None` when the deadline comes first.
    pub(crate) async fn until<T>(
        &self,
        list: &WaitList,
        mut look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let mut waiting = Waiting {
            list,
            key: WaitKey::default(),
            shared: &self.shared,
            timer: None,
        };
        poll_fn(|cx| {
            if let Some(found) = look() {
                return Poll::Ready(Some(found));
            }
            list.register(&mut waiting.key, cx);
            match look() {
                Some(found) => Poll::Ready(Some(found)),
                None if self.has_passed() => Poll::Ready(None),
                None if self.at == Nanos::NONE => Poll::Pending,
                None => {
                    match waiting.timer {
                        Some(timer) => self.shared.timers.rewake(timer, cx.waker()),
                        None => waiting.timer = Some(self.shared.arm_timer(self.at, cx.waker())),
                    }
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// Leaves the list and the timer when the wait ends, however it ends.
struct Waiting<'a> {
    list: &'a WaitList,
    key: WaitKey,
    shared: &'a Arc<Shared>,
    timer: Option<TimerKey>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.list.remove(&mut self.key);
        if let Some(timer) = self.timer {
            self.shared.timers.disarm(timer);
        }
    }
}
