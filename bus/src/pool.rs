//! Pools: many actors behind one address, each message to one of them.
//!
//! A pool is a list of addresses and a way to choose; it has no actor of its own, so a message goes straight to the member,
//! by that member's own queue or uring: a message that was taken has been begun, and what a dead member had not taken comes
//! back exactly. Of an ask, that goes to another member at once, as it had no effect.
//!
//! # Invariants
//! - **no-user-code**: addresses are cloned and dropped outside of the lock.

mod again;
mod choice;
mod send;

use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use ringway_shm::sync::Ordering::Relaxed;
use ringway_shm::sync::{AtomicU64, AtomicUsize};

use self::choice::{Choice, hash_of, heaviest};
pub use self::send::{PoolAsk, PoolTell};
use crate::actor::{Accepts, Actor};
use crate::addr::{Addr, Recipient};
use crate::groups::Group;
use crate::message::{Message, Sendable};
use crate::node::Node;
use crate::send::{AskAll, ask_all};
use crate::shared::{Shared, lock};

/// What a pool is made of: [`Addr`]s or [`Recipient`]s. Sealed.
pub trait PoolMember: Clone + Eq + Hash + Send + Sync + sealed::Member + 'static {}

impl<A: Actor> PoolMember for Addr<A> {}

impl<M: Message + ?Sized> PoolMember for Recipient<M> {}

/// A member that takes messages of type `M`.
#[diagnostic::on_unimplemented(
    message = "the members of this pool do not take `{M}`",
    note = "a pool of `Addr<A>` takes what `A` handles, a pool of `Recipient<M>` takes `M`"
)]
pub trait Takes<M: Message + ?Sized>: PoolMember {
    /// Its address for that.
    #[doc(hidden)]
    fn to_recipient(&self) -> Recipient<M>;
}

impl<A: Accepts<M>, M: Message + ?Sized> Takes<M> for Addr<A> {
    fn to_recipient(&self) -> Recipient<M> {
        self.recipient()
    }
}

impl<M: Message + ?Sized> Takes<M> for Recipient<M> {
    fn to_recipient(&self) -> Self {
        self.clone()
    }
}

mod sealed {
    use super::{Actor, Addr, Message, Recipient};

    pub trait Member: Sized {
        /// The life that it reaches now, and that one alone.
        #[doc(hidden)]
        fn life(&self) -> Option<Self>;
        /// Whether there may be another life after this one.
        #[doc(hidden)]
        fn comes_back(&self) -> bool;
        #[doc(hidden)]
        fn has_ended(&self) -> bool;
    }

    impl<A: Actor> Member for Addr<A> {
        fn life(&self) -> Option<Self> {
            self.living()
        }

        fn comes_back(&self) -> bool {
            self.follows().is_some()
        }

        fn has_ended(&self) -> bool {
            self.is_closed()
        }
    }

    impl<M: Message + ?Sized> Member for Recipient<M> {
        fn life(&self) -> Option<Self> {
            self.living()
        }

        fn comes_back(&self) -> bool {
            self.follows().is_some()
        }

        fn has_ended(&self) -> bool {
            self.is_closed()
        }
    }
}

/// One member, and what it has to do for this pool.
struct Member<T> {
    address: T,
    /// The life that was reached last: asking for it anew is a search for a name.
    life: Mutex<Option<T>>,
    /// Asks under way, and tells that wait for room.
    in_flight: AtomicUsize,
}

