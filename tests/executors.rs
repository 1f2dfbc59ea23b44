//! Ringway's futures under every executor, and its driver on threads of its own, on the caller's, and on an executor.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, channel};

use futures::future::join_all;
use ringway::Node;
use ringway::prelude::*;

use support::probe::Event::{Began, Ended, Started};
use support::probe::{Halt, Hold, Note, Page, Pixels, Probe, Text, probe};
use support::stage::{Place, Stage};
use support::{Bus, watch};

/// Everything that is awaited: a lookup, tells, asks one by one and many at once, an end, a stream.
async fn scene(stage: &Stage) {
    let (actor, watcher) = probe();
    let own = stage.home().actor(actor).name("probe").spawn().unwrap();
    let probe: Addr<Probe> = stage.sender().lookup("probe").await.unwrap();
    for number in 0..300 {
        probe.tell(Note { number }).await.unwrap();
    }
    assert_eq!(probe.ask(Note { number: 300 }).await.unwrap(), 300);
    let mut pixels = probe.loan::<Pixels>(1000).unwrap();
    pixels.fill(1);
    assert_eq!(probe.ask(pixels).await.unwrap(), 1000);
    let asks = (0..200).map(|number| {
        let probe = probe.clone();
        async move {
            let page = Page {
                number,
                words: [1; 511],
            };
            assert_eq!(probe.ask(page).await.unwrap(), 511);
            let text = Text {
                number,
                text: "large".repeat(100),
            };
            assert_eq!(probe.ask(text).await.unwrap().len(), 500);
        }
    });
    join_all(asks).await;
    watcher.open_gate();
    assert_eq!(probe.ask(Hold { number: 1 }).await.unwrap(), 1);
    let late = probe
        .ask(Hold { number: 2 })
        .deadline(ms(10))
        .await
        .unwrap_err();
    assert!(matches!(late, AskError::Deadline { .. }), "{late}");
    own.kill();
    assert_eq!(probe.closed().await, ExitReason::Killed);
    assert!(probe.pinned().undelivered::<Note>().next().await.is_none());
}

/// Plays the scene on nodes with these workers, for a local and a remote actor.
fn with_workers(name: &str, workers: Workers, run: impl Fn(&Stage)) {
    for place in [Place::Local, Place::Remote] {
        let _dog = watch();
        run(&Stage::new(name, place, |config| config.workers(workers)));
    }
}

fn threads(count: usize) -> Workers {
    Workers::Threads(NonZeroUsize::new(count).unwrap())
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

fn multi_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap()
}

#[test]
fn futures_block_on() {
    with_workers("exec-futures", threads(1), |stage| {
        futures::executor::block_on(scene(stage));
    });
}

#[test]
fn tokio_current_thread() {
    with_workers("exec-tokio-one", threads(1), |stage| {
        current_thread().block_on(scene(stage))
    });
}

#[test]
fn tokio_multi_thread() {
    with_workers("exec-tokio", threads(1), |stage| {
        multi_thread().block_on(scene(stage))
    });
}

#[test]
fn smol_block_on() {
    with_workers("exec-smol", threads(1), |stage| {
        smol::block_on(scene(stage))
    });
}

#[test]
fn two_threads() {
    with_workers("exec-two", threads(2), |stage| block_on(scene(stage)));
}

// Goal: the futures of sends and lookups can be spawned: they are `Send`, and own what they need once an address is moved in.
#[test]
fn sends_are_spawned_on_tokio() {
    let _dog = watch();
    let bus = Bus::new("exec-spawn");
    let (home, sender) = (bus.attach("home"), bus.attach("sender"));
    let (probe, _watcher) = probe();
    home.actor(probe).name("probe").spawn().unwrap();
    multi_thread().block_on(async {
        let lookups = (0..8).map(|asker| {
            let sender = sender.clone();
            tokio::spawn(async move {
                let probe: Addr<Probe> = sender.lookup("probe").await.unwrap();
                for number in 0..200 {
                    assert_eq!(probe.ask(Note { number }).await.unwrap(), number);
                    probe.tell(Note { number }).await.unwrap();
                }
                asker
            })
        });
        for (asker, ended) in join_all(lookups).await.into_iter().enumerate() {
            assert_eq!(ended.unwrap(), asker);
        }
    });
}

