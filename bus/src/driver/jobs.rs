//! What other threads hand to the driver: lanes and ends to watch.
//!
//! All but an end whose completion is awaited rouse a sleeping driver. That end is left here before its entry is stamped:
//! whoever completes it sees the driver asleep and rings, and a driver that was rung takes its jobs before it looks.

use std::sync::{Arc, Mutex, PoisonError};

use ringway_shm::sync::AtomicBool;
use ringway_shm::sync::Ordering::Relaxed;

use crate::inbox::InboxLane;
use crate::remote::RemoteEnd;
use crate::task::RunQueue;
use crate::topics::{PublisherEnd, SubscriberEnd};
use crate::urings::PeerUrings;

/// Something for the driver to watch.
pub(crate) enum Job {
    /// A lane of this node's inboxes that its owner has drained, or that was just opened.
    Watch(Arc<InboxLane>),
    /// An end with an op in flight.
    Reap(Arc<RemoteEnd>),
    /// An end for whose room somebody waits.
    Room(Arc<RemoteEnd>),
    /// A peer whose notes and bell are to be watched.
    Peer(Arc<PeerUrings>),
    /// A subscriber that waits for samples of other nodes.
    Intake(Arc<SubscriberEnd>),
    /// A publisher for whose room somebody waits.
    Outlet(Arc<PublisherEnd>),
}

/// Jobs that the driver has not taken yet.
#[derive(Default)]
pub(crate) struct Jobs {
    queue: Mutex<Vec<Job>>,
    any: AtomicBool,
}

impl Jobs {
    /// Leaves a job that needs no rousing.
    pub(crate) fn leave(&self, job: Job) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push(job);
        // Relaxed: a hint; the driver's look before it sleeps takes the lock.
        self.any.store(true, Relaxed);
    }

    /// Leaves a job and rouses the driver if it sleeps.
    pub(crate) fn rouse(&self, job: Job, run_queue: &RunQueue) {
        self.leave(job);
        run_queue.rouse();
    }

    /// Tells whether there are jobs; exact for the thread that leaves them. What another left and this misses is found in
    /// the next pass, or by the look before sleeping.
    #[inline]
    pub(crate) fn has_any(&self) -> bool {
        // Relaxed: a hint to others.
        self.any.load(Relaxed)
    }

    /// Takes all jobs, under the lock: the look before sleeping.
    pub(crate) fn take_exactly(&self) -> Vec<Job> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        // Relaxed: written under the lock, a hint outside.
        self.any.store(false, Relaxed);
        std::mem::take(&mut *queue)
    }
}
