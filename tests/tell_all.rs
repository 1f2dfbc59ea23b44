//! Many messages handed over at once: their order, their policies, and what comes back of those that were not sent.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::iter::repeat;
use std::thread;

use futures::{FutureExt, poll};
use ringway::message::{Parcel, Sendable};
use ringway::prelude::*;
use ringway::{Undelivered, Undone};

use support::probe::Event::{Abandoned, Began, Ended, Started};
use support::probe::{Hold, Note, Page, Pixels, Probe, Text, Watcher, probe};
use support::stage::{Place, Stage, both};
use support::watch;

/// Numbers of messages around those of a burst, of a uring, and of a poll.
const COUNTS: [u64; 12] = [0, 1, 2, 63, 64, 65, 127, 128, 129, 1023, 1025, 3000];
/// The bound of mailboxes that are to be full.
const BOUND: u64 = 4;

fn notes(numbers: impl IntoIterator<Item = u64>) -> impl Iterator<Item = Note> {
    numbers.into_iter().map(|number| Note { number })
}

fn page(number: u64) -> Page {
    Page {
        number,
        words: [number; 511],
    }
}

/// Numbers of the messages that come back.
fn numbers(unsent: impl Iterator<Item = Note>) -> Vec<u64> {
    unsent.map(|note| note.number).collect()
}

fn expect_handled(watcher: &Watcher, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        watcher.expect(Began(number));
        watcher.expect(Ended(number));
    }
}

/// A probe of this policy, whose handler is held.
fn held(stage: &Stage, overflow: Overflow, bound: u64) -> (Addr<Probe>, Watcher) {
    let (actor, watcher) = probe();
    let bound = usize::try_from(bound).unwrap();
    let probe = stage.spawn_as("probe", actor, |it| it.mailbox(bound).overflow(overflow));
    watcher.expect(Started);
    probe.tell(Hold { number: 0 }).wait().unwrap();
    watcher.expect(Began(0));
    (probe, watcher)
}

fn release(watcher: &Watcher) {
    watcher.open_gate();
    watcher.expect(Ended(0));
}

// Goal: all of them arrive, in order, once, however many and however large they are, and whichever form they have.
#[test]
fn all_arrive_in_order() {
    both("all-arrive", |stage| {
        let (probe, watcher) = stage.probe();
        for count in COUNTS {
            block_on(async {
                probe.tell_all(notes(0..count)).await.unwrap();
            });
            expect_handled(&watcher, 0..count);
        }
        let recipient = probe.recipient::<Page>();
        recipient.tell_all((0..300).map(page)).wait().unwrap();
        expect_handled(&watcher, 0..300);
        let text = |number: u64| Text {
            number,
            text: "x".repeat(usize::try_from(number).unwrap() * 3),
        };
        probe.tell_all((0..400).map(text)).wait().unwrap();
        expect_handled(&watcher, 0..400);
        let pixels = |number: u64| {
            let mut loan = probe
                .loan::<Pixels>(usize::try_from(number).unwrap())
                .unwrap();
            loan.header_mut().number = number;
            loan.fill(0);
            loan
        };
        // A loan at a time: they are made as the iterator is drawn from.
        probe.tell_all((0..600).map(pixels)).wait().unwrap();
        expect_handled(&watcher, 0..600);
        probe.tell_all(Vec::<Note>::new()).wait().unwrap();
        // What came before it is handled before a tell.
        probe.tell_all(notes(0..10)).wait().unwrap();
        probe.tell(Note { number: 10 }).wait().unwrap();
        expect_handled(&watcher, 0..=10);
        assert!(watcher.is_silent());
    });
}

