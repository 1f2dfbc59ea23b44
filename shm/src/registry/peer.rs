//! A registry as its readers see it: copies, each checked; any garbage is a violation.
//!
//! # Invariants
//! - **bounded**: a pass looks at no more entries than the table has, and at each a fixed number of
//!   times, whatever its words say.

use core::ops::Range;

use super::entry::{self, Entry, Published};
use super::state::State;
use super::{CAPACITY_MAX, ENTRIES, Head, region_len};
use crate::error::Violation;
use crate::generation::Key;
use crate::region::{DefaultKeep, Keep, PeerRecord, PeerRecords, PeerRegion};

/// A peer's registry, or one's own as others see it. Cheap to clone.
#[derive(Debug)]
pub struct PeerRegistry<K = DefaultKeep> {
    head: PeerRecord<Head, K>,
    entries: PeerRecords<Entry, K>,
}

impl<K: Clone> Clone for PeerRegistry<K> {
    fn clone(&self) -> Self {
        Self {
            head: self.head.clone(),
            entries: self.entries.clone(),
        }
    }
}

impl<K: Keep> PeerRegistry<K> {
    /// Opens the registry of `capacity` entries at the start of `region`.
    ///
    /// # Errors
    ///
    /// [`Violation::Meaningless`] when the capacity is zero or above 2^20, [`Violation::Place`]
    /// when the region is too short for it.
    pub fn open(region: &PeerRegion<K>, capacity: u64) -> Result<Self, Violation> {
        if capacity == 0 || capacity > u64::from(CAPACITY_MAX) {
            return Err(Violation::Meaningless {
                name: "capacity of a registry",
                found: capacity,
            });
        }
        let misplaced = Violation::Place {
            name: "registry",
            needed: region_len(capacity),
            len: region.len(),
        };
        Ok(Self {
            head: region.hold(0).ok_or(misplaced)?,
            entries: region.hold_all(ENTRIES, capacity).ok_or(misplaced)?,
        })
    }

    /// Returns a number that grows with every change of the published names. Read it before the
    /// names: if it is still the same afterwards, they are complete.
    #[must_use]
    pub fn version(&self) -> u64 {
        // Acquire version-raised: pairs with the Release store in `Registry::raise_version`.
        self.head.get().load_acquire(|head| &head.version)
    }

    /// Returns the collector's epoch. Over a pass during which it moved by less than two, no entry
    /// seen as active was used again.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        // Acquire epoch-begun: pairs with the Release store in `Registry::garbage_collect`.
        self.head.get().load_acquire(|head| &head.epoch)
    }

    /// Returns how many entries the table has.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap_or(CAPACITY_MAX)
    }

    /// Returns the entry that `key` means; `None` when it is not published (any more).
    ///
    /// # Errors
    ///
    /// A [`Violation`] when the entry's words cannot be.
    pub fn get(&self, key: Key) -> Result<Option<Published>, Violation> {
        Ok(self
            .entry(key.index())?
            .filter(|published| published.key == key))
    }

    /// Passes over all published entries, those marked for deletion included. One that changes
    /// meanwhile may be missing: then the version changes too, if it has a name.
    #[must_use]
    pub fn entries(&self) -> Entries<'_, K> {
        self.entries_in(0..CAPACITY_MAX)
    }

    /// Passes over the published entries at these indices; see [`entries`](Self::entries). For a reader that takes turns.
    #[must_use]
    pub fn entries_in(&self, indices: Range<u32>) -> Entries<'_, K> {
        match self.used() {
            Ok(used) => Entries::new(self, indices.start..indices.end.min(used), None),
            Err(meaningless) => Entries::new(self, 0..0, Some(meaningless)),
        }
    }

    /// Returns below which index all entries are that were ever used.
    ///
    /// # Errors
    ///
    /// [`Violation::Meaningless`] when that is beyond the table.
    pub fn used(&self) -> Result<u32, Violation> {
        // Acquire used-raised: pairs with the Release store in `Registry::next_vacant`.
        let used = self.head.get().load_acquire(|head| &head.used);
        u32::try_from(used)
            .ok()
            .filter(|used| *used <= self.capacity())
            .ok_or(Violation::Meaningless {
                name: "used entries of a registry",
                found: used,
            })
    }

    /// Passes over the entries that can be found by name: active ones that have one.
    pub fn names(&self) -> impl Iterator<Item = Result<Published, Violation>> + '_ {
        self.names_in(0..CAPACITY_MAX)
    }

    /// The same at these indices only.
    pub fn names_in(
        &self,
        indices: Range<u32>,
    ) -> impl Iterator<Item = Result<Published, Violation>> + '_ {
        let is_found = |entry: &Published| entry.state == State::Active && !entry.name.is_empty();
        self.entries_in(indices)
            .filter(move |entry| entry.as_ref().map_or(true, is_found))
    }

    /// Finds the actor or queue of that name. Looks at every entry: who asks often keeps a replica
    /// by [`version`](Self::version).
    ///
    /// # Errors
    ///
    /// The first [`Violation`] met before the name was found.
    pub fn find(&self, name: &str) -> Result<Option<Published>, Violation> {
        let is_it = |entry: &Published| entry.kind.is_unique() && entry.name == *name;
        self.names()
            .find(|entry| entry.as_ref().map_or(true, is_it))
            .transpose()
    }

    fn entry(&self, index: u32) -> Result<Option<Published>, Violation> {
        match self.entries.get(index as usize) {
            Some(entry) => entry::copy(index, entry),
            None => Ok(None),
        }
    }
}

/// A pass over the published entries; see [`PeerRegistry::entries`].
#[derive(Debug)]
pub struct Entries<'a, K = DefaultKeep> {
    registry: &'a PeerRegistry<K>,
    indices: Range<u32>,
    violation: Option<Violation>, // of the table itself: the one and only item
}

impl<'a, K> Entries<'a, K> {
    fn new(
        registry: &'a PeerRegistry<K>,
        indices: Range<u32>,
        violation: Option<Violation>,
    ) -> Self {
        Self {
            registry,
            indices,
            violation,
        }
    }
}

impl<K: Keep> Iterator for Entries<'_, K> {
    type Item = Result<Published, Violation>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(violation) = self.violation.take() {
            return Some(Err(violation));
        }
        for index in self.indices.by_ref() {
            if let Some(found) = self.registry.entry(index).transpose() {
                return Some(found);
            }
        }
        None
    }
}
