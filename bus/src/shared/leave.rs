//! How a node leaves: once, by one of those who want it to.

use std::sync::Arc;

use ringway_shm::sync::Ordering::Relaxed;

use super::{Shared, lock};
use crate::exit::ExitReason;
use crate::urings::PeerUrings;

impl Shared {
    /// `true` for the one who is to detach.
    pub(crate) fn begin_detaching(&self) -> bool {
        // Relaxed: a flag; what follows goes through locks.
        let is_first = !self.is_detaching.swap(true, Relaxed);
        // Who waits for a name to be taken again waits for nothing.
        self.changes.wake_all();
        is_first
    }

    /// Whether the caller is the one who has the node leave.
    pub(crate) fn begin_leaving(&self) -> bool {
        // Relaxed: as above.
        !self.is_leaving.swap(true, Relaxed)
    }

    pub(crate) fn is_detaching(&self) -> bool {
        // Relaxed: as above.
        self.is_detaching.load(Relaxed)
    }

    /// There is nothing to drive any more.
    pub(crate) fn has_left(&self) -> bool {
        // Relaxed: as above.
        self.has_left.load(Relaxed)
    }

    /// Lets go of everything that the peers own, so that the goodbye can follow. What they read stays.
    pub(crate) fn leave(&self) {
        self.core().leave_rings();
        self.topics.leave();
        let peers: Vec<_> = lock(&self.peers).drain().map(|(_, peer)| peer).collect();
        let leave = |peer: &Arc<PeerUrings>| peer.leave(&ExitReason::Shutdown);
        let lent: Vec<_> = peers.iter().flat_map(leave).collect();
        lock(&self.lent_at_leave).extend(lent);
        let lent = self.closing.clear();
        lock(&self.lent_at_leave).extend(lent);
        lock(&self.replying).clear();
        lock(&self.ends).clear();
        let targets = std::mem::take(&mut *lock(&self.targets));
        for target in targets.values() {
            target.inbox.close(&ExitReason::Shutdown);
        }
        drop(self.jobs.take_exactly());
        self.dead.end();
        self.relays.clear();
        // Relaxed: set before the rousing fence.
        self.has_left.store(true, Relaxed);
        // Its last word.
        self.post_accounts();
        #[cfg(feature = "test")]
        self.queue.quiet.leave();
        self.queue.rouse();
    }
}
