//! Actors and a message bus.

pub mod entry;
pub mod lease;
pub mod loan;
pub mod message;
#[doc(hidden)]
pub mod private;
pub mod token;
