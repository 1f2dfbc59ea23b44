//! A supervisor, as a program describes it; and its start.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::backoff::Backoff;
use super::board::Board;
use super::child::{Child, ChildKind, Spec};
use super::error::SuperviseError;
use super::intensity::Intensity;
use super::overseer::{self, Overseen, Setup};
use super::plan::Rules;
use super::rules::Strategy;
use super::tree::Tree;
use crate::actor::cell::Cell;
use crate::exit::ExitReason;
use crate::mailbox::Overflow;
use crate::node::Node;
use crate::shared::{Living, Shared};
use crate::task::RunQueue;

/// Requests that wait for a supervisor, at most; who asks for more waits.
const REQUESTS_MAX: usize = 128;

/// A supervisor about to be started: its strategy, its limits, its children in order.
///
/// ```no_run
/// use ringway::prelude::*;
/// # #[derive(Actor, Default)]
/// # #[actor(handles(u32))]
/// # struct Cache;
/// # impl Handler<u32> for Cache {
/// #     async fn handle(&mut self, _: u32, _cx: &mut Context<Self>) {}
/// # }
/// # type Worker = Cache;
///
/// # async fn run(node: Node) -> Result<(), Box<dyn std::error::Error>> {
/// let tree = Supervisor::one_for_one()
///     .intensity(5, secs(10))
///     .backoff(ms(50)..secs(5))
///     .child(Child::actor("cache", Cache::default).permanent())
///     .child(Child::process::<Worker>("worker").permanent())
///     .start(&node)
///     .await?;
///
/// let cache: Addr<Cache> = tree.addr("cache").await?; // the life of it that runs now
/// # let _ = cache;
/// # Ok(())
/// # }
/// ```
///
/// A child's next life begins when its last one is proved dead: an actor's task is dropped, a process is waited for. A panic
/// and a SIGKILL take the same way.
///
/// When children are to be started again more often than [`intensity`](Self::intensity) allows, the supervisor stops them all
/// and ends with [`ExitReason::GaveUp`]: to a supervisor above it a failure of its own. One without any above is a root: its
/// giving up ends a program that runs under [`Roles::run`](crate::Roles::run), unless it is
/// [`contained`](Self::contained); any other sees it by [`Tree::closed`].
#[must_use = "a supervisor runs once it is started"]
pub struct Supervisor {
    rules: Rules,
    children: Vec<Spec>,
    is_contained: bool,
}

impl Supervisor {
    /// Starts a failed child again, and no other.
    pub fn one_for_one() -> Self {
        Self::with(Strategy::OneForOne)
    }

    /// When a child is to be started again, starts all again.
    pub fn one_for_all() -> Self {
        Self::with(Strategy::OneForAll)
    }

    /// When a child is to be started again, starts those after it again as well.
    pub fn rest_for_one() -> Self {
        Self::with(Strategy::RestForOne)
    }

    /// The same by a strategy's name.
    pub fn with(strategy: Strategy) -> Self {
        Self {
            rules: Rules {
                strategy,
                ..Rules::default()
            },
            children: Vec::new(),
            is_contained: false,
        }
    }

    /// Bears so many restarts of its children, all together, in any `within`; with one more it gives up. The default is 5 in
    /// 10 s. A restart of several children because of one counts once.
    pub fn intensity(mut self, restarts: u32, within: Duration) -> Self {
        self.rules.intensity = Intensity { restarts, within };
        self
    }

    /// Waits before each restart: as long as the start of the range at first, twice as long after each further failure of
    /// that child, never longer than its end; a fifth more or less by chance. A child that has lived for as long as the
    /// intensity's `within` begins again with the shortest. The default is 50 ms to 5 s; `ms(0)..ms(0)` does not wait.
    ///
    /// # Panics
    ///
    /// When the range ends before it starts.
    pub fn backoff(mut self, delays: Range<Duration>) -> Self {
        assert!(delays.start <= delays.end, "delays of {delays:?}");
        self.rules.backoff = Backoff(delays);
        self
    }

