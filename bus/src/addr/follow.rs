//! Addresses that follow a name: bound to one life of an actor as all addresses are, and, when that has ended, to the next.
//!
//! While the life that it reaches goes on, an address that follows costs what any other does. Only a send that finds that
//! life ended looks for the next one, by the address's [`Source`]: a name on the bus, or a child of a supervisor.
//!
//! A life that was reached is kept in a place that does not move, as futures borrow it; there are few places, so that little
//! of the dead is kept. An address that has used them all asks for the life each time, under a lock; its clones have new
//! places.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock};

use ringway_shm::sync::AtomicUsize;
use ringway_shm::sync::Ordering::{Acquire, Release};

use super::{ActorId, Addr, Recipient};
use crate::actor::{Accepts, Actor};
use crate::message::Message;
use crate::node::Reachable;
use crate::remote::undelivered::{Later, Returns};
use crate::send::{NoSuccessor, Way};
use crate::shared::{Shared, lock};
use crate::wait_list::WaitList;

/// Lives that one address can reach after its first one, before it asks for the life at each send.
const LIVES: usize = 3; // what is kept of a dead process may be a mapping

/// Lives of which what came back is kept for readers; what is older and was never read is dropped.
const RETURNS_MAX: usize = 8;

/// Where the next life is looked for.
pub(crate) trait Source<T>: Send + Sync {
    /// The life that there is now, other than the one that has ended; nothing while there is none.
    fn now(&self, ended: ActorId) -> Result<Option<T>, NoSuccessor>;
    /// The node that looks, while it is attached.
    fn shared(&self) -> Option<Arc<Shared>>;
    /// Woken when there may be another life.
    fn changes<'a>(&'a self, shared: &'a Shared) -> &'a WaitList;
    /// What is followed.
    fn followed(&self) -> &Followed;
}

/// What an address follows: what makes two that follow equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Followed {
    /// A name of a bus.
    Name { bus: String, name: String },
    /// A child without such a name, of this supervisor.
    Child { tree: ActorId, id: String },
}

impl Followed {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Name { name, .. } => name,
            Self::Child { id, .. } => id,
        }
    }

    /// The name by which any node of the bus can follow it.
    pub(super) fn bus_name(&self) -> Option<&str> {
        match self {
            Self::Name { name, .. } => Some(name),
            Self::Child { .. } => None,
        }
    }
}

/// What an address that follows has. Shared by its clones.
pub(super) struct Following<T> {
    /// An address of the first life alone.
    first: T,
    source: Arc<dyn Source<T>>,
    /// How many of `lives` there are: the last one is reached.
    reached: AtomicUsize,
    lives: [OnceLock<T>; LIVES],
    /// The life that was found last.
    found: Mutex<Option<T>>,
    /// What came back from the lives that were reached, the last ones.
    returns: Mutex<VecDeque<Arc<Returns>>>,
    /// Woken when another life was reached.
    moved: WaitList,
}

impl<T: Reachable + Clone> Following<T> {
    pub(super) fn new(first: T, source: Arc<dyn Source<T>>) -> Arc<Self> {
        Arc::new(Self {
            first,
            source,
            reached: AtomicUsize::new(0),
            lives: [const { OnceLock::new() }; LIVES],
            found: Mutex::default(),
            returns: Mutex::default(),
            moved: WaitList::default(),
        })
    }

    pub(super) fn source(&self) -> &Arc<dyn Source<T>> {
        &self.source
    }

    /// The first life.
    pub(super) fn first(&self) -> &T {
        &self.first
    }

    /// The life that was reached last: an address of it alone.
    #[inline]
    pub(super) fn reached(&self) -> &T {
        self.later_life().unwrap_or(&self.first)
    }

    #[inline]
    fn later_life(&self) -> Option<&T> {
        // Acquire life-reached: pairs with the store in `reach`, after which the life is there.
        match self.reached.load(Acquire) {
            0 => None,
            count => self.lives.get(count - 1)?.get(),
        }
    }

    /// Whether no place is left for another life.
    pub(super) fn is_used_up(&self) -> bool {
        // Acquire life-reached: as above; nothing is read by it.
        self.reached.load(Acquire) == LIVES
    }

    /// The life that there is now, other than the one that has ended.
    pub(super) fn now(&self, ended: ActorId) -> Result<Option<T>, NoSuccessor> {
        let is_next = |life: &T| life.actor() != ended && !life.is_over();
        let known = lock(&self.found).clone();
        if let Some(life) = known.filter(is_next) {
            return Ok(Some(life));
        }
        let life = self.source.now(ended)?;
        if life.is_some() {
            let before = std::mem::replace(&mut *lock(&self.found), life.clone());
            drop(before); // outside the lock: it may be the last address
        }
        Ok(life)
    }

