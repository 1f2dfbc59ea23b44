//! What stands before the registry: who the node is, whether it sleeps, what it has counted, and its
//! accounts.

use std::mem::offset_of;

use super::accounts::AccountLines;
use super::counters::CounterLines;
use crate::doorbell::AsleepLine;
use crate::error::Violation;
use crate::layout::{self, MAGIC};
use crate::region::{Keep, OwnRecord, ReadOnly, record};
use crate::registry::{Entry, Label, Name, RawName};
use crate::sync::AtomicU64;
use crate::sync::Ordering::{Relaxed, Release};

use super::CardError;

/// Changes with every change of meaning that [`layout_hash`] does not show.
pub(crate) const VERSION: u64 = 1;

/// Where the registry starts.
pub(crate) const REGISTRY_AT: u64 = size_of::<Front>() as u64;

/// Where the counters start.
pub(crate) const COUNTERS_AT: u64 = offset_of!(Front, counters) as u64;

/// Where the accounts start.
pub(crate) const ACCOUNTS_AT: u64 = offset_of!(Front, accounts) as u64;

/// Where the line starts on which the node says that it sleeps.
pub(crate) const ASLEEP_AT: u64 = offset_of!(Front, asleep) as u64;

record! {
    /// Who the node is. Written once, before anyone else sees the card.
    pub(crate) struct Identity: size 384, align 64 {
        magic: AtomicU64,
        version: AtomicU64,
        layout: AtomicU64,
        capacity: AtomicU64, // of the registry
        node_id: AtomicU64,
        pid: AtomicU64,
        start_ticks: AtomicU64,
        attached_ms: AtomicU64,
        library: AtomicU64,
        name: Label,
        bus: Label,
    }
}

record! {
    /// What stands before the registry.
    pub(crate) struct Front: size 1216, align 64 {
        identity: Identity,
        asleep: AsleepLine, // every sender loads it: neither it nor its neighbour, fetched with it, is written often
        neighbour: [AtomicU64; 8],
        counters: CounterLines,
        accounts: AccountLines,
    }
}

/// A hash of the sizes and offsets that two nodes must agree upon.
pub(crate) const fn layout_hash() -> u64 {
    layout::fold(
        layout::layout_hash(),
        &[
            VERSION,
            size_of::<Identity>() as u64,
            offset_of!(Identity, name) as u64,
            ASLEEP_AT,
            COUNTERS_AT,
            ACCOUNTS_AT,
            REGISTRY_AT,
            size_of::<Entry>() as u64,
        ],
    )
}

/// Who a node says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeIdentity {
    /// Its id on the bus.
    pub node_id: u64,
    /// Its process, in its own pid namespace.
    pub pid: u32,
    /// When that process was started, in clock ticks since the machine was; with the pid, it names
    /// one process for ever. 0 when the node could not find out.
    pub start_ticks: u64,
    /// When the node attached, in milliseconds since 1970, by its wall clock.
    pub attached_ms: u64,
    /// The version of this library that it runs.
    pub library: LibraryVersion,
    /// Its name.
    pub name: Name,
    /// The name of the bus.
    pub bus: Name,
}

/// A version of this library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LibraryVersion {
    /// The first number.
    pub major: u16,
    /// The second.
    pub minor: u16,
    /// The third.
    pub patch: u16,
}

impl LibraryVersion {
    /// This very library's.
    pub const OWN: Self = Self {
        major: number(env!("CARGO_PKG_VERSION_MAJOR")),
        minor: number(env!("CARGO_PKG_VERSION_MINOR")),
        patch: number(env!("CARGO_PKG_VERSION_PATCH")),
    };

    fn to_bits(self) -> u64 {
        u64::from(self.major) << 32 | u64::from(self.minor) << 16 | u64::from(self.patch)
    }

    fn from_bits(bits: u64) -> Self {
        let [_, _, a, b, c, d, e, f] = bits.to_be_bytes();
        let [major, minor, patch] = [[a, b], [c, d], [e, f]].map(u16::from_be_bytes);
        Self {
            major,
            minor,
            patch,
        }
    }
}

impl std::fmt::Display for LibraryVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

const fn number(digits: &str) -> u16 {
    match u16::from_str_radix(digits, 10) {
        Ok(number) => number,
        Err(_) => panic!("cargo's version numbers fit 16 bits"),
    }
}

/// Writes the identity; the magic last, so that no half of it is believed.
pub(crate) fn write<K: Keep>(front: &OwnRecord<Front, K>, identity: &NodeIdentity, capacity: u32) {
    let to = &front.identity;
    // Relaxed throughout: the magic publishes them.
    to.version.store(VERSION, Relaxed);
    to.layout.store(layout_hash(), Relaxed);
    to.capacity.store(u64::from(capacity), Relaxed);
    to.node_id.store(identity.node_id, Relaxed);
    to.pid.store(u64::from(identity.pid), Relaxed);
    to.start_ticks.store(identity.start_ticks, Relaxed);
    to.attached_ms.store(identity.attached_ms, Relaxed);
    to.library.store(identity.library.to_bits(), Relaxed);
    to.name.write(&identity.name);
    to.bus.write(&identity.bus);
    // Release identity-written: pairs with the acquiring load of the magic in `read`.
    to.magic.store(MAGIC, Release);
}

/// Copies and checks the identity of a card, and the capacity that it claims for its registry.
pub(crate) fn read(front: ReadOnly<'_, Front>) -> Result<(NodeIdentity, u64), CardError> {
    let from = front.part(|front| &front.identity);
    // Acquire identity-written: pairs with the Release store of the magic in `write`.
    let magic = from.load_acquire(|from| &from.magic);
    if magic != MAGIC {
        let name = "magic of a card";
        return Err(Violation::Mismatch {
            name,
            expected: MAGIC,
            found: magic,
        }
        .into());
    }
    let version = from.load(|from| &from.version);
    if version != VERSION {
        return Err(CardError::Version {
            found: version,
            own: VERSION,
        });
    }
    let layout = from.load(|from| &from.layout);
    if layout != layout_hash() {
        return Err(CardError::Layout {
            found: layout,
            own: layout_hash(),
        });
    }
    let pid = from.load(|from| &from.pid);
    let identity = NodeIdentity {
        node_id: from.load(|from| &from.node_id),
        pid: u32::try_from(pid).map_err(|_| Violation::Meaningless {
            name: "pid on a card",
            found: pid,
        })?,
        start_ticks: from.load(|from| &from.start_ticks),
        attached_ms: from.load(|from| &from.attached_ms),
        library: LibraryVersion::from_bits(from.load(|from| &from.library)),
        name: RawName::copy(from.part(|from| &from.name)).check("node's name on a card")?,
        bus: RawName::copy(from.part(|from| &from.bus)).check("bus's name on a card")?,
    };
    Ok((identity, from.load(|from| &from.capacity)))
}