// Goal: without threads of its own, a node is driven by the thread that waits for something.
#[test]
fn the_caller_drives() {
    let _dog = watch();
    let bus = Bus::new("exec-caller");
    let node = Node::attach(bus.config("node").workers(Workers::Caller)).unwrap();
    let (actor, watcher) = probe();
    let probe = node.spawn(actor).unwrap();
    probe.try_tell(Note { number: 1 }).unwrap();
    assert!(watcher.is_silent(), "nothing moves between the calls");
    assert_eq!(
        node.run_until(async { probe.ask(Note { number: 2 }).await.unwrap() }),
        2
    );
    for event in [Started, Began(1), Ended(1), Began(2), Ended(2)] {
        watcher.expect(event);
    }
    assert_eq!(probe.ask(Note { number: 3 }).wait().unwrap(), 3);
    let error = node.run_until(async { probe.ask(Hold { number: 5 }).deadline(ms(10)).await });
    assert!(
        matches!(error, Err(AskError::Deadline { .. })),
        "a timer that only this thread fires"
    );
    watcher.open_gate();
    // The other node has threads; both wait for each other.
    let other = bus.attach("other");
    let (actor, _watcher) = support::probe::probe();
    other.actor(actor).name("other").spawn().unwrap();
    let remote: Addr<Probe> = node.lookup("other").wait().unwrap();
    node.run_until(async {
        for number in 0..100 {
            assert_eq!(remote.ask(Note { number }).await.unwrap(), number);
        }
    });
}

// Goal: both of two nodes are driven by one thread that waits on a third thing.
async fn two_driven_nodes(name: &str, spawn: impl Fn(ringway::Drive)) {
    let bus = Bus::new(name);
    let attach = |node: &str| Node::attach(bus.config(node).workers(Workers::Caller)).unwrap();
    let (home, sender) = (attach("home"), attach("sender"));
    spawn(home.drive());
    spawn(sender.drive());
    let (actor, watcher) = probe();
    home.actor(actor).name("probe").spawn().unwrap();
    let probe: Addr<Probe> = sender.lookup("probe").await.unwrap();
    for number in 0..200 {
        assert_eq!(probe.ask(Note { number }).await.unwrap(), number);
    }
    let late = probe
        .ask(Hold { number: 2 })
        .deadline(ms(10))
        .await
        .unwrap_err();
    assert!(matches!(late, AskError::Deadline { .. }), "{late}");
    watcher.open_gate();
}

#[test]
fn driven_on_tokio() {
    for runtime in [current_thread(), multi_thread()] {
        let _dog = watch();
        runtime.block_on(async {
            two_driven_nodes("exec-drive-tokio", |drive| drop(tokio::spawn(drive))).await;
        });
    }
}

#[test]
fn driven_on_smol() {
    let _dog = watch();
    smol::block_on(two_driven_nodes("exec-drive-smol", |drive| {
        smol::spawn(drive).detach()
    }));
}

// Goal: a driven node that sleeps is woken by another node, and by its own threads. Method: each ask comes when the
// answer to the last has been seen by a thread that is no part of the executor, so that the driver has gone idle often.
#[test]
fn a_driven_node_is_woken() {
    let _dog = watch();
    let bus = Bus::new("exec-woken");
    let home = Node::attach(bus.config("home").workers(Workers::Caller)).unwrap();
    let other = bus.attach("other");
    let (actor, _watcher) = probe();
    let own = home.actor(actor).name("probe").spawn().unwrap();
    let runtime = multi_thread();
    let driven = runtime.spawn(home.drive());
    let probe: Addr<Probe> = other.lookup("probe").wait().unwrap();
    for number in 0..200 {
        assert_eq!(probe.ask(Note { number }).wait().unwrap(), number);
        assert_eq!(own.ask(Note { number }).wait().unwrap(), number);
    }
    // The drive ends when its node has left.
    home.detach();
    runtime.block_on(driven).unwrap();
}

/// Blocks its thread until another actor has run.
#[derive(Actor)]
#[actor(handles(Note))]
struct Turnstile {
    enter: Sender<()>,
    leave: Receiver<()>,
}

impl Handler<Note> for Turnstile {
    async fn handle(&mut self, note: Note, _cx: &mut Context<Self>) -> u64 {
        self.enter.send(()).unwrap();
        self.leave.recv().unwrap();
        note.number
    }
}

// Goal: two workers run two actors at the same time. Method: each blocks its thread until the other has begun.
#[test]
fn two_threads_run_two_actors() {
    let _dog = watch();
    let bus = Bus::new("exec-parallel");
    let node = Node::attach(bus.config("node").workers(threads(2))).unwrap();
    let ((one, two_begins), (two, one_begins)) = (channel(), channel());
    let first = node
        .spawn(Turnstile {
            enter: one,
            leave: one_begins,
        })
        .unwrap();
    let second = node
        .spawn(Turnstile {
            enter: two,
            leave: two_begins,
        })
        .unwrap();
    block_on(async {
        for number in 0..100 {
            let both = futures::join!(first.ask(Note { number }), second.ask(Note { number }));
            assert_eq!((both.0.unwrap(), both.1.unwrap()), (number, number));
        }
    });
}

