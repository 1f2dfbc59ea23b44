//! A running supervisor, as others have it.

use std::any::type_name;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use super::board::{Board, ChildCounts, ChildInfo};
use super::child::{Child, ChildKind, Spec};
use super::copies::numbered;
use super::error::SuperviseError;
use super::find::FindChild;
use super::overseer::Overseen;
use super::request::{Change, Want};
use super::sight::{Sight, following};
use crate::actor::Actor;
use crate::actor::cell::Cell;
use crate::actor::monitor::sealed::{Watchable, Watched};
use crate::addr::{ActorId, Addr};
use crate::exit::ExitReason;
use crate::wait_list::WaitKey;

/// A running supervisor with its children, from [`Supervisor::start`](crate::Supervisor::start). Cheap to clone; dropping it
/// ends nothing: it runs until it is stopped, gives up, or its node detaches, which stops it before anything else.
///
/// The address of a child that [`addr`](Self::addr) finds follows it: what is sent after a restart reaches the next life, see
/// [`Addr`]. A child with a name on the bus has it again in each life, and is followed by that name in other processes too.
#[derive(Clone)]
pub struct Tree {
    cell: Arc<Cell<Overseen>>,
    board: Arc<Board>,
}

impl Tree {
    pub(super) fn new(cell: Arc<Cell<Overseen>>, board: Arc<Board>) -> Self {
        Self { cell, board }
    }

    pub(super) fn cell(&self) -> &Arc<Cell<Overseen>> {
        &self.cell
    }

    /// Waits until all children have started for the first time.
    pub(super) async fn started(&self) -> Result<(), ExitReason> {
        let mut key = WaitKey::default();
        let core = self.cell.core();
        let started = poll_fn(|cx| core.poll_started(&mut key, cx)).await;
        core.ended_list().remove(&mut key);
        started
    }

    /// Why it did not start.
    pub(super) fn no_start(&self, reason: ExitReason) -> SuperviseError {
        let failed = self.board.look().no_start.take();
        match failed {
            Some((child, reason)) => SuperviseError::StartFailed { child, reason },
            None => SuperviseError::Ended(reason),
        }
    }

    /// Finds the address of a child that is an actor, here or in a process of its own: of the life that runs now, or of the
    /// next one if it waits to be started again; and it follows the child to the lives after that. It is never that of a life of whose end this process had heard: who hears
    /// that a message met the end of one, and looks here, finds the next.
    ///
    /// Waits for that up to a deadline ([`within`](FindChild::within), default 5 s).
    pub fn addr<A: Actor>(&self, id: impl Into<String>) -> FindChild<Addr<A>> {
        FindChild::new(self.sight(id), type_name::<A>(), following)
    }

    /// Finds a child that is a supervisor, in the same way.
    pub fn supervisor(&self, id: impl Into<String>) -> FindChild<Self> {
        FindChild::new(self.sight(id), "a supervisor", |_, (tree, _)| tree)
    }

    fn sight(&self, id: impl Into<String>) -> Sight {
        Sight {
            cell: Arc::clone(&self.cell),
            board: Arc::clone(&self.board),
            id: id.into(),
        }
    }

    /// Finds one of the copies (`Child::copies`) of a child by its number, as [`addr`](Self::addr) finds a child.
    pub fn copy<A: Actor>(&self, id: &str, index: usize) -> FindChild<Addr<A>> {
        self.addr(numbered(id, index))
    }

