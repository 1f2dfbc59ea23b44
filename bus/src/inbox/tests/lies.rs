//! Submitters that lie about long entries, towards an actor.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use ringway_shm::generation::Key;
use ringway_shm::words::EntryWords;

use crate::actor::monitor::sealed::{Watchable, Watched};
use crate::addr::ActorId;
use crate::entry::{Beside, EntryHeader, EntryKind, EntryToken};
use crate::exit::ExitReason;
use crate::message::{Parcel, Semantics};
use crate::number::Number;
use crate::prelude::*;
use crate::remote::RemoteEnd;
use crate::remote::ops::Leases;
use crate::testing::liar::{Liar, stamp};
use crate::testing::pair::Pair;
use crate::testing::{WATCHDOG, wait_until};
use crate::token::Room;

#[derive(Message, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[message(serial, reply = u64)]
struct Text(String);

/// Has the listener monitor the end that it was made with, and wait for the test.
#[derive(Message, Clone, Copy, Debug, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Watch(u64);

#[derive(Debug, PartialEq)]
enum Heard {
    Text(String),
    Watching,
    Down(ExitReason),
}

#[derive(Actor)]
#[actor(handles(Text, Watch, Down))]
struct Listener {
    heard: Sender<Heard>,
    end: Option<Arc<RemoteEnd>>,
    gate: Receiver<()>,
}

impl Handler<Text> for Listener {
    async fn handle(&mut self, text: Text, _cx: &mut Context<Self>) -> u64 {
        let len = text.0.len() as u64;
        let _ = self.heard.send(Heard::Text(text.0));
        len
    }
}

/// An end, as what is watched.
struct Far(Arc<RemoteEnd>, ActorId);

impl Watchable for Far {
    fn watched(&self) -> Watched {
        Watched::abroad(self.1, &self.0)
    }
}

impl Handler<Watch> for Listener {
    async fn handle(&mut self, _: Watch, cx: &mut Context<Self>) {
        let far = Far(self.end.take().unwrap(), cx.addr().id());
        cx.monitor(&far);
        self.heard.send(Heard::Watching).unwrap();
        self.gate.recv().unwrap();
    }
}

impl Handler<Down> for Listener {
    async fn handle(&mut self, down: Down, _cx: &mut Context<Self>) {
        let _ = self.heard.send(Heard::Down(down.reason));
    }
}

/// An actor of home's, and what it hears.
struct Stage {
    addr: Addr<Listener>,
    number: Number,
    heard: Receiver<Heard>,
    gate: Sender<()>,
}

impl Stage {
    fn new(pair: &Pair, end: Option<Arc<RemoteEnd>>) -> Self {
        let ((log, heard), (gate, opened)) = (channel(), channel());
        let listener = Listener {
            heard: log,
            end,
            gate: opened,
        };
        let addr = pair.home.actor(listener).name("listener").spawn().unwrap();
        let number = pair.home.shared().core().find("listener").unwrap().number;
        Self {
            addr,
            number,
            heard,
            gate,
        }
    }

    fn next(&self) -> Heard {
        self.heard.recv_timeout(WATCHDOG).expect("it hears")
    }
}

/// What an honest sender makes of a text.
fn sealed(pair: &Pair, kind: EntryKind, text: &str) -> (EntryWords, Vec<EntryWords>) {
    let heap = pair.home.shared().core().heap();
    let parcel = Parcel::from_value(Text(text.to_owned()));
    let room = Room::ASK.or_behind(528);
    let tokenized = <Serial as Semantics<Text>>::pack(parcel, heap, room).unwrap();
    let op = (kind == EntryKind::Ask).then(|| Key::first(0));
    let sealed = EntryToken::seal(EntryHeader::new(kind, op), Plain, tokenized, heap).unwrap();
    let rest = match sealed.beside {
        Beside::Long(long) => long.slots().to_vec(),
        _ => Vec::new(),
    };
    (*sealed.entry.words(), rest)
}

fn set_byte(words: &mut EntryWords, at: usize, byte: u8) {
    words[2] = words[2] & !(0xFF << (at * 8)) | u64::from(byte) << (at * 8);
}

// Goal: an entry whose words say of its slots what cannot be is refused and passed whole; what follows it arrives, and nobody
// else is harmed. Method: each lie, between two honest entries.
#[test]
fn words_that_lie_about_their_slots() {
    type Lie = fn(&mut EntryWords, &mut Vec<EntryWords>);
    let lies: &[(&str, Lie)] = &[
        ("no byte in the last slot", |words, _| {
            set_byte(words, 3, 128);
        }),
        ("more bytes than a slot has", |words, _| {
            set_byte(words, 3, 128 + 57);
        }),
        ("the most that it can say", |words, _| {
            set_byte(words, 3, 255);
        }),
        ("more inline than fits", |words, _| set_byte(words, 3, 33)),
        ("inline, with slots behind", |words, _| {
            set_byte(words, 3, 3)
        }),
        ("slots behind, without any", |_, rest| rest.clear()),
        ("a block, with slots behind", |words, _| words[2] |= 0x40),
        ("checked, with slots behind", |words, _| {
            set_byte(words, 1, 1);
        }),
        ("an envelope that is none", |words, _| {
            set_byte(words, 1, 0xEE);
        }),
        ("a kind that is none", |words, _| set_byte(words, 0, 0x3F)),
        ("a semantics that is none", |words, _| {
            set_byte(words, 2, 0xEE);
        }),
        ("no type", |words, _| words[1] = 0),
        ("fewer slots than its text needs", |_, rest| {
            rest.truncate(1);
        }),
        ("ones in all words", |words, rest| {
            *words = [u64::MAX; 7];
            rest.resize(254, [u64::MAX; 7]);
        }),
    ];
    for kind in [EntryKind::Tell, EntryKind::Ask] {
        let pair = Pair::new();
        let stage = Stage::new(&pair, None);
        let mut liar = Liar::new(&pair, stage.number, 0);
        for (at, (name, lie)) in lies.iter().enumerate() {
            let text = format!("{at} ").repeat(100);
            let (words, rest) = sealed(&pair, kind, &text);
            assert!(rest.len() > 1);
            liar.say(&words, &rest);
            assert_eq!(stage.next(), Heard::Text(text));
            liar.wait_until_done();

            let (mut words, mut rest) = sealed(&pair, kind, &"lie ".repeat(100));
            lie(&mut words, &mut rest);
            liar.say(&words, &rest);
            liar.wait_until_done();
            assert!(stage.heard.try_recv().is_err(), "{name}");
        }
        assert!(!liar.lane.is_closed());
        assert_eq!(stage.addr.ask(Text("own".to_owned())).wait().unwrap(), 3);
    }
}

