//! The queues of workers that share their work: each has one, and those that run dry take from the others.
//!
//! A task waits where it was woken last, so it meets its data in the caches of that processor. Only a worker without any
//! task of its own takes from another, half of what lies there; so a handler that holds its thread for long holds up
//! nothing but itself, and the one task that it has woken last.

use ringway_shm::brief::{Brief, Guard};
use ringway_shm::sync::AtomicUsize;
use ringway_shm::sync::Ordering::Relaxed;
use std::collections::VecDeque;

use super::Ready;

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

    fn looks_empty(&self) -> bool {
        // Relaxed: a hint; before a worker sleeps it looks under the lock.
        self.length.load(Relaxed) == 0
    }
}

/// The queues of a node's workers, by their numbers.
pub(super) struct Places(Box<[Place]>);

impl Places {
    pub(super) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Place::default()).collect())
    }

    /// Puts a task behind the others of one worker.
    pub(super) fn push(&self, worker: usize, task: Ready) {
        self.0[worker].with(|tasks| tasks.push_back(task));
    }

    /// Takes a worker's oldest task, or the oldest half of another's.
    pub(super) fn pop(&self, worker: usize) -> Option<Ready> {
        let own = &self.0[worker];
        if !own.looks_empty()
            && let Some(task) = own.with(VecDeque::pop_front)
        {
            return Some(task);
        }
        let others = self.0.iter().filter(|other| !std::ptr::eq(*other, own));
        for other in others.filter(|other| !other.looks_empty()) {
            let mut half = other.with(|tasks| {
                let half = tasks.len().div_ceil(2);
                tasks.drain(..half).collect::<VecDeque<_>>()
            });
            let first = half.pop_front();
            if !half.is_empty() {
                own.with(|tasks| tasks.append(&mut half));
            }
            if first.is_some() {
                return first;
            }
        }
        None
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
