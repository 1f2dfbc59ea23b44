//! The task that carries one message from life to life of its receiver.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{AbortHandle, Abortable};
use ringway_shm::card::Counter;

use super::order::Ticket;
use super::{Fresh, MessageId};
use crate::actor::Undone;
use crate::actor::reply::Answerer;
use crate::addr::follow::Successors;
use crate::addr::{ActorId, Recipient};
use crate::clock::Nanos;
use crate::dead::{DeadLetter, DeadReason, Types, Whom};
use crate::envelope::Redelivered;
use crate::exit::ExitReason;
use crate::message::Sendable;
use crate::peering::NodeId;
use crate::priority::Priority;
use crate::remote::undelivered::{Shelf, Undelivered};
use crate::send::again::{Lost, next};
use crate::send::ask::Arrival;
use crate::send::{Ask, AskError, SendError};
use crate::shared::Shared;

/// How long a tell waits for each next life: longer than a supervisor's longest backoff and a child's start.
pub(crate) const LIFE_WITHIN: Duration = Duration::from_secs(30);

/// What its receiver is told of a message that may be sent more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) id: MessageId,
    /// Which attempt it is, from 1: one more than the handlers that had begun before.
    pub(crate) attempt: u32,
    /// No reply is wanted, only that it was handled.
    pub(crate) is_tell: bool,
}

/// The bit of an envelope that says so.
const IS_TELL: u32 = 1;

impl From<About> for Redelivered {
    fn from(about: About) -> Self {
        Self {
            node: about.id.node.to_bits(),
            number: about.id.number,
            attempt: about.attempt,
            flags: if about.is_tell { IS_TELL } else { 0 },
        }
    }
}

impl About {
    /// What an envelope says; `None` for one that names no node.
    pub(crate) fn of(said: Redelivered) -> Option<Self> {
        let node = NodeId::from_bits(said.node)?;
        let number = said.number;
        Some(Self {
            id: MessageId { node, number },
            attempt: said.attempt,
            is_tell: said.flags & IS_TELL != 0,
        })
    }
}

/// Who hears what becomes of it.
pub(super) enum Report<S: Sendable> {
    Ask(Option<Answerer<Result<Arrival<S>, AskError<S>>>>),
    /// Hears that it was sent; what comes after that is a dead letter.
    Tell(Option<Answerer<Result<(), SendError<S>>>>),
}

/// What became of it.
enum Outcome<S: Sendable> {
    Answered(Arrival<S>),
    /// A tell was handled.
    Acknowledged,
    /// Its handlers did not come to their ends, once more than is allowed.
    Poisoned(ExitReason),
    /// It is not sent again.
    Failed(AskError<S>),
}

/// One message, and where it goes.
pub(super) struct Order<S: Sendable> {
    shared: Arc<Shared>,
    life: Option<Recipient<S::Message>>,
    /// The life that it was, or is, sent to.
    actor: ActorId,
    follow: Option<Arc<dyn Successors<S::Message>>>,
    ticket: Option<Ticket>,
    message: S,
    keep: fn(&S) -> S,
    priority: Priority,
    id: MessageId,
    /// Handlers that began and did not come to their ends.
    taken: u32,
    times: u32,
    began: Nanos,
    deadline: Nanos,
}

impl<S: Sendable> Order<S> {
    pub(super) fn new(
        shared: &Arc<Shared>,
        fresh: Fresh<'_, S>,
        began: Nanos,
        deadline: Nanos,
    ) -> Self {
        let follow = fresh.follow.map(Successors::own);
        let ledgers = &shared.ledgers;
        let priority = fresh.priority;
        let receiver = follow.as_ref().map(|follow| (follow.receiver(), priority));
        Self {
            life: fresh.way.own(),
            actor: fresh.way.actor(),
            ticket: receiver.map(|receiver| ledgers.to(receiver).enter()),
            follow,
            message: fresh.message,
            keep: fresh.keep,
            priority,
            id: MessageId {
                node: shared.core().id(),
                number: ledgers.number(),
            },
            taken: 0,
            times: fresh.times,
            began,
            deadline,
            shared: Arc::clone(shared),
        }
    }

