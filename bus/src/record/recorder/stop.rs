//! Stops a recorder, from any thread.

use std::sync::Arc;
use std::task::Context;

use ringway_shm::sync::AtomicBool;
use ringway_shm::sync::Ordering::{Acquire, Release};

use crate::wait_list::{WaitKey, WaitList};

/// Stops a [`Recorder`](super::Recorder): what has come by then is written, and the recording is ended. Cloned, it stops the same.
#[derive(Clone, Debug, Default)]
pub struct StopRecording(Arc<Stop>);

#[derive(Debug, Default)]
struct Stop {
    is_stopped: AtomicBool,
    waiting: WaitList,
}

impl StopRecording {
    /// Stops it; again, it does nothing.
    pub fn stop(&self) {
        // Release recording-stopped: pairs with the load in `is_stopped`.
        self.0.is_stopped.store(true, Release);
        self.0.waiting.wake_all();
    }

    pub(super) fn is_stopped(&self) -> bool {
        // Acquire recording-stopped: pairs with the store in `stop`.
        self.0.is_stopped.load(Acquire)
    }
}

/// The recorder's place among those who wait for the stop.
pub(super) struct Waits {
    stop: StopRecording,
    key: WaitKey,
}

impl Waits {
    pub(super) fn new(stop: &StopRecording) -> Self {
        Self {
            stop: stop.clone(),
            key: WaitKey::default(),
        }
    }

    /// Look afterwards.
    pub(super) fn register(&mut self, cx: &Context<'_>) {
        self.stop.0.waiting.register(&mut self.key, cx);
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.stop.0.waiting.remove(&mut self.key);
    }
}
