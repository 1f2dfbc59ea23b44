//! Two programs that do not agree on a message: refused when the uring is opened, with both sides' values in the text.
//!
//! The two programs are two modules here, `here` and `there`, whose types have the same names on the bus.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

#[path = "schemas/here.rs"]
mod here;
#[path = "schemas/large.rs"]
mod large;
mod support;
#[path = "schemas/there.rs"]
mod there;

use ringway::message::Message;
use ringway::prelude::*;
use ringway::{LookupError, Node, OpenRefusal, Reachable};

use support::{Bus, watch};

/// A node with the arm, and the other program's.
struct Programs {
    arm: Node,
    user: Node,
    _bus: Bus,
}

impl Programs {
    fn start(name: &str) -> Self {
        let bus = Bus::new(name);
        let (arm, user) = (bus.attach("arm-node"), bus.attach("user-node"));
        arm.actor(there::Arm).name("arm").spawn().unwrap();
        Self {
            arm,
            user,
            _bus: bus,
        }
    }

    /// Looks the arm up from both nodes; each must refuse. The texts may differ only in what is told of nodes.
    fn refused<T: Reachable>(&self) -> (LookupError, OpenRefusal) {
        let [error, at_home] = [&self.user, &self.arm].map(|node| {
            node.lookup::<T>("arm")
                .wait()
                .err()
                .expect("what does not fit is refused")
        });
        assert_eq!(
            error.to_string(),
            at_home.to_string(),
            "the same for a local actor"
        );
        let LookupError::Refused { name, refusal } = &error else {
            panic!("{error}")
        };
        assert_eq!(name, "arm");
        let refusal = refusal.clone();
        (error, refusal)
    }

    fn mismatch<M: Message + ?Sized>(&self) -> (String, Option<String>, Option<String>) {
        let (error, refusal) = self.refused::<Recipient<M>>();
        let OpenRefusal::SchemaMismatch { theirs, difference } = refusal else {
            panic!("{error}")
        };
        assert_eq!(theirs.name(), M::NAME);
        assert_ne!(theirs.hash(), M::SCHEMA.hash());
        let text = error.to_string();
        for hash in [theirs.hash(), M::SCHEMA.hash()] {
            assert!(text.contains(&format!("{hash:#x}")), "both hashes: {text}");
        }
        let difference = difference.expect("found by the sender");
        let (ours, theirs) = difference.field();
        (text, ours.map(str::to_owned), theirs.map(str::to_owned))
    }
}

// Goal: two fields swapped: the error names the first that differs, as each side has it.
#[test]
fn swapped_fields_are_named() {
    let _dog = watch();
    let programs = Programs::start("schemas-swapped");
    let (text, ours, theirs) = programs.mismatch::<here::Position>();
    assert_eq!(ours.as_deref(), Some("Position.y: f64 at 0"));
    assert_eq!(theirs.as_deref(), Some("Position.x: f64 at 0"));
    let expected = "\"arm\" was found and refused: its node has another schema: \
        \"arm::Position\" has `Position.y: f64 at 0` here, `Position.x: f64 at 0` there (schema 0x";
    assert!(text.starts_with(expected), "{text}");
    // The right type is still welcome.
    let arm: Recipient<there::Position> = programs.user.lookup("arm").wait().unwrap();
    arm.ask(there::Position { x: 1.0, y: 2.0 }).wait().unwrap();
}

// Goal: a field deep inside, a header, a version and a semantics are told apart as such.
#[test]
fn other_differences_are_named() {
    let _dog = watch();
    let programs = Programs::start("schemas-others");
    let (_, ours, theirs) = programs.mismatch::<here::Way>();
    assert_eq!(ours.as_deref(), Some("Way.steps[].gently: Option<u8>"));
    assert_eq!(theirs.as_deref(), Some("Way.steps[].gently: Option<bool>"));
    let (_, ours, theirs) = programs.mismatch::<here::Scan>();
    assert_eq!(ours.as_deref(), Some("Scan header.till: u32 at 4"));
    assert_eq!(theirs.as_deref(), Some("Scan header.to: u32 at 4"));
    let (text, ..) = programs.mismatch::<here::Label>();
    assert!(
        text.contains("\"arm::Label\" has version 3 here, 2 there"),
        "{text}"
    );
    let (text, ..) = programs.mismatch::<here::Grip>();
    assert!(
        text.contains("\"arm::Grip\" is `serial` here, `move` there"),
        "{text}"
    );
}

// Goal: a message that the receiver does not handle is named beside those that it does.
#[test]
fn unknown_messages_are_refused() {
    let _dog = watch();
    let programs = Programs::start("schemas-unknown");
    let (error, refusal) = programs.refused::<Recipient<here::Wave>>();
    let OpenRefusal::TypeNotHandled {
        wanted,
        handled,
        more,
    } = refusal
    else {
        panic!("{error}")
    };
    assert_eq!((wanted.as_str(), handled.len(), more), ("arm::Wave", 7, 0));
    let text = error.to_string();
    assert!(
        text.contains("it does not handle \"arm::Wave\"; it handles [\"arm::Position\","),
        "{text}"
    );
}

// Goal: an id that means two things is an error with both names.
#[test]
fn clashing_ids_are_refused() {
    let _dog = watch();
    let programs = Programs::start("schemas-clash");
    let (error, refusal) = programs.refused::<Recipient<here::Close>>();
    assert!(
        matches!(refusal, OpenRefusal::TypeClash { id: 0xA2, .. }),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains("type id 0xa2 means \"arm::Open\" there and \"arm::Close\" here"),
        "{text}"
    );
}

// Goal: an address of an actor type is refused for any message that the actor there does not handle; one that handles
// all of them is reached from another node, and from its own only as what it is.
#[test]
fn actor_types_are_compared_by_their_messages() {
    #[derive(Actor)]
    #[actor(handles(there::Grip, here::Wave))]
    struct Waver;

    impl Handler<there::Grip> for Waver {
        async fn handle(&mut self, _grip: there::Grip, _cx: &mut Context<Self>) {}
    }

    impl Handler<here::Wave> for Waver {
        async fn handle(&mut self, _wave: here::Wave, _cx: &mut Context<Self>) {}
    }

    let _dog = watch();
    let programs = Programs::start("schemas-actors");
    let (error, refusal) = programs.refused::<Addr<Waver>>();
    assert!(
        matches!(refusal, OpenRefusal::TypeNotHandled { .. }),
        "{error}"
    );
    let gripper: Addr<here::Gripper> = programs.user.lookup("arm").wait().unwrap();
    gripper.ask(there::Grip { force: 1 }).wait().unwrap();
    let error = programs
        .arm
        .lookup::<Addr<here::Gripper>>("arm")
        .wait()
        .unwrap_err();
    assert!(matches!(error, LookupError::WrongType { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "\"arm\" is of the type schemas::there::Arm, not schemas::here::Gripper"
    );
}

// Goal: a reply of another type than the asker's program knows is an error, not a misread value.
#[test]
fn another_reply_is_refused() {
    let _dog = watch();
    let programs = Programs::start("schemas-reply");
    let arm: Recipient<here::Weigh> = programs.user.lookup("arm").wait().unwrap();
    let error = arm.ask(here::Weigh { times: 3 }).wait().unwrap_err();
    assert!(matches!(error, AskError::Reply { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.starts_with("the reply is not what its type says: "),
        "{text}"
    );
    assert!(text.contains("String") || text.contains("type"), "{text}");
    println!("{text}");
}
