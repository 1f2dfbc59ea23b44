//! How an actor's start went and how it ended, and who hears of it: senders, those who wait, and listeners to dead letters.

use std::task::{Context, Poll};

use ringway_shm::sync::Ordering::{Relaxed, SeqCst};
use ringway_shm::sync::fence;

use super::control::STARTED;
use super::{Cell, CellCore};
use crate::actor::port::Back;
use crate::actor::{Actor, Undone};
use crate::dead::{DeadLetter, DeadReason, Types, Whom};
use crate::exit::ExitReason;
use crate::inbox::Orphan;
use crate::message::Message;
use crate::peering::NodeId;
use crate::priority::Priority;
use crate::wait_list::{WaitKey, WaitList};

/// Makes the dead letter of a message whose actor has ended, and so.
pub(crate) type Lost = Box<dyn FnOnce(&ExitReason) -> DeadLetter + Send>;

impl CellCore {
    /// The start hook has succeeded.
    ///
    /// SeqCst actor-started: pairs with the fence in `WaitList::register`. This sets `STARTED` and then looks for
    /// waiters, a waiter makes the list, registers, and then looks at `STARTED`: not both can miss the other.
    pub(crate) fn publish_start(&self) {
        // Relaxed: ordered by the fence.
        self.control.fetch_or(STARTED, Relaxed);
        fence(SeqCst);
        if let Some(rare) = self.rare.get() {
            rare.ended.wake_all();
        }
    }

    /// Waits until the start hook has succeeded, or for the end that came instead.
    pub(crate) fn poll_started(
        &self,
        key: &mut WaitKey,
        cx: &Context<'_>,
    ) -> Poll<Result<(), ExitReason>> {
        self.ended_list().register(key, cx);
        self.start_result().map_or(Poll::Pending, Poll::Ready)
    }

    /// How the start hook went, once that is known; who waits for it is on the list of those who wait for the end.
    pub(crate) fn start_result(&self) -> Option<Result<(), ExitReason>> {
        // Relaxed: ordered by the fence of who has registered.
        if self.control.load(Relaxed) & STARTED != 0 {
            return Some(Ok(()));
        }
        self.outcome().map(|reason| Err(reason.clone()))
    }

    /// How the actor ended, if it has.
    pub(crate) fn outcome(&self) -> Option<&ExitReason> {
        self.rare.get()?.outcome.get()
    }

    /// Waits for the end.
    pub(crate) fn poll_ended(&self, key: &mut WaitKey, cx: &Context<'_>) -> Poll<ExitReason> {
        if let Some(reason) = self.outcome() {
            return Poll::Ready(reason.clone());
        }
        let ended = self.ended_list();
        ended.register(key, cx);
        match self.outcome() {
            Some(reason) => {
                ended.remove(key);
                Poll::Ready(reason.clone())
            }
            None => Poll::Pending,
        }
    }

    pub(crate) fn ended_list(&self) -> &WaitList {
        &self.rare().ended
    }

    /// The handler in hand does not come to its end, and its sender is dead.
    pub(crate) fn abandon(&self, orphan: Orphan) {
        self.late().orphan = Some(orphan);
    }

    /// A message that was put aside is not handled again, and its sender is not told.
    pub(in crate::actor) fn lose(&self, lost: Lost) {
        self.late().lost.push(lost);
    }

    fn publish_orphan(&self, orphan: Orphan, types: Types, reason: &ExitReason) {
        let whom = Whom {
            types,
            ..self.whom()
        };
        let letter = whom.letter(orphan.type_id, DeadReason::Ended(reason.clone()));
        self.shared
            .dead_letter_of_own(letter.taken().sent_by(orphan.sender));
    }

    /// A reply of this actor had come, and its asker went without reading it.
    #[cold]
    pub(crate) fn unread_reply<M: Message + ?Sized>(&self) {
        self.unheard_reply::<M>(self.shared.core().id());
    }

    /// The same of an asker of another node, whose process is dead.
    #[cold]
    pub(crate) fn unheard_reply<M: Message + ?Sized>(&self, sender: NodeId) {
        let letter = DeadLetter::of::<M>(&self.whom(), DeadReason::ReplyUnread).taken();
        self.shared.dead.publish(letter.sent_by(sender));
    }
}

impl<A: Actor> Cell<A> {
    /// Publishes the end: what is queued goes back to its senders, the name is free, and all who wait are told.
    pub(crate) fn publish_end(&self, reason: ExitReason) {
        let letters = self.mailbox.close(&reason);
        if !letters.is_empty() {
            let (why, returns) = (Undone::Ended(reason.clone()), self.core.returns());
            for letter in letters {
                let (why, returns) = (&why, &*returns);
                A::give_back(letter, &Back::Untaken { why, returns });
            }
        }
        // Before the peers are told: who hears of the end may take the name over.
        self.core.withdraw();
        let (returns, orphan, lost) = {
            let mut late = self.core.late();
            late.ended = Some(reason.clone());
            let (orphan, lost) = (late.orphan.take(), std::mem::take(&mut late.lost));
            (late.returns.clone(), orphan, lost)
        };
        for lost in lost {
            self.core.shared.dead_letter_of_own(lost(&reason));
        }
        if let Some(orphan) = orphan {
            let types = Types::Accepted(A::ACCEPTED);
            self.core.publish_orphan(orphan, types, &reason);
        }
        if let Some(inbox) = self.core.inbox_if_any() {
            inbox.close(&reason);
        }
        if let Some(returns) = returns {
            returns.end(Priority::Normal, &reason);
        }
        let rare = self.core.rare();
        let _ = rare.outcome.set(reason.clone());
        rare.ended.wake_all();
        if let Some(links) = rare.links.get() {
            links.end(&self.core, &reason);
        }
        self.mailbox.wake_waiting();
    }
}
