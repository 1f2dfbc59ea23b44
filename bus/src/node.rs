//! A node: this process on a bus.

mod builder;
mod detach;
mod drive;
pub(crate) mod lookup;
mod own_thread;
pub(crate) mod stop;
mod workers;

use std::future::Future;
use std::sync::Arc;
use std::thread::JoinHandle;

use ringway_shm::card::{Accounts, Counter};
use ringway_shm::heap::Heap;
use ringway_shm::sync::AtomicBool;

pub(crate) use self::builder::make_reachable;
pub use self::builder::{ActorBuilder, SpawnError};
pub use self::drive::Drive;
pub(crate) use self::lookup::Carried;
pub use self::lookup::{Lookup, LookupError, Reachable};
pub(crate) use self::own_thread::OwnThreads;
pub use self::stop::{NodeStopped, StopNode};
use crate::actor::Actor;
use crate::addr::Addr;
pub(crate) use crate::blocking::block_on;
use crate::config::NodeConfig;
use crate::control::Core;
use crate::dead::{DeadLetterCount, DeadLetterStream};
use crate::driver::Driver;
use crate::error::AttachError;
use crate::groups::{Group, GroupError};
use crate::message::Message;
use crate::peering::{NodeId, Peer, PeerState};
use crate::process;
use crate::shared::{Shared, UpperOf};
use crate::task::RunQueue;
use crate::topics::{AllTopics, Event, Topic, TopicError};

/// The stack of a thread that runs handlers: as a main thread's usually is. Messages and replies of many KiB lie on it by value,
/// and where nothing is optimized a dozen times over. Only what is touched is memory.
pub(crate) const STACK: usize = 8 << 20;

/// This process's place on a bus. Cheap to clone; the last clone that is dropped detaches.
///
/// Nodes found in handlers (`cx.node()`) do not keep the node attached.
#[derive(Clone)]
pub struct Node {
    shared: Arc<Shared>,
    /// Detaches when the last handle goes; none in handles that handlers got.
    _attached: Option<Arc<Attached>>,
}

/// Another node of the bus, as this one sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerNode {
    /// Identifies it.
    pub id: NodeId,
    /// Its name; need not be unique.
    pub name: String,
    /// Its process, in this process's pid namespace where it has a number there.
    pub pid: u32,
    /// The user that it runs as.
    pub uid: u32,
}

impl PeerNode {
    fn of(peer: &Peer) -> Self {
        let identity = peer.identity();
        Self {
            id: identity.id,
            name: identity.name.clone(),
            pid: identity.pid,
            uid: identity.uid,
        }
    }
}

/// Keeps a node attached.
struct Attached {
    shared: Arc<Shared>,
    stopped: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
}

impl Node {
    /// Joins the bus, or starts it: `Node::attach("demo")`, or with a [`NodeConfig`].
    ///
    /// Returns once the node can be found; it does not wait for its peers. [`lookup`](Self::lookup) does.
    ///
    /// # Errors
    ///
    /// See [`AttachError`].
    pub fn attach(config: impl Into<NodeConfig>) -> Result<Self, AttachError> {
        let mut config = config.into();
        config.role_taken |= process::is_role_taken();
        Self::join(config).map_err(AttachError::explained)
    }

    fn join(config: NodeConfig) -> Result<Self, AttachError> {
        let workers = config.workers;
        #[cfg(feature = "test")]
        let test_clock = config.test_clock.clone();
        let queue = RunQueue::create(workers.count()).map_err(AttachError::system)?;
        let shared = Shared::new(queue, config.node_clock());
        let core = Core::attach(config, Arc::new(UpperOf::new(&shared)), |core| {
            shared.set_core(Arc::clone(core))
        })?;
        drop(core);
        // From here on peers may know the node: what fails below leaves the bus again, with the workers started so far.
        let mut attached = Attached {
            shared: Arc::clone(&shared),
            stopped: Arc::new(AtomicBool::new(false)),
            workers: Vec::new(),
        };
        let driver = Driver::create(&shared).map_err(AttachError::system)?;
        attached.start_workers(driver, workers)?;
        #[cfg(feature = "test")]
        if let Some(clock) = test_clock {
            clock.add(&shared);
        }
        Ok(Self {
            shared,
            _attached: Some(Arc::new(attached)),
        })
    }

