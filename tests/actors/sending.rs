//! Messages of every kind, told and asked, and what is answered.

use ringway::prelude::*;

use crate::support::probe::Event::{Began, Ended, TellFailed};
use crate::support::probe::{Fail, FailAtLength, Leaf, Note, Page, Pixels, Text, Watcher, probe};
use crate::support::stage::both;

/// Far beyond what an entry holds.
const LARGE: usize = 1 << 20;

fn page(number: u64) -> Page {
    Page {
        number,
        words: [number; 511],
    }
}

fn leaf(number: u64) -> Leaf {
    Leaf {
        number,
        words: [number; 511],
    }
}

fn text(number: u64, text: &str) -> Text {
    Text {
        number,
        text: text.to_owned(),
    }
}

/// A message was handled, and by nothing but its own handler.
fn expect_handled(watcher: &Watcher, numbers: &[u64]) {
    for &number in numbers {
        watcher.expect(Began(number));
        watcher.expect(Ended(number));
    }
}

// Goal: tells of all kinds are handled once each, in the order in which they were sent.
#[test]
fn tells_are_handled_in_order() {
    both("tells", |stage| {
        let (probe, watcher) = stage.probe();
        let mut pixels = probe.loan::<Pixels>(3).unwrap();
        pixels.header_mut().number = 5;
        block_on(async {
            probe.tell(Note { number: 1 }).await.unwrap();
            probe.tell(page(2)).await.unwrap();
            probe.tell(leaf(3)).await.unwrap();
            probe.tell(text(4, "short")).await.unwrap();
            probe.tell(pixels).await.unwrap();
            probe.tell(text(6, &"long".repeat(LARGE))).await.unwrap();
        });
        probe.try_tell(Note { number: 7 }).unwrap();
        probe.try_tell(page(8)).unwrap();
        probe.tell(Note { number: 9 }).wait().unwrap();
        expect_handled(&watcher, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    });
}

// Goal: a small and a large message of each semantics is answered with what its handler returned.
#[test]
fn asks_are_answered() {
    both("asks", |stage| {
        let (probe, _watcher) = probe();
        let probe = stage.spawn(probe);
        block_on(async {
            assert_eq!(probe.ask(Note { number: 7 }).await.unwrap(), 7);
            assert_eq!(probe.ask(page(3)).await.unwrap(), 3 * 511);
            assert_eq!(
                probe.ask(leaf(4)).await.unwrap(),
                Page {
                    number: 4,
                    words: [5; 511]
                }
            );
            assert_eq!(probe.ask(text(1, "")).await.unwrap(), "");
            assert_eq!(probe.ask(text(1, "hello")).await.unwrap(), "HELLO");
            let long = probe.ask(text(1, &"x".repeat(LARGE))).await.unwrap();
            assert!(long.len() == LARGE && long.bytes().all(|byte| byte == b'X'));
        });
        assert_eq!(probe.ask(Note { number: 8 }).wait().unwrap(), 8);
    });
}

// Goal: a loan is filled in place, header and items, may be cut, may be empty, and counts its zeros.
#[test]
fn loans_are_filled_in_place() {
    both("loans", |stage| {
        let (probe, watcher) = stage.probe();
        block_on(async {
            let mut pixels = probe.loan::<Pixels>(LARGE).unwrap();
            assert_eq!(pixels.len(), LARGE);
            pixels.header_mut().number = 1;
            pixels.fill(2);
            assert_eq!(probe.ask(pixels).await.unwrap(), 2 * LARGE as u64);

            let mut cut = probe.loan::<Pixels>(100).unwrap();
            assert_eq!(cut.header().number, 0, "nothing of an old message");
            cut.fill(3);
            cut.truncate(10);
            cut.header_mut().number = 2;
            assert_eq!(probe.ask(cut).await.unwrap(), 30);

            let mut empty = probe.loan::<Pixels>(0).unwrap();
            empty.header_mut().number = 3;
            assert_eq!(probe.ask(empty).await.unwrap(), 0);

            let mut page = probe.loan::<Page>(1).unwrap();
            *page = Page {
                number: 4,
                words: [1; 511],
            };
            assert_eq!(probe.ask(page).await.unwrap(), 511);

            let mut note = probe.loan::<Note>(1).unwrap();
            note.number = 5;
            assert_eq!(probe.ask(note).await.unwrap(), 5);
        });
        expect_handled(&watcher, &[1, 2, 3, 4, 5]);
    });
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Schema, NoUninit, CheckedBitPattern)]
#[repr(C)]
struct Reading {
    level: u32,
    is_valid: bool,
    pad: [u8; 3],
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = CopyMessage<Reading>)]
#[repr(C)]
struct Measure {
    level: u32,
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = Result<Vec<u16>, String>)]
#[repr(C)]
struct Count {
    to: u16,
}

