//! Why a node will not peer with another, as it is told to that other and to those who look a name up.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::frame::{FrameError, Protocols};
use crate::peering::NodeId;

/// The longest name of another system's making that a refusal repeats.
const DETAIL_MAX: usize = 200;

/// A reason for ending a connection before it becomes a peering. 'This node' is the one that refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub(crate) enum Refusal {
    #[error("speaks protocol {theirs}, this node {ours}")]
    Protocol { theirs: Protocols, ours: Protocols },
    #[error("has pages of {theirs} bytes, this node {ours}")]
    PageSize { theirs: u32, ours: u32 },
    #[error(
        "has memory layout {theirs:016x}, this node {ours:016x}: they were built from different versions"
    )]
    Layout { theirs: u64, ours: u64 },
    #[error("was booted as {theirs:032x}, this node as {ours:032x}")]
    Boot { theirs: u128, ours: u128 },
    #[error("{0}")]
    Foreign(String),
    #[error("says that it is node {stated}, its socket is named {expected}")]
    Identity { stated: NodeId, expected: NodeId },
    #[error("has this node's own id {0}")]
    OwnId(NodeId),
    #[error("has a socket of process {socket}, but passed the descriptor of process {passed}")]
    Process { socket: u32, passed: u32 },
    #[error("has ended already")]
    Ended,
    #[error("passed {got} descriptors, a hello has {expected}")]
    Files { got: u32, expected: u32 },
    #[error("{what} is not what it is said to be: {detail}")]
    File { what: FileRole, detail: String },
    #[error("has a node name of {0} bytes")]
    Name(u32),
    #[error("sent what no node says at this point: {0}")]
    Unexpected(String),
    #[error("is connected already")]
    Duplicate,
    #[error("this node cannot open more descriptors now")]
    TooManyFiles,
    #[error("this node has {limit} peers already")]
    TooManyPeers { limit: u32 },
    #[error("the peering was ended")]
    Over,
    #[error("does not let this node connect: the permissions of its socket forbid it")]
    Denied,
    #[error("this node is meeting {limit} nodes of its {whose} already, which have yet to settle")]
    TooManyMeetings { limit: u32, whose: Party },
}

/// Who stands behind several nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Party {
    Process,
    User,
}

impl std::fmt::Display for Party {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Process => "process",
            Self::User => "user",
        })
    }
}

/// Which of a hello's descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FileRole {
    Card,
    Ring,
    Doorbell,
    Process,
}

impl std::fmt::Display for FileRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Card => "its card",
            Self::Ring => "its first ring segment",
            Self::Doorbell => "its doorbell",
            Self::Process => "its process descriptor",
        })
    }
}

impl Refusal {
    /// A descriptor that failed its check, with the check's words.
    pub(crate) fn file(what: FileRole, why: &dyn std::error::Error) -> Self {
        let mut detail = why.to_string();
        if let Some(source) = why.source() {
            detail = format!("{detail}: {source}");
        }
        Self::File {
            what,
            detail: shortened(detail),
        }
    }

    pub(crate) fn unexpected(what: impl std::fmt::Display) -> Self {
        Self::Unexpected(shortened(what.to_string()))
    }

    /// Whether the same two nodes may come together at a later try.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::TooManyFiles
                | Self::TooManyPeers { .. }
                | Self::TooManyMeetings { .. }
                | Self::Duplicate
        )
    }
}

impl From<FrameError> for Refusal {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Protocol { theirs, ours } => Self::Protocol { theirs, ours },
            other => Self::unexpected(other),
        }
    }
}

fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(DETAIL_MAX) {
        text.truncate(end);
    }
    text
}
