//! One role: an actor that children of this program can be, without its type.

use std::any::type_name;
use std::sync::Arc;

use ringway_shm::generation::Key;

use super::error::{StartRefusal, with_causes};
use super::lifeline::Start;
use crate::actor::cell::{Cell, CellCore};
use crate::actor::{Accepted, Actor, FromArgs};
use crate::addr::wire::within;
use crate::message::{BoxError, Message, Parcel, Semantics as _};
use crate::node::{Carried, Node, make_reachable};
use crate::shared::Shared;
use crate::token::{Room, Tokenized};
use crate::urings::open::agree_on;
use crate::urings::wire::CarriedType;

/// What plays a role once it has begun: an actor's cell.
pub(super) trait Player: Send + Sync {
    fn core(&self) -> &CellCore;
}

impl<A: Actor> Player for Cell<A> {
    fn core(&self) -> &CellCore {
        self.core()
    }
}

/// An actor that was built and is starting, and its place in the registry.
pub(super) struct Begun {
    pub(super) player: Arc<dyn Player>,
    pub(super) key: Key,
}

/// An actor type by its role's name.
#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) name: String,
    actor: &'static str,
    args: Carried,
    accepted: &'static [Accepted],
    begin: fn(&Node, &Start) -> Result<Begun, BoxError>,
}

impl Role {
    pub(super) fn of<A: Actor + FromArgs<A::Args>>(name: String) -> Self {
        Self {
            name,
            actor: type_name::<A>(),
            args: Carried::of::<A::Args>(),
            accepted: A::ACCEPTED,
            begin: begin::<A>,
        }
    }

    /// Compares the role with what the spawner takes it for.
    pub(super) fn check(&self, start: &Start) -> Result<(), StartRefusal> {
        // Between programs the types' names differ; there only what is sent counts.
        if start.is_same_program && start.actor != self.actor {
            let (ours, theirs) = (start.actor.clone(), self.actor.to_owned());
            return Err(StartRefusal::OtherActor { ours, theirs });
        }
        let args = CarriedType::of(&self.args);
        if args != start.args_type {
            let (ours, theirs) = (text_of(&start.args_type), text_of(&args));
            return Err(StartRefusal::OtherArgs { ours, theirs });
        }
        agree_on(self.accepted, &start.accepts).map_err(StartRefusal::OtherMessages)
    }

    /// Builds the actor and starts it.
    pub(super) fn begin(&self, node: &Node, start: &Start) -> Result<Begun, StartRefusal> {
        (self.begin)(node, start).map_err(|error| StartRefusal::Failed(with_causes(&*error)))
    }
}

fn text_of(carried: &CarriedType) -> String {
    format!("{} (schema {:#x})", carried.name, carried.schema)
}

fn begin<A: Actor + FromArgs<A::Args>>(node: &Node, start: &Start) -> Result<Begun, BoxError> {
    let args = within(node.shared(), || decode::<A>(node.shared(), &start.args))?;
    let mut builder = node.actor(A::from_args(args)?);
    if let Some(name) = &start.name {
        builder = builder.name(name);
    }
    let cell = builder.start()?;
    let key = make_reachable(&cell)?;
    Ok(Begun { player: cell, key })
}

/// The arguments from their bytes.
fn decode<A: Actor>(shared: &Shared, bytes: &[u8]) -> Result<A::Args, BoxError> {
    let tokenized = Tokenized::copy::<A::Args>(bytes, shared.core().heap(), Room::REPLY)
        .map_err(|error| format!("no memory for the arguments: {error}"))?;
    let parcel: Parcel<A::Args> = <A::Args as Message>::Semantics::unpack(tokenized)?;
    parcel
        .into_value()
        .map_err(|_| "arguments without a value".into())
}
