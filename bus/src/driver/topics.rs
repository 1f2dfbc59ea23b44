//! What the driver watches for topics: lanes of other nodes for whose samples somebody waits, and lanes of this node in which
//! somebody waits for room.

use std::sync::Arc;

use crate::inbox::lane::Patience;
use crate::topics::{PublisherEnd, RoomLook, SubscriberEnd};

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

    /// The driver is about to sleep: publishers write notes from now on.
    pub(super) fn cool(&mut self) {
        self.intakes.drain(..).for_each(|end| end.cool());
    }

    /// The driver has said that it sleeps: who takes or gives something back rings. Those who wait for room are looked at once more
    /// afterwards.
    pub(super) fn ask(&self) {
        self.outlets.iter().for_each(|end| end.ask());
    }
}
