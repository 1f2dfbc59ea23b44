//! What runs beside an actor: futures whose results are messages for it, and streams whose items are.
//!
//! Each is a task of its own, so it goes on while a handler waits. What it gives lies in the actor's own hands until its turn
//! comes; of a stream that is one item, as the next is not asked for before that was taken.
//!
//! # Invariants
//! - **with its incarnation**: an actor's end is not published before each of these futures has been dropped. So nothing of one
//!   life runs beside the next, and a future that never comes to an `await` holds up the end, as a handler does.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context as TaskContext, Poll, Waker};

use futures_util::{Stream, StreamExt};
use pin_project_lite::pin_project;
use ringway_shm::sync::AtomicBool;
use ringway_shm::sync::Ordering::{AcqRel, Acquire, Relaxed, Release};
use slab::Slab;

use super::Actor;
use super::cell::Cell;
use super::run::panic_text;
use crate::exit::ExitReason;
use crate::shared::lock;
use crate::task::RunQueue;

/// Identifies a future or stream beside an actor; no other of that actor ever has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PipeId {
    number: u64,
    place: usize,
}

/// One future beside an actor.
struct Pipe {
    number: u64,
    is_cancelled: AtomicBool,
    /// The item that it gave last was taken.
    is_taken: AtomicBool,
    /// Its task; set before that runs.
    task: OnceLock<Waker>,
}

