//! What stands for an actor while it lives, and a little longer: its mailbox, its inbox, and how it ended.

mod control;
#[cfg(feature = "test")]
mod crash;
mod end;
mod rare;
mod reach;
mod route;

use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::task::Waker;

use ringway_shm::once::OnceBox;
#[cfg(feature = "test")]
use ringway_shm::sync::AtomicBool;
use ringway_shm::sync::AtomicU32;
use ringway_shm::sync::Ordering::Relaxed;

pub(crate) use self::control::Told;
use self::rare::Rare;
pub(crate) use self::reach::Settled;
pub(crate) use self::route::LocalRoute;
use super::Actor;
use crate::dead::{Types, Whom};
use crate::exit::ExitReason;
use crate::inbox::Inbox;
use crate::mailbox::{Mailbox, Overflow};
use crate::number::Number;
use crate::shared::{CellOf, Living, Shared};
use crate::wait_list::WaitList;

/// The part of a cell that does not depend on the actor's type.
pub(crate) struct CellCore {
    shared: Arc<Shared>,
    number: Number,
    /// The actor's place among those that end with the node.
    place: AtomicU32,
    /// The control lane: what is asked of the actor, before any message.
    control: AtomicU32,
    /// Wakes the actor's task; set before anybody else has the cell.
    task: OnceLock<Waker>,
    /// What most actors never need; made on first use.
    rare: OnceBox<Rare>,
    /// A hook or handler has begun and not ended.
    #[cfg(feature = "test")]
    is_handling: AtomicBool,
    /// Messages until it panics; 0 for never.
    #[cfg(feature = "test")]
    crash: AtomicU32,
}

/// An actor's cell: what its local addresses hold.
pub(crate) struct Cell<A: Actor> {
    core: CellCore,
    mailbox: Mailbox<A::Letters>,
}

impl CellCore {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn number(&self) -> Number {
        self.number
    }
}

impl<A: Actor> Cell<A> {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        name: Option<String>,
        (capacity, overflow): (usize, Overflow),
        redeliver: u32,
    ) -> Arc<Self> {
        let core = CellCore {
            shared: Arc::clone(shared),
            number: shared.numbers.next(),
            place: AtomicU32::new(0),
            control: AtomicU32::new(0),
            task: OnceLock::new(),
            rare: OnceBox::new(),
            #[cfg(feature = "test")]
            is_handling: AtomicBool::new(false),
            #[cfg(feature = "test")]
            crash: AtomicU32::new(0),
        };
        if let Some(name) = name {
            let _ = core.rare().name.set(name);
        }
        if redeliver > 0 {
            let _ = core.rare().redeliver.set(redeliver);
        }
        Arc::new(Self {
            core,
            mailbox: Mailbox::new(capacity, overflow),
        })
    }

    pub(crate) fn core(&self) -> &CellCore {
        &self.core
    }

    pub(crate) fn mailbox(&self) -> &Mailbox<A::Letters> {
        &self.mailbox
    }

    /// Gives the cell its task's waker, and a place among those that end with the node.
    pub(crate) fn begin(&self, task: Waker, place: u32) {
        let _ = self.core.task.set(task);
        // Relaxed: set before the task runs.
        self.core.place.store(place, Relaxed);
    }

    /// The inbox, made if need be. It wakes the task whether or not that has looked at it before.
    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        let late = self.core.late();
        let inbox = self.core.rare().inbox.get_or_init(|| {
            let (capacity, overflow) = (self.mailbox.capacity(), self.mailbox.overflow());
            let whom = Whom {
                types: Types::Accepted(A::ACCEPTED),
                ..self.core.whom()
            };
            let inbox = Inbox::new(capacity, overflow, self.core.task.get(), whom);
            Arc::new(inbox.redelivering(self.core.redeliver()))
        });
        let ended = late.ended.clone();
        drop(late);
        if let Some(reason) = ended {
            inbox.close(&reason);
        }
        inbox
    }

    /// Messages dropped by the mailbox's policy so far, of this process and of others.
    pub(super) fn dropped(&self) -> u64 {
        let inbox = self.core.inbox_if_any();
        self.mailbox.dropped() + inbox.map_or(0, |inbox| inbox.dropped())
    }
}

impl<A: Actor> Living for Cell<A> {
    fn end(&self, reason: ExitReason) {
        self.core.stop(reason);
    }

    fn drain(&self, reason: ExitReason) {
        self.core.drain(reason);
    }

    fn kill(&self, reason: ExitReason) {
        self.core.kill(reason);
    }

    fn ended(&self) -> &WaitList {
        self.core.ended_list()
    }

    fn has_ended(&self) -> bool {
        self.core.outcome().is_some()
    }

    #[cfg(feature = "test")]
    fn is_at_rest(&self) -> bool {
        // Relaxed: see `note_handling`.
        !self.core.is_handling.load(Relaxed)
    }

    fn core(&self) -> &CellCore {
        &self.core
    }

    fn cell_of(self: Arc<Self>, number: Number) -> Option<CellOf> {
        let is_it = self.core.number == number;
        is_it.then_some((self as Arc<dyn Any + Send + Sync>, A::ACCEPTED))
    }
}

impl std::fmt::Debug for CellCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CellCore")
            .field("number", &self.number)
            .field("name", &self.name())
            .field("outcome", &self.outcome())
            .finish_non_exhaustive()
    }
}
