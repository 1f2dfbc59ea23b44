//! A clock that stands still until a test sets it.
//!
//! It is set from one time at which something is due to the next, and at each waits until the nodes that go by it have
//! nothing left to do: so what is due comes in order, and what comes of it has come before the next.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use ringway_shm::sync::AtomicU64;
use ringway_shm::sync::Ordering::{Acquire, Relaxed, Release};

use super::quiet::{self, Wants};
use crate::clock::Nanos;
use crate::node::block_on;
use crate::shared::{Shared, lock};

/// A clock that only a test moves. Nodes go by it that were configured to:
/// [`NodeConfig::clock`](crate::NodeConfig::clock); cloned, it is the same clock.
///
/// By it go the timers of actors, the deadlines of tells, asks and lookups, and a supervisor's limits and pauses. What is done
/// with processes goes by the system's clock, as do child processes; and a node that detaches does not wait for a test to go
/// on. Nodes that ask each other should go by one clock: each judges a deadline by its own. A new clock shows the time of
/// its making.
#[derive(Clone)]
pub struct TestClock(Arc<Dial>);

/// What it shows, and who goes by it.
struct Dial {
    began: Nanos,
    now: AtomicU64,
    nodes: Mutex<Vec<Weak<Shared>>>,
}

/// The clock as one node has it.
pub(crate) struct NodeClock {
    dial: Arc<Dial>,
    /// Since when it runs with the system's clock; 0 while it stands.
    runs_since: AtomicU64,
}

impl TestClock {
    /// A clock that stands still.
    pub fn new() -> Self {
        let began = Nanos::now();
        Self(Arc::new(Dial {
            began,
            now: AtomicU64::new(began.0),
            nodes: Mutex::default(),
        }))
    }

    /// How far it was set ahead since it was made.
    pub fn elapsed(&self) -> Duration {
        self.0.now().since(self.0.began)
    }

    /// Sets it ahead, by way of every time at which something is due on the nodes that go by it. Await it, or
    /// [`wait`](Advance::wait): when it returns, all that is due has come, and nothing is left to be done that does not wait
    /// for something else.
    ///
    /// An advance of zero only waits for that.
    pub fn advance(&self, by: Duration) -> Advance {
        Advance {
            dial: Arc::clone(&self.0),
            by,
        }
    }

    pub(crate) fn of_node(&self) -> NodeClock {
        NodeClock {
            dial: Arc::clone(&self.0),
            runs_since: AtomicU64::new(0),
        }
    }

    /// A node goes by it from now on.
    pub(crate) fn add(&self, node: &Arc<Shared>) {
        let mut nodes = lock(&self.0.nodes);
        nodes.retain(|node| node.strong_count() > 0);
        nodes.push(Arc::downgrade(node));
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Dial {
    fn now(&self) -> Nanos {
        // Acquire dial-set: pairs with the store in `set`.
        Nanos(self.now.load(Acquire))
    }

    /// Nobody sets it back.
    fn set(&self, now: Nanos) {
        // Release dial-set: pairs with the load in `now`.
        self.now.fetch_max(now.0, Release);
    }

    fn nodes(&self) -> Vec<Arc<Shared>> {
        lock(&self.nodes).iter().filter_map(Weak::upgrade).collect()
    }
}

impl NodeClock {
    pub(crate) fn now(&self) -> Nanos {
        let now = self.dial.now();
        // Relaxed: one that sees it late goes on late.
        match self.runs_since.load(Relaxed) {
            0 => now,
            since => now.plus(Nanos::now().since(Nanos(since))),
        }
    }

    pub(crate) fn sleep_until(&self, due: Nanos) -> Option<Nanos> {
        // Relaxed: as above.
        let runs = self.runs_since.load(Relaxed) != 0;
        runs.then(|| Nanos::now().plus(due.since(self.now())))
    }

    pub(crate) fn let_run(&self) {
        // Relaxed: as above; who detaches rouses the driver.
        let _ = self
            .runs_since
            .compare_exchange(0, Nanos::now().0, Relaxed, Relaxed);
    }
}

/// A clock about to be set: await it, or [`wait`](Self::wait).
#[must_use = "the clock is set when this is awaited"]
pub struct Advance {
    dial: Arc<Dial>,
    by: Duration,
}

impl Advance {
    /// Blocks the calling thread until the clock is set and all is done.
    ///
    /// # Panics
    ///
    /// In a handler, or in a future that a node's `run_until` runs: await it there.
    pub fn wait(self) {
        let node = self.dial.nodes().into_iter().next();
        block_on(node, self.into_future());
    }

    async fn run(self) {
        let Self { dial, by } = self;
        let until = dial.now().plus(by);
        let settled = async || quiet::settle(&dial.nodes(), Wants::Settled).await;
        while let Some(due) = settled().await.filter(|due| *due <= until) {
            dial.set(due);
        }
        dial.set(until);
        settled().await;
    }
}

/// # Cancel safety
///
/// Dropping the future leaves the clock where it is, at some time in between.
///
/// It is ready only if somebody drives those nodes that have no threads of their own, and never if an actor of such a node
/// awaits it.
impl IntoFuture for Advance {
    type Output = ();
    type IntoFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for TestClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TestClock").field(&self.elapsed()).finish()
    }
}

impl fmt::Debug for NodeClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeClock").finish_non_exhaustive()
    }
}

impl fmt::Debug for Advance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Advance").field(&self.by).finish()
    }
}
