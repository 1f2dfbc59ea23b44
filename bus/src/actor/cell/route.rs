//! What a local address reaches: a cell of any actor that accepts its type of message.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Cell, CellCore};
use crate::actor::letter::Handed;
use crate::actor::port::{Back, ReplyPort};
use crate::actor::{Accepts, Actor, Undone};
use crate::mailbox::{Overflow, Pushed, Refused};
use crate::message::Message;
use crate::priority::Priority;
use crate::shared::Living;
use crate::wait_list::WaitList;

/// What a local address of some message type reaches: a cell of any actor that accepts it.
pub(crate) trait LocalRoute<M: Message + ?Sized>: Send + Sync {
    /// Queues a message; on refusal the message and the port come back.
    fn push(
        &self,
        handed: Handed<M>,
        port: ReplyPort<M>,
    ) -> Result<(), (Handed<M>, ReplyPort<M>, Refused)>;
    /// The same, of high priority.
    fn push_high(
        &self,
        handed: Handed<M>,
        port: ReplyPort<M>,
    ) -> Result<(), (Handed<M>, ReplyPort<M>, Refused)>;
    /// Queues tells from the first on, while there is room; those left are as they were.
    fn push_all(&self, handed: &mut VecDeque<Handed<M>>, priority: Priority)
    -> Result<(), Refused>;
    fn core(&self) -> &CellCore;
    fn overflow(&self) -> Overflow;
    fn room(&self, priority: Priority) -> &WaitList;
    fn make_reachable(self: Arc<Self>) -> Result<(), crate::node::SpawnError>;
    fn living(self: Arc<Self>) -> Arc<dyn Living>;
}

impl<A, M> LocalRoute<M> for Cell<A>
where
    A: Accepts<M>,
    M: Message + ?Sized,
{
    fn push(
        &self,
        handed: Handed<M>,
        port: ReplyPort<M>,
    ) -> Result<(), (Handed<M>, ReplyPort<M>, Refused)> {
        let Some(place) = self.mailbox.claim() else {
            return self.queue(handed, port);
        };
        place.fill_with(|| A::letter(handed, port));
        self.core.wake();
        Ok(())
    }

    #[cold]
    fn push_high(
        &self,
        handed: Handed<M>,
        port: ReplyPort<M>,
    ) -> Result<(), (Handed<M>, ReplyPort<M>, Refused)> {
        let lane = self.mailbox.lane(Priority::High);
        match lane.push_of((handed, port), |(handed, port)| A::letter(handed, port)) {
            Ok(Pushed::Queued) => {}
            Ok(Pushed::First) => self.wake_for(Priority::High),
            Ok(Pushed::Displaced(letter) | Pushed::Dropped(letter)) => self.dropped_letter(letter),
            Err(((handed, port), refused)) => return Err((handed, port, refused)),
        }
        Ok(())
    }

    fn push_all(
        &self,
        handed: &mut VecDeque<Handed<M>>,
        priority: Priority,
    ) -> Result<(), Refused> {
        let letter = |handed| A::letter(handed, ReplyPort::tell());
        if self.mailbox.lane(priority).push_all(handed, letter)? {
            self.wake_for(priority);
        }
        Ok(())
    }

    fn core(&self) -> &CellCore {
        &self.core
    }

    fn overflow(&self) -> Overflow {
        self.mailbox.overflow()
    }

    fn room(&self, priority: Priority) -> &WaitList {
        self.mailbox.lane(priority).room()
    }

    fn make_reachable(self: Arc<Self>) -> Result<(), crate::node::SpawnError> {
        crate::node::make_reachable(&self)
    }

    fn living(self: Arc<Self>) -> Arc<dyn Living> {
        self
    }
}

impl<A: Actor> Cell<A> {
    /// Queues a message that did not go straight. A function of its own: beside that other way, what is handed over would be
    /// copied before the mailbox's lock.
    #[inline(never)]
    fn queue<M>(
        &self,
        handed: Handed<M>,
        port: ReplyPort<M>,
    ) -> Result<(), (Handed<M>, ReplyPort<M>, Refused)>
    where
        A: Accepts<M>,
        M: Message + ?Sized,
    {
        let pushed = self
            .mailbox
            .push_of((handed, port), |(handed, port)| A::letter(handed, port));
        // Not beside anything else, with which it would be moved: it has room for a letter.
        match pushed {
            Ok(Pushed::Queued) => Ok(()),
            Ok(Pushed::First) => {
                self.core.wake();
                Ok(())
            }
            Ok(Pushed::Displaced(letter) | Pushed::Dropped(letter)) => {
                self.dropped_letter(letter);
                Ok(())
            }
            Err(((handed, port), refused)) => Err((handed, port, refused)),
        }
    }
}

impl<A: Actor> Cell<A> {
    /// The mailbox's policy has dropped a letter.
    fn dropped_letter(&self, letter: A::Letters) {
        self.core.shared.count_undone(&Undone::Dropped);
        let (why, returns) = (&Undone::Dropped, &*self.core.returns());
        A::give_back(letter, &Back::Untaken { why, returns });
    }

    /// Wakes the task for a letter that was queued as the only one of its priority.
    fn wake_for(&self, priority: Priority) {
        if priority == Priority::High {
            self.core.opens_high();
        }
        self.core.wake();
    }
}
