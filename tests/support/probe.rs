//! An actor to be tested, as users write them: by a derive, for messages that travel in every way, with hooks, with handlers that
//! fail, panic and wait. The kit's journal has what it does, the kit's gate holds its handlers.
//!
//! It is no part of the kit, whose `Probe` stands in for an actor and takes one message: the tests of how actors live and
//! end are about the code that the derive makes of these handlers, and about these very ends.

use std::fmt;

use ringway::message::BoxError;
use ringway::prelude::*;
use ringway::test::{Gate, Journal, Pen};

/// Travels inline.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub(crate) struct Note {
    pub(crate) number: u64,
}

/// Travels in a block.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub(crate) struct Page {
    pub(crate) number: u64,
    pub(crate) words: [u64; 511],
}

/// A page that its handler reads in place.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[message(move, reply = Page)]
#[repr(C)]
pub(crate) struct Leaf {
    pub(crate) number: u64,
    pub(crate) words: [u64; 511],
}

#[derive(Message, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[message(serial, reply = String)]
#[serde(crate = "ringway::serde")]
pub(crate) struct Text {
    pub(crate) number: u64,
    pub(crate) text: String,
}

#[derive(Schema, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct PixelsInfo {
    pub(crate) number: u64,
}

/// A slice with a header.
#[derive(Message)]
#[message(copy, header = PixelsInfo, reply = u64)]
#[repr(transparent)]
pub(crate) struct Pixels([u16]);

/// Its handler waits at the gate.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub(crate) struct Hold {
    pub(crate) number: u64,
}

/// Its handler fails.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub(crate) struct Fail {
    pub(crate) number: u64,
}

/// The same, too large to be inline.
#[derive(Message, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[message(serial, reply = String)]
#[serde(crate = "ringway::serde")]
pub(crate) struct FailAtLength {
    pub(crate) text: String,
}

/// Its handler waits at the gate and then panics.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub(crate) struct Boom {
    pub(crate) number: u64,
}

/// The same, in a block.
#[derive(Message, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
pub(crate) struct BoomAtLength {
    pub(crate) text: String,
}

/// Its handler has the actor end.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[message(move)]
pub(crate) struct Halt;

/// Asks how many messages its mailbox has dropped.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[message(move, reply = u64)]
pub(crate) struct Drops;

/// What the probe did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Started,
    Began(u64),
    Ended(u64),
    /// Dropped in the middle.
    Abandoned(u64),
    TellFailed(&'static str, String),
    Stopping(ExitReason),
}

use Event::{Abandoned, Began, Ended, Started, Stopping, TellFailed};

#[derive(Actor)]
#[actor(
    handles(Note, Page, Lease<Leaf>, Text, Pixels, Hold, Fail, FailAtLength, Boom, BoomAtLength, Halt, Drops),
    hooks
)]
pub(crate) struct Probe {
    log: Pen<Event>,
    gate: Gate,
    fails_to_start: Option<String>,
}

/// The test's side of a probe.
pub(crate) struct Watcher {
    journal: Journal<Event>,
    gate: Gate,
}

pub(crate) fn probe() -> (Probe, Watcher) {
    let (journal, log) = Journal::new();
    let gate = Gate::new();
    let probe = Probe {
        log,
        gate: gate.clone(),
        fails_to_start: None,
    };
    (probe, Watcher { journal, gate })
}

impl Watcher {
    /// Waits for the next event.
    #[track_caller]
    pub(crate) fn next(&self) -> Event {
        self.journal.next().wait()
    }

    /// Waits for the next event, which must be this.
    #[track_caller]
    pub(crate) fn expect(&self, event: Event) {
        self.journal.expect(event).wait();
    }

    /// Whether nothing has happened that was not looked at.
    pub(crate) fn is_silent(&self) -> bool {
        self.journal.try_next().is_none()
    }

    /// Lets one handler pass.
    pub(crate) fn open_gate(&self) {
        self.gate.let_one_pass();
    }

    /// All that has happened and was not looked at.
    pub(crate) fn so_far(&self) -> Vec<Event> {
        self.journal.so_far()
    }

    /// All that happened; for a probe that has ended.
    pub(crate) fn rest(self) -> Vec<Event> {
        self.journal.rest()
    }
}

impl Probe {
    pub(crate) fn failing_to_start(self, why: &str) -> Self {
        Self {
            fails_to_start: Some(why.to_owned()),
            ..self
        }
    }

