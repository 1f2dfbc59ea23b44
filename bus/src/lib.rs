//! Actors and a message bus for the processes of one Linux host, over shared memory.
//!
//! A message is a typed struct. A process lends it to another through shared memory: nothing is serialized or copied that
//! need not be, any process may be killed at any instruction, and memory is written by its owner alone.
//!
//! ```text
//!   process A                                        process B
//!   +------------------+   submission queue (A's)    +------------------+
//!   | Addr<Counter> ---|---> [entry][entry][entry] --|--> Counter       |
//!   |                  |                             |                  |
//!   | reply        <---|---- [entry][entry]       <--|--- handle()      |
//!   |                  |   completion queue (B's)    |                  |
//!   | heap: blocks ....|.... read in place by B .....|.. Lease<Frame>   |
//!   +------------------+                             +------------------+
//! ```
//!
//! ```
//! use ringway::prelude::*;
//!
//! #[derive(Message, Clone, Copy, Pod, Zeroable)]
//! #[message(move, reply = u64)]
//! #[repr(C)]
//! struct Add {
//!     amount: u64,
//! }
//!
//! #[derive(Actor, Default)]
//! #[actor(handles(Add))]
//! struct Counter {
//!     total: u64,
//! }
//!
//! impl Handler<Add> for Counter {
//!     async fn handle(&mut self, add: Add, _cx: &mut Context<Self>) -> u64 {
//!         self.total += add.amount;
//!         self.total
//!     }
//! }
//!
//! # let directory = std::env::temp_dir().join(format!("ringway-doc-{}", std::process::id()));
//! # let config = NodeConfig::on("demo").directory(&directory);
//! let node = Node::attach(config)?; // or Node::attach("demo")
//! let counter = node.spawn(Counter::default())?;
//! block_on(async {
//!     counter.tell(Add { amount: 1 }).await?;
//!     assert_eq!(counter.ask(Add { amount: 41 }).await?, 42);
//!     Ok::<_, Box<dyn std::error::Error>>(())
//! })?;
//! # drop(node);
//! # std::fs::remove_dir_all(directory)?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! What becomes of a message when its receiver, or its sender, dies: `docs/when-things-die.md` in the repository, and the table in
//! `docs/fate.md`. In short: [`AskError::Died`], [`Addr::undelivered`], [`Ask::redeliver`], [`Node::dead_letters`].
//!
//! What it does not do: reach other hosts, keep messages on disk, or defend against a process that may `ptrace` it.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("ringway runs on 64-bit Linux only");

mod access;
mod actor;
mod addr;
mod blocking;
mod clock;
mod completion;
mod config;
mod control;
mod dead;
mod directory;
mod driver;
pub mod entry;
pub mod envelope;
mod error;
mod exit;
mod frame;
mod groups;
mod inbox;
pub mod lease;
pub mod loan;
mod mailbox;
pub mod message;
mod names;
mod node;
mod number;
mod peering;
mod pool;
pub mod prelude;
mod priority;
#[doc(hidden)]
pub mod private;
mod process;
pub mod queue;
pub mod record;
mod remote;
mod rings;
mod selector;
mod send;
mod shared;
mod signals;
mod stop;
mod supervise;
mod task;
#[cfg(feature = "test")]
pub mod test;
#[cfg(test)]
mod testing;
pub mod token;
mod topics;
mod trace;
mod urings;
mod wait_list;

pub use access::Access;
pub use actor::{
    Accepts, Actor, Cancelled, Context, Deferred, Down, FromArgs, Handler, Hooks, LinkDown,
    MonitorId, Monitored, PipeId, ReplyTo, StashError, StateMachine, TimerId, Undone,
};
pub use addr::{ActorId, Addr, Recipient, WeakAddr, WeakRecipient};
pub use config::{ConfigError, NodeConfig, Workers};
pub use dead::{DeadLetter, DeadLetterCount, DeadLetterStream, DeadReason};
pub use directory::DirectoryError;
pub use error::{AttachError, NameError};
pub use exit::ExitReason;
pub use groups::{Group, GroupChange, GroupError, GroupWatch};
pub use mailbox::Overflow;
pub use node::{
    ActorBuilder, Drive, Lookup, LookupError, Node, NodeStopped, PeerNode, Reachable, SpawnError,
    StopNode,
};
pub use peering::NodeId;
pub use pool::{Pool, PoolAsk, PoolMember, PoolTell, Takes};
pub use priority::Priority;
pub use process::{
    ArgsOf, ChildProcess, Given, NoArgs, Output, OutputLine, OutputStream, Roles, SpawnProcess,
    SpawnProcessError, Stage,
};
pub use remote::undelivered::{Undelivered, UndeliveredStream};
pub use rings::RingsError;
pub use ringway_shm::card::{Accounts, Identity, Imbalance};
pub use ringway_shm::heap::{Heap, HeapError, HeapStats};
pub use selector::{Selector, SourceId};
pub use send::{
    Answers, Ask, AskAll, AskError, Forward, LoanError, MemberAnswer, MessageId, NoQuorum,
    NoSuccessor, Redeliver, RedeliveredAsk, RedeliveredTell, SendError, Tell, TellAll,
    TellAllError, Unsent, ask_all,
};
/// What [`Roles::run`] returns and `main` hands on.
pub use std::process::ExitCode;
pub use stop::{StopLadder, StopStep, Stopped};
pub use supervise::{
    Change, Child, ChildCounts, ChildInfo, ChildKind, ChildState, ChildType, FindChild, OfActor,
    OfProcess, OfSupervisor, Restart, StartSupervisor, Strategy, SuperviseError, Supervisor, Tree,
};
pub use topics::{
    AllSubscriber, AllSubscriberBuilder, AllTopics, Blocking, Event, Latest, LatestBuilder,
    Listener, ListenerBuilder, NamedSample, Notice, Notifier, NotifierBuilder, PublishAll,
    PublishAllError, PublishError, Publisher, PublisherBuilder, Publishing, Sample, Subscriber,
    SubscriberBuilder, Topic, TopicChange, TopicChanges, TopicEndId, TopicError, TopicNameError,
    TopicPattern,
};
pub use urings::wire::OpenRefusal;

/// The version of serde that messages derive with: `#[serde(crate = "ringway::serde")]`.
pub use serde;

/// The version of rkyv that messages derive with: `#[rkyv(crate = ringway::rkyv)]`.
#[cfg(feature = "rkyv")]
pub use rkyv;

// Derived code names `::ringway`, also in here.
extern crate self as ringway;
