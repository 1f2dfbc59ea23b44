//! What can go wrong with topics.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use super::label::TopicEndId;
use super::name::TopicNameError;
use crate::error::NameError;
use crate::rings::RingsError;
use crate::token::TokenizeCause;

/// A topic, or an end of one, cannot be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TopicError {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] TopicNameError),
    /// The topic is one of another message.
    #[error("topic {topic:?} is of {theirs:?} on node {node:?}, not of {ours:?}")]
    OtherMessage {
        /// The topic.
        topic: String,
        /// The message of this handle.
        ours: &'static str,
        /// That of the other.
        theirs: String,
        /// The other's node.
        node: String,
    },
    /// The topic is one of a message of the same name with another id or layout.
    #[error("topic {topic:?} is of {message:?} on node {node:?} too, with another id or schema")]
    OtherSchema {
        /// The topic.
        topic: String,
        /// The message.
        message: &'static str,
        /// The other's node.
        node: String,
    },
    /// The end cannot be shown to other nodes: the card of this one is full, or the node is detached.
    #[error(transparent)]
    Hidden(#[from] NameError),
    /// The node has no memory for a lane.
    #[error(transparent)]
    NoRoom(#[from] RingsError),
    /// Not all ends of the topic on other nodes, or not all nodes, answered in time.
    #[error("topic {topic:?}: no answer within {waited:?} from {}", .silent.join(", "))]
    Unanswered {
        /// The topic.
        topic: String,
        /// How long it was waited for.
        waited: Duration,
        /// Who did not answer, with what is known of it.
        silent: Vec<String>,
    },
    /// A publisher would not be read.
    #[error("topic {topic:?}: publisher {publisher:?} cannot be read: {why}")]
    Refused {
        /// The topic.
        topic: String,
        /// The publisher.
        publisher: TopicEndId,
        /// What its node said.
        why: String,
    },
    /// A topic matches a pattern, and the subscriber reads as many others as it may. It is read once another has ended.
    #[error("topic {topic:?} matches {pattern:?}, which reads {limit} others already")]
    TooMany {
        /// The topic.
        topic: String,
        /// The pattern.
        pattern: String,
        /// The most topics that the subscriber reads.
        limit: usize,
    },
    /// The node is detached.
    #[error("the node is detached")]
    Detached,
}

/// A sample that was not published; it comes back.
#[non_exhaustive]
pub enum PublishError<S> {
    /// A subscriber that is waited for has no room.
    Full {
        /// The message.
        message: S,
    },
    /// None of them, or of the blocks that subscribers read, came free before the deadline.
    Deadline {
        /// The message.
        message: S,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The message found no place in the heap, or cannot be encoded.
    Unpacked {
        /// The message.
        message: S,
        /// Why.
        cause: TokenizeCause,
    },
    /// The node is detached.
    Detached {
        /// The message.
        message: S,
    },
}

impl<S> PublishError<S> {
    /// Returns the message.
    pub fn into_inner(self) -> S {
        match self {
            Self::Full { message }
            | Self::Deadline { message, .. }
            | Self::Unpacked { message, .. }
            | Self::Detached { message } => message,
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { .. } => f.write_str("a subscriber that is waited for has no room"),
            Self::Deadline { waited, .. } => write!(f, "no room for a sample within {waited:?}"),
            Self::Unpacked { cause, .. } => fmt::Display::fmt(cause, f),
            Self::Detached { .. } => f.write_str("the node is detached"),
        }
    }
}

impl<S> fmt::Display for PublishError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(f)
    }
}

impl<S> fmt::Debug for PublishError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Full { .. } => "Full",
            Self::Deadline { .. } => "Deadline",
            Self::Unpacked { .. } => "Unpacked",
            Self::Detached { .. } => "Detached",
        };
        write!(f, "PublishError::{name}(")?;
        self.describe(f)?;
        f.write_str(")")
    }
}

impl<S> std::error::Error for PublishError<S> {}
