//! Supervisors of actors of their own process: order, strategies, limits, escalation, changes by calls.
//!
//! Method: workers write into one log that they start (`+a`), end in order (`-a`), and are dropped (`.a`): a life that is
//! proved dead has been. Child processes are supervised by the family: see `tests/process.rs`.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::future::pending;
use std::sync::{Arc, Mutex};

use ringway::prelude::*;
use ringway::test::{Journal, Pen, TestClock, Watchdog};
use ringway::{ChildType, Node};

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

    fn sleeper(&self) -> impl FnMut() -> Sleeper + Send + 'static + use<> {
        let log = self.log.clone();
        move || Sleeper(log.clone())
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

// Goal: whom a failure restarts, and in which order, for each strategy and each way to fail.
#[test]
fn strategies() {
    for (strategy, events) in [
        (Strategy::OneForOne, ".b +b"),
        (Strategy::OneForAll, ".b -c .c -a .a +a +b +c"),
        (Strategy::RestForOne, ".b -c .c +b +c"),
    ] {
        let stage = Stage::set("strategies");
        let tree = stage.tree(quick(Supervisor::with(strategy)), &["a", "b", "c"]);
        stage.expect("+a +b +c");
        for act in [Act::Panic, Act::Fail, Act::Stop] {
            let before: Vec<_> = ["a", "b", "c"].map(|name| works(&tree, name)).into();
            stage.act(&tree, "b", act);
            if act != Act::Panic {
                stage.expect("-b");
            }
            stage.expect(events);
            let restarted = before
                .iter()
                .zip(["a", "b", "c"])
                .filter(|(before, name)| works(&tree, name).id() != before.id());
            let expected = match strategy {
                Strategy::OneForOne => 1,
                Strategy::OneForAll => 3,
                Strategy::RestForOne => 2,
            };
            assert_eq!(restarted.count(), expected, "{strategy:?} {act:?}");
        }
        let children = tree.which_children();
        assert_eq!(children[1].starts, 4);
        assert_eq!(children[1].last_exit, Some(ExitReason::Normal));
        assert_eq!(children[1].kind, ChildType::Actor);
    }
}

// Goal: which ends of which kinds are restarted.
#[test]
fn kinds_of_restart() {
    let stage = Stage::set("kinds");
    let tree = quick(Supervisor::one_for_one())
        .child(Child::actor("t", stage.worker("t")).transient())
        .child(Child::actor("x", stage.worker("x")).temporary())
        .start(&stage.node)
        .wait()
        .unwrap();
    stage.expect("+t +x");
    stage.act(&tree, "t", Act::Panic);
    stage.expect(".t +t");
    stage.act(&tree, "t", Act::Stop);
    stage.expect("-t .t");
    stage.act(&tree, "x", Act::Panic);
    stage.expect(".x");
    let idle = tree.addr::<Worker>("t").within(ms(1)).wait().unwrap_err();
    assert!(matches!(idle, SuperviseError::NotRunning { .. }), "{idle}");
    tree.restart_child("t").wait().unwrap();
    stage.expect("+t");
    let gone = tree.restart_child("x").wait().unwrap_err();
    let child = "x".to_owned();
    assert_eq!(gone, SuperviseError::NoSuchChild { child });
}

// Goal: one restart too many is the end, in order, and says which child it was; who waits for it hears that.
#[test]
fn too_many_restarts_are_given_up() {
    let stage = Stage::set("intensity");
    let supervisor = quick(Supervisor::one_for_one()).intensity(2, secs(60));
    let tree = stage.tree(supervisor, &["a", "b"]);
    stage.expect("+a +b");
    for _ in 0..2 {
        stage.act(&tree, "a", Act::Panic);
        stage.expect(".a +a");
    }
    stage.act(&tree, "a", Act::Panic);
    stage.expect(".a -b .b");
    let text = "more than 2 restarts within 60s; the last to end was \"a\" (life 3): a handler panicked: as asked";
    assert_eq!(block_on(tree.closed()), ExitReason::GaveUp(text.to_owned()));
}

