//! The test kit: probes, quiescence, crashes on purpose, pairs of nodes.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::future::IntoFuture;
use std::num::NonZeroUsize;
use std::pin::pin;

use futures::poll;
use ringway::Workers;
use ringway::prelude::*;
use ringway::test::{
    Gate, Journal, Pair, Probe, TestBus, TestClock, Watchdog, panic_at, quiescent,
};

use support::watch;

#[derive(Message, Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Add {
    amount: u64,
}

/// Passed on until it is worn out.
#[derive(Message, Serialize, Deserialize, Clone)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Ball {
    left: u32,
    back: Recipient<Ball>,
}

#[derive(Actor)]
#[actor(handles(Ball))]
struct Player {
    other: Option<Recipient<Ball>>,
    done: Recipient<u32>,
    passed: u32,
}

impl Handler<Ball> for Player {
    async fn handle(&mut self, ball: Ball, cx: &mut Context<Self>) {
        self.passed += 1;
        if ball.left == 0 {
            self.done.tell(self.passed).await.unwrap();
            return;
        }
        let to = self.other.clone().unwrap_or(ball.back);
        let back = Recipient::from(cx.addr());
        let left = ball.left - 1;
        to.tell(Ball { left, back }).await.unwrap();
    }
}

// Goal: a probe shows what came, and answers by its script, by the test's own reply, with an error, or not at all: to senders of
// its node and of another.
#[test]
fn a_probe_records_and_answers() {
    let _dog = watch();
    let pair = Pair::new().unwrap();
    let mut probe = Probe::<Add>::named(&pair.near, "probe").unwrap();
    let far: Recipient<Add> = pair.far.lookup("probe").wait().unwrap();
    for sender in [probe.recipient(), far] {
        let ask = |amount| sender.ask(Add { amount });
        sender.tell(Add { amount: 1 }).wait().unwrap();
        let told = probe.next().wait();
        assert!(told.amount == 1 && !told.waits());
        probe.reply_next(10);
        probe.fail_next("broken");
        assert_eq!(ask(2).wait().unwrap(), 10);
        let error = ask(3).wait().unwrap_err();
        assert!(matches!(error, AskError::Handler(ref it) if it.text() == "broken"));
        probe.expect(Add { amount: 2 }).wait();
        probe.expect(Add { amount: 3 }).wait();
        block_on(async {
            let mut asked = pin!(ask(4));
            assert!(poll!(&mut asked).is_pending());
            let received = probe.expect(Add { amount: 4 }).await;
            assert!(received.waits());
            received.reply(40);
            assert_eq!(asked.await.unwrap(), 40);
            let mut asked = pin!(ask(5));
            assert!(poll!(&mut asked).is_pending());
            drop(probe.next().await);
            assert!(matches!(asked.await, Err(AskError::Handler(_))));
        });
        assert!(probe.try_next().is_none());
    }
    probe.replies(|add| add.amount * 2);
    probe.reply_next(1);
    let asked = [5, 6].map(|amount| probe.addr().ask(Add { amount }).wait().unwrap());
    assert_eq!(asked, [1, 12]);
}

// Goal: a probe that holds has one message at a time in hand, told or asked, until the test lets it go; what comes meanwhile
// meets the bound of its mailbox. What was asked is then answered by the script.
#[test]
fn a_probe_holds() {
    let _dog = watch();
    let pair = Pair::new().unwrap();
    let named = |actor: ringway::ActorBuilder<_>| actor.name("probe").mailbox(1);
    let mut probe = Probe::<Add>::with(&pair.near, named).unwrap();
    let far: Recipient<Add> = pair.far.lookup("probe").wait().unwrap();
    probe.replies(|add| add.amount * 2);
    for sender in [probe.recipient(), far] {
        probe.hold();
        sender.tell(Add { amount: 1 }).wait().unwrap();
        let held = probe.next().wait();
        assert!(held.waits());
        block_on(async {
            let mut asked = pin!(sender.ask(Add { amount: 2 }));
            assert!(poll!(&mut asked).is_pending());
            let full = sender.try_tell(Add { amount: 3 }).unwrap_err();
            assert!(matches!(full, SendError::Full { .. }), "{full}");
            assert!(probe.try_next().is_none());
            assert_eq!(held.into_inner().amount, 1);
            let held = probe.expect(Add { amount: 2 }).await;
            assert!(poll!(&mut asked).is_pending());
            drop(held);
            assert_eq!(asked.await.unwrap(), 4);
            probe.hold_no_more();
            assert_eq!(sender.ask(Add { amount: 3 }).await.unwrap(), 6);
            assert!(!probe.next().await.waits());
        });
    }
}

