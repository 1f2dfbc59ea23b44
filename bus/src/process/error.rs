//! Why a child process did not become what it was to be: as its parent is told, and as the child itself finds out.

use std::io;
use std::time::Duration;

use ringway_shm::sys::SysError;
use ringway_shm::sys::launch;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::actor::Actor;
use crate::exit::ExitReason;
use crate::message::{Description, Difference};
use crate::node::Carried;
use crate::urings::wire::OpenRefusal;

/// A child process was not started, or did not become ready. No process is left of it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SpawnProcessError {
    /// The role cannot be one: it is empty, or has a zero byte inside.
    #[error("role {role:?} is not usable")]
    RoleName {
        /// The role, as given.
        role: String,
    },
    /// The node has left the bus, or is about to.
    #[error("the node is detached")]
    Detached,
    /// The arguments could not be encoded.
    #[error("cannot encode the arguments of role {role:?}: {reason}")]
    Args {
        /// The role.
        role: String,
        /// What is wrong with them.
        reason: String,
    },
    /// The child's program has no such role.
    #[error("the child's program has no role {role:?}; it has {roles:?}")]
    NoSuchRole {
        /// The role that was asked for.
        role: String,
        /// Those that the program has.
        roles: Vec<String>,
    },
    /// The child's program knows the role, as another actor.
    #[error("role {role:?} of the child's program is {theirs}, not {ours}")]
    OtherActor {
        /// The role.
        role: String,
        /// The actor that was asked for.
        ours: String,
        /// The actor that the role is.
        theirs: String,
    },
    /// The child's program builds the role's actor from other arguments.
    #[error("role {role:?} of the child's program is built from other arguments: {}", other_args(.theirs, .difference.as_deref()))]
    OtherArgs {
        /// The role.
        role: String,
        /// The message that the role is built from.
        theirs: String,
        /// How it differs from the one that was given.
        difference: Option<Box<Difference>>,
    },
    /// The role's actor does not handle what the address is to carry.
    #[error("role {role:?} of the child's program does not match: {refusal}")]
    OtherMessages {
        /// The role.
        role: String,
        /// What the child said.
        #[source]
        refusal: OpenRefusal,
    },
    /// The child cannot have something that was asked for it.
    #[error("the child for role {role:?} cannot have the `{option}` that was asked for: {reason}")]
    Option {
        /// The role.
        role: String,
        /// The method that asked for it.
        option: String,
        /// What the system said, with the call or the file that refused.
        reason: String,
    },
    /// The child could not join the bus.
    #[error("the child for role {role:?} could not join the bus: {reason}")]
    Attach {
        /// The role.
        role: String,
        /// What the child said.
        reason: String,
    },
    /// The actor could not be built, or its start hook failed.
    #[error("role {role:?} could not start: {reason}")]
    StartFailed {
        /// The role.
        role: String,
        /// What the child said.
        reason: String,
    },
    /// The child and this program are built with versions of Ringway that do not understand each other here.
    #[error("the child for role {role:?} gave an answer that says nothing: {reason}")]
    Version {
        /// The role.
        role: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The child ended before it was ready. A program whose `main` does not take its roles ends so.
    #[error(
        "the child for role {role:?} ended before it was ready: {reason} (does its main run its `Roles` first?)"
    )]
    Ended {
        /// The role.
        role: String,
        /// How it ended.
        reason: ExitReason,
        /// The last that it wrote to its standard error: see [`ChildProcess::stderr_tail`](crate::ChildProcess::stderr_tail).
        stderr: String,
    },
    /// The child was not ready in time, and was killed.
    #[error("the child for role {role:?} was not ready within {within:?}: {stage}")]
    Deadline {
        /// The role.
        role: String,
        /// The time it had.
        within: Duration,
        /// What it had not done.
        stage: Stage,
    },
    /// The system could not start the program.
    #[error("cannot start a process for role {role:?}")]
    Launch {
        /// The role.
        role: String,
        /// Why.
        #[source]
        source: launch::SpawnError,
    },
    /// The system refused something else.
    #[error("the system refused what a child process needs")]
    System(#[from] io::Error),
}

fn other_args(theirs: &str, difference: Option<&Difference>) -> String {
    difference.map_or_else(|| format!("{theirs:?}"), Difference::to_string)
}

/// What a child that was killed at its deadline had not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Stage {
    /// It had not answered: its program had not taken its role, or its actor had not started.
    #[error("its actor had not started")]
    Starting,
    /// Its node and this one had not met, or the uring to its actor was not open.
    #[error("its actor had started, but could not be reached")]
    Meeting,
}

/// Why a child ends without having been ready, as it tells its parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum StartRefusal {
    NoSuchRole { roles: Vec<String> },
    OtherActor { ours: String, theirs: String },
    OtherArgs { theirs: Box<Description> },
    OtherMessages(OpenRefusal),
    Option { option: String, reason: String },
    Attach(String),
    Failed(String),
}

impl StartRefusal {
    /// The same with texts of at most `max` bytes.
    pub(super) fn cut(mut self, max: usize) -> Self {
        if let Self::Attach(text) | Self::Failed(text) = &mut self {
            text.truncate(text.floor_char_boundary(max));
        }
        self
    }

    /// The error as the spawner of an actor `A` gets it.
    pub(super) fn into_error<A: Actor>(self, role: &str) -> SpawnProcessError {
        let role = role.to_owned();
        match self {
            Self::NoSuchRole { roles } => SpawnProcessError::NoSuchRole { role, roles },
            Self::OtherActor { ours, theirs } => {
                SpawnProcessError::OtherActor { role, ours, theirs }
            }
            Self::OtherArgs { theirs } => {
                let ours = Description::of::<A::Args>();
                let difference = ours.difference(&theirs).map(Box::new);
                SpawnProcessError::OtherArgs {
                    role,
                    theirs: theirs.name().to_owned(),
                    difference,
                }
            }
            Self::OtherMessages(refusal) => {
                let refusal = refusal.compared(&Carried::all(A::ACCEPTED));
                SpawnProcessError::OtherMessages { role, refusal }
            }
            Self::Option { option, reason } => SpawnProcessError::Option {
                role,
                option,
                reason,
            },
            Self::Attach(reason) => SpawnProcessError::Attach { role, reason },
            Self::Failed(reason) => SpawnProcessError::StartFailed { role, reason },
        }
    }
}

/// Why a process that its environment calls a child cannot be one: there is nobody to tell, so it says so and ends.
#[derive(Debug, Error)]
pub(super) enum ParentLost {
    #[error(
        "it inherited no lifeline: only a process started by `spawn_process` has one, and only until it takes its role"
    )]
    NoLifeline,
    #[error("its lifeline cannot be used")]
    Socket(#[from] SysError),
    #[error("its parent is gone")]
    Dead,
    #[error("its lifeline cannot be watched")]
    Watch(#[source] io::Error),
    #[error("it cannot read what it is to be")]
    Start(#[source] io::Error),
    #[error("it cannot make sense of what it is to be: {0}")]
    Garbled(String),
}

/// An error and its causes, on one line.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some errors repeat their cause in their own text.
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once() {
        let inner = io::Error::other("no such luck");
        let error = SpawnProcessError::System(inner);
        assert_eq!(
            with_causes(&error),
            "the system refused what a child process needs: no such luck"
        );
        let refusal = OpenRefusal::NoSuchActor;
        let error = SpawnProcessError::OtherMessages {
            role: "r".to_owned(),
            refusal,
        };
        assert_eq!(
            with_causes(&error),
            "role \"r\" of the child's program does not match: no such actor"
        );
    }
}
