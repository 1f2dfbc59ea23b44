//! Dead letters: messages that were not handled, or not to their end, of which nobody else is told.
//!
//! A message that fails comes back where somebody waits for it: an ask's error, or an `undelivered()` stream. What nobody
//! waits for is a dead letter of the node that knows of it: the sender's for what came back, the receiver's for what only
//! that has seen. Each is counted once, by type and actor, and shown to those who listen at that moment.
//!
//! Costs nothing for messages that are handled. Nobody's lock is held while a listener is woken, or a message dropped.

mod books;
mod stream;

use std::fmt;
use std::sync::Arc;

pub(crate) use self::books::DeadLetters;
pub use self::stream::DeadLetterStream;
use crate::actor::{Accepted, Undone};
use crate::addr::ActorId;
use crate::exit::ExitReason;
use crate::message::{HandlerError, Message, Parcel, TypeId};
use crate::node::Carried;
use crate::peering::NodeId;
use crate::remote::undelivered::Shelf;

/// Why a message is a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeadReason {
    /// Its receiver ended first, and whoever sent it did not wait for what came back.
    #[error("the receiver ended: {0}")]
    Ended(ExitReason),
    /// The policy of a full mailbox dropped it.
    #[error("the receiver's mailbox dropped the message")]
    Dropped,
    /// Its deadline passed, or its sender gave it up, before its handler began.
    #[error("nobody wanted it any more when its turn came")]
    Unwanted,
    /// The receiver could not make sense of it.
    #[error("the receiver refused the message: {0}")]
    Refused(String),
    /// It was told, and its handler returned an error.
    #[error("the handler of a tell failed: {0}")]
    Failed(HandlerError),
    /// It was sent again as often as was allowed, and each time its receiver ended after it took the message.
    #[error(
        "the receiver ended each of {attempts} times after it took the message, at last: {reason}"
    )]
    Poisoned {
        /// How many handlers had begun.
        attempts: u32,
        /// How the last receiver ended.
        reason: ExitReason,
    },
    /// It was handled, and who had asked was not there any more for the reply.
    #[error("nobody waited for the reply")]
    ReplyUnread,
}

impl From<Undone> for DeadReason {
    fn from(why: Undone) -> Self {
        match why {
            Undone::Ended(reason) => Self::Ended(reason),
            Undone::Dropped => Self::Dropped,
            Undone::Expired | Undone::Cancelled => Self::Unwanted,
            Undone::Failed(error) => Self::Failed(error),
            Undone::Refused(text) => Self::Refused(text),
            Undone::Unanswered => Self::Failed(HandlerError::new(why.to_string())),
        }
    }
}

/// A message that was not handled, or not to its end, and that nobody else is told of.
///
/// Clones share the message: the first to [`take`](Self::take) it has it.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Why.
    pub reason: DeadReason,
    /// Whether its handler had begun. If not, it had no effect.
    pub taken: bool,
    /// The message's type; `None` for an entry that named none.
    pub type_id: Option<TypeId>,
    /// The name of that type, if this node knows it.
    pub type_name: Option<&'static str>,
    /// The actor that it was for.
    pub actor: ActorId,
    /// The name of that actor, if it has one on this node.
    pub name: Option<Arc<str>>,
    /// The node that sent it.
    pub sender: Option<NodeId>,
    /// Letters that this stream has missed since the one before, because nobody read them in time.
    pub missed_before: u64,
    shelf: Option<Shelf>,
}

impl DeadLetter {
    /// Takes the message, if it is of type `M` and still there: it is gone where its handler had begun in this process, or
    /// its bytes died with its receiver, and when another clone of this letter or a late
    /// [`undelivered`](crate::Addr::undelivered) stream had it first.
    pub fn take<M: Message + ?Sized>(&self) -> Option<Parcel<M>> {
        self.shelf.as_ref()?.take::<M>()?.message
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("reason", &self.reason)
            .field("taken", &self.taken)
            .field("type", &self.type_name)
            .field("actor", &self.actor)
            .field("name", &self.name)
            .field("sender", &self.sender)
            .field("missed_before", &self.missed_before)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.type_name, self.type_id) {
            (Some(name), _) => write!(f, "{name} to ")?,
            (None, Some(id)) => write!(f, "a message with type id {id} to ")?,
            (None, None) => f.write_str("an entry without type to ")?,
        }
        match &self.name {
            Some(name) => write!(f, "\"{name}\" ({:?}): {}", self.actor, self.reason),
            None => write!(f, "{:?}: {}", self.actor, self.reason),
        }
    }
}

/// How many dead letters of one type were for one actor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetterCount {
    /// The message's type; `None` for entries that named none.
    pub type_id: Option<TypeId>,
    /// The name of that type, if this node knows it.
    pub type_name: Option<&'static str>,
    /// The actor; `None` in the row of those that came when there were too many rows.
    pub actor: Option<ActorId>,
    /// The name of that actor, if it has one on this node.
    pub name: Option<Arc<str>>,
    /// How many.
    pub count: u64,
}

/// Whom messages were for, and what this node knows of their types.
#[derive(Clone, Debug)]
pub(crate) struct Whom {
    pub(crate) actor: ActorId,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) types: Types,
}

/// The types that a receiver handles, by name.
#[derive(Clone, Debug)]
pub(crate) enum Types {
    Accepted(&'static [Accepted]),
    Carried(Arc<[Carried]>),
}

impl Whom {
    fn name_of(&self, id: Option<TypeId>) -> Option<&'static str> {
        let id = id?;
        match &self.types {
            Types::Accepted(types) => types.iter().find(|it| it.id == id).map(|it| it.name),
            Types::Carried(types) => types.iter().find(|it| it.id == id).map(|it| it.name),
        }
    }

    /// A dead letter of a message to this receiver.
    pub(crate) fn letter(&self, type_id: Option<TypeId>, reason: DeadReason) -> DeadLetter {
        DeadLetter {
            reason,
            taken: false,
            type_id,
            type_name: self.name_of(type_id),
            actor: self.actor,
            name: self.name.clone(),
            sender: None,
            missed_before: 0,
            shelf: None,
        }
    }
}

impl DeadLetter {
    pub(crate) fn of<M: Message + ?Sized>(whom: &Whom, reason: DeadReason) -> Self {
        Self {
            type_name: Some(M::NAME),
            ..whom.letter(Some(M::TYPE_ID), reason)
        }
    }

    pub(crate) fn sent_by(self, sender: NodeId) -> Self {
        Self {
            sender: Some(sender),
            ..self
        }
    }

    /// Of a message whose handler had begun.
    pub(crate) fn taken(self) -> Self {
        Self {
            taken: true,
            ..self
        }
    }

    pub(crate) fn with(self, shelf: Shelf) -> Self {
        Self {
            shelf: Some(shelf),
            ..self
        }
    }
}
