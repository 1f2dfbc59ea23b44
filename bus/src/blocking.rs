//! Blocking on a future: by driving the node, if nobody else does, or by parking the thread.
//!
//! A thread that works for a node (its own worker, or one inside [`Node::run_until`](crate::Node::run_until)) must not
//! block on it: it would wait for what only it can do. Such calls panic, and detaching does not wait.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use ringway_shm::sync::AtomicBool;
use ringway_shm::sync::Ordering::{AcqRel, Release};

use crate::shared::{Shared, try_lock};

thread_local! {
    /// The nodes that this thread works for, by address, innermost last.
    static WORKS_FOR: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    /// The node whose actor has this thread for its own, by address.
    static RUNS_FOR: Cell<usize> = const { Cell::new(0) };
}

fn address(shared: &Shared) -> usize {
    std::ptr::from_ref(shared).addr()
}

/// Says that this thread works for a node, until it is dropped.
pub(crate) struct AtWork(());

impl AtWork {
    pub(crate) fn begin(shared: &Shared) -> Self {
        WORKS_FOR.with_borrow_mut(|nodes| nodes.push(address(shared)));
        Self(())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        WORKS_FOR.with_borrow_mut(Vec::pop);
    }
}

/// Says that this thread runs one actor of a node, until it is dropped. It may block on the node, but cannot wait for its own
/// actor.
pub(crate) struct OwnThread(());

impl OwnThread {
    pub(crate) fn begin(shared: &Shared) -> Self {
        RUNS_FOR.set(address(shared));
        Self(())
    }
}

impl Drop for OwnThread {
    fn drop(&mut self) {
        RUNS_FOR.set(0);
    }
}

/// Whether this thread runs an actor of that node.
pub(crate) fn is_own_thread(shared: &Shared) -> bool {
    RUNS_FOR.get() == address(shared)
}

/// Whether this thread works for that node: it cannot wait for what only it can do.
pub(crate) fn is_at_work(shared: &Shared) -> bool {
    WORKS_FOR.with_borrow(|nodes| nodes.contains(&address(shared)))
}

/// Blocks on a future; drives the node meanwhile if nobody else does.
///
/// # Panics
///
/// On a thread that works for the node.
pub(crate) fn block_on<F: Future>(shared: Option<Arc<Shared>>, future: F) -> F::Output {
    let Some(shared) = shared else {
        return park_on(future, None);
    };
    assert!(
        !is_at_work(&shared),
        "a handler, or a future in `run_until`, cannot block on its own node: `await` instead"
    );
    drive_or_park(&shared, future, None)
}

/// The same, for a future that is to be looked at again after `patience` even if nobody wakes it.
pub(crate) fn drive_or_park<F: Future>(
    shared: &Arc<Shared>,
    future: F,
    patience: Option<Duration>,
) -> F::Output {
    if let Some(mut driver) = try_lock(&shared.driver)
        && let Some(driver) = driver.as_mut()
    {
        return driver.run_until(future);
    }
    park_on(future, patience)
}

/// Wakes a parked thread. The flag keeps a wake for a future further out from being taken for ours.
struct Parked {
    thread: Thread,
    is_woken: AtomicBool,
}

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release thread-woken: pairs with the swap in `park_on`.
        self.is_woken.store(true, Release);
        self.thread.unpark();
    }
}

/// Parks this thread until the future is ready. Unlike the executors' `block_on` it may be called inside of another.
fn park_on<F: Future>(future: F, patience: Option<Duration>) -> F::Output {
    let mut future = pin!(future);
    let parked = Arc::new(Parked {
        thread: thread::current(),
        is_woken: AtomicBool::new(false),
    });
    let waker = Waker::from(Arc::clone(&parked));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        // AcqRel thread-woken: pairs with the store in `wake_by_ref`.
        while !parked.is_woken.swap(false, AcqRel) {
            match patience {
                None => thread::park(),
                Some(patience) => {
                    thread::park_timeout(patience);
                    break;
                }
            }
        }
    }
}