impl Pipe {
    fn wake(&self) {
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    fn cancel(&self) {
        // Release pipe-cancelled: pairs with the load in `Runs::poll`.
        self.is_cancelled.store(true, Release);
        self.wake();
    }

    /// Waits until the actor has taken what was given last.
    async fn taken(&self) {
        poll_fn(|_| {
            // AcqRel pipe-taken: pairs with the store in `Pipes::take_due`, which wakes the task after it.
            match self.is_taken.swap(false, AcqRel) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}

/// All that runs beside one actor.
#[derive(Default)]
pub(crate) struct Beside(Mutex<Running>);

#[derive(Default)]
struct Running {
    pipes: Slab<Arc<Pipe>>,
    is_over: bool,
    /// Why the actor has ended that waits for these.
    reason: Option<ExitReason>,
}

impl Beside {
    /// The actor has ended: gives the reason back if nothing runs any more, and keeps it until then.
    pub(super) fn leave(&self, reason: ExitReason) -> Poll<ExitReason> {
        let mut running = lock(&self.0);
        if running.pipes.is_empty() {
            return Poll::Ready(reason);
        }
        running.reason = Some(reason);
        Poll::Pending
    }

    /// The reason that was kept, if nothing runs any more.
    pub(super) fn poll_left(&self) -> Poll<Option<ExitReason>> {
        let mut running = lock(&self.0);
        match running.pipes.is_empty() {
            true => Poll::Ready(running.reason.take()),
            false => Poll::Pending,
        }
    }

    /// Has all of it end. The last wakes the actor's task.
    fn end(&self) {
        let pipes: Vec<_> = {
            let mut running = lock(&self.0);
            running.is_over = true;
            running
                .pipes
                .iter()
                .map(|(_, pipe)| Arc::clone(pipe))
                .collect()
        };
        pipes.iter().for_each(|pipe| pipe.cancel());
    }

    /// A future has been dropped; `true` when the actor's end waits for that.
    fn remove(&self, place: usize) -> bool {
        let mut running = lock(&self.0);
        let pipe = running.pipes.try_remove(place);
        let is_last = running.is_over && running.pipes.is_empty();
        drop(running);
        drop(pipe);
        is_last
    }
}

/// What was given and not taken yet.
struct Given<L> {
    letters: Mutex<VecDeque<(Arc<Pipe>, L)>>,
    /// Whether there are any; changed under the lock.
    is_any: AtomicBool,
    /// The actor's.
    task: Waker,
}

impl<L> Given<L> {
    fn put(&self, pipe: &Arc<Pipe>, letter: L) {
        let mut letters = lock(&self.letters);
        letters.push_back((Arc::clone(pipe), letter));
        // Relaxed: the wake that follows makes the task run again, and see it.
        self.is_any.store(true, Relaxed);
        drop(letters);
        self.task.wake_by_ref();
    }
}

/// What one actor knows of what runs beside it.
pub(super) struct Pipes<L> {
    beside: Arc<Beside>,
    given: Arc<Given<L>>,
    last: u64,
}

/// The same, if it has ever had any.
pub(super) type MaybePipes<L> = Option<Box<Pipes<L>>>;

impl<L: Send + 'static> Pipes<L> {
    pub(super) fn new(beside: &Arc<Beside>, task: &Waker) -> Self {
        Self {
            beside: Arc::clone(beside),
            given: Arc::new(Given {
                letters: Mutex::default(),
                is_any: AtomicBool::new(false),
                task: task.clone(),
            }),
            last: 0,
        }
    }

    /// Runs a future beside an actor; what it results in is the actor's letter.
    pub(super) fn pipe<A: Actor<Letters = L>>(
        &mut self,
        cell: &Arc<Cell<A>>,
        future: impl Future<Output = L> + Send + 'static,
    ) -> PipeId {
        let given = Arc::clone(&self.given);
        self.start(cell, |pipe| async move { given.put(&pipe, future.await) })
    }

    /// Runs a stream beside an actor, one item after the other; then gives `last`, if there is one.
    pub(super) fn attach<A: Actor<Letters = L>>(
        &mut self,
        cell: &Arc<Cell<A>>,
        items: impl Stream<Item = L> + Send + 'static,
        last: Option<L>,
    ) -> PipeId {
        let given = Arc::clone(&self.given);
        self.start(cell, |pipe| async move {
            {
                let mut items = std::pin::pin!(items);
                while let Some(letter) = items.next().await {
                    given.put(&pipe, letter);
                    pipe.taken().await;
                }
            }
            last.into_iter().for_each(|letter| given.put(&pipe, letter));
        })
    }

    fn start<A: Actor<Letters = L>, F: Future<Output = ()> + Send + 'static>(
        &mut self,
        cell: &Arc<Cell<A>>,
        work: impl FnOnce(Arc<Pipe>) -> F,
    ) -> PipeId {
        self.last += 1;
        let number = self.last;
        let pipe = Arc::new(Pipe {
            number,
            is_cancelled: AtomicBool::new(false),
            is_taken: AtomicBool::new(false),
            task: OnceLock::new(),
        });
        let place = lock(&self.beside.0).pipes.insert(Arc::clone(&pipe));
        let runs = Runs {
            work: Some(work(Arc::clone(&pipe))),
            pipe: Arc::clone(&pipe),
            place,
            beside: Arc::clone(&self.beside),
            cell: Arc::clone(cell),
        };
        let task = RunQueue::task(&cell.core().shared().queue, runs);
        let _ = pipe.task.set(task.waker()); // the first to set it
        task.schedule();
        PipeId { number, place }
    }

    /// Has a future dropped, and what it has given and was not taken; `false` if there is neither.
    pub(super) fn cancel(&mut self, id: PipeId) -> bool {
        let pipe = lock(&self.beside.0).pipes.get(id.place).cloned();
        let pipe = pipe.filter(|pipe| pipe.number == id.number);
        let unwanted: VecDeque<_> = {
            let mut letters = lock(&self.given.letters);
            let (unwanted, rest) = std::mem::take(&mut *letters)
                .into_iter()
                .partition(|(pipe, _)| pipe.number == id.number);
            *letters = rest;
            // Relaxed: as in `put`.
            self.given.is_any.store(!letters.is_empty(), Relaxed);
            unwanted
        };
        if let Some(pipe) = &pipe {
            pipe.cancel();
        }
        pipe.is_some() || !unwanted.is_empty()
    }

    /// Whether a letter was given, which [`take_due`](Self::take_due) takes.
    #[inline]
    pub(super) fn has_due(&self) -> bool {
        // Relaxed: see `Given::put`.
        self.given.is_any.load(Relaxed)
    }

    /// Takes it.
    pub(super) fn take_due(&mut self) -> Option<L> {
        let (pipe, letter) = {
            let mut letters = lock(&self.given.letters);
            let taken = letters.pop_front();
            // Relaxed: as in `put`.
            self.given.is_any.store(!letters.is_empty(), Relaxed);
            taken?
        };
        // Release pipe-taken: pairs with the swap in `Pipe::taken`.
        pipe.is_taken.store(true, Release);
        pipe.wake();
        Some(letter)
    }
}

impl<L> Drop for Pipes<L> {
    fn drop(&mut self) {
        self.beside.end();
    }
}

pin_project! {
    /// A future that is dropped where it stands when it is cancelled, and whose panic is one of its actor.
    struct Runs<A: Actor, F> {
        #[pin]
        work: Option<F>,
        pipe: Arc<Pipe>,
        place: usize,
        beside: Arc<Beside>,
        cell: Arc<Cell<A>>,
    }
}

impl<A: Actor, F: Future<Output = ()>> Future for Runs<A, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let mut this = self.project();
        // Acquire pipe-cancelled: pairs with the store in `Pipe::cancel`.
        let is_cancelled = this.pipe.is_cancelled.load(Acquire);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let work = this.work.as_mut().as_pin_mut().filter(|_| !is_cancelled);
            if work.is_some_and(|work| work.poll(cx).is_pending()) {
                return Poll::Pending;
            }
            this.work.set(None);
            Poll::Ready(())
        }));
        match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {}
            Err(panic) => {
                // The same may happen as it is dropped, and there is nothing left to be done about it.
                let _ = catch_unwind(AssertUnwindSafe(|| this.work.set(None)));
                this.cell
                    .core()
                    .kill(ExitReason::Panicked(panic_text(&*panic)));
            }
        }
        if this.beside.remove(*this.place) {
            this.cell.core().wake();
        }
        Poll::Ready(())
    }
}
