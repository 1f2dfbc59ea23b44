//! Actors and a message bus.

#[allow(dead_code, reason = "used by the layer above")]
mod access;
#[allow(dead_code, reason = "used by the layer above")]
mod config;
#[allow(dead_code, reason = "used by the layer above")]
mod directory;
pub mod entry;
#[allow(dead_code, reason = "used by the layer above")]
mod frame;
pub mod lease;
pub mod loan;
pub mod message;
#[allow(dead_code, reason = "used by the layer above")]
mod peering;
#[doc(hidden)]
pub mod private;
#[allow(dead_code, reason = "used by the layer above")]
mod rings;
pub mod token;

#[cfg(test)]
mod testing;

pub use access::Access;
pub use config::{ConfigError, NodeConfig};
pub use directory::DirectoryError;
pub use peering::NodeId;
pub use rings::RingsError;
