//! Whose heap a sample's block is in.

use std::sync::Arc;

use ringway_shm::generation::Key;
use ringway_shm::heap::Heap;
use ringway_shm::region::PeerRegion;

use crate::entry::{Segments, Trust};
use crate::lease::LeaseOwner;
use crate::message::Delivery;
use crate::shared::Shared;
use crate::topics::intake::Origin;
use crate::topics::slot::{Format, Lender, Unreadable, read, read_plain};
use crate::urings::HeapOf;

/// Makes of a sample's words what its subscriber gets; `None` if they make no sense, for which its publisher is blamed.
#[inline]
pub(in crate::topics) fn read_of<D: Delivery + ?Sized>(
    shared: &Arc<Shared>,
    format: Format,
    words: &mut [u64],
    lent: Option<(Origin, Arc<dyn LeaseOwner>)>,
) -> Option<D::Arrival> {
    if let Some(arrival) = read_plain::<D>(words, format) {
        return Some(arrival);
    }
    let (origin, owner) = lent.unzip();
    match origin {
        Some(Origin::There(urings)) => {
            let heap = urings.segments();
            let lender = OfPeer { heap, shared };
            let read = read::<D>(words, format, &lender, owner);
            if let Err(Unreadable::Entry(error)) = &read {
                urings.bad_entry(error);
            }
            read.ok()
        }
        Some(Origin::Here(_)) | None => {
            let heap = shared.core().heap();
            read::<D>(words, format, &OfOwn { heap, shared }, owner).ok()
        }
    }
}

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