    /// Finds all copies (`Child::copies`) of a child, in the order of their numbers; those that are known at the moment, as many as
    /// there were to be if none was removed. Each that does not run is waited for up to 5 s.
    ///
    /// ```
    /// # use ringway::prelude::*;
    /// # #[derive(Actor, Default, Clone)]
    /// # #[actor(handles(u64))]
    /// # struct Worker;
    /// # impl Handler<u64> for Worker {
    /// #     async fn handle(&mut self, _: u64, _cx: &mut Context<Self>) {}
    /// # }
    /// # let directory = std::env::temp_dir().join(format!("ringway-doc-copies-{}", std::process::id()));
    /// # let node = Node::attach(NodeConfig::on("demo").directory(&directory))?;
    /// let tree = Supervisor::one_for_one()
    ///     .child(Child::actor("worker", Worker::default).copies(4))
    ///     .start(&node)
    ///     .wait()?;
    /// let workers = block_on(tree.copies::<Worker>("worker"))?;
    /// assert_eq!(workers.len(), 4);
    /// assert_eq!(workers[2], tree.copy("worker", 2).wait()?);
    /// # node.detach();
    /// # std::fs::remove_dir_all(directory)?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`addr`](Self::addr), of the first copy that is not found.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn copies<A: Actor>(&self, id: &str) -> Result<Vec<Addr<A>>, SuperviseError> {
        let children = self.which_children();
        let index = |child: &ChildInfo| -> Option<usize> {
            let index = child.id.strip_prefix(id)?.strip_prefix('/')?;
            index.parse().ok()
        };
        let mut known: Vec<usize> = children.iter().filter_map(index).collect();
        known.sort_unstable();
        let mut copies = Vec::with_capacity(known.len());
        for index in known {
            copies.push(self.copy(id, index).await?);
        }
        Ok(copies)
    }

    /// Adds a child, the last in order; ready when it has started. One that does not start is forgotten, and one that is to have
    /// copies is refused ([`SuperviseError::Copies`]): those are added one by one.
    pub fn start_child<K: ChildKind>(&self, child: Child<K>) -> Change {
        if child.copies.is_some() {
            let child = child.id;
            return Change::refused(&self.cell, SuperviseError::Copies { child });
        }
        Change::new(&self.cell, Want::Start(Spec::from(child)))
    }

    /// Stops a child, which stays stopped, also when others are started again, until [`restart_child`](Self::restart_child).
    /// A temporary one is forgotten. Ready when it has ended; at once if it does not run.
    pub fn stop_child(&self, id: impl Into<String>) -> Change {
        Change::new(&self.cell, Want::Stop(id.into()))
    }

    /// Stops a child and forgets it.
    pub fn remove_child(&self, id: impl Into<String>) -> Change {
        Change::new(&self.cell, Want::Remove(id.into()))
    }

    /// Starts a child that does not run: it was stopped, has ended for good, or waits to be started again. Ready when it has
    /// started; if it does not, it stays stopped.
    pub fn restart_child(&self, id: impl Into<String>) -> Change {
        Change::new(&self.cell, Want::Restart(id.into()))
    }

    /// Returns all children, in order, as they are at the moment; none once it has ended.
    pub fn which_children(&self) -> Vec<ChildInfo> {
        if self.is_closed() {
            return Vec::new();
        }
        let picture = self.board.look();
        let children = picture.children.iter();
        children.map(|child| child.info.clone()).collect()
    }

    /// Returns how many children there are, and how many of them run, at the moment.
    pub fn count_children(&self) -> ChildCounts {
        if self.is_closed() {
            return ChildCounts::default();
        }
        ChildCounts::of(&self.board.look().children)
    }

    /// Identifies this supervisor among all actors, as [`Down::who`](crate::Down) has it: it can be monitored.
    pub fn id(&self) -> ActorId {
        Addr::local(Arc::clone(&self.cell)).id()
    }

    /// Has it stop its children, in reverse order, each within its time, and end. Does not wait.
    pub fn stop(&self) {
        self.cell.core().stop(ExitReason::Stopped);
    }

    /// Kills its children, all at once, and has it end. Does not wait.
    pub fn kill(&self) {
        self.cell.core().kill(ExitReason::Killed);
    }

    /// Waits until it and all below it have ended, and returns why; at once if that has happened. Of a child that neither
    /// stops nor can be killed (a handler that never comes to an `await`) it waits for a second, and leaves it behind.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn closed(&self) -> ExitReason {
        Addr::local(Arc::clone(&self.cell)).closed().await
    }

    /// Tells whether it has ended; `false` may be stale at once.
    pub fn is_closed(&self) -> bool {
        self.cell.core().outcome().is_some()
    }
}

impl Watchable for Tree {
    fn watched(&self) -> Watched {
        Watched::at_home(self.id(), Box::new(Arc::clone(&self.cell)))
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree")
            .field("id", &self.id())
            .field("children", &self.count_children())
            .finish_non_exhaustive()
    }
}
