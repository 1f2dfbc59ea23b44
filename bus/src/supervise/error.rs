//! What can go wrong with supervisors and their children.

use std::time::Duration;

use thiserror::Error;

use crate::exit::ExitReason;

/// A supervisor was not started, or did not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SuperviseError {
    /// The node has left the bus, or is about to.
    #[error("the node is detached")]
    Detached,
    /// A child did not start. Those that had started with its supervisor have been stopped, if that was what started it.
    #[error("child {child:?} did not start: {reason}")]
    StartFailed {
        /// The child.
        child: String,
        /// Why.
        reason: ExitReason,
    },
    /// The supervisor has a child of that name already.
    #[error("there is a child {child:?} already")]
    Exists {
        /// The child.
        child: String,
    },
    /// The supervisor has no child of that name.
    #[error("there is no child {child:?}")]
    NoSuchChild {
        /// The child.
        child: String,
    },
    /// The child runs, or is being started.
    #[error("child {child:?} runs")]
    Runs {
        /// The child.
        child: String,
    },
    /// The child is stopped, or was not started again in time.
    #[error("child {child:?} did not run within {waited:?}")]
    NotRunning {
        /// The child.
        child: String,
        /// The time it had.
        waited: Duration,
    },
    /// The child is not what it was taken for.
    #[error("child {child:?} is {found}, not {wanted}")]
    OtherType {
        /// The child.
        child: String,
        /// What it is.
        found: &'static str,
        /// What it was taken for.
        wanted: &'static str,
    },
    /// The child is to have [copies](crate::Child::copies), which are added to a running supervisor one by one.
    #[error("the copies of child {child:?} are to be started one by one")]
    Copies {
        /// The child.
        child: String,
    },
    /// The supervisor has ended, or is about to.
    #[error("the supervisor has ended: {0}")]
    Ended(ExitReason),
}
