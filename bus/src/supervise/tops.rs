//! The supervisors of a node that have none above them: they end first when the node does, and when one gives up, that is
//! the program's end.

use std::sync::{Arc, Mutex, OnceLock, Weak};

use crate::exit::ExitReason;
use crate::shared::{Living, lock};
use crate::wait_list::WaitList;

/// The root supervisors of one node.
#[derive(Default)]
pub(crate) struct Tops {
    living: Mutex<Vec<Weak<dyn Living>>>,
    gave_up: OnceLock<ExitReason>,
    pub(crate) changes: WaitList,
}

impl Tops {
    pub(super) fn add(&self, top: Weak<dyn Living>) {
        let mut living = lock(&self.living);
        living.retain(|top| top.strong_count() > 0);
        living.push(top);
    }

    /// Those that are there, the youngest first.
    pub(crate) fn living(&self) -> Vec<Arc<dyn Living>> {
        let living = lock(&self.living).clone();
        living.iter().rev().filter_map(Weak::upgrade).collect()
    }

    /// One of them has given up; the first decides.
    pub(super) fn give_up(&self, reason: &ExitReason) {
        let _ = self.gave_up.set(reason.clone());
        self.changes.wake_all();
    }

    /// Why one of them has given up, if one has.
    pub(crate) fn gave_up(&self) -> Option<&ExitReason> {
        self.gave_up.get()
    }
}
