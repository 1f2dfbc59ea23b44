//! What stands for an actor while it lives, and a little longer: its mailbox, its inbox, and how it ended.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use ringway_shm::generation::Key;
use ringway_shm::sync::AtomicU32;
use ringway_shm::sync::Ordering::{AcqRel, Acquire};

use super::port::ReplyPort;
use super::{Accepts, Actor};
use crate::exit::ExitReason;
use crate::inbox::Inbox;
use crate::mailbox::{Mailbox, Overflow, Pushed, Refused};
use crate::message::{Message, Parcel};
use crate::remote::undelivered::Returns;
use crate::shared::{Living, Shared};
use crate::wait_list::{WaitKey, WaitList};

const RUNS: u32 = 0;
const STOPS: u32 = 1;
const DIES: u32 = 2;

/// The part of a cell that does not depend on the actor's type.
pub(crate) struct CellCore {
    shared: Arc<Shared>,
    number: u64,
    name: Option<String>,
    /// The actor's place in the registry, once peers may reach it.
    key: OnceLock<Key>,
    inbox: Arc<Inbox>,
    /// The control lane: what is asked of the actor, before any message.
    control: AtomicU32,
    why: Mutex<Option<ExitReason>>,
    /// Wakes the task in the middle of a handler, for a kill.
    task: OnceLock<Waker>,
    started: OnceLock<()>,
    outcome: OnceLock<ExitReason>,
    ended: WaitList,
    returns: Arc<Returns>,
}

/// An actor's cell: what its local addresses hold.
pub(crate) struct Cell<A: Actor> {
    core: CellCore,
    mailbox: Mailbox<A::Letters>,
}

/// What an actor is told on its control lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    Stop(ExitReason),
    Die(ExitReason),
}

impl CellCore {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn key(&self) -> Option<Key> {
        self.key.get().copied()
    }

    pub(crate) fn key_slot(&self) -> &OnceLock<Key> {
        &self.key
    }

    pub(crate) fn returns(&self) -> &Arc<Returns> {
        &self.returns
    }

    /// How the actor ended, if it has.
    pub(crate) fn outcome(&self) -> Option<&ExitReason> {
        self.outcome.get()
    }

    /// The start hook has succeeded.
    pub(super) fn publish_start(&self) {
        let _ = self.started.set(());
        self.ended.wake_all();
    }

    /// Waits until the start hook has succeeded, or for the end that came instead.
    pub(crate) fn poll_started(
        &self,
        key: &mut WaitKey,
        cx: &Context<'_>,
    ) -> Poll<Result<(), ExitReason>> {
        self.ended.register(key, cx);
        if self.started.get().is_some() {
            return Poll::Ready(Ok(()));
        }
        self.outcome()
            .map_or(Poll::Pending, |reason| Poll::Ready(Err(reason.clone())))
    }

    /// Waits for the end.
    pub(crate) fn poll_ended(&self, key: &mut WaitKey, cx: &Context<'_>) -> Poll<ExitReason> {
        if let Some(reason) = self.outcome() {
            return Poll::Ready(reason.clone());
        }
        self.ended.register(key, cx);
        match self.outcome() {
            Some(reason) => {
                self.ended.remove(key);
                Poll::Ready(reason.clone())
            }
            None => Poll::Pending,
        }
    }

    pub(crate) fn ended_list(&self) -> &WaitList {
        &self.ended
    }

    pub(super) fn told(&self) -> Told {
        // Acquire control-told: pairs with the swap in `tell_control`.
        match self.control.load(Acquire) {
            RUNS => Told::Nothing,
            word => {
                let why = self
                    .why
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                let why = why.unwrap_or(ExitReason::Stopped);
                if word == STOPS {
                    Told::Stop(why)
                } else {
                    Told::Die(why)
                }
            }
        }
    }

    /// Remembers the task's waker, once: it stays the same.
    pub(super) fn remember_task(&self, cx: &Context<'_>) {
        self.task.get_or_init(|| cx.waker().clone());
    }

