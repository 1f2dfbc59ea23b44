//! The two bells of a peering: ours, which the peer rings, and the peer's, which we ring.
//!
//! One pair for each peering, so that a peer which drains or floods its bell silences only itself.

use std::sync::Arc;

use ringway_shm::card::PeerCard;
use ringway_shm::doorbell::{Rang, should_ring};
use ringway_shm::sys::eventfd::Eventfd;

use crate::access::Trust;
use crate::frame::Frame;
use crate::peering::link::Link;

#[derive(Debug)]
pub(crate) struct Bell {
    own: Arc<Eventfd>,
    theirs: Eventfd,
    trust: Trust,
    rang: Rang,
}

impl Bell {
    pub(crate) fn new(own: Arc<Eventfd>, theirs: Eventfd, trust: Trust) -> Self {
        Self { own, theirs, trust, rang: Rang::default() }
    }

    pub(crate) fn own(&self) -> &Eventfd {
        &self.own
    }

    /// Rings once for each sleep of the peer.
    pub(crate) fn ring(&self, card: &PeerCard, link: &Link) {
        if !should_ring(card.asleep(), &self.rang) {
            return;
        }
        match self.trust {
            // A peer that passed something else than a bell is not woken, and that is its own loss.
            Trust::Cooperative => drop(self.theirs.ring()),
            // The owner of an eventfd could make the write block. A full socket has frames in it, which wake as well.
            Trust::Untrusted => link.poke(&Frame::Bell),
        }
    }
}
