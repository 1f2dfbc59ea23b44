//! The names on a peer's card, as a private copy: read again when the card's version says that they changed.
//!
//! The copy is advice. A name found here is confirmed by its node when a uring is opened.

use std::collections::HashMap;

use ringway_shm::card::PeerCard;
use ringway_shm::generation::Key;
use ringway_shm::registry::Kind;

/// What a name on a card stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named {
    /// The entry's place in its node's registry.
    pub(crate) key: Key,
    pub(crate) kind: Kind,
    /// Of the actor's or queue's type; what it covers is decided above.
    pub(crate) type_hash: u64,
}

/// The names of one peer.
#[derive(Debug, Default)]
pub(crate) struct Replica {
    /// `None` before the first reading.
    version: Option<u64>,
    names: HashMap<Box<str>, Named>,
}

impl Replica {
    /// Reads the card again if its version moved; tells whether it did.
    pub(crate) fn refresh(&mut self, card: &PeerCard) -> bool {
        // Read before the names: those that change meanwhile raise it again.
        let version = card.version();
        if self.version == Some(version) {
            return false;
        }
        self.version = Some(version);
        self.names.clear();
        // An entry that breaks the rules, or changes for as long as it is read, names nothing.
        for entry in card
            .names()
            .flatten()
            .filter(|entry| entry.kind.is_unique())
        {
            let named = Named {
                key: entry.key,
                kind: entry.kind,
                type_hash: entry.type_hash,
            };
            self.names.insert(entry.name.as_str().into(), named);
        }
        true
    }

    pub(crate) fn find(&self, name: &str) -> Option<Named> {
        self.names.get(name).copied()
    }

    /// Forgets a name whose node says that it is not there any more.
    pub(crate) fn forget(&mut self, name: &str, key: Key) {
        if self.find(name).is_some_and(|named| named.key == key) {
            self.names.remove(name);
        }
    }
}
