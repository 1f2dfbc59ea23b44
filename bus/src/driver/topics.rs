//! What the driver watches for topics: lanes of other nodes for whose samples somebody waits, and lanes of this node in which
//! somebody waits for room.

use std::sync::Arc;

use ringway_shm::sync::Ordering::SeqCst;
use ringway_shm::sync::fence;
use ringway_shm::sys::membarrier;

use crate::inbox::lane::Patience;
use crate::topics::{PublisherEnd, RoomLook, SubscriberEnd};

/// Subscribers that are looked at in each pass, for long.
const MANY: usize = 64;

/// Ends of topics that somebody waits at.
#[derive(Default)]
pub(super) struct WatchedTopics {
    pub(super) intakes: Vec<Arc<SubscriberEnd>>,
    pub(super) outlets: Vec<Arc<PublisherEnd>>,
}

impl WatchedTopics {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.intakes.is_empty() && self.outlets.is_empty()
    }

    /// Wakes those for whom something has come; whether there were any.
    pub(super) fn look(&mut self, patience: Patience) -> bool {
        let before = self.intakes.len() + self.outlets.len();
        self.intakes.retain(|end| !end.watch());
        self.outlets
            .retain(|end| end.check_room(patience) != RoomLook::Over);
        before > self.intakes.len() + self.outlets.len()
    }

    /// The driver is about to sleep: publishers write notes from now on. `false` if one may not have heard of it: then the driver
    /// must not sleep.
    #[must_use]
    pub(super) fn cool(&mut self) -> bool {
        if self.intakes.is_empty() {
            return true;
        }
        self.intakes.iter().for_each(|end| end.cool());
        // SeqCst idle, and room: `idle` and the cursors before the looks at stamps and `wants`; pairs with the fences of publishers
        // that make one.
        let is_heard = barrier();
        self.intakes.iter().for_each(|end| end.look_when_cool());
        if is_heard {
            self.intakes.clear();
        }
        is_heard
    }

    /// Whether more are watched than a pass should look at: most of them idle, perhaps, and to be left to notes.
    pub(super) fn are_many(&self) -> bool {
        self.intakes.len() > MANY
    }

    /// The driver has said that it sleeps: who takes or gives something back rings. Those who wait for room are looked at once more
    /// afterwards. `false` if readers may not have heard of it: then the driver must not sleep.
    #[must_use]
    pub(super) fn ask(&self) -> bool {
        if self.outlets.is_empty() {
            return true;
        }
        self.outlets.iter().for_each(|end| end.ask());
        // SeqCst room, and blocks: what was asked before the look at cursors and claims; pairs with the fences of readers that
        // make one.
        barrier()
    }
}

/// A fence, and a barrier for those who make none: they rely on it where it is promised. `false` if there was none.
fn barrier() -> bool {
    fence(SeqCst);
    !membarrier::is_reached() || membarrier::barrier().is_ok()
}
