//! Timers of a node: wakers by the time at which they are due.
//!
//! Most timers are deadlines that never come: they are disarmed soon. So a timer is *young* at first, in a slab without
//! order, and is put in order only when one of them is due. The driver sleeps until the first is due, or until one was that
//! is disarmed meanwhile; a timer that comes before it rouses the driver.
//!
//! Wakers are the user's code: they are cloned, woken and dropped outside the lock.
//!
//! # Invariants
//! - **fired-has-passed**: a timer fires only once its time has passed by the same clock as for who waits, who is not armed
//!   again: see `woken-has-passed` of the clock.
//! - **first-is-early**: `first` is never later than the first timer that is armed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use ringway_shm::sync::AtomicU64;
use ringway_shm::sync::Ordering::Relaxed;
use slab::Slab;

use crate::clock::{Clock, Nanos};

/// One armed timer. Disarm it when its wait ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey {
    due: Nanos,
    number: u64,
    /// Its place among the young.
    place: usize,
}

#[derive(Debug, Default)]
struct Armed {
    young: Slab<(TimerKey, Waker)>,
    ordered: BTreeMap<TimerKey, Waker>,
    count: u64,
}

impl Armed {
    /// Where the waker of a timer is, unless it has fired.
    fn waker(&mut self, key: TimerKey) -> Option<&mut Waker> {
        match self.young.get_mut(key.place) {
            Some((young, waker)) if *young == key => Some(waker),
            _ => self.ordered.get_mut(&key),
        }
    }

    fn remove(&mut self, key: TimerKey) -> Option<Waker> {
        match self.young.get(key.place) {
            Some((young, _)) if *young == key => Some(self.young.remove(key.place).1),
            _ => self.ordered.remove(&key),
        }
    }
}

/// The armed timers of a node.
#[derive(Debug)]
pub(crate) struct Timers {
    armed: Mutex<Armed>,
    /// See first-is-early; `u64::MAX` for none. A hint that spares idle passes the lock.
    first: AtomicU64,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            armed: Mutex::default(),
            first: AtomicU64::new(u64::MAX),
        }
    }
}

impl Timers {
    fn lock(&self) -> MutexGuard<'_, Armed> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Arms a timer; `true` beside the key when it is the first to be due, so that the driver must be roused.
    pub(crate) fn arm(&self, due: Nanos, waker: &Waker) -> (TimerKey, bool) {
        let waker = waker.clone();
        let mut armed = self.lock();
        armed.count += 1;
        let key = TimerKey {
            due,
            number: armed.count,
            place: armed.young.vacant_key(),
        };
        armed.young.insert((key, waker));
        // Relaxed: written under the lock, read as a hint.
        let is_first = due.0 < self.first.load(Relaxed);
        if is_first {
            self.first.store(due.0, Relaxed);
        }
        (key, is_first)
    }

    /// Replaces the waker of an armed timer. When that has fired, it wakes `waker` at once: its own may have been that of
    /// another task, in which the wait was before.
    pub(crate) fn rewake(&self, key: TimerKey, waker: &Waker) {
        let is_known = self.lock().waker(key).map(|known| known.will_wake(waker));
        match is_known {
            Some(true) => {}
            Some(false) => self.replace(key, waker.clone()),
            None => waker.wake_by_ref(),
        }
    }

    fn replace(&self, key: TimerKey, mut waker: Waker) {
        let is_armed = match self.lock().waker(key) {
            Some(known) => {
                std::mem::swap(known, &mut waker);
                true
            }
            None => false,
        };
        if !is_armed {
            waker.wake();
        }
    }

    /// Takes a timer out; does nothing when it has fired.
    pub(crate) fn disarm(&self, key: TimerKey) {
        let mut armed = self.lock();
        let waker = armed.remove(key);
        self.publish_first(&armed);
        drop(armed);
        drop(waker);
    }

