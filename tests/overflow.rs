//! Full urings: what each policy of an actor's mailbox makes of messages from another node, and who counts them.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread;

use futures::{FutureExt, poll};
use ringway::message::Message;
use ringway::prelude::*;
use ringway::{Accepts, Node, Undelivered, Undone};

use support::probe::Event::{Abandoned, Began, Ended, Started};
use support::probe::{Drops, Hold, Note, Page, Probe, Text, Watcher, probe};
use support::{Bus, watch};

/// Entries of a uring, in each direction.
const URING: u64 = 128;
/// The bound of most mailboxes here.
const BOUND: u64 = 4;

fn page(number: u64) -> Page {
    Page {
        number,
        words: [number; 511],
    }
}

fn text(number: u64) -> Text {
    Text {
        number,
        text: "x".repeat(5_000),
    }
}

/// A probe on one node whose handler is held, and its address on another.
struct Pair {
    probe: Addr<Probe>,
    watcher: Watcher,
    sender: Node,
    home: Node,
    _bus: Bus,
}

impl Pair {
    fn with(name: &str, overflow: Overflow, bound: usize) -> Self {
        let bus = Bus::new(name);
        let (home, sender) = (bus.attach("home"), bus.attach("sender"));
        let (actor, watcher) = probe();
        let builder = home.actor(actor).name("probe").mailbox(bound);
        builder.overflow(overflow).spawn().unwrap();
        let probe: Addr<Probe> = sender.lookup("probe").wait().unwrap();
        watcher.expect(Started);
        // So that the segment of blocks is mapped, and nothing has to wait for that any more.
        probe.ask(page(0)).wait().unwrap();
        watcher.expect(Began(0));
        watcher.expect(Ended(0));
        probe.tell(Hold { number: 0 }).wait().unwrap();
        watcher.expect(Began(0));
        Self {
            probe,
            watcher,
            sender,
            home,
            _bus: bus,
        }
    }

    /// Tells notes of these numbers, none of which waits.
    fn tell(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            self.probe.try_tell(Note { number }).unwrap();
        }
    }

    /// Tells notes from 1 until no more go in; how many did.
    fn fill(&self) -> u64 {
        let mut number = 0;
        while self.probe.try_tell(Note { number: number + 1 }).is_ok() {
            number += 1;
        }
        number
    }

    /// Lets the handler end.
    fn release(&self) {
        self.watcher.open_gate();
        self.watcher.expect(Ended(0));
    }

    fn expect_handled(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            self.watcher.expect(Began(number));
            self.watcher.expect(Ended(number));
        }
    }

    /// What was dropped: by the actor as it says itself, on its node, and on the sender's.
    fn counts(&self) -> (u64, u64, u64) {
        let by_actor = self.probe.ask(Drops).wait().unwrap();
        (by_actor, self.home.dropped(), self.sender.dropped())
    }

    /// What of this type has come back, which must have been dropped and be whole.
    fn dropped<M: Message<Value = M>>(&self, number: impl Fn(M) -> u64) -> Vec<u64>
    where
        Probe: Accepts<M>,
    {
        self.back::<M>()
            .into_iter()
            .map(|back| {
                assert_eq!((back.taken, &back.why), (false, &Undone::Dropped));
                number(back.message.unwrap().into_value().unwrap())
            })
            .collect()
    }

    fn back<M: Message>(&self) -> Vec<Undelivered<M>>
    where
        Probe: Accepts<M>,
    {
        let mut stream = self.probe.undelivered::<M>();
        std::iter::from_fn(|| stream.try_next()).collect()
    }

    /// Blocks of the sender that are not free.
    fn blocks(&self) -> u64 {
        self.sender.heap().stats().live()
    }
}

