//! What a name can be looked up as, and which messages that must carry.

use std::any::{Any, type_name};
use std::sync::Arc;

use crate::actor::{Accepted, Actor};
use crate::addr::{ActorId, Addr, Recipient, Source};
use crate::message::{Message, MessageSchema, TypeId};
use crate::remote::RemoteEnd;
use crate::remote::undelivered::Returns;
use crate::shared::Target;

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
    fn abroad(end: Arc<RemoteEnd>) -> Self;
    /// The same, and what the source finds once that has ended.
    #[doc(hidden)]
    fn following(self, source: Arc<dyn Source<Self>>) -> Self;
    /// The life that it reaches.
    #[doc(hidden)]
    fn actor(&self) -> ActorId;
    /// Whether that has ended.
    #[doc(hidden)]
    fn is_over(&self) -> bool;
    /// What came back to the addresses of that life.
    #[doc(hidden)]
    fn returns(&self) -> Arc<Returns>;
    /// What it is the address of, for errors.
    #[doc(hidden)]
    fn called() -> &'static str;
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

    fn abroad(end: Arc<RemoteEnd>) -> Self {
        Self::remote(end)
    }

    fn following(self, source: Arc<dyn Source<Self>>) -> Self {
        Self::after(self, source)
    }

    fn actor(&self) -> ActorId {
        self.id()
    }

    fn is_over(&self) -> bool {
        self.is_closed()
    }

    fn returns(&self) -> Arc<Returns> {
        self.came_back()
    }

    fn called() -> &'static str {
        type_name::<M>()
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

    fn abroad(end: Arc<RemoteEnd>) -> Self {
        Self::remote(end)
    }

    fn following(self, source: Arc<dyn Source<Self>>) -> Self {
        Self::after(self, source)
    }

    fn actor(&self) -> ActorId {
        self.id()
    }

    fn is_over(&self) -> bool {
        self.is_closed()
    }

    fn returns(&self) -> Arc<Returns> {
        self.came_back()
    }

    fn called() -> &'static str {
        type_name::<A>()
    }
}

impl Target {
    fn living_cell(&self) -> Result<Arc<dyn Any + Send + Sync>, NotAtHome> {
        let cell = self.cell.as_ref().ok_or(NotAtHome::OtherType)?;
        cell.upgrade().ok_or(NotAtHome::Gone)
    }
}
