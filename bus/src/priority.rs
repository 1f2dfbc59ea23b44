//! How urgent a message is, and what that is worth.

use serde::{Deserialize, Serialize};

/// Messages of high priority that are handled in a row while one of normal priority waits.
pub(crate) const HIGH_IN_ROW: u8 = 16; // what a turn at a uring has, too: a normal one waits for no more than 16 others

/// How urgent a message is: what [`Tell::priority`](crate::Tell::priority) and [`Ask::priority`](crate::Ask::priority) take.
///
/// A message of high priority overtakes those of normal priority that wait in the receiver's mailbox, in this process or
/// in another. What the control lane says ([`stop`](crate::Addr::stop), [`kill`](crate::Addr::kill)) overtakes both.
///
/// **Order.** Messages of one sender to one actor are handled in the order in which they were sent, those of each priority for
/// themselves. Between the two there is no order: a high one usually overtakes, but need not.
///
/// **No starvation.** After 16 messages of high priority in a row, one of normal priority that waits has its turn. What an actor
/// gets from [itself](crate::Context::after) takes turns with both.
///
/// **Room.** Each priority has room of its own: as much as [`ActorBuilder::mailbox`](crate::ActorBuilder::mailbox) says for each,
/// and its [`Overflow`](crate::Overflow) policy for each. So a message of high priority finds room in a mailbox that is full
/// of others, and what it displaces where the policy drops the oldest is one of high priority.
///
/// **Cost.** An actor to which nobody has sent anything of high priority pays nothing. The first such message to an actor of
/// another process opens a second uring to it, which takes a round trip; from then on that actor looks at up to four such urings
/// before each message.
///
/// What becomes of a message when its receiver ends does not depend on its priority.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Priority {
    /// What every message has unless told otherwise.
    #[default]
    Normal,
    /// Before those.
    High,
}