// Goal: `DropOldest`: of what a uring holds when a handler ends, the newest are handled, as many as the mailbox's bound;
// all older ones come back whole, tells and asks, inline and in blocks, and are counted where the actor is.
#[test]
fn drop_oldest_keeps_the_newest() {
    let _dog = watch();
    let pair = Pair::with("overflow-oldest", Overflow::DropOldest, 4);
    let probe = pair.probe.clone();
    pair.tell(1..=10);
    probe.try_tell(page(11)).unwrap();
    block_on(async {
        let mut long = Box::pin(probe.ask(text(12)));
        let mut short = Box::pin(probe.ask(Note { number: 13 }));
        assert!(poll!(&mut long).is_pending() && poll!(&mut short).is_pending());
        let given_up = Box::pin(probe.ask(text(14)));
        assert!(given_up.now_or_never().is_none(), "sent, and given up");
        pair.tell(15..=16);
        probe.try_tell(page(17)).unwrap();
        pair.tell([18]);
        pair.release();
        let error = long.await.unwrap_err();
        assert!(matches!(error, AskError::Dropped { .. }), "{error}");
        assert_eq!(error.into_inner(), Some(text(12)));
        let error = short.await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the receiver's mailbox dropped the message"
        );
        assert_eq!(error.into_inner(), Some(Note { number: 13 }));
    });
    pair.expect_handled(15..=18);
    assert_eq!(pair.counts(), (14, 14, 0));
    assert!(pair.watcher.is_silent(), "nothing else was handled");
    // The reply to `counts` came after all completions of what was queued before.
    assert_eq!(
        pair.dropped(|note: Note| note.number),
        Vec::from_iter(1..=10)
    );
    assert_eq!(
        pair.dropped(|back: Page| {
            assert_eq!(back, page(11));
            back.number
        }),
        [11]
    );
    assert_eq!(pair.blocks(), 0, "each block came back");
}

// Goal: nothing is dropped of what does not exceed the bound.
#[test]
fn drop_oldest_leaves_what_fits() {
    let _dog = watch();
    let pair = Pair::with("overflow-fits", Overflow::DropOldest, 4);
    pair.tell(1..=BOUND);
    pair.release();
    pair.expect_handled(1..=BOUND);
    assert_eq!(pair.counts(), (0, 0, 0));
    assert!(pair.back::<Note>().is_empty() && pair.back::<Hold>().is_empty());
}

// Goal: a bound beyond half of the uring is half of the uring. A sender that has filled the uring while the handler runs
// gets its message back, or waits for the drops that follow.
#[test]
fn drop_oldest_has_head_room() {
    let _dog = watch();
    let pair = Pair::with("overflow-half", Overflow::DropOldest, 1_000);
    let queued = pair.fill();
    assert_eq!(
        queued,
        URING - 1,
        "the held message has one place of the credit"
    );
    block_on(async {
        let mut tell = Box::pin(pair.probe.tell(Note { number: URING }));
        assert!(poll!(&mut tell).is_pending());
        pair.release();
        tell.await.unwrap();
    });
    let (by_actor, on_home, on_sender) = pair.counts();
    assert_eq!((by_actor, on_sender), (on_home, 0));
    // The one that waited, and the question, came while the actor dropped, or later: each may have cost one more.
    let excess = URING - 1 - URING / 2;
    assert!(
        (excess..=excess + 2).contains(&by_actor),
        "{by_actor} dropped"
    );
    let dropped = pair.dropped(|note: Note| note.number);
    assert_eq!(dropped.len() as u64, by_actor);
    let handled = pair
        .watcher
        .so_far()
        .into_iter()
        .filter_map(|event| match event {
            Ended(number) => Some(number),
            _ => None,
        });
    let handled: Vec<u64> = handled.collect();
    assert!(dropped.is_sorted() && handled.is_sorted());
    assert!(dropped[..63].iter().copied().eq(1..=63), "the oldest");
    let mut all = [dropped, handled].concat();
    all.sort_unstable();
    assert_eq!(all, Vec::from_iter(1..=URING));
}

// Goal: a receiver that dies with a uring from which it may drop: what was not taken comes back as such, inline tells
// too, and what was begun is told apart.
#[test]
fn drop_oldest_dies_like_others() {
    let _dog = watch();
    let pair = Pair::with("overflow-dies", Overflow::DropOldest, 4);
    pair.tell(1..=9);
    pair.probe.kill();
    block_on(pair.probe.closed());
    pair.watcher.expect(Abandoned(0));
    let held = pair.back::<Hold>();
    assert!(
        matches!(
            held.as_slice(),
            [Undelivered {
                taken: true,
                why: Undone::Ended(ExitReason::Killed),
                ..
            }]
        ),
        "{held:?}"
    );
    let notes = pair.back::<Note>();
    let numbers: Vec<u64> = notes
        .into_iter()
        .map(|note| {
            assert!(!note.taken);
            assert_eq!(note.why, Undone::Ended(ExitReason::Killed));
            note.message.unwrap().into_value().unwrap().number
        })
        .collect();
    assert_eq!(numbers, Vec::from_iter(1..=9));
    assert_eq!(pair.home.dropped(), 0);
}