// Goal: several senders at a time: each one's messages arrive in its order, none is lost.
#[test]
fn several_senders_keep_their_orders() {
    const SENDERS: u64 = 4;
    const EACH: u64 = 2000;
    both("several", |stage| {
        let (probe, watcher) = stage.probe();
        thread::scope(|scope| {
            for sender in 0..SENDERS {
                let probe = probe.clone();
                let from = sender * EACH;
                scope.spawn(move || probe.tell_all(notes(from..from + EACH)).wait().unwrap());
            }
            let mut next: Vec<u64> = (0..SENDERS).map(|sender| sender * EACH).collect();
            for _ in 0..SENDERS * EACH {
                let Began(number) = watcher.next() else {
                    panic!("a handler begins")
                };
                watcher.expect(Ended(number));
                let next = &mut next[usize::try_from(number / EACH).unwrap()];
                assert_eq!(*next, number);
                *next += 1;
            }
        });
    });
}

// Goal: a full mailbox that fails: so many as fit are sent, the others come back in their order, and none twice; the rest of
// the iterator was not touched.
#[test]
fn fail_gives_the_others_back() {
    both("tell-all-fail", |stage| {
        let (probe, watcher) = held(stage, Overflow::Fail, BOUND);
        for telling in [0, 1] {
            let from = telling * 1000;
            let numbered = notes(from + 1..);
            let told = match telling {
                0 => probe.tell_all(numbered).wait(),
                _ => probe.try_tell_all(numbered),
            };
            let error = told.unwrap_err();
            let sent = if telling == 0 { BOUND } else { 0 };
            assert_eq!(error.sent() as u64, sent);
            let next = from + sent + 1;
            let full =
                matches!(error.cause(), SendError::Full { message } if message.number == next);
            assert!(full, "{error}");
            assert!(
                error.to_string().ends_with("the mailbox is full"),
                "{error}"
            );
            let unsent = error.into_inner();
            assert_eq!(numbers(unsent.take(500)), Vec::from_iter(next..next + 500));
        }
        release(&watcher);
        expect_handled(&watcher, 1..=BOUND);
        assert!(watcher.is_silent());
    });
}

// Goal: what came back is told again as it is; loans come back as loans, and their blocks are free when they are dropped.
#[test]
fn what_came_back_is_told_again() {
    both("tell-all-again", |stage| {
        let (probe, watcher) = held(stage, Overflow::Fail, BOUND);
        let mut rest: Vec<Note> = notes(1..=10).collect();
        let mut rounds = 0;
        while let Err(error) = probe.tell_all(rest).wait() {
            rest = error.into_inner().collect();
            rounds += 1;
            if rounds == 1 {
                assert_eq!(rest.len(), 6);
                release(&watcher);
            }
        }
        expect_handled(&watcher, 1..=10);
        // So that the segment of blocks is mapped.
        probe.ask(page(0)).wait().unwrap();
        expect_handled(&watcher, [0]);
        probe.tell(Hold { number: 0 }).wait().unwrap();
        watcher.expect(Began(0));
        let pixels = |number: u64| {
            let mut loan = probe.loan::<Pixels>(1000).unwrap();
            loan.header_mut().number = number;
            loan.fill(7);
            loan
        };
        let error = probe.try_tell_all((1..=9).map(pixels)).unwrap_err();
        assert_eq!(error.sent() as u64, BOUND);
        for (number, loan) in (BOUND + 1..).zip(error.into_inner()) {
            assert_eq!(loan.header().number, number);
            assert!(loan.len() == 1000 && loan.iter().all(|pixel| *pixel == 7));
        }
        release(&watcher);
        expect_handled(&watcher, 1..=BOUND);
        probe.ask(Note { number: 0 }).wait().unwrap();
        assert_eq!(stage.sender().heap().stats().live(), 0);
    });
}

// Goal: it waits for room, no longer than its deadline in all; what was sent is known, and the others come back.
#[test]
fn waits_up_to_its_deadline() {
    both("tell-all-deadline", |stage| {
        let (probe, watcher) = held(stage, Overflow::Wait, BOUND);
        let error = probe
            .tell_all(notes(1..=300))
            .deadline(ms(5))
            .wait()
            .unwrap_err();
        assert_eq!(error.sent() as u64, BOUND);
        assert!(matches!(error.cause(), SendError::Deadline { waited, .. } if *waited >= ms(5)));
        let rest = error.into_inner();
        let telling = thread::scope(|scope| {
            let telling = scope.spawn(|| probe.tell_all(rest).deadline(secs(100)).wait());
            release(&watcher);
            telling.join().unwrap()
        });
        telling.unwrap();
        expect_handled(&watcher, 1..=300);
    });
}

