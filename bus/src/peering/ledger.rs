//! What one peer has been told about our segments, and what it has answered: private books, one for each peer.
//!
//! Segments are announced and retired from any thread, in any order and more than once; the ledger makes of it one
//! announcement a segment, at most one retirement, and none of a segment that the peer never heard of.
//!
//! # Invariants
//! - **once**: a segment moves only forward, `Announced -> Acknowledged -> Retiring -> Retired`, but for the way back from
//!   `Postponed` to `Announced`, which only this side goes; its place forgets a generation only for a later one.

use std::collections::HashMap;

use ringway_shm::generation::Key;

use crate::frame::{SegmentKind, SegmentName, WireKey};

/// How far a peer has come with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Announced,
    /// The peer could not map it, and is to be told again.
    Postponed,
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

/// What announcing a segment takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Announcing {
    /// Nothing: the peer knows, or the segment is gone already.
    Nothing,
    Tell,
    /// First retire the segment that stood in the same place, of which the peer has not heard that it went.
    TellAfter(SegmentName),
}

/// What a peer's answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Answer {
    /// It was waited for.
    Now,
    /// It crossed with a later word of ours, and means nothing any more.
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
    /// Notes that the segment is announced, and tells what that takes.
    pub(crate) fn announce(&mut self, name: SegmentName) -> Announcing {
        let before = self.told.get(&place(name)).copied();
        match before {
            Some((known, _)) if !is_later(name.key(), known) => return Announcing::Nothing,
            _ => {}
        }
        self.told.insert(place(name), (name.key(), Told::Announced));
        match before {
            Some((known, Told::Announced | Told::Postponed | Told::Acknowledged)) => {
                Announcing::TellAfter(SegmentName {
                    kind: name.kind,
                    key: WireKey(known),
                })
            }
            _ => Announcing::Tell,
        }
    }

    /// Notes that the peer could not map the segment, and is to be told again later.
    pub(crate) fn postpone(&mut self, name: SegmentName) -> Answer {
        match self.get(name) {
            Some(Told::Announced) => {
                self.told.insert(place(name), (name.key(), Told::Postponed));
                Answer::Now
            }
            Some(Told::Retiring) => Answer::Late,
            Some(_) => Answer::Bogus,
            None => self.late_or_bogus(name),
        }
    }

    /// Notes that a postponed segment is announced again; `false` when that is not wanted any more.
    #[must_use]
    pub(crate) fn announce_again(&mut self, name: SegmentName) -> bool {
        let is_wanted = self.get(name) == Some(Told::Postponed);
        if is_wanted {
            self.told.insert(place(name), (name.key(), Told::Announced));
        }
        is_wanted
    }

    /// Notes that the peer mapped the segment: from now on tokens may name it.
    pub(crate) fn acknowledge(&mut self, name: SegmentName) -> Answer {
        match self.get(name) {
            Some(Told::Announced) => {
                self.told
                    .insert(place(name), (name.key(), Told::Acknowledged));
                Answer::Now
            }
            Some(Told::Retiring) => Answer::Late,
            Some(_) => Answer::Bogus,
            None => self.late_or_bogus(name),
        }
    }

    /// Tells whether tokens may name the segment towards this peer.
    #[cfg(test)]
    pub(crate) fn is_acknowledged(&self, name: SegmentName) -> bool {
        self.get(name) == Some(Told::Acknowledged)
    }

    /// Notes that the segment goes. Later announcements of it, which another thread may be about to make, do nothing.
    pub(crate) fn retire(&mut self, name: SegmentName) -> Parting {
        let (next, parting) = match self.get(name) {
            Some(Told::Announced | Told::Postponed | Told::Acknowledged) => {
                (Told::Retiring, Parting::Tell)
            }
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

    /// Notes that the peer unmapped the segment.
    pub(crate) fn retired(&mut self, name: SegmentName) -> Answer {
        match self.get(name) {
            Some(Told::Retiring) => {
                self.told.insert(place(name), (name.key(), Told::Retired));
                Answer::Now
            }
            Some(_) => Answer::Bogus,
            None => self.late_or_bogus(name),
        }
    }

    /// A word about a segment that stood where a later one stands now is late; about any other, bogus.
    fn late_or_bogus(&self, name: SegmentName) -> Answer {
        match self.told.get(&place(name)) {
            Some((known, _)) if is_later(*known, name.key()) => Answer::Late,
            _ => Answer::Bogus,
        }
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
        assert_eq!(ledger.acknowledge(name), Answer::Bogus, "never announced");
        assert_eq!(
            [ledger.announce(name), ledger.announce(name)],
            [Announcing::Tell, Announcing::Nothing]
        );
        let ring = SegmentName::ring(name.key());
        assert_eq!(
            ledger.announce(ring),
            Announcing::Tell,
            "each kind has its own keys"
        );
        assert!(!ledger.is_acknowledged(name));
        assert_eq!(
            [ledger.acknowledge(name), ledger.acknowledge(name)],
            [Answer::Now, Answer::Bogus]
        );
        assert!(ledger.is_acknowledged(name));
        assert_eq!(ledger.retired(name), Answer::Bogus, "not asked to");
        assert_eq!(
            [ledger.retire(name), ledger.retire(name)],
            [Parting::Tell, Parting::Wait]
        );
        assert!(!ledger.is_acknowledged(name));
        assert_eq!(
            [ledger.retired(name), ledger.retired(name)],
            [Answer::Now, Answer::Bogus]
        );
        assert_eq!(ledger.retire(name), Parting::Nothing);
        assert_eq!(ledger.announce(next), Announcing::Tell);
        assert_eq!(
            ledger.acknowledge(name),
            Answer::Late,
            "of the generation before"
        );
        assert_eq!(ledger.acknowledge(next), Answer::Now);
    }

    #[test]
    fn a_postponed_segment_is_announced_again_once() {
        let (mut ledger, name) = (Ledger::default(), SegmentName::heap(Key::first(3)));
        assert_eq!(ledger.postpone(name), Answer::Bogus);
        let _ = ledger.announce(name);
        assert_eq!(
            [
                ledger.postpone(name),
                ledger.postpone(name),
                ledger.acknowledge(name)
            ],
            [Answer::Now, Answer::Bogus, Answer::Bogus]
        );
        assert_eq!(
            ledger.announce(name),
            Announcing::Nothing,
            "its time will come"
        );
        assert!(ledger.announce_again(name) && !ledger.announce_again(name));
        assert_eq!(ledger.postpone(name), Answer::Now);
        assert_eq!(ledger.retire(name), Parting::Tell);
        assert!(!ledger.announce_again(name));
    }

    #[test]
    fn retirement_that_overtakes_the_announcement_wins() {
        let (mut ledger, name) = (Ledger::default(), SegmentName::heap(Key::first(3)));
        let next = SegmentName::heap(name.key().next());
        assert_eq!(ledger.retire(name), Parting::Nothing);
        assert_eq!(
            ledger.announce(name),
            Announcing::Nothing,
            "it is gone already"
        );
        assert_eq!(ledger.announce(next), Announcing::Tell);
        assert_eq!(ledger.retire(name), Parting::Nothing, "the later one stays");
        assert_eq!(ledger.retire(next), Parting::Tell);
        assert_eq!(ledger.acknowledge(next), Answer::Late, "they crossed");
    }

    #[test]
    fn announcement_that_overtakes_a_retirement_retires_first() {
        // A segment that the peer has not acknowledged is not waited for: its place may have a new one at once.
        let (mut ledger, name) = (Ledger::default(), SegmentName::heap(Key::first(3)));
        let next = SegmentName::heap(name.key().next());
        assert_eq!(ledger.announce(name), Announcing::Tell);
        assert_eq!(ledger.announce(next), Announcing::TellAfter(name));
        assert_eq!(ledger.retire(name), Parting::Nothing);
        assert_eq!(
            [ledger.acknowledge(name), ledger.retired(name)],
            [Answer::Late, Answer::Late]
        );
        assert_eq!(ledger.acknowledge(next), Answer::Now);
    }
}