// Goal: `DropNewest`: what meets a full mailbox is dropped: a tell comes back on the stream, an ask as its error, with their
// blocks; the sender's node counts them.
#[test]
fn drop_newest_drops_what_comes() {
    let _dog = watch();
    let pair = Pair::with("overflow-newest", Overflow::DropNewest, 4);
    pair.tell(1..=BOUND);
    pair.tell([5]);
    pair.probe.tell(Note { number: 6 }).wait().unwrap();
    pair.probe.tell(page(7)).wait().unwrap();
    let error = pair.probe.ask(text(8)).wait().unwrap_err();
    assert!(matches!(error, AskError::Dropped { .. }), "{error}");
    assert_eq!(error.into_inner(), Some(text(8)));
    let error = pair.probe.ask(Note { number: 9 }).wait().unwrap_err();
    assert_eq!(error.into_inner(), Some(Note { number: 9 }));
    assert_eq!(pair.dropped(|note: Note| note.number), [5, 6]);
    assert_eq!(pair.dropped(|back: Page| back.number), [7]);
    assert_eq!(pair.blocks(), 0, "each block came back");
    pair.release();
    pair.expect_handled(1..=BOUND);
    assert_eq!(pair.counts(), (0, 0, 5));
}

// Goal: `Fail`: what meets a full mailbox comes back at once, whoever sends it and however long it would wait.
#[test]
fn fail_fails() {
    let _dog = watch();
    let pair = Pair::with("overflow-fail", Overflow::Fail, 4);
    pair.tell(1..=BOUND);
    let error = pair.probe.tell(Note { number: 5 }).wait().unwrap_err();
    assert!(
        matches!(
            error,
            SendError::Full {
                message: Note { number: 5 }
            }
        ),
        "{error}"
    );
    let error = pair.probe.tell(page(6)).wait().unwrap_err();
    assert_eq!(error.into_inner(), page(6));
    let error = pair.probe.ask(text(7)).wait().unwrap_err();
    assert_eq!(error.to_string(), "the mailbox is full");
    assert_eq!(error.into_inner(), Some(text(7)));
    pair.release();
    pair.expect_handled(1..=BOUND);
    assert_eq!(pair.counts(), (0, 0, 0));
    assert!(pair.back::<Note>().is_empty());
}

// Goal: the room of a uring is the mailbox's bound, and that of its queue at most.
#[test]
fn a_bound_is_kept_for_each_sender() {
    let _dog = watch();
    for (bound, room) in [(1, 1), (5, 5), (1_000, URING)] {
        let pair = Pair::with("overflow-bound", Overflow::Wait, bound);
        assert_eq!(pair.fill(), room);
        pair.release();
        pair.expect_handled(1..=room);
    }
}

// Goal: `Wait`: a try fails, a tell and an ask wait and are handled in the order of their coming; nothing is dropped.
#[test]
fn wait_waits() {
    let _dog = watch();
    let pair = Pair::with("overflow-wait", Overflow::Wait, 4);
    assert_eq!(pair.fill(), BOUND);
    block_on(async {
        let mut tell = Box::pin(pair.probe.tell(Note { number: 5 }));
        let mut ask = Box::pin(pair.probe.ask(text(6)));
        assert!(poll!(&mut tell).is_pending() && poll!(&mut ask).is_pending());
        pair.release();
        tell.await.unwrap();
        ask.await.unwrap();
    });
    pair.expect_handled(1..=BOUND + 2);
    assert_eq!(pair.counts(), (0, 0, 0));
    assert!(pair.back::<Note>().is_empty());
}

/// A waker that tells of each wake.
struct Wakes(Sender<()>);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        // The test may have seen enough.
        let _ = self.0.send(());
    }
}

