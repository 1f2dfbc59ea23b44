//! What can go wrong with a send, each with the message that was not sent.

use std::fmt;
use std::time::Duration;

use ringway_shm::heap::HeapError;
use ringway_shm::sys::fork;

use super::NoSuccessor;
use crate::exit::ExitReason;
use crate::message::HandlerError;
use crate::token::TokenizeCause;
use crate::urings::wire::OpenRefusal;

/// A message that was not sent; it comes back.
#[non_exhaustive]
pub enum SendError<S> {
    /// The mailbox is full, and its policy or the call says not to wait.
    Full {
        /// The message.
        message: S,
    },
    /// There was no room before the deadline.
    Deadline {
        /// The message.
        message: S,
        /// How long the send had waited.
        waited: Duration,
    },
    /// The receiver has ended.
    Ended {
        /// The message.
        message: S,
        /// How it ended.
        reason: ExitReason,
    },
    /// The receiver has ended, and so far nothing that this address can follow has taken its place.
    NoSuccessor {
        /// The message.
        message: S,
        /// Why not.
        cause: Box<NoSuccessor>,
    },
    /// The group has no member.
    NoMember {
        /// The message.
        message: S,
        /// The group.
        group: String,
    },
    /// The receiver's node would not open a uring for messages of this type.
    Refused {
        /// The message.
        message: S,
        /// What it said.
        refusal: OpenRefusal,
    },
    /// The message found no place in the heap, or cannot be encoded.
    Unpacked {
        /// The message.
        message: S,
        /// Why.
        cause: TokenizeCause,
    },
    /// This process was forked from the one that had attached: it must exec, or attach anew after one.
    Forked {
        /// The message.
        message: S,
    },
}

impl<S> SendError<S> {
    /// Returns the message.
    pub fn into_inner(self) -> S {
        match self {
            Self::Full { message }
            | Self::Deadline { message, .. }
            | Self::Ended { message, .. }
            | Self::NoSuccessor { message, .. }
            | Self::NoMember { message, .. }
            | Self::Refused { message, .. }
            | Self::Unpacked { message, .. }
            | Self::Forked { message } => message,
        }
    }

    /// The same of a message in another form.
    pub(crate) fn map<T>(self, form: impl FnOnce(S) -> T) -> SendError<T> {
        match self {
            Self::Full { message } => SendError::Full {
                message: form(message),
            },
            Self::Deadline { message, waited } => SendError::Deadline {
                message: form(message),
                waited,
            },
            Self::Ended { message, reason } => SendError::Ended {
                message: form(message),
                reason,
            },
            Self::NoSuccessor { message, cause } => SendError::NoSuccessor {
                message: form(message),
                cause,
            },
            Self::NoMember { message, group } => SendError::NoMember {
                message: form(message),
                group,
            },
            Self::Refused { message, refusal } => SendError::Refused {
                message: form(message),
                refusal,
            },
            Self::Unpacked { message, cause } => SendError::Unpacked {
                message: form(message),
                cause,
            },
            Self::Forked { message } => SendError::Forked {
                message: form(message),
            },
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { .. } => f.write_str("the mailbox is full"),
            Self::Deadline { waited, .. } => write!(f, "no room in the mailbox within {waited:?}"),
            Self::Ended { reason, .. } => write!(f, "the receiver has ended: {reason}"),
            Self::NoMember { group, .. } => write!(f, "group {group:?} has no member"),
            Self::NoSuccessor { cause, .. } => fmt::Display::fmt(cause, f),
            Self::Refused { refusal, .. } => write!(f, "the receiver refused: {refusal}"),
            Self::Unpacked { cause, .. } => fmt::Display::fmt(cause, f),
            Self::Forked { .. } => fmt::Display::fmt(&fork::UsedAfterFork, f),
        }
    }
}

impl<S> fmt::Display for SendError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(f)
    }
}

impl<S> fmt::Debug for SendError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Full { .. } => "Full",
            Self::Deadline { .. } => "Deadline",
            Self::Ended { .. } => "Ended",
            Self::NoSuccessor { .. } => "NoSuccessor",
            Self::NoMember { .. } => "NoMember",
            Self::Refused { .. } => "Refused",
            Self::Unpacked { .. } => "Unpacked",
            Self::Forked { .. } => "Forked",
        };
        write!(f, "SendError::{name}(")?;
        self.describe(f)?;
        f.write_str(")")
    }
}

impl<S> std::error::Error for SendError<S> {}

