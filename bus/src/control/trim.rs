//! Memory that load has left behind: segments of rings and heap in which nothing has been for a while go back to the system.
//!
//! Who empties a segment says so, and a look is due a while later; what was empty at one look and has not been used since is
//! given back at the next. So nothing is given back that is used again and again, and a quiet node looks at nothing.

use std::time::Duration;

use ringway_shm::generation::Key;

use super::run::Control;
use super::timers::Due;
use crate::frame::{Frame, SegmentName};
use crate::peering::ledger::Parting;

/// The pause before a look, and between two: making a segment anew costs milliseconds. Tests have no time for it.
const PAUSE: Duration = match cfg!(test) {
    false => Duration::from_secs(5),
    true => Duration::from_millis(20),
};

impl Control {
    /// Something may have become empty: a look is due.
    pub(super) fn trim_later(&mut self) {
        if !std::mem::replace(&mut self.is_trimming, true) {
            self.timers.after(PAUSE, Due::Trim);
        }
    }

    /// Gives back what has not been used since the last look.
    pub(super) fn trim(&mut self) {
        self.is_trimming = false;
        for key in self.core.rings.trim() {
            self.retire_ring(key);
        }
        let may_be_more = self.core.heap().trim();
        if may_be_more || self.core.rings.has_resting() {
            self.trim_later();
        }
    }

    /// Tells all peers that a segment of our rings goes.
    fn retire_ring(&self, key: Key) {
        let name = SegmentName::ring(key);
        let mut mapped_by = Vec::new();
        for peer in self.core.peers() {
            // Under the ledger's lock: see `announce`.
            let mut ledger = peer.ledger();
            if ledger.retire(name) == Parting::Tell {
                // A peer that is closed unmaps nothing more: its death ends the wait.
                let _ = peer.link().send(&Frame::Retire(name), Vec::new());
                mapped_by.push(peer.id());
            }
        }
        self.core.rings.leave_to(key, mapped_by);
    }
}
