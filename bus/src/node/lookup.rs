//! Finding actors by name, on any node of the bus.

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
use crate::error::NameError;
use crate::message::Message;
use crate::remote::Obstacle;
use crate::shared::{Shared, Target};
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
    fn at_home(target: &Target) -> Option<Self>;
    #[doc(hidden)]
    fn abroad(end: Arc<crate::remote::RemoteEnd>) -> Self;
}

/// One message type as it is agreed upon: id, schema and name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carried {
    pub(crate) id: u64,
    pub(crate) schema: u64,
    pub(crate) name: &'static str,
}

impl Carried {
    pub(crate) fn of<M: Message + ?Sized>() -> Self {
        Self {
            id: M::TYPE_ID.to_bits(),
            schema: M::SCHEMA.hash(),
            name: M::NAME,
        }
    }

    pub(crate) fn all(accepted: &[Accepted]) -> Vec<Self> {
        let carried = |it: &Accepted| Self {
            id: it.id.to_bits(),
            schema: it.schema.hash(),
            name: it.name,
        };
        accepted.iter().map(carried).collect()
    }
}

#[expect(private_interfaces, reason = "sealed")]
impl<M: Message + ?Sized> Reachable for Recipient<M> {
    fn accepted() -> Vec<Carried> {
        vec![Carried::of::<M>()]
    }

    fn at_home(target: &Target) -> Option<Self> {
        let cell = target.cell.as_ref()?.upgrade()?;
        target
            .accepted
            .iter()
            .find_map(|it| it.route_of(Arc::clone(&cell)))
            .map(Self::local)
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

    fn at_home(target: &Target) -> Option<Self> {
        let cell = target.cell.as_ref()?.upgrade()?;
        cell.downcast().ok().map(Self::local)
    }

    fn abroad(end: Arc<crate::remote::RemoteEnd>) -> Self {
        Self::remote(end)
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
    /// An actor of this node has the name and does not handle what was asked for.
    #[error("{name:?} does not handle {wanted:?}")]
    WrongType {
        /// The name.
        name: String,
        /// The message that it was looked up for.
        wanted: Vec<&'static str>,
    },
    /// The node that has the name refused.
    #[error("{name:?} was found and refused: {refusal}")]
    Refused {
        /// The name.
        name: String,
        /// What its node said.
        #[source]
        refusal: OpenRefusal,
    },
}

fn silent_text(nodes: &[String]) -> String {
    if nodes.is_empty() {
        return String::new();
    }
    format!(" (these nodes did not answer: {})", nodes.join(", "))
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
            let found = deadline
                .until(&self.shared.changes, || {
                    self.shared
                        .core()
                        .find(&self.name)
                        .filter(|found| found.kind == Kind::Actor)
                })
                .await;
            let Some(found) = found else {
                return Err(self.not_found());
            };
            if found.node == self.shared.core().id() {
                match self.shared.target(found.key) {
                    Some(target) => return T::at_home(&target).ok_or_else(|| self.wrong_type()),
                    None => continue,
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
                None => return Err(self.not_found()),
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

    fn wrong_type(&self) -> LookupError {
        let wanted = T::accepted().iter().map(|it| it.name).collect();
        LookupError::WrongType {
            name: self.name.clone(),
            wanted,
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
