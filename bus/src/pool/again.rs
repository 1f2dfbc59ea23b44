//! Redelivery in a pool: a message goes from member to member until one has handled it to its end.
//!
//! An ask does so within its own future. A tell is a task of the sender's node from the first look on, and its future waits no
//! longer than until the first member has the message; so what becomes of it later is up to that node, as for any tell that is
//! redelivered.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Waker;

use futures_util::future::{AbortHandle, Abortable, Either, select};

use super::send::{Again, Arrival, Fresh, Load, Until, not_to};
use super::{Pool, PoolMember, Takes};
use crate::actor::reply::{Answerer, slot};
use crate::addr::{ActorId, Recipient};
use crate::clock::Nanos;
use crate::dead::DeadReason;
use crate::exit::ExitReason;
use crate::message::Sendable;
use crate::node::lookup::Deadline;
use crate::priority::Priority;
use crate::send::redeliver::{About, LIFE_WITHIN, MessageId, bury, reason_of};
use crate::send::{ASK_DEADLINE, Ask, AskError, SendError, next_life};
use crate::wait_list::WaitList;

/// One message, and how far it has come.
struct Carried<T: PoolMember, S: Sendable> {
    pool: Pool<T>,
    message: S,
    again: Again<S>,
    key: Option<u64>,
    priority: Priority,
    id: MessageId,
    /// Handlers that began and did not come to their ends.
    taken: u32,
    /// The member that was chosen last.
    last: Option<ActorId>,
    /// Members that cannot be reached, and may live.
    unreached: Vec<T>,
    /// It was in a member's mailbox.
    is_accepted: bool,
    is_tell: bool,
}

/// A life of the member whose turn it is, a copy of the message, what counts it there, and the member.
type Next<T, S> = (Recipient<<S as Sendable>::Message>, S, Load<T>, T);

/// Who hears that a tell was sent; what comes after that is a dead letter.
type Sent<S> = Option<Answerer<Result<(), SendError<S>>>>;

/// What became of a message.
enum Outcome<S: Sendable> {
    Answered(Arrival<S>),
    Acknowledged,
    Poisoned(ExitReason),
    Failed(AskError<S>),
}

impl<T: Takes<S::Message>, S: Sendable> Carried<T, S> {
    fn new(fresh: Fresh<T, S>, again: Again<S>, is_tell: bool) -> Self {
        let shared = &fresh.pool.inner.shared;
        let id = MessageId {
            node: shared.core().id(),
            number: shared.ledgers.number(),
        };
        Self {
            pool: fresh.pool,
            message: fresh.message,
            again,
            key: fresh.key,
            priority: fresh.priority,
            id,
            taken: 0,
            last: None,
            unreached: Vec::new(),
            is_accepted: false,
            is_tell,
        }
    }

    async fn run(&mut self, until: Until, sent: &mut Sent<S>) -> Outcome<S> {
        let clock = self.pool.inner.shared.clock.clone();
        loop {
            let until = match self.is_accepted && self.is_tell {
                // Its sender waits no more.
                true => Until {
                    began: until.began,
                    deadline: clock.after(LIFE_WITHIN),
                },
                false => until,
            };
            let (life, message, load, to) = match self.next(until).await {
                Ok(next) => next,
                Err(error) if self.taken == 0 => return Outcome::Failed(AskError::Unsent(error)),
                Err(error) => {
                    return Outcome::Failed(AskError::Died {
                        taken: true,
                        message: None,
                        reason: reason_unsent(error),
                    });
                }
            };
            let answer = self.attempt(&life, message, until, sent).await;
            drop(load);
            match answer {
                Ok(answer) => return Outcome::Answered(answer),
                Err(AskError::Reply { .. }) if self.is_tell => return Outcome::Acknowledged,
                Err(AskError::Died { taken: false, .. }) => {}
                Err(AskError::Died { reason, .. }) => {
                    self.taken += 1;
                    if self.taken > self.again.times {
                        return Outcome::Poisoned(reason);
                    }
                }
                // It had ended when this was sent there, or cannot be reached.
                Err(AskError::Unsent(error)) => {
                    if let Err(error) = not_to(to, error, &mut self.unreached) {
                        return Outcome::Failed(AskError::Unsent(error));
                    }
                }
                Err(other) => return Outcome::Failed(other),
            }
        }
    }

    /// Finds the member whose turn it is, and makes a copy for it.
    async fn next(&mut self, until: Until) -> Result<Next<T, S>, SendError<S>> {
        let message = (self.again.keep)(&self.message);
        let whom = (self.key, self.unreached.as_slice());
        let (load, to, message) = Fresh::member(&self.pool, whom, message, until).await?;
        let found = next_life(&to.to_recipient(), message, until.began, until.deadline).await;
        let (life, message) = found?;
        self.last = Some(life.id());
        Ok((life, message, load, to))
    }

