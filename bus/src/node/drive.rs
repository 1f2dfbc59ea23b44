//! The driver as a future: a node without threads of its own, on the user's executor.
//!
//! While there is work the future yields to the executor between passes; when all is idle it waits. Nothing but a thread
//! can wait for descriptors under any executor, so one is started then: it touches no uring, it only waits for the
//! driver's bells and wakes the future.

use std::future::Future;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use ringway_shm::sys::epoll::{Epoll, Interest};

use crate::blocking::AtWork;
use crate::clock::Nanos;
use crate::driver::Pass;
use crate::shared::{Shared, lock};
use crate::trace::warning;

/// Passes before the executor has its turn.
const PASSES_PER_POLL: u32 = 32;

/// A future that drives its node; see [`Node::drive`](crate::Node::drive).
///
/// # Cancel safety
///
/// Dropping it stops the driving; another one, or `run_until`, goes on where it stood.
#[must_use = "futures do nothing until they are awaited"]
#[derive(Debug)]
pub struct Drive {
    shared: Arc<Shared>,
    watch: Option<Watch>,
    is_armed: bool,
}

impl Drive {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            watch: None,
            is_armed: false,
        }
    }
}

impl Future for Drive {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let _at_work = AtWork::begin(&this.shared);
        // What is left on this thread when it ends is shared, and rouses a driver that sleeps.
        let _driving = this.shared.queue.drive_here();
        let mut driver = lock(&this.shared.driver);
        if this.shared.has_left() {
            drop(driver.take());
        }
        let Some(driver) = driver.as_mut() else {
            return Poll::Ready(());
        };
        if std::mem::take(&mut this.is_armed) {
            driver.sleeper().wake_up_elsewhere();
        }
        for _ in 0..PASSES_PER_POLL {
            if driver.pass() == Pass::Busy {
                continue;
            }
            // It may have left since the look above, and then roused a driver that was awake.
            if driver.prepare_to_sleep() == Pass::Busy || this.shared.has_left() {
                driver.sleeper().wake_up();
                continue;
            }
            this.is_armed = true;
            let due = driver.sleeps_until();
            let watch = match &this.watch {
                Some(watch) => watch,
                None => match Watch::start(driver.sleeper().fd().try_clone_to_owned()) {
                    Ok(watch) => this.watch.insert(watch),
                    Err(error) => {
                        // Without a thread to wait, the executor polls.
                        warning!(%error, "cannot wait for the driver's bells");
                        let _ = error;
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                },
            };
            watch.wait_for(cx.waker().clone(), due);
            return Poll::Pending;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// What the waiting thread is asked to do next.
#[derive(Default)]
enum Request {
    #[default]
    None,
    Wait(Waker, Option<Nanos>),
    End,
}

#[derive(Default)]
struct Desk {
    request: Mutex<Request>,
    changed: Condvar,
}

/// A thread that waits for the driver's bells.
struct Watch {
    desk: Arc<Desk>,
}

impl Watch {
    fn start(fd: std::io::Result<OwnedFd>) -> std::io::Result<Self> {
        let bells = fd?;
        let epoll = Epoll::create().map_err(std::io::Error::other)?;
        epoll
            .add(bells.as_fd(), 0, Interest::Read)
            .map_err(std::io::Error::other)?;
        let desk = Arc::<Desk>::default();
        let theirs = Arc::clone(&desk);
        let run = move || {
            watch(&theirs, &epoll);
            drop(bells); // out of the set with the set itself
        };
        std::thread::Builder::new()
            .name("ringway-waiter".to_owned())
            .spawn(run)?;
        Ok(Self { desk })
    }

    fn wait_for(&self, waker: Waker, due: Option<Nanos>) {
        *self
            .desk
            .request
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Request::Wait(waker, due);
        self.desk.changed.notify_one();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        *self
            .desk
            .request
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Request::End;
        self.desk.changed.notify_one();
    }
}

fn watch(desk: &Desk, epoll: &Epoll) {
    let mut events = Vec::new();
    loop {
        let mut request = desk.request.lock().unwrap_or_else(PoisonError::into_inner);
        let (waker, due) = loop {
            match std::mem::take(&mut *request) {
                Request::None => {
                    request = desk
                        .changed
                        .wait(request)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                Request::Wait(waker, due) => break (waker, due),
                Request::End => return,
            }
        };
        drop(request);
        let timeout = due.map(|due| due.since(Nanos::now()));
        if let Err(error) = epoll.wait(&mut events, timeout) {
            warning!(%error, "waiting for the driver's bells failed");
            let _ = error;
        }
        waker.wake();
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}
