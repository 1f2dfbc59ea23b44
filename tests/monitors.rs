//! Monitors: one `Down` for each, with the reason, behind what the dead one had said, whatever the mailbox holds.
//!
//! Method: a tower watches talkers of its own node, then of another one; both end as they are told. Deaths of processes are
//! played by the family: see `tests/process.rs`.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::thread;

use ringway::prelude::*;
use ringway::test::{Gate, Journal, Pen};

use support::probe::Note;
use support::stage::{Stage, both};

/// Has a talker say so many notes, and then end.
#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Talk {
    to: Option<Recipient<Note>>,
    count: u64,
    end: End,
}

#[derive(Serialize, Deserialize, Schema, Clone, Copy, Debug, PartialEq)]
#[serde(crate = "ringway::serde")]
enum End {
    Normally,
    ByPanic,
    ByError,
}

#[derive(Actor)]
#[actor(handles(Talk, Note))]
struct Talker;

impl Handler<Talk> for Talker {
    async fn handle(&mut self, talk: Talk, cx: &mut Context<Self>) {
        for number in 0..talk.count {
            let to = talk.to.as_ref().unwrap();
            to.tell(Note { number }).await.unwrap();
        }
        match talk.end {
            End::Normally => cx.stop(),
            End::ByPanic => panic!("as asked"),
            End::ByError => cx.fail("as asked"),
        }
    }
}

impl Handler<Note> for Talker {
    async fn handle(&mut self, note: Note, _cx: &mut Context<Self>) -> u64 {
        note.number
    }
}

#[derive(Message, Serialize, Deserialize)]
#[message(serial, reply = MonitorId)]
#[serde(crate = "ringway::serde")]
struct Watch(Addr<Talker>);

#[derive(Message, Serialize, Deserialize)]
#[message(serial, reply = bool)]
#[serde(crate = "ringway::serde")]
struct Forget(MonitorId);

/// Its handler waits at the gate, and then takes a monitor back.
#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Hold(Option<MonitorId>);

#[derive(Debug, PartialEq)]
enum Seen {
    Note(u64),
    Holds,
    Down(Down),
}

#[derive(Actor)]
#[actor(handles(Watch, Forget, Hold, Note, Down))]
struct Tower {
    log: Pen<Seen>,
    gate: Gate,
}

impl Handler<Watch> for Tower {
    async fn handle(&mut self, Watch(talker): Watch, cx: &mut Context<Self>) -> MonitorId {
        cx.monitor(&talker)
    }
}

impl Handler<Forget> for Tower {
    async fn handle(&mut self, Forget(monitor): Forget, cx: &mut Context<Self>) -> bool {
        cx.demonitor(monitor)
    }
}

impl Handler<Hold> for Tower {
    async fn handle(&mut self, Hold(forget): Hold, cx: &mut Context<Self>) {
        self.log.write(Seen::Holds);
        self.gate.pass().await;
        if let Some(monitor) = forget {
            assert!(cx.demonitor(monitor));
        }
    }
}

impl Handler<Note> for Tower {
    async fn handle(&mut self, note: Note, _cx: &mut Context<Self>) -> u64 {
        self.log.write(Seen::Note(note.number));
        note.number
    }
}

impl Handler<Down> for Tower {
    async fn handle(&mut self, down: Down, _cx: &mut Context<Self>) {
        self.log.write(Seen::Down(down));
    }
}

fn tower() -> (Tower, Journal<Seen>, Gate) {
    let ((seen, log), gate) = (Journal::new(), Gate::new());
    let tower = Tower {
        log,
        gate: gate.clone(),
    };
    (tower, seen, gate)
}

fn talk(end: End) -> Talk {
    Talk {
        to: None,
        count: 0,
        end,
    }
}

fn talker(stage: &Stage, number: u64) -> Addr<Talker> {
    stage.spawn_as(&format!("talker-{number}"), Talker, |builder| builder)
}

fn down(who: &Addr<Talker>, monitor: MonitorId, reason: ExitReason) -> Seen {
    Seen::Down(Down {
        who: who.id(),
        monitor,
        reason,
        stderr_tail: String::new(),
    })
}

