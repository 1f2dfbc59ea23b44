//! The usual imports: `use ringway::prelude::*`. What a program derives, calls, and names in signatures and matches, its
//! errors included; builders and futures, which are seldom named, are at the crate's root. A name of the program's own
//! hides the one from here.

pub use ringway_macros::{Actor, Message, Schema};
pub use serde::{Deserialize, Serialize};

pub use crate::access::Access;
pub use crate::actor::{
    Accepts, Actor, Context, Deferred, Down, FromArgs, Handler, Hooks, LinkDown, MonitorId, PipeId,
    ReplyTo, StashError, StateMachine, TimerId, Undone,
};
pub use crate::addr::{ActorId, Addr, Recipient, WeakAddr, WeakRecipient};
pub use crate::config::{ConfigError, NodeConfig, Workers};
pub use crate::dead::{DeadLetter, DeadLetterCount, DeadReason};
pub use crate::directory::DirectoryError;
pub use crate::envelope::{Checked, Plain, Timed, Traced};
pub use crate::error::{AttachError, NameError};
pub use crate::exit::ExitReason;
pub use crate::groups::{Group, GroupChange, GroupError};
#[cfg(feature = "rkyv")]
pub use crate::lease::ArchivedLease;
pub use crate::lease::Lease;
pub use crate::loan::Loan;
pub use crate::mailbox::Overflow;
pub use crate::message::{
    BoxError, BytesMessage, CopyMessage, HandlerError, Message, Move, MoveMessage, Publish,
    PublishMessage, Schema, Serial, SerialMessage,
};
pub use crate::node::{LookupError, Node, PeerNode, SpawnError};
pub use crate::peering::NodeId;
pub use crate::pool::Pool;
pub use crate::priority::Priority::{self, High};
pub use crate::process::{ChildProcess, Output, Roles, SpawnProcessError};
pub use crate::queue::{BoundQueue, MessageQueue, QueueError, ReceiveError};
pub use crate::record::{PlayError, Player, RecordError, Recorder};
pub use crate::remote::undelivered::{Undelivered, UndeliveredStream};
pub use crate::send::{
    AskError, LoanError, NoQuorum, NoSuccessor, SendError, TellAllError, ask_all,
};
pub use crate::stop::StopLadder;
pub use crate::supervise::{
    Child, ChildInfo, ChildState, Restart, Strategy, SuperviseError, Supervisor, Tree,
};
pub use crate::topics::{
    AllSubscriber, AllTopics, Latest, NamedSample, PublishError, Publisher, Sample, Subscriber,
    Topic, TopicChange, TopicEndId, TopicError, TopicPattern,
};
pub use crate::urings::wire::OpenRefusal;
pub use futures_executor::block_on;
pub use futures_util::StreamExt;
pub use ringway_shm::heap::{HeapError, HeapStats};

pub use bits::{CheckedBitPattern, NoUninit, Pod, Zeroable};

/// bytemuck's traits with Ringway's derives, which need no `bytemuck` in the program's own dependencies: a name that is
/// imported by name (the derive) hides the one that comes with `*` (bytemuck's derive), but not the trait of the same name.
mod bits {
    pub use bytemuck::*;
    pub use ringway_macros::{CheckedBitPattern, NoUninit, Pod, Zeroable};
}

/// So many milliseconds.
pub const fn ms(milliseconds: u64) -> std::time::Duration {
    std::time::Duration::from_millis(milliseconds)
}

/// So many seconds.
pub const fn secs(seconds: u64) -> std::time::Duration {
    std::time::Duration::from_secs(seconds)
}