#[derive(Actor, Default)]
#[actor(handles(Measure, Count))]
struct Meter;

impl Handler<Measure> for Meter {
    async fn handle(&mut self, m: Measure, _cx: &mut Context<Self>) -> CopyMessage<Reading> {
        CopyMessage(Reading {
            level: m.level,
            is_valid: true,
            pad: [0; 3],
        })
    }
}

impl Handler<Count> for Meter {
    async fn handle(&mut self, count: Count, _cx: &mut Context<Self>) -> Result<Vec<u16>, String> {
        if count.to == 0 {
            Err("nothing to count".to_owned())
        } else {
            Ok((1..=count.to).collect())
        }
    }
}

// Goal: replies that are read in place, and replies that are themselves results.
#[test]
fn replies_of_other_semantics() {
    both("replies", |stage| {
        let meter = stage.spawn(Meter);
        block_on(async {
            let reading = meter.ask(Measure { level: 9 }).await.unwrap();
            assert_eq!(
                *reading,
                Reading {
                    level: 9,
                    is_valid: true,
                    pad: [0; 3]
                }
            );
            let counted = meter.ask(Count { to: 40_000 }).await.unwrap();
            assert_eq!(counted.unwrap().len(), 40_000);
            let refused = meter.ask(Count { to: 0 }).await.unwrap();
            assert_eq!(refused.unwrap_err(), "nothing to count");
        });
    });
}

// Goal: a handler's error reaches its asker as text with its causes; the actor goes on.
#[test]
fn a_failing_handler_answers_its_asker() {
    both("fails", |stage| {
        let (probe, _watcher) = probe();
        let probe = stage.spawn(probe);
        let error = probe.ask(Fail { number: 3 }).wait().unwrap_err();
        let AskError::Handler(said) = &error else {
            panic!("{error}")
        };
        assert!(
            said.text()
                .starts_with("gripper 3 is jammed: an error occurred"),
            "{said}"
        );
        assert!(
            error
                .to_string()
                .starts_with("the handler failed: gripper 3"),
            "{error}"
        );
        let long = FailAtLength {
            text: "x".repeat(5_000),
        };
        let error = probe.ask(long).wait().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the handler failed: 5000 bytes are too many"
        );
        assert_eq!(probe.ask(Note { number: 1 }).wait().unwrap(), 1);
        assert!(!probe.is_closed());
    });
}

// Goal: a tell's failure goes to the actor's hook, and not back to a sender whose message was handled.
#[test]
fn a_failing_tell_goes_to_the_hook() {
    both("tell-fails", |stage| {
        let (probe, watcher) = stage.probe();
        probe.tell(Fail { number: 3 }).wait().unwrap();
        expect_handled(&watcher, &[3]);
        let TellFailed(message, text) = watcher.next() else {
            panic!("no hook")
        };
        assert_eq!(message, Fail::NAME);
        assert!(text.starts_with("gripper 3 is jammed"), "{text}");
        probe
            .tell(FailAtLength {
                text: "x".repeat(5_000),
            })
            .wait()
            .unwrap();
        let failed = TellFailed(FailAtLength::NAME, "5000 bytes are too many".to_owned());
        watcher.expect(failed);
        assert_eq!(probe.ask(Note { number: 1 }).wait().unwrap(), 1);
        assert!(probe.undelivered::<Fail>().try_next().is_none());
        assert!(probe.undelivered::<FailAtLength>().try_next().is_none());
    });
}

// Goal: many more messages than the queues hold, of which each is handled once and in order.
#[test]
fn many_messages_in_order() {
    both("many", |stage| {
        let (probe, watcher) = stage.probe();
        let numbers: Vec<u64> = (0..2_000).collect();
        block_on(async {
            for &number in &numbers {
                match number % 3 {
                    0 => probe.tell(Note { number }).await.unwrap(),
                    1 => probe.tell(page(number)).await.unwrap(),
                    _ => probe
                        .tell(text(number, "some words that need a block"))
                        .await
                        .unwrap(),
                }
            }
        });
        expect_handled(&watcher, &numbers);
    });
}
