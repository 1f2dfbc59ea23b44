//! The ends of topics that a node has, by number, and what happens to them when a peer or the node itself goes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::intake::SubscriberEnd;
use super::outlet::PublisherEnd;
use super::presence::Shown;
use super::raw::Asked;
use super::wire::Pairing;
use crate::number::Number;
use crate::peering::NodeId;
use crate::rings::RingSpan;
use crate::shared::lock;

/// The ends of topics of one node.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    pub(super) shown: Shown,
    pub(super) asked: Asked,
    publishers: Mutex<HashMap<Number, Arc<PublisherEnd>>>,
    subscribers: Mutex<HashMap<Number, Arc<SubscriberEnd>>>,
    /// Halves that the publisher's node may still read.
    halves: Mutex<HashMap<(NodeId, Pairing), RingSpan>>,
}

impl Topics {
    pub(super) fn add_publisher(&self, end: &Arc<PublisherEnd>) {
        lock(&self.publishers).insert(end.id.number(), Arc::clone(end));
    }

    pub(super) fn publisher(&self, number: Number) -> Option<Arc<PublisherEnd>> {
        lock(&self.publishers).get(&number).cloned()
    }

    pub(super) fn remove_publisher(&self, number: Number) {
        let end = lock(&self.publishers).remove(&number);
        drop(end); // outside the lock
    }

    fn publishers(&self) -> Vec<Arc<PublisherEnd>> {
        lock(&self.publishers).values().cloned().collect()
    }

    pub(super) fn add_subscriber(&self, end: &Arc<SubscriberEnd>) {
        lock(&self.subscribers).insert(end.id.number(), Arc::clone(end));
    }

    pub(super) fn subscriber(&self, number: Number) -> Option<Arc<SubscriberEnd>> {
        lock(&self.subscribers).get(&number).cloned()
    }

    pub(super) fn remove_subscriber(&self, number: Number) {
        let end = lock(&self.subscribers).remove(&number);
        drop(end); // outside the lock
    }

    pub(super) fn subscribers(&self) -> Vec<Arc<SubscriberEnd>> {
        lock(&self.subscribers).values().cloned().collect()
    }

    /// Keeps a half until its publisher's node has answered that it is not read, or is dead.
    pub(super) fn keep_half(&self, node: NodeId, pairing: Pairing, span: RingSpan) {
        let former = lock(&self.halves).insert((node, pairing), span);
        drop(former); // there is none; outside the lock, should there be
    }

    /// The publisher's node reads it no more; `false` if it was not kept.
    pub(super) fn forget_half(&self, node: NodeId, pairing: Pairing) -> bool {
        let span = lock(&self.halves).remove(&(node, pairing));
        span.is_some()
    }

    pub(super) fn forget_halves(&self, node: NodeId) {
        let mut gone = Vec::new();
        let mut halves = lock(&self.halves);
        let kept = std::mem::take(&mut *halves);
        for (key, span) in kept {
            if key.0 == node {
                gone.push(span);
            } else {
                halves.insert(key, span);
            }
        }
        drop(halves);
        drop(gone); // which blanks them: outside the lock
    }

    /// A peer's traffic has ended: it says nothing more, and its publishers are read to their end.
    pub(crate) fn peer_closed(&self, node: NodeId) {
        for end in self.subscribers() {
            end.node_gone(node);
        }
        for end in self.publishers() {
            end.disregard(node);
        }
        self.asked.forget_node(node);
    }

    /// A peer is dead: it reads nothing any more.
    pub(crate) fn peer_dead(&self, node: NodeId) {
        for end in self.publishers() {
            end.forget_node(node);
        }
        for end in self.subscribers() {
            end.node_gone(node);
        }
        self.forget_halves(node);
        self.asked.forget_node(node);
    }

    /// A segment of a peer's heap was mapped: a sample may wait for it.
    pub(crate) fn heap_mapped(&self, node: NodeId) {
        for end in self.subscribers() {
            if end.reads(node) {
                end.wake();
            }
        }
    }

    /// The node leaves its bus. The publishers' lanes and blocks stay as long as this does: others may still read them.
    pub(crate) fn leave(&self) {
        for end in self.subscribers() {
            end.close();
        }
        self.publishers().iter().for_each(|end| end.abandon());
        let subscribers = std::mem::take(&mut *lock(&self.subscribers));
        let halves = std::mem::take(&mut *lock(&self.halves));
        drop((subscribers, halves)); // outside the locks
    }
}