/// Does what a handler must not, or may do only with care.
#[derive(Actor)]
#[actor(handles(Note, Page, Halt))]
struct Reckless {
    friend: Addr<Probe>,
    node: Option<Node>,
}

impl Handler<Note> for Reckless {
    async fn handle(&mut self, note: Note, _cx: &mut Context<Self>) -> u64 {
        self.friend.ask(note).wait().unwrap()
    }
}

impl Handler<Page> for Reckless {
    async fn handle(&mut self, page: Page, _cx: &mut Context<Self>) -> u64 {
        self.friend.ask(page).await.unwrap()
    }
}

impl Handler<Halt> for Reckless {
    async fn handle(&mut self, _halt: Halt, _cx: &mut Context<Self>) {
        drop(self.node.take());
    }
}

// Goal: a handler that blocks on its own node would wait for itself: it panics instead, and says what to do.
#[test]
fn blocking_in_a_handler_panics() {
    for workers in [threads(1), threads(2), Workers::Caller] {
        let _dog = watch();
        let bus = Bus::new("exec-block");
        let node = Node::attach(bus.config("node").workers(workers)).unwrap();
        let friend = node.spawn(probe().0).unwrap();
        let reckless = node
            .spawn(Reckless {
                friend: friend.clone(),
                node: None,
            })
            .unwrap();
        let page = Page {
            number: 1,
            words: [1; 511],
        };
        assert_eq!(reckless.ask(page).wait().unwrap(), 511);
        let error = reckless.ask(Note { number: 1 }).wait().unwrap_err();
        let AskError::Died {
            reason: ExitReason::Panicked(text),
            ..
        } = &error
        else {
            panic!("{error}")
        };
        assert!(
            text.contains("cannot block on its own node: `await` instead"),
            "{text}"
        );
        let blocks = std::panic::AssertUnwindSafe(|| {
            node.run_until(async { friend.ask(Note { number: 1 }).wait().unwrap() })
        });
        if workers == Workers::Caller {
            assert!(
                std::panic::catch_unwind(blocks).is_err(),
                "it would wait for itself as well"
            );
        }
    }
}

// Goal: under an executor of the user's, blocking works, and so do detaching and dropping the node.
#[test]
fn blocking_inside_an_executor() {
    async fn blocks(name: &str) {
        let bus = Bus::new(name);
        let (home, sender) = (bus.attach("home"), bus.attach("sender"));
        let (actor, _watcher) = probe();
        home.actor(actor).name("probe").spawn().unwrap();
        let probe: Addr<Probe> = sender.lookup("probe").wait().unwrap();
        assert_eq!(probe.ask(Note { number: 1 }).wait().unwrap(), 1);
        probe.tell(Note { number: 2 }).wait().unwrap();
        home.detach();
        assert_eq!(probe.closed().await, ExitReason::Shutdown);
        // Both nodes are dropped here.
    }
    let _dog = watch();
    futures::executor::block_on(blocks("exec-inside-futures"));
    current_thread().block_on(blocks("exec-inside-tokio"));
    multi_thread().block_on(blocks("exec-inside-tokio-many"));
    smol::block_on(blocks("exec-inside-smol"));
}

// Goal: the last handle of a node may be dropped by one of its own actors: it ends, and all others with it.
#[test]
fn an_actor_drops_its_node() {
    for workers in [threads(1), threads(2)] {
        let _dog = watch();
        let bus = Bus::new("exec-drop");
        let node = Node::attach(bus.config("node").workers(workers)).unwrap();
        let friend = node.spawn(probe().0).unwrap();
        let reckless = Reckless {
            friend: friend.clone(),
            node: Some(node.clone()),
        };
        let reckless = node.spawn(reckless).unwrap();
        reckless.try_tell(Halt).unwrap();
        drop(node);
        block_on(async {
            let reason = reckless.closed().await;
            assert!(matches!(reason, ExitReason::Shutdown), "{reason}");
            assert_eq!(friend.closed().await, ExitReason::Shutdown);
            let error = friend.tell(Note { number: 1 }).await.unwrap_err();
            assert!(matches!(error, SendError::Ended { .. }), "{error}");
        });
    }
}
