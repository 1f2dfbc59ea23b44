//! The heap's segments by key: in use, or on their way out while peers unmap them.
//!
//! A segment's index returns only when the segment is gone, and then with the next generation, so
//! that a late word about the old one is about nobody.

use super::HeapSegment;
use super::marks::{Marks, SEGMENTS_MAX};
use crate::generation::Key;
use crate::region::PeerRegion;
use crate::segment::OwnSegment;

/// Segments by index, with the marks of who has acknowledged them.
#[derive(Debug)]
pub(super) struct Table {
    slots: Vec<Slot>,
    vacant: Vec<u32>,
    bytes: u64,
}

#[derive(Debug)]
struct Slot {
    key: Key, // of the segment here, or of the last one
    state: State,
}

#[derive(Debug)]
enum State {
    Vacant,
    InUse(OwnSegment),
    Retiring(OwnSegment),
}

impl State {
    fn segment(&self) -> Option<&OwnSegment> {
        match self {
            Self::Vacant => None,
            Self::InUse(segment) | Self::Retiring(segment) => Some(segment),
        }
    }
}

/// A segment that nobody needs any more: dropping it unmaps it, so drop it outside of locks.
#[must_use]
#[derive(Debug)]
pub(super) struct Gone(#[expect(dead_code, reason = "held to be dropped")] OwnSegment);

impl Table {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            vacant: Vec::new(),
            bytes: 0,
        }
    }

    /// Bytes of all segments, retiring ones included: their memory is in use for as long.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of the segments in use.
    pub(super) fn bytes_in_use(&self) -> u64 {
        self.in_use().map(|(_, segment)| segment.len()).sum()
    }

    /// Bytes of the largest segment in use that has no more than `max`; 0 when there is none.
    pub(super) fn largest_up_to(&self, max: u64) -> u64 {
        let lengths = self.in_use().map(|(_, segment)| segment.len());
        lengths.filter(|&len| len <= max).max().unwrap_or(0)
    }

    /// How many segments are retiring.
    pub(super) fn retiring(&self) -> usize {
        self.slots
            .iter()
            .filter(|slot| matches!(slot.state, State::Retiring(_)))
            .count()
    }

    /// The segments in use, to be announced to a new peer.
    pub(super) fn in_use_now(&self) -> Vec<HeapSegment> {
        self.in_use()
            .map(|(key, segment)| HeapSegment {
                key,
                segment: segment.clone(),
            })
            .collect()
    }

    /// The segment of that key as its peers see it, if it is in use.
    pub(super) fn segment(&self, key: Key) -> Option<PeerRegion> {
        match &self.slot(key)?.state {
            State::InUse(segment) => Some(segment.region().read_only()),
            _ => None,
        }
    }

    /// Takes a segment in and gives it a key; `None` when all indices are in use.
    pub(super) fn insert(&mut self, segment: OwnSegment, marks: &Marks) -> Option<Key> {
        let key = self.next_key()?;
        marks.open(key);
        self.bytes += segment.len();
        self.slots[key.index() as usize] = Slot {
            key,
            state: State::InUse(segment),
        };
        Some(key)
    }

    /// Notes that a peer has mapped a segment. `false` when it is not in use (any more).
    pub(super) fn acknowledge(&mut self, key: Key, peer: u16, marks: &Marks) -> bool {
        let is_in_use = self
            .slot(key)
            .is_some_and(|slot| matches!(slot.state, State::InUse(_)));
        if is_in_use {
            marks.insert(key, peer);
        }
        is_in_use
    }

    /// Starts to retire the segment in use at `index`, and returns its key.
    pub(super) fn retire(&mut self, index: u32) -> Key {
        let slot = &mut self.slots[index as usize];
        slot.state = match std::mem::replace(&mut slot.state, State::Vacant) {
            State::InUse(segment) => State::Retiring(segment),
            other => other,
        };
        slot.key
    }

    /// Notes that `peer` has unmapped a segment. `None` when others have it mapped still, or when
    /// it is not retiring.
    pub(super) fn retired_by(&mut self, key: Key, peer: u16, marks: &Marks) -> Option<Gone> {
        let slot = self.slot(key)?;
        if !matches!(slot.state, State::Retiring(_)) {
            return None; // A peer unmaps what it likes; we go by what it acknowledged.
        }
        marks.remove(key, peer);
        self.take_unmapped(key, marks)
    }

    /// Forgets `peer` in all segments, and takes out those that wait for it alone.
    pub(super) fn forget_everywhere(&mut self, peer: u16, marks: &Marks) -> Vec<Gone> {
        let keys: Vec<Key> = self.present().collect();
        let forget = |key| {
            marks.remove(key, peer);
            self.take_unmapped(key, marks)
        };
        keys.into_iter().filter_map(forget).collect()
    }

    /// Takes the segment out when it is retiring and nobody has it mapped.
    pub(super) fn take_unmapped(&mut self, key: Key, marks: &Marks) -> Option<Gone> {
        let slot = self.slot(key)?;
        if !matches!(slot.state, State::Retiring(_)) || !marks.is_empty(key) {
            return None;
        }
        let slot = &mut self.slots[key.index() as usize];
        let State::Retiring(segment) = std::mem::replace(&mut slot.state, State::Vacant) else {
            return None;
        };
        self.bytes -= segment.len();
        self.vacant.push(key.index());
        Some(Gone(segment))
    }

    fn next_key(&mut self) -> Option<Key> {
        if let Some(index) = self.vacant.pop() {
            return Some(self.slots[index as usize].key.next());
        }
        let index = u32::try_from(self.slots.len())
            .ok()
            .filter(|&index| index < SEGMENTS_MAX)?;
        let key = Key::first(index);
        self.slots.push(Slot {
            key,
            state: State::Vacant,
        });
        Some(key)
    }

    fn present(&self) -> impl Iterator<Item = Key> {
        let present = self
            .slots
            .iter()
            .filter(|slot| slot.state.segment().is_some());
        present.map(|slot| slot.key)
    }

    fn in_use(&self) -> impl Iterator<Item = (Key, &OwnSegment)> {
        self.slots.iter().filter_map(|slot| match &slot.state {
            State::InUse(segment) => Some((slot.key, segment)),
            _ => None,
        })
    }

    /// The slot of a segment that is there under this very key.
    fn slot(&self, key: Key) -> Option<&Slot> {
        let slot = self.slots.get(key.index() as usize)?;
        (slot.key == key && slot.state.segment().is_some()).then_some(slot)
    }
}
