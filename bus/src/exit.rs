//! Why an actor, or the process that it lived in, ended: one enum for all of them.

use serde::{Deserialize, Serialize};

/// Why an actor ended, or why a peer's actors can no longer be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum ExitReason {
    /// The actor stopped itself.
    #[error("it ended normally")]
    Normal,
    /// Somebody called `stop` on it.
    #[error("it was stopped")]
    Stopped,
    /// Its node detached from the bus.
    #[error("its node left the bus")]
    Shutdown,
    /// Somebody called `kill` on it.
    #[error("it was killed")]
    Killed,
    /// Its start hook failed. Another process learns the first 4096 bytes of the text.
    #[error("it could not start: {0}")]
    StartFailed(String),
    /// A handler panicked with this message, of which another process learns the first 4096 bytes.
    #[error("a handler panicked: {0}")]
    Panicked(String),
    /// Its process ended by itself with this exit code.
    #[error("its process exited with code {0}")]
    ProcessExited(i32),
    /// Its process was ended by this signal.
    #[error("its process was ended by signal {0}")]
    ProcessSignaled(i32),
    /// Its process is dead; how it died is known only to its parent.
    #[error("its process died")]
    ProcessDied,
    /// The peer broke the protocol and was cut off.
    #[error("its node broke the protocol")]
    ProtocolViolation,
    /// The peer closed its connection without saying goodbye; its process may still live.
    #[error("its node closed the connection")]
    Unreachable,
}

/// Bytes of a text that cross to another process: far below what a frame has room for.
const TEXT_MAX: usize = 4096;

impl ExitReason {
    /// The same reason with as much of its text as another process learns.
    pub(crate) fn shortened(mut self) -> Self {
        if let Self::StartFailed(text) | Self::Panicked(text) = &mut self {
            text.truncate(text.floor_char_boundary(TEXT_MAX));
        }
        self
    }
}
