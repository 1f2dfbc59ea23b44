//! What an ask is answered with: a completion of another process, or why a handler of this one did not come to its end.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ringway_shm::generation::Key;
use ringway_shm::words::EntryWords;

use super::asking::{Asking, Stage, Step};
use super::{Arrival, ReplyOf};
use crate::actor::Undone;
use crate::actor::port::Failure;
use crate::completion;
use crate::entry::{Beside, EntryKind, EntryToken};
use crate::exit::ExitReason;
use crate::message::{HandlerError, Sendable};
use crate::remote::ops::{Outcome, Unanswered};
use crate::remote::{AskerLook, Found, RemoteEnd};
use crate::send::AskError;
use crate::send::sending::Wanted;
use crate::send::way::Way;

impl<S: Sendable> Asking<'_, S> {
    pub(super) fn poll_remote(
        &mut self,
        op: Key,
        cx: &Context<'_>,
    ) -> Step<Result<Arrival<S>, AskError<S>>> {
        let Way::Remote(end) = self.sending.way else {
            return Step::Next;
        };
        let look = match self.has_waited {
            true => AskerLook::Later,
            false => AskerLook::First,
        };
        let mut words = EntryWords::default();
        match end.poll_op(op, cx.waker(), look, &mut words) {
            Poll::Pending => Step::Wait,
            Poll::Ready(Found::Answer) => self.completed(end, op, &words, false),
            Poll::Ready(Found::Outcome(Outcome::Completed { words, is_held })) => {
                self.completed(end, op, &words, is_held)
            }
            Poll::Ready(Found::Outcome(Outcome::Ended(unanswered))) => {
                let Unanswered {
                    taken,
                    why,
                    message,
                } = *unanswered;
                let message = message.and_then(|unsent| {
                    let beside = match (unsent.block, unsent.long) {
                        (Some(block), _) => Beside::Block(block),
                        (None, Some(long)) => Beside::Long(long),
                        (None, None) => Beside::Nothing,
                    };
                    completion::take_back(|| end.shared(), unsent.words, beside)
                });
                let why = Failure { why, message };
                Step::Ready(Err(ended_remotely(taken, why)))
            }
            Poll::Ready(Found::Nothing) => {
                self.stage = Stage::Ending;
                Step::Next
            }
        }
    }

    #[inline]
    fn completed(
        &mut self,
        end: &Arc<RemoteEnd>,
        op: Key,
        words: &EntryWords,
        is_held: bool,
    ) -> Step<Result<Arrival<S>, AskError<S>>> {
        if matches!(&self.sending.wanted, Wanted::Again(about) if about.is_tell) {
            return self.acknowledged(end, op, *words, is_held);
        }
        let text = || completion::payload::<String>(end, op, words, is_held);
        let verdict = EntryToken::of_words(words).kind();
        let result = match verdict {
            Some(EntryKind::Reply) => completion::payload::<ReplyOf<S>>(end, op, words, is_held)
                .map_err(|reason| AskError::Reply { reason }),
            Some(EntryKind::Failed) => Err(match text() {
                Ok(text) => AskError::Handler(HandlerError::new(text)),
                Err(reason) => AskError::Reply { reason },
            }),
            Some(EntryKind::Refused) => Err(match text() {
                Ok(reason) => AskError::Refused { reason },
                Err(reason) => AskError::Reply { reason },
            }),
            Some(EntryKind::Unanswered) if EntryToken::of_words(words).type_id().is_some() => {
                match completion::payload::<ExitReason>(end, op, words, is_held) {
                    Ok(reason) => Err(AskError::Died {
                        taken: true,
                        message: None,
                        reason,
                    }),
                    Err(reason) => Err(AskError::Reply { reason }),
                }
            }
            // These have no payload; a peer that says otherwise gets its block back.
            _ if is_held => {
                end.release(op);
                return self.completed(end, op, words, false);
            }
            Some(EntryKind::Dropped) => {
                self.stage = Stage::Ending;
                return Step::Next;
            }
            Some(EntryKind::Unanswered) => Err(AskError::Unanswered),
            Some(EntryKind::Expired | EntryKind::Cancelled) => Err(AskError::Deadline {
                waited: self.sending.waited(),
            }),
            _ => Err(AskError::Reply {
                reason: "a completion without meaning".to_owned(),
            }),
        };
        Step::Ready(result)
    }

    /// What a tell's completion says: its handler has ended, or has not.
    #[cold]
    fn acknowledged(
        &mut self,
        end: &Arc<RemoteEnd>,
        op: Key,
        words: EntryWords,
        is_held: bool,
    ) -> Step<Result<Arrival<S>, AskError<S>>> {
        if is_held {
            end.release(op);
        }
        let reason = "it was told".to_owned();
        Step::Ready(Err(match EntryToken::from_words(words).kind() {
            Some(EntryKind::Dropped) => {
                self.stage = Stage::Ending;
                return Step::Next;
            }
            Some(EntryKind::Reply | EntryKind::Failed) => AskError::Reply { reason },
            Some(EntryKind::Refused) => AskError::Refused { reason },
            _ => AskError::Deadline {
                waited: self.sending.way.clock().now().since(self.sending.began),
            },
        }))
    }
}

pub(super) fn undone<S: Sendable>(failure: Failure<S::Message>, waited: Duration) -> AskError<S> {
    let message = failure.message.map(S::from_parcel);
    match failure.why {
        Undone::Ended(reason) => AskError::Died {
            taken: message.is_none(),
            message,
            reason,
        },
        Undone::Dropped => AskError::Dropped { message },
        Undone::Expired | Undone::Cancelled => AskError::Deadline { waited },
        Undone::Failed(error) => AskError::Handler(error),
        Undone::Refused(reason) => AskError::Refused { reason },
        Undone::Unanswered => AskError::Unanswered,
    }
}

fn ended_remotely<S: Sendable>(taken: bool, failure: Failure<S::Message>) -> AskError<S> {
    let message = failure.message.map(S::from_parcel);
    let reason = match failure.why {
        Undone::Dropped => return AskError::Dropped { message },
        Undone::Ended(reason) => reason,
        _ => ExitReason::Unreachable,
    };
    AskError::Died {
        taken,
        message,
        reason,
    }
}
