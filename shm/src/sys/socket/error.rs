//! How a socket says no: each outcome that a node treats in its own way has a name.

use crate::sys::SysError;

/// Why a connection could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody listens there any more: the name is stale.
    #[error("connection refused: nobody listens under this name")]
    Refused,
    /// There is no such name.
    #[error("no socket of this name")]
    Missing,
    /// The other's queue of connections is full; try again.
    #[error("the listener's queue of connections is full")]
    Busy,
    /// The socket's permissions, or those of its directory, forbid it.
    #[error("permission denied")]
    Denied,
    /// This process, or the system, has too many descriptors open.
    #[error("too many open files")]
    TooManyFiles,
    /// A system call failed otherwise.
    #[error("cannot connect")]
    System(#[from] SysError),
}

/// Why no connection could be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// This process, or the system, has too many descriptors open; the connection stays queued, the listener readable.
    #[error("too many open files")]
    TooManyFiles,
    /// A system call failed otherwise.
    #[error("cannot accept")]
    System(#[from] SysError),
}

/// Why a message was not sent. Nothing of it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The other end's queue is full; try again when writable.
    #[error("the peer's queue is full")]
    WouldBlock,
    /// Too many descriptors of this user are under way in sockets; try again when the receivers have taken some.
    #[error("too many descriptors in flight")]
    TooManyInFlight,
    /// The system has no memory for the message at the moment; try again later.
    #[error("the system has no memory for the message")]
    NoMemory,
    /// The message is larger than the socket's buffer can ever hold.
    #[error("a message of {len} bytes is too large for the socket")]
    TooLarge {
        /// Its length.
        len: usize,
    },
    /// The other end is closed.
    #[error("the peer closed the connection")]
    Closed,
    /// The other end was closed with messages of ours unread. What it had sent can still be received.
    #[error("the peer closed the connection with unread messages")]
    Reset,
    /// A system call failed otherwise.
    #[error("cannot send")]
    System(#[from] SysError),
}

/// Why no message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// Nothing is queued; try again when readable.
    #[error("no message is queued")]
    WouldBlock,
    /// The system has no memory for what comes with the message, which stays queued; try again later.
    #[error("the system has no memory to receive with")]
    NoMemory,
    /// The other end is closed and all that it sent was received. (Or it sent an empty message, which nodes never do.)
    #[error("the peer closed the connection")]
    Closed,
    /// The other end was closed with messages of ours unread. Told once; what it had sent follows: receive on.
    #[error("the peer closed the connection with unread messages")]
    Reset,
    /// A system call failed otherwise.
    #[error("cannot receive")]
    System(#[from] SysError),
}