// Goal: a sender that waits for room is told of it while a handler goes on: once half of the mailbox's bound is free, whether the rest
// is taken soon or not. Method: one handler after the other is held, so that the actor never comes to its queue's end; what is not
// polled again cannot find the room by itself. The pause has nodes fall asleep, as a rule.
#[test]
fn room_is_offered_while_a_handler_goes_on() {
    let _dog = watch();
    for (bound, first, last) in [(1, 1, 1), (4, 1, 2), (5, 2, 3), (128, 63, 64)] {
        let mailbox = usize::try_from(bound).unwrap();
        let pair = Pair::with("overflow-offer", Overflow::Wait, mailbox);
        for number in 1..=bound {
            match number == first || number == last {
                true => pair.probe.try_tell(Hold { number }).unwrap(),
                false => pair.tell([number]),
            }
        }
        let (wakes, woken) = channel();
        let waker = Waker::from(Arc::new(Wakes(wakes)));
        let mut tell = pair.probe.tell(Note { number: bound + 1 });
        let mut cx = TaskContext::from_waker(&waker);
        assert!(tell.poll_unpin(&mut cx).is_pending());
        pair.release();
        pair.expect_handled(1..first);
        pair.watcher.expect(Began(first));
        if first < last {
            (0..2_000).for_each(|_| thread::yield_now());
            pair.watcher.open_gate();
            pair.watcher.expect(Ended(first));
            pair.expect_handled(first + 1..last);
            pair.watcher.expect(Began(last));
        }
        woken.recv().unwrap();
        assert!(matches!(tell.poll_unpin(&mut cx), Poll::Ready(Ok(()))));
        assert!(pair.watcher.is_silent(), "the handler goes on");
        pair.watcher.open_gate();
        pair.watcher.expect(Ended(last));
        pair.expect_handled(last + 1..=bound + 1);
    }
}

/// A count upwards, inline and at length.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Step {
    number: u64,
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Stride {
    number: u64,
    words: [u64; 63],
}

/// Whether all that came before was handled.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
struct Last;

/// Tells which numbers it has handled.
#[derive(Actor)]
#[actor(handles(Step, Stride, Last))]
struct Walker {
    log: Sender<u64>,
}

impl Handler<Step> for Walker {
    async fn handle(&mut self, step: Step, _cx: &mut Context<Self>) {
        self.log.send(step.number).unwrap();
    }
}

impl Handler<Stride> for Walker {
    async fn handle(&mut self, stride: Stride, _cx: &mut Context<Self>) {
        thread::yield_now();
        self.log.send(stride.number).unwrap();
    }
}

impl Handler<Last> for Walker {
    async fn handle(&mut self, _last: Last, _cx: &mut Context<Self>) {}
}

fn numbers_of<M: Message<Value = M>>(walker: &Addr<Walker>, number: impl Fn(M) -> u64) -> Vec<u64>
where
    Walker: Accepts<M>,
{
    let mut stream = walker.undelivered::<M>();
    let back = std::iter::from_fn(|| stream.try_next());
    back.map(|back| number(back.message.unwrap().into_value().unwrap()))
        .collect()
}

// Goal: a sender that never stops: each message was handled or dropped, once, and both in order; the counts agree.
#[test]
fn drop_oldest_under_a_flood() {
    const SENT: u64 = 3_000; // fewer than an address keeps of what came back
    let _dog = watch();
    let bus = Bus::new("overflow-flood");
    let (home, sender) = (bus.attach("home"), bus.attach("sender"));
    let (log, handled): (Sender<u64>, Receiver<u64>) = channel();
    let builder = home.actor(Walker { log }).name("walker").mailbox(2);
    builder.overflow(Overflow::DropOldest).spawn().unwrap();
    let walker: Addr<Walker> = sender.lookup("walker").wait().unwrap();
    for number in 0..SENT {
        if number % 3 == 0 {
            let words = [number; 63];
            walker.tell(Stride { number, words }).wait().unwrap();
        } else {
            walker.tell(Step { number }).wait().unwrap();
        }
    }
    walker.ask(Last).wait().unwrap();
    let handled: Vec<u64> = handled.try_iter().collect();
    let mut dropped = numbers_of(&walker, |step: Step| step.number);
    assert!(dropped.is_sorted());
    let strides = numbers_of(&walker, |stride: Stride| {
        assert_eq!(stride.words, [stride.number; 63]);
        stride.number
    });
    assert!(strides.is_sorted() && handled.is_sorted());
    dropped.extend(strides);
    println!("{} of {SENT} dropped", dropped.len());
    assert_eq!(home.dropped(), dropped.len() as u64);
    dropped.extend(handled);
    dropped.sort_unstable();
    assert_eq!(dropped, Vec::from_iter(0..SENT));
    assert_eq!(sender.heap().stats().live(), 0);
}
