//! Two programs that do not agree on a message: refused when the uring is opened, with both sides' values in the text.
//!
//! The two programs are two modules here, whose types have the same names on the bus.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use ringway::message::Message;
use ringway::prelude::*;
use ringway::{LookupError, Node, OpenRefusal, Reachable};

use support::{Bus, watch};

/// The receiver's program.
mod there {
    use ringway::prelude::*;

    #[derive(Message, Clone, Copy, Pod, Zeroable)]
    #[message(move, name = "arm::Position")]
    #[repr(C)]
    pub(crate) struct Position {
        pub(crate) x: f64,
        pub(crate) y: f64,
    }

    #[derive(Message, Serialize, Deserialize)]
    #[message(serial, name = "arm::Label", version = 2)]
    #[serde(crate = "ringway::serde")]
    pub(crate) struct Label {
        pub(crate) text: String,
    }

    #[derive(Message, Serialize, Deserialize)]
    #[message(serial, name = "arm::Way")]
    #[serde(crate = "ringway::serde")]
    pub(crate) struct Way {
        pub(crate) steps: Vec<Step>,
    }

    #[derive(Schema, Serialize, Deserialize)]
    #[serde(crate = "ringway::serde")]
    pub(crate) struct Step {
        pub(crate) to: u32,
        pub(crate) gently: Option<bool>,
    }

    #[derive(Message, Clone, Copy, Pod, Zeroable)]
    #[message(move, name = "arm::Grip")]
    #[repr(C)]
    pub(crate) struct Grip {
        pub(crate) force: u32,
    }

    #[derive(Schema, Clone, Copy, Pod, Zeroable)]
    #[repr(C)]
    pub(crate) struct ScanInfo {
        pub(crate) from: u32,
        pub(crate) to: u32,
    }

    #[derive(Message)]
    #[message(copy, header = ScanInfo, name = "arm::Scan")]
    #[repr(transparent)]
    pub(crate) struct Scan([u16]);

    #[derive(Message, Clone, Copy, Pod, Zeroable)]
    #[message(move, id = 0xA2, name = "arm::Open")]
    #[repr(C)]
    pub(crate) struct Open {
        pub(crate) width: u32,
    }

    #[derive(Message, Clone, Copy, Pod, Zeroable)]
    #[message(move, name = "arm::Weigh", reply = u64)]
    #[repr(C)]
    pub(crate) struct Weigh {
        pub(crate) times: u32,
    }

    #[derive(Actor, Default)]
    #[actor(handles(Position, Label, Way, Grip, Scan, Open, Weigh))]
    pub(crate) struct Arm;

    macro_rules! ignore {
        ($($message:ident)*) => {
            $(impl Handler<$message> for Arm {
                async fn handle(
                    &mut self,
                    _message: <$message as Message>::Arrival,
                    _cx: &mut Context<Self>,
                ) {
                }
            })*
        };
    }

    ignore!(Position Label Way Grip Scan Open);

    impl Handler<Weigh> for Arm {
        async fn handle(&mut self, weigh: Weigh, _cx: &mut Context<Self>) -> u64 {
            weigh.times.into()
        }
    }
}

/// The sender's program.
mod here {
    use ringway::prelude::*;

    /// The same fields, swapped.
    #[derive(Message, Clone, Copy, Pod, Zeroable)]
    #[message(move, name = "arm::Position")]
    #[repr(C)]
    pub(crate) struct Position {
        pub(crate) y: f64,
        pub(crate) x: f64,
    }

    /// Another version.
    #[derive(Message, Serialize, Deserialize)]
    #[message(serial, name = "arm::Label", version = 3)]
    #[serde(crate = "ringway::serde")]
    pub(crate) struct Label {
        pub(crate) text: String,
    }

    /// Another type deep inside.
    #[derive(Message, Serialize, Deserialize)]
    #[message(serial, name = "arm::Way")]
    #[serde(crate = "ringway::serde")]
    pub(crate) struct Way {
        pub(crate) steps: Vec<Step>,
    }

    #[derive(Schema, Serialize, Deserialize)]
    #[serde(crate = "ringway::serde")]
    pub(crate) struct Step {
        pub(crate) to: u32,
        pub(crate) gently: Option<u8>,
    }

    /// Another semantics.
    #[derive(Message, Serialize, Deserialize)]
    #[message(serial, name = "arm::Grip")]
    #[serde(crate = "ringway::serde")]
    pub(crate) struct Grip {
        pub(crate) force: u32,
    }

