//! What can go wrong with groups.

use thiserror::Error;

use crate::error::NameError;
use crate::node::SpawnError;

/// A group cannot be had, or joined.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GroupError {
    /// The name cannot be a group's, or the card of this node has no room for another entry. The group's name and the message's
    /// together have two bytes less than the longest name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The group is one of receivers of another message.
    #[error("group {group:?} is of {theirs:?} on node {node:?}, not of {ours:?}")]
    OtherType {
        /// The group.
        group: String,
        /// The message of this handle.
        ours: &'static str,
        /// That of a member.
        theirs: String,
        /// The member's node.
        node: String,
    },
    /// The group is one of receivers of a message of the same name with another layout.
    #[error("group {group:?} is of {message:?} on node {node:?} too, with another id or schema")]
    OtherSchema {
        /// The group.
        group: String,
        /// The message.
        message: &'static str,
        /// The member's node.
        node: String,
    },
    /// An actor joins on its own node.
    #[error("the actor runs on another node; it joins there")]
    Elsewhere,
    /// The actor has ended.
    #[error("the actor has ended")]
    Ended,
    /// The actor cannot be shown to other nodes.
    #[error(transparent)]
    Hidden(#[from] SpawnError),
}
