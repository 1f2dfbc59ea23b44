//! The queues of workers that share their work: each has one, and those that run dry take from the others.
//!
//! A task waits where it was woken last, so it meets its data in the caches of that processor. Only a worker without any
//! task of its own takes from another, half of what lies there; so a handler that holds its thread for long holds up
//! nothing but itself, and the one task that it has woken last.
//!
//! What is taken from another is in nobody's queue until the rest of it has been put into the taker's: a worker that looks
//! through all queues meanwhile finds none of it, and sleeps. So who has put it there owes what everybody owes who makes a task
//! ready: a look whether a worker sleeps ([`Popped::Half`]).

use ringway_shm::brief::{Brief, Guard};
use ringway_shm::sync::AtomicUsize;
use ringway_shm::sync::Ordering::Relaxed;
use std::collections::VecDeque;

use super::Ready;

/// Places that a queue has at first.
const PLACES_MIN: usize = 64;

/// One worker's queue.
#[derive(Default)]
struct Place {
    tasks: Brief<VecDeque<Ready>>,
    /// Tasks in it; a hint that spares others the lock.
    length: AtomicUsize,
}

impl Place {
    /// Changes the queue; its hint follows.
    fn with<T>(&self, change: impl FnOnce(&mut VecDeque<Ready>) -> T) -> T {
        let mut tasks = self.lock();
        let result = change(&mut tasks);
        // Relaxed: a hint; whoever acts on it takes the lock.
        self.length.store(tasks.len(), Relaxed);
        result
    }

    fn lock(&self) -> Guard<'_, VecDeque<Ready>> {
        self.tasks.lock()
    }

    /// Takes the oldest half of another's tasks, the first of them to be run now.
    fn take_half(&self, other: &Self) -> Option<Popped> {
        // With all places that it may need: nothing is allocated while the other's queue is held.
        let mut half = VecDeque::with_capacity(other.half());
        other.with(|tasks| {
            let count = tasks.len().div_ceil(2).min(half.capacity());
            half.extend(tasks.drain(..count));
        });
        let first = half.pop_front()?;
        if half.is_empty() {
            return Some(Popped::One(first));
        }
        self.append(half);
        Some(Popped::Half(first))
    }

    /// Puts tasks behind the others; by its worker alone, so that nobody else makes it longer meanwhile.
    fn append(&self, mut more: VecDeque<Ready>) {
        let needs = |tasks: &VecDeque<Ready>| tasks.len() + more.len();
        let needed = self.with(|tasks| (tasks.capacity() < needs(tasks)).then(|| needs(tasks)));
        // Nothing is allocated or given back while others may wait for the queue.
        let mut place = needed.map(|needed| VecDeque::with_capacity((2 * needed).max(PLACES_MIN)));
        self.with(|tasks| {
            if let Some(place) = &mut place {
                place.append(tasks);
                std::mem::swap(place, tasks);
            }
            tasks.append(&mut more);
        });
    }

    /// How many are half of them by the hint, and one at least.
    fn half(&self) -> usize {
        // Relaxed: as in `looks_empty`.
        self.length.load(Relaxed).div_ceil(2).max(1)
    }

    fn looks_empty(&self) -> bool {
        // Relaxed: a hint; before a worker sleeps it looks under the lock.
        self.length.load(Relaxed) == 0
    }
}

/// What a worker has found.
pub(super) enum Popped {
    /// A task of its own, or the only one of another.
    One(Ready),
    /// The first of some that were another's; the rest is this worker's now, and others are to be roused for it.
    Half(Ready),
}

/// The queues of a node's workers, by their numbers.
pub(super) struct Places(Box<[Place]>);

impl Places {
    pub(super) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Place::default()).collect())
    }

    /// Puts a task behind the others of one worker; on its thread.
    pub(super) fn push(&self, worker: usize, task: Ready) {
        let place = &self.0[worker];
        let left = place.with(|tasks| match tasks.len() < tasks.capacity() {
            true => {
                tasks.push_back(task);
                None
            }
            false => Some(task),
        });
        if let Some(task) = left {
            place.append(VecDeque::from([task]));
        }
    }

    /// Takes a worker's oldest task, or the oldest half of another's.
    pub(super) fn pop(&self, worker: usize) -> Option<Popped> {
        let own = &self.0[worker];
        if !own.looks_empty()
            && let Some(task) = own.with(VecDeque::pop_front)
        {
            return Some(Popped::One(task));
        }
        let others = self.0.iter().filter(|other| !std::ptr::eq(*other, own));
        others
            .filter(|other| !other.looks_empty())
            .find_map(|other| own.take_half(other))
    }

    /// Whether there is but one worker.
    #[inline]
    pub(super) fn is_one(&self) -> bool {
        self.0.len() == 1
    }

    /// Tells whether a worker has a task in its queue, by the hints.
    pub(super) fn look_full(&self) -> bool {
        self.0.iter().any(|place| !place.looks_empty())
    }

    /// Tells whether no worker has a task in its queue; exact.
    pub(super) fn are_empty(&self) -> bool {
        self.0.iter().all(|place| place.lock().is_empty())
    }
}
