//! Messages of some hundred bytes, which travel in the queue itself, behind their entries: every length arrives whole, a
//! mailbox holds as many as it says, and what was never taken comes back.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use futures::StreamExt;
use futures::future::join_all;
use ringway::prelude::*;
use ringway::{AskError, Undone};

use support::probe::Event::{Began, Ended, Started};
use support::probe::{Hold, Pixels, Probe, Text, Watcher, probe};
use support::stage::{Stage, both};

/// A text of so many bytes.
fn text(number: u64, len: usize) -> Text {
    let letters = "the quick brown fox jumps over the lazy dog ";
    let text = letters.chars().cycle().skip(len % 44).take(len).collect();
    Text { number, text }
}

fn held(stage: &Stage, bound: usize) -> (Addr<Probe>, Watcher) {
    let (actor, watcher) = probe();
    let probe = stage.spawn_as("held", actor, |builder| builder.mailbox(bound));
    watcher.expect(Started);
    // So that the segment of blocks is mapped, and nothing has to wait for that any more.
    probe.ask(text(0, 5_000)).wait().unwrap();
    watcher.expect(Began(0));
    watcher.expect(Ended(0));
    probe.tell(Hold { number: 0 }).wait().unwrap();
    watcher.expect(Began(0));
    (probe, watcher)
}

// Goal: every length arrives whole, asked one by one and many at a time, told and lent.
#[test]
fn every_length_arrives() {
    both("long-lengths", |stage| {
        let (probe, watcher) = stage.probe();
        let lens = (0..620).step_by(7);
        for len in lens.clone() {
            let reply = probe.ask(text(1, len)).wait().unwrap();
            assert_eq!(reply, text(1, len).text.to_uppercase());
        }
        block_on(async {
            let asks = lens.clone().map(|len| probe.ask(text(1, len)));
            for (reply, len) in join_all(asks).await.into_iter().zip(lens.clone()) {
                assert_eq!(reply.unwrap(), text(1, len).text.to_uppercase());
            }
            for items in 0..300u16 {
                let mut pixels = probe.loan::<Pixels>(items.into()).unwrap();
                pixels.header_mut().number = 1;
                (0..items)
                    .zip(pixels.iter_mut())
                    .for_each(|(at, pixel)| *pixel = at);
                let sum = (0..u64::from(items)).sum::<u64>();
                assert_eq!(probe.ask(pixels).await.unwrap(), sum);
            }
        });
        drop(watcher);
    });
}

// Goal: many more than the queue has room for, told as fast as they go, arrive in order, whatever their lengths.
#[test]
fn a_stream_arrives_in_order() {
    both("long-stream", |stage| {
        let (probe, watcher) = stage.probe();
        let teller = probe.clone();
        block_on(async move {
            for number in 0..5_000u64 {
                let len = usize::try_from(number * 31 % 600).unwrap();
                teller.tell(text(number, len)).await.unwrap();
            }
        });
        for number in 0..5_000 {
            watcher.expect(Began(number));
            watcher.expect(Ended(number));
        }
    });
}

// Goal: a mailbox holds as many messages as it says, however long they are: what finds no room behind its entry goes into a
// block. Method: a held actor, told until no more goes in.
#[test]
fn a_mailbox_holds_its_bound() {
    both("long-bound", |stage| {
        for (bound, len) in [(1, 400), (5, 400), (100, 40), (100, 400), (128, 500)] {
            let (probe, watcher) = held(stage, bound);
            let message = |number| text(number, len + usize::try_from(number % 3).unwrap());
            let mut number = 0;
            while probe.try_tell(message(number + 1)).is_ok() {
                number += 1;
            }
            assert_eq!(number, u64::try_from(bound).unwrap());
            watcher.open_gate();
            watcher.expect(Ended(0));
            for number in 1..=number {
                watcher.expect(Began(number));
                watcher.expect(Ended(number));
            }
            probe.kill();
            block_on(probe.closed());
        }
    });
}

// Goal: tells and asks that were never taken come back whole, in order.
#[test]
fn the_untaken_come_back() {
    both("long-untaken", |stage| {
        let (probe, _watcher) = held(stage, 100);
        let lens = [30, 64, 100, 333, 500, 527];
        for (number, len) in (1..).zip(lens) {
            probe.tell(text(number, len)).wait().unwrap();
        }
        block_on(async {
            let mut asks: Vec<_> = (lens.iter()).map(|len| probe.ask(text(9, *len))).collect();
            for ask in &mut asks {
                assert!(futures::poll!(ask).is_pending());
            }
            probe.kill();
            for (ask, len) in asks.into_iter().zip(lens) {
                match ask.await {
                    Err(AskError::Died {
                        taken: false,
                        message,
                        ..
                    }) => {
                        assert_eq!(message.unwrap(), text(9, len));
                    }
                    other => panic!("{other:?}"),
                }
            }
            let back: Vec<_> = probe.undelivered::<Text>().collect().await;
            assert_eq!(back.len(), lens.len());
            for ((back, number), len) in back.into_iter().zip(1..).zip(lens) {
                let why = Undone::Ended(ExitReason::Killed);
                assert_eq!((back.taken, back.why), (false, why));
                assert_eq!(
                    back.message.unwrap().into_value().unwrap(),
                    text(number, len)
                );
            }
        });
    });
}