    pub(crate) fn of(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            _attached: None,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Identifies the node on its bus; never used again.
    pub fn id(&self) -> NodeId {
        self.shared.core().id()
    }

    /// Returns the node's name.
    pub fn name(&self) -> &str {
        self.shared.core().name()
    }

    /// Returns the heap from which this node lends.
    pub fn heap(&self) -> &Heap {
        self.shared.core().heap()
    }

    /// Returns the nodes that this one is connected to at the moment.
    pub fn peers(&self) -> Vec<PeerNode> {
        let peers = self.shared.core().peers();
        peers
            .iter()
            .filter(|peer| peer.state() == PeerState::Connected)
            .map(|peer| PeerNode::of(peer))
            .collect()
    }

    /// Returns how many messages were dropped on this node by the [`Overflow`](crate::Overflow) policies of full mailboxes:
    /// from the mailboxes of its actors, and, where the policy is to drop the newest, its own messages to actors of other
    /// nodes. Grows with time; each of them came back to its sender.
    pub fn dropped(&self) -> u64 {
        self.shared.core().counted(Counter::Dropped)
    }

    /// Adds up what has become of this node's messages to and from other nodes, and of its blocks; and posts it on the node's
    /// card, where others can read it ([`accounts_of`](Self::accounts_of)), also after its death.
    ///
    /// ```
    /// # use ringway::prelude::*;
    /// # let directory = std::env::temp_dir().join(format!("ringway-doc-accounts-{}", std::process::id()));
    /// # let node = Node::attach(NodeConfig::on("demo").directory(&directory))?;
    /// let accounts = node.accounts();
    /// accounts.check()?;                  // names what does not balance
    /// println!("{} sent, {} of them under way", accounts.sent, accounts.in_flight);
    /// # node.detach();
    /// # std::fs::remove_dir_all(directory)?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Cost: a look at every uring of the node, each under its lock. It costs nothing while nobody asks.
    pub fn accounts(&self) -> Accounts {
        self.shared.post_accounts()
    }

    /// Returns the accounts that another node has posted last, as it says: when a node has connected to it, when its program
    /// has asked for them, when it left. `None` for a node that this one does not know, and for one that was killed while
    /// it posted them.
    pub fn accounts_of(&self, node: NodeId) -> Option<Accounts> {
        let peers = self.shared.core().peers();
        let peer = peers.iter().find(|peer| peer.id() == node)?;
        peer.card().accounts()
    }

    /// Listens to the dead letters of this node from now on: messages that were not handled, or not to their end, of which
    /// nobody else is told. See [`DeadLetter`](crate::DeadLetter).
    ///
    /// Each node has its own: the sender's has what came back while nobody listened on
    /// [`undelivered`](crate::Addr::undelivered), or was lost with its last address; the receiver's has the tells whose
    /// handlers failed, what could not be read, and what senders left behind that are dead themselves.
    pub fn dead_letters(&self) -> DeadLetterStream {
        self.shared.dead.listen()
    }

    /// Returns the dead letters of this node so far, by type and actor, the most first; counted whether anybody listens or
    /// not. After 1024 rows, new actors are counted by type alone.
    pub fn dead_letter_counts(&self) -> Vec<DeadLetterCount> {
        self.shared.dead.counts()
    }

    /// Starts an actor with the defaults; see [`actor`](Self::actor) for a name and a mailbox of its own.
    ///
    /// # Errors
    ///
    /// The node is detached.
    pub fn spawn<A: Actor>(&self, actor: A) -> Result<Addr<A>, SpawnError> {
        self.actor(actor).spawn()
    }

    /// Prepares an actor: `node.actor(Counter::default()).name("counter").mailbox(64).spawn()?`.
    pub fn actor<A: Actor>(&self, actor: A) -> ActorBuilder<A> {
        ActorBuilder::new(&self.shared, actor)
    }

    /// Finds an actor by its name, on any node of the bus: as an `Addr<A>` or as a `Recipient<M>`.
    ///
    /// Waits until the name is there, up to a deadline ([`within`](Lookup::within), default 5 s). The address follows the name:
    /// when its actor has ended, what is sent goes to the one that has the name by then (see [`Addr`]).
    ///
    /// ```
    /// # use ringway::prelude::*;
    /// # #[derive(Actor)]
    /// # #[actor(handles(u32))]
    /// # struct Cache;
    /// # impl Handler<u32> for Cache {
    /// #     async fn handle(&mut self, _: u32, _cx: &mut Context<Self>) {}
    /// # }
    /// # let directory = std::env::temp_dir().join(format!("ringway-doc-lookup-{}", std::process::id()));
    /// # let node = Node::attach(NodeConfig::on("demo").directory(&directory))?;
    /// let first = node.actor(Cache).name("cache").spawn()?;
    /// let cache: Addr<Cache> = node.lookup("cache").wait()?;
    /// first.kill();
    /// block_on(first.closed());
    /// node.actor(Cache).name("cache").spawn()?;
    /// cache.ask(7).wait()?;                          // reaches the second one
    /// assert!(first.ask(7).wait().is_err());         // of one life
    /// assert!(cache.follows() == Some("cache") && cache.pinned().follows().is_none());
    /// # node.detach();
    /// # std::fs::remove_dir_all(directory)?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn lookup<T: Reachable>(&self, name: impl Into<String>) -> Lookup<T> {
        Lookup::new(&self.shared, name.into())
    }

