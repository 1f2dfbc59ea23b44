//! What two nodes say about the ends of topics, inside frames of the peering.
//!
//! ```text
//! subscriber's node                          publisher's node
//!    | Join { half, claims, .. }               |
//!    |---------------------------------------->|  between two publishes: the next one is the subscriber's
//!    |<----------------------------------------|  Joined { lane, after, .. }  or  Refused { why }
//!    | Listens { note }                        |  where it reads notes, if that was offered
//!    |---------------------------------------->|
//!    |               ... samples ...           |
//!    | Awaits { seen }                         |  from one that takes none: it is to be told of the next, once
//!    |---------------------------------------->|
//!    | Leaves                                  |  it reads nothing any more
//!    |---------------------------------------->|
//!    |<----------------------------------------|  Left: the half is not read any more
//! ```

use serde::{Deserialize, Serialize};

use crate::frame::WireKey;
use crate::number::Number;
use crate::urings::wire::{CarriedType, Place};

/// A subscriber and the publisher that it reads, each as its own node knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Pairing {
    pub(crate) subscriber: Number,
    pub(crate) publisher: Number,
}

/// What a subscriber does when it falls behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Behind {
    /// Publishers wait for it.
    Wait,
    /// It misses the oldest samples.
    DropOldest,
    /// It takes none, and looks for the newest when it likes.
    Newest,
}

/// The request to read a publisher's lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JoinWord {
    pub(crate) pairing: Pairing,
    pub(crate) carried: CarriedType,
    /// The subscriber's half.
    pub(crate) half: Place,
    /// Samples that it holds at a time, at most.
    pub(crate) claims: u16,
    /// Samples that may lie untaken.
    pub(crate) depth: u32,
    pub(crate) behind: Behind,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JoinedWord {
    pub(crate) pairing: Pairing,
    /// The publisher's lane, and the exponent of the number of its slots.
    pub(crate) lane: Place,
    pub(crate) slots: u8,
    /// Its samples say when they were published.
    pub(crate) is_timed: bool,
    /// The sequence behind which the subscriber begins.
    pub(crate) after: u64,
    /// What notes call this pairing, and a note ring with its capacity's exponent if there was no room in those before.
    pub(crate) note: WireKey,
    pub(crate) notes: Option<(Place, u8)>,
}

/// One thing said about a subscriber and a publisher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TopicWord {
    Join(Box<JoinWord>),
    Joined(Box<JoinedWord>),
    Refused {
        pairing: Pairing,
        why: JoinRefusal,
    },
    /// Where the note ring is read that came with the answer.
    Listens {
        note: WireKey,
        head: Place,
    },
    /// A subscriber that looks for the newest waits for one behind that of this sequence.
    Awaits {
        pairing: Pairing,
        seen: u64,
    },
    Leaves {
        pairing: Pairing,
    },
    Left {
        pairing: Pairing,
    },
    /// A subscriber to a pattern reads as many topics as it can, and this one not.
    Declines {
        pairing: Pairing,
    },
    /// What does this publisher publish? For who has no type for it.
    Describe {
        publisher: Number,
    },
    /// The answer: what a slot has room for, and the schema in words; nothing if there is no such publisher.
    Described {
        publisher: Number,
        pieces: u8,
        description: Vec<u8>,
    },
}

/// Why a publisher's node lets a subscriber not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum JoinRefusal {
    #[error("it has ended")]
    NoSuchPublisher,
    #[error("it publishes another message")]
    OtherMessage,
    #[error("no room: {0}")]
    NoRoom(String),
    #[error("the request, or the answer, made no sense")]
    Malformed,
}
