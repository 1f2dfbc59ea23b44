//! The run queue of a node's workers: tasks that are ready, in the order in which they became so.
//!
//! A task is one allocation (`async-task`); waking it pushes a pointer here. Pushing never blocks for longer than
//! another push or pop, and never makes a system call unless a worker sleeps.
//!
//! Two kinds of workers take from the queue: the *driver*, which also polls urings and sleeps in the kernel on its
//! doorbells, and *helpers*, which only run tasks and sleep on a condition variable.
//!
//! # Edges
//! | edge | released by | acquired by | publishes |
//! |---|---|---|---|
//! | task-queued | `push`: unlock of `queue` | `pop`: lock of `queue` | the task |
//! | worker-asleep | `rouse`: fence, then load of `driver_asleep` | `fall_asleep`: store, then fence; then `is_empty` | see `has_woken_driver` |

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use async_task::Runnable;
use ringway_shm::sync::Ordering::{Relaxed, SeqCst};
use ringway_shm::sync::{AtomicBool, AtomicUsize, fence};
use ringway_shm::sys::SysError;
use ringway_shm::sys::eventfd::Eventfd;

use crate::trace::warning;

/// Tasks that are ready to run.
pub(crate) struct RunQueue {
    queue: Mutex<VecDeque<Runnable>>,
    /// Tasks in `queue`; a hint that spares idle passes the lock.
    length: AtomicUsize,
    driver_asleep: AtomicBool,
    driver_bell: Eventfd,
    helpers_parked: AtomicUsize,
    helpers: Condvar,
}

thread_local! {
    /// The queue whose driver this thread is; null for none. Only compared, never followed.
    static DRIVEN: Cell<*const RunQueue> = const { Cell::new(ptr::null()) };
}

/// Marks the thread as the driver of a queue until it is dropped.
pub(crate) struct Driving {
    before: *const RunQueue,
}

impl Drop for Driving {
    fn drop(&mut self) {
        DRIVEN.set(self.before);
    }
}

impl RunQueue {
    /// Says that this thread is the driver: what it makes ready itself, it finds without being woken.
    ///
    /// Between its last look at the queue and its sleep nothing of the user's may run.
    pub(crate) fn drive_here(&self) -> Driving {
        Driving {
            before: DRIVEN.replace(self),
        }
    }

    /// Creates an empty queue with the eventfd that wakes its driver.
    pub(crate) fn create() -> Result<Arc<Self>, SysError> {
        Ok(Arc::new(Self {
            queue: Mutex::new(VecDeque::new()),
            length: AtomicUsize::new(0),
            driver_asleep: AtomicBool::new(false),
            driver_bell: Eventfd::create()?,
            helpers_parked: AtomicUsize::new(0),
            helpers: Condvar::new(),
        }))
    }

    /// Starts `future` as a detached task; it runs when a worker takes it.
    pub(crate) fn spawn(self: &Arc<Self>, future: impl Future<Output = ()> + Send + 'static) {
        let queue = Arc::clone(self);
        let (runnable, task) = async_task::spawn(future, move |runnable| queue.push(runnable));
        task.detach();
        runnable.schedule();
    }

    fn push(&self, runnable: Runnable) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back(runnable);
        // Relaxed: a hint; whoever acts on it takes the lock.
        self.length.store(queue.len(), Relaxed);
        drop(queue);
        self.rouse();
    }

    /// Wakes a worker if one sleeps; called after something was made ready for it.
    ///
    /// On the driver's own thread this costs a look at who it is.
    pub(crate) fn rouse(&self) {
        let is_driver = ptr::eq(DRIVEN.get(), self);
        if !is_driver && self.has_woken_driver() {
            return;
        }
        // Relaxed: changed under the lock that `push` took before this.
        if self.helpers_parked.load(Relaxed) > 0 {
            self.helpers.notify_one();
        }
    }

    /// Rings the driver's bell if it sleeps.
    ///
    /// SeqCst worker-asleep: pairs with the fence in `fall_asleep`. The pusher stores a task and then reads the flag,
    /// the sleeper stores the flag and then looks for tasks; the two fences rule out that both miss the other.
    fn has_woken_driver(&self) -> bool {
        fence(SeqCst);
        // Relaxed: the fence above orders it; a stale `true` costs one spurious wake.
        let wakes = self.driver_asleep.load(Relaxed) && self.driver_asleep.swap(false, Relaxed);
        if wakes {
            self.answer(self.driver_bell.ring());
        }
        wakes
    }

    /// Takes the task that has been ready longest.
    pub(crate) fn pop(&self) -> Option<Runnable> {
        // Relaxed: a hint; a task missed here is seen by the look after the sleeper's fence.
        if self.length.load(Relaxed) == 0 {
            return None;
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let runnable = queue.pop_front();
        // Relaxed: a hint, as in `push`.
        self.length.store(queue.len(), Relaxed);
        runnable
    }

    /// Says that the driver is about to sleep. The caller looks at everything once more after this returns, and
    /// sleeps only if all of it is idle.
    pub(crate) fn fall_asleep(&self) {
        // Relaxed: ordered by the fence.
        self.driver_asleep.store(true, Relaxed);
        // SeqCst worker-asleep: pairs with the fence in `rouse`.
        fence(SeqCst);
    }

    /// Says that the driver runs again, and clears its bell before it looks at anything.
    pub(crate) fn wake_up(&self) {
        // Relaxed: the worst case is one needless ring.
        self.driver_asleep.store(false, Relaxed);
        self.answer(self.driver_bell.clear().map(drop));
    }

    /// Our own eventfd cannot fail; if it does, the driver sleeps until its next bell or timer.
    fn answer(&self, result: Result<(), SysError>) {
        if let Err(error) = result {
            warning!(%error, "the driver's own bell failed");
            let _ = error;
        }
    }

    /// Tells whether a task is ready; exact, for the look before sleeping.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    /// The eventfd on which the driver sleeps beside its doorbells.
    pub(crate) fn driver_bell(&self) -> &Eventfd {
        &self.driver_bell
    }

    /// Runs what is ready when its worker ends: actors that were told to end, and have not seen it yet.
    pub(crate) fn run_rest(&self) {
        while let Some(runnable) = self.pop() {
            runnable.run();
        }
    }

    /// Runs tasks on the calling helper thread until `stopped` is set and none is ready; sleeps while there are none.
    pub(crate) fn help(&self, stopped: &AtomicBool) {
        loop {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            let runnable = loop {
                if let Some(runnable) = queue.pop_front() {
                    // Relaxed: a hint, as in `push`.
                    self.length.store(queue.len(), Relaxed);
                    break runnable;
                }
                // Relaxed: set before `stop_helpers` notifies under the lock.
                if stopped.load(Relaxed) {
                    return;
                }
                // Relaxed: changed and waited for under the lock that `push` took before it reads this.
                self.helpers_parked.fetch_add(1, Relaxed);
                queue = self
                    .helpers
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
                self.helpers_parked.fetch_sub(1, Relaxed);
            };
            drop(queue);
            runnable.run();
        }
    }

    /// Wakes every helper so that it sees `stopped`.
    pub(crate) fn stop_helpers(&self) {
        let _queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        self.helpers.notify_all();
    }
}

impl std::fmt::Debug for RunQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunQueue")
            .field("length", &self.length.load(Relaxed))
            .finish()
    }
}
