//! What a life had put aside when it ended.

use std::sync::mpsc::channel;

use futures::poll;
use ringway::prelude::*;

use super::scene::{Process, effects, find, yard};
use crate::support::stage::both;
use crate::support::{Bus, watch};
use crate::worker::{ASIDE, Job, PANIC, PASS};

fn job(number: u64, what: u64) -> Job {
    Job { number, what }
}

// Goal: what is to be redelivered and was put aside goes to the next life as what was being handled does: the attempt counts, in the
// order in which it was sent. What is not says that it was taken.
#[test]
fn the_next_life_has_what_was_put_aside() {
    both("redeliver-aside", |stage| {
        let (yard, records) = yard(stage.home());
        yard.obey("always worker 8");
        let worker = find(stage.sender(), "worker");
        block_on(async {
            let mut asked = worker.ask(job(1, ASIDE)).redeliver(1);
            assert!(poll!(&mut asked).is_pending());
            worker.tell(job(2, ASIDE)).redeliver(1).await.unwrap();
            let mut plain = worker.ask(job(3, ASIDE));
            assert!(poll!(&mut plain).is_pending());
            let panics = worker.ask(job(4, PANIC)).redeliver(0).await;
            assert!(
                matches!(panics, Err(AskError::Poisoned { .. })),
                "{panics:?}"
            );
            assert_eq!(asked.await.unwrap(), 1);
            let plain = plain.await;
            assert!(
                matches!(plain, Err(AskError::Died { taken: true, .. })),
                "{plain:?}"
            );
            // Behind the one that was told.
            worker.ask(job(5, PASS)).redeliver(0).await.unwrap();
        });
        let seen: Vec<_> = records.try_iter().collect();
        let effects = effects(&seen);
        assert_eq!(effects[&1], (vec![1, 2], 1));
        assert_eq!(effects[&2], (vec![1, 2], 1));
        assert_eq!(effects[&3], (vec![1], 0));
        yard.obey("end worker");
    });
}

// Goal: the same of a process that is killed; an ask that is not to be redelivered hears that it was taken, and of which signal.
#[test]
fn a_killed_process_had_put_it_aside() {
    let _dog = watch();
    let bus = Bus::new("redeliver-aside-sigkill");
    let node = bus.attach("sender");
    let (log, records) = channel();
    let mut process = Process::start(&bus, &log);
    process.obey("once worker 64");
    let worker = find(&node, "worker");
    block_on(async {
        let mut asked = worker.ask(job(1, ASIDE)).redeliver(1).deadline(secs(100));
        assert!(poll!(&mut asked).is_pending());
        worker.tell(job(2, ASIDE)).redeliver(1).await.unwrap();
        let mut plain = worker.ask(job(3, ASIDE)).deadline(secs(100));
        assert!(poll!(&mut plain).is_pending());
        // Behind all of them.
        worker.ask(job(4, PASS)).redeliver(0).await.unwrap();
        process.kill();
        let died = plain.await;
        let Err(AskError::Died {
            taken: true,
            reason,
            ..
        }) = died
        else {
            panic!("{died:?}");
        };
        assert!(
            matches!(
                reason,
                ExitReason::ProcessDied | ExitReason::ProcessSignaled { .. }
            ),
            "{reason}"
        );
        let mut process = Process::start(&bus, &log);
        process.obey("once worker 64");
        assert_eq!(asked.await.unwrap(), 1);
        worker
            .ask(job(5, PASS))
            .redeliver(0)
            .deadline(secs(100))
            .await
            .unwrap();
        process.kill();
    });
    let seen: Vec<_> = records.try_iter().collect();
    let effects = effects(&seen);
    assert_eq!(effects[&1], (vec![1, 2], 1));
    assert_eq!(effects[&2], (vec![1, 2], 1));
    assert_eq!(effects[&3], (vec![1], 0));
}
