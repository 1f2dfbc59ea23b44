//! Children that are processes: a life is a process, and over when that has been waited for.

use std::any::type_name;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::{Either, select};

use super::{Begun, Boxed, Kind, Life, make};
use crate::actor::Actor;
use crate::addr::Addr;
use crate::exit::ExitReason;
use crate::node::Node;
use crate::node::lookup::Deadline;
use crate::process::{ArgsOf, Options, Ward, with_causes};
use crate::shared::Shared;
use crate::supervise::board::{ChildType, Face};
use crate::wait_list::WaitList;

/// How long a process may take to exit once its actor has ended, before it is killed.
const EXIT_WITHIN: Duration = Duration::from_secs(2);
/// How long the news of the actor's end may take that is on its way when the process has been waited for.
const NEWS_WITHIN: Duration = Duration::from_secs(1);

/// Processes in one role.
pub(in crate::supervise) struct Processes<A: Actor, G> {
    pub(in crate::supervise) role: String,
    pub(in crate::supervise) name: Option<String>,
    pub(in crate::supervise) args: G,
    pub(in crate::supervise) options: Options,
    pub(in crate::supervise) redeliver: Option<u32>,
    pub(in crate::supervise) start_within: Duration,
    pub(in crate::supervise) of: PhantomData<fn() -> A>,
}

impl<A: Actor, G: ArgsOf<A> + Clone> Kind for Processes<A, G> {
    fn begin(
        &mut self,
        shared: &Arc<Shared>,
        last: Option<&ExitReason>,
    ) -> Result<Begun, ExitReason> {
        let failed = |error| ExitReason::StartFailed(with_causes(&error));
        let args = make(|| self.args.clone())?;
        let mut spawn = Node::of(shared)
            .spawn_process::<A>(&self.role)
            .with_args(args)
            .with_options(self.options.clone())
            .redelivering(self.redeliver)
            .again(last.cloned())
            .within(self.start_within);
        if let Some(name) = &self.name {
            spawn = spawn.name(name);
        }
        let (ward, ready) = spawn.begin().map_err(failed)?;
        let life = Arc::new(ProcessLife {
            shared: Arc::clone(shared),
            ward,
            addr: OnceLock::new(),
        });
        let starting = Arc::clone(&life);
        let ready = async move {
            let child = ready.await.map_err(failed)?;
            let addr = child.addr();
            let face = Face {
                actor: addr.id(),
                address: Arc::new(addr.clone()),
                pid: Some(child.pid()),
            };
            let _ = starting.addr.set(addr); // once a life
            starting.ward.changes.wake_all();
            Ok(face)
        };
        Ok(Begun {
            life,
            ready: Box::pin(ready),
        })
    }

    fn child_type(&self) -> ChildType {
        ChildType::Process
    }

    fn bus_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn reached_as(&self) -> &'static str {
        type_name::<A>()
    }
}

/// A process, as a life.
struct ProcessLife<A: Actor> {
    shared: Arc<Shared>,
    ward: Arc<Ward>,
    /// Of its actor, once that has started.
    addr: OnceLock<Addr<A>>,
}

impl<A: Actor> Life for ProcessLife<A> {
    fn drain(&self) {
        match self.addr.get() {
            Some(addr) => addr.drain_down(),
            None => self.ward.release(),
        }
    }

    fn terminate(&self) {
        self.ward.terminate();
    }

    fn stop(&self) {
        match self.addr.get() {
            Some(addr) => addr.shut_down(),
            None => self.ward.release(),
        }
    }

    fn kill(&self, _reason: ExitReason) {
        self.ward.kill();
    }

    fn stderr_tail(&self) -> String {
        self.ward.stderr_tail()
    }

    fn ended(self: Arc<Self>) -> Boxed<ExitReason> {
        Box::pin(async move { self.outlived().await })
    }
}

impl<A: Actor> ProcessLife<A> {
    /// Waits until the process has been reaped; kills it if it stays although its actor has ended.
    async fn outlived(&self) -> ExitReason {
        let forever = Deadline::never(&self.shared);
        let is_gone = || self.ward.is_gone().then_some(());
        let is_known = || is_gone().or_else(|| self.addr.get().map(drop));
        forever.until(&self.ward.changes, is_known).await;
        let Some(addr) = self.addr.get() else {
            return self.ward.exit().unwrap_or(ExitReason::ProcessDied);
        };
        let gone = pin!(forever.until(&self.ward.changes, is_gone));
        if let Either::Right((_, gone)) = select(gone, pin!(addr.closed())).await {
            let late = pin!(sleep(&self.shared, EXIT_WITHIN));
            if let Either::Right((_, gone)) = select(gone, late).await {
                self.ward.kill();
                gone.await;
            }
        }
        let exit = self.ward.exit().unwrap_or(ExitReason::ProcessDied);
        let late = pin!(sleep(&self.shared, NEWS_WITHIN));
        match select(pin!(addr.closed()), late).await {
            // What the actor said of itself tells more, but for a process that failed after a good end of its actor.
            Either::Left((reason, _)) if !reason.is_normal() || exit.is_normal() => reason,
            _ => exit,
        }
    }
}

async fn sleep(shared: &Arc<Shared>, time: Duration) {
    let nobody = WaitList::default();
    Deadline::new(shared, time)
        .until(&nobody, || None::<()>)
        .await;
}