// Goal: an entry of more slots than an honest one has is no more than a long text.
#[test]
fn as_many_slots_as_a_stamp_can_say() {
    let pair = Pair::new();
    let stage = Stage::new(&pair, None);
    let mut liar = Liar::new(&pair, stage.number, 0);
    for _ in 0..5 {
        let (mut words, mut rest) = sealed(&pair, EntryKind::Tell, &"x".repeat(400));
        rest.resize(254, [0; 7]);
        set_byte(&mut words, 3, 128 + 56);
        liar.say(&words, &rest);
        liar.wait_until_done();
    }
    assert!(!liar.lane.is_closed());
    assert_eq!(liar.lane.heads(), (5 * 255, 5 * 255));
}

// Goal: slots whose stamps cannot be end their own lane, taken or counted as nothing, and no other. Method: each lie on a uring
// of its own, beside an honest one.
#[test]
fn stamps_that_lie() {
    let pair = Pair::new();
    let stage = Stage::new(&pair, None);
    let mut honest = Liar::new(&pair, stage.number, 0);
    // The stamp of the first slot, and of the one behind it.
    let lies = [
        (stamp(0, 255), stamp(1, 255)),
        (stamp(0, 254), stamp(1, 255)),
        (stamp(0, 1), stamp(1, 0)),
        (stamp(0, 1), 0),
        (stamp(0, 1), stamp(0, 255)),
        (stamp(0, 1), stamp(1, 254)),
        (stamp(0, 1), u64::MAX),
        (stamp(1, 0), 0),
        (stamp(1, 1), stamp(2, 255)),
        (u64::MAX, u64::MAX),
        (1 << 56, 0),
    ];
    for ((first, second), nth) in lies.into_iter().zip(1..) {
        let before = pair.violations();
        let liar = Liar::new(&pair, stage.number, nth);
        let (words, rest) = sealed(&pair, EntryKind::Tell, &"x".repeat(60));
        liar.slot(1, second, &rest[0]);
        liar.slot(0, first, &words);
        liar.look();
        wait_until("the end of the lane", || liar.lane.is_closed());
        assert_eq!(liar.lane.heads(), (0, 0));
        wait_until("its violation", || pair.violations() == before + 1);

        let (words, rest) = sealed(&pair, EntryKind::Tell, "honest");
        honest.say(&words, &rest);
        assert_eq!(stage.next(), Heard::Text("honest".to_owned()));
    }
}

// Goal: words that change while they are read are read as something, and no more. Method: a writer that rewrites an entry and
// its slots while they are taken, many times.
#[test]
fn words_that_change_while_they_are_read() {
    let pair = Pair::new();
    let stage = Stage::new(&pair, None);
    let mut liar = Liar::new(&pair, stage.number, 0);
    let mut seed = 7_u64;
    for _ in 0..60 {
        let (words, rest) = sealed(&pair, EntryKind::Tell, &"x".repeat(300));
        let first = liar.tail;
        liar.say(&words, &rest);
        while liar.lane.heads() != (liar.tail, liar.tail) {
            for (position, words) in (first + 1..).zip(&rest) {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                liar.slot(
                    position,
                    stamp(position, 255),
                    &words.map(|word| word ^ seed),
                );
            }
            liar.look();
        }
    }
    assert!(!liar.lane.is_closed());
}

// Goal: a monitor hears of an end although what was to come before it never can: the lane that it lay in was let go. Method:
// an entry that looks whole from its first stamp, and is not; the end is heard of while it waits.
#[test]
fn a_down_does_not_wait_for_what_never_comes() {
    let pair = Pair::new();
    let opened = pair.opened();
    let stage = Stage::new(&pair, Some(Arc::clone(&opened.end)));
    let liar = Liar::new(&pair, stage.number, 0);
    stage.addr.tell(Watch(0)).wait().unwrap();
    assert_eq!(stage.next(), Heard::Watching);
    let (words, rest) = sealed(&pair, EntryKind::Tell, &"x".repeat(60));
    liar.slot(1, 0, &rest[0]);
    liar.slot(0, stamp(0, 1), &words);
    opened.end.finish(&ExitReason::ProcessDied, Leases::Gone);
    stage.gate.send(()).unwrap();
    liar.look();
    assert_eq!(stage.next(), Heard::Down(ExitReason::ProcessDied));
    assert!(liar.lane.is_closed());
}