    /// Starts the task.
    pub(super) fn start(self, shared: &Arc<Shared>, report: Report<S>) -> AbortHandle {
        let (handle, registration) = AbortHandle::new_pair();
        let task = Abortable::new(self.carry(report), registration);
        let ready = shared.queue.task(async move {
            let _ = task.await; // aborted or not: nobody is told twice
        });
        ready.schedule();
        handle
    }

    async fn carry(mut self, mut report: Report<S>) {
        let outcome = self.run(&mut report).await;
        drop(self.ticket.take());
        match report {
            Report::Ask(answerer) => self.answer(outcome, answerer),
            Report::Tell(answerer) => self.conclude(outcome, answerer),
        }
    }

    async fn run(&mut self, report: &mut Report<S>) -> Outcome<S> {
        let is_tell = matches!(report, Report::Tell(_));
        let mut reason = ExitReason::NoSuchActor;
        loop {
            if let Some(life) = self.life.take() {
                self.actor = life.id();
                match self.attempt(&life, report, is_tell).await {
                    Ok(answer) => return Outcome::Answered(answer),
                    Err(AskError::Reply { .. }) if is_tell => return Outcome::Acknowledged,
                    Err(AskError::Died {
                        taken, reason: why, ..
                    }) => {
                        reason = why;
                        self.taken += u32::from(taken);
                        if self.taken > self.times {
                            return Outcome::Poisoned(reason);
                        }
                    }
                    Err(AskError::Unsent(error)) => {
                        match Lost::of(error, self.actor, self.priority) {
                            Ok(lost) => reason = lost.reason,
                            Err(error) => return Outcome::Failed(AskError::Unsent(error)),
                        }
                    }
                    Err(other) => return Outcome::Failed(other),
                }
                self.ticket.iter().for_each(Ticket::came_back);
            }
            match self.next_life(reason.clone(), is_tell).await {
                Ok(life) => self.life = Some(life),
                Err(error) if self.taken == 0 => return Outcome::Failed(AskError::Unsent(error)),
                Err(_) => {
                    return Outcome::Failed(AskError::Died {
                        taken: true,
                        message: None,
                        reason,
                    });
                }
            }
        }
    }

    /// Sends the message to one life and waits for what becomes of it.
    async fn attempt(
        &mut self,
        life: &Recipient<S::Message>,
        report: &mut Report<S>,
        is_tell: bool,
    ) -> Result<Arrival<S>, AskError<S>> {
        if let Some(ticket) = &self.ticket {
            poll_fn(|cx| ticket.poll_turn(self.actor, cx)).await;
        }
        let about = About {
            id: self.id,
            attempt: self.taken + 1,
            is_tell,
        };
        let deadline = if is_tell { Nanos::NONE } else { self.deadline };
        let message = (self.keep)(&self.message);
        let times = (self.began, deadline);
        let mut ask = Ask::again(life.way(), message, self.priority, times, about);
        let (mut is_sent, this) = (false, &mut *self);
        poll_fn(|cx| {
            let answer = Pin::new(&mut ask).poll(cx);
            if !is_sent && ask.is_sent() {
                is_sent = true;
                if let Some(ticket) = &this.ticket {
                    ticket.sent(this.actor);
                }
                if let Some(follow) = &this.follow {
                    follow.reach(this.actor);
                }
                report.sent();
            }
            answer
        })
        .await
    }

    async fn next_life(
        &mut self,
        reason: ExitReason,
        is_tell: bool,
    ) -> Result<Recipient<S::Message>, SendError<S>> {
        let message = (self.keep)(&self.message);
        let Some(follow) = &self.follow else {
            return Err(SendError::Ended { message, reason });
        };
        let lost = Lost {
            message,
            reason,
            ended: self.actor,
            priority: self.priority,
        };
        let until = match is_tell {
            true => self.shared.clock.after(LIFE_WITHIN),
            false => self.deadline,
        };
        let (life, _) = next(&**follow, lost, self.began, until).await?;
        self.shared.count(Counter::Redelivered, 1);
        Ok(life)
    }

