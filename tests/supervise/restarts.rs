//! Which children are started again, how often, and what it means to give up.

use std::sync::{Arc, Mutex};

use ringway::ChildType;
use ringway::prelude::*;

use super::{Act, Stage, Worker, quick, works};

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
