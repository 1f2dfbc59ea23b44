//! Messages that are sent on, and answered by who gets them.

use std::sync::mpsc::{Receiver, channel};

use futures::poll;
use ringway::prelude::*;

use crate::desk::{Bytes, Desk, Do, Event, Question, Settle, desk, open, question};
use crate::support::stage::{Stage, both, both_by_clock};
use crate::support::{Bus, watch};

/// A desk on a node of its own, as the stage's sender has it.
fn elsewhere(stage: &Stage, name: &str) -> (Node, Addr<Desk>, Receiver<Event>) {
    elsewhere_with(stage, name, |config| config)
}

fn elsewhere_with(
    stage: &Stage,
    name: &str,
    configure: impl FnOnce(NodeConfig) -> NodeConfig,
) -> (Node, Addr<Desk>, Receiver<Event>) {
    let node = Node::attach(configure(stage.bus().config(name))).unwrap();
    let (actor, events) = desk(None);
    node.actor(actor).name(name).spawn().unwrap();
    let addr: Addr<Desk> = stage.sender().lookup(name).wait().unwrap();
    let addr = addr.pinned();
    (node, addr, events)
}

fn forward(number: u64, to: &Addr<Desk>, what: Do) -> Question {
    let way = vec![to.recipient()];
    Question { number, way, what }
}

// Goal: the asker hears of the receiver's answer as if it had asked there, over one hop or two, on one node or three.
#[test]
fn the_receiver_answers() {
    both("forward", |stage| {
        let (desk, _events) = open(stage, "desk");
        let (near, _nears) = open(stage, "near");
        let (_third, far, _fars) = elsewhere(stage, "far");
        block_on(async {
            for next in [&near, &far] {
                assert_eq!(desk.ask(forward(1, next, Do::Answer)).await.unwrap(), "1");
                let error = desk.ask(forward(2, next, Do::Fail)).await.unwrap_err();
                assert!(
                    matches!(&error, AskError::Handler(why) if why.text() == "as asked"),
                    "{error}"
                );
                let error = desk.ask(forward(3, next, Do::DropEarly)).await.unwrap_err();
                assert!(matches!(error, AskError::Unanswered), "{error}");
            }
            let mut twice = forward(4, &far, Do::Answer);
            twice.way.push(near.recipient());
            assert_eq!(desk.ask(twice).await.unwrap(), "4");
            // Later, and from there.
            let mut kept = desk.ask(forward(5, &far, Do::Keep));
            assert!(poll!(&mut kept).is_pending());
            while far.ask(Settle::Count).await.unwrap() == 0 {}
            far.tell(Settle::Answer(6)).await.unwrap();
            assert_eq!(kept.await.unwrap(), "6");
        });
    });
}

// Goal: who drops what `forward` gave answers itself.
#[test]
fn a_handler_may_answer_itself_after_all() {
    both("forward-and-answer", |stage| {
        let (desk, _events) = open(stage, "desk");
        let (next, nexts) = open(stage, "next");
        let both = question(1, Do::ForwardAndAnswer(next.recipient()));
        assert_eq!(desk.ask(both).wait().unwrap(), "1");
        assert_eq!(nexts.recv().unwrap(), Event::Began(2));
    });
}