    /// Sends it to one life of a member, and waits for what becomes of it.
    async fn attempt(
        &mut self,
        life: &Recipient<S::Message>,
        message: S,
        until: Until,
        sent: &mut Sent<S>,
    ) -> Result<Arrival<S>, AskError<S>> {
        let about = About {
            id: self.id,
            attempt: self.taken + 1,
            is_tell: self.is_tell,
        };
        let deadline = match self.is_tell {
            true => Nanos::NONE,
            false => until.deadline,
        };
        let times = (until.began, deadline);
        let mut ask = Ask::again(life.way(), message, self.priority, times, about);
        poll_fn(|cx| {
            let answer = Pin::new(&mut ask).poll(cx);
            if ask.is_sent() {
                self.is_accepted = true;
                accepted(sent.take());
            }
            answer
        })
        .await
    }

    /// Makes a dead letter of the message.
    fn bury(self, reason: DeadReason) {
        // Without a member it never was anybody's: then its sender has it.
        if let Some(actor) = self.last {
            let shared = Arc::clone(&self.pool.inner.shared);
            bury(&shared, (actor, None), self.message, self.taken > 0, reason);
        }
    }

    /// A tell has come to its end.
    fn conclude(self, outcome: Outcome<S>, sent: Sent<S>) {
        let attempts = self.taken;
        let reason = match (outcome, sent) {
            (Outcome::Failed(AskError::Unsent(error)), Some(sent)) => {
                sent.answer(Err(error));
                return;
            }
            // A handler's error the receiver's node has.
            (
                Outcome::Answered(_)
                | Outcome::Acknowledged
                | Outcome::Failed(AskError::Handler(_)),
                sent,
            ) => return accepted(sent),
            (Outcome::Poisoned(reason), sent) => {
                accepted(sent);
                DeadReason::Poisoned { attempts, reason }
            }
            (Outcome::Failed(error), sent) => {
                accepted(sent);
                reason_of(error)
            }
        };
        self.bury(reason);
    }
}

fn accepted<S>(sent: Sent<S>) {
    if let Some(sent) = sent {
        sent.answer(Ok(()));
    }
}

/// Why nobody else is found.
fn reason_unsent<S>(error: SendError<S>) -> ExitReason {
    match error {
        SendError::Ended { reason, .. } => reason,
        _ => ExitReason::NoSuchActor,
    }
}

/// Ends a task unless it was let go.
struct Guard(Option<AbortHandle>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

impl<T: Takes<S::Message>, S: Sendable> Fresh<T, S> {
    pub(super) async fn ask_again(self, again: Again<S>) -> Result<Arrival<S>, AskError<S>> {
        let until = Until::new(&self.pool, Some(self.deadline.unwrap_or(ASK_DEADLINE)));
        let mut carried = Carried::new(self, again, false);
        match carried.run(until, &mut None).await {
            Outcome::Answered(answer) => Ok(answer),
            Outcome::Failed(error) => Err(error),
            Outcome::Poisoned(reason) => {
                let attempts = carried.taken;
                carried.bury(DeadReason::Poisoned {
                    attempts,
                    reason: reason.clone(),
                });
                Err(AskError::Poisoned { attempts, reason })
            }
            Outcome::Acknowledged => unreachable!("only a tell is"),
        }
    }

    pub(super) async fn tell_again(self, again: Again<S>) -> Result<(), SendError<S>> {
        let shared = Arc::clone(&self.pool.inner.shared);
        let until = Until::new(&self.pool, self.deadline);
        let kept = (again.keep)(&self.message);
        let (answerer, mut asker) = slot(Nanos::NONE, Waker::noop());
        let mut carried = Carried::new(self, again, true);
        let task = async move {
            let mut sent = Some(answerer);
            let outcome = carried.run(until, &mut sent).await;
            carried.conclude(outcome, sent);
        };
        let (handle, registration) = AbortHandle::new_pair();
        let task = Abortable::new(task, registration);
        shared
            .queue
            .task(async move {
                let _ = task.await; // aborted or not: nobody is told twice
            })
            .schedule();
        let mut guard = Guard(Some(handle));
        let nobody = WaitList::default();
        let deadline = Deadline::at(&shared, until.deadline);
        let overdue = pin!(deadline.until(&nobody, || None::<()>));
        let said = pin!(poll_fn(|cx| asker.poll(cx)));
        match select(said, overdue).await {
            Either::Left((Some(said), _)) => {
                guard.0 = None;
                said
            }
            Either::Left((None, _)) => Err(SendError::Ended {
                message: kept,
                reason: ExitReason::Shutdown,
            }),
            Either::Right(_) => Err(SendError::Deadline {
                message: kept,
                waited: shared.clock.now().since(until.began),
            }),
        }
    }
}