// Goal: one that is given up says how many it has sent, and gives the others back; dropped, it sends no more.
#[test]
fn given_up_has_sent_what_it_says() {
    both("tell-all-given-up", |stage| {
        let (probe, watcher) = held(stage, Overflow::Wait, BOUND);
        block_on(async {
            let mut telling = probe.tell_all(notes(1..=300));
            assert_eq!(telling.sent(), 0);
            assert!(poll!(&mut telling).is_pending() && poll!(&mut telling).is_pending());
            assert_eq!(telling.sent() as u64, BOUND);
            assert_eq!(
                numbers(telling.into_unsent()),
                Vec::from_iter(BOUND + 1..=300)
            );
            let mut dropped = probe.tell_all((1000..1300).map(page));
            assert!(poll!(&mut dropped).is_pending());
            drop(dropped);
            drop(probe.tell_all(notes(2000..2010)));
            let unsent = probe.tell_all(notes(2000..2010)).into_unsent();
            assert_eq!(numbers(unsent), Vec::from_iter(2000..2010));
        });
        release(&watcher);
        expect_handled(&watcher, 1..=BOUND);
        block_on(probe.ask(Note { number: 9 })).unwrap();
        expect_handled(&watcher, [9]);
        assert_eq!(stage.sender().heap().stats().live(), 0);
    });
}

// Goal: one that drops the newest takes what fits and drops the others, of which each comes back, also of an iterator without
// end, whose sender has its turns.
#[test]
fn drop_newest_drops_what_does_not_fit() {
    both("tell-all-newest", |stage| {
        let (probe, watcher) = held(stage, Overflow::DropNewest, BOUND);
        probe.tell_all(notes(1..=100)).wait().unwrap();
        probe.try_tell_all(notes(101..=200)).unwrap();
        let endless = repeat(Note { number: 201 });
        let mut telling = probe.tell_all(endless);
        assert!(
            (&mut telling).now_or_never().is_none(),
            "it has had its turn"
        );
        let dropped = telling.sent() as u64;
        assert_eq!(dropped, 1024);
        drop(telling);
        let mut back = probe.undelivered::<Note>();
        let came = std::iter::from_fn(|| back.try_next()).map(|it| {
            assert_eq!((it.taken, &it.why), (false, &Undone::Dropped));
            it.message.unwrap().into_value().unwrap().number
        });
        let expected = (BOUND + 1..=200).chain(std::iter::repeat_n(201, 1024));
        assert_eq!(Vec::from_iter(came), Vec::from_iter(expected));
        assert_eq!(stage.sender().dropped(), 200 - BOUND + dropped);
        release(&watcher);
        expect_handled(&watcher, 1..=BOUND);
        assert!(watcher.is_silent());
    });
}

// Goal: one that drops the oldest handles the newest, as many as its bound; all others come back, in order.
#[test]
fn drop_oldest_keeps_the_newest() {
    both("tell-all-oldest", |stage| {
        let (probe, watcher) = held(stage, Overflow::DropOldest, BOUND);
        probe.tell_all(notes(1..=100)).wait().unwrap();
        release(&watcher);
        expect_handled(&watcher, 101 - BOUND..=100);
        block_on(probe.ask(Note { number: 0 })).unwrap();
        let mut back = probe.undelivered::<Note>();
        let came = std::iter::from_fn(|| back.try_next()).map(|it| {
            assert_eq!((it.taken, &it.why), (false, &Undone::Dropped));
            it.message.unwrap().into_value().unwrap().number
        });
        assert_eq!(Vec::from_iter(came), Vec::from_iter(1..=100 - BOUND));
    });
}

