//! Why an actor, or the process that it lived in, ended: one enum for all of them.

use ringway_macros::Message;
use serde::{Deserialize, Serialize};

use crate::addr::ActorId;

/// Why an actor ended, or why a peer's actors can no longer be reached.
///
/// [`is_normal`](Self::is_normal) tells an orderly end from a failure, which is what a supervisor goes by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Message, thiserror::Error)]
#[message(serial, name = "ringway.ExitReason")]
#[non_exhaustive]
pub enum ExitReason {
    /// The actor stopped itself.
    #[error("it ended normally")]
    Normal,
    /// Somebody called `stop` on it.
    #[error("it was stopped")]
    Stopped,
    /// Its node detached from the bus, or its supervisor stopped it.
    #[error("it was shut down with its node or by its supervisor")]
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
    /// It ended itself with [`Context::fail`](crate::Context::fail). Another process learns the first 4096 bytes of the text.
    #[error("it failed: {0}")]
    Error(String),
    /// It did not stop in the time that it was given, and was killed.
    #[error("it did not stop in time and was killed")]
    StopTimeout,
    /// It is a supervisor, and its children failed more often than its [intensity](crate::Supervisor::intensity) allows.
    /// Another process learns the first 4096 bytes of the text, which names the last child.
    #[error("it gave up its children: {0}")]
    GaveUp(String),
    /// There was no such actor any more when its address was first used: how it ended is not known.
    #[error("there was no such actor")]
    NoSuchActor,
    /// An actor that it was [linked](crate::Context::link) to failed, or one that that one was linked to.
    #[error("{who:?}, which it was linked to, failed: {why}")]
    LinkDied {
        /// The first that failed.
        who: ActorId,
        /// Why, in words, of which another process learns the first 4096 bytes.
        why: String,
    },
    /// The kernel killed its process because memory ran short. Only the parent of the process learns this, from evidence:
    /// the process died of SIGKILL, this parent's node did not send it, and since the process was started the kernel has
    /// counted one more such kill in the memory cgroup in which the parent started it (`memory.events.local` of version 2,
    /// `memory.oom_control` of version 1) than other children died of.
    ///
    /// Without such a cgroup (the root of version 2 counts nothing), and for a process that was moved to another one, the
    /// reason is `ProcessSignaled(9)`. It is mistaken when the kernel killed a process of the same cgroup that is no child of
    /// this one, and a child of this one later died by somebody else's SIGKILL.
    #[error("the kernel killed its process for want of memory")]
    OutOfMemory,
}

/// Bytes of a text that cross to another process: far below what a frame has room for.
const TEXT_MAX: usize = 4096;

impl ExitReason {
    /// Whether this is an orderly end: [`Normal`](Self::Normal), [`Stopped`](Self::Stopped),
    /// [`Shutdown`](Self::Shutdown), and [`ProcessExited`](Self::ProcessExited) with code 0. Everything else is a failure,
    /// after which a transient child is started again.
    #[must_use]
    pub const fn is_normal(&self) -> bool {
        matches!(
            self,
            Self::Normal | Self::Stopped | Self::Shutdown | Self::ProcessExited(0)
        )
    }

    /// Whether its whole process has ended, as its parent saw it.
    pub(crate) const fn is_of_process(&self) -> bool {
        matches!(
            self,
            Self::ProcessExited(_)
                | Self::ProcessSignaled(_)
                | Self::ProcessDied
                | Self::OutOfMemory
        )
    }

    /// The same reason with as much of its text as another process learns.
    pub(crate) fn shortened(mut self) -> Self {
        if let Self::StartFailed(text)
        | Self::Panicked(text)
        | Self::Error(text)
        | Self::GaveUp(text)
        | Self::LinkDied { why: text, .. } = &mut self
        {
            text.truncate(text.floor_char_boundary(TEXT_MAX));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: what counts as an orderly end, each reason by name.
    #[test]
    fn orderly_ends_are_few() {
        let text = || "why".to_owned();
        for reason in [
            ExitReason::Normal,
            ExitReason::Stopped,
            ExitReason::Shutdown,
            ExitReason::ProcessExited(0),
        ] {
            assert!(reason.is_normal(), "{reason}");
        }
        for reason in [
            ExitReason::Killed,
            ExitReason::StartFailed(text()),
            ExitReason::Panicked(text()),
            ExitReason::ProcessExited(1),
            ExitReason::ProcessSignaled(15),
            ExitReason::ProcessDied,
            ExitReason::ProtocolViolation,
            ExitReason::Unreachable,
            ExitReason::Error(text()),
            ExitReason::StopTimeout,
            ExitReason::GaveUp(text()),
            ExitReason::NoSuchActor,
            ExitReason::OutOfMemory,
            ExitReason::LinkDied {
                who: ActorId::FIRST,
                why: text(),
            },
        ] {
            assert!(!reason.is_normal(), "{reason}");
        }
    }

    // Goal: no text is too long to be told to another process, and none is cut inside a letter.
    #[test]
    fn texts_are_cut_for_others() {
        for make in [
            ExitReason::StartFailed,
            ExitReason::Panicked,
            ExitReason::Error,
            ExitReason::GaveUp,
            |why| ExitReason::LinkDied {
                who: ActorId::FIRST,
                why,
            },
        ] {
            let letters = "\u{e9}".repeat(TEXT_MAX);
            let cut = make("x".to_owned() + &letters).shortened();
            let whole = make("x".to_owned() + &letters[..TEXT_MAX - 2]);
            assert_eq!(cut, whole);
        }
    }
}
