//! Answers that are given after the handler has ended, by the actor or by another.

use std::sync::mpsc::Receiver;

use futures::poll;
use ringway::prelude::*;

use crate::desk::{Desk, Do, Errand, Event, Settle, desk, open, question};
use crate::support::stage::both;
use crate::support::{Bus, watch};

// Goal: whoever has the way back answers, once, with a reply, an error or nothing; the actor works on meanwhile.
#[test]
fn an_answer_comes_later() {
    both("later", |stage| {
        let (desk, _events) = open(stage, "desk");
        block_on(async {
            let mut first = desk.ask(question(1, Do::Keep));
            let mut second = desk.ask(question(2, Do::Keep));
            assert!(poll!(&mut first).is_pending());
            assert!(poll!(&mut second).is_pending());
            assert_eq!(desk.ask(question(3, Do::Answer)).await.unwrap(), "3");
            assert_eq!(desk.ask(Settle::Count).await.unwrap(), 2);
            assert!(poll!(&mut first).is_pending());
            desk.ask(Settle::Answer(7)).await.unwrap();
            assert_eq!(first.await.unwrap(), "7");
            assert_eq!(second.await.unwrap(), "7");

            let mut failed = desk.ask(question(4, Do::Keep));
            assert!(poll!(&mut failed).is_pending());
            desk.tell(Settle::Fail("no".to_owned())).await.unwrap();
            let error = failed.await.unwrap_err();
            assert!(
                matches!(&error, AskError::Handler(why) if why.text() == "no"),
                "{error}"
            );

            let mut dropped = desk.ask(question(5, Do::Keep));
            assert!(poll!(&mut dropped).is_pending());
            desk.tell(Settle::Drop).await.unwrap();
            let error = dropped.await.unwrap_err();
            assert!(matches!(error, AskError::Unanswered), "{error}");
            assert_eq!(error.to_string(), "whoever was to answer did not");
            let error = desk.ask(question(6, Do::DropEarly)).await.unwrap_err();
            assert!(matches!(error, AskError::Unanswered), "{error}");
        });
    });
}

// Goal: an answer that is there before the handler has ended goes out when that ends well, and not when it does not.
#[test]
fn an_early_answer_waits_for_its_handler() {
    both("early", |stage| {
        let (desk, _events) = open(stage, "desk");
        let early = |panics| question(1, Do::AnswerEarly { panics });
        assert_eq!(desk.ask(early(false)).wait().unwrap(), "1");
        let error = desk.ask(early(true)).wait().unwrap_err();
        let AskError::Died { taken, reason, .. } = error else {
            panic!("{error}")
        };
        assert!(taken && reason == ExitReason::Panicked("after the answer".to_owned()));
    });
}

// Goal: the actor that owes an answer takes the debt with it, wherever its asker is, and what comes then is dropped.
#[test]
fn who_owes_and_ends_is_told_of() {
    both("owes", |stage| {
        let (desk, _events) = open(stage, "desk");
        let (clerk, _clerks) = open(stage, "clerk");
        block_on(async {
            let errand = Do::Delegate(clerk.recipient());
            let mut delegated = desk.ask(question(1, errand));
            let mut kept = desk.ask(question(2, Do::Keep));
            assert!(poll!(&mut delegated).is_pending());
            assert!(poll!(&mut kept).is_pending());
            assert_eq!(desk.ask(Settle::Count).await.unwrap(), 1);
            desk.stop();
            for ask in [delegated, kept] {
                let error = ask.await.unwrap_err();
                let AskError::Died { taken, reason, .. } = error else {
                    panic!("{error}")
                };
                assert!(taken);
                assert_eq!(reason, ExitReason::Stopped);
            }
            assert_eq!(clerk.ask(Settle::Cancelled).await.unwrap(), 1);
            assert_eq!(clerk.ask(Settle::Answer(1)).await.unwrap(), 0);
        });
    });
}

// Goal: an answer that comes when nobody waits for it any more is a dead letter of the asker's node, as one that the handler gives
// itself is. What is no answer is none, nor is one that nobody ever waited for.
#[test]
fn an_answer_too_late_is_a_dead_letter() {
    both("too-late", |stage| {
        let (desk, _events) = open(stage, "desk");
        let mut letters = stage.sender().dead_letters();
        block_on(async {
            let mut given_up = desk.ask(question(1, Do::Keep));
            assert!(poll!(&mut given_up).is_pending());
            let overdue = desk.ask(question(2, Do::Keep)).deadline(ms(20)).await;
            assert!(matches!(overdue, Err(AskError::Deadline { .. })));
            assert_eq!(desk.ask(Settle::Count).await.unwrap(), 2);
            drop(given_up);
            desk.ask(Settle::Answer(7)).await.unwrap();
            for _ in 0..2 {
                let letter = letters.next().await.unwrap();
                assert_eq!(letter.reason, DeadReason::ReplyUnread);
                assert!(letter.taken);
                assert_eq!(letter.actor, desk.id());
            }
            desk.tell(question(3, Do::Keep)).await.unwrap();
            desk.ask(Settle::Answer(7)).await.unwrap();
            let mut given_up = desk.ask(question(4, Do::Keep));
            assert!(poll!(&mut given_up).is_pending());
            assert_eq!(desk.ask(Settle::Count).await.unwrap(), 1);
            drop(given_up);
            desk.ask(Settle::Fail("no".to_owned())).await.unwrap();
            desk.ask(Settle::Count).await.unwrap();
            assert!(letters.try_next().is_none());
        });
    });
}

