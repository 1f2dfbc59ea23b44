//! Following a name on the bus: whoever has it now.

use std::sync::{Arc, Weak};

use ringway_shm::registry::Kind;

use super::ActorId;
use super::follow::{Followed, Source};
use crate::node::lookup::{NotAtHome, find_other, not_this};
use crate::node::{LookupError, Reachable};
use crate::remote::Obstacle;
use crate::send::NoSuccessor;
use crate::shared::Shared;
use crate::urings::wire::{OpenRefusal, TargetKind};
use crate::wait_list::WaitList;

/// Finds who has a name.
pub(crate) struct ByName {
    shared: Weak<Shared>,
    followed: Followed,
}

impl ByName {
    pub(crate) fn new(shared: &Arc<Shared>, name: &str) -> Self {
        Self {
            shared: Arc::downgrade(shared),
            followed: Followed::Name {
                bus: shared.core().bus().to_owned(),
                name: name.to_owned(),
            },
        }
    }
}

impl<T: Reachable> Source<T> for ByName {
    fn now(&self, ended: ActorId) -> Result<Option<T>, NoSuccessor> {
        let Some(shared) = self.shared.upgrade() else {
            return Ok(None);
        };
        let name = self.followed.text();
        let unfit = |cause| NoSuccessor::Unfit {
            cause: Box::new(cause),
        };
        let Some(found) = find_other(&shared, name, Kind::Actor, Some(ended)) else {
            return Ok(None);
        };
        let found = found.map_err(unfit)?;
        if found.node == shared.core().id() {
            let Some(target) = shared.target(found.number) else {
                return Ok(None);
            };
            return match T::at_home(&target) {
                Ok(reached) => Ok(Some(reached).filter(|it| !it.is_over())),
                Err(NotAtHome::Gone) => Ok(None),
                Err(NotAtHome::OtherType) => Err(unfit(not_this::<T>(name, &target))),
            };
        }
        let end = shared.end_to(found.node, found.number, TargetKind::Actor, &T::accepted());
        match end.open_result() {
            None | Some(Ok(())) => Ok(Some(T::abroad(end))),
            Some(Err(Obstacle::Refused(OpenRefusal::NoSuchActor))) => {
                // It ended between the look and the opening: the name is free, or soon another's.
                shared.core().forget_name(name, found);
                Ok(None)
            }
            Some(Err(Obstacle::Refused(refusal))) => Err(unfit(LookupError::Refused {
                name: name.to_owned(),
                refusal,
            })),
            Some(Err(_)) => Ok(None),
        }
    }

    fn shared(&self) -> Option<Arc<Shared>> {
        self.shared.upgrade()
    }

    fn changes<'a>(&'a self, shared: &'a Shared) -> &'a WaitList {
        &shared.changes
    }

    fn followed(&self) -> &Followed {
        &self.followed
    }
}
