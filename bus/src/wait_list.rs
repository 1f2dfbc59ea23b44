//! Wakers that wait for one condition: room in a queue, the end of an actor, a name.
//!
//! A waiter registers, looks at the condition again, and only then stays pending; whoever changes the condition
//! wakes all. So no wake is lost, and a dropped waiter takes no wake with it.

use std::sync::{Mutex, PoisonError};
use std::task::{Context, Waker};

use ringway_shm::sync::AtomicUsize;
use ringway_shm::sync::Ordering::{Relaxed, SeqCst};
use ringway_shm::sync::fence;
use slab::Slab;

/// The place of one waiter; 0 is 'not registered'.
#[derive(Debug, Default)]
pub(crate) struct WaitKey(usize);

/// Wakers waiting for one condition.
#[derive(Debug, Default)]
pub(crate) struct WaitList {
    wakers: Mutex<Slab<Waker>>,
    /// Waiters registered, so that changing a condition that nobody waits for costs one fence and one load.
    waiting: AtomicUsize,
}

impl WaitList {
    /// Registers or refreshes a waiter. The caller looks at the condition again after this returns.
    pub(crate) fn register(&self, key: &mut WaitKey, cx: &Context<'_>) {
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        match key.0.checked_sub(1).and_then(|index| wakers.get_mut(index)) {
            Some(waker) => waker.clone_from(cx.waker()),
            None => key.0 = wakers.insert(cx.waker().clone()) + 1,
        }
        // Relaxed: ordered by the fence below.
        self.waiting.store(wakers.len(), Relaxed);
        drop(wakers);
        // SeqCst waiter-registered: pairs with the fence in `wake_all`. The waiter stores `waiting` and then looks at
        // the condition, the other changes the condition and then looks at `waiting`: not both can miss the other.
        fence(SeqCst);
    }

    /// Takes a waiter out.
    pub(crate) fn remove(&self, key: &mut WaitKey) {
        let Some(index) = key.0.checked_sub(1) else {
            return;
        };
        key.0 = 0;
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = wakers.try_remove(index);
        // Relaxed: a hint that only shrinks here.
        self.waiting.store(wakers.len(), Relaxed);
    }

    /// Tells whether anybody waits; may be stale at once.
    pub(crate) fn has_waiters(&self) -> bool {
        // Relaxed: callers that must not miss a waiter go through `wake_all`.
        self.waiting.load(Relaxed) > 0
    }

    /// Wakes all waiters; they stay registered until they look and leave.
    pub(crate) fn wake_all(&self) {
        // SeqCst waiter-registered: pairs with the fence in `register`.
        fence(SeqCst);
        if !self.has_waiters() {
            return;
        }
        let wakers: Vec<Waker> = {
            let wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            wakers.iter().map(|(_, waker)| waker.clone()).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::task::Wake;

    use super::*;

    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    // Goal: a removed waiter is not woken, a registered one is, and registering twice takes one place.
    #[test]
    fn wakes_those_registered() {
        let (stays, leaves) = (
            Arc::new(Count(AtomicU32::new(0))),
            Arc::new(Count(AtomicU32::new(0))),
        );
        let list = WaitList::default();
        let (mut first, mut second) = (WaitKey::default(), WaitKey::default());
        let waker = Waker::from(Arc::clone(&stays));
        list.register(&mut first, &Context::from_waker(&waker));
        list.register(&mut first, &Context::from_waker(&waker));
        list.register(
            &mut second,
            &Context::from_waker(&Waker::from(Arc::clone(&leaves))),
        );
        list.remove(&mut second);
        list.wake_all();
        assert_eq!((stays.0.load(Relaxed), leaves.0.load(Relaxed)), (1, 0));
        list.remove(&mut first);
        assert!(!list.has_waiters());
    }
}
