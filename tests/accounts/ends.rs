//! Messages that are not handled, or not to their end: each kind of end is told apart.

use futures::poll;
use ringway::prelude::*;

use crate::support::probe::{Boom, Event, Halt, Hold, Note, Page, Probe, Watcher, probe};
use crate::support::stage::{Place, Stage};
use crate::support::watch;
use crate::worker::{HOLD, Job, PANIC, Worker, Yard};
use crate::{fates, settled};

fn stage(name: &str) -> Stage {
    Stage::new(&format!("accounts-{name}"), Place::Remote, |config| config)
}

fn spawn(stage: &Stage, mailbox: usize, overflow: Overflow) -> (Addr<Probe>, Watcher) {
    let (actor, watcher) = probe();
    let addr = stage.spawn_as("actor", actor, |it| it.mailbox(mailbox).overflow(overflow));
    watcher.expect(Event::Started);
    (addr, watcher)
}

// Goal: a panic and a kill end the message in hand after it was taken, and what was queued comes back: told and asked, in an
// entry and in a block.
#[test]
fn panics_and_kills() {
    for is_kill in [false, true] {
        let _dog = watch();
        let stage = stage("panic");
        let (probe, watcher) = stage.probe();
        block_on(async {
            match is_kill {
                true => probe.tell(Hold { number: 1 }).await.unwrap(),
                false => probe.tell(Boom { number: 1 }).await.unwrap(),
            }
            watcher.expect(Event::Began(1));
            for number in 2..5 {
                probe.tell(Note { number }).await.unwrap();
                let words = [0; 511];
                probe.tell(Page { number, words }).await.unwrap();
            }
            let mut ask = probe.ask(Note { number: 5 });
            assert!(poll!(&mut ask).is_pending());
            match is_kill {
                true => probe.kill(),
                false => watcher.open_gate(),
            }
            assert!(ask.await.is_err());
            probe.closed().await;
        });
        assert_eq!(fates(&settled(stage.sender())), [8, 0, 7, 1]);
        let theirs = settled(stage.home());
        assert_eq!((theirs.taken, theirs.panicked), (1, 1));
    }
}

// Goal: an ask whose handler panics has died after it was taken, once, whoever hears of it.
#[test]
fn asks_that_panic() {
    let _dog = watch();
    let stage = stage("panic-ask");
    let (probe, watcher) = stage.probe();
    block_on(async {
        let mut ask = probe.ask(Boom { number: 1 });
        assert!(poll!(&mut ask).is_pending());
        watcher.expect(Event::Began(1));
        watcher.open_gate();
        assert!(matches!(ask.await, Err(AskError::Died { taken: true, .. })));
    });
    let [sent, completed, returned, died] = fates(&settled(stage.sender()));
    // What the actor's port says as it is dropped may come before the heads are judged.
    assert_eq!((sent, completed + died, returned), (1, 1, 0));
    let theirs = settled(stage.home());
    assert_eq!((theirs.taken, theirs.panicked), (1, 1));
}

// Goal: who stops ends the message in hand first; the others come back.
#[test]
fn stops() {
    let _dog = watch();
    let stage = stage("stop");
    let (probe, watcher) = stage.probe();
    block_on(async {
        probe.tell(Hold { number: 1 }).await.unwrap();
        watcher.expect(Event::Began(1));
        probe.tell(Note { number: 2 }).await.unwrap();
        probe.tell(Note { number: 3 }).await.unwrap();
        probe.stop();
        stage.settle().await;
        watcher.open_gate();
        probe.closed().await;
        // One that stops itself.
        let (halts, other) = probe_as(&stage, "halts");
        halts.tell(Halt).await.unwrap();
        halts.closed().await;
        drop(other);
    });
    assert_eq!(fates(&settled(stage.sender())), [4, 2, 2, 0]);
    let theirs = settled(stage.home());
    assert_eq!((theirs.taken, theirs.handled), (2, 2));
}

fn probe_as(stage: &Stage, name: &str) -> (Addr<Probe>, Watcher) {
    let (actor, watcher) = probe();
    let addr = stage.spawn_as(name, actor, |it| it);
    watcher.expect(Event::Started);
    (addr, watcher)
}

// Goal: what a policy drops was taken and dropped where the actor drops it, and not even sent where the sender does.
#[test]
fn policies_drop() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let _dog = watch();
        let stage = stage("drop");
        let (probe, watcher) = spawn(&stage, 2, overflow);
        block_on(async {
            probe.tell(Hold { number: 0 }).await.unwrap();
            watcher.expect(Event::Began(0));
            for number in 1..6 {
                probe.tell(Note { number }).await.unwrap();
            }
        });
        watcher.open_gate();
        let theirs = match overflow {
            Overflow::DropOldest => [6, 3, 3],
            _ => [3, 3, 0],
        };
        let found = loop {
            let found = settled(stage.home());
            if found.taken == theirs[0] {
                break found;
            }
        };
        assert_eq!([found.taken, found.handled, found.dropped], theirs);
        let ours = settled(stage.sender());
        assert_eq!(fates(&ours), [theirs[0], theirs[0], 0, 0]);
    }
}

// Goal: what nobody wants any more when it is taken has expired, or was cancelled.
#[test]
fn what_is_given_up() {
    let _dog = watch();
    let stage = stage("given-up");
    let (probe, watcher) = stage.probe();
    block_on(async {
        probe.tell(Hold { number: 0 }).await.unwrap();
        watcher.expect(Event::Began(0));
        let late = probe.ask(Note { number: 1 }).deadline(ms(1)).await;
        assert!(matches!(late, Err(AskError::Deadline { .. })));
        let mut dropped = probe.ask(Note { number: 2 });
        assert!(poll!(&mut dropped).is_pending());
        drop(dropped);
        watcher.open_gate();
        probe.ask(Note { number: 3 }).await.unwrap();
    });
    assert_eq!(fates(&settled(stage.sender())), [4, 4, 0, 0]);
    let theirs = settled(stage.home());
    assert_eq!((theirs.taken, theirs.handled), (4, 2));
    assert_eq!((theirs.expired, theirs.cancelled), (1, 1));
}

// Goal: what is redelivered is a message more, to the next life; that of the last one has died after it was taken.
#[test]
fn what_is_redelivered() {
    let _dog = watch();
    let stage = stage("redelivered");
    let (log, records) = std::sync::mpsc::channel();
    let log = std::sync::Arc::new(move |record| log.send(record).unwrap_or_default());
    let yard = Yard::new(stage.home(), log);
    yard.obey("always worker 50");
    let worker: Addr<Worker> = stage.sender().lookup("worker").wait().unwrap();
    let job = Job {
        number: 1,
        what: HOLD,
    };
    block_on(async {
        let mut ask = worker.ask(job).redeliver(3).deadline(secs(100));
        assert!(poll!(&mut ask).is_pending());
        while records.recv().unwrap().number != 1 {}
        std::thread::scope(|scope| {
            let opens = scope.spawn(|| yard.obey(&format!("open worker {PANIC}")));
            opens.join().unwrap();
        });
        assert_eq!(ask.await.unwrap(), 1);
    });
    let [sent, completed, returned, died] = fates(&settled(stage.sender()));
    assert_eq!((sent, completed + died, returned), (2, 2, 0));
    let theirs = settled(stage.home());
    assert_eq!((theirs.taken, theirs.handled, theirs.panicked), (2, 1, 1));
}