    fn answer(
        self,
        outcome: Outcome<S>,
        answerer: Option<Answerer<Result<Arrival<S>, AskError<S>>>>,
    ) {
        let result = match outcome {
            Outcome::Answered(reply) => Ok(reply),
            Outcome::Acknowledged => return,
            Outcome::Failed(error) => Err(error),
            Outcome::Poisoned(reason) => {
                let attempts = self.taken;
                self.bury(DeadReason::Poisoned {
                    attempts,
                    reason: reason.clone(),
                });
                Err(AskError::Poisoned { attempts, reason })
            }
        };
        if let Some(answerer) = answerer {
            answerer.answer(result);
        }
    }

    fn conclude(self, outcome: Outcome<S>, answerer: Option<Answerer<Result<(), SendError<S>>>>) {
        let attempts = self.taken;
        // What was accepted and came to its end at the same look was not reported yet.
        let accepted = |answerer: Option<Answerer<_>>| {
            if let Some(answerer) = answerer {
                answerer.answer(Ok(()));
            }
        };
        let reason = match (outcome, answerer) {
            (Outcome::Failed(AskError::Unsent(error)), Some(answerer)) => {
                answerer.answer(Err(error));
                return;
            }
            (
                Outcome::Answered(_)
                | Outcome::Acknowledged
                // The receiver's node has that.
                | Outcome::Failed(AskError::Handler(_)),
                answerer,
            ) => return accepted(answerer),
            (Outcome::Poisoned(reason), answerer) => {
                accepted(answerer);
                DeadReason::Poisoned { attempts, reason }
            }
            (Outcome::Failed(error), answerer) => {
                accepted(answerer);
                reason_of(error)
            }
        };
        self.bury(reason);
    }

    /// Makes a dead letter of the message.
    fn bury(self, reason: DeadReason) {
        let name = self.follow.map(|follow| Arc::from(follow.followed()));
        let to = (self.actor, name);
        bury(&self.shared, to, self.message, self.taken > 0, reason);
    }
}

/// Makes a dead letter of a message that its sender's node has kept.
pub(crate) fn bury<S: Sendable>(
    shared: &Arc<Shared>,
    (actor, name): (ActorId, Option<Arc<str>>),
    message: S,
    taken: bool,
    reason: DeadReason,
) {
    let whom = Whom {
        actor,
        name,
        types: Types::Accepted(&[]),
    };
    let mut letter = DeadLetter::of::<S::Message>(&whom, reason);
    letter.taken = taken;
    let kept = Undelivered {
        message: Some(message.into_parcel()),
        taken,
        why: Undone::Ended(ExitReason::Unreachable),
    };
    let letter = letter.with(Shelf::of(kept, shared));
    let letter = letter.sent_by(shared.core().id());
    shared.dead_letter_of_own(letter);
}

/// Why a tell that had been accepted goes no further.
pub(crate) fn reason_of<S: Sendable>(error: AskError<S>) -> DeadReason {
    match error {
        AskError::Died { reason, .. }
        | AskError::Unsent(SendError::Ended { reason, .. })
        | AskError::Poisoned { reason, .. } => DeadReason::Ended(reason),
        AskError::Dropped { .. } => DeadReason::Dropped,
        AskError::Refused { reason } => DeadReason::Refused(reason),
        AskError::Handler(error) => DeadReason::Failed(error),
        AskError::Deadline { .. } => DeadReason::Unwanted,
        other => DeadReason::Refused(other.to_string()),
    }
}

impl<S: Sendable> Report<S> {
    /// The message is in a mailbox.
    fn sent(&mut self) {
        if let Self::Tell(answerer) = self
            && let Some(answerer) = answerer.take()
        {
            answerer.answer(Ok(()));
        }
    }
}
