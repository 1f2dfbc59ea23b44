//! Actors with a thread of their own, whose handlers may block.
//!
//! The thread polls the actor's life and sleeps on a condition variable while that waits; it ends with the life. Its node keeps
//! a handle of it, and joins it at its own end if the actor has ended by then: what hangs in a system call is left behind.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::task::{Context, Wake, Waker};
use std::thread::{self, JoinHandle};

use crate::blocking::OwnThread;
use crate::node::STACK;
use crate::shared::{Living, Shared, lock};
#[cfg(feature = "test")]
use crate::task::RunQueue;

/// What the thread of an actor without a name is called.
const THREAD_NAME: &str = "ringway-actor";

/// Where the thread sleeps, and is woken.
pub(super) struct Bench {
    is_woken: Mutex<bool>,
    woken: Condvar,
    #[cfg(feature = "test")]
    queue: Arc<RunQueue>,
}

impl Bench {
    /// Woken from the first.
    pub(super) fn new(shared: &Arc<Shared>) -> Arc<Self> {
        #[cfg(feature = "test")]
        shared.queue.quiet.begin_work();
        let _ = shared;
        Arc::new(Self {
            is_woken: Mutex::new(true),
            woken: Condvar::new(),
            #[cfg(feature = "test")]
            queue: Arc::clone(&shared.queue),
        })
    }

    fn sleep(&self) {
        let mut is_woken = lock(&self.is_woken);
        while !std::mem::take(&mut *is_woken) {
            is_woken = self
                .woken
                .wait(is_woken)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// It has been polled, or will not be, for the wake before.
    fn rests(&self) {
        #[cfg(feature = "test")]
        if self.queue.quiet.end_work() {
            self.queue.rouse();
        }
    }
}

impl Wake for Bench {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut is_woken = lock(&self.is_woken);
        if std::mem::replace(&mut *is_woken, true) {
            return;
        }
        #[cfg(feature = "test")]
        self.queue.quiet.begin_work();
        drop(is_woken);
        self.woken.notify_one();
    }
}

/// Runs a life on a thread of its own.
pub(super) fn start(
    shared: &Arc<Shared>,
    bench: &Arc<Bench>,
    name: Option<&str>,
    living: Weak<dyn Living>,
    life: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    // The system cuts it at 15 bytes.
    let name = name.unwrap_or(THREAD_NAME).replace('\0', "?");
    let (node, sits) = (Arc::clone(shared), Arc::clone(bench));
    let run = move || {
        let _own = OwnThread::begin(&node);
        let mut life = pin!(life);
        let waker = Waker::from(Arc::clone(&sits));
        let mut cx = Context::from_waker(&waker);
        loop {
            sits.sleep();
            let is_over = life.as_mut().poll(&mut cx).is_ready();
            sits.rests();
            if is_over {
                break;
            }
            node.offer_room();
        }
    };
    let started = thread::Builder::new()
        .name(name)
        .stack_size(STACK)
        .spawn(run);
    if started.is_err() {
        bench.rests();
    }
    let running = Running {
        actor: living,
        thread: started?,
    };
    shared.own_threads.add(running);
    Ok(())
}

/// The threads of a node's actors.
#[derive(Default)]
pub(crate) struct OwnThreads(Mutex<Vec<Running>>);

/// One of them.
struct Running {
    actor: Weak<dyn Living>,
    thread: JoinHandle<()>,
}

impl OwnThreads {
    fn add(&self, running: Running) {
        let over: Vec<_> = {
            let mut threads = lock(&self.0);
            threads.push(running);
            threads
                .extract_if(.., |it| it.thread.is_finished())
                .collect()
        };
        over.into_iter().for_each(Running::join);
    }

    /// Waits for those whose actors have ended: they are about to end too. The others are left behind.
    pub(super) fn join(&self) {
        let threads = std::mem::take(&mut *lock(&self.0));
        let over = |it: &Running| it.actor.upgrade().is_none_or(|it| it.has_ended());
        threads.into_iter().filter(over).for_each(Running::join);
    }
}

impl Running {
    fn join(self) {
        // An actor that drops its own node cannot wait for itself; its thread ends by itself.
        if self.thread.thread().id() != thread::current().id() {
            // A thread that panicked has said so on its own.
            let _ = self.thread.join();
        }
    }
}