    /// Wakes all that are due; returns when the next one is.
    ///
    /// Cost: a load while none is armed, a look at the clock while none is due.
    pub(crate) fn fire(&self, clock: &Clock) -> Option<Nanos> {
        let first = self.first()?;
        if !clock.has_passed(first) {
            return Some(first);
        }
        let now = clock.passed(); // woken-has-passed
        let due = {
            let mut armed = self.lock();
            let Armed { young, ordered, .. } = &mut *armed;
            ordered.extend(young.drain());
            let later = ordered.split_off(&TimerKey {
                due: now,
                number: u64::MAX,
                place: usize::MAX,
            });
            let due = std::mem::replace(ordered, later);
            self.publish_first(&armed);
            due
        };
        due.into_values().for_each(Waker::wake);
        self.first()
    }

    /// When the first timer is due, or one was that is not armed any more.
    pub(crate) fn first(&self) -> Option<Nanos> {
        // Relaxed: a hint; a timer armed meanwhile rouses the driver.
        Some(self.first.load(Relaxed))
            .filter(|due| *due != u64::MAX)
            .map(Nanos)
    }

    /// While there are young ones, their first is not looked for: that of before is not later.
    fn publish_first(&self, armed: &Armed) {
        if !armed.young.is_empty() {
            return;
        }
        let first = armed.ordered.first_key_value();
        // Relaxed: written under the lock, read as a hint.
        self.first
            .store(first.map_or(u64::MAX, |(key, _)| key.due.0), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::task::Wake;

    use futures_util::task::noop_waker;

    use super::*;

    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    // Goal: `first` is never later than the first that is armed, and exact when none is young.
    #[test]
    fn first_is_the_earliest() {
        let timers = Timers::default();
        let far = Nanos(Nanos::now().0 + 3_600_000_000_000);
        let (late, was_first) = timers.arm(far, &noop_waker());
        assert!(was_first);
        let (early, was_first) = timers.arm(Nanos(1), &noop_waker());
        assert!(was_first);
        assert_eq!(timers.first(), Some(Nanos(1)));
        assert_eq!(timers.fire(&Clock::default()), Some(far));
        timers.disarm(early);
        timers.disarm(late);
        assert_eq!(timers.fire(&Clock::default()), None);
    }

    // Goal: a key finds its own timer, young or in order, and none that took its place since.
    #[test]
    fn keys_name_one_timer() {
        let timers = Timers::default();
        let wakers: Vec<_> = (0..4).map(|_| Arc::new(Count(AtomicU32::new(0)))).collect();
        let waker = |at: usize| Waker::from(Arc::clone(&wakers[at]));
        let far = Nanos(Nanos::now().0 + 3_600_000_000_000);
        let (gone, _) = timers.arm(Nanos(1), &waker(0));
        timers.disarm(gone);
        let (stays, is_first) = timers.arm(Nanos(2), &waker(1));
        assert!(is_first);
        timers.disarm(gone);
        timers.rewake(gone, &waker(0)); // gone: whoever waits is to look
        let (later, _) = timers.arm(far, &waker(2));
        assert_eq!(timers.fire(&Clock::default()), Some(far)); // the later one is in order now
        timers.rewake(later, &waker(3));
        let (young, _) = timers.arm(Nanos(3), &waker(2));
        assert_eq!(timers.first(), Some(Nanos(3)));
        timers.disarm(stays);
        timers.disarm(later);
        assert_eq!(timers.fire(&Clock::default()), None);
        timers.disarm(young);
        let woken = wakers.iter().map(|count| count.0.load(Relaxed));
        assert_eq!(woken.collect::<Vec<_>>(), [1, 1, 1, 0]);
    }

    // Goal: a wait that goes on in another task while its timer fires is looked at again there.
    #[test]
    fn a_timer_that_has_fired_wakes_who_waits_now() {
        let timers = Timers::default();
        let now = Arc::new(Count(AtomicU32::new(0)));
        let (key, _) = timers.arm(Nanos(1), &noop_waker());
        assert_eq!(timers.fire(&Clock::default()), None);
        timers.rewake(key, &Waker::from(Arc::clone(&now)));
        assert_eq!(now.0.load(Relaxed), 1);
        timers.replace(key, Waker::from(Arc::clone(&now)));
        assert_eq!(now.0.load(Relaxed), 2);
        timers.disarm(key);
    }
}
