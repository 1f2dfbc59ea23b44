//! A peer's card: what it says of itself, each word an allegation.

use core::ops::Range;

use super::CardError;
use super::accounts::{Accounts, PeerBoard};
use super::counters::{Counter, PeerCounters};
use super::front::{self, ACCOUNTS_AT, ASLEEP_AT, COUNTERS_AT, Front, NodeIdentity, REGISTRY_AT};
use crate::doorbell::{AsleepLine, Bell};
use crate::error::Violation;
use crate::region::{DefaultKeep, Keep, PeerRecord, PeerRegion};
use crate::registry::{PeerRegistry, Published};

/// A card mapped read-only: a peer's, or one's own as others see it. Cheap to clone.
#[derive(Debug)]
pub struct PeerCard<K = DefaultKeep> {
    identity: NodeIdentity,
    asleep: PeerRecord<AsleepLine, K>,
    counters: PeerCounters<K>,
    accounts: PeerBoard<K>,
    registry: PeerRegistry<K>,
}

impl<K: Clone> Clone for PeerCard<K> {
    fn clone(&self) -> Self {
        Self {
            identity: self.identity,
            asleep: self.asleep.clone(),
            counters: self.counters.clone(),
            accounts: self.accounts.clone(),
            registry: self.registry.clone(),
        }
    }
}

impl<K: Keep> PeerCard<K> {
    /// Examines the card that fills `region`, and copies who the node is: that does not change any
    /// more, whatever happens to the memory.
    ///
    /// # Errors
    ///
    /// [`CardError::Version`] and [`CardError::Layout`] for a card of another build,
    /// [`CardError::Peer`] for what is no card.
    pub fn open(region: PeerRegion<K>) -> Result<Self, CardError> {
        let misplaced = Violation::Place {
            name: "card",
            needed: REGISTRY_AT,
            len: region.len(),
        };
        let front = region.record::<Front>(0).ok_or(misplaced)?;
        let (identity, capacity) = front::read(front)?;
        let rest = region.len() - REGISTRY_AT;
        let registry = region.span(REGISTRY_AT, rest).ok_or(misplaced)?;
        Ok(Self {
            identity,
            asleep: region.hold(ASLEEP_AT).ok_or(misplaced)?,
            counters: PeerCounters::new(region.hold(COUNTERS_AT).ok_or(misplaced)?),
            accounts: PeerBoard::new(region.hold(ACCOUNTS_AT).ok_or(misplaced)?),
            registry: PeerRegistry::open(&registry, capacity)?,
        })
    }

    /// Returns who the node said that it is when the card was opened.
    #[must_use]
    pub fn identity(&self) -> &NodeIdentity {
        &self.identity
    }

    /// Returns the registry.
    #[must_use]
    pub fn registry(&self) -> &PeerRegistry<K> {
        &self.registry
    }

    /// Returns a number that grows when the published names change; see [`PeerRegistry::version`].
    #[must_use]
    pub fn version(&self) -> u64 {
        self.registry.version()
    }

    /// Passes over the published names; see [`PeerRegistry::names`].
    pub fn names(&self) -> impl Iterator<Item = Result<Published, Violation>> + '_ {
        self.registry.names()
    }

    /// Passes over the names at these places of the registry; see [`PeerRegistry::names_in`].
    pub fn names_in(
        &self,
        indices: Range<u32>,
    ) -> impl Iterator<Item = Result<Published, Violation>> + '_ {
        self.registry.names_in(indices)
    }

    /// Returns a count, as the node says.
    #[must_use]
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters.get(counter)
    }

    /// Returns all counters.
    #[must_use]
    pub fn counters(&self) -> &PeerCounters<K> {
        &self.counters
    }

    /// Returns the accounts that the node has posted last, as it says; `None` when it has posted none, or was killed while it
    /// did.
    #[must_use]
    pub fn accounts(&self) -> Option<Accounts> {
        self.accounts.read()
    }

    /// Makes a sender's end of the node's doorbell. A process needs one, for all its threads.
    #[must_use]
    pub fn bell(&self) -> Bell<K> {
        Bell::new(self.asleep.clone())
    }
}
