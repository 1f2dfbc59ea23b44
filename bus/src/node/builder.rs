//! Starting actors: with a name, with a mailbox of a certain size.

use std::sync::{Arc, Weak};
use std::task::Waker;

use ringway_shm::registry::Kind;

use super::own_thread::{self, Bench};
use crate::actor::cell::{Cell, Settled};
use crate::actor::{Actor, are_kept, run};
use crate::addr::Addr;
use crate::error::NameError;
use crate::exit::ExitReason;
use crate::mailbox::Overflow;
use crate::names::Wanted;
use crate::shared::{Living, Shared, Target};
use crate::task::RunQueue;
use crate::urings::wire::TargetKind;

/// Letters that a local mailbox holds unless told otherwise, and as many as a uring holds entries.
const CAPACITY: usize = 128;

/// An actor about to be started.
#[must_use = "an actor runs once it is spawned"]
#[derive(Debug)]
pub struct ActorBuilder<A> {
    shared: Arc<Shared>,
    actor: A,
    name: Option<String>,
    capacity: usize,
    overflow: Overflow,
    has_thread: bool,
    redeliver: Option<u32>,
    last_exit: Option<ExitReason>,
}

/// An actor was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The node has left the bus, or is about to.
    #[error("the node is detached")]
    Detached,
    /// The name cannot be had.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The actor was to have a thread of its own, and the system has none.
    #[error("cannot start a thread for the actor")]
    NoThread(#[source] std::io::Error),
}

impl<A: Actor> ActorBuilder<A> {
    pub(super) fn new(shared: &Arc<Shared>, actor: A) -> Self {
        let shared = Arc::clone(shared);
        Self {
            shared,
            actor,
            name: None,
            capacity: CAPACITY,
            overflow: Overflow::Wait,
            has_thread: false,
            redeliver: None,
            last_exit: None,
        }
    }

    /// Gives the actor a name, unique on the bus, by which every node can look it up until it ends.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Bounds the mailbox; the default is 128 messages. All senders of this process share it. Every other process has a
    /// uring of its own with as much room, but for 128 entries at most; [`Overflow::DropOldest`] keeps 64 of one at most. What has
    /// high [`Priority`](crate::Priority) has as much room again.
    pub fn mailbox(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// Sets what happens to a message that meets a full mailbox; the default is that its sender waits.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Gives the actor a thread of its own, named as the actor is: its handlers may block, on files, on locks, or on the
    /// `wait()` of what they send, and hold up nobody but those that wait for them.
    ///
    /// It is stopped, killed and monitored like any other; a kill takes effect at the next `await` of the handler. The thread
    /// ends with the actor. When the node leaves, one that does not come back from a call is left behind, after 6 s.
    pub fn own_thread(mut self) -> Self {
        self.has_thread = true;
        self
    }

    /// Has every message to this actor [redelivered](crate::Ask::redeliver), up to `times` more often than once, as if each
    /// call had said so: each `tell` and `ask` by an address that follows, in any process, found by a lookup, a supervisor, or
    /// in a message. What a call says itself comes first, and [`Ask::once`](crate::Ask::once) leaves it out. `#[actor(redeliver =
    /// 3)]` sets it for all actors of a type; the default is that nothing is redelivered.
    ///
    /// Senders keep a copy of each message until it is handled: so all messages that the actor handles must be `Clone`, or read
    /// in place, which is checked when this is compiled. Not redelivered are what `try_tell` and `tell_all` send, what is
    /// forwarded, and what goes to groups and pools, whose members are addresses of one life. An address that came in a message
    /// and has not reached the actor yet does not know.
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

    /// Redelivers as a start says that has been checked.
    pub(crate) fn redelivering(mut self, times: Option<u32>) -> Self {
        self.redeliver = times;
        self
    }

    /// Says how the last life ended of what is started again.
    pub(crate) fn again(mut self, last_exit: Option<ExitReason>) -> Self {
        self.last_exit = last_exit;
        self
    }

    /// Starts the actor.
    ///
    /// # Errors
    ///
    /// The node is detached, the name is taken or not usable, or there is no thread for it.
    pub fn spawn(self) -> Result<Addr<A>, SpawnError> {
        self.start().map(Addr::local)
    }

    pub(crate) fn start(self) -> Result<Arc<Cell<A>>, SpawnError> {
        let Self {
            shared,
            actor,
            name,
            capacity,
            overflow,
            has_thread,
            redeliver,
            last_exit,
        } = self;
        if shared.is_detaching() {
            return Err(SpawnError::Detached);
        }
        let cell = Cell::<A>::new(
            &shared,
            name.clone(),
            (capacity, overflow),
            redeliver.unwrap_or(A::REDELIVER),
        );
        if let Some(last_exit) = last_exit {
            cell.core().is_again(last_exit);
        }
        if let Some(name) = name {
            let wanted = Wanted {
                name: &name,
                kind: Kind::Actor,
                number: cell.core().number(),
                type_hash: 0,
            };
            let prepare = || shared.add_target(wanted.number, target(&cell));
            let key = shared.core().claim(wanted, prepare)?;
            let settled = cell.core().settle(key);
            debug_assert_eq!(settled, Settled::Now, "nobody else has the cell");
            shared.changes.wake_all();
        }
        let living: Weak<dyn Living> = Arc::downgrade(&cell) as Weak<dyn Living>;
        let place = shared.add_living(living.clone());
        let life = run::run(Arc::clone(&cell), actor);
        if has_thread {
            let bench = Bench::new(&shared);
            cell.begin(Waker::from(Arc::clone(&bench)), place);
            let name = cell.core().name();
            if let Err(error) = own_thread::start(&shared, &bench, name, living, life) {
                cell.publish_end(ExitReason::StartFailed(error.to_string()));
                return Err(SpawnError::NoThread(error));
            }
            return Ok(cell);
        }
        let task = RunQueue::task(&shared.queue, life);
        cell.begin(task.waker(), place);
        task.schedule();
        Ok(cell)
    }
}

fn target<A: Actor>(cell: &Arc<Cell<A>>) -> Target {
    let living = Arc::downgrade(cell);
    let weak = Arc::downgrade(cell);
    Target {
        kind: TargetKind::Actor,
        called: std::any::type_name::<A>(),
        inbox: Arc::clone(cell.inbox()),
        accepted: A::ACCEPTED,
        cell: Some(weak),
        living: Some(living),
    }
}

/// Gives an actor a place in the registry, so that its address means something to other nodes. One that has ended needs
/// none: its number means nobody else.
pub(crate) fn make_reachable<A: Actor>(cell: &Arc<Cell<A>>) -> Result<(), SpawnError> {
    let core = cell.core();
    if core.is_settled() {
        return Ok(());
    }
    let shared = core.shared();
    let number = core.number();
    let prepare = || shared.add_target(number, target(cell));
    let key = shared.core().register(Kind::Actor, number, 0, prepare)?;
    match core.settle(key) {
        Settled::Now => {}
        // Another thread was faster: its key stands, and the target is the same.
        Settled::Before => shared.core().unregister(key),
        Settled::Ended => {
            shared.remove_target(number);
            shared.core().unregister(key);
        }
    }
    Ok(())
}
