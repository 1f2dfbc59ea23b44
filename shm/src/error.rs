//! What a peer can do wrong, and why an entry did not go in.

use thiserror::Error;

/// A peer broke the protocol: what its memory says cannot be.
///
/// A value, never a panic: whoever meets one counts it, blames that peer, and goes on without the word that it read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// A slot bears a stamp that is neither its next message's nor that of the lap before.
    #[error("the slot of position {position} bears stamp {found}, not {} or {empty}", position + 1)]
    Stamp {
        /// The position that the reader looked for.
        position: u64,
        /// The stamp of an empty slot at that position.
        empty: u64,
        /// The stamp found.
        found: u64,
    },
    /// A head went backwards, or passed entries that were never written.
    #[error("head {found} lies outside {floor}..={tail}")]
    Head {
        /// The head found.
        found: u64,
        /// The head last seen.
        floor: u64,
        /// The writer's own count.
        tail: u64,
    },
    /// A count of handled entries went backwards, or passed the count of taken ones.
    #[error("done {found} lies outside {floor}..={head}")]
    Done {
        /// The count found.
        found: u64,
        /// The count last seen.
        floor: u64,
        /// The head read after it.
        head: u64,
    },
    /// A slot of a broadcast lane bears a stamp that cannot be there when its reader comes.
    #[error("the slot of sample {sequence} bears stamp {found:#x}")]
    Sample {
        /// The sequence that the reader looked for.
        sequence: u64,
        /// The stamp found.
        found: u64,
    },
    /// A broadcast lane's newest sequence went backwards, or its slot does not bear it.
    #[error("newest sample {found} follows {floor} and is not in its slot")]
    Newest {
        /// The sequence found.
        found: u64,
        /// The sequence last seen.
        floor: u64,
    },
    /// A subscriber's cursor went backwards, or passed samples that were never published.
    #[error("cursor {found} lies outside {floor}..={newest}")]
    Cursor {
        /// The cursor found.
        found: u64,
        /// The cursor last seen.
        floor: u64,
        /// The publisher's newest sequence.
        newest: u64,
    },
    /// A subscriber claims a sample that it cannot have seen.
    #[error("claim {found} lies outside {}..={newest}", after + 1)]
    Claim {
        /// The sequence found.
        found: u64,
        /// The newest of the sequences that were gone when it joined.
        after: u64,
        /// The publisher's newest sequence.
        newest: u64,
    },
    /// A ready note that is not a key.
    #[error("note {found:#x} is no key")]
    Note {
        /// The note's bits.
        found: u64,
    },
    /// More ready notes than two per uring.
    #[error("{capacity} unread notes: more than two per uring")]
    Notes {
        /// The note ring's capacity.
        capacity: u64,
    },
    /// A word that must have one value has another.
    #[error("{name} is {found:#x}, not {expected:#x}")]
    Mismatch {
        /// The word's name.
        name: &'static str,
        /// What it should be.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// A word whose value means nothing.
    #[error("{name} is {found:#x}, which means nothing")]
    Meaningless {
        /// The word's name.
        name: &'static str,
        /// What it is.
        found: u64,
    },
    /// A record that is said to be where it cannot be.
    #[error("{name} needs {needed} bytes, aligned, in {len}")]
    Place {
        /// The record's name.
        name: &'static str,
        /// Bytes that it takes.
        needed: u64,
        /// Bytes of the span that it was said to fill.
        len: u64,
    },
}

/// Why an entry was not pushed. The entry is the caller's still: it was only borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PushError {
    /// Every slot holds an entry that the peer has not taken. May be untrue a moment later.
    #[error("all slots hold entries that the peer has not taken")]
    Full,
    /// There is room for a short entry, and none for the rest of this long one. May be untrue a moment later.
    #[error("the slots left over for the rests of long entries are taken")]
    Crowded,
    /// This end or the peer's was closed.
    #[error("the lane is closed")]
    Closed,
    /// The peer's head cannot be.
    #[error("the peer broke the protocol")]
    Peer(#[source] Violation),
}

impl From<Violation> for PushError {
    fn from(violation: Violation) -> Self {
        Self::Peer(violation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn texts_name_both_numbers() {
        let stamp = Violation::Stamp {
            position: 7,
            empty: 4,
            found: 99,
        };
        assert_eq!(
            stamp.to_string(),
            "the slot of position 7 bears stamp 99, not 8 or 4"
        );
        let head = Violation::Head {
            found: 9,
            floor: 2,
            tail: 6,
        };
        assert_eq!(head.to_string(), "head 9 lies outside 2..=6");
    }
}
