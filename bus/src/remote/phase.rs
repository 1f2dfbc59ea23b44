//! How far the opening of a uring has come at its submitter, and what its receiver's node says of it.

use std::sync::Arc;

use ringway_shm::error::Violation;
use ringway_shm::region::PeerRegion;
use ringway_shm::sync::Ordering::Relaxed;

use super::RemoteEnd;
use super::open::{Open, Opening};
use super::outgoing::Obstacle;
use crate::exit::ExitReason;
use crate::urings::wire::{OpenRefusal, Terms};

/// How often an actor of another process may have a message of this one sent again: it may be anybody's.
const REDELIVER_MAX: u32 = 1000;

pub(super) enum Phase {
    /// The receiver's node is not connected yet.
    Waiting,
    /// Somebody is about to request it.
    Claimed,
    /// The request is on its way.
    Opening(Opening),
    Open(Box<Open>),
    Refused(OpenRefusal),
    Ended(ExitReason),
}

impl Phase {
    /// Leaves an open uring that both ends are done with; what comes back is to be dropped outside the lock.
    pub(super) fn settle(&mut self) -> Option<Self> {
        let Self::Open(open) = self else { return None };
        let reason = open
            .settle()
            .then(|| open.end_reason().cloned())
            .flatten()?;
        Some(std::mem::replace(self, Self::Ended(reason)))
    }
}

/// What a refusal says of the receiver's life.
pub(super) fn reason_of(refusal: &OpenRefusal) -> ExitReason {
    match refusal {
        OpenRefusal::NoSuchActor => ExitReason::NoSuchActor,
        _ => ExitReason::Unreachable,
    }
}

impl RemoteEnd {
    /// Makes the caller the one who requests the uring: whoever looks the receiver up, and the thread that hears of its
    /// node, may come at the same moment.
    #[must_use]
    pub(crate) fn claim(&self) -> bool {
        let mut phase = self.lock();
        let is_waiting = matches!(*phase, Phase::Waiting);
        if is_waiting {
            *phase = Phase::Claimed;
        }
        is_waiting
    }

    /// The request to open is about to be sent by who claimed it; `false` when the end was closed meanwhile.
    #[must_use]
    pub(crate) fn opening(&self, opening: Opening) -> bool {
        let mut phase = self.lock();
        let is_claimed = matches!(*phase, Phase::Claimed);
        if is_claimed {
            *phase = Phase::Opening(opening);
        }
        is_claimed
    }

    /// The receiver's node has opened its half, at a place that `theirs` finds.
    pub(crate) fn opened(
        &self,
        terms: Terms,
        theirs: impl FnOnce(&Opening) -> Result<PeerRegion, Violation>,
    ) {
        let mut phase = self.lock();
        if !matches!(*phase, Phase::Opening(_)) {
            return;
        }
        let Phase::Opening(opening) = std::mem::replace(&mut *phase, Phase::Waiting) else {
            return;
        };
        let peer = Arc::clone(&opening.peer);
        let joined = theirs(&opening).map_err(|violation| (peer, violation));
        let fault = match joined.and_then(|region| opening.join(&region, terms)) {
            Ok(open) => {
                let _ = self.completions.set(open.peeker()); // an end is opened once
                self.long_max.store(open.long_max(), Relaxed); // Relaxed: a hint
                // Relaxed: it is not changed again. What a peer asks for is bounded.
                let redeliver = terms.redeliver.min(REDELIVER_MAX);
                self.redeliver.store(redeliver, Relaxed);
                *phase = Phase::Open(Box::new(open));
                None
            }
            Err(fault) => {
                *phase = Phase::Ended(ExitReason::ProtocolViolation);
                Some(fault)
            }
        };
        drop(phase);
        if let Some((peer, violation)) = fault {
            peer.violation(violation);
        }
        self.room.wake_all();
    }

    /// The receiver's node refused.
    pub(crate) fn refused(&self, refusal: OpenRefusal) {
        let reason = reason_of(&refusal);
        let before = std::mem::replace(&mut *self.lock(), Phase::Refused(refusal));
        drop(before); // not under the lock: its memory goes back
        self.room.wake_all();
        self.ended.wake_all();
        self.returns.end(self.key.priority, &reason);
    }

    /// Tells whether the uring is open, once that is decided.
    pub(crate) fn open_result(&self) -> Option<Result<(), Obstacle>> {
        match &*self.lock() {
            Phase::Waiting | Phase::Claimed | Phase::Opening(_) => None,
            Phase::Open(open) => Some(match &open.ended {
                Some(reason) => Err(Obstacle::Ended(reason.clone())),
                None => Ok(()),
            }),
            Phase::Refused(refusal) => Some(Err(Obstacle::Refused(refusal.clone()))),
            Phase::Ended(reason) => Some(Err(Obstacle::Ended(reason.clone()))),
        }
    }
}
