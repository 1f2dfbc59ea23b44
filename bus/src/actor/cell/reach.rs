//! How an actor can be reached from elsewhere: its place in the registry, its groups, and the ways that others keep.

use std::sync::Arc;

use ringway_shm::generation::Key;
use ringway_shm::sync::Ordering::Relaxed;

use super::CellCore;
use super::route::LocalRoute;
use crate::addr::ActorId;
use crate::dead::{Types, Whom};
use crate::message::Message;
use crate::priority::Priority;
use crate::remote::undelivered::{Readers, Returns};
use crate::shared::lock;

/// What became of an actor's new place in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Now,
    /// It has another.
    Before,
    /// It needs none any more.
    Ended,
}

impl CellCore {
    /// Whether peers can reach the actor, or it has ended: nothing is left to be done for its addresses to be passed on.
    pub(crate) fn is_settled(&self) -> bool {
        self.rare.get().is_some_and(|rare| {
            let late = lock(&rare.late);
            late.key.is_some() || late.is_withdrawn
        })
    }

    /// Keeps the actor's place in the registry until its end, unless it has one or has ended.
    pub(crate) fn settle(&self, key: Key) -> Settled {
        let mut late = self.late();
        match late.key {
            _ if late.is_withdrawn => Settled::Ended,
            Some(_) => Settled::Before,
            None => {
                late.key = Some(key);
                Settled::Now
            }
        }
    }

    /// Takes the actor out of what peers can reach, for good.
    pub(super) fn withdraw(&self) {
        let (key, has_joined) = {
            let mut late = self.late();
            late.is_withdrawn = true;
            (late.key.take(), late.has_joined)
        };
        if has_joined {
            self.shared.leave_groups(None, self.number);
        }
        // Relaxed: set before the task ran.
        let place = self.place.load(Relaxed);
        self.shared.actor_ended(place, self.number, key);
    }

    /// It is about to join a group; `false` if it has ended. Who has joined looks once more whether it has.
    pub(crate) fn joins(&self) -> bool {
        let mut late = self.late();
        late.has_joined = true;
        !late.is_withdrawn
    }

    /// Whether peers cannot reach it any more, nor will.
    pub(crate) fn has_withdrawn(&self) -> bool {
        self.late().is_withdrawn
    }

    /// A route to this very actor for one who keeps it; `None` when it has ended.
    pub(crate) fn own_route<M: Message + ?Sized>(&self) -> Option<Arc<dyn LocalRoute<M>>> {
        // Relaxed: set before the task ran.
        let place = self.place.load(Relaxed);
        let (cell, accepted) = self.shared.cell_of(place, self.number)?;
        let mut routes = accepted.iter();
        routes.find_map(|it| it.route_of(Arc::clone(&cell)))
    }

    /// Whom the actor's messages are for.
    pub(crate) fn whom(&self) -> Whom {
        Whom {
            actor: ActorId::new(self.shared.core().id(), self.number),
            name: self.name().map(Arc::from),
            // Messages of this process know their names.
            types: Types::Accepted(&[]),
        }
    }

    /// What came back to the actor's addresses.
    pub(crate) fn returns(&self) -> Arc<Returns> {
        let mut late = self.late();
        let ended = late.ended.clone();
        let make = || {
            let returns = Returns::new(&self.shared, self.whom(), Readers::Streams);
            // Nobody else has it: this waits for no lock and wakes nobody.
            ended
                .iter()
                .for_each(|reason| returns.end(Priority::Normal, reason));
            returns
        };
        Arc::clone(late.returns.get_or_insert_with(make))
    }
}
