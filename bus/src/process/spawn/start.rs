//! What a spawner does: it hands the child to the reaper, hears its answer, and opens the uring to its actor.

use std::os::fd::AsFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use ringway_shm::sys::launch::Command;

use super::{ArgsOf, SpawnProcess};
use crate::actor::Actor;
use crate::addr::Addr;
use crate::control::ROLE_VARIABLE;
use crate::message::{Message, Parcel, Semantics as _};
use crate::node::lookup::Deadline;
use crate::node::{Carried, Reachable as _};
use crate::number::Number;
use crate::peering::NodeId;
use crate::process::BURIAL;
use crate::process::child::ChildProcess;
use crate::process::error::{SpawnProcessError, Stage, with_causes};
use crate::process::lifeline::{self, ParentEnd, Start};
use crate::process::reaper;
use crate::process::ward::{News, Spoken, Ward};
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
