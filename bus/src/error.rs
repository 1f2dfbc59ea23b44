//! Why a node could not attach, or a name not be had.

use std::error::Error as Cause;
use std::io;

use ringway_shm::card::CardError;
use ringway_shm::registry::RegistryError;
use ringway_shm::sys::SysError;
use ringway_shm::sys::fork::{GuardError, UsedAfterFork};
use ringway_shm::sys::limit::nofile_limit;
use rustix::io::Errno;
use thiserror::Error;

use crate::config::ConfigError;
use crate::directory::DirectoryError;
use crate::rings::RingsError;

/// A node did not join its bus. Nothing of it is left.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The configuration cannot be had.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The bus directory cannot be used, or must not be.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// This process was started to play a role and its program never took it: without this error it would start its
    /// own children, and they theirs.
    #[error(
        "this process was started as {role:?}, and its program has not taken that role before attaching"
    )]
    RoleNotTaken {
        /// The role in the environment.
        role: String,
    },
    /// The process was forked from one that had attached, or cannot be told from one.
    #[error(transparent)]
    Fork(#[from] GuardError),
    /// There is no memory for the node's card.
    #[error("no card for the node")]
    Card(#[from] CardError),
    /// There is no memory for the node's urings.
    #[error(transparent)]
    Rings(#[from] RingsError),
    /// The node's socket lost its temporary name each time, before it could be renamed.
    #[error(
        "the node's socket vanished from {directory} {times} times while starting: somebody removes files there"
    )]
    Vanished {
        /// The bus directory.
        directory: String,
        /// How often it was tried.
        times: u32,
    },
    /// This process has no descriptor left. Attaching has raised its soft limit to the hard one already.
    #[error(
        "this process has too many open files for a node, which needs some ten and as many for each peer: \
         its limit (RLIMIT_NOFILE, `ulimit -Hn`) is {}", .limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string())
    )]
    TooManyFiles {
        /// How many files the process may have open.
        limit: Option<u64>,
        /// What was to be opened.
        #[source]
        source: Box<AttachError>,
    },
    /// A thread of the node's could not be started.
    #[error(
        "no thread for the node (RLIMIT_NPROC, `ulimit -u`, limits the threads of a user, and a control group those in it)"
    )]
    NoThread(#[source] io::Error),
    /// The system refused something else.
    #[error("the system refused what a node needs")]
    System(#[from] io::Error),
}

impl AttachError {
    /// Wraps an error of the system's.
    pub(crate) fn system(error: impl Into<io::Error>) -> Self {
        Self::System(error.into())
    }

    /// The same with its remedy, where it is one that the system gives for many calls alike.
    pub(crate) fn explained(self) -> Self {
        if !is_out_of_files(&self) {
            return self;
        }
        Self::TooManyFiles {
            limit: nofile_limit(),
            source: Box::new(self),
        }
    }
}

/// Whether the cause of all causes is that this process has no descriptor left.
fn is_out_of_files(error: &(dyn Cause + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    causes.any(|error| {
        let of_io = || Errno::from_io_error(error.downcast_ref()?);
        error.downcast_ref().copied().or_else(of_io) == Some(Errno::MFILE)
    })
}

impl From<SysError> for AttachError {
    fn from(error: SysError) -> Self {
        Self::System(error.into())
    }
}

/// A name could not be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NameError {
    /// It does not fit.
    #[error("a name of {len} bytes, the longest has {max}")]
    TooLong {
        /// Bytes of the name.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// It is not a name.
    #[error("name {name:?} is not usable: {reason}")]
    NotUsable {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Another actor or queue on the bus has it.
    #[error("name {name:?} is taken by {}", .holder.as_deref().unwrap_or("a node that this one does not see yet, or that is ending"))]
    Taken {
        /// The name.
        name: String,
        /// Who has it, where this node can tell.
        holder: Option<String>,
    },
    /// The node's registry has no room.
    #[error("all {capacity} entries of this node's registry are in use")]
    Full {
        /// How many it has.
        capacity: u32,
    },
    /// The registry refused otherwise.
    #[error("the registry refused")]
    Registry(#[source] RegistryError),
    /// The node has detached.
    #[error("the node is detached")]
    Detached,
    /// This process is a forked child of the one that attached.
    #[error(transparent)]
    Fork(#[from] UsedAfterFork),
    /// The lock could not be tried.
    #[error("cannot lock name {name:?}")]
    System {
        /// The name.
        name: String,
        /// Why.
        #[source]
        source: SysError,
    },
}
