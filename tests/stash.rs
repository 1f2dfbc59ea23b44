//! Messages that a handler puts aside, and has handled again: asked and told, here and from another node.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::future::Future;
use std::sync::mpsc::{Receiver, Sender, channel};

use futures::poll;
use ringway::prelude::*;
use ringway::test::{Journal, Pen};

use crate::support::stage::{Stage, both};

#[derive(Message, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Work(u64);

/// The same without an answer worth having.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Note(u64);

/// The same in a block: its number is its first byte.
#[derive(Message)]
#[message(copy, reply = u64)]
#[repr(transparent)]
struct Bytes([u8]);

#[derive(Message, Serialize, Deserialize)]
#[message(serial, reply = u64)]
#[serde(crate = "ringway::serde")]
enum Do {
    /// Has all handled again, of which it does so many before it puts the next aside.
    All(u64),
    /// The same, once the test has said so.
    WhenTold(u64),
    /// Has the oldest handled again.
    One,
    /// How many are put aside.
    Count,
    Bound(u64),
    /// Has all handled again, and ends before that.
    AllAndStop,
    Panic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Aside(u64),
    Done(u64),
    /// Read where its sender has it.
    InPlace(u64),
}
use Event::{Aside, Done, InPlace};

#[derive(Actor)]
#[actor(handles(Work, Note, Bytes, Do))]
struct Desk {
    log: Pen<Event>,
    told: Receiver<()>,
    /// What it does before it puts the next aside.
    left: u64,
}

impl Desk {
    fn may(&mut self, number: u64) -> bool {
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        let event = if may { Done } else { Aside };
        self.log.write(event(number));
        may
    }
}

impl Handler<Work, Result<Deferred<u64>, BoxError>> for Desk {
    async fn handle(
        &mut self,
        work: Work,
        cx: &mut Context<Self>,
    ) -> Result<Deferred<u64>, BoxError> {
        if self.may(work.0) {
            Ok(Deferred::now(work.0 * 10))
        } else {
            Ok(cx.stash(work)?)
        }
    }
}

impl Handler<Note> for Desk {
    async fn handle(&mut self, note: Note, cx: &mut Context<Self>) {
        if !self.may(note.0) {
            drop(cx.stash(note).unwrap());
            let twice = cx.stash(note);
            assert!(matches!(twice, Err(StashError::NotInHand { .. })));
        }
    }
}

impl Handler<Bytes, Result<Deferred<u64>, BoxError>> for Desk {
    async fn handle(
        &mut self,
        bytes: Lease<Bytes>,
        cx: &mut Context<Self>,
    ) -> Result<Deferred<u64>, BoxError> {
        let number = u64::from(bytes[0]);
        if bytes.is_borrowed() {
            self.log.write(InPlace(number));
        }
        if self.may(number) {
            Ok(Deferred::now(number * 10))
        } else {
            Ok(cx.stash(bytes)?)
        }
    }
}

impl Handler<Do> for Desk {
    async fn handle(&mut self, what: Do, cx: &mut Context<Self>) -> u64 {
        match what {
            Do::All(left) => self.left = left,
            Do::WhenTold(left) => {
                self.told.recv().unwrap();
                self.left = left;
            }
            Do::One => {
                self.left = 1;
                return u64::from(cx.unstash_one());
            }
            Do::Count => return cx.stashed() as u64,
            Do::Bound(capacity) => {
                cx.stash_capacity(usize::try_from(capacity).unwrap());
                return 0;
            }
            Do::AllAndStop => cx.stop(),
            Do::Panic => panic!("as asked"),
        }
        cx.unstash_all() as u64
    }
}

/// Starts a desk; its address as the sender has it.
fn open(stage: &Stage) -> (Addr<Desk>, Journal<Event>, Sender<()>) {
    let ((events, log), (tell, told)) = (Journal::new(), channel());
    let left = 0;
    let desk = stage.spawn(Desk { log, told, left });
    (desk, events, tell)
}