// Goal: a receiver that ends meanwhile: so many were sent as is said, and of those that were not handled each comes back.
#[test]
fn the_receiver_ends_meanwhile() {
    both("tell-all-ends", |stage| {
        let (probe, watcher) = held(stage, Overflow::Wait, BOUND);
        let error = thread::scope(|scope| {
            let telling = scope.spawn(|| probe.tell_all(notes(1..=300)).wait());
            probe.kill();
            telling.join().unwrap().unwrap_err()
        });
        let ended = ExitReason::Killed;
        assert!(
            matches!(error.cause(), SendError::Ended { reason, .. } if *reason == ended),
            "{error}"
        );
        let sent = error.sent() as u64;
        assert_eq!(numbers(error.into_inner()), Vec::from_iter(sent + 1..=300));
        watcher.expect(Abandoned(0));
        block_on(async {
            let back: Vec<Undelivered<Note>> = probe.undelivered().collect().await;
            let came = back.into_iter().map(|it| {
                assert_eq!((it.taken, &it.why), (false, &Undone::Ended(ended.clone())));
                it.message.unwrap().into_value().unwrap().number
            });
            assert_eq!(Vec::from_iter(came), Vec::from_iter(1..=sent));
        });
        let error = probe.tell_all(notes(1..=3)).wait().unwrap_err();
        assert_eq!(error.sent(), 0);
        assert_eq!(numbers(error.into_inner()), [1, 2, 3]);
    });
}

// Goal: a heap that has no room for all: as blocks come back, all are sent; in a form that fits no heap, the one that does not
// comes back, and those behind it.
#[test]
fn a_full_heap_is_waited_for() {
    let _dog = watch();
    let stage = Stage::new("tell-all-heap", Place::Remote, |it| it.heap_limit(1 << 20));
    let (probe, watcher) = stage.probe();
    let text = |number: u64| Text {
        number,
        text: "x".repeat(if number == 70 { 2 << 20 } else { 60_000 }),
    };
    probe.tell_all((0..60).map(text)).wait().unwrap();
    expect_handled(&watcher, 0..60);
    let error = probe.tell_all((60..80).map(text)).wait().unwrap_err();
    assert_eq!(error.sent(), 10);
    assert!(
        matches!(error.cause(), SendError::Unpacked { .. }),
        "{error}"
    );
    assert!(error.into_inner().map(|text| text.number).eq(70..80));
    expect_handled(&watcher, 60..70);
}

// Goal: what came back undelivered, as parcels, is told again as it is.
#[test]
fn parcels_are_told_as_they_are() {
    both("tell-all-parcels", |stage| {
        let (probe, watcher) = stage.probe();
        let parcels = (0..100).map(|number| -> Parcel<Page> { page(number).into_parcel() });
        block_on(probe.tell_all(parcels)).unwrap();
        expect_handled(&watcher, 0..100);
    });
}

// Goal: where the life that an address follows has ended, all go to the next one, in their order: a call that does not wait
// gives them back while there is none, another waits for it.
#[test]
fn the_next_life_gets_the_others() {
    both("tell-all-follows", |stage| {
        let begin = || {
            let (actor, watcher) = probe();
            let life = stage.home().actor(actor).name("arm").spawn().unwrap();
            watcher.expect(Started);
            (life, watcher)
        };
        let (life, _) = begin();
        let found: Addr<Probe> = stage.sender().lookup("arm").wait().unwrap();
        found.ask(Note { number: 0 }).wait().unwrap();
        life.kill();
        block_on(life.closed());
        block_on(found.closed());
        let error = found.try_tell_all(notes(1..=3)).unwrap_err();
        let none = matches!(error.cause(), SendError::NoSuccessor { .. });
        assert!(none && error.sent() == 0, "{error}");
        assert_eq!(numbers(error.into_inner()), [1, 2, 3]);
        thread::scope(|scope| {
            scope.spawn(|| {
                let telling = found.tell_all(notes(1..=200)).deadline(secs(100));
                telling.wait().unwrap();
            });
            let (_life, watcher) = begin();
            expect_handled(&watcher, 1..=200);
            found.try_tell_all(notes(201..=250)).unwrap();
            expect_handled(&watcher, 201..=250);
        });
    });
}
