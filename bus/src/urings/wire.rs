//! What two nodes say about their urings, inside frames of the peering.

use ringway_shm::generation::Key;
use serde::{Deserialize, Serialize};

use crate::envelope::EnvelopeKind;
use crate::exit::ExitReason;
use crate::frame::WireKey;
use crate::mailbox::Overflow;
use crate::message::{Description, Difference};
use crate::node::Carried;
use crate::number::Number;
use crate::priority::Priority;
use crate::topics::wire::TopicWord;

/// A place in one of the sender's ring segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) segment: WireKey,
    pub(crate) offset: u64,
}

/// What a target asks of who submits to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// The policy, which the submitter applies to what meets a full queue; where the completer may drop some, every entry
    /// has an op.
    pub(crate) overflow: Overflow,
    /// Entries that may lie untaken, at least one, if the queue has more slots.
    pub(crate) bound: u64,
    /// How often messages are to be sent again that a life of the target did not handle to their ends.
    pub(crate) redeliver: u32,
}

/// A type that a uring will carry, as its submitter knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CarriedType {
    pub(crate) id: u64,
    pub(crate) schema: u64,
    pub(crate) name: String,
}

/// What a uring is to be opened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum TargetKind {
    Actor,
    /// A queue of tokens in this envelope.
    Queue(EnvelopeKind),
}

/// The request to open a uring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenWord {
    pub(crate) uring: WireKey,
    /// What the receiver's node knows it by.
    pub(crate) target: Number,
    pub(crate) kind: TargetKind,
    /// Of all that will come by it.
    pub(crate) priority: Priority,
    pub(crate) types: Vec<CarriedType>,
    /// Exponents of two.
    pub(crate) sq: u8,
    pub(crate) cq: u8,
    pub(crate) place: Place,
    /// A larger note ring, for notes written after this is answered: its place, and its capacity's exponent.
    pub(crate) notes: Option<(Place, u8)>,
}

/// One thing said about a uring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum UringWord {
    Open(Box<OpenWord>),
    /// `notes_head` is where the offered note ring is read, if one was offered.
    Opened {
        uring: WireKey,
        place: Place,
        notes_head: Option<Place>,
        terms: Terms,
    },
    Refused {
        uring: WireKey,
        why: OpenRefusal,
    },
    Close {
        uring: WireKey,
    },
    Closed {
        uring: WireKey,
        reason: ExitReason,
    },
    Released {
        uring: WireKey,
    },
    /// A note that finds no place in a note ring.
    Look {
        uring: WireKey,
    },
    /// For the control lane of an actor.
    Control {
        target: Number,
        order: Order,
    },
    /// An actor has ended that `target` is linked to.
    Exit {
        target: Number,
        who: Number,
        reason: ExitReason,
    },
    /// Of a reply that the other node owes, by its number there.
    Owed {
        number: u64,
        word: OwedWord,
    },
    /// Of a subscriber and a publisher.
    Topic(TopicWord),
}

/// What a node says of a reply that it has been given to give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum OwedWord {
    /// It has it, after so many hops: with this node the answer ends.
    Held { hops: u32 },
    /// There is none, and this is why.
    Failed(String),
    /// There will be none.
    Unanswered,
}

impl UringWord {
    /// The uring that it is about, if it is about one; in the names of who answers for the opening, see `answers`.
    pub(crate) fn uring(&self) -> Option<WireKey> {
        match self {
            Self::Open(open) => Some(open.uring),
            Self::Opened { uring, .. }
            | Self::Refused { uring, .. }
            | Self::Close { uring }
            | Self::Closed { uring, .. }
            | Self::Released { uring }
            | Self::Look { uring } => Some(*uring),
            Self::Control { .. } | Self::Exit { .. } | Self::Owed { .. } | Self::Topic(_) => None,
        }
    }

    /// The places in the sender's ring segments that it names.
    pub(crate) fn places(&self) -> [Option<Place>; 2] {
        match self {
            Self::Open(open) => [Some(open.place), open.notes.map(|(place, _)| place)],
            Self::Opened {
                place, notes_head, ..
            } => [Some(*place), *notes_head],
            _ => [None, None],
        }
    }

