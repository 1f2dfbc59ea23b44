//! Whether nodes have nothing left to do.
//!
//! A node's driver says so when it is about to sleep, its control thread when nothing has come for it; each beside a count
//! of what it has done so far. Nodes have nothing left to do when all have said so twice in a row, with the same counts:
//! between the last answer of the first round and the first of the second nobody did anything, and what was on its way then
//! would have been found in the second.

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use ringway_shm::sync::Ordering::{AcqRel, Acquire, Relaxed};
use ringway_shm::sync::{AtomicU64, AtomicUsize};

use crate::actor::reply::{Answerer, Asker, slot};
use crate::clock::Nanos;
use crate::node::{Node, block_on};
use crate::shared::{Shared, lock};
use crate::task::RunQueue;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Nothing can go on without somebody else, or time.
    Settled,
    /// And every handler has ended.
    Quiescent,
}

/// What a driver says that has nothing to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    done: u64,
    due: Option<Nanos>,
}

#[derive(Debug)]
struct Ask {
    wants: Wants,
    answerer: Answerer<Report>,
}

#[derive(Debug, Default)]
struct State {
    asks: Vec<Ask>,
    /// Made so far.
    number: u64,
    has_left: bool,
}

/// Where a driver is asked.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    state: Mutex<State>,
    /// Asks that wait; a hint.
    waiting: AtomicUsize,
    /// Threads other than the driver's that run tasks, or are about to.
    at_work: AtomicUsize,
    /// How often one of them has stopped to.
    rounds: AtomicU64,
}

impl Desk {
    /// A thread other than the driver's is about to run tasks; it is told before it has any.
    pub(crate) fn begin_work(&self) {
        // AcqRel at-work: pairs with the load in `answer`.
        self.at_work.fetch_add(1, AcqRel);
    }

    /// It has none any more. Returns whether somebody waits for that, whom the driver is to answer.
    pub(crate) fn end_work(&self) -> bool {
        self.rounds.fetch_add(1, AcqRel);
        // AcqRel at-work: as above, after the count of rounds.
        self.at_work.fetch_sub(1, AcqRel);
        // Relaxed: who asks rouses the driver itself.
        self.waiting.load(Relaxed) > 0
    }

    fn ask(&self, wants: Wants, answerer: Answerer<Report>) {
        let mut state = lock(&self.state);
        if state.has_left {
            drop(state);
            return drop(answerer);
        }
        state.number += 1;
        state.asks.push(Ask { wants, answerer });
        // Relaxed: who sleeps looks under the lock.
        self.waiting.store(state.asks.len(), Relaxed);
    }

    /// Asks made so far: what the driver notes before its last look at everything.
    pub(crate) fn asked(&self) -> u64 {
        lock(&self.state).number
    }

    /// The driver has found nothing to do since it noted `asked`, has done so much before, and the first timer is due then.
    /// Returns whether it is to look again.
    pub(crate) fn answer(
        &self,
        asked: u64,
        done: u64,
        due: impl FnOnce() -> Option<Nanos>,
        is_quiescent: impl FnOnce() -> bool,
    ) -> bool {
        {
            let state = lock(&self.state);
            if state.asks.is_empty() || state.number != asked {
                return state.number != asked;
            }
        }
        // Acquire at-work: pairs with the counts of `begin_work` and `end_work`; the queue was looked at before.
        if self.at_work.load(Acquire) > 0 {
            return false;
        }
        let report = Report {
            done: done + self.rounds.load(Acquire),
            due: due(),
        };
        let is_quiescent = is_quiescent();
        let is_due = |ask: &mut Ask| ask.wants == Wants::Settled || is_quiescent;
        let answered: Vec<_> = {
            let mut state = lock(&self.state);
            let answered = state.asks.extract_if(.., is_due).collect();
            self.waiting.store(state.asks.len(), Relaxed);
            answered
        };
        let is_any = !answered.is_empty();
        for ask in answered {
            ask.answerer.answer(report);
        }
        is_any
    }

    /// The driver goes: nothing will be done.
    pub(crate) fn leave(&self) {
        let asks = {
            let mut state = lock(&self.state);
            state.has_left = true;
            std::mem::take(&mut state.asks)
        };
        drop(asks); // outside the lock: who waits is woken
    }
}

/// A wait until nodes have nothing left to do: await it, or [`wait`](Self::wait). See [`Node::quiescent`].
#[must_use = "nothing is waited for until this is awaited"]
pub struct Quiescent {
    nodes: Vec<Arc<Shared>>,
}

/// Waits until none of these nodes has anything left to do, all at the same time: for nodes that send to each other.
///
/// See [`Node::quiescent`].
pub fn quiescent<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> Quiescent {
    let nodes = nodes.into_iter();
    Quiescent {
        nodes: nodes.map(|node| Arc::clone(node.shared())).collect(),
    }
}

impl Node {
    /// Waits until this node has nothing left to do: no message is queued or handled, none of its actors is in a hook, nothing
    /// has come from its peers, and no timer is due that was not fired. Timers that are to come do not count, nor does what
    /// others are about to send.
    ///
    /// It waits as long as a handler does.
    pub fn quiescent(&self) -> Quiescent {
        quiescent([self])
    }
}

impl Quiescent {
    /// Blocks the calling thread until then.
    ///
    /// # Panics
    ///
    /// In a handler, or in a future that a node's `run_until` runs: await it there.
    pub fn wait(self) {
        let node = self.nodes.first().cloned();
        block_on(node, self.into_future());
    }
}

/// # Cancel safety
///
/// Dropping it changes nothing.
///
/// It is ready only if somebody drives those nodes that have no threads of their own, and never if an actor of such a node
/// awaits it.
impl IntoFuture for Quiescent {
    type Output = ();
    type IntoFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            settle(&self.nodes, Wants::Quiescent).await;
        })
    }
}

impl fmt::Debug for Quiescent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quiescent")
            .field("nodes", &self.nodes.len())
            .finish()
    }
}

/// Work of a thread that is none of the node's, until it is dropped.
pub(crate) struct AtWork<'a>(&'a RunQueue);

impl<'a> AtWork<'a> {
    pub(crate) fn begin(queue: &'a RunQueue) -> Self {
        queue.quiet.begin_work();
        Self(queue)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        if self.0.quiet.end_work() {
            self.0.rouse();
        }
    }
}

/// Asks with a new slot, and waits for the answer; `None` from who has gone.
async fn answer_of<T>(ask: impl Fn(Answerer<T>)) -> Option<T> {
    let mut asker: Option<Asker<T>> = None;
    poll_fn(|cx| {
        let asker = asker.get_or_insert_with(|| {
            let (answerer, asker) = slot(Nanos::NONE, cx.waker());
            ask(answerer);
            asker
        });
        asker.poll(cx)
    })
    .await
}

/// Waits until all these nodes have nothing left to do; returns when something is due next on one of them.
pub(crate) async fn settle(nodes: &[Arc<Shared>], wants: Wants) -> Option<Nanos> {
    let mut before = None;
    loop {
        let mut done = Vec::new();
        let mut first: Option<Nanos> = None;
        for node in nodes {
            let control = answer_of(|answerer| node.core().ask_whether_quiet(answerer)).await;
            let driver = answer_of(|answerer| {
                node.queue.quiet.ask(wants, answerer);
                node.queue.rouse();
            });
            let driver = driver.await;
            done.push((control, driver.map(|report| report.done)));
            let due = driver.and_then(|report| report.due);
            first = first.into_iter().chain(due).min();
        }
        if before.as_ref() == Some(&done) {
            return first;
        }
        before = Some(done);
    }
}
