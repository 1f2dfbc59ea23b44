//! The order of handling: what overtakes what, and for how long.

use futures::poll;
use ringway::prelude::*;

use super::{IN_ROW, handles, held, release, tell};
use crate::support::probe::Event::{Began, Ended, Started};
use crate::support::probe::{Hold, Note, Text, probe};
use crate::support::stage::both;

// Goal: what has high priority overtakes all that waits, told, asked or told in a batch, each priority in the order in which
// it was sent.
#[test]
fn high_overtakes_what_waits() {
    both("priorities-overtake", |stage| {
        let (probe, watcher) = held(stage, 64, Overflow::Wait);
        block_on(async {
            tell(&probe, Priority::Normal, 1..=3).await;
            let mut late = Box::pin(probe.ask(Note { number: 4 }));
            assert!(poll!(&mut late).is_pending());
            tell(&probe, High, [11, 12]).await;
            let text = Text {
                number: 13,
                text: "x".repeat(3000),
            };
            let mut soon = Box::pin(probe.ask(text).priority(High));
            assert!(poll!(&mut soon).is_pending());
            let batch = (14..=15).map(|number| Note { number });
            probe.tell_all(batch).priority(High).await.unwrap();
            tell(&probe, Priority::Normal, [5]).await;
            release(&watcher, 0);
            handles(&watcher, 11..=15);
            handles(&watcher, 1..=5);
            assert_eq!(soon.await.unwrap().len(), 3000);
            assert_eq!(late.await.unwrap(), 4);
        });
    });
}

// Goal: nothing starves: after so many of high priority in a row, one of normal priority that waits has its turn, and no more
// than one.
#[test]
fn normal_ones_have_their_turn() {
    both("priorities-starve", |stage| {
        let (probe, watcher) = held(stage, 64, Overflow::Wait);
        block_on(async {
            // The second hold has the first lane scheduled: what lies there is known to the actor.
            probe.tell(Hold { number: 1 }).await.unwrap();
            tell(&probe, Priority::Normal, 2..=4).await;
            release(&watcher, 0);
            watcher.expect(Began(1));
            tell(&probe, High, 100..100 + 2 * IN_ROW + 5).await;
        });
        release(&watcher, 1);
        handles(&watcher, 100..100 + IN_ROW);
        handles(&watcher, [2]);
        handles(&watcher, 100 + IN_ROW..100 + 2 * IN_ROW);
        handles(&watcher, [3]);
        handles(&watcher, 100 + 2 * IN_ROW..100 + 2 * IN_ROW + 5);
        handles(&watcher, [4]);
    });
}

// Goal: with nothing else to do, more than so many of high priority follow each other.
#[test]
fn high_ones_need_no_others_between() {
    both("priorities-alone", |stage| {
        let (probe, watcher) = held(stage, 64, Overflow::Wait);
        block_on(tell(&probe, High, 1..=3 * IN_ROW));
        release(&watcher, 0);
        handles(&watcher, 1..=3 * IN_ROW);
    });
}

// Goal: an actor of senders here and elsewhere takes from both in turn, of each priority: neither starves the other, whichever of
// them sends what is urgent. Method: more of each than go in a row.
#[test]
fn here_and_elsewhere_take_turns() {
    let _dog = crate::support::watch();
    let bus = crate::support::Bus::new("priorities-turns");
    let (home, other) = (bus.attach("home"), bus.attach("other"));
    let (actor, watcher) = probe();
    let here = home.actor(actor).name("probe").spawn().unwrap();
    let there: Addr<_> = other.lookup("probe").wait().unwrap();
    watcher.expect(Started);
    block_on(async {
        let first = Note { number: 1000 };
        there.ask(first).priority(High).await.unwrap();
        handles(&watcher, [1000]);
        here.tell(Hold { number: 0 }).await.unwrap();
        watcher.expect(Began(0));
        there.tell(Hold { number: 1 }).await.unwrap();
        tell(&there, Priority::Normal, 200..220).await;
        release(&watcher, 0);
        watcher.expect(Began(1));
        tell(&here, Priority::Normal, 300..320).await;
        tell(&here, High, 400..440).await;
        tell(&there, High, 500..540).await;
    });
    release(&watcher, 1);
    let handled: Vec<u64> = (0..120)
        .map(|_| match (watcher.next(), watcher.next()) {
            (Began(number), Ended(ended)) if number == ended => number,
            other => panic!("{other:?}"),
        })
        .collect();
    // While there is something of all four, each has its share.
    let (start, mut counts) = (&handled[..4 * 17], [0; 6]);
    for number in start {
        counts[usize::try_from(number / 100).unwrap()] += 1;
    }
    assert_eq!(counts, [0, 0, 2, 2, 32, 32], "{handled:?}");
}
