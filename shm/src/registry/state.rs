//! The state of an entry and its generation, in one word; and the steps that the owner may take with it.
//!
//! ```text
//!          allocate (generation + 1)     activate            mark               collect
//!   FREE ───────────────────────────► ALLOCATING ──► ACTIVE ──► MARKED_FOR_DELETION ──► FREE
//!                                          └───────────────────────▲ (given up)
//! ```

use crate::generation::Key;

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
pub(crate) struct StateWord(pub(super) u64);

impl StateWord {
    const STATE: u64 = Key::INDEX_MAX as u64; // the low 20 bits; the generation is above them

    pub(super) fn new(generation: u64, state: State) -> Self {
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
    pub(super) fn after(self, to: State) -> Option<Self> {
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

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

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
}