// Goal: the asker hears how the receiver died, once, and that of one that was dead already the message was not sent on.
#[test]
fn deaths_on_the_way_are_told() {
    both("forward-deaths", |stage| {
        let (desk, _events) = open(stage, "desk");
        let (near, _nears) = open(stage, "near");
        let (_third, far, _fars) = elsewhere(stage, "far");
        block_on(async {
            for next in [near, far] {
                let error = desk.ask(forward(1, &next, Do::Panic)).await.unwrap_err();
                let AskError::Died {
                    taken,
                    message,
                    reason,
                } = error
                else {
                    panic!("{error}")
                };
                assert!(taken && message.is_none());
                assert_eq!(reason, ExitReason::Panicked("as asked".to_owned()));
                next.closed().await;
                let error = desk.ask(forward(2, &next, Do::Answer)).await.unwrap_err();
                let is_told = match &error {
                    AskError::Handler(why) => why.text().starts_with("the receiver "),
                    // Found on the way, after it had been sent on.
                    AskError::Died { taken, .. } => *taken,
                    _ => false,
                };
                assert!(is_told, "{error}");
            }
            // The desk itself, which owes the answer.
            let (other, _others) = open(stage, "other");
            let mut kept = desk.ask(forward(3, &other, Do::Keep));
            assert!(poll!(&mut kept).is_pending());
            while other.ask(Settle::Count).await.unwrap() == 0 {}
            desk.kill();
            let error = kept.await.unwrap_err();
            assert!(
                matches!(
                    &error,
                    AskError::Died {
                        taken: true,
                        reason: ExitReason::Killed,
                        ..
                    }
                ),
                "{error}"
            );
            // The other hears of it as of any asker that gives up.
            while other.ask(Settle::Cancelled).await.unwrap() == 0 {}
        });
    });
}

// Goal: the deadline and the giving up go along.
#[test]
fn the_asker_can_give_up() {
    both_by_clock("forward-given-up", |stage, clock| {
        let (desk, _events) = open(stage, "desk");
        let (near, nears) = open(stage, "near");
        let (_third, far, fars) = elsewhere_with(stage, "far", |config| config.clock(clock));
        block_on(async {
            for (next, events) in [(near, nears), (far, fars)] {
                let mut ask = desk.ask(forward(1, &next, Do::Watch));
                assert!(poll!(&mut ask).is_pending());
                assert_eq!(events.recv().unwrap(), Event::Began(1));
                drop(ask);
                assert_eq!(events.recv().unwrap(), Event::GaveUp(1));
                assert_eq!(events.recv().unwrap(), Event::Ended(1));
                let mut late = desk.ask(forward(2, &next, Do::Watch)).deadline(ms(30));
                assert!(poll!(&mut late).is_pending());
                assert_eq!(events.recv().unwrap(), Event::Began(2));
                clock.advance(ms(30)).await;
                let error = late.await.unwrap_err();
                assert!(matches!(error, AskError::Deadline { .. }), "{error}");
                assert_eq!(events.recv().unwrap(), Event::GaveUp(2));
                assert_eq!(events.recv().unwrap(), Event::Ended(2));
            }
        });
    });
}

// Goal: a lease is sent on as it came: within a node it is the same block, to another node a copy; the sender's block comes
// back either way.
#[test]
fn leases_are_sent_on() {
    let _dog = watch();
    const LEN: usize = 100_000;
    for is_far in [false, true] {
        let bus = Bus::new(&format!("forward-leases-{is_far}"));
        let (asker, home) = (bus.attach("asker"), bus.attach("home"));
        let end = if is_far {
            bus.attach("end")
        } else {
            home.clone()
        };
        let (last, lasts) = desk(None);
        end.actor(last).name("last").spawn().unwrap();
        let last: Recipient<Bytes> = home.lookup("last").wait().unwrap();
        let (first, firsts) = desk(Some(last));
        home.actor(first).name("first").spawn().unwrap();
        let first: Recipient<Bytes> = asker.lookup("first").wait().unwrap();
        let (said, heard) = channel();
        block_on(async {
            for _ in 0..3 {
                let mut bytes = first.loan(LEN).unwrap();
                bytes.fill(3);
                said.send(first.ask(bytes).await.unwrap()).unwrap();
                first.tell(first.loan(LEN).unwrap()).await.unwrap();
            }
        });
        for _ in 0..3 {
            assert_eq!(heard.recv().unwrap(), 3 * LEN as u64);
        }
        for _ in 0..6 {
            assert_eq!(firsts.recv().unwrap(), Event::Read(LEN, true));
            assert_eq!(lasts.recv().unwrap(), Event::Read(LEN, true));
        }
        for node in [&asker, &home] {
            let stats = || node.heap().stats();
            while stats().allocated != stats().freed {
                std::thread::yield_now();
            }
        }
    }
}
