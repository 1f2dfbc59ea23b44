//! Finding actors by name, on any node of the bus.

use std::any::Any;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ringway_shm::registry::Kind;

use crate::actor::{Accepted, Actor};
use crate::addr::{Addr, Recipient};
use crate::clock::Nanos;
use crate::control::Found;
use crate::error::NameError;
use crate::message::{Message, MessageSchema, TypeId};
use crate::remote::Obstacle;
use crate::shared::{Shared, Target};
use crate::urings::open;
use crate::urings::wire::{OpenRefusal, TargetKind};
use crate::wait_list::WaitKey;

/// How long a lookup waits for its name unless told otherwise.
const WITHIN: Duration = Duration::from_secs(5);

/// What a name can be looked up as: an [`Addr`] or a [`Recipient`]. Sealed.
#[expect(
    private_interfaces,
    reason = "sealed: what it is made of is the bus's business"
)]
pub trait Reachable: Sized + Send + 'static {
    /// The messages that it will carry.
    #[doc(hidden)]
    fn accepted() -> Vec<Carried>;
    #[doc(hidden)]
    fn at_home(target: &Target) -> Result<Self, NotAtHome>;
    #[doc(hidden)]
    fn abroad(end: Arc<crate::remote::RemoteEnd>) -> Self;
}

/// Why an actor of this node is not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAtHome {
    /// It has ended.
    Gone,
    /// It is of another type, or handles other messages.
    OtherType,
}

/// One message type as it is agreed upon: id, name and schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carried {
    pub(crate) id: TypeId,
    pub(crate) name: &'static str,
    pub(crate) schema: MessageSchema,
}

impl Carried {
    pub(crate) fn of<M: Message + ?Sized>() -> Self {
        Self {
            id: M::TYPE_ID,
            name: M::NAME,
            schema: M::SCHEMA,
        }
    }

    pub(crate) fn all(accepted: &[Accepted]) -> Vec<Self> {
        let carried = |it: &Accepted| Self {
            id: it.id,
            name: it.name,
            schema: it.schema,
        };
        accepted.iter().map(carried).collect()
    }
}

#[expect(private_interfaces, reason = "sealed")]
impl<M: Message + ?Sized> Reachable for Recipient<M> {
    fn accepted() -> Vec<Carried> {
        vec![Carried::of::<M>()]
    }

    fn at_home(target: &Target) -> Result<Self, NotAtHome> {
        let cell = target.living_cell()?;
        let mut routes = target.accepted.iter();
        let route = routes.find_map(|it| it.route_of(Arc::clone(&cell)));
        route.map(Self::local).ok_or(NotAtHome::OtherType)
    }

    fn abroad(end: Arc<crate::remote::RemoteEnd>) -> Self {
        Self::remote(end)
    }
}

#[expect(private_interfaces, reason = "sealed")]
impl<A: Actor> Reachable for Addr<A> {
    fn accepted() -> Vec<Carried> {
        Carried::all(A::ACCEPTED)
    }

    fn at_home(target: &Target) -> Result<Self, NotAtHome> {
        let cell = target.living_cell()?;
        let cell = cell.downcast().map_err(|_| NotAtHome::OtherType)?;
        Ok(Self::local(cell))
    }

    fn abroad(end: Arc<crate::remote::RemoteEnd>) -> Self {
        Self::remote(end)
    }
}

impl Target {
    fn living_cell(&self) -> Result<Arc<dyn Any + Send + Sync>, NotAtHome> {
        let cell = self.cell.as_ref().ok_or(NotAtHome::OtherType)?;
        cell.upgrade().ok_or(NotAtHome::Gone)
    }
}

