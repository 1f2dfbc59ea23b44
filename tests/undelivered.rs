//! What failed after a tell's `Ok`: a typed stream per address, with each message, whether it was taken, and why.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use futures::{StreamExt, poll};
use ringway::prelude::*;
use ringway::{Undelivered, Undone};

use support::probe::Event::{Began, Ended, Started};
use support::probe::{Hold, Note, Page, Pixels, Probe, Text, probe};
use support::stage::both;

fn text(number: u64) -> Text {
    Text {
        number,
        text: "x".repeat(3_000),
    }
}

fn number_of(back: Undelivered<Note>) -> u64 {
    assert!(!back.taken);
    back.message.unwrap().into_value().unwrap().number
}

// Goal: wherever a receiver is killed, each tell was handled, comes back as taken, or comes back untaken with its message;
// in order, and never two of these. Method: twenty receivers, each killed in the middle of another message.
#[test]
fn the_sums_add_up() {
    both("undelivered-sums", |stage| {
        for round in 0..20 {
            let name = format!("probe/{round}");
            let (actor, watcher) = probe();
            let probe = stage.spawn_as(&name, actor, |builder| builder.mailbox(1_000));
            watcher.expect(Started);
            let sent = 60 + round;
            let held = round * 3;
            block_on(async {
                for number in 0..sent {
                    match number {
                        _ if number == held => probe.tell(Hold { number }).await.unwrap(),
                        _ if number % 2 == 0 => probe.tell(Note { number }).await.unwrap(),
                        _ => probe.tell(text(number)).await.unwrap(),
                    }
                }
            });
            let mut handled = 0;
            loop {
                match watcher.next() {
                    Began(number) if number == held => break,
                    Began(number) => assert_eq!(number, handled),
                    Ended(number) => {
                        assert_eq!(number, handled);
                        handled += 1;
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(handled, held);
            probe.kill();
            let why = Undone::Ended(ExitReason::Killed);
            assert_eq!(why.to_string(), "the receiver ended: it was killed");
            block_on(async {
                let holds: Vec<_> = probe.undelivered::<Hold>().collect().await;
                let [hold] = holds.try_into().unwrap();
                assert_eq!((hold.taken, &hold.why), (true, &why));
                let notes: Vec<_> = probe.undelivered::<Note>().map(number_of).collect().await;
                let expected: Vec<_> = (held + 1..sent).filter(|number| number % 2 == 0).collect();
                assert_eq!(notes, expected);
                let texts: Vec<_> = probe.undelivered::<Text>().collect().await;
                let expected = (held + 1..sent).filter(|number| number % 2 == 1);
                assert_eq!(texts.len(), expected.clone().count());
                for (back, number) in texts.into_iter().zip(expected) {
                    assert_eq!((back.taken, &back.why), (false, &why));
                    assert_eq!(back.message.unwrap().into_value().unwrap(), text(number));
                }
            });
        }
    });
}

// Goal: a stream waits while its receiver lives, is woken by what comes back, and ends when all has been read. All streams of
// one address share what there is; dropping one loses nothing.
#[test]
fn a_stream_waits_and_ends() {
    both("undelivered-stream", |stage| {
        let (actor, watcher) = probe();
        let probe = stage.spawn(actor);
        watcher.expect(Started);
        probe.tell(Hold { number: 0 }).wait().unwrap();
        watcher.expect(Began(0));
        block_on(async {
            for number in 1..=4 {
                probe.tell(Note { number }).await.unwrap();
            }
            let mut first = probe.undelivered::<Note>();
            let mut second = probe.recipient::<Note>().undelivered();
            let mut pages = probe.clone().undelivered::<Page>();
            assert!(first.try_next().is_none());
            assert!(poll!(first.next()).is_pending());
            assert!(poll!(pages.next()).is_pending());
            probe.kill();
            assert_eq!(number_of(first.next().await.unwrap()), 1);
            assert_eq!(number_of(second.next().await.unwrap()), 2);
            drop((first, second));
            let mut third = probe.undelivered::<Note>();
            assert_eq!(number_of(third.next().await.unwrap()), 3);
            let rest: Vec<_> = third.collect().await;
            assert_eq!(rest.len(), 1);
            assert!(pages.next().await.is_none());
            assert!(probe.undelivered::<Note>().next().await.is_none());
        });
    });
}

// Goal: a loan that comes back may be told again, to another actor.
#[test]
fn what_came_back_is_sent_again() {
    both("undelivered-again", |stage| {
        let (actor, watcher) = probe();
        let probe = stage.spawn_as("first", actor, |builder| builder);
        watcher.expect(Started);
        probe.tell(Hold { number: 0 }).wait().unwrap();
        watcher.expect(Began(0));
        let mut pixels = probe.loan::<Pixels>(10_000).unwrap();
        pixels.header_mut().number = 7;
        pixels.fill(3);
        probe.tell(pixels).wait().unwrap();
        probe.tell(text(8)).wait().unwrap();
        probe.kill();
        let (actor, _watcher) = support::probe::probe();
        let successor: Addr<Probe> = stage.spawn_as("second", actor, |builder| builder);
        block_on(async {
            let back = probe.undelivered::<Pixels>().next().await.unwrap();
            assert_eq!(successor.ask(back.message.unwrap()).await.unwrap(), 30_000);
            let back = probe.undelivered::<Text>().next().await.unwrap();
            let text = back.message.unwrap().into_value().unwrap();
            assert_eq!(successor.ask(text).await.unwrap().len(), 3_000);
        });
    });
}

// Goal: an actor that ends well, with everything handled, leaves nothing on the streams.
#[test]
fn nothing_comes_back_of_what_was_handled() {
    both("undelivered-nothing", |stage| {
        let (actor, watcher) = probe();
        let probe = stage.spawn(actor);
        block_on(async {
            for number in 0..500 {
                probe.tell(Note { number }).await.unwrap();
                probe.tell(text(number)).await.unwrap();
            }
            probe.ask(Note { number: 500 }).await.unwrap();
            probe.stop();
            assert_eq!(probe.closed().await, ExitReason::Stopped);
            assert!(probe.undelivered::<Note>().next().await.is_none());
            assert!(probe.undelivered::<Text>().next().await.is_none());
        });
        let ended = watcher
            .rest()
            .iter()
            .filter(|event| matches!(event, Ended(_)))
            .count();
        assert_eq!(ended, 1_001);
    });
}
