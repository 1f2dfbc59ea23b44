//! Sending: `tell` and `ask` as futures that can be refined before they are awaited.
//!
//! # Cancel safety
//!
//! Dropping a send before it is ready sends nothing, if it had to wait; what it had accepted stays accepted. Dropping an
//! ask after that cancels it: its handler does not begin if it has not yet, and its reply is discarded.

mod again;
mod ask;
mod drawn;
mod error;
mod forward;
mod many;
pub(crate) mod redeliver;
mod sending;
mod tell;
mod tell_all;
mod unsent;
mod way;

pub use self::again::NoSuccessor;
pub(crate) use self::again::{Follow, next_life};
pub use self::ask::Ask;
pub(crate) use self::ask::DEADLINE as ASK_DEADLINE;
pub use self::error::{AskError, LoanError, SendError};
pub use self::forward::Forward;
pub use self::many::{Answers, AskAll, MemberAnswer, NoQuorum, ask_all};
pub use self::redeliver::{MessageId, Redeliver, RedeliveredAsk, RedeliveredTell};
pub use self::tell::Tell;
pub use self::tell_all::TellAll;
pub use self::unsent::{TellAllError, Unsent};
pub(crate) use self::way::{To, Way};
