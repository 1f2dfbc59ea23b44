//! What a spawner does: it hands the child to the reaper, hears its answer, and opens the uring to its actor.

use std::io;
use std::os::fd::AsFd;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::{Either, select};
use ringway_shm::sys::launch::{Command, Standard};
use ringway_shm::sys::pipe;

use super::{ArgsOf, SpawnProcess};
use crate::actor::Actor;
use crate::addr::Addr;
use crate::control::ROLE_VARIABLE;
use crate::exit::ExitReason;
use crate::message::{Message, Parcel, Semantics as _};
use crate::node::lookup::Deadline;
use crate::node::{Carried, Reachable as _};
use crate::number::Number;
use crate::peering::NodeId;
use crate::process::BURIAL;
use crate::process::cgroup::Cgroup;
use crate::process::child::ChildProcess;
use crate::process::error::{SpawnProcessError, Stage, with_causes};
use crate::process::lifeline::{self, ParentEnd, Start};
use crate::process::options::{Options, Unfit};
use crate::process::outlet::{Cut, Giver, Outlet, Passed, Taker};
use crate::process::output::{OutputStream, To};
use crate::process::reaper;
use crate::process::ward::{News, Outlets, Spoken, Ward};
use crate::remote::Obstacle;
use crate::shared::Shared;
use crate::token::Room;
use crate::urings::wire::{CarriedType, OpenRefusal, TargetKind};

/// The wait until a child is ready.
type Ready<A> = Pin<Box<dyn Future<Output = Result<ChildProcess<A>, SpawnProcessError>> + Send>>;

impl<A: Actor, G: ArgsOf<A>> SpawnProcess<A, G> {
    pub(super) async fn start(self) -> Result<ChildProcess<A>, SpawnProcessError> {
        let (_, ready) = self.begin()?;
        ready.await
    }

    /// Hands the child to the reaper at once; the future is that of `start`, and kills it when it is dropped.
    pub(crate) fn begin(self) -> Result<(Arc<Ward>, Ready<A>), SpawnProcessError> {
        let (shared, within) = (Arc::clone(&self.shared), self.within);
        let deadline = Deadline::new(&shared, within);
        let unready = Unready(Some(self.launch()?));
        let ward = Arc::clone(unready.ward());
        let begun = Arc::clone(&ward);
        let ready = async move {
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
        };
        Ok((begun, Box::pin(ready)))
    }

    /// Hands the child to the reaper.
    fn launch(self) -> Result<Arc<Ward>, SpawnProcessError> {
        let Self {
            shared,
            role,
            name,
            args,
            options,
            is_detached,
            redeliver,
            last_exit,
            ..
        } = self;
        if role.is_empty() || role.contains('\0') {
            return Err(SpawnProcessError::RoleName { role });
        }
        let unfit = |(option, reason): Unfit| SpawnProcessError::Option {
            role: role.clone(),
            option: option.to_owned(),
            reason,
        };
        let cgroup = Cgroup::create(&options.limits).map_err(unfit)?;
        let mut conditions = options.conditions.clone();
        conditions.cgroup = cgroup.as_ref().map(Cgroup::doors).unwrap_or_default();
        let start = Start {
            bus: shared.core().bus().to_owned(),
            root: Start::bytes_of(&shared.core().root()?),
            parent: rustix::process::getpid().as_raw_nonzero().get(),
            role: role.clone(),
            name,
            actor: std::any::type_name::<A>().to_owned(),
            is_same_program: options.executable.is_none(),
            accepts: Addr::<A>::accepted().iter().map(CarriedType::of).collect(),
            args_type: CarriedType::of(&Carried::of::<A::Args>()),
            args: encode::<A>(&shared, args.into_args(), &role)?,
            conditions,
            is_detached,
            redeliver,
            last_exit: last_exit.map(ExitReason::shortened),
        };
        let mut command = options.command().map_err(unfit)?;
        let (lifeline, theirs) = ParentEnd::create(&start)?;
        let number = command
            .keep(theirs.as_fd().try_clone_to_owned()?)
            .map_err(io::Error::from)?;
        command
            .env(ROLE_VARIABLE, &role)
            .env(lifeline::VARIABLE, number.to_string());
        let pid = Arc::default();
        let outlets = outlets(&shared, &role, &options, is_detached, &pid, &mut command)?;
        let ward = Ward::new(&shared, role, is_detached, lifeline, outlets, pid, cgroup);
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

/// Connects the child's streams to where they go; returns this process's ends.
fn outlets(
    shared: &Arc<Shared>,
    role: &str,
    options: &Options,
    is_detached: bool,
    pid: &Arc<OnceLock<u32>>,
    command: &mut Command,
) -> Result<Outlets, SpawnProcessError> {
    let streams = [
        (OutputStream::Stdout, Standard::Output, &options.stdout),
        (OutputStream::Stderr, Standard::Error, &options.stderr),
    ];
    let mut outlets = Outlets::default();
    for ((stream, number, output), outlet) in streams.into_iter().zip(&mut outlets) {
        if is_detached && output.needs_parent() {
            return Err(SpawnProcessError::Option {
                role: role.to_owned(),
                option: stream.to_string(),
                reason: "a detached child has nobody who takes its lines".to_owned(),
            });
        }
        let taker = match &output.0 {
            To::Direct => continue,
            To::Inherit if is_detached || stream == OutputStream::Stdout => continue,
            To::Null => {
                let null = pipe::open_null().map_err(io::Error::from)?;
                command.standard(number, null).map_err(io::Error::from)?;
                continue;
            }
            To::Inherit => Taker::Own(Passed::new(role)),
            To::Lines(sink) => {
                let giver = Giver {
                    sink: Arc::clone(sink),
                    role: role.to_owned(),
                    pid: Arc::clone(pid),
                    stream,
                };
                Taker::Lines(Cut::new(shared, giver))
            }
        };
        let (ours, theirs) = pipe::create().map_err(io::Error::from)?;
        command.standard(number, theirs).map_err(io::Error::from)?;
        *outlet = Some(Outlet::new(ours, taker, stream));
    }
    Ok(outlets)
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
            reason: with_causes(error.cause()),
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
    let (node, number) = match deadline.until(&ward.changes, || ward.news()).await {
        Some(News::Spoken(Spoken::Ready { node, number })) => (node, number),
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
                stderr: ward.stderr_tail(),
            });
        }
        None => return Err(late(Stage::Starting)),
    };
    let addr = match open::<A>(shared, ward, deadline, node, number).await {
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
    number: Number,
) -> Option<Result<Addr<A>, SpawnProcessError>> {
    let end = shared.end_to(node, number, TargetKind::Actor, &Addr::<A>::accepted());
    // A child that dies before the nodes have met is missed by its pidfd alone.
    let opened = pin!(deadline.until(&end.room, || end.open_result()));
    let ended = pin!(deadline.until(&ward.changes, || ward.exit()));
    let role = ward.role.clone();
    let ended_for = |reason| {
        let stderr = ward.stderr_tail();
        Some(Err(SpawnProcessError::Ended {
            role,
            reason,
            stderr,
        }))
    };
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
