//! The children of one node: those that live, and how those died whose nodes are about to be missed.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::ward::Ward;
use crate::exit::ExitReason;
use crate::peering::NodeId;
use crate::shared::lock;

/// The children of one node.
#[derive(Debug, Default)]
pub(crate) struct Wards {
    living: Mutex<Vec<Arc<Ward>>>,
    /// Children by their nodes, until both the process and the peering are over.
    by_node: Mutex<HashMap<NodeId, Arc<Ward>>>,
    /// The last words of those that died, for who is about to be told of that; the youngest last.
    last_words: Mutex<VecDeque<(NodeId, Arc<str>)>>,
}

/// Dead children whose last words are kept: 4 KiB each.
const WORDS_MAX: usize = 64;

impl Wards {
    pub(super) fn add(&self, ward: &Arc<Ward>) {
        lock(&self.living).push(Arc::clone(ward));
    }

    pub(super) fn remove(&self, ward: &Arc<Ward>) {
        lock(&self.living).retain(|other| !Arc::ptr_eq(other, ward));
    }

    /// A child says which node it is.
    pub(super) fn is_node(&self, node: NodeId, ward: &Arc<Ward>) {
        lock(&self.by_node).insert(node, Arc::clone(ward));
    }

    /// A child is over. What is known of it is kept for the notice of its node's death, if that is yet to come.
    pub(super) fn over(&self, ward: &Arc<Ward>, is_peer: impl FnOnce(NodeId) -> bool) {
        self.remove(ward);
        let is_ward = |other: &Arc<Ward>| Arc::ptr_eq(other, ward);
        let by_node = lock(&self.by_node);
        let node = by_node
            .iter()
            .find(|(_, other)| is_ward(other))
            .map(|(node, _)| *node);
        drop(by_node);
        if let Some(node) = node
            && !is_peer(node)
        {
            lock(&self.by_node).remove(&node);
        }
    }

    /// All whose process may still be there.
    pub(crate) fn living(&self) -> Vec<Arc<Ward>> {
        lock(&self.living).clone()
    }

    /// A peering is over, in whatever way: nobody will ask how its process died.
    pub(crate) fn forget(&self, node: NodeId) {
        let ward = lock(&self.by_node).remove(&node);
        drop(ward); // outside the lock: it may be the last to hold its descriptors
    }

    /// A peer's process is dead: how it died, if it was a child.
    pub(crate) fn died(&self, node: NodeId) -> Option<ExitReason> {
        let ward = lock(&self.by_node).remove(&node)?;
        let reason = ward.reap();
        let words = ward.stderr_tail();
        if !words.is_empty() {
            let mut kept = lock(&self.last_words);
            if kept.len() == WORDS_MAX {
                kept.pop_front();
            }
            kept.push_back((node, words.into()));
        }
        reason
    }

    /// What a dead child had written last to its standard error.
    pub(crate) fn last_words(&self, node: NodeId) -> Option<String> {
        let kept = lock(&self.last_words);
        let found = kept.iter().find(|(other, _)| *other == node);
        found.map(|(_, words)| words.to_string())
    }
}
