//! A child of a supervisor as others see it now, and the address that follows it from life to life.

use std::any::{Any, type_name};
use std::sync::Arc;

use super::board::{Board, ChildState};
use super::error::SuperviseError;
use super::overseer::Overseen;
use crate::actor::Actor;
use crate::actor::cell::Cell;
use crate::addr::{ActorId, Addr, ByName, Followed, Source};
use crate::node::LookupError;
use crate::send::NoSuccessor;
use crate::shared::Shared;
use crate::wait_list::WaitList;

/// Where a child is looked for.
#[derive(Clone)]
pub(super) struct Sight {
    pub(super) cell: Arc<Cell<Overseen>>,
    pub(super) board: Arc<Board>,
    pub(super) id: String,
}

/// A child that is known.
struct Seen {
    state: ChildState,
    /// Of the life that runs, if that is not over.
    address: Option<Arc<dyn super::board::Address>>,
    reached_as: &'static str,
    bus_name: Option<String>,
}

impl Seen {
    /// Whether it is not to run again, unless somebody asks for it.
    fn is_stopped(&self) -> bool {
        self.address.is_none() && self.state == ChildState::Stopped
    }
}

impl Sight {
    /// Looks for the child; nothing before the supervisor has shown any.
    fn see(&self) -> Option<Result<Seen, SuperviseError>> {
        if let Some(reason) = self.cell.core().outcome() {
            return Some(Err(SuperviseError::Ended(reason.clone())));
        }
        let seen = {
            let picture = self.board.look();
            let children = &mut picture.children.iter();
            let child = children.find(|it| it.info.id == self.id);
            child.map(|child| Seen {
                state: child.info.state,
                address: child.address.clone(),
                reached_as: child.reached_as,
                bus_name: child.bus_name.clone(),
            })
        };
        match seen {
            Some(mut seen) => {
                // Who has heard of an end before the supervisor has is not given what has ended.
                seen.address = seen.address.filter(|it| !it.is_over());
                Some(Ok(seen))
            }
            None => {
                let is_drawn = self.cell.core().start_result().is_some();
                let child = self.id.clone();
                is_drawn.then_some(Err(SuperviseError::NoSuchChild { child }))
            }
        }
    }

    /// The life of the child that runs, once one does.
    pub(super) fn look<T: Any + Clone>(
        &self,
        wanted: &'static str,
    ) -> Option<Result<(T, Option<String>), SuperviseError>> {
        let seen = match self.see()? {
            Ok(seen) => seen,
            Err(error) => return Some(Err(error)),
        };
        let address = seen.address?;
        let address: &dyn Any = &*address;
        Some(match address.downcast_ref::<T>() {
            Some(address) => Ok((address.clone(), seen.bus_name)),
            None => Err(SuperviseError::OtherType {
                child: self.id.clone(),
                found: seen.reached_as,
                wanted,
            }),
        })
    }
}

/// Follows a child: by its name on the bus if it has one, which its lives have under other supervisors too; else as its
/// supervisor shows it.
struct ByChild {
    sight: Sight,
    by_name: Option<ByName>,
    followed: Followed,
}

/// The address of a child that was seen, which follows it.
pub(super) fn following<A: Actor>(
    sight: &Sight,
    (life, bus_name): (Addr<A>, Option<String>),
) -> Addr<A> {
    let core = sight.cell.core();
    let by_name = bus_name.map(|name| ByName::new(core.shared(), &name));
    let followed = match &by_name {
        Some(by_name) => Source::<Addr<A>>::followed(by_name).clone(),
        None => Followed::Child {
            tree: ActorId::of(core),
            id: sight.id.clone(),
        },
    };
    life.after(Arc::new(ByChild {
        sight: sight.clone(),
        by_name,
        followed,
    }))
}

impl<A: Actor> Source<Addr<A>> for ByChild {
    fn now(&self, ended: ActorId) -> Result<Option<Addr<A>>, NoSuccessor> {
        let never = || NoSuccessor::Never {
            followed: self.followed.text().to_owned(),
        };
        let seen = match (self.sight.see(), &self.by_name) {
            (None, _) => return Ok(None),
            (Some(Ok(seen)), None) => seen,
            (Some(Ok(seen)), Some(_)) if seen.is_stopped() => return Err(never()),
            (Some(Ok(_)), Some(by_name)) => return by_name.now(ended),
            // Another supervisor may have taken its place, and its child the name.
            (Some(Err(SuperviseError::Ended(_))), Some(by_name)) => return by_name.now(ended),
            (Some(Err(_)), _) => return Err(never()),
        };
        if seen.is_stopped() {
            return Err(never());
        }
        let Some(address) = seen.address else {
            return Ok(None);
        };
        let address: &dyn Any = &*address;
        match address.downcast_ref::<Addr<A>>() {
            Some(life) => Ok(Some(life.clone()).filter(|life| life.id() != ended)),
            None => Err(NoSuccessor::Unfit {
                cause: Box::new(LookupError::WrongType {
                    name: self.followed.text().to_owned(),
                    found: seen.reached_as,
                    wanted: type_name::<A>(),
                }),
            }),
        }
    }

    fn shared(&self) -> Option<Arc<Shared>> {
        Some(Arc::clone(self.sight.cell.core().shared()))
    }

    fn changes<'a>(&'a self, shared: &'a Shared) -> &'a WaitList {
        match self.by_name {
            Some(_) => &shared.changes,
            None => &self.sight.board.changes,
        }
    }

    fn followed(&self) -> &Followed {
        &self.followed
    }
}