// Goal: a journal is read in the order in which it was written, whoever wrote; one that nobody can write into says so, and where
// it was read.
#[test]
fn a_journal_is_read_in_order() {
    let _dog = watch();
    let (journal, pen) = Journal::new();
    let other = pen.clone();
    pen.write(1);
    other.write(2);
    journal.expect(1).wait();
    block_on(async {
        assert_eq!(journal.next().await, 2);
        let mut waits = pin!(journal.expect(3));
        assert!(poll!(&mut waits).is_pending());
        pen.write(3);
        waits.await;
        let mut given_up = Box::pin(journal.next());
        assert!(poll!(&mut given_up).is_pending());
        other.write(4);
        drop(given_up); // has taken nothing
    });
    pen.write(5);
    assert_eq!(journal.so_far(), [4, 5]);
    assert_eq!(journal.try_next(), None);
    let thread = std::thread::spawn(move || {
        pen.write(6);
        drop((pen, other));
    });
    assert_eq!(journal.next().wait(), 6);
    thread.join().unwrap();
    let line = line!() + 1;
    let read = || journal.next().wait();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).unwrap_err();
    let text: &String = panicked.downcast_ref().unwrap();
    assert!(text.contains(&format!("kit.rs:{line}:")), "{text}");
    assert_eq!(journal.rest(), Vec::<i32>::new());
}

// Goal: who expects another entry hears of both, and where it was expected.
#[test]
#[should_panic(expected = ": 2\n")]
fn a_journal_tells_what_came_instead() {
    let (journal, pen) = Journal::new();
    pen.write(1);
    journal.expect(2).wait();
}

// Goal: one passes for each that was let on, whether it waits already or comes later; who gives up takes nobody's turn; an open gate
// holds nobody, until it is shut again.
#[test]
fn a_gate_lets_one_pass_at_a_time() {
    let _dog = watch();
    let gate = Gate::new();
    block_on(async {
        let (mut first, mut second) = (Box::pin(gate.pass()), Box::pin(gate.pass()));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        assert_eq!(gate.waiting(), 2);
        gate.wait_for(2);
        gate.let_one_pass();
        drop(first);
        second.await;
        assert_eq!(gate.waiting(), 0);
        gate.let_one_pass();
        gate.pass().await;
        let mut third = Box::pin(gate.pass());
        assert!(poll!(&mut third).is_pending());
        gate.open();
        third.await;
        gate.pass().await;
        gate.let_one_pass();
        gate.shut();
        assert!(poll!(Box::pin(gate.pass())).is_pending());
    });
}

// Goal: a watchdog ends a process in which something hangs, and says which test it was. Method: this very test in a process of its
// own, where it hangs.
#[test]
fn a_watchdog_ends_what_hangs() {
    let name = "a_watchdog_ends_what_hangs";
    if std::env::var_os("KIT_HANGS").is_some() {
        let _dog = Watchdog::new(ms(1));
        let (_pen, waits) = std::sync::mpsc::channel::<()>();
        return waits.recv().unwrap();
    }
    let _dog = watch();
    let own = std::env::current_exe().unwrap();
    let mut hangs = std::process::Command::new(own);
    hangs.args(["--exact", name]);
    let ended = hangs.env("KIT_HANGS", "1").output().unwrap();
    let (said, how) = (String::from_utf8_lossy(&ended.stderr), ended.status);
    assert!(!how.success(), "{how}");
    let expected = format!("watchdog: {name} has not ended after 1ms");
    assert!(said.contains(&expected), "{said}");
}

// Goal: what another message is, the test hears.
#[test]
#[should_panic(expected = "another message")]
fn a_probe_expects_one_message() {
    let bus = TestBus::new();
    let node = bus.attach("node").unwrap();
    let mut probe = Probe::<u32>::spawn(&node).unwrap();
    probe.addr().tell(1).wait().unwrap();
    probe.expect(2).wait();
}

