//! Deadlines and cancelled asks: what was not begun is not begun any more, what was begun goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use futures::FutureExt as _;
use futures::future::{FusedFuture as _, join_all};
use futures::poll;
use ringway::prelude::*;

use crate::support::probe::Event::{Abandoned, Began, Ended};
use crate::support::probe::{Hold, Note, Text};
use crate::support::stage::{both, both_by_clock};

// Goal: an ask whose deadline passes before its handler begins is answered so, and never begun.
#[test]
fn expired_asks_are_not_begun() {
    both("deadline", |stage| {
        let (probe, watcher) = stage.probe();
        block_on(async {
            probe.tell(Hold { number: 1 }).await.unwrap();
            watcher.expect(Began(1));
            let error = probe
                .ask(Note { number: 2 })
                .deadline(ms(30))
                .await
                .unwrap_err();
            let AskError::Deadline { waited } = error else {
                panic!("{error}")
            };
            assert!(waited >= ms(30), "{waited:?}");
            assert!(error.to_string().starts_with("no reply within "), "{error}");
            let long = Text {
                number: 3,
                text: "x".repeat(5_000),
            };
            // Before its block's segment is mapped over there, the deadline passes with the message still here.
            let error = probe.ask(long).deadline(ms(1)).await.unwrap_err();
            let waited = match &error {
                AskError::Deadline { waited }
                | AskError::Unsent(SendError::Deadline { waited, .. }) => *waited,
                _ => panic!("{error}"),
            };
            assert!(waited >= ms(1), "{waited:?}");
            watcher.open_gate();
            assert_eq!(probe.ask(Note { number: 4 }).await.unwrap(), 4);
        });
        watcher.expect(Ended(1));
        watcher.expect(Began(4));
    });
}

// Goal: the actor may find that the deadline has passed before the asker does; the error says how long it was.
#[test]
fn the_wait_is_told_whoever_finds_it_over() {
    both("deadline-told", |stage| {
        let (probe, watcher) = stage.probe();
        block_on(async {
            probe.tell(Hold { number: 1 }).await.unwrap();
            watcher.expect(Began(1));
            let mut ask = Box::pin(probe.ask(Note { number: 2 }).deadline(ms(20)));
            assert!(poll!(&mut ask).is_pending());
            // Nobody looks at the first ask until its deadline has passed for sure.
            let late = probe.ask(Note { number: 3 }).deadline(ms(40)).await;
            assert!(matches!(late, Err(AskError::Deadline { .. })), "{late:?}");
            watcher.open_gate();
            assert_eq!(probe.ask(Note { number: 4 }).await.unwrap(), 4);
            let error = ask.await.unwrap_err();
            let AskError::Deadline { waited } = error else {
                panic!("{error}")
            };
            assert!(waited >= ms(40) && waited != secs(5), "{waited:?}");
        });
    });
}

// Goal: a deadline that passes while the handler runs ends the ask, and not the handler.
#[test]
fn a_deadline_does_not_interrupt() {
    both_by_clock("deadline-late", |stage, clock| {
        let (probe, watcher) = stage.probe();
        block_on(async {
            let mut ask = Box::pin(probe.ask(Hold { number: 1 }).deadline(ms(20)));
            assert!(poll!(&mut ask).is_pending());
            watcher.expect(Began(1));
            clock.advance(ms(20)).await;
            let error = ask.await.unwrap_err();
            assert!(matches!(error, AskError::Deadline { .. }), "{error}");
        });
        watcher.open_gate();
        watcher.expect(Ended(1));
        assert_eq!(probe.ask(Note { number: 2 }).wait().unwrap(), 2);
    });
}

// Goal: dropping an ask cancels it where its handler has not begun.
#[test]
fn dropped_asks_are_not_begun() {
    both("dropped", |stage| {
        let (probe, watcher) = stage.probe();
        block_on(async {
            probe.tell(Hold { number: 1 }).await.unwrap();
            watcher.expect(Began(1));
            let mut small = Box::pin(probe.ask(Note { number: 2 }));
            let long = Text {
                number: 3,
                text: "x".repeat(5_000),
            };
            let mut large = Box::pin(probe.ask(long));
            assert!(poll!(&mut small).is_pending());
            assert!(poll!(&mut large).is_pending());
            drop((small, large));
            watcher.open_gate();
            assert_eq!(probe.ask(Note { number: 4 }).await.unwrap(), 4);
        });
        watcher.expect(Ended(1));
        watcher.expect(Began(4));
    });
}

// Goal: dropping an ask does not interrupt its handler.
#[test]
fn a_dropped_ask_does_not_interrupt() {
    both("dropped-late", |stage| {
        let (probe, watcher) = stage.probe();
        block_on(async {
            let mut ask = Box::pin(probe.ask(Hold { number: 1 }));
            assert!(poll!(&mut ask).is_pending());
            watcher.expect(Began(1));
            drop(ask);
            watcher.open_gate();
            let next = watcher.next();
            assert_ne!(next, Abandoned(1));
            assert_eq!(next, Ended(1));
            assert_eq!(probe.ask(Note { number: 2 }).await.unwrap(), 2);
        });
    });
}

// Goal: an ask that is never awaited, and one that was never polled, send nothing.
#[test]
fn unpolled_asks_send_nothing() {
    both("unpolled", |stage| {
        let (probe, watcher) = stage.probe();
        drop(probe.ask(Note { number: 1 }));
        drop(probe.ask(Note { number: 2 }));
        drop(probe.tell(Note { number: 3 }));
        assert_eq!(probe.ask(Note { number: 4 }).wait().unwrap(), 4);
        watcher.expect(Began(4));
    });
}

// Goal: asks and tells are futures as they are, do nothing until they are polled, and count their deadlines from then.
#[test]
fn asks_and_tells_are_futures() {
    both("futures", |stage| {
        let (probe, watcher) = stage.probe();
        block_on(async {
            let asks = (1..=3).map(|number| probe.ask(Note { number }));
            for (reply, number) in join_all(asks).await.into_iter().zip(1..) {
                assert_eq!(reply.unwrap(), number);
            }
            let tells = (4..=5).map(|number| probe.tell(Note { number }));
            assert!(join_all(tells).await.into_iter().all(|told| told.is_ok()));
            let mut small = probe.ask(Note { number: 6 });
            let mut never = probe.ask(Note { number: 7 });
            let reply = futures::select_biased! {
                reply = small => reply.unwrap(),
                () = futures::future::ready(()) => (&mut small).await.unwrap(),
            };
            assert_eq!(reply, 6);
            assert!(small.is_terminated() && !never.is_terminated());
            let again = catch_unwind(AssertUnwindSafe(|| (&mut small).now_or_never()));
            assert!(again.is_err(), "polled after it was ready");

            probe.tell(Hold { number: 8 }).await.unwrap();
            for number in 1..=6 {
                watcher.expect(Began(number));
                watcher.expect(Ended(number));
            }
            watcher.expect(Began(8)); // what was never polled was not sent
            never = never.deadline(ms(60));
            let late = probe.ask(Note { number: 9 }).deadline(ms(100)).await;
            assert!(matches!(late, Err(AskError::Deadline { .. })), "{late:?}");
            let polled = Instant::now();
            let late = never.await;
            assert!(matches!(late, Err(AskError::Deadline { .. })), "{late:?}");
            assert!(polled.elapsed() >= ms(60), "it counts from the first poll");
            watcher.open_gate();
            assert_eq!(probe.ask(Note { number: 10 }).await.unwrap(), 10);
        });
    });
}