    /// A send has reached this life: the next ones go there straight.
    fn reach(&self, actor: ActorId) {
        if let Some(life) = lock(&self.found).clone()
            && life.actor() == actor
        {
            self.keep_returns(life.returns());
        }
        let found = lock(&self.found);
        let Some(life) = found.as_ref().filter(|life| life.actor() == actor) else {
            return;
        };
        if self.later_life().is_some_and(|last| last.actor() == actor) {
            return;
        }
        // Acquire life-reached: only who has the lock stores it.
        let count = self.reached.load(Acquire);
        if let Some(place) = self.lives.get(count)
            && place.set(life.clone()).is_ok()
        {
            // Release life-reached: pairs with the load in `reached`.
            self.reached.store(count + 1, Release);
        }
    }
}

impl<T> Following<T> {
    fn keep_returns(&self, newest: Arc<Returns>) {
        let mut returns = lock(&self.returns);
        if returns.iter().any(|it| Arc::ptr_eq(it, &newest)) {
            return;
        }
        returns.push_back(newest);
        let oldest = (returns.len() > RETURNS_MAX).then(|| returns.pop_front());
        drop(returns);
        drop(oldest); // outside the lock: what was never read goes with it
        self.moved.wake_all();
    }
}

impl<T: Send + Sync> Later for Following<T> {
    fn after(&self, returns: &Arc<Returns>) -> Option<Arc<Returns>> {
        let later = lock(&self.returns);
        let place = later.iter().position(|it| Arc::ptr_eq(it, returns));
        later.get(place.map_or(0, |place| place + 1)).cloned()
    }

    fn moved(&self) -> &WaitList {
        &self.moved
    }

    fn is_over(&self) -> bool {
        let shared = self.source.shared();
        shared.is_none_or(|shared| shared.is_detaching())
    }
}

/// Where a message of type `M` goes when the life that an address reaches has ended.
pub(crate) trait Successors<M: Message + ?Sized>: Send + Sync {
    /// The way to the life that was reached last.
    fn way(&self) -> Way<'_, M>;
    /// See [`Source::now`].
    fn now(&self, ended: ActorId) -> Result<Option<Recipient<M>>, NoSuccessor>;
    /// A message got there.
    fn reach(&self, actor: ActorId);
    fn shared(&self) -> Option<Arc<Shared>>;
    fn changes<'a>(&'a self, shared: &'a Shared) -> &'a WaitList;
    /// What is followed, for errors.
    fn followed(&self) -> &str;
    /// The same, told from everything else.
    fn receiver(&self) -> Followed;
    /// The same for one who keeps it.
    fn own(&self) -> Arc<dyn Successors<M>>;
}

macro_rules! successors {
    ($([$($generics:tt)*] $address:ty: $to_recipient:expr;)+) => {$(
        impl<$($generics)*> Successors<M> for Following<$address> {
            fn way(&self) -> Way<'_, M> {
                self.reached().way()
            }

            fn now(&self, ended: ActorId) -> Result<Option<Recipient<M>>, NoSuccessor> {
                Ok(Self::now(self, ended)?.map($to_recipient))
            }

            fn reach(&self, actor: ActorId) {
                Self::reach(self, actor);
            }

            fn shared(&self) -> Option<Arc<Shared>> {
                self.source.shared()
            }

            fn changes<'a>(&'a self, shared: &'a Shared) -> &'a WaitList {
                self.source.changes(shared)
            }

            fn followed(&self) -> &str {
                self.source.followed().text()
            }

            fn receiver(&self) -> Followed {
                self.source.followed().clone()
            }

            fn own(&self) -> Arc<dyn Successors<M>> {
                Self::new(self.first.clone(), Arc::clone(&self.source))
            }
        }
    )+};
}

successors! {
    [A: Accepts<M>, M: Message + ?Sized] Addr<A>: |addr| addr.recipient();
    [M: Message + ?Sized] Recipient<M>: |recipient| recipient;
}

/// The lives that a source of addresses has, seen as recipients of one message.
pub(super) struct AsRecipients<A: Actor>(pub(super) Arc<dyn Source<Addr<A>>>);

impl<A: Accepts<M>, M: Message + ?Sized> Source<Recipient<M>> for AsRecipients<A> {
    fn now(&self, ended: ActorId) -> Result<Option<Recipient<M>>, NoSuccessor> {
        Ok(self.0.now(ended)?.map(|addr| addr.recipient()))
    }

    fn shared(&self) -> Option<Arc<Shared>> {
        self.0.shared()
    }

    fn changes<'a>(&'a self, shared: &'a Shared) -> &'a WaitList {
        self.0.changes(shared)
    }

    fn followed(&self) -> &Followed {
        self.0.followed()
    }
}

/// What two addresses are compared by.
pub(super) enum Identity<'a> {
    Actor(ActorId),
    Followed(&'a Followed),
}

impl PartialEq for Identity<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Actor(one), Self::Actor(other)) => one == other,
            (Self::Followed(one), Self::Followed(other)) => one == other,
            _ => false,
        }
    }
}

impl Hash for Identity<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Actor(actor) => actor.hash(state),
            Self::Followed(followed) => followed.hash(state),
        }
    }
}
