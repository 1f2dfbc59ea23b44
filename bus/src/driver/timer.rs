//! Timers of a node: wakers by the time at which they are due.
//!
//! An ordered map under a lock: arming and disarming cost some fifty nanoseconds, and nothing while idle.
//! The driver sleeps until the first is due; a timer that comes before it rouses the driver.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::task::Waker;

use ringway_shm::sync::AtomicU64;
use ringway_shm::sync::Ordering::Relaxed;

use crate::clock::Nanos;

/// One armed timer. Disarm it when its wait ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey {
    due: Nanos,
    number: u64,
}

#[derive(Debug, Default)]
struct Armed {
    wakers: BTreeMap<TimerKey, Waker>,
    count: u64,
}

/// The armed timers of a node.
#[derive(Debug)]
pub(crate) struct Timers {
    armed: Mutex<Armed>,
    /// Due time of the first timer; `u64::MAX` for none. A hint that spares idle passes the lock.
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
    /// Arms a timer; `true` beside the key when it is the first to be due, so that the driver must be roused.
    pub(crate) fn arm(&self, due: Nanos, waker: &Waker) -> (TimerKey, bool) {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        armed.count += 1;
        let key = TimerKey {
            due,
            number: armed.count,
        };
        armed.wakers.insert(key, waker.clone());
        let is_first = armed
            .wakers
            .first_key_value()
            .is_some_and(|(first, _)| *first == key);
        self.publish_first(&armed);
        (key, is_first)
    }

    /// Replaces the waker of an armed timer; does nothing when it has fired.
    pub(crate) fn rewake(&self, key: TimerKey, waker: &Waker) {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = armed.wakers.get_mut(&key) {
            old.clone_from(waker);
        }
    }

    /// Takes a timer out; does nothing when it has fired.
    pub(crate) fn disarm(&self, key: TimerKey) {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        armed.wakers.remove(&key);
        self.publish_first(&armed);
    }

    /// Wakes all that are due; returns when the next one is.
    ///
    /// Cost: a load while none is armed, a look at the clock while none is due.
    pub(crate) fn fire(&self) -> Option<Nanos> {
        let first = self.first()?;
        if !first.has_passed() {
            return Some(first);
        }
        let now = Nanos::now();
        let due = {
            let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
            let later = armed.wakers.split_off(&TimerKey {
                due: now,
                number: u64::MAX,
            });
            let due = std::mem::replace(&mut armed.wakers, later);
            self.publish_first(&armed);
            due
        };
        due.into_values().for_each(Waker::wake);
        self.first()
    }

    /// When the first timer is due.
    pub(crate) fn first(&self) -> Option<Nanos> {
        // Relaxed: a hint; a timer armed meanwhile rouses the driver.
        Some(self.first.load(Relaxed))
            .filter(|due| *due != u64::MAX)
            .map(Nanos)
    }

    fn publish_first(&self, armed: &Armed) {
        let first = armed
            .wakers
            .first_key_value()
            .map_or(u64::MAX, |(key, _)| key.due.0);
        // Relaxed: written under the lock, read as a hint.
        self.first.store(first, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::task::noop_waker;

    use super::*;

    // Goal: `first` follows arming, disarming and firing.
    #[test]
    fn first_is_the_earliest() {
        let timers = Timers::default();
        let far = Nanos(Nanos::now().0 + 3_600_000_000_000);
        let (late, was_first) = timers.arm(far, &noop_waker());
        assert!(was_first);
        let (early, was_first) = timers.arm(Nanos(1), &noop_waker());
        assert!(was_first);
        assert_eq!(timers.first(), Some(Nanos(1)));
        assert_eq!(timers.fire(), Some(far));
        timers.disarm(early);
        timers.disarm(late);
        assert_eq!(timers.fire(), None);
    }
}
