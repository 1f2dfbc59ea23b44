// Every form that the documentation shows, in a program that forbids unsafe code and depends on `ringway` alone.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]
//! Documented.

use ringway::prelude::*;

/// Plain data.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub struct Add {
    /// How much.
    pub amount: u64,
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, id = 0xA2, name = "ping", version = 2)]
struct Ping;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(semantics = move + publish)]
#[repr(C, packed)]
struct Packed {
    channel: u8,
    value: f64,
}

#[derive(Message, Clone, Copy, NoUninit, CheckedBitPattern)]
#[message(copy)]
#[repr(u8)]
enum Signal {
    Red = 3,
    Green = 5,
}

#[derive(Message, Clone, Copy, NoUninit, CheckedBitPattern)]
#[message(copy, publish)]
#[repr(C, packed)]
struct Status {
    signal: Signal,
    ready: bool,
    level: u16,
}

#[derive(Schema, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct FrameInfo {
    sequence: u64,
}

#[derive(Message)]
#[message(copy, header = FrameInfo)]
#[repr(transparent)]
struct Frame([u8]);

#[derive(Message, Serialize, Deserialize)]
#[message(serial, codec = "postcard", reply = Result<Vec<(String, u32)>, String>)]
#[serde(crate = "ringway::serde")]
struct Text<T, const N: usize> {
    r#type: T,
    #[message(foreign = "a text of at most 7 characters")]
    content: String,
    #[schema(with = "[u8; 16]")]
    id: u128,
    #[schema(skip)]
    #[serde(skip)]
    cache: Option<u8>,
}

fn main() {
    let _ = (Add { amount: 1 }, Ping, Packed { channel: 1, value: 2.0 }.value);
    let _ = (Signal::Red, Signal::Green, FrameInfo { sequence: 1 });
    let status = Status { signal: Signal::Green, ready: true, level: 3 };
    let _ = (status.signal, status.ready, { status.level });
    let text = Text::<u8, 3> { r#type: 1, content: String::new(), id: 1, cache: None };
    let _ = (text.r#type, text.content, text.id, text.cache);
    assert_eq!(<Text<u8, 3>>::NAME.rsplit("::").next(), Some("Text<u8, 3>"));
}
