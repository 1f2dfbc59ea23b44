//! What becomes of a message that meets a full mailbox.

use serde::{Deserialize, Serialize};

/// What happens to a message that meets a full mailbox.
///
/// Senders of the actor's own process share one queue, whose bound is [`ActorBuilder::mailbox`](crate::ActorBuilder::mailbox).
/// Every other process has a uring of its own with as much room, at most 128 entries, and meets the policy when that is
/// full. A message that was dropped comes back to its sender: a tell on its address's `undelivered()` stream, an ask as
/// [`AskError::Dropped`](crate::AskError::Dropped).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overflow {
    /// The sender waits for room, up to its deadline.
    #[default]
    Wait,
    /// The sender gets its message back at once.
    Fail,
    /// The new message is dropped, and counted by the node of its sender.
    DropNewest,
    /// The oldest message in the queue is dropped, and counted by the node of the actor.
    ///
    /// A uring's are dropped by the actor as it takes, between two handlers: it keeps as many of the newest as the
    /// mailbox's bound, and at most half of the uring (64). So there is room while a handler runs; a sender that has filled
    /// the uring all the same waits, or gets its message back from `try_tell`.
    DropOldest,
}