// Goal: quiescence comes after all that goes back and forth between two nodes, and not before, with one worker and with more.
#[test]
fn quiescence_waits_for_both_nodes() {
    let _dog = watch();
    for workers in [1, 3] {
        let workers = Workers::Threads(NonZeroUsize::new(workers).unwrap());
        let pair = Pair::with(|config| config.workers(workers)).unwrap();
        let mut probe = Probe::<u32>::spawn(&pair.near).unwrap();
        let player = |done: &Recipient<u32>| Player {
            other: None,
            done: done.clone(),
            passed: 0,
        };
        for round in 1..=8 {
            let near = pair.near.spawn(player(&probe.recipient())).unwrap();
            let far = player(&probe.recipient());
            let name = format!("far-{round}");
            let _far = pair.far.actor(far).name(&name).spawn().unwrap();
            let back: Recipient<Ball> = pair.near.lookup(&name).wait().unwrap();
            near.tell(Ball { left: 100, back }).wait().unwrap();
            pair.quiescent().wait();
            assert_eq!(probe.try_next().map(|it| *it), Some(51), "round {round}");
            assert!(probe.try_next().is_none());
        }
    }
}

// Goal: while a handler waits there is no quiescence; a clock can be set all the same.
#[test]
fn quiescence_waits_for_handlers() {
    let _dog = watch();
    let (bus, clock) = (TestBus::new(), TestClock::new());
    let node = Node::attach(bus.config("node").clock(&clock)).unwrap();
    let mut probe = Probe::<Add>::spawn(&node).unwrap();
    let asked = probe.recipient();
    let ask = asked.ask(Add { amount: 1 }).deadline(secs(3600));
    block_on(async {
        let mut ask = pin!(ask);
        assert!(poll!(&mut ask).is_pending());
        clock.advance(secs(1)).await;
        let received = probe.try_next().unwrap();
        let mut quiet = pin!(quiescent([&node]).into_future());
        assert!(poll!(&mut quiet).is_pending());
        // It asks several times, each of which takes a look.
        for _ in 0..10 {
            clock.advance(secs(1)).await;
            assert!(poll!(&mut quiet).is_pending());
        }
        received.reply(7);
        quiet.await;
        assert_eq!(ask.await.unwrap(), 7);
    });
}

// Goal: an actor panics at the message that the test has said, which counts as taken; its next life does not.
#[test]
fn an_actor_panics_when_told() {
    #[derive(Actor, Default)]
    #[actor(handles(Add))]
    struct Counter(u64);

    impl Handler<Add> for Counter {
        async fn handle(&mut self, add: Add, _cx: &mut Context<Self>) -> u64 {
            self.0 += add.amount;
            self.0
        }
    }

    let _dog = watch();
    let (bus, clock) = (TestBus::new(), TestClock::new());
    let node = Node::attach(bus.config("node").clock(&clock)).unwrap();
    let supervisor = Supervisor::one_for_one().child(Child::actor("counter", Counter::default));
    let tree = supervisor.start(&node).wait().unwrap();
    let counter: Addr<Counter> = tree.addr("counter").wait().unwrap();
    panic_at(&counter, 3);
    for total in [1, 2] {
        assert_eq!(counter.ask(Add { amount: 1 }).wait().unwrap(), total);
    }
    let error = counter.ask(Add { amount: 1 }).wait().unwrap_err();
    assert!(
        matches!(error, AskError::Died { taken: true, .. }),
        "{error}"
    );
    clock.advance(secs(1)).wait();
    let counter: Addr<Counter> = tree.addr("counter").wait().unwrap();
    for total in 1..=5 {
        assert_eq!(counter.ask(Add { amount: 1 }).wait().unwrap(), total);
    }
}

// Goal: a pair's directory goes with it.
#[test]
fn a_pair_leaves_nothing_behind() {
    let pair = Pair::new().unwrap();
    let directory = pair.bus().directory().to_owned();
    assert!(directory.exists());
    drop(pair);
    assert!(!directory.exists());
}
