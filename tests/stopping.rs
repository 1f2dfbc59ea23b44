//! How actors and nodes are stopped, step by step; and what an actor does at its panic and its restart.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::future::{IntoFuture, pending, poll_fn};
use std::pin::pin;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context as TaskContext, Poll, Waker};

use ringway::prelude::*;
use ringway::{AskError, ExitReason, StopStep};
use support::{Bus, watch};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An actor that says what it does, and may be told not to.
#[derive(Actor)]
#[actor(handles(u64, Hang), hooks)]
struct Worker {
    says: Sender<String>,
    sum: u64,
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Hang {
    how: u64,
}

/// It waits for ever.
const FOREVER: Hang = Hang { how: 0 };
/// It panics.
const PANIC: Hang = Hang { how: 1 };
/// It stops its own node, and waits for that.
const STOP_NODE: Hang = Hang { how: 2 };

impl Handler<u64> for Worker {
    async fn handle(&mut self, amount: u64, _: &mut Context<Self>) {
        // Others come between any two messages.
        std::thread::yield_now();
        self.sum += amount;
    }
}

impl Handler<Hang> for Worker {
    async fn handle(&mut self, hang: Hang, cx: &mut Context<Self>) {
        self.says.send(format!("in hand at {}", self.sum)).unwrap();
        match hang.how {
            0 => pending().await,
            1 => panic!("as asked"),
            _ => drop(cx.node().stop().by(StopLadder::at_once()).await),
        }
    }
}

impl Hooks for Worker {
    async fn stopping(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        self.says.send(format!("stopping at {}", self.sum)).unwrap();
    }

    async fn restarted(
        &mut self,
        last: &ExitReason,
        _: &mut Context<Self>,
    ) -> Result<(), BoxError> {
        self.says.send(format!("again: {last}")).unwrap();
        Ok(())
    }

