//! The card: one segment on which a node says who it is, what it offers, and what it has done.
//!
//! ```text
//!   identity │ asleep │ counters │ accounts │ registry: head, entries
//!     once     per sleep  always    when asked   under the registry's lock
//! ```
//!
//! The owner alone writes it; peers and observers map it read-only and find there, without asking,
//! the node's names, whether it sleeps, and numbers that must balance. A card outlives its node for
//! as long as somebody maps it: it is then the node's last word.
//!
//! # Invariants
//! - **one-writer**: every word is written by the owner alone.
//! - **written-once**: the identity does not change after the magic was stored.
//! # Edges
//! | edge | released by | acquired by | publishes |
//! |---|---|---|---|
//! | identity-written | `front::write`: store of the magic | `front::read`: load of the magic | the identity |
//! | accounts-posted | `Board::post`: store of the version | `PeerBoard::read`: load of the version | the sums |
//! # If a side dies
//! | after… | the other finds | repaired by |
//! |---|---|---|
//! | part of the identity | no card: its descriptor is passed only when it is whole | nobody |
//! | part of the accounts | none | nobody |
//! | any other store | the last words of a dead node | nobody: each stands for itself |

mod accounts;
mod counters;
mod front;
mod peer;

use std::time::{SystemTime, UNIX_EPOCH};

use self::accounts::Board;
pub use self::accounts::{Accounts, Identity, Imbalance};
pub use self::counters::{Counter, Counters, PeerCounters};
use self::front::{ACCOUNTS_AT, ASLEEP_AT, COUNTERS_AT, Front, REGISTRY_AT};
pub use self::front::{LibraryVersion, NodeIdentity};
pub use self::peer::PeerCard;
use crate::doorbell::Asleep;
use crate::error::Violation;
use crate::region::{DefaultKeep, Keep, OwnRegion};
use crate::registry::{CAPACITY_DEFAULT, CAPACITY_MAX, Name, NameTooLong, Registry, RegistryError};
use crate::segment::{OwnSegment, SegmentError};

const SEGMENT_NAME: &str = "ringway-card"; // what /proc/*/maps shows

/// What a node says of itself on its card.
#[derive(Clone, Copy, Debug)]
pub struct CardConfig<'a> {
    /// Its id on the bus.
    pub node_id: u64,
    /// Its name, up to 120 bytes.
    pub name: &'a str,
    /// The name of the bus, up to 120 bytes.
    pub bus: &'a str,
    /// How many entries the registry has: 1 to 2^20, at 192 bytes each.
    pub registry_capacity: u32,
}

impl Default for CardConfig<'_> {
    /// No names, id 0, and a registry of 4096 entries.
    fn default() -> Self {
        Self {
            node_id: 0,
            name: "",
            bus: "",
            registry_capacity: CAPACITY_DEFAULT,
        }
    }
}

