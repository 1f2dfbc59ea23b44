//! The receiver's program.

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
