//! Goal: derived messages are what they say: names, ids, schemas, semantics; with `ringway` as the only dependency.
#![forbid(unsafe_code)]

use ringway::message::{Bits, Codec, Message, Name, Plain, SemanticsCode, TypeId};
use ringway::prelude::*;

#[derive(Message, Debug, PartialEq, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Add {
    amount: u64,
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, publish, id = 0xA2, name = "ping")]
struct Ping;

#[derive(Schema, NoUninit, CheckedBitPattern, Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
enum Mode {
    Idle = 1,
    Busy = 4,
}

#[derive(Message, NoUninit, CheckedBitPattern, Clone, Copy, Debug, PartialEq)]
#[message(copy, version = 3)]
#[repr(C)]
struct Status {
    mode: Mode,
    ready: bool,
    level: [u8; 2],
}

#[derive(Message, NoUninit, CheckedBitPattern, Clone, Copy, Debug, PartialEq)]
#[message(semantics = copy, reply = Result<Vec<u8>, String>)]
#[repr(u16)]
enum Signal {
    Red = 7,
    Green,
}

#[derive(Schema, Pod, Zeroable, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct FrameInfo {
    sequence: u64,
}

#[derive(Message)]
#[message(copy, header = FrameInfo)]
#[repr(transparent)]
struct Frame([u8]);

#[derive(Message, Serialize, Deserialize, Debug, PartialEq)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Text {
    content: String,
    priority: u8,
    #[schema(foreign = "std::time::Instant 0")]
    #[serde(skip)]
    _at: Foreign,
}

#[derive(Default, Debug, PartialEq)]
struct Foreign;

#[derive(Message, Serialize, Deserialize, Debug, PartialEq)]
#[message(serial, publish)]
#[serde(crate = "ringway::serde", bound = "")]
enum Event<T: serde_bounds::Both, const N: usize> {
    Start { at: T, tags: Vec<String> },
    Stop(#[message(foreign = "recursion")] Option<Box<Event<T, N>>>),
    Never,
}

mod serde_bounds {
    use ringway::serde::{Serialize, de::DeserializeOwned};
    pub trait Both: Serialize + DeserializeOwned {}
    impl<T: Serialize + DeserializeOwned> Both for T {}
}

fn code<M: Message + ?Sized>() -> SemanticsCode {
    M::SCHEMA.semantics()
}

#[test]
fn names_and_ids() {
    assert_eq!(Add::NAME, "message::Add");
    assert_eq!(Add::TYPE_ID, TypeId::of_name("message::Add"));
    assert_eq!(Ping::NAME, "ping");
    assert_eq!(Ping::TYPE_ID, TypeId::new(0xA2));
    assert_eq!(<Event<u8, 3>>::NAME, "message::Event<u8, 3>");
    assert_ne!(<Event<u8, 3>>::TYPE_ID, <Event<u8, 4>>::TYPE_ID);
    assert_eq!(<PublishMessage<Add>>::NAME, "PublishMessage<message::Add>");
    assert_eq!(<BytesMessage<u16>>::NAME, "BytesMessage<u16>");
    assert_eq!(Name::new().text("a").number(7).as_str(), "a7");
}

#[test]
fn semantics_are_as_declared() {
    assert_eq!(
        (code::<Add>().codec(), code::<Add>().is_publish()),
        (Codec::Move, false)
    );
    assert_eq!(
        (code::<Ping>().codec(), code::<Ping>().is_publish()),
        (Codec::Move, true)
    );
    assert_eq!(code::<Status>().codec(), Codec::Copy);
    assert_eq!(code::<Frame>().codec(), Codec::Copy);
    assert_eq!(code::<Text>().codec(), Codec::Serial);
    assert!(code::<Event<u8, 1>>().is_publish());
}

fn view<T: Plain>(bytes: &[u8]) -> Option<&T> {
    <T::Bits as Bits<T>>::view(bytes)
}

#[test]
fn checked_values_refuse_other_bits() {
    let status = Status {
        mode: Mode::Busy,
        ready: true,
        level: [1, 2],
    };
    let mut bytes = <Status as Plain>::Bits::bytes(&[status]).to_vec();
    assert_eq!(view(&bytes), Some(&status));
    bytes[1] = 2;
    assert_eq!(view::<Status>(&bytes), None, "a bool of 2");
    bytes[1] = 0;
    bytes[0] = 3;
    assert_eq!(view::<Status>(&bytes), None, "no such mode");
    let green = <Signal as Plain>::Bits::bytes(&[Signal::Green]);
    assert_eq!(green, 8u16.to_ne_bytes());
    assert!(view::<Ping>(&[]).is_some());
}
