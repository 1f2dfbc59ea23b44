//! Starting a child process: what the parent does from the call to the open uring.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use ringway_shm::generation::Key;
use ringway_shm::sys::launch::Command;

use super::BURIAL;
use super::child::ChildProcess;
use super::error::{SpawnProcessError, Stage};
use super::lifeline::{self, ParentEnd, Start};
use super::reaper;
use super::ward::{News, Spoken, Ward};
use crate::actor::Actor;
use crate::addr::Addr;
use crate::control::ROLE_VARIABLE;
use crate::message::{Message, Parcel, Semantics as _};
use crate::node::lookup::Deadline;
use crate::node::{Carried, Node, Reachable as _};
use crate::peering::NodeId;
use crate::remote::Obstacle;
use crate::shared::Shared;
use crate::token::Room;
use crate::urings::wire::{CarriedType, OpenRefusal, TargetKind};

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
#[derive(Debug)]
pub struct Given<T>(T);

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
    env: BTreeMap<OsString, OsString>,
    executable: Option<PathBuf>,
    of: PhantomData<fn() -> A>,
}

impl Node {
    /// Starts a process that runs the actor of a role; ready when messages can be sent to it.
    ///
    /// The child runs this very program, with the same arguments, and comes to the same `main`, where
    /// [`Roles`](crate::Roles) makes it play its role. It dies with this process, at whatever instruction that dies.
    pub fn spawn_process<A: Actor>(&self, role: impl Into<String>) -> SpawnProcess<A> {
        SpawnProcess {
            shared: Arc::clone(self.shared()),
            role: role.into(),
            name: None,
            args: NoArgs,
            within: WITHIN,
            env: BTreeMap::new(),
            executable: None,
            of: PhantomData,
        }
    }
}

