//! Putting an entry into the submission queue, with its op if it has one.

use ringway_shm::error::PushError;
use ringway_shm::generation::Key;

use super::Open;
use crate::clock::Nanos;
use crate::entry::EntryToken;
use crate::exit::ExitReason;
use crate::mailbox::Overflow;
use crate::remote::owed::Fault;
use crate::remote::{Obstacle, Outgoing};
use crate::token::longest;

/// Slots submitted with payloads in blocks before one is put behind its entry again, once there was no room for that.
const CROWDED_FOR: u64 = 16;

impl Open {
    /// Whether a completion is to come: of a receiver that may drop what is queued, for every entry.
    #[inline]
    pub(in crate::remote) fn needs_op(&self, outgoing: &Outgoing) -> bool {
        outgoing.needs_op() || self.overflow == Overflow::DropOldest
    }

    /// Puts an entry into the submission queue; returns its op if it has one.
    ///
    /// `outgoing` is unchanged unless this succeeds.
    #[inline]
    pub(in crate::remote) fn submit(
        &mut self,
        outgoing: &mut Outgoing,
    ) -> Result<Option<Key>, Obstacle> {
        let op = self.submit_unnoted(outgoing)?;
        self.after_push();
        Ok(op)
    }

    /// The same, without a look whether the reader watches: that is owed.
    #[inline]
    pub(super) fn submit_unnoted(
        &mut self,
        outgoing: &mut Outgoing,
    ) -> Result<Option<Key>, Obstacle> {
        if let Some(reason) = &self.ended {
            return Err(Obstacle::Ended(reason.clone()));
        }
        if let Some(block) = &outgoing.block
            && !self.peer.has_acknowledged(block)
        {
            return Err(Obstacle::Unacknowledged);
        }
        if !self.needs_op(outgoing) {
            let position = self.push(outgoing)?;
            self.expect_more(self.submit.tail() - position);
            return Ok(None);
        }
        let key = match self.ops.issue(outgoing.kind, outgoing.block.take()) {
            Ok(key) => key,
            Err(block) => {
                outgoing.block = block;
                return Err(Obstacle::Full);
            }
        };
        outgoing.words[0] = key.to_bits();
        match self.push(outgoing) {
            Ok(position) => {
                self.ops.submitted(key, position, &outgoing.words);
                let due = Nanos(EntryToken::from_words(outgoing.words).deadline());
                if due != Nanos::NONE && self.due.is_none_or(|first| due < first) {
                    self.due = Some(due);
                }
            }
            Err(obstacle) => {
                outgoing.block = self.ops.withdraw(key);
                return Err(obstacle);
            }
        }
        Ok(Some(key))
    }

    #[inline]
    pub(super) fn push(&mut self, outgoing: &Outgoing) -> Result<u64, Obstacle> {
        let words = &outgoing.words;
        let pushed = match &outgoing.long {
            None => self.submit.submit(words),
            Some(long) => self.submit.submit_long(words, long.slots()),
        };
        pushed.map_err(|error| self.not_pushed(error))
    }

    #[cold]
    pub(super) fn not_pushed(&mut self, error: PushError) -> Obstacle {
        match error {
            PushError::Full => Obstacle::Full,
            PushError::Crowded => {
                self.crowded_until = self.submit.tail() + CROWDED_FOR;
                Obstacle::Crowded
            }
            PushError::Closed => Obstacle::Closing,
            PushError::Peer(violation) => {
                self.owed.faults.push(Fault::Violation(violation));
                Obstacle::Ended(ExitReason::ProtocolViolation)
            }
            _ => Obstacle::Ended(ExitReason::Unreachable),
        }
    }

    /// Notes the uring if its reader has stopped watching it, and wakes the reader if it sleeps.
    #[inline]
    pub(in crate::remote) fn after_push(&mut self) {
        // The fence of the ready notes stands in `idle_epoch`: the stamp before it, the reader's word after it.
        if self.submit.idle_epoch().is_some() {
            self.owed.note = Some(self.uring);
        }
    }

    /// Bytes of a payload that may go on behind its entry; what may be dropped by the receiver never does, as its sender has
    /// it back from its op.
    pub(in crate::remote) fn long_max(&self) -> usize {
        if self.overflow == Overflow::DropOldest || self.is_crowded() {
            return 0;
        }
        longest(self.submit.rest_max())
    }

    /// Whether there was no room behind entries, a moment ago.
    #[inline]
    pub(in crate::remote) fn is_crowded(&self) -> bool {
        self.submit.tail() < self.crowded_until
    }
}