// Goal: a supervisor that gives up is to the one above a child that failed; both take what is below them with them.
#[test]
fn giving_up_goes_upwards() {
    let stage = Stage::set("nested");
    let (below, beside) = (stage.worker("a"), stage.worker("b"));
    let below = Arc::new(Mutex::new(below));
    let tree = quick(Supervisor::one_for_one())
        .intensity(1, secs(60))
        .child(Child::actor("b", beside))
        .child(Child::supervisor("below", move || {
            let below = Arc::clone(&below);
            quick(Supervisor::one_for_one())
                .intensity(1, secs(60))
                .child(Child::actor("a", move || below.lock().unwrap()()))
        }))
        .start(&stage.node)
        .wait()
        .unwrap();
    stage.expect("+b +a");
    for round in 0..2 {
        let nested = tree.supervisor("below").wait().unwrap();
        assert_eq!(tree.which_children()[1].kind, ChildType::Supervisor);
        stage.act(&nested, "a", Act::Panic);
        stage.expect(".a +a");
        stage.act(&nested, "a", Act::Panic);
        stage.expect(".a");
        let reason = block_on(nested.closed());
        assert!(matches!(reason, ExitReason::GaveUp(_)), "{reason}");
        if round == 0 {
            stage.expect("+a");
        }
    }
    stage.expect("-b .b");
    let reason = block_on(tree.closed());
    let ExitReason::GaveUp(text) = &reason else {
        panic!("{reason}")
    };
    assert!(
        text.contains("\"below\"") && text.contains("\"a\""),
        "both are named: {text}"
    );
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

// Goal: the address of a child follows it, by the tree and by its name; pinned, it is of one life; a child that is stopped for
// good is not waited for.
#[test]
fn addresses_after_a_restart() {
    let stage = Stage::set("addresses");
    let tree = quick(Supervisor::one_for_one())
        .child(
            Child::actor("a", stage.worker("a"))
                .name("shop/a")
                .mailbox(4),
        )
        .child(Child::actor("b", stage.worker("b")))
        .start(&stage.node)
        .wait()
        .unwrap();
    let nameless = works(&tree, "b");
    assert_eq!(nameless.follows(), Some("b"));
    let follower = works(&tree, "a");
    assert_eq!(follower.follows(), Some("shop/a"));
    let first = follower.pinned();
    stage.act(&tree, "a", Act::Panic);
    stage.act(&tree, "b", Act::Panic);
    block_on(first.closed());
    let refused = first.tell(Act::Answer).wait().unwrap_err();
    assert_eq!(refused.into_inner(), Act::Answer, "the message comes back");
    let second: Addr<Worker> = tree.addr("a").wait().unwrap();
    assert_ne!(
        second.id(),
        first.id(),
        "who knows of the end gets the next"
    );
    assert_eq!(second.ask(Act::Answer).wait().unwrap(), 7);
    let named: Addr<Worker> = stage.node.lookup("shop/a").wait().unwrap();
    assert_eq!(named, second);
    assert_eq!(tree.which_children()[0].actor, Some(second.id()));
    assert_eq!(follower.ask(Act::Answer).wait().unwrap(), 7);
    assert_eq!(follower.id(), second.id());
    block_on(nameless.closed());
    assert_eq!(nameless.ask(Act::Answer).wait().unwrap(), 7);
    for (id, addr) in [("a", &follower), ("b", &nameless)] {
        tree.stop_child(id).wait().unwrap();
        let never = addr.tell(Act::Answer).wait().unwrap_err();
        assert!(
            never
                .to_string()
                .ends_with("has ended, and is not started again"),
            "{never}"
        );
        tree.restart_child(id).wait().unwrap();
        assert_eq!(addr.ask(Act::Answer).wait().unwrap(), 7);
    }
    let wrong = tree.supervisor("a").wait().unwrap_err();
    assert!(matches!(wrong, SuperviseError::OtherType { .. }), "{wrong}");
}

// Goal: a child that does not start with its supervisor stops those before it, and the error names it.
#[test]
fn a_failed_start_is_an_error() {
    let stage = Stage::set("no-start");
    let supervisor = Supervisor::one_for_one()
        .child(Child::actor("a", stage.worker("a")))
        .child(Child::actor("b", broken))
        .child(Child::actor("c", stage.worker("c")));
    let error = supervisor.start(&stage.node).wait().unwrap_err();
    let reason = ExitReason::StartFailed("no film".to_owned());
    let child = "b".to_owned();
    assert_eq!(error, SuperviseError::StartFailed { child, reason });
    stage.expect("+a -a .a");

    let panics = Child::actor("p", || -> Worker { panic!("no parts") });
    let supervisor = Supervisor::one_for_one().child(panics);
    let error = supervisor.start(&stage.node).wait().unwrap_err();
    let reason = ExitReason::Panicked("no parts".to_owned());
    let child = "p".to_owned();
    assert_eq!(error, SuperviseError::StartFailed { child, reason });
}

/// It fails to start, and writes nothing.
fn broken() -> Worker {
    Worker {
        name: "broken",
        log: Log(Journal::new().1),
        fails_to_start: true,
    }
}

// Goal: children come and go by calls, and those that were stopped stay so.
#[test]
fn children_by_calls() {
    let stage = Stage::set("calls");
    let tree = stage.tree(quick(Supervisor::one_for_all()), &["a"]);
    stage.expect("+a");
    let b = || Child::actor("b", stage.worker("b"));
    tree.start_child(b()).wait().unwrap();
    stage.expect("+b");
    let again = tree.start_child(b()).wait().unwrap_err();
    let child = || "b".to_owned();
    assert_eq!(again, SuperviseError::Exists { child: child() });
    let runs = tree.restart_child("b").wait().unwrap_err();
    assert_eq!(runs, SuperviseError::Runs { child: child() });
    tree.stop_child("b").wait().unwrap();
    stage.expect("-b .b");
    assert_eq!(tree.which_children()[1].state, ChildState::Stopped);
    stage.act(&tree, "a", Act::Panic);
    stage.expect(".a +a");
    works(&tree, "a");
    tree.restart_child("b").wait().unwrap();
    stage.expect("+b");
    stage.act(&tree, "a", Act::Panic);
    stage.expect(".a -b .b +a +b");
    tree.remove_child("b").wait().unwrap();
    stage.expect("-b .b");
    assert_eq!(tree.count_children().known, 1);
    tree.start_child(b()).wait().unwrap();
    stage.expect("+b");
    let broken = Child::actor("c", broken);
    let failed = tree.start_child(broken).wait().unwrap_err();
    assert!(
        matches!(&failed, SuperviseError::StartFailed { child, .. } if child == "c"),
        "{failed}"
    );
    assert_eq!(tree.count_children().known, 2, "it is forgotten");
}

// Goal: a child that does not stop in time is killed, and those before it have their turn all the same.
#[test]
fn a_child_that_hangs_is_killed() {
    let stage = Stage::set("hangs");
    let tree = Supervisor::one_for_one()
        .child(Child::actor("a", stage.worker("a")))
        .child(Child::actor("b", stage.worker("b")).stop_within(ms(10)))
        .start(&stage.node)
        .wait()
        .unwrap();
    stage.expect("+a +b");
    let hanging = works(&tree, "b");
    stage.act(&tree, "b", Act::Hang);
    tree.stop();
    assert_eq!(block_on(tree.closed()), ExitReason::Stopped);
    assert_eq!(block_on(hanging.closed()), ExitReason::StopTimeout);
    stage.expect(".b -a .a");
}

/// Watches a tree.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
struct Begin;

#[derive(Actor)]
#[actor(handles(Begin, Down))]
struct Watcher {
    tree: Tree,
    downs: Pen<Down>,
}

impl Handler<Begin> for Watcher {
    async fn handle(&mut self, _: Begin, cx: &mut Context<Self>) {
        cx.monitor(&self.tree);
    }
}

impl Handler<Down> for Watcher {
    async fn handle(&mut self, down: Down, _cx: &mut Context<Self>) {
        self.downs.write(down);
    }
}

// Goal: a supervisor can be monitored like an actor.
#[test]
fn a_supervisor_can_be_monitored() {
    let stage = Stage::set("monitored");
    let supervisor = quick(Supervisor::one_for_one()).intensity(0, secs(1));
    let tree = stage.tree(supervisor, &["a"]);
    let (told, downs) = Journal::new();
    let watcher = Watcher {
        tree: tree.clone(),
        downs,
    };
    let watcher = stage.node.spawn(watcher).unwrap();
    watcher.ask(Begin).wait().unwrap();
    stage.act(&tree, "a", Act::Panic);
    let down = told.next().wait();
    assert_eq!(down.who, tree.id());
    assert!(matches!(down.reason, ExitReason::GaveUp(_)));
}

/// It panics as it is dropped.
struct Grudge;

impl Drop for Grudge {
    fn drop(&mut self) {
        panic!("a grudge");
    }
}

// Goal: what a program gives a supervisor may panic as it is dropped; then all below it is dead before its end is told.
#[test]
fn a_supervisor_that_panics_leaves_nothing() {
    let stage = Stage::set("grudge");
    let (mut b, grudge) = (stage.worker("b"), Grudge);
    let tree = Supervisor::one_for_one()
        .child(Child::actor("a", stage.worker("a")))
        .child(Child::actor("b", move || {
            let _held = &grudge;
            b()
        }))
        .start(&stage.node)
        .wait()
        .unwrap();
    stage.expect("+a +b");
    let first = works(&tree, "a");
    let error = tree.remove_child("b").wait().unwrap_err();
    assert!(matches!(error, SuperviseError::Ended(_)), "{error}");
    let reason = ExitReason::Panicked("a grudge".to_owned());
    assert_eq!(block_on(tree.closed()), reason);
    assert!(first.is_closed());
    stage.expect("-b .b .a");
    assert_eq!(
        stage.node.spawn((stage.worker("c"))()).map(|_| ()).ok(),
        Some(()),
        "its node goes on"
    );
    stage.expect("+c");
}

// Goal: a start that is given up stops what has started, in order.
#[test]
fn a_start_can_be_given_up() {
    let stage = Stage::set("given-up");
    let supervisor = Supervisor::one_for_one()
        .child(Child::actor("a", stage.worker("a")))
        .child(Child::actor("s", stage.sleeper()).start_within(secs(100)));
    let mut start = Box::pin(supervisor.start(&stage.node).into_future());
    block_on(async {
        assert!(futures::poll!(&mut start).is_pending());
    });
    stage.expect("+a ~s");
    drop(start);
    stage.expect("-a .a");
}

/// It never has started.
#[derive(Actor)]
#[actor(handles(Begin), hooks)]
struct Sleeper(Log);

impl Hooks for Sleeper {
    async fn started(&mut self, _cx: &mut Context<Self>) -> Result<(), BoxError> {
        self.0.note("~", "s");
        pending().await
    }
}

impl Handler<Begin> for Sleeper {
    async fn handle(&mut self, _: Begin, _cx: &mut Context<Self>) {}
}

// Goal: a start takes no longer than it may.
#[test]
fn a_start_that_takes_too_long_fails() {
    let stage = Stage::set("late");
    let supervisor =
        Supervisor::one_for_one().child(Child::actor("s", stage.sleeper()).start_within(ms(10)));
    let error = supervisor.start(&stage.node).wait().unwrap_err();
    let reason = ExitReason::StartFailed("it was not ready within 10ms".to_owned());
    let child = "s".to_owned();
    assert_eq!(error, SuperviseError::StartFailed { child, reason });
}

// Goal: copies are children of their own: started and stopped in order, found by number, each restarted alone; refinements may
// come before or after.
#[test]
fn copies_are_children_of_their_own() {
    let stage = Stage::set("copies");
    let tree = quick(Supervisor::one_for_one())
        .child(
            Child::actor("a", stage.worker("a"))
                .copies(3)
                .name("shop/a")
                .mailbox(4),
        )
        .child(Child::actor("none", stage.worker("none")).copies(0))
        .start(&stage.node)
        .wait()
        .unwrap();
    stage.expect("+a +a +a");
    let ids: Vec<_> = tree.which_children().into_iter().map(|it| it.id).collect();
    assert_eq!(ids, ["a/0", "a/1", "a/2"]);
    let copies = block_on(tree.copies::<Worker>("a")).unwrap();
    let lives: Vec<_> = copies.iter().map(Addr::id).collect();
    assert_eq!(copies.len(), 3);
    for (index, copy) in copies.iter().enumerate() {
        assert_eq!(copy.follows(), Some(format!("shop/a/{index}").as_str()));
        assert_eq!(*copy, tree.copy("a", index).wait().unwrap());
    }
    stage.act(&tree, "a/1", Act::Panic);
    stage.expect(".a +a");
    let after = block_on(tree.copies::<Worker>("a")).unwrap();
    let stays = after
        .iter()
        .zip(&lives)
        .map(|(copy, life)| copy.id() == *life);
    assert_eq!(stays.collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(after, copies, "they follow the same");
    let none = block_on(tree.copies::<Worker>("none")).unwrap();
    assert!(none.is_empty());
    let unknown = tree.copy::<Worker>("a", 3).wait().unwrap_err();
    let child = "a/3".to_owned();
    assert_eq!(unknown, SuperviseError::NoSuchChild { child });
    let more = Child::actor("b", stage.worker("b")).copies(2);
    let refused = tree.start_child(more).wait().unwrap_err();
    let child = "b".to_owned();
    assert_eq!(refused, SuperviseError::Copies { child });
    assert_eq!(tree.count_children().known, 3);
}

impl Stage {
    /// The same on a node that goes by a clock of the test's.
    fn timed(name: &str) -> (Self, TestClock) {
        let mut stage = Self::set(name);
        let clock = TestClock::new();
        let config = stage._bus.config("timed").clock(&clock);
        stage.node = Node::attach(config).unwrap();
        (stage, clock)
    }

    fn has_events(&self) -> bool {
        self.events.try_next().is_some()
    }
}

// Goal: pauses double from failure to failure up to the longest, each a fifth more or less; one that has lived for as long as the
// window begins anew.
#[test]
fn pauses_grow_and_begin_anew() {
    let (stage, clock) = Stage::timed("pauses");
    let supervisor = Supervisor::one_for_one()
        .intensity(100, secs(600))
        .backoff(secs(10)..secs(80));
    let tree = stage.tree(supervisor, &["a"]);
    stage.expect("+a");
    for pause in [10, 20, 40, 80, 80, 10] {
        if pause == 10 {
            clock.advance(secs(600)).wait();
        }
        stage.act(&tree, "a", Act::Panic);
        stage.expect(".a");
        clock.advance(secs(pause * 8 / 10 - 1)).wait();
        assert!(!stage.has_events(), "after {pause} s, too early");
        clock.advance(secs(pause * 4 / 10 + 2)).wait();
        stage.expect("+a");
    }
}

// Goal: restarts count for as long as the window is, and no longer.
#[test]
fn restarts_are_forgiven_in_time() {
    let (stage, clock) = Stage::timed("window");
    let supervisor = Supervisor::one_for_one()
        .intensity(2, secs(60))
        .backoff(ms(0)..ms(0))
        .contained();
    let tree = stage.tree(supervisor, &["a"]);
    stage.expect("+a");
    for _ in 0..5 {
        stage.act(&tree, "a", Act::Panic);
        stage.expect(".a +a");
        clock.advance(secs(31)).wait();
    }
    for events in [".a +a", ".a"] {
        stage.act(&tree, "a", Act::Panic);
        stage.expect(events);
    }
    assert!(matches!(block_on(tree.closed()), ExitReason::GaveUp(_)));
}

// Goal: a child that does not stop is killed after its time, and not before.
#[test]
fn a_child_has_its_time_to_stop() {
    let (stage, clock) = Stage::timed("time-to-stop");
    let child = Child::actor("a", stage.worker("a")).stop_within(secs(3600));
    let tree = Supervisor::one_for_one().child(child).start(&stage.node);
    let tree = tree.wait().unwrap();
    stage.expect("+a");
    stage.act(&tree, "a", Act::Hang);
    clock.advance(secs(0)).wait(); // now it hangs
    tree.stop();
    clock.advance(secs(3599)).wait();
    assert!(!stage.has_events());
    clock.advance(secs(1)).wait();
    stage.expect(".a");
    assert_eq!(block_on(tree.closed()), ExitReason::Stopped);
}
