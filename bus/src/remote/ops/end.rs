//! How the ops of a uring end together: their receiver has ended, and its heads tell how far each entry came.

use std::task::Waker;

use ringway_shm::words::EntryWords;

use super::{Known, OpKind, OpTable, Outcome, State, Unanswered, Unsent};
use crate::actor::Undone;
use crate::token::Long;

/// Whether the receiver's process may still read what it had taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leases {
    /// The actor ended, its process lives.
    MayRemain,
    /// The process is dead, or has said that it holds nothing.
    Gone,
}

/// How far an entry came before its receiver ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Never taken.
    Queued,
    /// Its handler had begun.
    Taken,
    /// Its handler had come to its end.
    Handled,
}

/// What ending all ops leaves to be done outside the lock.
#[derive(Debug)]
pub(crate) struct Ended<B> {
    pub(crate) wakers: Vec<Waker>,
    pub(crate) tells: Vec<EndedTell<B>>,
}

/// A tell with a block that ended with its receiver.
#[derive(Debug)]
pub(crate) struct EndedTell<B> {
    pub(crate) position: u64,
    pub(crate) taken: bool,
    pub(crate) words: EntryWords,
    /// `None` when it is lost, or still lent.
    pub(crate) block: Option<B>,
}

impl<B> OpTable<B> {
    /// Ends the ops in flight: the receiver will handle nothing more.
    ///
    /// `judge` tells how far the entry at a position came, `long_at` what of its payload lies in the slots behind it. With [`Leases::MayRemain`], blocks of taken entries stay lent
    /// until they are completed one by one.
    pub(crate) fn end(
        &mut self,
        why: &Undone,
        leases: Leases,
        judge: impl Fn(u64) -> Fate,
        long_at: impl Fn(u64) -> Option<Long>,
    ) -> Ended<B> {
        let mut ended = Ended {
            wakers: Vec::new(),
            tells: Vec::new(),
        };
        let mut gone = Vec::new();
        for op in self.places.iter_mut().filter(|op| !op.is_final()) {
            let fate = judge(op.position);
            let taken = fate != Fate::Queued;
            let stays = taken && op.is_lent && leases == Leases::MayRemain;
            if op.is_undecided() {
                let is_done = fate == Fate::Handled && op.kind == OpKind::Tell;
                match fate {
                    Fate::Queued => self.decided.returned += 1,
                    _ if is_done => self.decided.completed += 1,
                    _ => self.decided.died_after_take += 1,
                }
                if is_done {
                    op.known = Known::Handled;
                }
            }
            let words = op.words;
            let awaited = std::mem::replace(&mut op.awaits_reply, false);
            op.is_lent = stays;
            let block = if stays { None } else { op.block.take() };
            match std::mem::replace(&mut op.state, State::Ignored) {
                // Of a handled tell only the lease is left.
                State::Ignored
                    if op.kind == OpKind::Tell
                        && op.known != Known::Told
                        && fate != Fate::Handled =>
                {
                    op.known = Known::Told;
                    ended.tells.push(EndedTell {
                        position: op.position,
                        taken,
                        words,
                        block,
                    });
                }
                State::Ignored => {}
                waiting @ (State::Submitted | State::Waiting(_)) if awaited => {
                    let message = (!taken).then(|| Unsent {
                        words,
                        block,
                        long: long_at(op.position),
                    });
                    op.state = State::Completed(Outcome::Ended(Box::new(Unanswered {
                        taken,
                        why: why.clone(),
                        message,
                    })));
                    if let State::Waiting(waker) = waiting {
                        ended.wakers.push(waker);
                    }
                }
                other => op.state = other,
            }
            if op.is_final() {
                self.in_flight -= 1;
                if matches!(op.state, State::Ignored) {
                    gone.push(op.key);
                }
            }
        }
        for key in gone {
            self.remove(key);
        }
        ended
    }
}
