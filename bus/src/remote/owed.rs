//! What work under an end's lock leaves to be done outside of it: wakers, subscribers and drops are the user's code
//! (no-user-code).

use ringway_shm::error::Violation;
use ringway_shm::generation::Key;

use super::undelivered::{Queued, Returns};
use crate::message::TypeId;
use crate::urings::PeerUrings;

/// Something that the peer did wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Violation(Violation),
    /// A completion named no op in flight.
    UnknownOp(u64),
}

/// What nobody gets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Loss {
    /// Messages of which nobody can be told any more.
    Untold(u64),
    /// The reply to what was asked.
    Unread(Option<TypeId>),
}

/// Collected under the lock, and paid after it.
#[derive(Default)]
pub(super) struct Owed {
    /// The uring has an entry that its reader does not watch for.
    pub(super) note: Option<Key>,
    /// Messages that came back.
    pub(super) queued: Vec<Queued>,
    pub(super) losses: Vec<Loss>,
    pub(super) faults: Vec<Fault>,
}

impl Owed {
    pub(super) fn is_empty(&self) -> bool {
        self.note.is_none()
            && self.queued.is_empty()
            && self.losses.is_empty()
            && self.faults.is_empty()
    }

    /// Tells all who are to know. The caller holds no lock.
    #[cold]
    pub(super) fn pay(self, peer: &PeerUrings, returns: &Returns) {
        if let Some(uring) = self.note {
            peer.note(uring);
            peer.ring_bell();
        }
        for fault in self.faults {
            match fault {
                Fault::Violation(violation) => peer.violation(violation),
                Fault::UnknownOp(bits) => peer.unknown_op(bits),
            }
        }
        for loss in self.losses {
            match loss {
                Loss::Untold(count) => returns.count_lost(count),
                Loss::Unread(asked) => returns.unread_reply(asked),
            }
        }
        if !self.queued.is_empty() {
            returns.announce(self.queued);
        }
    }
}
