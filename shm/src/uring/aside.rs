//! Entries that the completer has put aside: their handlers have ended, so `done` passes them, and are to run once more.
//!
//! An entry with an op stays open until its completion comes. One without is over for the submitter as soon as `done` has passed
//! it; so the completer says first that its end is still to come: which entry it was, and of which type, as the entry's slot may be
//! used again meanwhile. A completer that puts nothing aside writes nothing here, and nobody reads it before the completer's end.
//!
//! # If a side dies
//! | after… | the other finds | repaired by |
//! |---|---|---|
//! | the slot, before `done` | an entry that was taken, said twice | the submitter: what `done` has not passed it judges by that alone |
//! | `done` | an entry put aside | the submitter: it reports it as died after take |

use crate::layout::UringLayout;
use crate::region::{DefaultKeep, Keep, OwnRecord, OwnRecords, PeerRecord, PeerRecords, record};
use crate::sync::AtomicU64;
use crate::sync::Ordering::{Relaxed, Release};
use crate::uring::CompleterLine;

record! {
    /// One entry that was put aside.
    pub struct AsideSlot: size 16, align 8 {
        /// Its position plus one; 0 for none.
        pub(crate) taken: AtomicU64,
        /// The id of its type.
        pub(crate) type_id: AtomicU64,
    }
}

/// An entry that this side has put aside; to be [taken up](super::TakeEnd::take_up) once.
#[derive(Debug)]
#[must_use]
pub struct Aside(Option<usize>);

/// An entry that the completer says it has put aside: a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsideClaim {
    /// The entry's position.
    pub position: u64,
    /// The id of its type.
    pub type_id: u64,
}

/// The completer's own slots.
#[derive(Debug)]
pub(super) struct OwnAside<K = DefaultKeep> {
    slots: OwnRecords<AsideSlot, K>,
    used: u64, // a bit for each slot
    beyond: u64,
}

const _: () = assert!(UringLayout::ASIDE_MAX == u64::BITS as u64, "a bit for each");

impl<K: Keep> OwnAside<K> {
    pub(super) fn new(slots: OwnRecords<AsideSlot, K>) -> Self {
        Self {
            slots,
            used: 0,
            beyond: 0,
        }
    }

    /// Whether anything is aside.
    pub(super) fn is_empty(&self) -> bool {
        self.used == 0 && self.beyond == 0
    }

    pub(super) fn put(
        &mut self,
        position: u64,
        type_id: u64,
        line: &OwnRecord<CompleterLine, K>,
    ) -> Aside {
        let free = self.used.trailing_ones() as usize;
        let Some(slot) = self.slots.get(free) else {
            self.beyond += 1;
            // Release handled: this and the stores below come before that of `done`, which the submitter has read when it looks here.
            line.aside_beyond.store(self.beyond, Release);
            return Aside(None);
        };
        self.used |= 1 << free;
        slot.type_id.store(type_id, Relaxed); // Relaxed: the next store releases it.
        // Release aside: pairs with the load in `PeerAside::claims`.
        slot.taken.store(position + 1, Release);
        Aside(Some(free))
    }

    pub(super) fn take_up(&mut self, aside: Aside, line: &OwnRecord<CompleterLine, K>) {
        let Some(at) = aside.0 else {
            self.beyond -= 1;
            // Release aside: what its handler did comes before; pairs with the load in `PeerAside::beyond`.
            line.aside_beyond.store(self.beyond, Release);
            return;
        };
        self.used &= !(1 << at);
        // Release aside: as above.
        self.slots[at].taken.store(0, Release);
    }
}

/// The completer's slots, seen by the submitter.
#[derive(Debug)]
pub(super) struct PeerAside<K = DefaultKeep> {
    slots: PeerRecords<AsideSlot, K>,
}

impl<K: Keep> PeerAside<K> {
    pub(super) fn new(slots: PeerRecords<AsideSlot, K>) -> Self {
        Self { slots }
    }

    pub(super) fn claims(&self) -> impl Iterator<Item = AsideClaim> {
        (0..self.slots.len()).filter_map(|at| {
            let slot = self.slots.get(at)?;
            // Acquire aside: pairs with the stores in `OwnAside`.
            let position = slot.load_acquire(|slot| &slot.taken).checked_sub(1)?;
            let type_id = slot.load(|slot| &slot.type_id);
            Some(AsideClaim { position, type_id })
        })
    }

    pub(super) fn beyond(line: &PeerRecord<CompleterLine, K>) -> u64 {
        // Acquire aside: pairs with the stores in `OwnAside`.
        line.get().load_acquire(|line| &line.aside_beyond)
    }
}
