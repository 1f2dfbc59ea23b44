//! Blocking on a future: by driving the node, if nobody else does, or by waiting for those who do.
//!
//! A thread that waits looks for its wake for as long as a wake of a parked one would cost, and parks then: an answer that
//! comes soon costs neither side a call of the kernel.
//!
//! A thread that works for a node (its own worker, or one inside [`Node::run_until`](crate::Node::run_until)) must not
//! block on it: it would wait for what only it can do. Such calls panic, and detaching does not wait.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use ringway_shm::sync::AtomicU32;
use ringway_shm::sync::Ordering::{AcqRel, Acquire, Relaxed};

use crate::clock::Nanos;
use crate::driver::SPIN_NS;
use crate::shared::{Shared, try_lock};

/// Looks for a wake between two at the clock.
const LOOKS_PER_CLOCK: u32 = 32;

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

/// What a waiting thread does: it looks at this word, it is parked, or it was woken.
const LOOKS: u32 = 0;
const PARKED: u32 = 1;
const WOKEN: u32 = 2;

/// Wakes a waiting thread. The word keeps a wake for a future further out from being taken for ours.
struct Waiting {
    thread: Thread,
    word: AtomicU32,
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // AcqRel thread-woken: pairs with the looks in `pause`. One that parks has said so by an exchange of the same word.
        if self.word.swap(WOKEN, AcqRel) == PARKED {
            self.thread.unpark();
        }
    }
}

impl Waiting {
    /// Waits for a wake, or until `patience` is over.
    fn pause(&self, patience: Option<Duration>) {
        if spins() && self.is_woken_soon() {
            return;
        }
        // AcqRel thread-woken: pairs with the swap in `wake_by_ref`.
        let parks = self.word.compare_exchange(LOOKS, PARKED, AcqRel, Acquire);
        while parks.is_ok() && self.word.load(Acquire) == PARKED {
            match patience {
                None => thread::park(),
                Some(patience) => {
                    thread::park_timeout(patience);
                    break;
                }
            }
        }
        // AcqRel thread-woken: as above. What is looked at next is newer than any wake that this takes away.
        self.word.swap(LOOKS, AcqRel);
    }

    /// Looks for a wake for a while; takes it away.
    fn is_woken_soon(&self) -> bool {
        let mut since = Nanos::NONE;
        loop {
            for _ in 0..LOOKS_PER_CLOCK {
                // Relaxed: the swap orders what follows. AcqRel thread-woken: pairs with the swap in `wake_by_ref`.
                if self.word.load(Relaxed) == WOKEN {
                    self.word.swap(LOOKS, AcqRel);
                    return true;
                }
                std::hint::spin_loop();
            }
            let now = Nanos::now();
            if since == Nanos::NONE {
                since = now;
            } else if now.0 - since.0 >= SPIN_NS {
                return false;
            }
        }
    }
}

/// Whether looking for a wake can help: on a single processor it keeps the one who would wake from running.
fn spins() -> bool {
    static SPINS: OnceLock<bool> = OnceLock::new();
    *SPINS.get_or_init(|| thread::available_parallelism().is_ok_and(|count| count.get() > 1))
}

/// Parks this thread until the future is ready. Unlike the executors' `block_on` it may be called inside of another.
fn park_on<F: Future>(future: F, patience: Option<Duration>) -> F::Output {
    let mut future = pin!(future);
    let waiting = Arc::new(Waiting {
        thread: thread::current(),
        word: AtomicU32::new(LOOKS),
    });
    let waker = Waker::from(Arc::clone(&waiting));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        waiting.pause(patience);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;

    // Goal: a parked thread is woken, and one whose patience is over goes on by itself.
    #[test]
    fn parked_is_woken() {
        let (given, taken) = std::sync::mpsc::channel();
        let waits = thread::spawn(move || {
            let waiting = Arc::new(Waiting {
                thread: thread::current(),
                word: AtomicU32::new(LOOKS),
            });
            given.send(Arc::clone(&waiting)).unwrap();
            waiting.pause(None);
            waiting.pause(Some(Duration::from_millis(1)));
            assert_eq!(waiting.word.load(Relaxed), LOOKS);
        });
        let waiting = taken.recv().unwrap();
        let watchdog = Nanos::now().plus(Duration::from_secs(120));
        while waiting.word.load(Relaxed) != PARKED {
            assert!(!watchdog.has_passed(), "it does not park");
            thread::yield_now();
        }
        waiting.wake();
        waits.join().unwrap();
    }

    // Goal: no wake is lost, whenever it comes: before the first look, while the thread looks, or as it parks.
    #[test]
    fn no_wake_is_lost() {
        const ROUNDS: u32 = 5_000;
        let (given, taken) = std::sync::mpsc::channel::<(u32, Arc<AtomicU32>, Waker)>();
        let wakes = thread::spawn(move || {
            for (round, done, waker) in taken {
                (0..round % 64).for_each(|_| std::hint::spin_loop());
                done.store(1, Relaxed);
                waker.wake();
            }
        });
        for round in 0..ROUNDS {
            let done = Arc::new(AtomicU32::new(0));
            let mut is_given = false;
            park_on(
                poll_fn(|cx| {
                    if done.load(Relaxed) == 1 {
                        return Poll::Ready(());
                    }
                    if !std::mem::replace(&mut is_given, true) {
                        let given = given.send((round, Arc::clone(&done), cx.waker().clone()));
                        given.unwrap();
                    }
                    Poll::Pending
                }),
                None,
            );
        }
        drop(given);
        wakes.join().unwrap();
    }
}
