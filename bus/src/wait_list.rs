//! Wakers that wait for one condition: room in a queue, the end of an actor, a name.
//!
//! A waiter registers, looks at the condition again, and only then stays pending; whoever changes the condition
//! wakes all, each once for each time that it registered. So no wake is lost, and a dropped waiter takes no wake with it.
//!
//! Wakers are the user's code: they are cloned, woken and dropped outside the lock.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use ringway_shm::sync::AtomicUsize;
use ringway_shm::sync::Ordering::{Relaxed, SeqCst};
use ringway_shm::sync::fence;
use slab::Slab;

/// The place of one waiter; 0 is 'not registered'.
#[derive(Debug, Default)]
pub(crate) struct WaitKey(usize);

impl WaitKey {
    /// Whether it has a place in a list, to be given up.
    pub(crate) fn is_registered(&self) -> bool {
        self.0 != 0
    }
}

/// Wakers waiting for one condition.
#[derive(Debug, Default)]
pub(crate) struct WaitList {
    /// `None` is one that was woken and has not registered again.
    wakers: Mutex<Slab<Option<Waker>>>,
    /// Waiters registered, so that changing a condition that nobody waits for costs one fence and one load.
    waiting: AtomicUsize,
}

impl WaitList {
    fn lock(&self) -> MutexGuard<'_, Slab<Option<Waker>>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers or refreshes a waiter. The caller looks at the condition again after this returns.
    pub(crate) fn register(&self, key: &mut WaitKey, cx: &Context<'_>) {
        if !self.has(key, cx.waker()) {
            let waker = Some(cx.waker().clone());
            let mut wakers = self.lock();
            let place = key.0.checked_sub(1).and_then(|index| wakers.get_mut(index));
            let former = match place {
                Some(place) => std::mem::replace(place, waker),
                None => {
                    key.0 = wakers.insert(waker) + 1;
                    None
                }
            };
            // Relaxed: ordered by the fence below.
            self.waiting.store(wakers.len(), Relaxed);
            drop(wakers);
            drop(former);
        }
        // SeqCst waiter-registered: pairs with the fence in `wake_all`. The waiter stores `waiting` and then looks at
        // the condition, the other changes the condition and then looks at `waiting`: not both can miss the other.
        fence(SeqCst);
    }

    /// Whether the waiter is registered with this waker, or one like it.
    fn has(&self, key: &WaitKey, waker: &Waker) -> bool {
        let Some(index) = key.0.checked_sub(1) else {
            return false;
        };
        let wakers = self.lock();
        let known = wakers.get(index).and_then(Option::as_ref);
        known.is_some_and(|known| known.will_wake(waker))
    }

    /// Takes a waiter out.
    pub(crate) fn remove(&self, key: &mut WaitKey) {
        let Some(index) = key.0.checked_sub(1) else {
            return;
        };
        key.0 = 0;
        let mut wakers = self.lock();
        let removed = wakers.try_remove(index);
        // Relaxed: a hint that only shrinks here.
        self.waiting.store(wakers.len(), Relaxed);
        drop(wakers);
        drop(removed);
    }

    /// Tells whether anybody waits; may be stale at once.
    pub(crate) fn has_waiters(&self) -> bool {
        // Relaxed: callers that must not miss a waiter go through `wake_all`.
        self.waiting.load(Relaxed) > 0
    }

    /// Wakes all waiters. Each keeps its place, and is woken again once it has registered again.
    pub(crate) fn wake_all(&self) {
        // SeqCst waiter-registered: pairs with the fence in `register`.
        fence(SeqCst);
        if !self.has_waiters() {
            return;
        }
        let wakers: Vec<Waker> = {
            let mut wakers = self.lock();
            let all = wakers.iter_mut().filter_map(|(_, waker)| waker.take());
            all.collect()
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

    /// The waker of a foreign executor, which looks at the list as it goes.
    struct Foreign {
        list: Arc<WaitList>,
        met_locked: Arc<AtomicU32>,
    }

    impl Foreign {
        fn look(&self) {
            if self.list.wakers.try_lock().is_err() {
                self.met_locked.fetch_add(1, Relaxed);
            }
        }
    }

    impl Wake for Foreign {
        fn wake(self: Arc<Self>) {
            self.look();
        }
    }

    impl Drop for Foreign {
        fn drop(&mut self) {
            self.look();
        }
    }

    // Goal: a waker that comes back to the list when it is woken or dropped does not find it locked by its own thread.
    // Method: each way in which a waker leaves the list, as the last of its kind.
    #[test]
    fn no_waker_runs_under_the_lock() {
        let list = Arc::new(WaitList::default());
        let met_locked = Arc::new(AtomicU32::new(0));
        let mut key = WaitKey::default();
        let mut register = || {
            let foreign = Foreign {
                list: Arc::clone(&list),
                met_locked: Arc::clone(&met_locked),
            };
            let waker = Waker::from(Arc::new(foreign));
            list.register(&mut key, &Context::from_waker(&waker));
        };
        register();
        register(); // in the first one's place
        list.wake_all();
        register();
        list.remove(&mut key);
        assert_eq!(met_locked.load(Relaxed), 0);
        assert!(!list.has_waiters());
    }

    // Goal: one wake for each time that a waiter registered.
    #[test]
    fn the_woken_are_woken_again_once_they_have_registered_again() {
        let count = Arc::new(Count(AtomicU32::new(0)));
        let list = WaitList::default();
        let waker = Waker::from(Arc::clone(&count));
        let mut key = WaitKey::default();
        for woken in 1..=3 {
            list.register(&mut key, &Context::from_waker(&waker));
            list.wake_all();
            list.wake_all();
            assert_eq!(count.0.load(Relaxed), woken);
        }
        list.remove(&mut key);
    }
}
