//! Supervisors of actors of their own process: order, strategies, limits, escalation, changes by calls.
//!
//! Method: workers write into one log that they start (`+a`), end in order (`-a`), and are dropped (`.a`): a life that is
//! proved dead has been. Child processes are supervised by the family: see `tests/process.rs`.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

#[path = "supervise/calls.rs"]
mod calls;
#[path = "supervise/restarts.rs"]
mod restarts;
mod support;
#[path = "supervise/times.rs"]
mod times;
#[path = "supervise/troubles.rs"]
mod troubles;

use std::future::pending;
use std::sync::{Arc, Mutex};

use ringway::Node;
use ringway::prelude::*;
use ringway::test::{Journal, Pen, Watchdog};
use support::{Bus, watch};

/// What a worker is told to do.
#[derive(Message, Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
#[message(serial, reply = u64)]
#[serde(crate = "ringway::serde")]
enum Act {
    Answer,
    Panic,
    Fail,
    Stop,
    /// For ever.
    Hang,
}

#[derive(Actor)]
#[actor(handles(Act), hooks)]
struct Worker {
    name: &'static str,
    log: Log,
    fails_to_start: bool,
}

#[derive(Clone)]
struct Log(Pen<String>);

impl Log {
    fn note(&self, what: &str, name: &str) {
        self.0.write(format!("{what}{name}"));
    }
}

impl Hooks for Worker {
    async fn started(&mut self, _cx: &mut Context<Self>) -> Result<(), BoxError> {
        if self.fails_to_start {
            return Err("no film".into());
        }
        self.log.note("+", self.name);
        Ok(())
    }

    async fn stopping(&mut self, _reason: &ExitReason, _cx: &mut Context<Self>) {
        self.log.note("-", self.name);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.log.note(".", self.name);
    }
}

impl Handler<Act> for Worker {
    async fn handle(&mut self, act: Act, cx: &mut Context<Self>) -> u64 {
        match act {
            Act::Answer => {}
            Act::Panic => panic!("as asked"),
            Act::Fail => cx.fail("as asked"),
            Act::Stop => cx.stop(),
            Act::Hang => pending().await,
        }
        7
    }
}

/// A node, and what its workers write.
struct Stage {
    node: Node,
    log: Log,
    events: Journal<String>,
    _bus: Bus,
    _dog: Watchdog,
}

impl Stage {
    fn set(name: &str) -> Self {
        let _dog = watch();
        let bus = Bus::new(&format!("supervise-{name}"));
        let (events, log) = Journal::new();
        Self {
            node: bus.attach("node"),
            log: Log(log),
            events,
            _bus: bus,
            _dog,
        }
    }

    fn worker(
        &self,
        name: &'static str,
    ) -> impl FnMut() -> Worker + Clone + Send + 'static + use<> {
        let log = self.log.clone();
        move || Worker {
            name,
            log: log.clone(),
            fails_to_start: false,
        }
    }

    /// Waits for these events, and no others before them.
    fn expect(&self, events: &str) {
        for (at, event) in events.split(' ').enumerate() {
            assert_eq!(self.events.next().wait(), event, "{at} of {events}");
        }
    }

    /// The same for a tree of workers, each with its name.
    fn tree(&self, supervisor: Supervisor, names: &[&'static str]) -> Tree {
        let add = |tree: Supervisor, name: &&'static str| {
            tree.child(Child::actor(*name, self.worker(name)))
        };
        let supervisor = names.iter().fold(supervisor, add);
        supervisor.start(&self.node).wait().unwrap()
    }

    fn act(&self, tree: &Tree, name: &str, act: Act) {
        let worker: Addr<Worker> = tree.addr(name).wait().unwrap();
        worker.tell(act).wait().unwrap();
        if act == Act::Hang {
            // It is in its handler, or about to be, before anything else comes.
            while worker.try_tell(Act::Answer).is_err() {}
        }
    }
}

fn quick(supervisor: Supervisor) -> Supervisor {
    supervisor.backoff(ms(1)..ms(4))
}

fn works(tree: &Tree, name: &str) -> Addr<Worker> {
    let worker: Addr<Worker> = tree.addr(name).wait().unwrap();
    assert_eq!(worker.ask(Act::Answer).wait().unwrap(), 7);
    worker
}

// Goal: children start in order and stop in reverse, each dead before the next is told; by a stop and by a detach.
#[test]
fn order_of_start_and_stop() {
    for detaches in [false, true] {
        let stage = Stage::set("order");
        let tree = stage.tree(Supervisor::one_for_one(), &["a", "b", "c"]);
        stage.expect("+a +b +c");
        assert_eq!(tree.count_children().running, 3);
        let reason = if detaches {
            stage.node.detach();
            ExitReason::Shutdown
        } else {
            tree.stop();
            ExitReason::Stopped
        };
        assert_eq!(block_on(tree.closed()), reason);
        stage.expect("-c .c -b .b -a .a");
        assert_eq!(tree.which_children(), []);
        let late = tree.addr::<Worker>("a").wait().unwrap_err();
        assert_eq!(late, SuperviseError::Ended(reason));
    }
}

// Goal: a nested supervisor is stopped in its turn, and nothing of it is left when the next is told.
#[test]
fn nested_supervisors_stop_in_their_turn() {
    for kills in [false, true] {
        let stage = Stage::set("nested-stop");
        let (b, c) = (stage.worker("b"), stage.worker("c"));
        let shared = Arc::new(Mutex::new((b, c)));
        let tree = Supervisor::one_for_one()
            .child(Child::actor("a", stage.worker("a")))
            .child(Child::supervisor("below", move || {
                let (first, second) = (Arc::clone(&shared), Arc::clone(&shared));
                Supervisor::one_for_one()
                    .child(Child::actor("b", move || first.lock().unwrap().0()))
                    .child(Child::actor("c", move || second.lock().unwrap().1()))
            }))
            .start(&stage.node)
            .wait()
            .unwrap();
        stage.expect("+a +b +c");
        if kills {
            tree.kill();
            assert_eq!(block_on(tree.closed()), ExitReason::Killed);
            let mut dropped: Vec<_> = (0..3).map(|_| stage.events.next().wait()).collect();
            dropped.sort();
            assert_eq!(dropped, [".a", ".b", ".c"], "and none has stopped in order");
        } else {
            tree.stop();
            assert_eq!(block_on(tree.closed()), ExitReason::Stopped);
            stage.expect("-c .c -b .b -a .a");
        }
    }
}
