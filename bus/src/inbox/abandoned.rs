//! Handlers that wait for the askers of other processes to give up.
//!
//! An asker stores that in its op's word and then rings, if the completer sleeps. So the driver looks through this list once in
//! many passes, and after it has armed its bell, before it sleeps.
//!
//! # Edges
//! Dekker: the asker stores the word, fences (in the bell), loads `asleep`; the driver stores `asleep`, fences, loads the
//! words of all who are on the list. Who comes on the list later looks at its word after that, under the same lock's order.

use std::sync::{Arc, Mutex, Weak};
use std::task::Waker;

use ringway_shm::generation::Key;
use ringway_shm::sync::AtomicUsize;
use ringway_shm::sync::Ordering::Relaxed;
use slab::Slab;

use super::InboxLane;
use crate::shared::lock;

struct Watch {
    lane: Weak<InboxLane>,
    op: Key,
    /// `None` when it was woken and has not come back.
    waker: Option<Waker>,
}

/// Those who wait, on one node.
#[derive(Default)]
pub(crate) struct Watches {
    list: Mutex<Slab<Watch>>,
    /// How many there are: a hint that spares the driver the lock.
    count: AtomicUsize,
}

impl Watches {
    /// Adds one; the caller looks at the word afterwards.
    pub(crate) fn add(&self, lane: &Weak<InboxLane>, op: Key, waker: &Waker) -> usize {
        let watch = Watch {
            lane: Weak::clone(lane),
            op,
            waker: Some(waker.clone()),
        };
        let mut list = lock(&self.list);
        let place = list.insert(watch);
        // Relaxed: a hint; the driver's look before it sleeps takes the lock.
        self.count.store(list.len(), Relaxed);
        place
    }

    /// Renews the waker of one.
    pub(crate) fn rewake(&self, place: usize, waker: &Waker) {
        let waker = waker.clone();
        let mut list = lock(&self.list);
        let former = list
            .get_mut(place)
            .and_then(|watch| watch.waker.replace(waker));
        drop(list);
        drop(former); // outside of the lock: wakers are the user's code
    }

    pub(crate) fn remove(&self, place: usize) {
        let mut list = lock(&self.list);
        let watch = list.try_remove(place);
        // Relaxed: as above.
        self.count.store(list.len(), Relaxed);
        drop(list);
        drop(watch); // as above
    }

    /// Whether there are any, as far as can be seen without the lock.
    #[inline]
    pub(crate) fn has_any(&self) -> bool {
        // Relaxed: as in `add`.
        self.count.load(Relaxed) > 0
    }

    /// Wakes those whose askers have given up; `true` if there were any.
    pub(crate) fn look(&self) -> bool {
        let (mut wakers, mut lanes) = (Vec::new(), Vec::new());
        {
            let mut list = lock(&self.list);
            for (_, watch) in &mut *list {
                let lane = watch.lane.upgrade();
                let is_over = |lane: &Arc<InboxLane>| lane.is_abandoned(watch.op);
                if lane.as_ref().is_none_or(is_over) {
                    wakers.extend(watch.waker.take());
                }
                lanes.extend(lane);
            }
        }
        drop(lanes); // outside of the lock, in case it was closed meanwhile
        let any = !wakers.is_empty();
        wakers.into_iter().for_each(Waker::wake);
        any
    }
}
