//! Actors and a message bus.

#[allow(dead_code, reason = "used by the layer above")]
mod access;
#[allow(dead_code, reason = "used by the layer above")]
mod config;
#[allow(dead_code, reason = "used by the layer above")]
mod control;
#[allow(dead_code, reason = "used by the layer above")]
mod directory;
#[allow(dead_code, reason = "used by the layer above")]
pub mod entry;
#[allow(dead_code, reason = "used by the layer above")]
pub mod envelope;
#[allow(dead_code, reason = "used by the layer above")]
mod error;
#[allow(dead_code, reason = "used by the layer above")]
mod frame;
#[allow(dead_code, reason = "used by the layer above")]
pub mod lease;
#[allow(dead_code, reason = "used by the layer above")]
pub mod loan;
#[allow(dead_code, reason = "used by the layer above")]
pub mod message;
#[allow(dead_code, reason = "used by the layer above")]
mod names;
#[allow(dead_code, reason = "used by the layer above")]
mod peering;
pub mod prelude;
#[doc(hidden)]
pub mod private;
#[allow(dead_code, reason = "used by the layer above")]
mod rings;
#[cfg(test)]
mod testing;
#[allow(dead_code, reason = "used by the layer above")]
pub mod token;
mod trace;

pub use access::Access;
pub use config::{ConfigError, NodeConfig};
pub use directory::DirectoryError;
pub use error::{AttachError, NameError};
pub use peering::NodeId;
pub use rings::RingsError;

/// The version of serde that messages derive with: `#[serde(crate = "ringway::serde")]`.
pub use serde;

/// The version of rkyv that messages derive with: `#[rkyv(crate = ringway::rkyv)]`.
#[cfg(feature = "rkyv")]
pub use rkyv;

// Derived code names `::ringway`, also in here.
extern crate self as ringway;