    /// Adds a child, which starts after those before it, and stops before them.
    ///
    /// # Panics
    ///
    /// When there is a child of that name already.
    pub fn child<K: ChildKind>(mut self, child: Child<K>) -> Self {
        for spec in Spec::all_of(child) {
            let is_same = |other: &Spec| other.id == spec.id;
            assert!(
                !self.children.iter().any(is_same),
                "child {:?} is there already",
                spec.id
            );
            self.children.push(spec);
        }
        self
    }

    /// Leaves the program running when this supervisor gives up as a root: for programs that await [`Tree::closed`] and know
    /// what to do.
    pub fn contained(mut self) -> Self {
        self.is_contained = true;
        self
    }

    /// Starts it and its children, in order, on a node; ready when all have started.
    pub fn start(self, node: &Node) -> StartSupervisor {
        StartSupervisor {
            supervisor: self,
            shared: Arc::clone(node.shared()),
        }
    }

    /// Starts the overseer, which starts the children.
    pub(super) fn begin(
        self,
        shared: &Arc<Shared>,
        is_nested: bool,
    ) -> Result<Tree, SuperviseError> {
        if shared.is_detaching() {
            return Err(SuperviseError::Detached);
        }
        let cell = Cell::<Overseen>::new(shared, None, (REQUESTS_MAX, Overflow::Wait), 0);
        let board = Arc::<Board>::default();
        let setup = Setup {
            rules: self.rules,
            children: self.children,
            ends_program: !is_nested && !self.is_contained,
        };
        let living: Arc<dyn Living> = Arc::clone(&cell) as Arc<dyn Living>;
        let living = Arc::downgrade(&living);
        let place = shared.add_living(living.clone());
        if !is_nested {
            shared.tops.add(living);
        }
        let oversee = overseer::oversee(Arc::clone(&cell), Arc::clone(&board), setup);
        let task = RunQueue::task(&shared.queue, oversee);
        cell.begin(task.waker(), place);
        task.schedule();
        Ok(Tree::new(cell, board))
    }
}

/// A supervisor that starts: await it.
#[must_use = "a supervisor is started when this is awaited"]
pub struct StartSupervisor {
    supervisor: Supervisor,
    shared: Arc<Shared>,
}

impl StartSupervisor {
    /// Blocks the calling thread until all children have started.
    ///
    /// # Errors
    ///
    /// See [`SuperviseError`]; then nothing is left of those that had started.
    pub fn wait(self) -> Result<Tree, SuperviseError> {
        let shared = Arc::clone(&self.shared);
        crate::node::block_on(Some(shared), self.into_future())
    }

    async fn run(self) -> Result<Tree, SuperviseError> {
        let tree = self.supervisor.begin(&self.shared, false)?;
        let starting = Starting(Some(tree));
        match starting.tree().started().await {
            Ok(()) => Ok(starting.keep()),
            Err(reason) => Err(starting.keep().no_start(reason)),
        }
    }
}

/// # Cancel safety
///
/// Dropping the future stops what has started, in reverse order, without waiting.
impl IntoFuture for StartSupervisor {
    type Output = Result<Tree, SuperviseError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// A tree that nobody has yet.
struct Starting(Option<Tree>);

impl Starting {
    fn tree(&self) -> &Tree {
        self.0.as_ref().expect("held: until it has started")
    }

    fn keep(mut self) -> Tree {
        self.0.take().expect("held: until it has started")
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(tree) = &self.0 {
            tree.cell().core().stop(ExitReason::Stopped);
        }
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let children: Vec<_> = self.children.iter().map(|child| &child.id).collect();
        f.debug_struct("Supervisor")
            .field("rules", &self.rules)
            .field("children", &children)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for StartSupervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.supervisor, f)
    }
}
