//! Actors whose messages are redelivered without a word of their senders.

use std::sync::mpsc::channel;

use ringway::prelude::*;
use ringway::{DeadLetter, DeadReason};

use super::scene::{Process, effects, find, yard};
use crate::support::stage::both;
use crate::support::{Bus, watch};
use crate::worker::{DIE, Job, PANIC, PANIC_UNTIL, PASS, bad_until};

fn job(number: u64, what: u64) -> Job {
    Job { number, what }
}

fn attempts(letter: &DeadLetter) -> Option<u32> {
    match letter.reason {
        DeadReason::Poisoned { attempts, .. } => Some(attempts),
        _ => None,
    }
}

// Goal: what an actor is set to holds for every tell and ask by an address that follows it, as an actor or as a recipient, and
// what a call says holds before that. The address of one life has no next one.
#[test]
fn a_setting_holds_unless_a_call_says_otherwise() {
    both("redeliver-setting", |stage| {
        let (yard, records) = yard(stage.home());
        yard.obey("always worker 8 2");
        let worker = find(stage.sender(), "worker");
        let recipient: Recipient<Job> = stage.sender().lookup("worker").wait().unwrap();
        let mut letters = stage.sender().dead_letters();
        assert_eq!(worker.ask(bad_until(1, PANIC_UNTIL, 3)).wait().unwrap(), 1);
        assert_eq!(
            recipient.ask(bad_until(2, PANIC_UNTIL, 2)).wait().unwrap(),
            2
        );
        worker.tell(bad_until(3, PANIC_UNTIL, 3)).wait().unwrap();
        recipient.tell(job(4, PANIC)).wait().unwrap();
        let poison = block_on(letters.next()).unwrap();
        assert_eq!(attempts(&poison), Some(3));
        let asked = worker.ask(job(5, PANIC)).redeliver(1).wait();
        assert!(
            matches!(asked, Err(AskError::Poisoned { attempts: 2, .. })),
            "{asked:?}"
        );
        let asked = worker.ask(job(6, PANIC)).once().wait();
        assert!(
            matches!(asked, Err(AskError::Died { taken: true, .. })),
            "{asked:?}"
        );
        worker.tell(job(7, PANIC)).redeliver(0).wait().unwrap();
        for expected in [2, 1] {
            let poison = block_on(letters.next()).unwrap();
            assert_eq!(attempts(&poison), Some(expected));
        }
        let mut came_back = worker.undelivered::<Job>();
        worker.tell(job(8, PANIC)).once().wait().unwrap();
        assert!(block_on(came_back.next()).unwrap().taken);
        let asked = worker.pinned().ask(job(9, PASS)).wait();
        assert!(
            matches!(asked, Err(AskError::Unsent(SendError::Ended { .. }))),
            "{asked:?}"
        );
        assert_eq!(worker.ask(job(10, PASS)).wait().unwrap(), 10);
        let seen: Vec<_> = records.try_iter().collect();
        let effects = effects(&seen);
        for (number, attempts, ended) in [
            (1, vec![1, 2, 3], 1),
            (2, vec![1, 2], 1),
            (3, vec![1, 2, 3], 1),
            (4, vec![1, 2, 3], 0),
            (5, vec![1, 2], 0),
            (6, vec![1], 0),
            (7, vec![1], 0),
            (8, vec![1], 0),
            (10, vec![1], 1),
        ] {
            assert_eq!(effects[&number], (attempts, ended), "{number}");
        }
        yard.obey("end worker");
    });
}

// Goal: the same of processes that are killed, whose setting their senders know from the uring: asks and tells, in order, attempts
// counted.
#[test]
fn a_setting_holds_over_processes() {
    let _dog = watch();
    let bus = Bus::new("redeliver-setting-sigkill");
    let node = bus.attach("sender");
    let (log, records) = channel();
    let mut process = Process::start(&bus, &log);
    process.obey("once worker 64 2");
    let worker = find(&node, "worker");
    let sending = async {
        worker.tell(bad_until(1, DIE, 3)).await.unwrap();
        let asks = (2..10).map(|number| worker.ask(job(number, PASS)).deadline(secs(100)));
        futures::future::join_all(asks).await
    };
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| block_on(sending));
        for _ in 0..2 {
            process.died();
            process = Process::start(&bus, &log);
            process.obey("once worker 64 2");
        }
        for answer in sending.join().unwrap() {
            answer.unwrap();
        }
        process.kill();
    });
    let seen: Vec<_> = records.try_iter().collect();
    let effects = effects(&seen);
    assert_eq!(effects[&1], (vec![1, 2, 3], 1));
    for number in 2..10 {
        assert_eq!(effects[&number], (vec![1], 1), "{number}");
    }
    let ended = seen.iter().filter(|it| it.ended == 1);
    let order: Vec<_> = ended.map(|it| it.number).collect();
    assert_eq!(order, (1..10).collect::<Vec<_>>());
}

#[derive(Actor, Default)]
#[actor(handles(u64), redeliver = 1)]
struct Frail {
    life: u64,
}

impl Handler<u64> for Frail {
    async fn handle(&mut self, number: u64, cx: &mut Context<Self>) {
        assert!(number == 0 || cx.attempt() == 2, "job {number} panics");
        self.life += 1;
    }
}

// Goal: the setting of a type holds for a supervisor's child without a name, by the tree's address; what the child says of itself
// comes first.
#[test]
fn a_type_has_a_setting_too() {
    let _dog = watch();
    let bus = Bus::new("redeliver-type");
    let node = bus.attach("node");
    let (_yard, _records) = yard(&node); // whose panics need not be read
    let start = Supervisor::one_for_one()
        .intensity(u32::MAX, secs(1000))
        .backoff(ms(0)..ms(0))
        .child(Child::actor("frail", Frail::default))
        .child(Child::actor("frailer", Frail::default).redeliver(0))
        .start(&node);
    let tree = start.wait().unwrap();
    let frail: Addr<Frail> = tree.addr("frail").wait().unwrap();
    frail.ask(7).wait().unwrap();
    frail.tell(8).wait().unwrap();
    frail.ask(0).wait().unwrap();
    let frailer: Addr<Frail> = tree.addr("frailer").wait().unwrap();
    let died = frailer.ask(7).wait();
    assert!(
        matches!(died, Err(AskError::Died { taken: true, .. })),
        "{died:?}"
    );
}
