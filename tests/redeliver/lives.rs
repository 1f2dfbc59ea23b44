//! Lives that end by panics, in this process and in another.

use futures::FutureExt;
use futures::future::join_all;
use ringway::prelude::*;

use super::scene::{effects, find, yard};
use crate::support::stage::both;
use crate::worker::{FAIL, HOLD, Job, Load, PANIC, PANIC_UNTIL, PASS, Worker, bad_until};

fn job(number: u64, what: u64) -> Job {
    Job { number, what }
}

fn load(addr: &Addr<Worker>, number: u64, what: u64) -> Loan<Load> {
    let mut load = addr.loan::<Load>(3000).unwrap();
    load.header_mut().number = number;
    load.header_mut().what = what;
    load.fill(number.to_le_bytes()[0]);
    load
}

// Goal: a message whose handlers panic goes to the next life until one handles it; each handler sees which attempt it is, and one
// id. Values and loans, asks and tells. What is not redelivered says that it was taken.
#[test]
fn after_panics_the_next_life_has_it() {
    both("redeliver-panics", |stage| {
        let (yard, records) = yard(stage.home());
        yard.obey("always worker 8");
        let worker = find(stage.sender(), "worker");
        let asked = worker.ask(bad_until(1, PANIC_UNTIL, 3)).redeliver(2);
        assert_eq!(asked.wait().unwrap(), 1);
        let bad = load(&worker, 2, 3 << 32 | PANIC_UNTIL);
        assert_eq!(worker.ask(bad).redeliver(5).wait().unwrap(), 2);
        let told = worker.tell(bad_until(3, PANIC_UNTIL, 2)).redeliver(1);
        told.wait().unwrap();
        let bad = load(&worker, 4, 2 << 32 | PANIC_UNTIL);
        worker.tell(bad).redeliver(1).wait().unwrap();
        assert_eq!(worker.ask(job(5, PASS)).redeliver(1).wait().unwrap(), 5);
        let died = worker.ask(job(6, PANIC)).wait();
        assert!(matches!(died, Err(AskError::Died { taken: true, .. })));
        let seen: Vec<_> = records.try_iter().collect();
        let found: Vec<_> = effects(&seen).into_iter().collect();
        let expected = [
            (1, (vec![1, 2, 3], 1)),
            (2, (vec![1, 2, 3], 1)),
            (3, (vec![1, 2], 1)),
            (4, (vec![1, 2], 1)),
            (5, (vec![1], 1)),
            (6, (vec![1], 0)),
        ];
        assert_eq!(found, expected);
        for record in &seen {
            let first = seen.iter().find(|it| it.number == record.number).unwrap();
            assert_eq!((record.id, record.id > 0), (first.id, record.number < 6));
        }
        yard.obey("end worker");
    });
}

// Goal: after the last attempt the message is a dead letter, whole, and its asker is told so. Lives that end before they take a
// message do not count.
#[test]
fn poison_is_a_dead_letter() {
    both("redeliver-poison", |stage| {
        let (yard, records) = yard(stage.home());
        yard.obey("always worker 8");
        let worker = find(stage.sender(), "worker");
        let mut letters = stage.sender().dead_letters();
        let asked = worker.ask(job(1, PANIC)).redeliver(2).wait();
        let Err(AskError::Poisoned { attempts, reason }) = asked else {
            panic!("{asked:?}");
        };
        let why = ExitReason::Panicked("job 1 panics".to_owned());
        assert_eq!((attempts, &reason), (3, &why));
        worker.tell(job(2, PANIC)).redeliver(1).wait().unwrap();
        for (number, attempts) in [(1, 3), (2, 2)] {
            let letter = block_on(letters.next()).unwrap();
            let reason = ExitReason::Panicked(format!("job {number} panics"));
            assert_eq!(letter.reason, DeadReason::Poisoned { attempts, reason });
            assert!(letter.taken);
            assert_eq!(letter.name.as_deref(), Some("worker"));
            let message = letter.take::<Job>().unwrap().into_value().unwrap();
            assert_eq!(message, job(number, PANIC));
        }
        // Behind a poison: one that may not be tried twice is handled all the same.
        block_on(async {
            let (one, two) = (
                worker.ask(job(3, PANIC)).redeliver(3),
                worker.ask(job(4, PASS)).redeliver(0),
            );
            let (one, two) = futures::join!(one, two);
            assert!(matches!(one, Err(AskError::Poisoned { attempts: 4, .. })));
            assert_eq!(two.unwrap(), 4);
        });
        let seen: Vec<_> = records.try_iter().collect();
        let effects = effects(&seen);
        assert_eq!(effects[&4], (vec![1], 1));
        assert_eq!(effects[&3], (vec![1, 2, 3, 4], 0));
        yard.obey("end worker");
    });
}

