//! The test kit: probes, quiescence, crashes on purpose, pairs of nodes.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::future::IntoFuture;
use std::num::NonZeroUsize;
use std::pin::pin;

use futures::poll;
use ringway::Workers;
use ringway::prelude::*;
use ringway::test::{Pair, Probe, TestBus, TestClock, panic_at, quiescent};

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
