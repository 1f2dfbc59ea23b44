//! Actors and a message bus.

pub mod entry;
pub mod lease;
pub mod loan;
pub mod message;
pub mod prelude;
#[doc(hidden)]
pub mod private;
pub mod token;

/// The version of serde that messages derive with: `#[serde(crate = "ringway::serde")]`.
pub use serde;

// Derived code names `::ringway`, also in here.
extern crate self as ringway;
