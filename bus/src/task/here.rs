//! What a worker's thread keeps for itself: the task that it runs next, tasks that no other worker shares, and counts.
//!
//! Nothing here is seen by another thread, so nothing here costs more than a load and a store.
//!
//! # Invariants
//! - **one-worker**: what lies here belongs to the innermost [`Working`] of the thread; when that ends it goes to the shared
//!   queue, and what it had displaced comes back.
//! - **bounded-streak**: the task that was woken last runs next, ahead of those that are ready longer, at most
//!   [`STREAK_MAX`] times in a row.
//! - **no-user-code**: wakers are the user's: they are cloned, woken and dropped while nothing here is borrowed.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ptr;
use std::task::Waker;

use super::{DRIVER, Ready, RunQueue};

/// Tasks that are run as soon as they are woken, one after the other, before those that wait have their turn.
const STREAK_MAX: u32 = 32;

/// Places of the queue that are kept when it has become empty.
const PLACES_KEPT: usize = 1024;

/// A worker's thread, or one that is none.
struct Here {
    /// The queue whose worker the thread is; null for none. Only compared, never followed.
    queue: Cell<*const RunQueue>,
    /// Its number among the queue's workers.
    worker: Cell<usize>,
    /// The task that this thread has woken last. What it needs is still in the processor's caches.
    next: Cell<Option<Ready>>,
    /// How often in a row `next` was run.
    streak: Cell<u32>,
    /// Tasks that this thread has made ready, where it is the only worker.
    own: RefCell<VecDeque<Ready>>,
    /// Messages that were handled and are not yet counted on the node's card.
    handled: Cell<Handled>,
    /// Those who wait up to a deadline that nobody minds yet; see [`RunQueue::mind_later`].
    unminded: RefCell<Vec<Waker>>,
}

thread_local! {
    static HERE: Here = const { Here {
        queue: Cell::new(ptr::null()),
        worker: Cell::new(DRIVER),
        next: Cell::new(None),
        streak: Cell::new(0),
        own: RefCell::new(VecDeque::new()),
        handled: Cell::new(Handled { all: 0, entries: 0 }),
        unminded: RefCell::new(Vec::new()),
    } };
}

/// Messages that were handled.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Handled {
    pub(crate) all: u64,
    /// Those of them that came over urings.
    pub(crate) entries: u64,
}

/// Marks the thread as a worker of a queue until it is dropped.
///
/// A thread may become one for each future that it runs, and be none between: then nothing is moved.
pub(crate) struct Working<'a> {
    queue: &'a RunQueue,
    before: (*const RunQueue, usize),
    /// What lay here of the worker that the thread was before, if it was one.
    displaced: Option<Box<Kept>>,
}

/// What one worker keeps for itself.
struct Kept {
    next: Option<Ready>,
    own: VecDeque<Ready>,
    handled: Handled,
    unminded: Vec<Waker>,
}

impl Here {
    /// Takes all that is kept.
    #[cold]
    fn take(&self) -> Kept {
        Kept {
            next: self.next.take(),
            own: self.own.take(),
            handled: self.handled.take(),
            unminded: self.unminded.take(),
        }
    }

    /// Puts back what was taken, where nothing is kept now.
    #[cold]
    fn put_back(&self, kept: Kept) {
        self.next.set(kept.next);
        self.own.replace(kept.own);
        self.handled.set(kept.handled);
        self.unminded.replace(kept.unminded);
    }

    /// The tasks that are kept, if there are any, without the places for them.
    #[inline]
    fn take_tasks(&self) -> Option<VecDeque<Ready>> {
        let next = self.next.take();
        if next.is_none() && self.own.borrow().is_empty() {
            return None;
        }
        let mut tasks = self.own.take();
        tasks.extend(next);
        Some(tasks)
    }
}

impl<'a> Working<'a> {
    #[inline]
    pub(super) fn begin(queue: &'a RunQueue, worker: usize) -> Self {
        HERE.with(|here| {
            let before = (here.queue.replace(queue), here.worker.replace(worker));
            Self {
                queue,
                before,
                // one-worker: of a thread that is none nothing lies here.
                displaced: (!before.0.is_null()).then(|| Box::new(here.take())),
            }
        })
    }
}