// Goal: each way to end is told with its reason, once for each monitor, and to nobody else.
#[test]
fn every_end_is_told() {
    both("monitor-ends", |stage| {
        let (tower, seen, _gate) = tower();
        let tower = stage.sender().spawn(tower).unwrap();
        let as_asked = || "as asked".to_owned();
        for (number, end, reason) in [
            (0, Some(End::Normally), ExitReason::Normal),
            (1, Some(End::ByPanic), ExitReason::Panicked(as_asked())),
            (2, Some(End::ByError), ExitReason::Error(as_asked())),
            (3, None, ExitReason::Killed),
        ] {
            let talker = talker(stage, number);
            let first = tower.ask(Watch(talker.clone())).wait().unwrap();
            let second = tower.ask(Watch(talker.clone())).wait().unwrap();
            assert_ne!(first, second);
            match end {
                Some(end) => talker.tell(talk(end)).wait().unwrap(),
                None => talker.kill(),
            }
            let mut told = [seen.next().wait(), seen.next().wait()];
            if told[0] != down(&talker, first, reason.clone()) {
                told.reverse();
            }
            assert_eq!(told[0], down(&talker, first, reason.clone()));
            assert_eq!(told[1], down(&talker, second, reason));
        }
        tower.ask(Note { number: 7 }).wait().unwrap();
        assert_eq!(seen.next().wait(), Seen::Note(7), "and no more");
    });
}

// Goal: who has ended already is told at once, as often as it is asked for.
#[test]
fn the_dead_answer_at_once() {
    both("monitor-dead", |stage| {
        let (tower, seen, _gate) = tower();
        let tower = stage.sender().spawn(tower).unwrap();
        let talker = talker(stage, 0);
        talker.stop();
        assert_eq!(block_on(talker.closed()), ExitReason::Stopped);
        for _ in 0..2 {
            let monitor = tower.ask(Watch(talker.clone())).wait().unwrap();
            let told = down(&talker, monitor, ExitReason::Stopped);
            assert_eq!(seen.next().wait(), told);
        }
    });
}

// Goal: a monitor that was taken back says nothing, even if the end had come before and was not handled.
#[test]
fn a_monitor_can_be_taken_back() {
    both("monitor-back", |stage| {
        let (tower, seen, gate) = tower();
        let tower = stage.sender().spawn(tower).unwrap();
        let talker = talker(stage, 0);
        let early = tower.ask(Watch(talker.clone())).wait().unwrap();
        let late = tower.ask(Watch(talker.clone())).wait().unwrap();
        let queued = tower.ask(Watch(talker.clone())).wait().unwrap();
        if stage.is_remote() {
            assert!(tower.ask(Forget(queued)).wait().unwrap());
        }
        let stays = tower.ask(Watch(talker.clone())).wait().unwrap();
        assert!(tower.ask(Forget(early)).wait().unwrap());
        assert!(!tower.ask(Forget(early)).wait().unwrap());
        tower.tell(Hold(Some(late))).wait().unwrap();
        assert_eq!(seen.next().wait(), Seen::Holds);
        // Queued before the end, and so handled before the `Down`, which waits already.
        if !stage.is_remote() {
            tower.tell(Forget(queued)).wait().unwrap();
        }
        talker.stop();
        block_on(talker.closed());
        gate.let_one_pass();
        let told = down(&talker, stays, ExitReason::Stopped);
        assert_eq!(seen.next().wait(), told);
        assert!(!tower.ask(Forget(stays)).wait().unwrap(), "it has come");
        tower.ask(Note { number: 1 }).wait().unwrap();
        assert_eq!(seen.next().wait(), Seen::Note(1));
    });
}

