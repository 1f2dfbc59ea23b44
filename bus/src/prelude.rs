//! The usual imports: `use ringway::prelude::*`.

pub use ringway_macros::{Actor, Message, Schema};
pub use serde::{Deserialize, Serialize};

#[cfg(feature = "rkyv")]
pub use crate::lease::ArchivedLease;
pub use crate::lease::Lease;
pub use crate::loan::Loan;
pub use crate::message::{
    BytesMessage, CopyMessage, HandlerError, Message, Move, MoveMessage, Publish, PublishMessage,
    Schema, Serial, SerialMessage,
};
pub use bits::{CheckedBitPattern, NoUninit, Pod, Zeroable};

/// bytemuck's traits with Ringway's derives, which need no `bytemuck` in the program's own dependencies: a name that is
/// imported by name (the derive) hides the one that comes with `*` (bytemuck's derive), but not the trait of the same name.
mod bits {
    pub use bytemuck::*;
    pub use ringway_macros::{CheckedBitPattern, NoUninit, Pod, Zeroable};
}
