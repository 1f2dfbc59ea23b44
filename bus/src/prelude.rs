//! The usual imports: `use ringway::prelude::*`.

pub use ringway_macros::{Actor, Message, Schema};
pub use serde::{Deserialize, Serialize};

pub use crate::actor::{Actor, Context, FromArgs, Handler, Hooks};
pub use crate::addr::{Addr, Recipient, WeakAddr};
pub use crate::config::{NodeConfig, Workers};
pub use crate::envelope::{Checked, Plain, Timed, Traced};
pub use crate::exit::ExitReason;
#[cfg(feature = "rkyv")]
pub use crate::lease::ArchivedLease;
pub use crate::lease::Lease;
pub use crate::loan::Loan;
pub use crate::mailbox::Overflow;
pub use crate::message::{
    BoxError, BytesMessage, CopyMessage, HandlerError, Message, Move, MoveMessage, Publish,
    PublishMessage, Schema, Serial, SerialMessage,
};
pub use crate::node::Node;
pub use crate::process::{ChildProcess, Roles};
pub use crate::queue::MessageQueue;
pub use crate::send::{AskError, SendError};
pub use futures_executor::block_on;
pub use futures_util::StreamExt;

pub use bits::{CheckedBitPattern, NoUninit, Pod, Zeroable};

/// bytemuck's traits with Ringway's derives, which need no `bytemuck` in the program's own dependencies: a name that is
/// imported by name (the derive) hides the one that comes with `*` (bytemuck's derive), but not the trait of the same name.
mod bits {
    pub use bytemuck::*;
    pub use ringway_macros::{CheckedBitPattern, NoUninit, Pod, Zeroable};
}

/// So many milliseconds.
pub const fn ms(milliseconds: u64) -> std::time::Duration {
    std::time::Duration::from_millis(milliseconds)
}

/// So many seconds.
pub const fn secs(seconds: u64) -> std::time::Duration {
    std::time::Duration::from_secs(seconds)
}
