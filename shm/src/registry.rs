//! What a node publishes about itself: a fixed table of entries on its card, each with a token.
//!
//! The owner changes it under one private lock and finds names in a private map; peers and
//! observers read copies without any lock ([`PeerRegistry`]). What they read is advice: an address
//! found here is confirmed by its node when a uring is opened.
//!
//! A token is a [`Key`]: the entry's index and generation. An entry that is marked for deletion
//! keeps its index until nobody refers to it and a whole epoch of the collector has passed; so an
//! observer can make a pass over the table without meeting two lives of one entry.
//!
//! # Invariants
//! - **one-writer**: the table is written by its owner alone, under `books`.
//! - **named-once**: of the ALLOCATING and ACTIVE entries of unique kinds, at most one bears a
//!   name: the one in `by_name`.
//! - **grace**: an entry marked in epoch `e` is FREE again in epoch `e + 2` at the earliest, and
//!   never while referred to.
//! # Edges
//! | edge | released by | acquired by | publishes |
//! |---|---|---|---|
//! | version-raised | `raise_version`: store of `version` | `PeerRegistry::version` | the states of all named entries |
//! | epoch-begun | `garbage_collect`: store of `epoch` | `PeerRegistry::epoch` | the entries freed before |
//! | used-raised | `next_vacant`: store of `used` | `PeerRegistry::entries` | nothing but itself |

mod collect;
mod entry;
mod error;
mod name;
mod peer;
mod state;

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use self::entry::Entry;
pub use self::entry::{Kind, Published};
pub use self::error::RegistryError;
#[cfg(not(loom))]
pub(crate) use self::name::{Label, RawName};
pub use self::name::{NAME_MAX, Name, NameTooLong};
pub use self::peer::{Entries, PeerRegistry};
pub use self::state::State;
use crate::generation::Key;
use crate::region::{DefaultKeep, Keep, OwnRecord, OwnRecords, OwnRegion, record};
use crate::sync::AtomicU64;
use crate::sync::Ordering::Release;

/// Entries of a registry that is not configured otherwise.
pub const CAPACITY_DEFAULT: u32 = 4096;

/// The most entries that tokens can tell apart: 20 bits of index.
pub const CAPACITY_MAX: u32 = Key::INDEX_MAX + 1;

record! {
    /// What stands before the entries.
    pub(crate) struct Head: size 64, align 64 {
        version: AtomicU64, // grows with every change of the published names
        epoch: AtomicU64, // of the collector
        used: AtomicU64, // no entry at or beyond this index was ever used
    }
}

/// Where the entries start in a registry's region.
pub(crate) const ENTRIES: u64 = size_of::<Head>() as u64;

/// Returns how many bytes a registry of `capacity` entries takes.
pub(crate) const fn region_len(capacity: u64) -> u64 {
    ENTRIES + capacity * size_of::<Entry>() as u64
}

/// What giving a reference back has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// Others refer to the entry, or it is not marked for deletion.
    InUse,
    /// It was the last reference to an entry marked for deletion: [`Registry::garbage_collect`] can
    /// take it.
    Collectable,
}

/// A node's own registry.
#[derive(Debug)]
pub struct Registry<K = DefaultKeep> {
    head: OwnRecord<Head, K>,
    entries: OwnRecords<Entry, K>,
    view: PeerRegistry<K>,
    books: Mutex<Books>,
}

/// What the owner knows beside the table, for speed.
#[derive(Debug, Default)]
struct Books {
    by_name: HashMap<Box<str>, Key>,
    vacant: Vec<u32>, // the last freed first: the table stays short
    used: u32,
    marked: VecDeque<(u64, Key)>, // with the epoch of the mark; not sorted when some were kept back
    epoch: u64,
    version: u64,
}

impl<K: Keep> Registry<K> {
    /// Returns how many bytes a registry of `capacity` entries takes.
    #[must_use]
    pub const fn len_of(capacity: u32) -> u64 {
        region_len(capacity as u64)
    }

    /// Starts an empty registry in zeroed memory, which nothing else writes.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Capacity`] of zero or above [`CAPACITY_MAX`], or when `region` is shorter
    /// than [`len_of`](Self::len_of) it.
    pub fn create(region: &OwnRegion<K>, capacity: u32) -> Result<Self, RegistryError> {
        let refused = RegistryError::Capacity {
            capacity,
            len: region.len(),
        };
        let entries = u64::from(capacity);
        Ok(Self {
            head: region.hold(0).ok_or(refused.clone())?,
            entries: region.hold_all(ENTRIES, entries).ok_or(refused.clone())?,
            view: PeerRegistry::open(&region.read_only(), entries).map_err(|_| refused)?,
            books: Mutex::default(),
        })
    }

