//! An open uring without addresses: what was sent is still handled, nothing more comes.

use std::sync::Arc;

use ringway_shm::block::Block;
use ringway_shm::generation::Key;

use super::Open;
use crate::actor::Undone;
use crate::exit::ExitReason;
use crate::frame::WireKey;
use crate::priority::Priority;
use crate::remote::ops::Leases;
use crate::remote::undelivered::Returns;
use crate::urings::wire::UringWord;

/// An open uring without addresses: what was sent is still handled, nothing more comes.
pub(crate) struct Closed {
    pub(in crate::remote) open: Box<Open>,
    returns: Arc<Returns>,
    priority: Priority,
}

impl Closed {
    pub(in crate::remote) fn close(
        mut open: Box<Open>,
        returns: &Arc<Returns>,
        priority: Priority,
    ) -> Self {
        open.submit.close();
        open.peer.say(&UringWord::Close {
            uring: WireKey(open.uring),
        });
        Self {
            open,
            returns: Arc::clone(returns),
            priority,
        }
    }

    pub(crate) fn uring(&self) -> Key {
        self.open.uring
    }

    /// This node leaves: the blocks that the receiver still reads, or will.
    pub(crate) fn into_lent(mut self) -> Vec<Block> {
        self.open.ops.take_lent()
    }

    /// The receiver has ended, and its heads are final.
    pub(crate) fn end(mut self, reason: &ExitReason) {
        let why = Undone::Ended(reason.clone());
        let _ = self.open.finish(&why, Leases::Gone, &self.returns); // whoever asked is gone
        let owed = std::mem::take(&mut self.open.owed);
        owed.pay(&self.open.peer, &self.returns);
        self.returns.end(self.priority, reason);
    }
}
