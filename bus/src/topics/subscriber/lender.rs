//! Whose heap a sample's block is in.

use std::sync::Arc;

use ringway_shm::generation::Key;
use ringway_shm::heap::Heap;
use ringway_shm::region::PeerRegion;

use crate::entry::{Segments, Trust};
use crate::shared::Shared;
use crate::topics::slot::Lender;
use crate::urings::HeapOf;

/// The heap of a publisher on another node.
pub(in crate::topics) struct OfPeer<'a> {
    pub(in crate::topics) heap: HeapOf<'a>,
    pub(in crate::topics) shared: &'a Arc<Shared>,
}

impl Segments for OfPeer<'_> {
    fn segment(&self, key: Key) -> Option<PeerRegion> {
        self.heap.segment(key)
    }

    fn trust(&self) -> Trust {
        self.heap.trust()
    }
}

impl Lender for OfPeer<'_> {
    fn shared(&self) -> Option<Arc<Shared>> {
        Some(Arc::clone(self.shared))
    }
}

/// This node's own.
pub(in crate::topics) struct OfOwn<'a> {
    pub(in crate::topics) heap: &'a Heap,
    pub(in crate::topics) shared: &'a Arc<Shared>,
}

impl Segments for OfOwn<'_> {
    fn segment(&self, key: Key) -> Option<PeerRegion> {
        self.heap.segment(key)
    }
}

impl Lender for OfOwn<'_> {
    fn shared(&self) -> Option<Arc<Shared>> {
        Some(Arc::clone(self.shared))
    }
}
