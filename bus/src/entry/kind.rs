//! What an entry wants or answers.

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum EntryKind {
    /// Submission: no answer wanted.
    Tell = 1,
    /// Submission: an answer is wanted before the deadline.
    Ask = 2,
    /// Submission: to the mailbox itself, not to its actor's handlers.
    Control = 3,
    /// Completion: the answer.
    Reply = 16,
    /// Completion: the block is back; there is no answer.
    Done = 17,
    /// Completion: the handler failed; the payload is its text.
    Failed = 18,
    /// Completion: the receiver does not take such a message; the payload is why.
    Refused = 19,
    /// Completion: the deadline had passed before the handler began.
    Expired = 20,
    /// Completion: the sender had given up before the handler began.
    Cancelled = 21,
    /// Completion: the handler did not come to its end; how its actor ended follows.
    Dropped = 22,
    /// Completion: the mailbox's policy dropped it before its handler began.
    Displaced = 23,
    /// Completion: its handler left the answer to another, who did not give it; the payload, if there is one, is how that
    /// one ended.
    Unanswered = 24,
}

impl EntryKind {
    /// The byte in an entry, without flags.
    #[inline]
    pub const fn to_bits(self) -> u8 {
        self as u8
    }

    /// The kind with this byte, if there is one.
    #[inline]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        let kind = match bits {
            1 => Self::Tell,
            2 => Self::Ask,
            3 => Self::Control,
            16 => Self::Reply,
            17 => Self::Done,
            18 => Self::Failed,
            19 => Self::Refused,
            20 => Self::Expired,
            21 => Self::Cancelled,
            22 => Self::Dropped,
            23 => Self::Displaced,
            24 => Self::Unanswered,
            _ => return None,
        };
        Some(kind)
    }

    /// Whether it travels on a completion queue.
    #[inline]
    pub const fn is_completion(self) -> bool {
        self.to_bits() >= 16
    }
}

#[cfg(test)]
mod tests {
    // Goal: bytes of a peer become kinds only where there is one, and leave the flags' bits free.
    use super::*;

    #[test]
    fn every_byte_round_trips_or_is_refused() {
        let known: Vec<_> = (0..=u8::MAX).filter_map(EntryKind::from_bits).collect();
        assert_eq!(known.len(), 12);
        assert!(
            known
                .iter()
                .all(|kind| EntryKind::from_bits(kind.to_bits()) == Some(*kind))
        );
        assert!(known.iter().all(|kind| kind.to_bits() < 0x40));
    }
}
