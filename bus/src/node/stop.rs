//! Stopping a whole node: its supervisors in their order, its actors by a ladder, its child processes; then it leaves.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Node;
use super::detach::all_ended;
use crate::exit::ExitReason;
use crate::node::lookup::Deadline;
use crate::process;
use crate::shared::{Living, Shared, lock};
use crate::stop::{BURIAL, Climber, StopLadder, StopStep};
use crate::task::RunQueue;
use crate::wait_list::WaitList;

/// A node about to be stopped: await it as it is, or refine it first.
#[must_use = "nothing is stopped until this is awaited"]
pub struct StopNode {
    node: Node,
    ladder: StopLadder,
}

/// How the stop of a node went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeStopped {
    /// Actors and root supervisors that ended by the step; [`StopStep::Left`] are those left behind.
    pub actors: Vec<(StopStep, usize)>,
}

impl NodeStopped {
    /// Returns how many ended at that step.
    #[must_use]
    pub fn at(&self, step: StopStep) -> usize {
        let at = self.actors.iter().filter(|(it, _)| *it == step);
        at.map(|(_, count)| count).sum()
    }

    /// Returns whether nothing had to be killed.
    #[must_use]
    pub fn is_orderly(&self) -> bool {
        self.at(StopStep::Kill) == 0 && self.at(StopStep::Left) == 0
    }
}

/// Where the answer is put.
#[derive(Default)]
pub(crate) struct Desk {
    answer: Mutex<Option<NodeStopped>>,
    changes: WaitList,
}

impl Node {
    /// Stops the node: first its supervisors, which stop their children in order and by the ladders of those; then its other
    /// actors, by a [`StopLadder`]; then its child processes. What nobody has handled goes back to its senders, and the node
    /// leaves the bus. May be awaited anywhere, also by one of its actors, which does not see the end then.
    ///
    /// A node that is stopping already, or has [detached](Self::detach), is waited for, and what others did is not told.
    pub fn stop(&self) -> StopNode {
        StopNode {
            node: self.clone(),
            ladder: StopLadder::new(),
        }
    }
}

impl Node {
    /// Waits until the node has left the bus, in whatever way; at once if it has.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn left(&self) {
        let shared = self.shared();
        let has_left = || shared.has_left().then_some(());
        let forever = Deadline::never(shared);
        forever.until(&shared.changes, has_left).await;
    }
}

impl StopNode {
    /// Sets the steps, of which SIGTERM means nothing here; the default gives actors 5 s to stop.
    pub fn by(mut self, ladder: StopLadder) -> Self {
        self.ladder = ladder;
        self
    }

    /// Gives actors that time to handle what they have, before they are to stop.
    pub fn drain(mut self, within: Duration) -> Self {
        self.ladder = self.ladder.drain(within);
        self
    }

    /// Blocks the calling thread until the node has left.
    ///
    /// # Panics
    ///
    /// On a thread that works for the node.
    pub fn wait(self) -> NodeStopped {
        let shared = Arc::clone(self.node.shared());
        super::block_on(Some(shared), self.into_future())
    }
}

/// # Cancel safety
///
/// Once polled, the stop goes on without the future, as long as the node has a handle.
impl IntoFuture for StopNode {
    type Output = NodeStopped;
    type IntoFuture = Pin<Box<dyn Future<Output = NodeStopped> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { node, ladder } = self;
            let shared = node.shared();
            let Some(desk) = begin(shared, ladder) else {
                node.left().await;
                return NodeStopped::default();
            };
            // Looked at by a list alone: the clock ends with the node.
            let forever = Deadline::never(shared);
            let answer = forever.until(&desk.changes, || lock(&desk.answer).take());
            answer.await.unwrap_or_default()
        })
    }
}

/// Has a task of the node stop it; `None` if somebody else does or did.
pub(crate) fn begin(shared: &Arc<Shared>, ladder: StopLadder) -> Option<Arc<Desk>> {
    if !shared.begin_detaching() {
        return None;
    }
    shared.clock.let_run();
    let desk = Arc::<Desk>::default();
    let (theirs, node) = (Arc::clone(&desk), Arc::clone(shared));
    let task = async move {
        let stopped = stop(&node, ladder).await;
        node.go();
        *lock(&theirs.answer) = Some(stopped);
        theirs.changes.wake_all();
    };
    RunQueue::task(&shared.queue, task).schedule();
    Some(desk)
}

/// Stops everything that lives.
async fn stop(shared: &Arc<Shared>, ladder: StopLadder) -> NodeStopped {
    let mut stopped = NodeStopped::default();
    // Supervisors first: they stop what is below them in their order, and would start again what ended before them.
    let tops = shared.tops.living();
    let orderly = StopLadder::at_once().stop(ladder.whole());
    stop_all(shared, &tops, orderly, &mut stopped).await;
    stop_all(shared, &shared.living(), ladder, &mut stopped).await;
    // After the actors, which may need them to the last.
    process::release_all(shared);
    process::all_gone(shared).await;
    stopped
}

async fn stop_all(
    shared: &Arc<Shared>,
    living: &[Arc<dyn Living>],
    ladder: StopLadder,
    stopped: &mut NodeStopped,
) {
    let mut left: Vec<_> = living
        .iter()
        .filter(|it| !it.has_ended())
        .cloned()
        .collect();
    let (mut step, mut within) = ladder.step(StopStep::Drain, Climber::Actor);
    loop {
        for actor in &left {
            match step {
                StopStep::Drain => actor.drain(ExitReason::Shutdown),
                StopStep::Stop | StopStep::Terminate => actor.end(ExitReason::Shutdown),
                StopStep::Kill | StopStep::Left => actor.kill(ExitReason::StopTimeout),
            }
        }
        let until = shared.clock.after(within.unwrap_or(BURIAL));
        all_ended(shared, &left, until).await;
        let before = left.len();
        left.retain(|actor| !actor.has_ended());
        stopped.actors.push((step, before - left.len()));
        if step == StopStep::Kill || left.is_empty() {
            break;
        }
        (step, within) = ladder.step(step.next(), Climber::Actor);
    }
    stopped.actors.push((StopStep::Left, left.len()));
}

impl fmt::Debug for StopNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopNode")
            .field("node", &self.node)
            .field("ladder", &self.ladder)
            .finish()
    }
}