    /// Reserves an entry and its name, shown to nobody until [`activate`](Self::activate). An empty
    /// name is none.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NameTooLong`]; [`RegistryError::NameTaken`] by another actor or queue of
    /// this node; [`RegistryError::Full`].
    pub fn allocate(&self, kind: Kind, name: &str, type_hash: u64) -> Result<Key, RegistryError> {
        let label = Name::new(name)?;
        let is_claim = kind.is_unique() && !name.is_empty();
        let mut books = self.books();
        if let Some(&holder) = books.by_name.get(name).filter(|_| is_claim) {
            return Err(RegistryError::NameTaken {
                name: name.into(),
                holder,
            });
        }
        let index = self.next_vacant(&mut books)?;
        let entry = &self.entries[index as usize];
        let word = entry
            .transition_to_allocating()
            .expect("one-writer: a vacant entry is FREE");
        entry.fill(kind, &label, type_hash);
        let key = Key::new(index, word.generation());
        if is_claim {
            books.by_name.insert(name.into(), key);
        }
        Ok(key)
    }

    /// Publishes a reserved entry.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Stale`], [`RegistryError::WrongState`] unless it is [`State::Allocating`].
    pub fn activate(&self, key: Key) -> Result<(), RegistryError> {
        let mut books = self.books();
        let entry = self.entry(key)?;
        entry
            .transition_to_active()
            .ok_or_else(|| wrong_state(key, entry))?;
        self.raise_version(&mut books, key);
        Ok(())
    }

    /// Returns the active actor or queue of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Key> {
        let books = self.books();
        let key = *books.by_name.get(name)?;
        let is_active = self
            .entry(key)
            .is_ok_and(|entry| state(entry) == State::Active);
        is_active.then_some(key)
    }

    /// Counts one more reference to an active entry, and returns how many there are.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Stale`], [`RegistryError::WrongState`] unless it is [`State::Active`].
    pub fn acquire(&self, key: Key) -> Result<u64, RegistryError> {
        let _books = self.books();
        let entry = self.entry(key)?;
        if state(entry) != State::Active {
            return Err(wrong_state(key, entry));
        }
        let references = entry.references() + 1;
        entry.set_references(references);
        Ok(references)
    }

    /// Gives one reference back.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Stale`].
    ///
    /// # Panics
    ///
    /// When nobody refers to the entry: a reference was given back twice.
    pub fn release(&self, key: Key) -> Result<Released, RegistryError> {
        let _books = self.books();
        let entry = self.entry(key)?;
        let references = entry.references();
        assert!(
            references > 0,
            "entry {key} was released more often than acquired"
        );
        entry.set_references(references - 1);
        let is_marked = state(entry) == State::MarkedForDeletion;
        Ok(if references == 1 && is_marked {
            Released::Collectable
        } else {
            Released::InUse
        })
    }

    /// Takes an entry out of the names: it is not found or acquired any more, and its name is free
    /// for another.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Stale`], [`RegistryError::WrongState`] when it was marked before.
    pub fn mark_for_deletion(&self, key: Key) -> Result<(), RegistryError> {
        let mut books = self.books();
        let entry = self.entry(key)?;
        let was_active = state(entry) == State::Active;
        entry
            .transition_to_marked()
            .ok_or_else(|| wrong_state(key, entry))?;
        let epoch = books.epoch;
        books.marked.push_back((epoch, key));
        if let Ok(Some(published)) = self.view.get(key)
            && books.by_name.get(published.name.as_str()) == Some(&key)
        {
            books.by_name.remove(published.name.as_str());
        }
        if was_active {
            self.raise_version(&mut books, key);
        }
        Ok(())
    }

    /// Returns the tokens of all active entries.
    #[must_use]
    pub fn active_tokens(&self) -> Vec<Key> {
        let is_active = |entry: &Published| entry.state == State::Active;
        self.view
            .entries()
            .flatten()
            .filter(is_active)
            .map(|entry| entry.key)
            .collect()
    }

    /// Returns what `key` means; `None` when it is not published (any more).
    #[must_use]
    pub fn get(&self, key: Key) -> Option<Published> {
        self.view.get(key).ok().flatten()
    }

    /// Shows `detail` on an entry; what it means is up to the entry's kind.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Stale`].
    pub fn set_detail(&self, key: Key, detail: u64) -> Result<(), RegistryError> {
        let _books = self.books();
        self.entry(key)?.set_detail(detail);
        Ok(())
    }

    /// Returns the registry as peers see it.
    #[must_use]
    pub fn view(&self) -> &PeerRegistry<K> {
        &self.view
    }

    /// Tells readers that the names changed, if the entry has one.
    fn raise_version(&self, books: &mut Books, key: Key) {
        if self
            .get(key)
            .is_some_and(|published| published.name.is_empty())
        {
            return;
        }
        books.version += 1;
        // Release version-raised: pairs with the acquiring load in `PeerRegistry::version`.
        self.head.version.store(books.version, Release);
    }

    fn entry(&self, key: Key) -> Result<&Entry, RegistryError> {
        let entry = self.entries.get(key.index() as usize);
        entry
            .filter(|entry| {
                entry.word().generation() == key.generation() && state(entry) != State::Free
            })
            .ok_or(RegistryError::Stale { key })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // Poisoned by a panic of `release`, which comes before any change.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn state(entry: &Entry) -> State {
    entry
        .word()
        .state()
        .expect("one-writer: the owner's own words mean something")
}

fn wrong_state(key: Key, entry: &Entry) -> RegistryError {
    RegistryError::WrongState {
        key,
        state: state(entry),
    }
}