impl<A: Actor, G> SpawnProcess<A, G> {
    /// Gives what the child builds its actor from; see [`FromArgs`](crate::FromArgs). Of any size: it is copied once.
    pub fn args(self, args: A::Args) -> SpawnProcess<A, Given<A::Args>> {
        let Self {
            shared,
            role,
            name,
            args: _,
            within,
            env,
            executable,
            of,
        } = self;
        SpawnProcess {
            shared,
            role,
            name,
            args: Given(args),
            within,
            env,
            executable,
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

    /// Sets a variable of the child's environment, which is otherwise this process's.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Runs another program, which must have the role. The default is the one that is running, even if its file was
    /// replaced or deleted since. The path is not searched for; arguments are this process's, the first is the path.
    pub fn executable(mut self, path: impl Into<PathBuf>) -> Self {
        self.executable = Some(path.into());
        self
    }
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

    async fn start(self) -> Result<ChildProcess<A>, SpawnProcessError> {
        let (shared, within) = (Arc::clone(&self.shared), self.within);
        let deadline = Deadline::new(&shared, within);
        let unready = Unready(Some(self.launch()?));
        let ward = Arc::clone(unready.ward());
        match reach::<A>(&shared, &ward, &deadline, within).await {
            Ok(child) => {
                unready.keep();
                Ok(child)
            }
            Err(error) => {
                bury(&shared, &ward, &deadline).await;
                Err(error)
            }
        }
    }

    /// Hands the child to the reaper.
    fn launch(self) -> Result<Arc<Ward>, SpawnProcessError> {
        let Self {
            shared,
            role,
            name,
            args,
            env,
            executable,
            ..
        } = self;
        if role.is_empty() || role.contains('\0') {
            return Err(SpawnProcessError::RoleName { role });
        }
        let start = Start {
            bus: shared.core().bus().to_owned(),
            root: Start::bytes_of(&shared.core().root()?),
            parent: rustix::process::getpid().as_raw_nonzero().get(),
            role: role.clone(),
            name,
            actor: std::any::type_name::<A>().to_owned(),
            is_same_program: executable.is_none(),
            accepts: Addr::<A>::accepted().iter().map(CarriedType::of).collect(),
            args_type: CarriedType::of(&Carried::of::<A::Args>()),
            args: encode::<A>(&shared, args.into_args(), &role)?,
        };
        let (lifeline, theirs) = ParentEnd::create(&start)?;
        let mut command = match executable {
            Some(path) => Command::new(path),
            None => Command::own_executable(),
        };
        command.own_args();
        for (name, value) in env {
            command.env(name, value);
        }
        let number = command
            .keep(theirs.as_fd().try_clone_to_owned()?)
            .map_err(std::io::Error::from)?;
        command
            .env(ROLE_VARIABLE, &role)
            .env(lifeline::VARIABLE, number.to_string());
        let ward = Ward::new(&shared, role, lifeline);
        shared.wards.add(&ward);
        if shared.is_detaching() {
            shared.wards.remove(&ward);
            return Err(SpawnProcessError::Detached);
        }
        if let Err(error) = reaper::launch(command, Arc::clone(&ward)) {
            shared.wards.remove(&ward);
            return Err(error.into());
        }
        Ok(ward)
    }
}

/// The arguments as bytes.
fn encode<A: Actor>(
    shared: &Shared,
    args: A::Args,
    role: &str,
) -> Result<Vec<u8>, SpawnProcessError> {
    let heap = shared.core().heap();
    let packed = <A::Args as Message>::Semantics::pack(Parcel::Value(args), heap, Room::REPLY);
    match packed {
        Ok(tokenized) => Ok(tokenized.bytes().to_vec()),
        Err(error) => Err(SpawnProcessError::Args {
            role: role.to_owned(),
            reason: super::error::with_causes(error.cause()),
        }),
    }
}

/// Waits for the child's answer, then for the uring to its actor.
async fn reach<A: Actor>(
    shared: &Arc<Shared>,
    ward: &Arc<Ward>,
    deadline: &Deadline,
    within: Duration,
) -> Result<ChildProcess<A>, SpawnProcessError> {
    let role = || ward.role.clone();
    let late = |stage| SpawnProcessError::Deadline {
        role: role(),
        within,
        stage,
    };
    let (node, key) = match deadline.until(&ward.changes, || ward.news()).await {
        Some(News::Spoken(Spoken::Ready { node, key })) => (node, key),
        Some(News::Spoken(Spoken::Refused(refusal))) => {
            return Err(refusal.into_error::<A>(&ward.role));
        }
        Some(News::Spoken(Spoken::Nonsense(reason))) => {
            return Err(SpawnProcessError::Version {
                role: role(),
                reason,
            });
        }
        Some(News::NotStarted(source)) => {
            return Err(SpawnProcessError::Launch {
                role: role(),
                source,
            });
        }
        Some(News::Ended(reason)) => {
            return Err(SpawnProcessError::Ended {
                role: role(),
                reason,
            });
        }
        None => return Err(late(Stage::Starting)),
    };
    let addr = match open::<A>(shared, ward, deadline, node, key).await {
        Some(Ok(addr)) => addr,
        Some(Err(error)) => return Err(error),
        None => return Err(late(Stage::Meeting)),
    };
    let pid = ward.pid().expect("started: it has spoken");
    Ok(ChildProcess::new(shared, Arc::clone(ward), pid, addr))
}

/// Opens the uring to the child's actor; `None` when the deadline comes first.
async fn open<A: Actor>(
    shared: &Arc<Shared>,
    ward: &Ward,
    deadline: &Deadline,
    node: NodeId,
    key: Key,
) -> Option<Result<Addr<A>, SpawnProcessError>> {
    let end = shared.end_to(node, key, TargetKind::Actor, &Addr::<A>::accepted());
    // A child that dies before the nodes have met is missed by its pidfd alone.
    let opened = pin!(deadline.until(&end.room, || end.open_result()));
    let ended = pin!(deadline.until(&ward.changes, || ward.exit()));
    let role = ward.role.clone();
    let ended_for = |reason| Some(Err(SpawnProcessError::Ended { role, reason }));
    match select(opened, ended).await {
        Either::Left((Some(Ok(())), _)) => Some(Ok(Addr::abroad(Arc::clone(&end)))),
        // The actor has ended after it had started, and the process is about to.
        Either::Left((
            Some(Err(Obstacle::Refused(OpenRefusal::NoSuchActor) | Obstacle::Ended(_))),
            ended,
        )) => ended.await.and_then(ended_for),
        Either::Left((Some(Err(Obstacle::Refused(refusal))), _)) => {
            Some(Err(SpawnProcessError::OtherMessages {
                role: ward.role.clone(),
                refusal,
            }))
        }
        Either::Right((Some(reason), _)) => ended_for(reason),
        Either::Left(_) | Either::Right(_) => None,
    }
}

/// Leaves no process behind: a child that ends by itself may do so until the deadline, then it is killed.
async fn bury(shared: &Arc<Shared>, ward: &Ward, deadline: &Deadline) {
    let look = || ward.is_gone().then_some(());
    if deadline.until(&ward.changes, look).await.is_none() {
        ward.kill();
        Deadline::new(shared, BURIAL)
            .until(&ward.changes, look)
            .await;
    }
}

/// A child that nobody has yet: it is killed if its spawner gives up.
struct Unready(Option<Arc<Ward>>);

impl Unready {
    fn ward(&self) -> &Arc<Ward> {
        self.0.as_ref().expect("held: until it is ready")
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Unready {
    fn drop(&mut self) {
        if let Some(ward) = &self.0 {
            ward.kill();
        }
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
            .field("executable", &self.executable)
            .finish_non_exhaustive()
    }
}