    /// Returns the group of that name, whose members, of any nodes, receive `M`: see [`Group`].
    ///
    /// # Errors
    ///
    /// The name cannot be one; a node that this one is connected to has members of the group for another message.
    pub fn group<M: Message + ?Sized>(
        &self,
        name: impl AsRef<str>,
    ) -> Result<Group<M>, GroupError> {
        Group::open(&self.shared, name.as_ref())
    }

    /// Returns the topic of that name, into which any nodes publish `M`, and which any nodes subscribe to: see [`Topic`].
    ///
    /// # Errors
    ///
    /// The name cannot be one; a node that this one is connected to has publishers or subscribers of the topic for another message.
    pub fn topic<M: Message + ?Sized>(
        &self,
        name: impl AsRef<str>,
    ) -> Result<Topic<M>, TopicError> {
        Topic::open(&self.shared, name.as_ref())
    }

    /// Returns all topics of `M` whose names match a pattern, `robot/*/position` or `robot/**`, those that are there and those that
    /// come: see [`AllTopics`].
    ///
    /// # Errors
    ///
    /// The pattern cannot be one, or is too long.
    pub fn topics<M: Message + ?Sized>(
        &self,
        pattern: impl AsRef<str>,
    ) -> Result<AllTopics<M>, TopicError> {
        AllTopics::open(&self.shared, pattern.as_ref())
    }

    /// Returns the event of that name, of which any nodes notify, and to which any nodes listen: see [`Event`].
    ///
    /// # Errors
    ///
    /// The name cannot be one, or is that of a topic.
    pub fn event(&self, name: impl AsRef<str>) -> Result<Event, TopicError> {
        Event::open(&self.shared, name.as_ref())
    }

    /// Drives the node on this thread until `future` is ready, for nodes attached with
    /// [`Workers::Caller`](crate::Workers::Caller); on others this only blocks on the future.
    ///
    /// # Panics
    ///
    /// In a handler of this node, or in another call.
    pub fn run_until<F: Future>(&self, future: F) -> F::Output {
        block_on(Some(Arc::clone(&self.shared)), future)
    }

    /// Returns a future that drives a node attached with [`Workers::Caller`](crate::Workers::Caller) on the user's executor;
    /// it is never ready before the node detaches.
    pub fn drive(&self) -> Drive {
        Drive::new(&self.shared)
    }

    /// Stops the node's actors, gives back what it holds, says goodbye, and leaves the bus. Later calls do nothing.
    ///
    /// Blocks until the actors have stopped; what has not after 5 s is killed. Called by one of them, it does not wait.
    pub fn detach(&self) {
        self.shared.detach_now();
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.name())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
