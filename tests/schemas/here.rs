//! The sender's program: types of the same names on the bus, each with one difference.

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
