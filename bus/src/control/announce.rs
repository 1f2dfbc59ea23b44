//! This node's segments, as its peers hear of them: each announced once to each, retired when the heap gives it up.
//!
//! Segments come from any thread and peers from the control thread, so both look at each other: who adds a segment tells
//! all peers in the roster, who adds a peer tells it of all segments, and the peer's ledger makes one word of two.

use std::sync::{Arc, Weak};

use ringway_shm::heap::HeapChange;
use ringway_shm::segment::OwnSegment;
use ringway_shm::sys::fork;

use super::Command;
use super::core::Core;
use crate::frame::{Announcement, Frame, SegmentName};
use crate::peering::ledger::Announcing;
use crate::peering::link::Passed;
use crate::peering::{Peer, PeerState};
use crate::rings::{RingSpan, RingsError};
use crate::trace;

impl Core {
    /// Takes a place for one half of a uring. A segment that has to be created for it is announced to every peer, on
    /// the same socket as later frames: whoever is told of the span has been told of the segment.
    /// Bytes of this node's rings that the urings of one peer may take.
    pub(crate) fn ring_share(&self) -> u64 {
        self.rings.share()
    }

    pub(crate) fn ring_span(&self, len: u64) -> Result<RingSpan, RingsError> {
        fork::check()?;
        self.rings.span(len, |ring| {
            for peer in self.peers() {
                announce(&peer, SegmentName::ring(ring.key), &ring.segment);
            }
        })
    }

    #[cfg(test)]
    pub(super) fn ring_segments(&self) -> Vec<ringway_shm::generation::Key> {
        let segments = self.rings.segments();
        segments.into_iter().map(|ring| ring.key).collect()
    }

    /// From now on no place for a uring is blanked: this node is about to leave, and what it sent is still to be taken.
    pub(crate) fn leave_rings(&self) {
        self.rings.leave();
    }

    /// Announces what the peer has not heard of yet. For a peer that is in the roster already, so that a segment which
    /// comes meanwhile is announced by one side or by both; the ledger makes one of it.
    pub(super) fn announce_all(&self, peer: &Peer) {
        for ring in self.rings.segments() {
            announce(peer, SegmentName::ring(ring.key), &ring.segment);
        }
        for segment in self.heap.segments() {
            announce(peer, SegmentName::heap(segment.key), &segment.segment);
        }
    }

    /// Announces one segment again, if it is still there and still wanted.
    pub(super) fn announce_again(&self, peer: &Peer, name: SegmentName) {
        let rings = self
            .rings
            .segments()
            .into_iter()
            .map(|ring| (SegmentName::ring(ring.key), ring.segment));
        let heap = self
            .heap
            .segments()
            .into_iter()
            .map(|it| (SegmentName::heap(it.key), it.segment));
        if let Some((_, segment)) = rings.chain(heap).find(|(other, _)| *other == name)
            && peer.ledger().announce_again(name)
        {
            send_segment(peer, name, &segment);
        }
    }

    pub(super) fn announce_heap_changes(self: &Arc<Self>) {
        let core: Weak<Self> = Arc::downgrade(self);
        self.heap.on_change(move |change| {
            let Some(core) = core.upgrade() else { return };
            match change {
                HeapChange::Announce(new) => {
                    for peer in core.peers() {
                        announce(&peer, SegmentName::heap(new.key), &new.segment);
                    }
                }
                HeapChange::Retire(key) => core.commands.give(Command::Retire(key)),
                HeapChange::Rest => core.commands.give(Command::Trim),
                _ => {}
            }
        });
    }

    pub(super) fn notice_empty_rings(self: &Arc<Self>) {
        let commands = Arc::clone(&self.commands);
        self.rings.on_empty(move || commands.give(Command::Trim));
    }

    /// Notes on the peer's ledger that its hello brought the first ring segment.
    pub(super) fn introduced(&self, peer: &Peer) {
        let first = SegmentName::ring(self.rings.segments().swap_remove(0).key);
        let mut ledger = peer.ledger();
        // The other side has mapped it before it accepted the hello.
        let _ = ledger.announce(first);
        let _ = ledger.acknowledge(first);
    }
}

/// Tells a peer of a segment, unless it was told.
fn announce(peer: &Peer, name: SegmentName, segment: &OwnSegment) {
    // Under the ledger's lock, so that a retirement cannot overtake the announcement on the socket.
    let mut ledger = peer.ledger();
    if peer.state() != PeerState::Connected {
        return;
    }
    match ledger.announce(name) {
        Announcing::Nothing => return,
        Announcing::Tell => {}
        Announcing::TellAfter(old) => drop(peer.link().send(&Frame::Retire(old), Vec::new())),
    }
    send_segment(peer, name, segment);
}

fn send_segment(peer: &Peer, name: SegmentName, segment: &OwnSegment) {
    let frame = Frame::Segment(Announcement {
        name,
        len: segment.len(),
    });
    if let Err(error) = peer
        .link()
        .send(&frame, vec![Passed::Segment(segment.clone())])
    {
        trace::warning!(peer = %peer.id(), segment = %name, %error, "segment not announced");
    }
}