    /// The uring of this node's that it answers, if it answers one.
    pub(crate) fn answers(&self) -> Option<Key> {
        match self {
            Self::Opened { uring, .. }
            | Self::Refused { uring, .. }
            | Self::Closed { uring, .. } => Some(uring.0),
            _ => None,
        }
    }
}

/// What can be asked of an actor's control lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    Stop,
    /// The same, as a part of something larger that ends.
    ShutDown,
    Kill,
    /// It is linked to an actor of the sender's node.
    Link {
        by: Number,
    },
    /// It is not any more.
    Unlink {
        by: Number,
    },
    /// A stop as soon as there is no message; as a part of something larger or not.
    Drain,
    DrainDown,
    /// The answer to `Unlink`: it has been heard, and all that was said of this link before.
    Unlinked {
        by: Number,
    },
}

/// Why a node would not open its half of a uring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum OpenRefusal {
    /// Nothing has that place in the registry any more.
    #[error("no such actor")]
    NoSuchActor,
    /// The receiver is an actor and a queue was wanted, or the other way round.
    #[error("it is of another kind")]
    WrongKind,
    /// The queue takes tokens in another envelope.
    #[error("its envelope is {theirs:?}, not {ours:?}")]
    WrongEnvelope {
        /// The sender's envelope.
        ours: EnvelopeKind,
        /// The queue's.
        theirs: EnvelopeKind,
    },
    /// The receiver does not handle this type.
    #[error("it does not handle {wanted:?}; it handles {handled:?}{}", and_more(*.more))]
    TypeNotHandled {
        /// The type that the sender wants to send.
        wanted: String,
        /// The types that the receiver handles, or the first of them.
        handled: Vec<String>,
        /// How many more it handles.
        more: u32,
    },
    /// Both sides know a type by the same id, with different names.
    #[error("type id {id:#x} means {theirs:?} there and {ours:?} here")]
    TypeClash {
        /// The id.
        id: u64,
        /// The sender's name for it.
        ours: String,
        /// The receiver's.
        theirs: String,
    },
    /// Both sides know the type, with different layouts.
    #[error("{}", mismatch(.theirs, .difference.as_deref()))]
    SchemaMismatch {
        /// The receiver's schema, in words.
        theirs: Box<Description>,
        /// How it differs from the sender's, as the sender found it: the first field, and what each side has.
        difference: Option<Box<Difference>>,
    },
    /// The address carries more types than one uring does.
    #[error(
        "an address carries at most {max} types of messages, not {types}: look it up as a recipient of one"
    )]
    TooManyTypes {
        /// How many types the sender's address has.
        types: usize,
        /// How many one uring carries.
        max: usize,
    },
    /// The receiver's node has no memory for its half.
    #[error("its node has no room for another uring: {0}")]
    NoRoom(String),
    /// The request made no sense.
    #[error("its node could not make sense of the request: {0}")]
    Malformed(String),
}

/// Handled types that a refusal names.
pub(super) const NAMED_MAX: usize = 32;

fn and_more(more: u32) -> String {
    if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    }
}

fn mismatch(theirs: &Description, difference: Option<&Difference>) -> String {
    match difference {
        Some(difference) => format!("its node has another schema: {difference}"),
        None => format!(
            "its node has another schema of {:?}: {:#x}",
            theirs.name(),
            theirs.hash()
        ),
    }
}

impl OpenRefusal {
    /// Finds out how the schema of the refusing node differs from the one that this node carries.
    pub(crate) fn compared(self, carried: &[Carried]) -> Self {
        let Self::SchemaMismatch { theirs, .. } = self else {
            return self;
        };
        let ours = carried
            .iter()
            .find(|it| it.id.to_bits() == theirs.type_id());
        let ours = ours.map(|it| Description::new(it.name, it.id, &it.schema));
        let difference = ours.and_then(|ours| ours.difference(&theirs)).map(Box::new);
        Self::SchemaMismatch { theirs, difference }
    }
}