    /// Another header.
    #[derive(Schema, Clone, Copy, Pod, Zeroable)]
    #[repr(C)]
    pub(crate) struct ScanInfo {
        pub(crate) from: u32,
        pub(crate) till: u32,
    }

    #[derive(Message)]
    #[message(copy, header = ScanInfo, name = "arm::Scan")]
    #[repr(transparent)]
    pub(crate) struct Scan([u16]);

    /// Another name with the same id.
    #[derive(Message, Clone, Copy, Pod, Zeroable)]
    #[message(move, id = 0xA2, name = "arm::Close")]
    #[repr(C)]
    pub(crate) struct Close {
        pub(crate) width: u32,
    }

    /// Another reply, which is no part of the schema.
    #[derive(Message, Clone, Copy, Pod, Zeroable)]
    #[message(move, name = "arm::Weigh", reply = String)]
    #[repr(C)]
    pub(crate) struct Weigh {
        pub(crate) times: u32,
    }

    /// Unknown there.
    #[derive(Message, Clone, Copy, Pod, Zeroable)]
    #[message(move, name = "arm::Wave")]
    #[repr(C)]
    pub(crate) struct Wave {
        pub(crate) times: u32,
    }

    /// Handles the same messages as the arm there, and is not it.
    #[derive(Actor, Default)]
    #[actor(handles(super::there::Grip))]
    pub(crate) struct Gripper;

    impl Handler<super::there::Grip> for Gripper {
        async fn handle(&mut self, _grip: super::there::Grip, _cx: &mut Context<Self>) {}
    }
}

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
    let expected = "\"arm\" handles [\"arm::Grip\"], but is of another type of this program";
    assert!(error.to_string().starts_with(expected), "{error}");
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

/// Types with far more fields than fit one frame, which differ in the last.
macro_rules! large {
    ($module:ident, $last:ty) => {
        mod $module {
            use ringway::prelude::*;

            #[derive(Schema, Clone, Copy, Pod, Zeroable)]
            #[repr(C)]
            pub(crate) struct Inner {
                pub(crate) one_of_eight: u64,
                pub(crate) two_of_eight: u64,
                pub(crate) three_of_eight: u64,
                pub(crate) four_of_eight: u64,
                pub(crate) five_of_eight: u64,
                pub(crate) six_of_eight: u64,
                pub(crate) seven_of_eight: u64,
                pub(crate) eight_of_eight: u64,
            }

            #[derive(Schema, Clone, Copy, Pod, Zeroable)]
            #[repr(C)]
            pub(crate) struct Middle {
                pub(crate) first: Inner,
                pub(crate) second: Inner,
                pub(crate) third: Inner,
                pub(crate) fourth: Inner,
                pub(crate) fifth: Inner,
                pub(crate) sixth: Inner,
                pub(crate) seventh: Inner,
                pub(crate) eighth: Inner,
            }

            #[derive(Message, Clone, Copy, Pod, Zeroable)]
            #[message(move, name = "large::Outer")]
            #[repr(C)]
            pub(crate) struct Outer {
                pub(crate) first_long_name: Middle,
                pub(crate) second_long_name: Middle,
                pub(crate) third_long_name: Middle,
                pub(crate) fourth_long_name: Middle,
                pub(crate) fifth_long_name: Middle,
                pub(crate) sixth_long_name: Middle,
                pub(crate) seventh_long_name: Middle,
                pub(crate) eighth_long_name: Middle,
                pub(crate) last: $last,
            }

            #[derive(Actor)]
            #[actor(handles(Outer))]
            pub(crate) struct Store;

            impl Handler<Outer> for Store {
                async fn handle(&mut self, _outer: Outer, _cx: &mut Context<Self>) {}
            }
        }
    };
}

large!(large_there, u64);
large!(large_here, i64);

// Goal: a description that does not fit a frame is cut, and the refusal still arrives.
#[test]
fn a_large_schema_fits_a_frame() {
    let _dog = watch();
    let bus = Bus::new("schemas-large");
    let (there, here) = (bus.attach("there"), bus.attach("here"));
    there
        .actor(large_there::Store)
        .name("store")
        .spawn()
        .unwrap();
    let error = here
        .lookup::<Addr<large_here::Store>>("store")
        .wait()
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("\"large::Outer\" has another schema there (schema 0x"),
        "{text}"
    );
}