fn bytes(desk: &Addr<Desk>, number: u8, len: usize) -> Loan<Bytes> {
    let mut bytes = desk.loan::<Bytes>(len).unwrap();
    bytes.fill(number);
    bytes
}

/// Waits until an ask was sent and put aside: the receiver may have to map the segment first that it lies in.
async fn put_aside<F: Future + Unpin>(desk: &Addr<Desk>, ask: &mut F, count: u64) {
    loop {
        assert!(poll!(&mut *ask).is_pending());
        if desk.ask(Do::Count).await.unwrap() == count {
            return;
        }
    }
}

/// Waits until the accounts of both nodes balance with nothing in handling: each entry was counted once.
fn balances(stage: &Stage) {
    for node in [stage.home(), stage.sender()] {
        loop {
            let accounts = node.accounts();
            if accounts.in_handling == 0 && accounts.in_flight == 0 && accounts.check().is_ok() {
                break;
            }
            std::thread::yield_now();
        }
    }
}

// Goal: what was put aside is handled again in its order, before what came meanwhile; each asker gets its own answer, and what
// was told is done without one. Method: the newer ones lie in the mailbox when the older ones are taken up.
#[test]
fn the_old_come_first_and_in_order() {
    both("stash-order", |stage| {
        let (desk, events, tell) = open(stage);
        block_on(async {
            let mut first = desk.ask(Work(1));
            assert!(poll!(&mut first).is_pending());
            desk.tell(Note(2)).await.unwrap();
            let mut third = desk.ask(bytes(&desk, 3, 5000));
            put_aside(&desk, &mut third, 3).await;
            let mut noted = desk.ask(Note(4));
            assert!(poll!(&mut noted).is_pending());
            assert_eq!(desk.ask(Do::Count).await.unwrap(), 4);
            assert!(poll!(&mut noted).is_pending(), "it goes on waiting");

            let mut taken_up = desk.ask(Do::WhenTold(9));
            assert!(poll!(&mut taken_up).is_pending());
            let mut newer = desk.ask(Work(5));
            assert!(poll!(&mut newer).is_pending());
            desk.tell(Note(6)).await.unwrap();
            tell.send(()).unwrap();
            assert_eq!(taken_up.await.unwrap(), 4);
            assert_eq!(newer.await.unwrap(), 50);
            assert_eq!(first.await.unwrap(), 10);
            assert_eq!(third.await.unwrap(), 30);
            noted.await.unwrap();
            assert_eq!(desk.ask(Do::Count).await.unwrap(), 0);
        });
        let in_place = |event: &Event| matches!(event, InPlace(_));
        let (read, seen): (Vec<_>, Vec<_>) = events.so_far().into_iter().partition(in_place);
        let aside = (1..=4).map(Aside);
        assert_eq!(seen, aside.chain((1..=6).map(Done)).collect::<Vec<_>>());
        balances(stage);
        // It stays where it lies, both times.
        assert_eq!(read.len(), if stage.is_remote() { 2 } else { 0 });
    });
}

// Goal: what is put aside once more keeps its place; one at a time, it is the oldest.
#[test]
fn what_is_put_aside_again_keeps_its_place() {
    both("stash-again", |stage| {
        let (desk, events, _tell) = open(stage);
        block_on(async {
            for number in 1..=4 {
                desk.tell(Work(number)).await.unwrap();
            }
            assert_eq!(desk.ask(Do::All(2)).await.unwrap(), 4);
            desk.tell(Work(5)).await.unwrap();
            assert_eq!(desk.ask(Do::Count).await.unwrap(), 3);
            assert_eq!(desk.ask(Do::One).await.unwrap(), 1);
            assert_eq!(desk.ask(Do::Count).await.unwrap(), 2);
            assert_eq!(desk.ask(Do::All(9)).await.unwrap(), 2);
            assert_eq!(desk.ask(Do::One).await.unwrap(), 0);
        });
        let done: Vec<_> = events
            .so_far()
            .into_iter()
            .filter(|it| matches!(it, Done(_)))
            .collect();
        assert_eq!(done, (1..=5).map(Done).collect::<Vec<_>>());
    });
}

