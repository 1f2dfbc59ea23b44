//! Starting a child process, as the parent's program says it.

mod start;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::child::ChildProcess;
use super::error::SpawnProcessError;
use super::options::{Options, option_methods};
use crate::actor::{Actor, are_kept};
use crate::exit::ExitReason;
use crate::node::Node;
use crate::shared::Shared;

/// How long a child may take until it is ready, unless told otherwise.
const WITHIN: Duration = Duration::from_secs(10);

/// No arguments were given: enough for actors that are built from `()`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoArgs;

/// What a child is given to build its actor `A` from.
#[diagnostic::on_unimplemented(
    message = "`{A}` is built from arguments, and none are given",
    note = "call `.args(..)` before awaiting"
)]
pub trait ArgsOf<A: Actor>: Send + 'static {
    #[doc(hidden)]
    fn into_args(self) -> A::Args;
}

impl<A: Actor<Args = ()>> ArgsOf<A> for NoArgs {
    fn into_args(self) {}
}

/// The arguments that were given.
#[derive(Debug, Clone)]
pub struct Given<T>(T);

impl<T> Given<T> {
    pub(crate) fn new(args: T) -> Self {
        Self(args)
    }
}

impl<A: Actor> ArgsOf<A> for Given<A::Args> {
    fn into_args(self) -> A::Args {
        self.0
    }
}

/// A child process about to be started: await it as it is, or refine it first.
#[must_use = "a process is started when this is awaited"]
pub struct SpawnProcess<A: Actor, G = NoArgs> {
    shared: Arc<Shared>,
    role: String,
    name: Option<String>,
    args: G,
    within: Duration,
    options: Options,
    is_detached: bool,
    redeliver: Option<u32>,
    last_exit: Option<ExitReason>,
    of: PhantomData<fn() -> A>,
}

impl Node {
    /// Starts a process that runs the actor of a role; ready when messages can be sent to it.
    ///
    /// The child runs this very program, with the same arguments, and comes to the same `main`, where
    /// [`Roles`](crate::Roles) makes it play its role. It dies with this process, at whatever instruction that dies, unless it
    /// is [detached](SpawnProcess::detached). It leads a process group of its own, so what a terminal sends (ctrl-C) comes to
    /// this process alone; when it ends, however it does, what is left of that group is killed.
    pub fn spawn_process<A: Actor>(&self, role: impl Into<String>) -> SpawnProcess<A> {
        SpawnProcess {
            shared: Arc::clone(self.shared()),
            role: role.into(),
            name: None,
            args: NoArgs,
            within: WITHIN,
            options: Options::default(),
            is_detached: false,
            redeliver: None,
            last_exit: None,
            of: PhantomData,
        }
    }
}

impl<A: Actor, G> SpawnProcess<A, G> {
    /// Gives what the child builds its actor from; see [`FromArgs`](crate::FromArgs). Of any size: it is copied once.
    pub fn args(self, args: A::Args) -> SpawnProcess<A, Given<A::Args>> {
        self.with_args(Given(args))
    }

    pub(crate) fn with_args<H>(self, args: H) -> SpawnProcess<A, H> {
        let Self {
            shared,
            role,
            name,
            args: _,
            within,
            options,
            is_detached,
            redeliver,
            last_exit,
            of,
        } = self;
        SpawnProcess {
            shared,
            role,
            name,
            args,
            within,
            options,
            is_detached,
            redeliver,
            last_exit,
            of,
        }
    }

    /// Gives the actor a name on the bus; see [`ActorBuilder::name`](crate::ActorBuilder::name).
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Bounds the whole start, after which the child is killed; the default is 10 s.
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Has the child live on when this process dies or its node detaches: with its node and the names of its actors, until
    /// its actor ends or somebody kills it. Until it is ready it ends with this process as any other, and as long as this
    /// process lives it is reaped. It writes to this process's standard error itself, not by way of this process.
    pub fn detached(mut self) -> Self {
        self.is_detached = true;
        self
    }

    /// Has every message to its actor redelivered to the next process with its name, up to `times` more often than once, unless
    /// a call says otherwise; see [`ActorBuilder::redeliver`](crate::ActorBuilder::redeliver).
    pub fn redeliver(mut self, times: u32) -> Self {
        const {
            assert!(
                are_kept(A::ACCEPTED),
                "a message that is to be redelivered must be Clone"
            )
        };
        self.redeliver = Some(times);
        self
    }

    pub(crate) fn redelivering(mut self, times: Option<u32>) -> Self {
        self.redeliver = times;
        self
    }

    pub(crate) fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Says how the last life ended of what is started again.
    pub(crate) fn again(mut self, last_exit: Option<ExitReason>) -> Self {
        self.last_exit = last_exit;
        self
    }

    fn options(&mut self) -> &mut Options {
        &mut self.options
    }

    option_methods!();
}

impl<A: Actor, G: ArgsOf<A>> SpawnProcess<A, G> {
    /// Blocks the calling thread until the child is ready.
    ///
    /// # Errors
    ///
    /// See [`SpawnProcessError`]; no process is left then.
    pub fn wait(self) -> Result<ChildProcess<A>, SpawnProcessError> {
        let shared = Arc::clone(&self.shared);
        crate::node::block_on(Some(shared), self.into_future())
    }
}

/// # Cancel safety
///
/// Dropping the future kills and reaps the child.
impl<A: Actor, G: ArgsOf<A>> IntoFuture for SpawnProcess<A, G> {
    type Output = Result<ChildProcess<A>, SpawnProcessError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

impl<A: Actor, G> fmt::Debug for SpawnProcess<A, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnProcess")
            .field("role", &self.role)
            .field("within", &self.within)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
