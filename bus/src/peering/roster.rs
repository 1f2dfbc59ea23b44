//! Who is on the bus, as far as this node knows: its peers, and the nodes that it has found but not yet met.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::peering::refusal::Refusal;
use crate::peering::{NodeId, Peer};

/// All peers and strangers of a node.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    /// Connected or closed, until they are dead.
    peers: HashMap<NodeId, Arc<Peer>>,
    strangers: HashMap<NodeId, Stranger>,
    is_detached: bool,
}

/// Why a node that was found is not a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// It has not answered yet.
    Silent,
    /// It, or this node, refused.
    Refused(Refusal),
}

/// A node that was found, and may have the name that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SilentNode {
    id: NodeId,
    why: Stranger,
}

impl SilentNode {
    /// The node's id, which is the name of its socket in the bus directory.
    pub(crate) fn id(&self) -> NodeId {
        self.id
    }

    /// Whether it will not be a peer.
    pub(crate) fn has_refused(&self) -> bool {
        matches!(self.why, Stranger::Refused(_))
    }
}

impl fmt::Display for SilentNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Stranger::Silent => write!(f, "node {} has not answered", self.id),
            Stranger::Refused(refusal) => write!(f, "node {} {refusal}", self.id),
        }
    }
}

impl Roster {
    pub(crate) fn peers(&self) -> Vec<Arc<Peer>> {
        self.books().peers.values().cloned().collect()
    }

    pub(crate) fn peer(&self, id: NodeId) -> Option<Arc<Peer>> {
        self.books().peers.get(&id).cloned()
    }

    pub(crate) fn add(&self, peer: &Arc<Peer>) {
        let mut books = self.books();
        books.strangers.remove(&peer.id());
        books.peers.insert(peer.id(), Arc::clone(peer));
    }

    pub(crate) fn remove(&self, id: NodeId) -> Option<Arc<Peer>> {
        self.books().peers.remove(&id)
    }

    /// Notes a node that is not a peer.
    pub(crate) fn note(&self, id: NodeId, stranger: Stranger) {
        let mut books = self.books();
        if !books.peers.contains_key(&id) {
            books.strangers.insert(id, stranger);
        }
    }

    /// Forgets a node that is gone.
    pub(crate) fn forget(&self, id: NodeId) {
        self.books().strangers.remove(&id);
    }

    /// The nodes that were found and are not peers.
    pub(crate) fn strangers(&self) -> Vec<SilentNode> {
        let books = self.books();
        books
            .strangers
            .iter()
            .map(|(id, why)| SilentNode {
                id: *id,
                why: why.clone(),
            })
            .collect()
    }

    /// Empties the roster for good.
    pub(crate) fn detach(&self) -> Vec<Arc<Peer>> {
        let mut books = self.books();
        books.is_detached = true;
        books.strangers.clear();
        books.peers.drain().map(|(_, peer)| peer).collect()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
