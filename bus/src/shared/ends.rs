//! The ends of urings to receivers on other nodes: found, opened, and let go of.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Weak};

use ringway_shm::generation::Key;

use super::closing::Rest;
use super::{Shared, lock};
use crate::exit::ExitReason;
use crate::frame::WireKey;
use crate::node::Carried;
use crate::number::Number;
use crate::peering::NodeId;
use crate::priority::Priority;
use crate::remote::RemoteEnd;
use crate::urings::wire::{TargetKind, UringWord};
use crate::urings::{PeerUrings, open};

/// What identifies an end that addresses can share: the receiver, and what it was agreed to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EndKey {
    pub(crate) node: NodeId,
    pub(crate) target: Number,
    pub(crate) types: u64,
    /// Of all that is sent by it.
    pub(crate) priority: Priority,
}

/// What a set of carried types is known by inside this process.
fn hash_of(kind: TargetKind, carried: &[Carried]) -> u64 {
    let mut hasher = DefaultHasher::new();
    kind.hash(&mut hasher);
    carried
        .iter()
        .for_each(|it| (it.id, it.schema.hash()).hash(&mut hasher));
    hasher.finish()
}

impl Shared {
    /// The end of a uring to a receiver on another node; opened if it is not yet, shared by all who agree on the types.
    pub(crate) fn end_to(
        self: &Arc<Self>,
        node: NodeId,
        target: Number,
        kind: TargetKind,
        carried: &[Carried],
    ) -> Arc<RemoteEnd> {
        let key = EndKey {
            node,
            target,
            types: hash_of(kind, carried),
            priority: Priority::Normal,
        };
        // Declared before the lock is taken: were it the last one to hold the former end, dropping it would lock again.
        let former;
        let (end, is_new) = {
            let mut ends = lock(&self.ends);
            former = ends.get(&key).and_then(Weak::upgrade);
            match &former {
                Some(end) if !matches!(end.open_result(), Some(Err(_))) => (Arc::clone(end), false),
                _ => {
                    let end = RemoteEnd::new(self, key, kind, carried.to_vec());
                    ends.insert(key, Arc::downgrade(&end));
                    (end, true)
                }
            }
        };
        drop(former);
        if is_new {
            self.open(&end);
        }
        end
    }

    /// Opens the end of a second uring to a receiver, which the first end keeps.
    pub(crate) fn open_high(self: &Arc<Self>, end: &Arc<RemoteEnd>) {
        lock(&self.ends).insert(end.key, Arc::downgrade(end));
        self.open(end);
    }

    /// An address whose actor is known to have ended.
    pub(crate) fn ended_end(self: &Arc<Self>, node: NodeId, target: Number) -> Arc<RemoteEnd> {
        let key = EndKey {
            node,
            target,
            types: 0,
            priority: Priority::Normal,
        };
        let end = RemoteEnd::new(self, key, TargetKind::Actor, Vec::new());
        end.refuse(&ExitReason::NoSuchActor);
        end
    }

    /// Sends the request to open, or leaves it until the node is connected.
    pub(super) fn open(self: &Arc<Self>, end: &Arc<RemoteEnd>) {
        let Some(urings) = self.peer(end.key.node) else {
            // Its address came before its node was met, or after that was gone.
            if !self.core().await_node(end.key.node) {
                end.refuse(&ExitReason::Unreachable);
            }
            return;
        };
        if !end.claim() {
            return;
        }
        if let Err(refusal) = open::request(self, &urings, end) {
            end.refused(refusal);
        }
    }

    /// A node is connected: what waited for it is opened now.
    pub(super) fn open_waiting(self: &Arc<Self>, urings: &PeerUrings) {
        let ends: Vec<_> = lock(&self.ends)
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        let theirs = ends.iter().filter(|end| end.key.node == urings.id());
        theirs.for_each(|end| self.open(end));
    }

    /// A node of which addresses may have come will not be met: nobody waits for it. Its socket is gone by now, so that who comes
    /// later with such an address finds out in `open`.
    pub(super) fn refuse_unmet(&self, node: NodeId, reason: &ExitReason) {
        let ends: Vec<_> = lock(&self.ends)
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        let theirs = ends.iter().filter(|end| end.key.node == node);
        theirs.for_each(|end| end.refuse(reason));
    }

    /// A peer's heads are final and read: nothing of it is kept.
    pub(super) fn forget_peer(&self, node: NodeId, reason: &ExitReason) {
        self.closing.forget(node, reason);
        lock(&self.ends).retain(|key, end| key.node != node || end.strong_count() > 0);
    }

    /// The last address of an end is gone; the peer still reads our half.
    pub(crate) fn end_dropped(&self, key: EndKey, rest: Option<Rest>) {
        lock(&self.ends).retain(|other, end| *other != key || end.strong_count() > 0);
        if let Some(rest) = rest {
            self.keep_rest(key.node, rest);
        }
    }

    /// Keeps what a peer may read until it says that it does not, or is dead.
    pub(crate) fn keep_rest(&self, node: NodeId, rest: Rest) {
        self.closing.keep(node, rest);
        // Whoever forgets a dead peer has found it, or this look finds no peer.
        if self.peer(node).is_none() {
            self.closing.forget(node, &ExitReason::Unreachable);
        }
    }

    /// The receiver has closed a uring whose addresses are gone.
    pub(crate) fn closed_unheld(&self, urings: &PeerUrings, uring: Key, reason: &ExitReason) {
        self.closing.closed(urings.id(), uring, reason);
        urings.say(&UringWord::Released {
            uring: WireKey(uring),
        });
        urings.remove_end(uring);
    }

    /// A uring without addresses was refused: its memory is free.
    pub(crate) fn refused_unheld(&self, urings: &PeerUrings, uring: Key) {
        self.closing
            .closed(urings.id(), uring, &ExitReason::NoSuchActor);
        urings.remove_end(uring);
    }

    /// Tells whether receivers have blocks of this node, each of which comes back with a wake of `blocks`. Replies are
    /// not among them: they are given back in silence.
    pub(crate) fn has_lent(&self) -> bool {
        let ends: Vec<_> = lock(&self.ends)
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        ends.iter().any(|end| end.has_lent()) // outside of the lock, as is the dropping
    }
}