    fn tell_control(&self, word: u32, reason: ExitReason) {
        {
            let mut why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
            if word == DIES {
                *why = Some(reason);
            } else {
                why.get_or_insert(reason);
            }
        }
        // AcqRel control-told: pairs with the load in `told`; a kill is not taken back by a later stop.
        self.control.fetch_max(word, AcqRel);
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    /// Asks for an orderly end before the next message.
    pub(crate) fn stop(&self, reason: ExitReason) {
        self.tell_control(STOPS, reason);
    }

    /// Ends the actor at the next `await` of its handler.
    pub(crate) fn kill(&self) {
        self.tell_control(DIES, ExitReason::Killed);
    }
}

impl<A: Actor> Cell<A> {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        name: Option<String>,
        capacity: usize,
        overflow: Overflow,
    ) -> Arc<Self> {
        let core = CellCore {
            shared: Arc::clone(shared),
            number: shared.number(),
            name,
            key: OnceLock::new(),
            inbox: Arc::new(Inbox::new(capacity, overflow)),
            control: AtomicU32::new(RUNS),
            why: Mutex::default(),
            task: OnceLock::new(),
            started: OnceLock::new(),
            outcome: OnceLock::new(),
            ended: WaitList::default(),
            returns: Returns::new(shared),
        };
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

    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.core.inbox
    }

    /// Messages dropped by the mailbox's policy so far, of this process and of others.
    pub(super) fn dropped(&self) -> u64 {
        self.mailbox.dropped() + self.core.inbox.dropped()
    }

    /// Publishes the end: what is queued goes back to its senders, the name is free, and all who wait are told.
    pub(super) fn publish_end(&self, reason: ExitReason) {
        let why = super::Undone::Ended(reason.clone());
        for letter in self.mailbox.close(reason.clone()) {
            A::give_back(letter, &why, &self.core.returns);
        }
        // Before the peers are told: who hears of the end may take the name over.
        self.core
            .shared
            .actor_ended(self.core.number, self.core.key());
        self.core.inbox.close(&reason);
        self.core.returns.end(&reason);
        let _ = self.core.outcome.set(reason);
        self.core.ended.wake_all();
        self.mailbox.room().wake_all();
    }
}

/// What a local address of some message type reaches: a cell of any actor that accepts it.
pub(crate) trait LocalRoute<M: Message + ?Sized>: Send + Sync {
    /// Queues a message; on refusal the parcel and the port come back.
    fn push(
        &self,
        parcel: Parcel<M>,
        port: ReplyPort<M>,
    ) -> Result<(), (Parcel<M>, ReplyPort<M>, Refused)>;
    fn core(&self) -> &CellCore;
    fn overflow(&self) -> Overflow;
    fn room(&self) -> &WaitList;
    fn make_reachable(self: Arc<Self>) -> Result<Key, crate::node::SpawnError>;
}

impl<A, M> LocalRoute<M> for Cell<A>
where
    A: Accepts<M>,
    M: Message + ?Sized,
{
    fn push(
        &self,
        parcel: Parcel<M>,
        port: ReplyPort<M>,
    ) -> Result<(), (Parcel<M>, ReplyPort<M>, Refused)> {
        let mut offered = Some((parcel, port));
        let pushed = self.mailbox.push(|| {
            let (parcel, port) = offered
                .take()
                .expect("once: `push` makes at most one letter");
            A::letter(parcel, port)
        });
        match (pushed, offered) {
            (Ok(Pushed::Queued), _) => Ok(()),
            (Ok(Pushed::Displaced(letter) | Pushed::Dropped(letter)), _) => {
                self.core.shared.count_undone(&super::Undone::Dropped);
                A::give_back(letter, &super::Undone::Dropped, &self.core.returns);
                Ok(())
            }
            (Err(refused), Some((parcel, port))) => Err((parcel, port, refused)),
            (Err(_), None) => Ok(()),
        }
    }

    fn core(&self) -> &CellCore {
        &self.core
    }

    fn overflow(&self) -> Overflow {
        self.mailbox.overflow()
    }

    fn room(&self) -> &WaitList {
        self.mailbox.room()
    }

    fn make_reachable(self: Arc<Self>) -> Result<Key, crate::node::SpawnError> {
        crate::node::make_reachable(&self)
    }
}

impl<A: Actor> Living for Cell<A> {
    fn end(&self, reason: ExitReason) {
        self.core.stop(reason);
    }

    fn kill(&self) {
        self.core.kill();
    }

    fn ended(&self) -> &WaitList {
        &self.core.ended
    }

    fn has_ended(&self) -> bool {
        self.core.outcome().is_some()
    }
}

impl std::fmt::Debug for CellCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CellCore")
            .field("number", &self.number)
            .field("name", &self.name)
            .field("outcome", &self.outcome.get())
            .finish_non_exhaustive()
    }
}