    fn note(&self, number: u64) -> u64 {
        self.log.write(Began(number));
        self.log.write(Ended(number));
        number
    }

    async fn hold(&mut self, number: u64) {
        self.log.write(Began(number));
        let mut abandoned = Abandon {
            log: self.log.clone(),
            number,
            is_armed: true,
        };
        self.gate.pass().await;
        abandoned.is_armed = false;
    }
}

struct Abandon {
    log: Pen<Event>,
    number: u64,
    is_armed: bool,
}

impl Drop for Abandon {
    fn drop(&mut self) {
        if self.is_armed {
            self.log.write(Abandoned(self.number));
        }
    }
}

impl Hooks for Probe {
    async fn started(&mut self, _cx: &mut Context<Self>) -> Result<(), BoxError> {
        self.log.write(Started);
        match self.fails_to_start.take() {
            Some(why) => Err(why.into()),
            None => Ok(()),
        }
    }

    async fn stopping(&mut self, reason: &ExitReason, _cx: &mut Context<Self>) {
        self.log.write(Stopping(reason.clone()));
    }

    fn tell_failed(&mut self, message: &'static str, error: HandlerError) {
        self.log.write(TellFailed(message, error.to_string()));
    }
}

impl Handler<Note> for Probe {
    async fn handle(&mut self, note: Note, _cx: &mut Context<Self>) -> u64 {
        self.note(note.number)
    }
}

impl Handler<Page> for Probe {
    async fn handle(&mut self, page: Page, _cx: &mut Context<Self>) -> u64 {
        self.note(page.number);
        page.words.iter().sum()
    }
}

impl Handler<Lease<Leaf>> for Probe {
    async fn handle(&mut self, leaf: Lease<Leaf>, _cx: &mut Context<Self>) -> Page {
        self.note(leaf.number);
        let words = leaf.words.map(|word| word + 1);
        Page {
            number: leaf.number,
            words,
        }
    }
}

impl Handler<Text> for Probe {
    async fn handle(&mut self, text: Text, _cx: &mut Context<Self>) -> String {
        self.note(text.number);
        text.text.to_uppercase()
    }
}

impl Handler<Pixels> for Probe {
    async fn handle(&mut self, pixels: Lease<Pixels>, _cx: &mut Context<Self>) -> u64 {
        self.note(pixels.header().number);
        pixels.iter().map(|pixel| u64::from(*pixel)).sum()
    }
}

impl Handler<Hold> for Probe {
    async fn handle(&mut self, hold: Hold, _cx: &mut Context<Self>) -> u64 {
        self.hold(hold.number).await;
        self.log.write(Ended(hold.number));
        hold.number
    }
}

/// An error with a cause.
#[derive(Debug)]
pub(crate) struct Jammed(u64);

impl fmt::Display for Jammed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gripper {} is jammed", self.0)
    }
}

impl std::error::Error for Jammed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&std::fmt::Error)
    }
}

impl Handler<Fail, Result<u64, Jammed>> for Probe {
    async fn handle(&mut self, fail: Fail, _cx: &mut Context<Self>) -> Result<u64, Jammed> {
        Err(Jammed(self.note(fail.number)))
    }
}

impl Handler<FailAtLength, Result<String, String>> for Probe {
    async fn handle(
        &mut self,
        fail: FailAtLength,
        _cx: &mut Context<Self>,
    ) -> Result<String, String> {
        Err(format!("{} bytes are too many", fail.text.len()))
    }
}

impl Handler<Boom> for Probe {
    async fn handle(&mut self, boom: Boom, _cx: &mut Context<Self>) -> u64 {
        self.hold(boom.number).await;
        panic!("boom {}", boom.number);
    }
}

impl Handler<BoomAtLength> for Probe {
    async fn handle(&mut self, boom: BoomAtLength, _cx: &mut Context<Self>) {
        self.hold(boom.text.len() as u64).await;
        panic!("boom at length {}", boom.text);
    }
}

impl Handler<Drops> for Probe {
    async fn handle(&mut self, _drops: Drops, cx: &mut Context<Self>) -> u64 {
        cx.dropped()
    }
}

impl Handler<Halt> for Probe {
    async fn handle(&mut self, _halt: Halt, cx: &mut Context<Self>) {
        cx.stop();
    }
}
