//! Why a registry refused.

use super::name::NameTooLong;
use super::state::State;
use crate::generation::Key;

/// Why the registry refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// All entries are in use, or still in their grace.
    #[error("all {capacity} entries of the registry are in use")]
    Full {
        /// How many there are.
        capacity: u32,
    },
    /// No registry can have that many entries, or not in that memory.
    #[error("a registry of {capacity} entries in {len} bytes")]
    Capacity {
        /// How many were asked for.
        capacity: u32,
        /// How many bytes there were.
        len: u64,
    },
    /// An actor or queue of this node bears the name already, or is about to.
    #[error("the name \"{name}\" is taken on this node by {holder}")]
    NameTaken {
        /// The name.
        name: Box<str>,
        /// Who has it.
        holder: Key,
    },
    /// The name is too long for an entry.
    #[error(transparent)]
    NameTooLong(#[from] NameTooLong),
    /// The token's entry has been freed or used again since, or never was.
    #[error("no entry {key} in the registry (any more)")]
    Stale {
        /// The token.
        key: Key,
    },
    /// The entry is not in a state for this.
    #[error("entry {key} is {state:?}")]
    WrongState {
        /// The token.
        key: Key,
        /// The state it is in.
        state: State,
    },
}
