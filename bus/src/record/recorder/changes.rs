//! Tells a recorder that the cards have changed: once for any number of changes that it has not looked at.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;
use ringway_shm::sync::AtomicBool;
use ringway_shm::sync::Ordering::{Acquire, Release};

use crate::shared::Shared;
use crate::wait_list::WaitKey;

/// Changes of what nodes show on their cards.
pub(super) struct Changes {
    shared: Arc<Shared>,
    key: WaitKey,
    flag: Arc<Flag>,
}

/// Notes a change, and wakes who waits for one.
struct Flag {
    has_changed: AtomicBool,
    waiting: AtomicWaker,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        // Release cards-changed: pairs with the swap in `poll`.
        self.has_changed.store(true, Release);
        self.waiting.wake();
    }
}

impl Changes {
    /// The first change is that there is something to look at.
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            key: WaitKey::default(),
            flag: Arc::new(Flag {
                has_changed: AtomicBool::new(true),
                waiting: AtomicWaker::new(),
            }),
        }
    }

    /// Whether there was a change since it was asked last; `None` when the node leaves.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Option<()>> {
        self.flag.waiting.register(cx.waker());
        // Acquire cards-changed: pairs with the store in `wake`.
        if !self.flag.has_changed.swap(false, Acquire) {
            return Poll::Pending;
        }
        // Before the caller's look: what changes from here on is told again.
        let waker = Waker::from(Arc::clone(&self.flag));
        let changes = &self.shared.changes;
        changes.register(&mut self.key, &Context::from_waker(&waker));
        Poll::Ready((!self.shared.is_detaching()).then_some(()))
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.shared.changes.remove(&mut self.key);
    }
}
