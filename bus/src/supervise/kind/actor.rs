//! Children that are actors of this process, or anything else that has a cell: a life is a cell, and over when that says so.

use std::any::type_name;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use super::{Begun, Boxed, Kind, Life, make};
use crate::actor::Actor;
use crate::actor::cell::Cell;
use crate::addr::Addr;
use crate::exit::ExitReason;
use crate::mailbox::Overflow;
use crate::node::Node;
use crate::node::lookup::Deadline;
use crate::process::with_causes;
use crate::shared::Shared;
use crate::supervise::board::{ChildType, Face};
use crate::wait_list::WaitKey;

/// Actors that a closure makes.
pub(in crate::supervise) struct Actors<F> {
    pub(in crate::supervise) make: F,
    pub(in crate::supervise) name: Option<String>,
    pub(in crate::supervise) mailbox: Option<usize>,
    pub(in crate::supervise) overflow: Overflow,
    pub(in crate::supervise) has_thread: bool,
    pub(in crate::supervise) redeliver: Option<u32>,
    pub(in crate::supervise) start_within: Duration,
}

impl<A: Actor, F: FnMut() -> A + Send> Kind for Actors<F> {
    fn begin(
        &mut self,
        shared: &Arc<Shared>,
        last: Option<&ExitReason>,
    ) -> Result<Begun, ExitReason> {
        let actor = make(&mut self.make)?;
        let mut builder = Node::of(shared)
            .actor(actor)
            .overflow(self.overflow)
            .redelivering(self.redeliver)
            .again(last.cloned());
        if let Some(name) = &self.name {
            builder = builder.name(name);
        }
        if let Some(capacity) = self.mailbox {
            builder = builder.mailbox(capacity);
        }
        if self.has_thread {
            builder = builder.own_thread();
        }
        let cell = builder
            .start()
            .map_err(|error| ExitReason::StartFailed(with_causes(&error)))?;
        let address = Addr::local(Arc::clone(&cell));
        let face = Face {
            actor: address.id(),
            address: Arc::new(address),
            pid: None,
        };
        let (life, within) = (Arc::new(CellLife(cell)), self.start_within);
        let (shared, starting) = (Arc::clone(shared), Arc::clone(&life));
        let ready = async move {
            let core = starting.0.core();
            let deadline = Deadline::new(&shared, within);
            match deadline
                .until(core.ended_list(), || core.start_result())
                .await
            {
                Some(started) => started.map(|()| face),
                None => {
                    core.kill(ExitReason::StopTimeout);
                    starting.ended().await;
                    let text = format!("it was not ready within {within:?}");
                    Err(ExitReason::StartFailed(text))
                }
            }
        };
        Ok(Begun {
            life,
            ready: Box::pin(ready),
        })
    }

    fn child_type(&self) -> ChildType {
        ChildType::Actor
    }

    fn bus_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn reached_as(&self) -> &'static str {
        type_name::<A>()
    }
}

/// A cell, as a life.
pub(super) struct CellLife<A: Actor>(pub(super) Arc<Cell<A>>);

impl<A: Actor> Life for CellLife<A> {
    fn drain(&self) {
        self.0.core().drain(ExitReason::Shutdown);
    }

    fn stop(&self) {
        self.0.core().stop(ExitReason::Shutdown);
    }

    fn kill(&self, reason: ExitReason) {
        self.0.core().kill(reason);
    }

    fn ended(self: Arc<Self>) -> Boxed<ExitReason> {
        let waiting = Waiting {
            life: self,
            key: WaitKey::default(),
        };
        Box::pin(waiting.ended())
    }
}

/// One who waits for the end, and leaves the list in any case.
struct Waiting<A: Actor> {
    life: Arc<CellLife<A>>,
    key: WaitKey,
}

impl<A: Actor> Waiting<A> {
    async fn ended(mut self) -> ExitReason {
        let core = Arc::clone(&self.life);
        poll_fn(|cx| core.0.core().poll_ended(&mut self.key, cx)).await
    }
}

impl<A: Actor> Drop for Waiting<A> {
    fn drop(&mut self) {
        if self.key.is_registered() {
            self.life.0.core().ended_list().remove(&mut self.key);
        }
    }
}
