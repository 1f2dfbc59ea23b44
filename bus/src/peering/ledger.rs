//! What one peer has been told about our segments, and what it has answered: private books, one for each peer.
//!
//! Segments are announced and retired from any thread, in any order and more than once; the ledger makes of it one
//! announcement a segment, at most one retirement, and none of a segment that the peer never heard of.
//!
//! # Invariants
//! - **once**: a segment moves only forward, `Announced -> Acknowledged -> Retiring -> Retired`; its place forgets a
//!   generation only for a later one.

use std::collections::HashMap;

use ringway_shm::generation::Key;

use crate::frame::{SegmentKind, SegmentName};

/// How far a peer has come with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Announced,
    Acknowledged,
    /// Retired, and the peer has still to say that it unmapped it.
    Retiring,
    Retired,
}

/// What the owner owes when a segment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Parting {
    /// Tell the peer, and wait for its answer.
    Tell,
    /// The peer has been told, and its answer is awaited.
    Wait,
    /// The peer never heard of it, or has given it back.
    Nothing,
}

/// What an acknowledgement means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Acknowledged {
    /// From now on tokens may name the segment.
    Now,
    /// The segment was retired meanwhile.
    Late,
    /// The peer was not asked, or had said so.
    Bogus,
}

/// One peer's view of our segments.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    told: HashMap<(SegmentKind, u32), (Key, Told)>,
}

impl Ledger {
    /// Tells whether the segment is still to be announced, and notes that it is.
    #[must_use]
    pub(crate) fn announce(&mut self, name: SegmentName) -> bool {
        match self.told.get(&place(name)) {
            Some((known, _)) if !is_later(name.key(), *known) => false,
            _ => {
                self.told.insert(place(name), (name.key(), Told::Announced));
                true
            }
        }
    }

    /// Tells whether the peer still waits for an announcement that it could not follow.
    pub(crate) fn is_wanted(&self, name: SegmentName) -> bool {
        self.get(name) == Some(Told::Announced)
    }

    /// Notes that the peer mapped the segment.
    pub(crate) fn acknowledge(&mut self, name: SegmentName) -> Acknowledged {
        match self.get(name) {
            Some(Told::Announced) => {
                self.told
                    .insert(place(name), (name.key(), Told::Acknowledged));
                Acknowledged::Now
            }
            Some(Told::Retiring) => Acknowledged::Late,
            Some(Told::Acknowledged | Told::Retired) | None => Acknowledged::Bogus,
        }
    }

    /// Tells whether tokens may name the segment towards this peer.
    pub(crate) fn is_acknowledged(&self, name: SegmentName) -> bool {
        self.get(name) == Some(Told::Acknowledged)
    }

    /// Notes that the segment goes. Later announcements of it, which another thread may be about to make, do nothing.
    pub(crate) fn retire(&mut self, name: SegmentName) -> Parting {
        let (next, parting) = match self.get(name) {
            Some(Told::Announced | Told::Acknowledged) => (Told::Retiring, Parting::Tell),
            Some(Told::Retiring) => return Parting::Wait,
            Some(Told::Retired) => return Parting::Nothing,
            None => match self.told.get(&place(name)) {
                Some((known, _)) if is_later(*known, name.key()) => return Parting::Nothing,
                _ => (Told::Retired, Parting::Nothing),
            },
        };
        self.told.insert(place(name), (name.key(), next));
        parting
    }

    /// Notes that the peer unmapped the segment; `false` when it was not asked to, or had said so.
    #[must_use]
    pub(crate) fn retired(&mut self, name: SegmentName) -> bool {
        let is_due = self.get(name) == Some(Told::Retiring);
        if is_due {
            self.told.insert(place(name), (name.key(), Told::Retired));
        }
        is_due
    }

    fn get(&self, name: SegmentName) -> Option<Told> {
        self.told
            .get(&place(name))
            .filter(|(known, _)| *known == name.key())
            .map(|(_, told)| *told)
    }
}

fn place(name: SegmentName) -> (SegmentKind, u32) {
    (name.kind, name.key().index())
}

/// Whether `key` is of a later generation than `known`, at the same index.
fn is_later(key: Key, known: Key) -> bool {
    key.generation() > known.generation()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn life_of_a_segment_at_a_peer() {
        let (mut ledger, name) = (Ledger::default(), SegmentName::heap(Key::first(3)));
        let next = SegmentName::heap(name.key().next());
        assert_eq!(
            ledger.acknowledge(name),
            Acknowledged::Bogus,
            "never announced"
        );
        assert!(ledger.announce(name) && !ledger.announce(name));
        assert!(
            ledger.announce(SegmentName::ring(name.key())),
            "each kind has its own keys"
        );
        assert!(ledger.is_wanted(name) && !ledger.is_acknowledged(name));
        assert_eq!(ledger.acknowledge(name), Acknowledged::Now);
        assert_eq!(ledger.acknowledge(name), Acknowledged::Bogus);
        assert!(ledger.is_acknowledged(name) && !ledger.is_wanted(name));
        assert!(!ledger.retired(name), "not asked to");
        assert_eq!(
            [ledger.retire(name), ledger.retire(name)],
            [Parting::Tell, Parting::Wait]
        );
        assert!(!ledger.is_acknowledged(name));
        assert!(ledger.retired(name) && !ledger.retired(name));
        assert_eq!(ledger.retire(name), Parting::Nothing);
        assert!(ledger.announce(next));
        assert_eq!(
            ledger.acknowledge(name),
            Acknowledged::Bogus,
            "of the generation before"
        );
    }

    #[test]
    fn retirement_that_overtakes_the_announcement_wins() {
        let (mut ledger, name) = (Ledger::default(), SegmentName::heap(Key::first(3)));
        let next = SegmentName::heap(name.key().next());
        assert_eq!(ledger.retire(name), Parting::Nothing);
        assert!(!ledger.announce(name), "it is gone already");
        assert!(ledger.announce(next));
        assert_eq!(ledger.retire(name), Parting::Nothing, "the later one stays");
        assert_eq!(ledger.retire(next), Parting::Tell);
        assert_eq!(ledger.acknowledge(next), Acknowledged::Late, "they crossed");
    }
}
