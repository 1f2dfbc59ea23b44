//! One peer: a node of the bus as another node sees it, from the handshake to the last proof of its death.

pub(crate) mod handshake;
pub(crate) mod hello;
mod id;
pub(crate) mod ledger;
pub(crate) mod link;
pub(crate) mod refusal;
pub(crate) mod segments;
pub(crate) mod slot;

pub use self::id::NodeId;
