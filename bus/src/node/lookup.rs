//! Finding actors by name, on any node of the bus.

mod deadline;
mod error;
mod reachable;

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ringway_shm::registry::Kind;

pub(crate) use self::deadline::Deadline;
pub use self::error::LookupError;
pub use self::reachable::Reachable;
pub(crate) use self::reachable::{Carried, NotAtHome};
use crate::addr::{ActorId, ByName};
use crate::control::Found;
use crate::remote::Obstacle;
use crate::shared::{Shared, Target};
use crate::urings::agree::refusal_at_home;
use crate::urings::wire::{OpenRefusal, TargetKind};

/// How long a lookup waits for its name unless told otherwise.
const WITHIN: Duration = Duration::from_secs(5);

/// Finds a name of this kind; nothing while there is none.
pub(crate) fn find_kind(
    shared: &Shared,
    name: &str,
    kind: Kind,
) -> Option<Result<Found, LookupError>> {
    find_other(shared, name, kind, None)
}

/// The same, passing over an actor that has ended.
pub(crate) fn find_other(
    shared: &Shared,
    name: &str,
    kind: Kind,
    ended: Option<ActorId>,
) -> Option<Result<Found, LookupError>> {
    let core = shared.core();
    let found = core.find_where(name, |it| ended != Some(ActorId::new(it.node, it.number)))?;
    if found.kind == kind {
        return Some(Ok(found));
    }
    Some(Err(LookupError::WrongKind {
        name: name.to_owned(),
        found: called(found.kind),
        wanted: called(kind),
    }))
}

fn called(kind: Kind) -> &'static str {
    match kind {
        Kind::Actor => "an actor",
        Kind::Queue => "a queue",
        _ => "something else",
    }
}

/// A lookup about to be made: await it as it is, or refine it first.
///
/// # Cancel safety
///
/// Dropping it changes nothing that others see: a uring that was opened for it is closed again.
#[must_use = "a lookup does nothing until it is awaited"]
#[derive(Debug)]
pub struct Lookup<T> {
    shared: Arc<Shared>,
    name: String,
    within: Duration,
    of: PhantomData<fn() -> T>,
}

impl<T: Reachable> Lookup<T> {
    pub(super) fn new(shared: &Arc<Shared>, name: String) -> Self {
        Self {
            shared: Arc::clone(shared),
            name,
            within: WITHIN,
            of: PhantomData,
        }
    }

    /// Waits for the name no longer than this; zero looks once.
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Blocks the calling thread until the name is found.
    ///
    /// # Errors
    ///
    /// See [`LookupError`].
    pub fn wait(self) -> Result<T, LookupError> {
        let shared = Arc::clone(&self.shared);
        super::block_on(Some(shared), self.into_future())
    }

    async fn find(self) -> Result<T, LookupError> {
        let deadline = Deadline::new(&self.shared, self.within);
        crate::names::check(&self.name)?;
        loop {
            let find = || find_kind(&self.shared, &self.name, Kind::Actor);
            let Some(found) = deadline.until(&self.shared.changes, find).await else {
                return Err(self.not_found());
            };
            let found = found?;
            if found.node == self.shared.core().id() {
                let Some(target) = self.shared.target(found.number) else {
                    continue;
                };
                match T::at_home(&target) {
                    Ok(reached) => return Ok(self.following(reached)),
                    Err(NotAtHome::OtherType) => return Err(not_this::<T>(&self.name, &target)),
                    Err(NotAtHome::Gone) => continue,
                }
            }
            let end =
                self.shared
                    .end_to(found.node, found.number, TargetKind::Actor, &T::accepted());
            match deadline.until(&end.room, || end.open_result()).await {
                Some(Ok(())) => return Ok(self.following(T::abroad(end))),
                Some(Err(Obstacle::Refused(OpenRefusal::NoSuchActor))) => {
                    // It ended between the look and the opening: the name is free, or soon another's.
                    self.shared.core().forget_name(&self.name, found);
                }
                Some(Err(Obstacle::Refused(refusal))) => {
                    return Err(LookupError::Refused {
                        name: self.name,
                        refusal,
                    });
                }
                Some(Err(_)) => {}
                None => return Err(self.unanswered(found)),
            }
            if deadline.has_passed() {
                return Err(self.not_found());
            }
        }
    }

    fn not_found(&self) -> LookupError {
        LookupError::NotFound {
            name: self.name.clone(),
            bus: self.shared.core().bus().to_owned(),
            waited: self.within,
            silent: self.shared.core().silent_nodes(),
        }
    }

    fn unanswered(&self, found: Found) -> LookupError {
        let peer = self.shared.core().peer(found.node);
        LookupError::Unanswered {
            name: self.name.clone(),
            node: peer.map_or_else(|| found.node.to_string(), |peer| peer.name().to_owned()),
            waited: self.within,
        }
    }

    /// The address of what was found, and of whoever has the name after it.
    fn following(&self, found: T) -> T {
        found.following(Arc::new(ByName::new(&self.shared, &self.name)))
    }
}

/// Why an actor of this node is not what it was looked up as: told as another node would.
pub(crate) fn not_this<T: Reachable>(name: &str, target: &Target) -> LookupError {
    let (name, wanted) = (name.to_owned(), T::accepted());
    match refusal_at_home(target, &wanted) {
        Some(refusal) => LookupError::Refused { name, refusal },
        None => LookupError::WrongType {
            name,
            found: target.called,
            wanted: T::called(),
        },
    }
}

impl<T: Reachable> IntoFuture for Lookup<T> {
    type Output = Result<T, LookupError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.find())
    }
}