// Goal: what a life left goes to the next one in the order in which it was sent, before anything newer.
#[test]
fn order_is_kept() {
    both("redeliver-order", |stage| {
        let (yard, records) = yard(stage.home());
        yard.obey("always worker 200");
        let worker = find(stage.sender(), "worker");
        block_on(async {
            let many = 30;
            worker.tell(job(0, HOLD)).redeliver(3).await.unwrap();
            let sends = (1..many).map(|number| match number % 2 {
                0 => worker
                    .ask(job(number, PASS))
                    .redeliver(3)
                    .map(drop)
                    .boxed_local(),
                _ => worker
                    .tell(job(number, PASS))
                    .redeliver(3)
                    .map(drop)
                    .boxed_local(),
            });
            let newer = async {
                // When some of those before have been sent.
                let told = worker.tell(job(many, PASS)).redeliver(3);
                let told = async {
                    yard.obey(&format!("open worker {PANIC}"));
                    told.await.unwrap();
                };
                told.await;
            };
            let all = join_all(sends);
            futures::join!(all, newer);
            worker.ask(job(many + 1, PASS)).redeliver(0).await.unwrap();
        });
        let seen: Vec<_> = records.try_iter().collect();
        let ended = seen.iter().filter(|it| it.ended == 1);
        let numbers: Vec<_> = ended.map(|it| it.number).collect();
        assert_eq!(numbers, (0..=31).collect::<Vec<_>>());
        let first: Vec<_> = seen.iter().filter(|it| it.number == 0).collect();
        assert_eq!((first[0].life, first[0].attempt), (1, 1));
        assert_eq!((first[1].life, first[1].attempt), (2, 2));
        yard.obey("end worker");
    });
}

// Goal: an ask's deadline bounds all attempts and the waits between them; one that is dropped is not sent again.
#[test]
fn deadlines_and_drops_end_it() {
    both("redeliver-ends", |stage| {
        let (yard, records) = yard(stage.home());
        yard.obey("once worker 8");
        let worker = find(stage.sender(), "worker");
        let asked = worker.ask(job(1, PANIC)).redeliver(3).deadline(ms(100));
        // Nobody takes the place of the one that ends.
        let asked = asked.wait();
        assert!(
            matches!(
                asked,
                Err(AskError::Deadline { .. } | AskError::Died { taken: true, .. })
            ),
            "{asked:?}"
        );
        yard.obey("always other 8");
        let other = find(stage.sender(), "other");
        let mut asked = other.ask(job(2, HOLD)).redeliver(3);
        assert!((&mut asked).now_or_never().is_none());
        let began = records.iter().find(|it| it.number == 2).unwrap();
        assert_eq!(began.attempt, 1);
        drop(asked);
        yard.obey(&format!("open other {PANIC}"));
        let overdue = other.ask(job(3, PASS)).redeliver(1).deadline(ms(0)).wait();
        drop(overdue);
        assert_eq!(other.ask(job(4, PASS)).redeliver(1).wait().unwrap(), 4);
        let again = records.try_iter().filter(|it| it.number == 2).count();
        assert_eq!(again, 0);
        yard.obey("end other");
    });
}

// Goal: a handler's error is an answer: it is not sent again, asked or told, and the actor's hook and dead letters have it.
#[test]
fn errors_are_answers() {
    both("redeliver-errors", |stage| {
        let (yard, records) = yard(stage.home());
        yard.obey("always worker 8");
        let worker = find(stage.sender(), "worker");
        let mut letters = stage.home().dead_letters();
        let asked = worker.ask(job(1, FAIL)).redeliver(3).wait();
        assert!(matches!(asked, Err(AskError::Handler(_))), "{asked:?}");
        worker.tell(job(2, FAIL)).redeliver(3).wait().unwrap();
        let letter = block_on(letters.next()).unwrap();
        assert!(matches!(letter.reason, DeadReason::Failed(_)), "{letter:?}");
        worker.ask(job(3, PASS)).redeliver(3).wait().unwrap();
        let seen: Vec<_> = records.try_iter().collect();
        let effects = effects(&seen);
        assert_eq!(effects[&1].0, [1]);
        assert_eq!(effects[&2].0, [1]);
        assert!(letters.try_next().is_none());
        yard.obey("end worker");
    });
}

// Goal: the address of one life has no next one: its end is told at once.
#[test]
fn one_life_has_no_next() {
    both("redeliver-pinned", |stage| {
        let (yard, _records) = yard(stage.home());
        yard.obey("always worker 8");
        let worker = find(stage.sender(), "worker").pinned();
        let asked = worker.ask(job(1, PANIC)).redeliver(3).wait();
        assert!(
            matches!(asked, Err(AskError::Died { taken: true, .. })),
            "{asked:?}"
        );
        let mut letters = stage.sender().dead_letters();
        let told = worker.tell(job(2, PASS)).redeliver(3).wait();
        let Err(SendError::Ended { message, .. }) = told else {
            panic!("{told:?}");
        };
        assert_eq!(message.number, 2);
        assert!(letters.try_next().is_none());
        yard.obey("end worker");
    });
}