// Goal: a full stash gives the message back, and its asker is told why; those that nobody wants any more take no room.
#[test]
fn a_full_stash_gives_the_message_back() {
    both("stash-full", |stage| {
        let (desk, events, _tell) = open(stage);
        block_on(async {
            desk.ask(Do::Bound(2)).await.unwrap();
            let mut first = desk.ask(Work(1));
            let mut second = desk.ask(Work(2));
            assert!(poll!(&mut first).is_pending());
            assert!(poll!(&mut second).is_pending());
            let full = desk.ask(Work(3)).await.unwrap_err();
            let text = "2 messages are put aside, and no more may be";
            assert!(
                matches!(&full, AskError::Handler(error) if error.text() == text),
                "{full}"
            );
            drop(first);
            let mut fourth = desk.ask(Work(4));
            assert!(poll!(&mut fourth).is_pending());
            assert_eq!(desk.ask(Do::Count).await.unwrap(), 2);
            assert_eq!(desk.ask(Do::All(9)).await.unwrap(), 2);
            assert_eq!(second.await.unwrap(), 20);
            assert_eq!(fourth.await.unwrap(), 40);
        });
        assert_eq!(
            events.so_far(),
            [1, 2, 3, 4]
                .map(Aside)
                .into_iter()
                .chain([2, 4].map(Done))
                .collect::<Vec<_>>()
        );
    });
}

// Goal: an ask's deadline holds while it is put aside, and one that is overdue or given up is not handled again.
#[test]
fn who_waits_no_more_is_not_handled() {
    both("stash-overdue", |stage| {
        let (desk, events, _tell) = open(stage);
        block_on(async {
            let mut dropped = desk.ask(Work(1));
            assert!(poll!(&mut dropped).is_pending());
            let overdue = desk.ask(Work(2)).deadline(ms(20)).await;
            assert!(matches!(overdue, Err(AskError::Deadline { .. })));
            assert_eq!(desk.ask(Do::Count).await.unwrap(), 2);
            drop(dropped);
            assert_eq!(desk.ask(Do::All(9)).await.unwrap(), 2);
            assert_eq!(desk.ask(Work(3)).await.unwrap(), 30);
        });
        let done: Vec<_> = events
            .so_far()
            .into_iter()
            .filter(|it| matches!(it, Done(_)))
            .collect();
        assert_eq!(done, [Done(3)]);
        balances(stage);
    });
}

/// How an actor ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Stop,
    Panic,
    Kill,
}

// Goal: when the actor ends, however that is, each sender of what was put aside is told that it was taken, with the message wherever
// that is still there. The same for what was about to be handled again.
#[test]
fn what_is_put_aside_ends_as_taken() {
    for (end, again) in [
        (End::Stop, false),
        (End::Panic, false),
        (End::Kill, false),
        (End::Stop, true),
    ] {
        println!("-- {end:?}, again: {again}");
        both(&format!("stash-{end:?}-{again}"), |stage| {
            ends(stage, end, again)
        });
    }
}

