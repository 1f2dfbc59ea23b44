//! One entry of the registry: a state word with its generation (see `state.rs`), and what it stands for.
//!
//! The state word is also what makes a copy sound, as in a sequence lock: fields change only while
//! it says ALLOCATING, so a reader that finds the same ACTIVE or MARKED word before and after
//! copying has a copy of that generation.
//!
//! # Invariants
//! - **one-writer**: all words are written by the owner alone, under the lock of its books.
//! - **still**: kind, type and name are written only under ALLOCATING. References and detail
//!   are single words that change at any time and stand for themselves.
//! # Edges
//! | edge | released by | acquired by | publishes |
//! |---|---|---|---|
//! | entry-filled | `show`: store of the state | `copy`: first load of the state | the fields |
//! | entry-reopened | `reopen`: fence after the store of the state | `copy`: fence before the second load | that they change |
//! # If a side dies
//! | after… | the other finds | repaired by |
//! |---|---|---|
//! | any store of the owner | an entry of a dead node, perhaps ALLOCATING for ever | nobody: readers drop the whole card |

use super::name::{Label, Name, RawName};
use super::state::{State, StateWord};
use crate::error::Violation;
use crate::generation::Key;
use crate::mutant::{Mutant, release_unless, under};
use crate::region::{ReadOnly, record};
use crate::sync::Ordering::{self, Acquire, Relaxed, Release};
use crate::sync::{AtomicU64, fence, spin_loop};

const COPIES_MAX: usize = 8; // an entry that changes faster than it is copied is left for next time

record! {
    /// An entry in shared memory.
    pub(crate) struct Entry: size 192, align 64 {
        state: AtomicU64, // a StateWord
        kind: AtomicU64,
        type_hash: AtomicU64,
        references: AtomicU64,
        detail: AtomicU64,
        label: Label,
    }
}

/// What an entry stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Kind {
    /// An actor that other nodes may open urings to. Its name is unique on the node.
    Actor = 1,
    /// A queue of the low-level interface, likewise.
    Queue = 2,
    /// A uring that this node completes.
    Uring = 3,
    /// A ring or heap segment.
    Segment = 4,
    /// A publisher or subscriber; its name is the topic's, which it may share.
    TopicEnd = 5,
    /// A member of a group; its name is the group's, which it shares with the others.
    Member = 6,
}

impl Kind {
    /// Reports whether only one entry of such kinds may bear a name.
    #[must_use]
    pub const fn is_unique(self) -> bool {
        matches!(self, Self::Actor | Self::Queue)
    }

    fn from_bits(bits: u64) -> Option<Self> {
        [
            Self::Actor,
            Self::Queue,
            Self::Uring,
            Self::Segment,
            Self::TopicEnd,
            Self::Member,
        ]
        .into_iter()
        .find(|&kind| kind as u64 == bits)
    }
}

/// A published entry, copied out and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// Its token: index and generation.
    pub key: Key,
    /// [`State::Active`] or [`State::MarkedForDeletion`].
    pub state: State,
    /// What it stands for.
    pub kind: Kind,
    /// Its name; empty when it has none.
    pub name: Name,
    /// A hash of the types it takes; what is hashed is up to the kind.
    pub type_hash: u64,
    /// How many references the owner counts.
    pub references: u64,
    /// A word whose meaning is up to the kind; it may change at any time.
    pub detail: u64,
}

/// The owner's side. Called under the lock of its books.
impl Entry {
    /// The state, as the owner left it.
    pub(crate) fn word(&self) -> StateWord {
        StateWord(self.state.load(Relaxed)) // Relaxed: one-writer, this side
    }

    /// FREE to ALLOCATING, with the next generation. Fields may be written from here on.
    #[must_use]
    pub(crate) fn transition_to_allocating(&self) -> Option<StateWord> {
        let word = self.word().after(State::Allocating)?;
        self.reopen(word);
        Some(word)
    }

    /// ALLOCATING to ACTIVE.
    #[must_use]
    pub(crate) fn transition_to_active(&self) -> Option<StateWord> {
        self.transition(State::Active)
    }

    /// ALLOCATING or ACTIVE to MARKED_FOR_DELETION. The fields stay.
    #[must_use]
    pub(crate) fn transition_to_marked(&self) -> Option<StateWord> {
        self.transition(State::MarkedForDeletion)
    }

