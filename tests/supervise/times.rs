//! Pauses, windows and ladders, by a clock of the test's.

use ringway::Node;
use ringway::prelude::*;
use ringway::test::TestClock;

use super::{Act, Stage};

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
