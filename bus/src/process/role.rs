//! One role: an actor that children of this program can be, without its type.

use std::any::type_name;
use std::sync::Arc;

use super::error::{StartRefusal, with_causes};
use super::lifeline::Start;
use crate::actor::cell::{Cell, CellCore};
use crate::actor::{Accepted, Actor, FromArgs};
use crate::addr::wire::within;
use crate::message::{BoxError, Description, Message, Parcel, Semantics as _};
use crate::node::{Carried, Node, make_reachable};
use crate::shared::Shared;
use crate::token::{Room, Tokenized};
use crate::urings::agree::agree_on;
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

/// Builds an actor from its arguments, starts it and makes it reachable.
type Begin = fn(&Node, &Start) -> Result<Arc<dyn Player>, BoxError>;

/// An actor type by its role's name.
#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) name: String,
    actor: &'static str,
    args: Carried,
    accepted: &'static [Accepted],
    begin: Begin,
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
        if CarriedType::of(&self.args) != start.args_type {
            let theirs = Description::new(self.args.name, self.args.id, &self.args.schema);
            return Err(StartRefusal::OtherArgs {
                theirs: Box::new(theirs),
            });
        }
        agree_on(self.accepted, &start.accepts).map_err(StartRefusal::OtherMessages)
    }

    /// Builds the actor, starts it and makes it reachable.
    pub(super) fn begin(
        &self,
        node: &Node,
        start: &Start,
    ) -> Result<Arc<dyn Player>, StartRefusal> {
        (self.begin)(node, start).map_err(|error| StartRefusal::Failed(with_causes(&*error)))
    }
}

fn begin<A: Actor + FromArgs<A::Args>>(
    node: &Node,
    start: &Start,
) -> Result<Arc<dyn Player>, BoxError> {
    let args = within(node.shared(), || decode::<A>(node.shared(), &start.args))?;
    let actor = A::from_args(args)?;
    let mut builder = node
        .actor(actor)
        .redelivering(start.redeliver)
        .again(start.last_exit.clone());
    if let Some(name) = &start.name {
        builder = builder.name(name);
    }
    let cell = builder.start()?;
    make_reachable(&cell)?;
    Ok(cell)
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

#[cfg(test)]
mod tests {
    use super::super::conditions::Conditions;
    use super::super::error::SpawnProcessError;
    use super::*;
    use crate::node::Reachable as _;
    use crate::prelude::*;
    use crate::urings::wire::OpenRefusal;

    #[derive(Message, Serialize, Deserialize)]
    #[message(serial)]
    struct Begin {
        at: u64,
    }

    #[derive(Actor)]
    #[actor(handles(u32, u64), args = Begin)]
    struct Walker;

    impl FromArgs<Begin> for Walker {
        fn from_args(_: Begin) -> Result<Self, BoxError> {
            Ok(Self)
        }
    }

    impl Handler<u32> for Walker {
        async fn handle(&mut self, _: u32, _: &mut Context<Self>) {}
    }

    impl Handler<u64> for Walker {
        async fn handle(&mut self, _: u64, _: &mut Context<Self>) {}
    }

    #[derive(Actor, Default)]
    #[actor(handles(u32))]
    struct Sitter;

    impl Handler<u32> for Sitter {
        async fn handle(&mut self, _: u32, _: &mut Context<Self>) {}
    }

    fn start() -> Start {
        Start {
            bus: "demo".to_owned(),
            root: Vec::new(),
            parent: 1,
            role: "walker".to_owned(),
            name: None,
            actor: type_name::<Walker>().to_owned(),
            is_same_program: true,
            accepts: Addr::<Walker>::accepted()
                .iter()
                .map(CarriedType::of)
                .collect(),
            args_type: CarriedType::of(&Carried::of::<Begin>()),
            args: Vec::new(),
            conditions: Conditions::default(),
            is_detached: false,
            redeliver: None,
            last_exit: None,
        }
    }

    // Goal: a child plays the role only if both programs mean the same by it. Method: every part of the start that is
    // compared is changed, one at a time.
    #[test]
    fn a_role_is_what_its_spawner_takes_it_for() {
        let role = Role::of::<Walker>("walker".to_owned());
        assert_eq!(role.check(&start()), Ok(()));

        let renamed = Start {
            actor: "other::Walker".to_owned(),
            ..start()
        };
        assert!(matches!(
            role.check(&renamed),
            Err(StartRefusal::OtherActor { .. })
        ));
        let foreign = Start {
            is_same_program: false,
            ..renamed
        };
        assert_eq!(
            role.check(&foreign),
            Ok(()),
            "names differ between programs"
        );

        let mut args = start();
        args.args_type.schema ^= 1;
        assert!(matches!(
            role.check(&args),
            Err(StartRefusal::OtherArgs { .. })
        ));

        let mut unhandled = start();
        unhandled.accepts[1].id ^= 1;
        let Err(StartRefusal::OtherMessages(refusal)) = role.check(&unhandled) else {
            panic!()
        };
        assert!(matches!(refusal, OpenRefusal::TypeNotHandled { .. }));

        let mut fewer = start();
        fewer.accepts.pop();
        assert_eq!(role.check(&fewer), Ok(()), "a role may handle more");
    }

    #[test]
    fn other_arguments_are_named_with_the_difference() {
        let role = Role::of::<Walker>("walker".to_owned());
        let args_type = CarriedType::of(&Carried::of::<()>());
        let refusal = role
            .check(&Start {
                args_type,
                ..start()
            })
            .unwrap_err();

        let error = refusal.into_error::<Sitter>("walker");

        let SpawnProcessError::OtherArgs { theirs, .. } = &error else {
            panic!("{error}")
        };
        assert!(theirs.ends_with("::Begin"), "{theirs}");
        let text = error.to_string();
        let start = "role \"walker\" of the child's program is built from other arguments: ";
        assert!(text.starts_with(start), "{text}");
        assert!(text.contains("::Begin") && text.contains("()"), "{text}");
    }
}
