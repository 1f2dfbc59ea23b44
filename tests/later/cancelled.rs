//! Handlers that notice that their askers have given up.

use futures::poll;
use ringway::prelude::*;

use crate::desk::{Do, Event, Settle, open, question};
use crate::support::stage::{both, both_by_clock};

// Goal: a handler is woken when its asker drops the ask, here and far, also while all sleep.
#[test]
fn a_handler_hears_that_its_asker_gave_up() {
    both("cancelled", |stage| {
        let (desk, events) = open(stage, "desk");
        block_on(async {
            for number in 0..20 {
                let mut ask = desk.ask(question(number, Do::Watch));
                assert!(poll!(&mut ask).is_pending());
                assert_eq!(events.recv().unwrap(), Event::Began(number));
                if number % 5 == 0 {
                    // Long enough for both nodes to fall asleep.
                    let pause = desk.ask(question(100, Do::Keep)).deadline(ms(20)).await;
                    assert!(pause.is_err());
                }
                drop(ask);
                assert_eq!(events.recv().unwrap(), Event::GaveUp(number));
                assert_eq!(events.recv().unwrap(), Event::Ended(number));
            }
        });
    });
}

// Goal: it is woken, too, when its asker's deadline has passed.
#[test]
fn a_handler_hears_that_nobody_waits_any_longer() {
    both_by_clock("cancelled-late", |stage, clock| {
        let (desk, events) = open(stage, "desk");
        block_on(async {
            let mut late = desk.ask(question(30, Do::Watch)).deadline(ms(20));
            assert!(poll!(&mut late).is_pending());
            assert_eq!(events.recv().unwrap(), Event::Began(30));
            clock.advance(ms(20)).await;
            let late = late.await;
            assert!(matches!(late, Err(AskError::Deadline { .. })), "{late:?}");
            assert_eq!(events.recv().unwrap(), Event::GaveUp(30));
        });
    });
}

// Goal: who has the way back can tell that it would answer in vain, before and after the handler has ended.
#[test]
fn who_is_to_answer_can_tell() {
    both("cancelled-later", |stage| {
        let (desk, _events) = open(stage, "desk");
        block_on(async {
            let mut kept = desk.ask(question(1, Do::Keep));
            let mut other = desk.ask(question(2, Do::Keep));
            assert!(poll!(&mut kept).is_pending());
            assert!(poll!(&mut other).is_pending());
            assert_eq!(desk.ask(Settle::Cancelled).await.unwrap(), 0);
            drop(kept);
            assert_eq!(desk.ask(Settle::Cancelled).await.unwrap(), 1);
            desk.tell(Settle::Answer(3)).await.unwrap();
            assert_eq!(other.await.unwrap(), "3");
        });
    });
}
