//! The two bells of a peering: ours, which the peer rings, and the peer's, which we ring.
//!
//! One pair for each peering, so that a peer which drains or floods its bell silences only itself.

use std::sync::Arc;

use ringway_shm::card::PeerCard;
use ringway_shm::doorbell;
use ringway_shm::sys::eventfd::Eventfd;

use crate::access::Trust;
use crate::frame::Frame;
use crate::peering::link::Link;

/// Both bells, and which sleeps of the peer were rung into.
#[derive(Debug)]
pub(crate) struct Bell {
    own: Arc<Eventfd>,
    theirs: Eventfd,
    trust: Trust,
    sleeps: doorbell::Bell,
}

impl Bell {
    pub(crate) fn new(own: Arc<Eventfd>, theirs: Eventfd, card: &PeerCard, trust: Trust) -> Self {
        Self {
            own,
            theirs,
            trust,
            sleeps: card.bell(),
        }
    }

    pub(crate) fn own(&self) -> &Eventfd {
        &self.own
    }

    /// Rings once for each sleep of the peer.
    pub(crate) fn ring(&self, link: &Link) {
        if self.sleeps.should_ring().is_none() {
            return;
        }
        match self.trust {
            // A bell that cannot be rung is not one, and whoever passed it sleeps on: its own loss.
            Trust::Cooperative => drop(self.theirs.ring()),
            // The owner of an eventfd could make the write block. A full socket has frames in it, which wake as well.
            Trust::Untrusted => link.poke(&Frame::Bell),
        }
    }
}