/// A name was not found, or not as what it was looked up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// Nobody has the name.
    #[error("no actor named {name:?} on bus {bus:?} within {waited:?}{}", silent_text(.silent))]
    NotFound {
        /// The name.
        name: String,
        /// The bus.
        bus: String,
        /// How long the lookup had waited.
        waited: Duration,
        /// Nodes that were found and did not answer: the name may be theirs.
        silent: Vec<String>,
    },
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A queue has the name and an actor was wanted, or the other way round.
    #[error("{name:?} is {found}, not {wanted}")]
    WrongKind {
        /// The name.
        name: String,
        /// What has the name.
        found: &'static str,
        /// What was looked up.
        wanted: &'static str,
    },
    /// The queue is bound on the node that would connect to it.
    #[error("queue {name:?} is bound on this very node; a queue joins two nodes")]
    OwnQueue {
        /// The name.
        name: String,
    },
    /// An actor of this node has the name and handles messages like these, but is of another type of the program.
    #[error(
        "{name:?} handles {wanted:?}, but is of another type of this program than it was looked up as"
    )]
    WrongType {
        /// The name.
        name: String,
        /// The messages that it was looked up for.
        wanted: Vec<&'static str>,
    },
    /// The receiver's node refused to open a uring, or this node would have.
    #[error("{name:?} was found and refused: {refusal}")]
    Refused {
        /// The name.
        name: String,
        /// What its node said.
        refusal: OpenRefusal,
    },
    /// The name was found, and its node did not answer the request to open a uring.
    #[error("{name:?} was found, and its node {node:?} did not answer within {waited:?}")]
    Unanswered {
        /// The name.
        name: String,
        /// The node that has it.
        node: String,
        /// How long the lookup had waited.
        waited: Duration,
    },
}

/// Finds a name of this kind; nothing while there is none.
pub(crate) fn find_kind(
    shared: &Shared,
    name: &str,
    kind: Kind,
) -> Option<Result<Found, LookupError>> {
    let found = shared.core().find(name)?;
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

fn silent_text(nodes: &[String]) -> String {
    if nodes.is_empty() {
        return String::new();
    }
    format!(" ({})", nodes.join(", "))
}

/// A lookup about to be made: await it as it is, or refine it first.
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
                let Some(target) = self.shared.target(found.key) else {
                    continue;
                };
                match T::at_home(&target) {
                    Ok(reached) => return Ok(reached),
                    Err(NotAtHome::OtherType) => return Err(self.not_this(&target)),
                    Err(NotAtHome::Gone) => continue,
                }
            }
            let end = self
                .shared
                .end_to(found.node, found.key, TargetKind::Actor, &T::accepted());
            match deadline.until(&end.room, || end.open_result()).await {
                Some(Ok(())) => return Ok(T::abroad(end)),
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

    /// Why an actor of this node is not what it was looked up as: told as another node would.
    fn not_this(&self, target: &Target) -> LookupError {
        let (name, wanted) = (self.name.clone(), T::accepted());
        match open::refusal_at_home(target, &wanted) {
            Some(refusal) => LookupError::Refused { name, refusal },
            None => LookupError::WrongType {
                name,
                wanted: wanted.iter().map(|it| it.name).collect(),
            },
        }
    }
}

impl<T: Reachable> IntoFuture for Lookup<T> {
    type Output = Result<T, LookupError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.find())
    }
}

/// A deadline for several waits in a row.
pub(crate) struct Deadline {
    shared: Arc<Shared>,
    at: Nanos,
}

impl Deadline {
    pub(crate) fn new(shared: &Arc<Shared>, within: Duration) -> Self {
        Self {
            shared: Arc::clone(shared),
            at: Nanos::after(within),
        }
    }

    /// A deadline that never comes.
    pub(crate) fn never(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            at: Nanos::NONE,
        }
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.at.has_passed()
    }

    /// Looks until there is something, woken by `list`; `None` when the deadline comes first.
    pub(crate) async fn until<T>(
        &self,
        list: &crate::wait_list::WaitList,
        mut look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let mut waiting = Waiting {
            list,
            key: WaitKey::default(),
            shared: &self.shared,
            timer: None,
        };
        std::future::poll_fn(|cx| {
            if let Some(found) = look() {
                return Poll::Ready(Some(found));
            }
            list.register(&mut waiting.key, cx);
            match look() {
                Some(found) => Poll::Ready(Some(found)),
                None if self.has_passed() => Poll::Ready(None),
                None if self.at == Nanos::NONE => Poll::Pending,
                None => {
                    match waiting.timer {
                        Some(timer) => self.shared.timers.rewake(timer, cx.waker()),
                        None => waiting.timer = Some(self.shared.arm_timer(self.at, cx.waker())),
                    }
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// Leaves the list and the timer when the wait ends, however it ends.
struct Waiting<'a> {
    list: &'a crate::wait_list::WaitList,
    key: WaitKey,
    shared: &'a Arc<Shared>,
    timer: Option<crate::driver::timer::TimerKey>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.list.remove(&mut self.key);
        if let Some(timer) = self.timer {
            self.shared.timers.disarm(timer);
        }
    }
}