    /// MARKED_FOR_DELETION to FREE.
    #[must_use]
    pub(crate) fn transition_to_free(&self) -> Option<StateWord> {
        self.transition(State::Free)
    }

    fn transition(&self, to: State) -> Option<StateWord> {
        let word = self.word().after(to)?;
        self.show(word);
        Some(word)
    }

    fn reopen(&self, word: StateWord) {
        self.state.store(word.0, Relaxed);
        // Release entry-reopened: pairs with the Acquire fence in `copy`: whoever has read a field
        // that is written below, finds at least this state afterwards.
        fence_unless(Release, Mutant::NoFenceAfterReopening);
    }

    fn show(&self, word: StateWord) {
        // Release entry-filled: pairs with the first, acquiring load of the state in `copy`.
        self.state
            .store(word.0, release_unless(Mutant::EntryRelaxed));
    }

    /// Fills the entry. still: the caller has just made it ALLOCATING.
    pub(crate) fn fill(&self, kind: Kind, name: &Name, type_hash: u64) {
        debug_assert_eq!(self.word().state(), Some(State::Allocating));
        // Relaxed throughout: the state publishes them.
        self.kind.store(kind as u64, Relaxed);
        self.type_hash.store(type_hash, Relaxed);
        self.references.store(0, Relaxed);
        self.detail.store(0, Relaxed);
        self.label.write(name);
    }

    /// The reference count, as the owner left it.
    pub(crate) fn references(&self) -> u64 {
        self.references.load(Relaxed) // Relaxed: one-writer, this side
    }

    /// Shows a new reference count.
    pub(crate) fn set_references(&self, references: u64) {
        self.references.store(references, Relaxed); // Relaxed: stands for itself
    }

    /// Shows a new detail.
    pub(crate) fn set_detail(&self, detail: u64) {
        self.detail.store(detail, Relaxed); // Relaxed: stands for itself
    }
}

/// Copies the entry at `index`, whoever owns it: `None` when nothing is published there, or when it
/// changed under every attempt.
pub(crate) fn copy(index: u32, entry: ReadOnly<'_, Entry>) -> Result<Option<Published>, Violation> {
    for _ in 0..COPIES_MAX {
        // Acquire entry-filled: pairs with the Release store in `show`.
        let word = StateWord(entry.load_acquire(|entry| &entry.state));
        let state = match word.state() {
            Some(state @ (State::Active | State::MarkedForDeletion)) => state,
            Some(State::Free | State::Allocating) => return Ok(None),
            None => return Err(meaningless("state of a registry entry", word.0)),
        };
        let raw = RawEntry::copy(entry);
        // Acquire entry-reopened: pairs with the Release fence in `reopen`.
        fence_unless(Acquire, Mutant::NoFenceBeforeSecondLook);
        if entry.load(|entry| &entry.state) == word.0 || under(Mutant::NoSecondLook) {
            return raw
                .check(Key::new(index, word.generation()), state)
                .map(Some);
        }
        spin_loop();
    }
    Ok(None)
}

/// What stood in an entry: a copy, not yet looked at.
struct RawEntry {
    kind: u64,
    type_hash: u64,
    references: u64,
    detail: u64,
    name: RawName,
}

impl RawEntry {
    fn copy(entry: ReadOnly<'_, Entry>) -> Self {
        Self {
            kind: entry.load(|entry| &entry.kind),
            type_hash: entry.load(|entry| &entry.type_hash),
            references: entry.load(|entry| &entry.references),
            detail: entry.load(|entry| &entry.detail),
            name: RawName::copy(entry.part(|entry| &entry.label)),
        }
    }

    fn check(&self, key: Key, state: State) -> Result<Published, Violation> {
        let kind = Kind::from_bits(self.kind)
            .ok_or_else(|| meaningless("kind of a registry entry", self.kind))?;
        let name = self.name.check("name of a registry entry")?;
        let &Self {
            type_hash,
            references,
            detail,
            ..
        } = self;
        Ok(Published {
            key,
            state,
            kind,
            name,
            type_hash,
            references,
            detail,
        })
    }
}

fn fence_unless(ordering: Ordering, mutant: Mutant) {
    if !under(mutant) {
        fence(ordering);
    }
}

fn meaningless(name: &'static str, found: u64) -> Violation {
    Violation::Meaningless { name, found }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests;

/// Models of the edges in the head, for the model checker.
#[cfg(loom)]
#[cfg(test)]
mod models;