fn ends(stage: &Stage, end: End, again: bool) {
    let (desk, _events, _tell) = open(stage);
    let mut works = desk.undelivered::<Work>();
    let mut blocks = desk.undelivered::<Bytes>();
    let mut letters = stage.home().dead_letters();
    block_on(async {
        let mut asked = desk.ask(Work(1));
        assert!(poll!(&mut asked).is_pending());
        let mut lent = desk.ask(bytes(&desk, 2, 5000));
        put_aside(&desk, &mut lent, 2).await;
        desk.tell(Work(3)).await.unwrap();
        desk.tell(bytes(&desk, 4, 5000)).await.unwrap();
        assert_eq!(desk.ask(Do::Count).await.unwrap(), 4);
        if again {
            assert_eq!(desk.ask(Do::AllAndStop).await.unwrap(), 4);
        } else {
            match end {
                End::Stop => desk.stop(),
                End::Kill => desk.kill(),
                End::Panic => drop(desk.ask(Do::Panic).await.unwrap_err()),
            }
        }
        let ended = desk.closed().await;
        for error in [
            asked.await.map_err(drop_message).unwrap_err(),
            lent.await.map_err(drop_message).unwrap_err(),
        ] {
            assert_eq!(error, (true, ended.clone()));
        }
        let why = Undone::Ended(ended.clone());
        let block = blocks.next().await.unwrap();
        assert!(block.taken);
        assert_eq!(block.why, why);
        let work = works.next().await.unwrap();
        assert!(work.taken);
        assert_eq!(work.why, why);
        let message = work.message.unwrap().into_value().unwrap();
        assert_eq!(message, Work(3));
        assert!(stage.is_remote() || block.message.is_some());
        assert!(works.next().await.is_none());
        assert!(letters.try_next().is_none());
    });
    balances(stage);
}

// Goal: what was put aside, once or twice, and then handled does not come back when the actor ends, whatever is still aside does, the
// rest of a full stash too; nobody is told of what is handled after its sender has let its address go.
#[test]
fn what_was_handled_in_the_end_does_not_come_back() {
    both("stash-handled", |stage| {
        let (desk, events, _tell) = open(stage);
        let mut works = desk.undelivered::<Work>();
        block_on(async {
            for number in 0..64 {
                desk.tell(Work(number)).await.unwrap();
            }
            assert_eq!(desk.ask(Do::Count).await.unwrap(), 64);
            assert_eq!(desk.ask(Do::All(30)).await.unwrap(), 64);
            assert_eq!(desk.ask(Do::Count).await.unwrap(), 34);
            assert_eq!(desk.ask(Do::One).await.unwrap(), 1);
            assert_eq!(desk.ask(Do::Count).await.unwrap(), 33);
            // The last of them is handled with nothing behind it.
            desk.tell(Do::One).await.unwrap();
            ringway::test::quiescent([stage.home(), stage.sender()]).await;
            desk.kill();
            desk.closed().await;
            for number in 32..64 {
                let work = works.next().await.unwrap();
                assert!(work.taken);
                assert_eq!(work.message.unwrap().into_value().unwrap(), Work(number));
            }
            assert!(works.next().await.is_none());
        });
        let seen = events.so_far().into_iter();
        let done = seen.filter(|it| matches!(it, Done(_)));
        assert!(done.eq((0..=31).map(Done)));
        balances(stage);
    });
    both("stash-handled-late", |stage| {
        let (desk, events, tell) = open(stage);
        block_on(async {
            desk.tell(Work(1)).await.unwrap();
            desk.tell(Do::WhenTold(1)).await.unwrap();
        });
        let mut letters = [stage.home().dead_letters(), stage.sender().dead_letters()];
        if stage.is_remote() {
            drop(desk);
        }
        tell.send(()).unwrap();
        events.expect(Aside(1)).wait();
        events.expect(Done(1)).wait();
        if stage.is_remote() {
            // Only the sender kept it.
            let closes = || stage.sender().accounts().in_flight == 0;
            while !closes() {
                std::thread::yield_now();
            }
        }
        balances(stage);
        assert!(letters.iter_mut().all(|it| it.try_next().is_none()));
    });
}

/// Whether it was taken, and why it ended.
fn drop_message<S>(error: AskError<S>) -> (bool, ExitReason) {
    match error {
        AskError::Died { taken, reason, .. } => (taken, reason),
        other => panic!("{other}"),
    }
}