/// Why there is no card.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// The name of the node or of the bus is too long.
    #[error("no card for this node")]
    Name(#[from] NameTooLong),
    /// The registry cannot have that capacity.
    #[error("no card for this node")]
    Registry(#[from] RegistryError),
    /// The system refused the segment.
    #[error("no segment for the card")]
    Segment(#[from] SegmentError),
    /// The peer's card is of another version.
    #[error("the peer's card has version {found}, this library's {own}")]
    Version {
        /// The version on the card.
        found: u64,
        /// The version of this library.
        own: u64,
    },
    /// The peer's card is of this version, but its records have other sizes or places.
    #[error("the peer's card has layout {found:#x}, this library's {own:#x}")]
    Layout {
        /// The hash on the card.
        found: u64,
        /// The hash of this library.
        own: u64,
    },
    /// What the peer passed is no card.
    #[error("the peer passed no card")]
    Peer(#[from] Violation),
}

/// A node's own card.
#[derive(Debug)]
pub struct Card<K = DefaultKeep> {
    region: OwnRegion<K>,
    identity: NodeIdentity,
    counters: Counters<K>,
    accounts: Board<K>,
    registry: Registry<K>,
}

impl Card {
    /// Creates a card in a segment of its own, whose descriptor is for the peers.
    ///
    /// # Errors
    ///
    /// [`CardError::Name`], [`CardError::Registry`], [`CardError::Segment`].
    pub fn create(config: &CardConfig<'_>) -> Result<(Self, OwnSegment), CardError> {
        let capacity = config.registry_capacity;
        let len = Self::len_of(capacity);
        if capacity == 0 || capacity > CAPACITY_MAX {
            return Err(RegistryError::Capacity { capacity, len }.into());
        }
        let segment = OwnSegment::create(SEGMENT_NAME, len)?;
        Ok((Self::write(segment.region(), config)?, segment))
    }
}

impl<K: Keep> Card<K> {
    /// Returns how many bytes a card with a registry of `capacity` entries takes.
    #[must_use]
    pub const fn len_of(capacity: u32) -> u64 {
        REGISTRY_AT + Registry::<K>::len_of(capacity)
    }

    /// Writes a card into zeroed memory, which nothing else writes.
    ///
    /// # Errors
    ///
    /// [`CardError::Name`]; [`CardError::Registry`] also when the memory is too short.
    pub fn write(region: OwnRegion<K>, config: &CardConfig<'_>) -> Result<Self, CardError> {
        let capacity = config.registry_capacity;
        let short = RegistryError::Capacity {
            capacity,
            len: region.len(),
        };
        let identity = identity(config)?;
        let rest = region.len().saturating_sub(REGISTRY_AT);
        let registry = region.span(REGISTRY_AT, rest).ok_or(short.clone())?;
        let registry = Registry::create(&registry, capacity)?;
        let front = region.hold::<Front>(0).ok_or(short.clone())?;
        front::write(&front, &identity, capacity);
        let counters = Counters::new(region.hold(COUNTERS_AT).ok_or(short.clone())?);
        let accounts = Board::new(region.hold(ACCOUNTS_AT).ok_or(short)?);
        Ok(Self {
            region,
            identity,
            counters,
            accounts,
            registry,
        })
    }

    /// Returns what it says of the node.
    #[must_use]
    pub fn identity(&self) -> &NodeIdentity {
        &self.identity
    }

    /// Returns the registry.
    #[must_use]
    pub fn registry(&self) -> &Registry<K> {
        &self.registry
    }

    /// Returns the counters; a clone of them can be kept wherever something is counted.
    #[must_use]
    pub fn counters(&self) -> &Counters<K> {
        &self.counters
    }

    /// Adds to a counter.
    #[inline]
    pub fn add(&self, counter: Counter, n: u64) {
        self.counters.add(counter, n);
    }

    /// Posts the node's accounts for others to read, in place of those posted before.
    pub fn post(&self, accounts: &Accounts) {
        self.accounts.post(accounts);
    }

    /// Makes the sleeper's end of the node's doorbell, awake. A node has one sleeper at a time.
    #[must_use]
    pub fn asleep(&self) -> Asleep<K> {
        Asleep::new(
            self.region
                .hold(ASLEEP_AT)
                .expect("in-range: `write` has filled the front"),
        )
    }

    /// Returns the card as peers see it, for two nodes in one process.
    #[must_use]
    pub fn view(&self) -> PeerCard<K> {
        PeerCard::open(self.region.read_only()).expect("written-once: by `write`, whole")
    }
}

fn identity(config: &CardConfig<'_>) -> Result<NodeIdentity, NameTooLong> {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ok(NodeIdentity {
        node_id: config.node_id,
        pid: std::process::id(),
        start_ticks: own_start_ticks().unwrap_or(0),
        attached_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
        library: LibraryVersion::OWN,
        name: Name::new(config.name)?,
        bus: Name::new(config.bus)?,
    })
}

/// The 22nd field of `/proc/self/stat`; the second, in brackets, may itself hold spaces and
/// brackets.
fn own_start_ticks() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, from_third) = stat.rsplit_once(')')?;
    from_third
        .split_ascii_whitespace()
        .nth(22 - 3)?
        .parse()
        .ok()
}
