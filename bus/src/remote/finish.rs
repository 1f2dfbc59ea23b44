//! The end of a receiver as its submitter sees it: what is refused from then on, what ends with it, and when that is final.
//!
//! # Invariants
//! - **final-heads**: ops end by the receiver's published heads only once it is dead, has closed the lane or has said
//!   goodbye; until then a closed socket only refuses new submissions.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ringway_shm::block::Block;

use super::RemoteEnd;
use super::open::Linger;
use super::ops::Leases;
use super::phase::{Phase, reason_of};
use crate::actor::Undone;
use crate::exit::ExitReason;
use crate::shared::Rest;
use crate::wait_list::WaitKey;

impl RemoteEnd {
    /// Why the receiver has ended, once that is final: a node that only closed its socket may be found dead a moment
    /// later, and until then sends are refused but nothing in flight has ended.
    pub(crate) fn end_reason(&self) -> Option<ExitReason> {
        match &*self.lock() {
            Phase::Open(open) => open.end_reason().cloned(),
            Phase::Ended(reason) => Some(reason.clone()),
            Phase::Refused(refusal) => Some(reason_of(refusal)),
            Phase::Waiting | Phase::Claimed | Phase::Opening(_) => None,
        }
    }

    /// Waits for the receiver's end: a peer that cannot be reached may live, and what it does is not known yet.
    pub(crate) fn poll_ended(&self, key: &mut WaitKey, cx: &Context<'_>) -> Poll<ExitReason> {
        if let Some(reason) = self.end_reason() {
            return Poll::Ready(reason);
        }
        self.ended.register(key, cx);
        self.end_reason().map_or(Poll::Pending, Poll::Ready)
    }

    /// The peering has ended, but the peer may still read: no new submissions, nothing else changes.
    pub(crate) fn refuse(&self, reason: &ExitReason) {
        let mut phase = self.lock();
        let mut left = None;
        match &mut *phase {
            Phase::Open(open) => {
                open.ended.get_or_insert_with(|| reason.clone());
            }
            Phase::Waiting | Phase::Claimed | Phase::Opening(_) => {
                left = Some(std::mem::replace(&mut *phase, Phase::Ended(reason.clone())));
            }
            Phase::Refused(_) | Phase::Ended(_) => {}
        }
        drop(phase);
        if left.is_some() {
            self.never_opened();
        }
        if let Some(Phase::Opening(opening)) = left
            && let Some(shared) = self.shared()
        {
            // The peer may have opened its half, and read ours.
            shared.keep_rest(self.key.node, Rest::Opening(opening));
        }
        self.room.wake_all();
        self.ended.wake_all();
    }

    /// This node leaves: nothing more is sent, and nothing of the peer's is kept. Returns the blocks that it still reads,
    /// or will: what was sent is handled as if this process had died.
    pub(crate) fn abandon(self: &Arc<Self>, reason: &ExitReason) -> Vec<Block> {
        let _ = self.reap(&mut Vec::new(), Linger::No);
        let mut phase = self.lock();
        let wakers = match &mut *phase {
            Phase::Open(open) => {
                let wakers = open.abandon(reason);
                self.show(open);
                wakers
            }
            _ => Vec::new(),
        };
        let rest = match &*phase {
            Phase::Refused(_) | Phase::Ended(_) => None,
            _ => Some(std::mem::replace(&mut *phase, Phase::Ended(reason.clone()))),
        };
        drop(phase);
        // Those blocks stay until this process ends with its heap.
        let lent = match rest {
            Some(Phase::Open(open)) => self.close(open).into_lent(),
            _ => Vec::new(),
        };
        self.returns.end(self.key.priority, reason);
        wakers.into_iter().for_each(Waker::wake);
        self.room.wake_all();
        self.ended.wake_all();
        lent
    }

    /// The receiver's heads are final: everything in flight ends, with what the heads tell.
    pub(crate) fn finish(self: &Arc<Self>, reason: &ExitReason, leases: Leases) {
        let _ = self.reap(&mut Vec::new(), Linger::No);
        let mut phase = self.lock();
        let (mut wakers, mut before) = (Vec::new(), None);
        // What was heard first is the receiver's own end: that its node leaves, or its process dies, only follows from it.
        let first = match &*phase {
            Phase::Open(open) => open.end_reason().cloned(),
            Phase::Ended(first) => Some(first.clone()),
            _ => None,
        };
        let reason = first.as_ref().unwrap_or(reason);
        if let Phase::Open(open) = &mut *phase {
            open.ended = Some(reason.clone());
            wakers = open.finish(&Undone::Ended(reason.clone()), leases, &self.returns);
            self.show(open);
        } else if !matches!(*phase, Phase::Refused(_) | Phase::Ended(_)) {
            before = Some(std::mem::replace(&mut *phase, Phase::Ended(reason.clone())));
        }
        self.unlock(phase);
        drop(before); // not under the lock: its memory goes back
        self.returns.end(self.key.priority, reason);
        wakers.into_iter().for_each(Waker::wake);
        self.room.wake_all();
        self.blocks.wake_all();
        self.ended.wake_all();
        // A driver that sleeps until a completion comes would keep the end, and what came back to it, for ever.
        if let Some(shared) = self.shared() {
            shared.queue.rouse();
        }
    }

    /// Tells whether the receiver has a block, which comes back.
    pub(crate) fn has_lent(&self) -> bool {
        matches!(&*self.lock(), Phase::Open(open) if open.ops.has_lent())
    }
}

impl Drop for RemoteEnd {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let phase = self.phase.get_mut();
        let rest = match std::mem::replace(phase, Phase::Waiting) {
            Phase::Open(open) => Some(Rest::Open(self.close(open))),
            Phase::Opening(opening) => Some(Rest::Opening(opening)),
            _ => None,
        };
        if !matches!(rest, Some(Rest::Open(_))) {
            self.never_opened();
        }
        shared.end_dropped(self.key, rest);
        shared.members.remove(self.member);
    }
}