// Goal: a message that was told has nobody to answer to, which troubles nobody.
#[test]
fn what_was_told_needs_no_answer() {
    both("told", |stage| {
        let (desk, _events) = open(stage, "desk");
        block_on(async {
            for what in [
                Do::Keep,
                Do::Answer,
                Do::DropEarly,
                Do::AnswerEarly { panics: false },
            ] {
                desk.tell(question(1, what)).await.unwrap();
            }
            assert_eq!(desk.ask(Settle::Cancelled).await.unwrap(), 1);
            assert_eq!(desk.ask(Settle::Answer(1)).await.unwrap(), 0);
            let (next, _nexts) = open(stage, "next");
            let mut sent_on = question(2, Do::Keep);
            sent_on.way.push(next.recipient());
            desk.tell(sent_on).await.unwrap();
            desk.ask(Settle::Count).await.unwrap();
            assert_eq!(next.ask(Settle::Count).await.unwrap(), 1);
        });
    });
}

// Goal: a way back that travels in messages answers from wherever it comes to: from a third node, from the asker's, and
// from home again.
#[test]
fn a_way_back_travels() {
    both("travels", |stage| {
        let (desk, _events) = open(stage, "desk");
        let third = stage.bus().attach("third");
        let (_own, clerks) = desk_on(&third, "clerk");
        let clerk: Addr<Desk> = stage.sender().lookup("clerk").wait().unwrap();
        block_on(async {
            let delegate = |number| question(number, Do::Delegate(clerk.recipient()));
            // Answered, failed, dropped.
            for (number, settle) in [
                (1, Settle::Answer(9)),
                (2, Settle::Fail("no".to_owned())),
                (3, Settle::Drop),
            ] {
                let mut ask = desk.ask(delegate(number));
                assert!(poll!(&mut ask).is_pending());
                assert_eq!(clerks.recv().unwrap(), Event::Began(number));
                clerk.ask(settle).await.unwrap();
                let answer = ask.await;
                match number {
                    1 => assert_eq!(answer.unwrap(), "9"),
                    2 => assert!(
                        matches!(&answer, Err(AskError::Handler(why)) if why.text() == "no")
                    ),
                    _ => assert!(matches!(answer, Err(AskError::Unanswered)), "{answer:?}"),
                }
            }
            // A node that leaves with it.
            let mut ask = desk.ask(delegate(4));
            assert!(poll!(&mut ask).is_pending());
            assert_eq!(clerks.recv().unwrap(), Event::Began(4));
            third.detach();
            let error = ask.await.unwrap_err();
            assert!(
                matches!(
                    &error,
                    AskError::Unanswered | AskError::Died { taken: true, .. }
                ),
                "{error}"
            );
        });
    });
}

// Goal: a way back that comes home in a message that nobody took is what it was.
#[test]
fn a_way_back_comes_back() {
    let _dog = watch();
    let bus = Bus::new("comes-back");
    let (home, other) = (bus.attach("home"), bus.attach("other"));
    let (own, _owns) = desk_on(&home, "desk");
    let (closed, events) = desk_on(&other, "closed");
    let far: Addr<Desk> = home.lookup("closed").wait().unwrap();
    let far = far.pinned();
    block_on(async {
        // The handler of the first message runs until it is killed; the errand is never taken.
        far.tell(question(1, Do::Keep)).await.unwrap();
        let mut watched = far.ask(question(2, Do::Watch));
        assert!(poll!(&mut watched).is_pending());
        assert_eq!(events.recv().unwrap(), Event::Began(1));
        while events.recv().unwrap() != Event::Began(2) {}
        let mut ask = own.ask(question(3, Do::Delegate(far.recipient())));
        assert!(poll!(&mut ask).is_pending());
        assert_eq!(own.ask(Settle::Count).await.unwrap(), 0);
        closed.kill();
        let mut undelivered = far.undelivered::<Errand>();
        let back = undelivered.next().await.unwrap();
        assert!(!back.taken);
        let errand = back.message.unwrap().into_value().unwrap();
        errand.reply_to.send("home".to_owned());
        assert_eq!(ask.await.unwrap(), "home");
    });
}

fn desk_on(node: &Node, name: &str) -> (Addr<Desk>, Receiver<Event>) {
    let (actor, events) = desk(None);
    (node.actor(actor).name(name).spawn().unwrap(), events)
}