impl Drop for Working<'_> {
    #[inline]
    fn drop(&mut self) {
        if has_unminded() {
            wake_unminded();
        }
        let rest = HERE.with(|here| {
            here.queue.set(self.before.0);
            here.worker.set(self.before.1);
            // What this worker has counted, it has taken over when it ran its last task, unless that has panicked.
            here.handled.take();
            // one-worker
            let rest = here.take_tasks();
            if let Some(displaced) = self.displaced.take() {
                here.put_back(*displaced);
            }
            rest
        });
        if let Some(rest) = rest {
            self.queue.share(rest);
            self.queue.rouse();
        }
    }
}

/// Whether this thread is a worker of that queue.
#[inline]
pub(super) fn is_worker(queue: *const RunQueue) -> bool {
    HERE.with(|here| ptr::eq(here.queue.get(), queue))
}

/// Whether this thread is its driver.
#[inline]
pub(super) fn is_driver(queue: *const RunQueue) -> bool {
    HERE.with(|here| ptr::eq(here.queue.get(), queue) && here.worker.get() == DRIVER)
}

/// The number of this worker; the caller knows that the thread is one.
#[inline]
pub(super) fn worker() -> usize {
    HERE.with(|here| here.worker.get())
}

/// Makes a task the next one; returns the one that was to be.
#[inline]
pub(super) fn put_next(task: Ready) -> Option<Ready> {
    HERE.with(|here| here.next.replace(Some(task)))
}

/// Puts a task behind those that only this thread runs.
#[inline]
pub(super) fn put_own(tasks: impl IntoIterator<Item = Ready>) {
    HERE.with(|here| here.own.borrow_mut().extend(tasks));
}

/// Takes the next task, if there is one: to be run, or, in `Err`, when others must have their turn first.
#[inline]
pub(super) fn take_next() -> Option<Result<Ready, Ready>> {
    HERE.with(|here| {
        let next = here.next.take();
        let streak = here.streak.get();
        if next.is_none() || streak >= STREAK_MAX {
            here.streak.set(0);
            return next.map(Err);
        }
        here.streak.set(streak + 1);
        next.map(Ok)
    })
}

/// Takes the task that only this thread runs and that is ready longest.
#[inline]
pub(super) fn take_own() -> Option<Ready> {
    HERE.with(|here| {
        let mut own = here.own.borrow_mut();
        let task = own.pop_front();
        if own.is_empty() && own.capacity() > PLACES_KEPT {
            *own = VecDeque::new();
        }
        task
    })
}

/// Whether the thread keeps any task.
pub(super) fn has_any() -> bool {
    HERE.with(|here| {
        let next = here.next.take();
        let has_next = next.is_some();
        here.next.set(next);
        has_next || !here.own.borrow().is_empty()
    })
}

/// Counts a message that was handled, and whether it was an entry, as 1 or 0; `false` on a thread that is no worker of the queue.
#[inline]
pub(super) fn count_handled(queue: *const RunQueue, entries: u64) -> bool {
    HERE.with(|here| {
        let is_worker = ptr::eq(here.queue.get(), queue);
        if is_worker {
            let counted = here.handled.get();
            here.handled.set(Handled {
                all: counted.all + 1,
                entries: counted.entries + entries,
            });
        }
        is_worker
    })
}

/// Takes what was counted.
#[inline]
pub(super) fn take_handled() -> Handled {
    HERE.with(|here| here.handled.take())
}

/// Notes one who waits, if it is not the last that was noted.
#[inline]
pub(super) fn put_unminded(waker: &Waker) {
    HERE.with(|here| {
        let is_noted = here
            .unminded
            .borrow()
            .last()
            .is_some_and(|it| it.will_wake(waker));
        if !is_noted {
            let waker = waker.clone(); // no-user-code
            here.unminded.borrow_mut().push(waker);
        }
    });
}

/// Whether anybody is noted who waits.
#[inline]
pub(super) fn has_unminded() -> bool {
    HERE.with(|here| !here.unminded.borrow().is_empty())
}

/// Wakes those who are noted; `true` if there are any.
pub(super) fn wake_unminded() -> bool {
    let mut wakers = HERE.with(|here| here.unminded.take());
    let has_any = !wakers.is_empty();
    wakers.drain(..).for_each(Waker::wake);
    if wakers.capacity() <= PLACES_KEPT {
        HERE.with(|here| {
            if here.unminded.borrow().capacity() == 0 {
                here.unminded.replace(wakers);
            }
        });
    }
    has_any
}