impl<T: PoolMember> Member<T> {
    fn new(address: T) -> Self {
        Self {
            address,
            life: Mutex::new(None),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// The life that there is now.
    fn life(&self) -> Option<T> {
        let known = lock(&self.life).clone();
        if let Some(known) = known
            && !known.has_ended()
        {
            return Some(known);
        }
        let life = self.address.life();
        let former = std::mem::replace(&mut *lock(&self.life), life.clone());
        drop(former); // outside of the lock
        life
    }
}

type Members<T> = Vec<Arc<Member<T>>>;

/// A pool's list, shared by its clones.
struct Inner<T> {
    shared: Arc<Shared>,
    choice: Choice,
    members: Mutex<Arc<Members<T>>>,
    /// Whose turn it is.
    turn: AtomicU64,
    /// Where its members are looked up, each time that one is chosen, if they come and go by themselves.
    source: Option<Source<T>>,
}

/// Tells the members that there are now.
type Source<T> = Box<dyn Fn() -> Vec<T> + Send + Sync>;

/// A pool of actors, wherever they run: each message goes to one of them. Cheap to clone; clones share their members.
///
/// Who is next is chosen in turn ([`round_robin`](Self::round_robin)), by the fewest messages under way
/// ([`least_loaded`](Self::least_loaded)), or, for one message, by its [`key`](PoolAsk::key).
///
/// A member that has ended is passed over. An address of one life leaves the pool then; one that follows a name or a
/// supervisor's child ([`Addr::follows`]) has its turns again with the next life. Others are [added](Self::add) when they come.
/// While there is nobody, messages wait, up to their deadlines.
///
/// An ask whose member ended before it took the message goes to another one, within the same deadline: it had no effect. One
/// that was taken may have had; the asker gets [`AskError::Died`](crate::AskError::Died). A tell is done when it is in a
/// member's mailbox; what comes back after that is on that member's [`undelivered`](crate::Addr::undelivered) stream. What is
/// [redelivered](PoolAsk::redeliver) goes to another member then, asked or told.
///
/// [`Group::round_robin`] and [`Group::least_loaded`] make a pool of a group, whose members come and go by themselves.
///
/// # Examples
///
/// ```
/// use ringway::prelude::*;
///
/// #[derive(Message, Clone, Copy, Pod, Zeroable)]
/// #[message(move, reply = u64)]
/// #[repr(C)]
/// struct Square(u64);
///
/// #[derive(Actor, Default)]
/// #[actor(handles(Square))]
/// struct Worker;
///
/// impl Handler<Square> for Worker {
///     async fn handle(&mut self, square: Square, _cx: &mut Context<Self>) -> u64 {
///         square.0 * square.0
///     }
/// }
///
/// # let directory = std::env::temp_dir().join(format!("ringway-doc-pool-{}", std::process::id()));
/// # let node = Node::attach(NodeConfig::on("demo").directory(&directory))?;
/// let workers = [node.spawn(Worker)?, node.spawn(Worker)?];
/// let pool = Pool::least_loaded(&node, workers);
/// # block_on(async {
/// assert_eq!(pool.ask(Square(12)).await?, 144);
/// assert_eq!(pool.ask(Square(5)).key("five").deadline(secs(1)).await?, 25);
/// # Ok::<_, Box<dyn std::error::Error>>(()) })?;
/// # drop(pool);
/// # drop(node);
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct Pool<T: PoolMember> {
    inner: Arc<Inner<T>>,
}

impl<T: PoolMember> Pool<T> {
    fn new(node: &Node, members: impl IntoIterator<Item = T>, choice: Choice) -> Self {
        let pool = Self::empty(node.shared(), choice, None);
        for member in members {
            let _is_new = pool.add(member);
        }
        pool
    }

    fn empty(shared: &Arc<Shared>, choice: Choice, source: Option<Source<T>>) -> Self {
        Self {
            inner: Arc::new(Inner {
                shared: Arc::clone(shared),
                choice,
                members: Mutex::default(),
                turn: AtomicU64::new(0),
                source,
            }),
        }
    }

    /// Makes a pool whose members have their turns one after the other. `node` is that of the senders.
    pub fn round_robin(node: &Node, members: impl IntoIterator<Item = T>) -> Self {
        Self::new(node, members, Choice::InTurn)
    }

    /// Makes a pool in which the next message goes to the member with the fewest under way: asks of this pool that are not
    /// answered, tells that wait for room, and what is redelivered until it is handled. Of several, to the one whose turn it is.
    ///
    /// What counts is what this pool and its clones have sent, wherever the members run: what others send them, from here or from
    /// other processes, is not known. Of several processes that send to the same members, each spreads its own messages evenly; a
    /// member that is slow for all gets less from each, as its answers come later.
    pub fn least_loaded(node: &Node, members: impl IntoIterator<Item = T>) -> Self {
        Self::new(node, members, Choice::LeastLoaded)
    }

    /// Adds a member; `false` if it is one already, or if the pool is that of a [group](crate::Group::least_loaded).
    pub fn add(&self, address: T) -> bool {
        if self.inner.source.is_some() {
            return false;
        }
        let is_new = self.inner.add(address);
        if is_new {
            // Those who wait for a member are on this list, as it is woken when the node leaves, too.
            self.inner.shared.changes.wake_all();
        }
        is_new
    }

    /// Takes a member out, which finishes what it has; `false` if it is none, or if the pool is that of a group.
    pub fn remove(&self, member: &T) -> bool {
        self.inner.source.is_none() && self.inner.remove(member)
    }

    /// Returns the members' addresses, but for those of lives that are known to be over.
    pub fn members(&self) -> Vec<T> {
        let members = self.inner.members();
        let stays = |it: &&Arc<Member<T>>| it.address.comes_back() || !it.address.has_ended();
        let living = members.iter().filter(stays);
        living.map(|it| it.address.clone()).collect()
    }

    /// Returns how many messages of this pool a member has under way; `None` for who is no member.
    pub fn in_flight(&self, member: &T) -> Option<usize> {
        let members = self.inner.members();
        let member = members.iter().find(|it| it.address == *member)?;
        // Relaxed: a count, which orders nothing.
        Some(member.in_flight.load(Relaxed))
    }

    /// Sends a message to one member; ready when it is in that one's mailbox.
    ///
    /// # Errors
    ///
    /// Every [`SendError`](crate::SendError) gives the message back.
    pub fn tell<S: Sendable>(&self, message: S) -> PoolTell<T, S>
    where
        T: Takes<S::Message>,
    {
        PoolTell::new(self.clone(), message)
    }

    /// Sends a message to one member and waits for its reply, up to a deadline of 5 s unless told otherwise.
    ///
    /// # Errors
    ///
    /// See [`AskError`](crate::AskError).
    pub fn ask<S: Sendable>(&self, message: S) -> PoolAsk<T, S>
    where
        T: Takes<S::Message>,
    {
        PoolAsk::new(self.clone(), message)
    }

    /// Asks every member there is now the same; see [`ask_all`].
    pub fn ask_all<M>(&self, message: M) -> AskAll<M>
    where
        M: Message<Value = M> + Clone,
        T: Takes<M>,
    {
        let members = self.inner.members();
        ask_all(members.iter().map(|it| it.address.to_recipient()), message)
    }
}

impl<T: PoolMember> Inner<T> {
    /// The members, of a group's pool those that there are now.
    fn members(&self) -> Arc<Members<T>> {
        let members = Arc::clone(&*lock(&self.members));
        let Some(source) = &self.source else {
            return members;
        };
        let now = source();
        let is_same = now.len() == members.len()
            && now
                .iter()
                .zip(members.iter())
                .all(|(it, member)| *it == member.address);
        if is_same {
            return members;
        }
        let member = |address: T| {
            // Those that stay keep their counts.
            let before = members.iter().find(|it| it.address == address);
            before.map_or_else(|| Arc::new(Member::new(address.clone())), Arc::clone)
        };
        let now = Arc::new(now.into_iter().map(member).collect::<Members<T>>());
        let former = std::mem::replace(&mut *lock(&self.members), Arc::clone(&now));
        drop((former, members)); // outside of the lock
        now
    }

    fn add(&self, address: T) -> bool {
        let member = Arc::new(Member::new(address));
        let former = self.change(|members| {
            let is_new = members.iter().all(|it| it.address != member.address);
            members.extend(is_new.then(|| Arc::clone(&member)));
            is_new
        });
        former.is_some()
    }

    /// Changes the list, unless `change` says that there is nothing to change; gives the former one, which is dropped outside
    /// of the lock.
    fn change(&self, change: impl FnOnce(&mut Members<T>) -> bool) -> Option<Arc<Members<T>>> {
        let mut members = lock(&self.members);
        let mut new = Members::clone(&members);
        if !change(&mut new) {
            return None;
        }
        Some(std::mem::replace(&mut *members, Arc::new(new)))
    }

    fn remove(&self, member: &T) -> bool {
        let former = self.change(|members| {
            let before = members.len();
            members.retain(|it| it.address != *member);
            members.len() < before
        });
        former.is_some()
    }

    /// Who gets the next message, and its address for that; `None` while there is nobody. If all have ended, one that may come
    /// back is waited for. Those that are `unreached` have not ended, as far as is known, and refuse what is sent to them.
    fn choose(&self, key: Option<u64>, unreached: &[T]) -> Option<Chosen<T>> {
        let members = self.members();
        let (mut living, mut absent) = (Vec::new(), Vec::new());
        for member in members.iter() {
            match member.life() {
                Some(life) if !unreached.contains(&life) => living.push((member, life)),
                _ if unreached.contains(&member.address) => {}
                _ if member.address.comes_back() => {
                    absent.push((member, member.address.clone()));
                }
                Some(_) => {}
                None => {
                    let _is_removed = self.remove(&member.address);
                }
            }
        }
        let present = if living.is_empty() { absent } else { living };
        let chosen = match (key, self.choice) {
            (Some(key), _) => heaviest(&present, |(it, _)| hash_of(&(key, &it.address)))?,
            (None, choice) => {
                // Relaxed: a turn; that two senders take the same one harms nobody.
                let turn = self.turn.fetch_add(1, Relaxed);
                choice.choose(&present, turn, |(it, _)| it.in_flight.load(Relaxed))?
            }
        };
        let (member, address) = chosen;
        Some(Chosen {
            member: Arc::clone(member),
            address: address.clone(),
        })
    }
}

/// The member that gets a message.
struct Chosen<T> {
    member: Arc<Member<T>>,
    address: T,
}

/// The hash of a key, the same in every process.
fn key_of(key: &(impl Hash + ?Sized)) -> u64 {
    hash_of(key)
}

impl<M: Message + ?Sized> Group<M> {
    /// Makes a pool of the group's members, on any nodes, who have their turns one after the other: who joins has its turns from
    /// then on, and who leaves or ends has none. While there is nobody, messages wait.
    ///
    /// Unlike the group's own [`ask`](Self::ask), what a member had not taken when it ended goes to another one, and what is sent
    /// may be chosen by [key](PoolAsk::key) or [redelivered](PoolAsk::redeliver).
    pub fn round_robin(&self) -> Pool<Recipient<M>> {
        self.pool(Choice::InTurn)
    }

    /// The same, each message to the member with the fewest of this pool's under way: see [`Pool::least_loaded`].
    pub fn least_loaded(&self) -> Pool<Recipient<M>> {
        self.pool(Choice::LeastLoaded)
    }

    fn pool(&self, choice: Choice) -> Pool<Recipient<M>> {
        let group = self.clone();
        let source = Box::new(move || group.members());
        Pool::empty(self.shared(), choice, Some(source))
    }
}

impl<T: PoolMember> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<T: PoolMember + fmt::Debug> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = self.inner.members();
        f.debug_list()
            .entries(members.iter().map(|it| &it.address))
            .finish()
    }
}
