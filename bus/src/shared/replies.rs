//! Replies in blocks of this node: encoded, lent, and freed when their askers have released them.

use std::sync::Arc;

use super::{Shared, lock};
use crate::completion;
use crate::inbox::InboxLane;
use crate::message::{Message, Parcel, Semantics as _};
use crate::token::{Room, TokenizeError, Tokenized};

impl Shared {
    /// Encodes a reply.
    #[inline]
    pub(crate) fn pack_reply<M: Message + ?Sized>(
        &self,
        parcel: Parcel<M>,
    ) -> Result<Tokenized, TokenizeError<M>> {
        let heap = self.core().heap();
        match M::Semantics::pack(parcel, heap, Room::REPLY) {
            Err(error) if completion::is_full(&error) => {
                self.sweep_replies();
                M::Semantics::pack(error.into_inner(), heap, Room::REPLY)
            }
            packed => packed,
        }
    }

    /// Notes that a lane has lent a block in a reply.
    pub(crate) fn lent_reply(&self, lane: &Arc<InboxLane>) {
        lock(&self.replying).push(Arc::clone(lane));
    }

    /// Frees the blocks of replies that their askers have released; looks only at lanes that have lent any.
    pub(crate) fn sweep_replies(&self) {
        let lanes = std::mem::take(&mut *lock(&self.replying));
        lanes.iter().for_each(|lane| lane.sweep());
        let listed = lanes.into_iter().filter(|lane| lane.replies.stays_listed());
        let listed: Vec<_> = listed.collect();
        lock(&self.replying).extend(listed);
    }
}
