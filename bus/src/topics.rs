//! Topics: many publishers and many subscribers of one name, in any processes.
//!
//! Every publisher has one broadcast lane, in its own memory, which all its subscribers read (`ringway_shm::broadcast`, and
//! `docs/topics.md`). Publishers and subscribers stand on their nodes' cards, as members of groups do; a subscriber asks each
//! publisher that it finds there to read its lane, on the peering's socket, and a publisher that is made waits for those that it
//! finds. From then on a sample takes no system call but the bell of one who sleeps.
//!
//! ```text
//!   Topic<M> ── Publisher<M> ── PublisherEnd ── lane, readers        (outlet.rs)
//!        └───── Subscriber<M> ─ SubscriberEnd ─ sources              (intake.rs)
//!                                                 └ Hold ─ Half      (half.rs)
//! ```
//!
//! # If a side dies
//! | who | the others find |
//! |---|---|
//! | a publisher's process | what it had published: its memory stays mapped until it was taken and its leases were dropped |
//! | a subscriber's process | one reader less, and its claims count no more |
//! | somebody who joins, before the answer | nothing: it has not joined; or a reader whose node is dead |

mod all;
mod changes;
mod ends;
mod error;
mod event;
mod half;
mod intake;
mod join;
mod label;
mod matching;
mod name;
mod outlet;
mod presence;
mod publish;
mod publish_all;
mod publisher;
pub(crate) mod raw;
mod shown;
mod slot;
mod subscriber;
mod topic;
pub(crate) mod wire;

pub use self::all::{AllSubscriber, AllSubscriberBuilder, AllTopics, NamedSample};
pub use self::changes::{TopicChange, TopicChanges};
pub(crate) use self::ends::Topics;
pub use self::error::{PublishError, TopicError};
pub use self::event::{Event, Listener, ListenerBuilder, Notice, Notifier, NotifierBuilder};
pub(crate) use self::intake::SubscriberEnd;
pub(crate) use self::join::{hear, seek_all};
pub use self::label::TopicEndId;
pub(crate) use self::label::{Label, ShownEnd};
pub use self::name::{TopicNameError, TopicPattern};
pub(crate) use self::outlet::{PublisherEnd, RoomLook};
pub use self::publish::Publishing;
pub use self::publish_all::{PublishAll, PublishAllError};
pub use self::publisher::{Publisher, PublisherBuilder};
pub(crate) use self::shown::EndsByLabel;
pub use self::subscriber::{
    Blocking, Latest, LatestBuilder, Sample, Subscriber, SubscriberBuilder,
};
pub use self::topic::Topic;
