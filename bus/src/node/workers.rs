//! The threads of an attached node, and their end when it is dropped.

use std::sync::Arc;

use ringway_shm::sync::Ordering::Relaxed;

use super::{Attached, STACK};
use crate::blocking::AtWork;
use crate::config::Workers;
use crate::driver::Driver;
use crate::error::AttachError;
use crate::shared::{lock, try_lock};

/// What a node's own threads are called.
const WORKER_NAMES: [&str; 2] = ["ringway-driver", "ringway-worker"];

impl Attached {
    /// Starts the threads that a node is to have; without any, the driver waits for a caller.
    pub(super) fn start_workers(
        &mut self,
        mut driver: Driver,
        workers: Workers,
    ) -> Result<(), AttachError> {
        let Workers::Threads(count) = workers else {
            *lock(&self.shared.driver) = Some(driver);
            return Ok(());
        };
        let (shared, stop) = (Arc::clone(&self.shared), Arc::clone(&self.stopped));
        self.start(WORKER_NAMES[0], move || {
            let _at_work = AtWork::begin(&shared);
            let _driving = shared.queue.drive_here();
            // Relaxed: set before the rousing fence of `Attached::drop`.
            while !stop.load(Relaxed) {
                driver.turn_unless(&stop);
            }
            shared.queue.run_rest();
            shared.count_up();
        })?;
        for worker in 1..count.get() {
            let (shared, stop) = (Arc::clone(&self.shared), Arc::clone(&self.stopped));
            self.start(WORKER_NAMES[1], move || {
                let _at_work = AtWork::begin(&shared);
                let (count_up, offer_room) = (|| shared.count_up(), || shared.offer_room());
                shared.queue.help(worker, &stop, count_up, offer_room);
            })?;
        }
        Ok(())
    }

    pub(super) fn start(
        &mut self,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<(), AttachError> {
        let thread = std::thread::Builder::new().name(name.to_owned());
        let started = thread
            .stack_size(STACK)
            .spawn(work)
            .map_err(AttachError::NoThread)?;
        self.workers.push(started);
        Ok(())
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.shared.detach_now();
        self.shared.end_stop();
        // Relaxed: `rouse` fences after it.
        self.stopped.store(true, Relaxed);
        self.shared.queue.rouse();
        self.shared.queue.stop_helpers();
        // Whoever drives now sees that the node is detached, and lets the driver go.
        if let Some(mut driver) = try_lock(&self.shared.driver) {
            drop(driver.take());
        }
        self.shared.own_threads.join();
        for worker in self.workers.drain(..) {
            // A node dropped by its own worker cannot wait for it; the thread ends by itself.
            if worker.thread().id() != std::thread::current().id() {
                // A worker that panicked has said so on its own.
                let _ = worker.join();
            }
        }
    }
}
