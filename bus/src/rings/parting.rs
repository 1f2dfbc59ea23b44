//! Ring segments on their way out: what nothing has been in between two looks is taken out of use, and gone when every peer that
//! mapped it has unmapped it or is dead. Its index returns with the next generation.
//!
//! The control thread alone takes segments out of use and hears of those who unmapped them; places are taken and given
//! back by any thread meanwhile.
//!
//! # Invariants
//! - **first-stays**: the first segment goes with every hello, and stays.
//! - **counted-until-gone**: what peers have still to unmap counts towards the limit: it is memory in use.

use ringway_shm::generation::Key;
use ringway_shm::segment::OwnSegment;

use super::{Books, RingSegment, Rings, Standing};
use crate::peering::NodeId;

/// A segment that gives no places any more.
#[derive(Debug)]
pub(super) struct Leaving {
    key: Key,
    segment: OwnSegment,
    /// Peers that have still to unmap it, once they are known.
    mapped_by: Option<Vec<NodeId>>,
}

impl Leaving {
    fn forget(&mut self, peer: NodeId) {
        if let Some(peers) = &mut self.mapped_by {
            peers.retain(|other| *other != peer);
        }
    }

    fn is_over(&self) -> bool {
        self.mapped_by.as_ref().is_some_and(Vec::is_empty)
    }
}

impl RingSegment {
    /// Whether nothing is in it, and it could be done without.
    pub(super) fn may_go(&self) -> bool {
        // first-stays.
        self.key.index() > 0 && self.is_told && self.free.is_whole(self.segment.len())
    }
}

impl Rings {
    /// Calls `callback` whenever nothing is in a segment any more that could be given back. Only the first call counts.
    pub(crate) fn on_empty(&self, callback: impl Fn() + Send + Sync + 'static) {
        let _ = self.on_empty.set(Box::new(callback));
    }

    /// Looks for segments that nothing is in, and has been in since the last look, and takes them out of use: peers are to be told,
    /// and [`leave_to`](Self::leave_to) is to be called for each.
    pub(crate) fn trim(&self) -> Vec<Key> {
        let mut books = self.books();
        let mut out = Vec::new();
        for standing in &mut books.segments {
            let Standing::InUse(ring) = standing else {
                continue;
            };
            let may_go = ring.may_go();
            if !std::mem::replace(&mut ring.is_resting, may_go) || !may_go {
                continue;
            }
            out.push(ring.key);
            *standing = Standing::Leaving(Leaving {
                key: ring.key,
                segment: ring.segment.clone(),
                mapped_by: None,
            });
        }
        out
    }

    /// Whether a further look may find something to be given back.
    pub(crate) fn has_resting(&self) -> bool {
        self.books().in_use().any(RingSegment::may_go)
    }

    /// Those peers have a segment mapped that was taken out of use: it is gone when the last of them has unmapped it.
    pub(crate) fn leave_to(&self, key: Key, peers: Vec<NodeId>) {
        self.settle(|leaving| {
            if leaving.key == key {
                leaving.mapped_by = Some(peers.clone());
            }
        });
    }

    /// A peer has unmapped a segment.
    pub(crate) fn unmapped_by(&self, key: Key, peer: NodeId) {
        self.settle(|leaving| {
            if leaving.key == key {
                leaving.forget(peer);
            }
        });
    }

    /// A peer is dead, or holds nothing any more.
    pub(crate) fn forget_peer(&self, peer: NodeId) {
        self.settle(|leaving| leaving.forget(peer));
    }

    /// Changes the books of what is leaving, and lets go of what is done with.
    fn settle(&self, change: impl Fn(&mut Leaving)) {
        let mut books = self.books();
        let mut gone = Vec::new();
        let Books { segments, reserved } = &mut *books;
        for standing in segments {
            let Standing::Leaving(leaving) = standing else {
                continue;
            };
            change(leaving);
            if leaving.is_over() {
                *reserved -= leaving.segment.len();
                let vacant = Standing::Vacant(leaving.key);
                gone.push(std::mem::replace(standing, vacant));
            }
        }
        drop(books);
        drop(gone); // unmapped outside of the lock
    }
}