// Goal: a full mailbox keeps no `Down` out, and none is dropped from it, under every policy; it comes behind what was there.
#[test]
fn a_full_mailbox_hears_of_deaths() {
    for overflow in [
        Overflow::Wait,
        Overflow::Fail,
        Overflow::DropNewest,
        Overflow::DropOldest,
    ] {
        both("monitor-full", |stage| {
            let (tower, seen, gate) = tower();
            let builder = stage.sender().actor(tower).mailbox(2).overflow(overflow);
            let tower = builder.spawn().unwrap();
            let talkers: Vec<_> = (0..5).map(|number| talker(stage, number)).collect();
            for talker in &talkers {
                tower.ask(Watch(talker.clone())).wait().unwrap();
            }
            tower.tell(Hold(None)).wait().unwrap();
            assert_eq!(seen.next().wait(), Seen::Holds);
            for number in 0..2 {
                tower.try_tell(Note { number }).unwrap();
            }
            for talker in &talkers {
                talker.stop();
                block_on(talker.closed());
            }
            // One more meets the policy.
            let _ = tower.try_tell(Note { number: 2 });
            gate.let_one_pass();
            let mut notes = Vec::new();
            let mut told = Vec::new();
            while told.len() < talkers.len() {
                match seen.next().wait() {
                    Seen::Note(number) => notes.push(number),
                    Seen::Down(down) => told.push(down.who),
                    other => panic!("{other:?}"),
                }
            }
            let ids: Vec<_> = talkers.iter().map(Addr::id).collect();
            assert_eq!(told, ids, "in the order of the deaths");
            if !stage.is_remote() {
                let kept: &[u64] = match overflow {
                    Overflow::DropOldest => &[1, 2],
                    _ => &[0, 1],
                };
                assert_eq!(notes, kept, "{overflow:?}");
            }
        });
    }
}

// Goal: all that the dead one had told comes before its `Down`, however soon it ends afterwards.
// Method: as many notes as fit into a uring, in many rounds, and another sender beside it.
#[test]
fn the_last_words_come_first() {
    const ROUNDS: u64 = 100;
    const WORDS: u64 = 100;
    both("monitor-words", |stage| {
        let (tower, seen, _gate) = tower();
        let tower = stage.sender().spawn(tower).unwrap();
        let beside = tower.clone();
        let first = talker(stage, ROUNDS);
        let stale = tower.ask(Watch(first)).wait().unwrap();
        let (ended, over) = std::sync::mpsc::channel::<()>();
        let noise = thread::spawn(move || {
            while over.try_recv().is_err() {
                beside.ask(Forget(stale)).wait().unwrap();
            }
        });
        for round in 0..ROUNDS {
            let talker = talker(stage, round);
            let monitor = tower.ask(Watch(talker.clone())).wait().unwrap();
            let end = if round % 2 == 0 {
                End::Normally
            } else {
                End::ByPanic
            };
            let to = Some(tower.recipient());
            let words = Talk {
                to,
                count: WORDS,
                end,
            };
            talker.tell(words).wait().unwrap();
            for number in 0..WORDS {
                assert_eq!(seen.next().wait(), Seen::Note(number), "round {round}");
            }
            let Seen::Down(down) = seen.next().wait() else {
                panic!("no word is left");
            };
            assert_eq!((down.who, down.monitor), (talker.id(), monitor));
        }
        ended.send(()).unwrap();
        noise.join().unwrap();
    });
}

// Goal: exactly one for each of many, ended from several threads while others are taken back.
#[test]
fn a_crowd_is_told_one_by_one() {
    const CROWD: u64 = 400;
    both("monitor-crowd", |stage| {
        let (tower, seen, _gate) = tower();
        let tower = stage.sender().spawn(tower).unwrap();
        let talkers: Vec<_> = (0..CROWD).map(|number| talker(stage, number)).collect();
        let watch = |talker: &Addr<Talker>| tower.ask(Watch(talker.clone())).wait().unwrap();
        let stay: Vec<_> = talkers.iter().map(watch).collect();
        let go: Vec<_> = talkers.iter().map(watch).collect();
        let mut forgotten = 0;
        thread::scope(|scope| {
            for half in talkers.chunks(talkers.len() / 2) {
                scope.spawn(move || half.iter().for_each(Addr::stop));
            }
            for monitor in &go {
                let was_there = tower.ask(Forget(*monitor)).wait().unwrap();
                forgotten += usize::from(was_there);
            }
        });
        let expected = stay.len() + go.len() - forgotten;
        let mut told: Vec<_> = (0..expected)
            .map(|_| match seen.next().wait() {
                Seen::Down(down) => down.monitor,
                other => panic!("{other:?}"),
            })
            .collect();
        tower.ask(Note { number: 1 }).wait().unwrap();
        assert_eq!(seen.next().wait(), Seen::Note(1), "and no more");
        assert!(stay.iter().all(|monitor| told.contains(monitor)));
        let before = told.len();
        told.sort_by_key(|monitor| format!("{monitor:?}"));
        told.dedup();
        assert_eq!(told.len(), before);
    });
}
