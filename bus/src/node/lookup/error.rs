//! Why a lookup found nothing, or nothing that fits.

use std::time::Duration;

use crate::error::NameError;
use crate::urings::wire::OpenRefusal;

/// A name was not found, or not as what it was looked up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// Nobody has the name.
    #[error("no actor named {name:?} on bus {bus:?} within {waited:?}{}", silent_text(.silent))]
    NotFound {
        /// The name.
        name: String,
        /// The bus.
        bus: String,
        /// How long the lookup had waited.
        waited: Duration,
        /// Nodes that were found and did not answer: the name may be theirs.
        silent: Vec<String>,
    },
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A queue has the name and an actor was wanted, or the other way round.
    #[error("{name:?} is {found}, not {wanted}")]
    WrongKind {
        /// The name.
        name: String,
        /// What has the name.
        found: &'static str,
        /// What was looked up.
        wanted: &'static str,
    },
    /// The queue is bound on the node that would connect to it.
    #[error("queue {name:?} is bound on this very node; a queue joins two nodes")]
    OwnQueue {
        /// The name.
        name: String,
    },
    /// An actor of this node has the name and handles all the messages, but is of another type of the program.
    #[error("{name:?} is of the type {found}, not {wanted}")]
    WrongType {
        /// The name.
        name: String,
        /// Its type.
        found: &'static str,
        /// The type that it was looked up as.
        wanted: &'static str,
    },
    /// The receiver's node refused to open a uring, or this node would have.
    #[error("{name:?} was found and refused: {refusal}")]
    Refused {
        /// The name.
        name: String,
        /// What its node said.
        refusal: OpenRefusal,
    },
    /// The name was found, and its node did not answer the request to open a uring.
    #[error("{name:?} was found, and its node {node:?} did not answer within {waited:?}")]
    Unanswered {
        /// The name.
        name: String,
        /// The node that has it.
        node: String,
        /// How long the lookup had waited.
        waited: Duration,
    },
}

fn silent_text(nodes: &[String]) -> String {
    if nodes.is_empty() {
        return String::new();
    }
    format!(" ({})", nodes.join(", "))
}
