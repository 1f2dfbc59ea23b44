//! One entry of the registry: a state word with its generation, and what it stands for.
//!
//! ```text
//!          allocate (generation + 1)     activate            mark               collect
//!   FREE ───────────────────────────► ALLOCATING ──► ACTIVE ──► MARKED_FOR_DELETION ──► FREE
//!                                          └───────────────────────▲ (given up)
//! ```
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
        ]
        .into_iter()
        .find(|&kind| kind as u64 == bits)
    }
}

/// Where an entry stands in its life; see the drawing at the head of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// Nothing: the entry waits for its next use.
    Free = 0,
    /// Being filled; its name is claimed on this node, and shown to nobody yet.
    Allocating = 1,
    /// Published.
    Active = 2,
    /// Not to be found any more; what was opened before goes on.
    MarkedForDeletion = 3,
}

/// The state and the generation in one word: a key's bits with the state in place of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateWord(u64);

impl StateWord {
    const STATE: u64 = Key::INDEX_MAX as u64; // the low 20 bits; the generation is above them

    fn new(generation: u64, state: State) -> Self {
        Self(generation << Key::INDEX_BITS | state as u64)
    }

    /// The generation; 0 before the first use.
    pub(crate) fn generation(self) -> u64 {
        self.0 >> Key::INDEX_BITS
    }

    /// The state, or `None` when the bits mean nothing.
    pub(crate) fn state(self) -> Option<State> {
        use State::{Active, Allocating, Free, MarkedForDeletion};
        let state = [Free, Allocating, Active, MarkedForDeletion]
            .into_iter()
            .find(|&state| state as u64 == self.0 & Self::STATE)?;
        (state == Free || self.generation() != 0).then_some(state)
    }

    /// The word after a step to `to`, or `None` when the drawing has no such arrow.
    fn after(self, to: State) -> Option<Self> {
        use State::{Active, Allocating, Free, MarkedForDeletion};
        let generation = match (self.state()?, to) {
            (Free, Allocating) if self.generation() == Key::GENERATION_MAX => 1,
            (Free, Allocating) => self.generation() + 1,
            (Allocating, Active)
            | (Allocating | Active, MarkedForDeletion)
            | (MarkedForDeletion, Free) => self.generation(),
            _ => return None,
        };
        Some(Self::new(generation, to))
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
mod tests {
    use super::*;
    use crate::region::Buffer;

    const STATES: [State; 4] = [
        State::Free,
        State::Allocating,
        State::Active,
        State::MarkedForDeletion,
    ];

    #[test]
    fn transitions_follow_the_drawing() {
        let allowed = [
            (State::Free, State::Allocating, 8),
            (State::Allocating, State::Active, 7),
            (State::Allocating, State::MarkedForDeletion, 7),
            (State::Active, State::MarkedForDeletion, 7),
            (State::MarkedForDeletion, State::Free, 7),
        ];
        for from in STATES {
            for to in STATES {
                let arrow = allowed
                    .iter()
                    .find(|arrow| (arrow.0, arrow.1) == (from, to));
                let expected = arrow.map(|arrow| StateWord::new(arrow.2, to));
                assert_eq!(
                    StateWord::new(7, from).after(to),
                    expected,
                    "{from:?} {to:?}"
                );
            }
        }
    }

    #[test]
    fn generations_wrap_past_zero() {
        let last = StateWord::new(Key::GENERATION_MAX, State::Free);
        assert_eq!(last.after(State::Allocating).unwrap().generation(), 1);
        assert_eq!(
            StateWord(0).after(State::Allocating).unwrap().generation(),
            1
        );
    }

    #[test]
    fn words_that_mean_nothing_are_violations() {
        for word in [4, 1 << 20 | 4, u64::MAX, 1, 2, 3] {
            assert_eq!(StateWord(word).state(), None, "{word:#x}");
            let region = Buffer::region(192);
            region
                .record::<Entry>(0)
                .unwrap()
                .state
                .store(word, Relaxed);
            let view = region.read_only();
            assert!(copy(0, view.record(0).unwrap()).is_err());
        }
    }

    #[test]
    fn only_filled_entries_are_copied() {
        let region = Buffer::region(192);
        let entry = region.record::<Entry>(0).unwrap();
        let view = region.read_only();
        let seen = || copy(5, view.record(0).unwrap()).unwrap();

        assert_eq!(seen(), None);
        entry.transition_to_allocating().unwrap();
        entry.fill(Kind::Actor, &Name::new("counter").unwrap(), 9);
        assert_eq!(seen(), None);
        entry.transition_to_active().unwrap();
        let published = seen().unwrap();
        assert_eq!(
            (published.key, published.state),
            (Key::new(5, 1), State::Active)
        );
        assert_eq!(
            (published.kind, published.name.as_str()),
            (Kind::Actor, "counter")
        );
        entry.transition_to_marked().unwrap();
        assert_eq!(seen().unwrap().state, State::MarkedForDeletion);
        entry.transition_to_free().unwrap();
        assert_eq!(seen(), None);
        assert!(entry.transition_to_active().is_none());
    }
}

/// Models of the edges in the head, for the model checker.
#[cfg(loom)]
#[cfg(test)]
mod models {
    use super::*;
    use crate::mutant;
    use crate::region::Buffer;
    use crate::sync::thread;

    /// A life of the entry, but for its name, whose words go the same way and would take hours.
    ///
    /// The owner does not load the state here: after a thread's load of a word, loom 0.7 leaves out
    /// interleavings of its later stores to it.
    fn live(entry: &Entry, generation: u64, kind: Kind) {
        entry.reopen(StateWord::new(generation, State::Allocating));
        entry.kind.store(kind as u64, Relaxed);
        entry.type_hash.store(generation, Relaxed);
        entry.show(StateWord::new(generation, State::Active));
    }

    // Goal: a copy is of one generation. Method: the owner ends a life and starts another while a
    // reader copies; kind and type differ from life to life, and must never be mixed.
    fn copies() {
        let region = Buffer::region(192);
        let entry = region.hold::<Entry>(0).unwrap();
        let view = region.read_only();
        live(&entry, 1, Kind::Actor);
        let owner = thread::spawn(move || {
            entry.show(StateWord::new(1, State::Free));
            live(&entry, 2, Kind::Queue);
        });
        let seen = copy(0, view.record(0).unwrap()).unwrap();
        if let Some(seen) = seen {
            let lives = [(1, Kind::Actor, 1), (2, Kind::Queue, 2)];
            assert!(lives.contains(&(seen.key.generation(), seen.kind, seen.type_hash)));
        }
        owner.join().unwrap();
    }

    #[test]
    fn a_copy_is_of_one_generation() {
        let check = |wrong: Option<Mutant>| {
            mutant::set(wrong);
            let mut model = loom::model::Builder::new();
            model.preemption_bound = Some(3);
            let outcome = std::panic::catch_unwind(|| model.check(copies));
            mutant::set(None);
            outcome.is_ok()
        };
        assert!(check(None));
        for wrong in [
            Mutant::EntryRelaxed,
            Mutant::NoFenceAfterReopening,
            Mutant::NoFenceBeforeSecondLook,
            Mutant::NoSecondLook,
        ] {
            assert!(!check(Some(wrong)), "the model does not notice {wrong:?}");
        }
    }
}