/// No memory to fill a message in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoanError {
    /// The heap of this node has no block of that size.
    #[error(transparent)]
    Heap(#[from] HeapError),
    /// The receiver is in this process, which has no memory for a message of that size.
    #[error("this process has no memory for a message of {bytes} bytes")]
    Memory {
        /// The message's size; more than there can be stays the largest number.
        bytes: usize,
    },
    /// The node has left the bus.
    #[error("the node is detached")]
    Detached,
}

/// An ask without a reply.
#[non_exhaustive]
pub enum AskError<S> {
    /// The message was not sent; it comes back.
    Unsent(SendError<S>),
    /// The reply did not come before the deadline. The handler may have run, run still, or never run.
    Deadline {
        /// How long the ask had waited.
        waited: Duration,
    },
    /// The receiver ended before it replied.
    Died {
        /// Whether the handler had begun. If not, it had no effect and the message is safe to send again.
        taken: bool,
        /// The message, if it was not taken.
        message: Option<S>,
        /// How the receiver ended.
        reason: ExitReason,
    },
    /// It was sent again as often as was allowed, and each time its receiver ended after it took the message, which is a
    /// [dead letter](crate::DeadLetter) now.
    Poisoned {
        /// How many handlers had begun.
        attempts: u32,
        /// How the last receiver ended.
        reason: ExitReason,
    },
    /// The handler returned an error.
    Handler(HandlerError),
    /// The handler left the reply for later, and whoever had the [`ReplyTo`](crate::ReplyTo) let go of it without an answer.
    Unanswered,
    /// The receiver's mailbox was full and its policy dropped the message; it comes back if it is still there.
    Dropped {
        /// The message.
        message: Option<S>,
    },
    /// The receiver could not make sense of the message.
    Refused {
        /// What it said.
        reason: String,
    },
    /// The reply is not what its type says.
    Reply {
        /// What is wrong with it.
        reason: String,
    },
}

impl<S> AskError<S> {
    /// Returns the message, if it was not taken and is still there.
    pub fn into_inner(self) -> Option<S> {
        match self {
            Self::Unsent(error) => Some(error.into_inner()),
            Self::Died { message, .. } | Self::Dropped { message } => message,
            _ => None,
        }
    }

    /// The same of a message in another form.
    pub(crate) fn map<T>(self, form: impl FnOnce(S) -> T) -> AskError<T> {
        match self {
            Self::Unsent(error) => AskError::Unsent(error.map(form)),
            Self::Deadline { waited } => AskError::Deadline { waited },
            Self::Died {
                taken,
                message,
                reason,
            } => AskError::Died {
                taken,
                message: message.map(form),
                reason,
            },
            Self::Poisoned { attempts, reason } => AskError::Poisoned { attempts, reason },
            Self::Handler(error) => AskError::Handler(error),
            Self::Unanswered => AskError::Unanswered,
            Self::Dropped { message } => AskError::Dropped {
                message: message.map(form),
            },
            Self::Refused { reason } => AskError::Refused { reason },
            Self::Reply { reason } => AskError::Reply { reason },
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsent(error) => error.describe(f),
            Self::Deadline { waited } => write!(f, "no reply within {waited:?}"),
            Self::Died {
                taken: false,
                reason,
                ..
            } => {
                write!(f, "the receiver ended before it took the message: {reason}")
            }
            Self::Died { reason, .. } => {
                write!(f, "the receiver ended after it took the message: {reason}")
            }
            Self::Poisoned { attempts, reason } => write!(
                f,
                "the receiver ended each of {attempts} times after it took the message, at last: {reason}"
            ),
            Self::Handler(error) => write!(f, "the handler failed: {error}"),
            Self::Unanswered => f.write_str("whoever was to answer did not"),
            Self::Dropped { .. } => f.write_str("the receiver's mailbox dropped the message"),
            Self::Refused { reason } => write!(f, "the receiver refused the message: {reason}"),
            Self::Reply { reason } => write!(f, "the reply is not what its type says: {reason}"),
        }
    }
}

impl<S> fmt::Display for AskError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(f)
    }
}

impl<S> fmt::Debug for AskError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Unsent(error) => return error.fmt(f),
            Self::Deadline { .. } => "Deadline",
            Self::Died { .. } => "Died",
            Self::Poisoned { .. } => "Poisoned",
            Self::Handler(_) => "Handler",
            Self::Unanswered => "Unanswered",
            Self::Dropped { .. } => "Dropped",
            Self::Refused { .. } => "Refused",
            Self::Reply { .. } => "Reply",
        };
        write!(f, "AskError::{name}(")?;
        self.describe(f)?;
        f.write_str(")")
    }
}

impl<S> std::error::Error for AskError<S> {}
