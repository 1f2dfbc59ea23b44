//! What is asked of a running supervisor: children by name, by copies, and their addresses.

use ringway::prelude::*;
use ringway::test::Journal;

use super::{Act, Log, Stage, Worker, quick, works};

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
