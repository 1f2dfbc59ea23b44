//! Children that hang, starts that do not end, and a supervisor that panics itself.

use std::future::pending;

use ringway::prelude::*;
use ringway::test::{Journal, Pen};

use super::{Act, Log, Stage, quick, works};

/// Watches a tree.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
struct Begin;

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

impl Stage {
    fn sleeper(&self) -> impl FnMut() -> Sleeper + Send + 'static + use<> {
        let log = self.log.clone();
        move || Sleeper(log.clone())
    }
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