    fn panicked(&mut self, message: &str) {
        self.says
            .send(format!("panicked at {}: {message}", self.sum))
            .unwrap();
    }
}

/// The sum of what an actor is told that is to handle all.
const ALL: u64 = 100 * 101 / 2;

// Goal: each step of the ladder does what it says, to an actor here or far, and is told.
#[test]
fn actors_are_stopped_step_by_step() {
    let _dog = watch();
    let bus = Bus::new("actors_are_stopped_step_by_step");
    let (home, other) = (bus.attach("home"), bus.attach("other"));
    for is_remote in [false, true] {
        let (says, said) = channel();
        let spawn = || {
            let worker = Worker {
                says: says.clone(),
                sum: 0,
            };
            let own = home
                .actor(worker)
                .name("worker")
                .mailbox(128)
                .spawn()
                .unwrap();
            let far = || other.lookup("worker").wait().unwrap();
            if is_remote { far() } else { own }
        };
        let fill = |worker: &Addr<Worker>| {
            (1..=100_u64).for_each(|amount| worker.tell(amount).wait().unwrap());
        };
        let ladder = StopLadder::new().stop(secs(60));
        block_on(async {
            let worker = spawn();
            fill(&worker);
            let stopped = worker.stop_by(ladder.drain(secs(60))).await;
            assert_eq!(
                (stopped.step, stopped.reason),
                (StopStep::Drain, ExitReason::Stopped)
            );
            assert_eq!(said.recv().unwrap(), format!("stopping at {ALL}"));

            let worker = spawn();
            let stopped = worker.stop_by(ladder).await;
            assert_eq!(
                (stopped.step, stopped.reason),
                (StopStep::Stop, ExitReason::Stopped)
            );
            assert_eq!(said.recv().unwrap(), "stopping at 0");

            let worker = spawn();
            worker.tell(FOREVER).await.unwrap();
            assert_eq!(said.recv().unwrap(), "in hand at 0");
            let mut waiting = pin!(worker.ask(7_u64).deadline(secs(60)).into_future());
            let mut cx = TaskContext::from_waker(Waker::noop());
            assert!(waiting.as_mut().poll(&mut cx).is_pending());
            let stopped = worker
                .stop_by(StopLadder::new().drain(ms(5)).stop(ms(5)))
                .await;
            assert_eq!(stopped.step, StopStep::Kill);
            match waiting.await {
                Err(AskError::Died {
                    taken: false,
                    message,
                    ..
                }) => assert_eq!(message, Some(7)),
                other => panic!("{other:?}"),
            }
            let again = worker.stop_by(ladder).await;
            assert_eq!(again.reason, stopped.reason, "told again");
        });
        assert!(said.try_recv().is_err());
    }
}

// Goal: a node drains, kills what hangs, and leaves, and says how that went; whoever waits for it sees the end.
#[test]
fn a_node_is_stopped_step_by_step() {
    let _dog = watch();
    for workers in [Workers::default(), Workers::Caller] {
        let bus = Bus::new("a_node_is_stopped_step_by_step");
        let witness = bus.attach("witness");
        let node = Node::attach(bus.config("node").workers(workers)).unwrap();
        let (says, said) = channel();
        let worker = || Worker {
            says: says.clone(),
            sum: 0,
        };
        let busy = node.spawn(worker()).unwrap();
        node.run_until(async {
            for amount in 1..=100_u64 {
                busy.tell(amount).await.unwrap();
            }
        });
        let stopped = node.stop().drain(secs(60)).wait();
        assert_eq!(stopped.at(StopStep::Drain), 1, "{stopped:?}");
        assert!(stopped.is_orderly(), "{stopped:?}");
        assert_eq!(said.try_recv().unwrap(), format!("stopping at {ALL}"));
        block_on(node.left());
        assert!(node.spawn(worker()).is_err());
        assert_eq!(
            block_on(node.stop().into_future()).at(StopStep::Drain),
            0,
            "told once"
        );
        while !witness.peers().is_empty() {
            std::thread::yield_now();
        }

        let node = Node::attach(bus.config("node").workers(workers)).unwrap();
        let hangs = node.spawn(worker()).unwrap();
        node.run_until(async {
            hangs.tell(FOREVER).await.unwrap();
            let in_hand = poll_fn(|cx| {
                cx.waker().wake_by_ref();
                said.try_recv().map_or(Poll::Pending, Poll::Ready)
            });
            assert_eq!(in_hand.await, "in hand at 0");
        });
        let ladder = StopLadder::new().drain(ms(5)).stop(ms(5));
        let stopped = node.stop().by(ladder).wait();
        assert_eq!(stopped.at(StopStep::Kill), 1, "{stopped:?}");
        assert_eq!(
            (stopped.at(StopStep::Left), stopped.is_orderly()),
            (0, false)
        );
    }
}

// Goal: an actor may stop its own node, and a stop that nobody waits for comes to its end; or to one with the node's handle.
#[test]
fn a_stop_needs_nobody_who_waits() {
    let _dog = watch();
    let bus = Bus::new("a_stop_needs_nobody_who_waits");
    let witness = bus.attach("witness");
    let (says, said) = channel();
    let worker = || Worker {
        says: says.clone(),
        sum: 0,
    };

    let node = bus.attach("node");
    node.spawn(worker())
        .unwrap()
        .tell(STOP_NODE)
        .wait()
        .unwrap();
    block_on(node.left());
    assert_eq!(said.recv().unwrap(), "in hand at 0");

    let node = bus.attach("node");
    node.spawn(worker()).unwrap().tell(FOREVER).wait().unwrap();
    said.recv().unwrap();
    let mut stop = node
        .stop()
        .by(StopLadder::new().stop(secs(3600)))
        .into_future();
    let mut cx = TaskContext::from_waker(Waker::noop());
    assert!(stop.as_mut().poll(&mut cx).is_pending());
    drop(stop);
    drop(node);
    while !witness.peers().is_empty() {
        std::thread::yield_now();
    }
}

// Goal: the hook of a panic sees the actor and the message, that of a restart the reason; a first life knows of none.
#[test]
fn hooks_of_panic_and_restart() {
    let _dog = watch();
    let bus = Bus::new("hooks_of_panic_and_restart");
    let node = bus.attach("node");
    let (says, said) = channel();
    let make = move || Worker {
        says: says.clone(),
        sum: 0,
    };
    let tree = Supervisor::one_for_one()
        .backoff(ms(1)..ms(2))
        .child(Child::actor("worker", make))
        .start(&node)
        .wait()
        .unwrap();
    let worker: Addr<Worker> = tree.addr("worker").wait().unwrap();
    worker.tell(3_u64).wait().unwrap();
    worker.tell(PANIC).wait().unwrap();
    let expected = [
        "in hand at 3",
        "panicked at 3: as asked",
        "again: a handler panicked: as asked",
    ];
    for expected in expected {
        assert_eq!(said.recv().unwrap(), expected);
    }
}
