//! The ends of receivers with messages of both priorities queued.

use futures::StreamExt;
use ringway::Undone;
use ringway::prelude::*;

use super::{handles, held, release, tell};
use crate::support::probe::Event::{Began, Stopping};
use crate::support::probe::{Hold, Note, Probe, probe};
use crate::support::stage::{Stage, both};
use crate::support::{Bus, watch};

#[derive(Clone, Copy, Debug)]
enum How {
    Stopped,
    Killed,
}

/// The numbers that came back, of the stream that ends with the receiver.
async fn returned(probe: &Addr<Probe>, reason: &ExitReason) -> Vec<u64> {
    let back: Vec<_> = probe.undelivered::<Note>().collect().await;
    let numbers = back.into_iter().map(|it| {
        assert!(!it.taken);
        assert_eq!(it.why, Undone::Ended(reason.clone()));
        it.message.unwrap().into_value().unwrap().number
    });
    numbers.collect()
}

fn end_with_both_queued(stage: &Stage, how: How) {
    let (probe, watcher) = held(stage, 64, Overflow::Wait);
    block_on(async {
        tell(&probe, Priority::Normal, 1..=3).await;
        tell(&probe, High, 11..=13).await;
        let mut asking = Box::pin(probe.ask(Note { number: 14 }).priority(High));
        assert!(futures::poll!(&mut asking).is_pending());
        let reason = match how {
            How::Stopped => {
                probe.stop();
                stage.settle().await;
                watcher.open_gate();
                ExitReason::Stopped
            }
            How::Killed => {
                probe.kill();
                ExitReason::Killed
            }
        };
        assert_eq!(probe.closed().await, reason);
        let answer = asking.await.unwrap_err();
        assert!(
            matches!(&answer, AskError::Died { taken: false, .. }),
            "{answer:?}"
        );
        assert_eq!(answer.into_inner(), Some(Note { number: 14 }));
        let mut back = returned(&probe, &reason).await;
        back.sort_unstable();
        assert_eq!(back, [1, 2, 3, 11, 12, 13]);
        // And nothing of either priority is accepted any more.
        for priority in [Priority::Normal, High] {
            let late = probe.tell(Note { number: 5 }).priority(priority).await;
            let error = late.unwrap_err();
            assert!(matches!(&error, SendError::Ended { reason: why, .. } if *why == reason));
        }
    });
    let late = watcher.rest();
    assert!(
        !late.iter().any(|event| matches!(event, Began(_))),
        "{late:?}"
    );
}

// Goal: what is queued with high priority when its receiver ends comes back as the rest does, once, to the same stream, which ends
// only when both have come back; asks hear of it too.
#[test]
fn what_is_queued_comes_back() {
    for how in [How::Stopped, How::Killed] {
        both(&format!("priorities-{how:?}"), |stage| {
            end_with_both_queued(stage, how);
        });
    }
}

// Goal: what nobody listens for is a dead letter of its sender's node, of whatever priority.
#[test]
fn what_nobody_reads_is_a_dead_letter() {
    both("priorities-dead", |stage| {
        let (probe, _watcher) = held(stage, 64, Overflow::Wait);
        let mut letters = stage.sender().dead_letters();
        block_on(async {
            tell(&probe, Priority::Normal, 1..=2).await;
            tell(&probe, High, 11..=12).await;
            probe.kill();
            let mut numbers = Vec::new();
            while numbers.len() < 4 {
                let letter = letters.next().await.unwrap();
                let note = letter.take::<Note>();
                numbers.extend(note.map(|it| it.into_value().unwrap().number));
            }
            numbers.sort_unstable();
            assert_eq!(numbers, [1, 2, 11, 12]);
        });
    });
}

// Goal: a sender that had never anything urgent for it hears of the end of a receiver as ever when it has.
#[test]
fn the_first_urgent_one_is_too_late() {
    both("priorities-late", |stage| {
        let (probe, _watcher) = stage.probe();
        block_on(async {
            probe.ask(Note { number: 1 }).await.unwrap();
            probe.kill();
            assert_eq!(probe.closed().await, ExitReason::Killed);
            let late = probe.tell(Note { number: 2 }).priority(High).await;
            let error = late.unwrap_err();
            assert!(
                matches!(&error, SendError::Ended { reason, .. } if *reason == ExitReason::Killed)
            );
            let late = probe.ask(Note { number: 3 }).priority(High).await;
            assert_eq!(late.unwrap_err().into_inner(), Some(Note { number: 3 }));
            let back: Vec<_> = probe.undelivered::<Note>().collect().await;
            assert!(back.is_empty(), "{back:?}");
        });
    });
}

// Goal: a drain handles all that was sent before it, of both priorities.
#[test]
fn a_drain_handles_both() {
    both("priorities-drain", |stage| {
        let (probe, watcher) = held(stage, 64, Overflow::Wait);
        block_on(async {
            tell(&probe, Priority::Normal, 1..=3).await;
            tell(&probe, High, 11..=13).await;
            let ladder = StopLadder::new().drain(secs(100));
            let stopping = probe.stop_by(ladder);
            let released = async {
                stage.settle().await;
                release(&watcher, 0);
            };
            let (stopped, ()) = futures::join!(stopping, released);
            assert_eq!(stopped.reason, ExitReason::Stopped);
        });
        handles(&watcher, 11..=13);
        handles(&watcher, 1..=3);
        watcher.expect(Stopping(ExitReason::Stopped));
    });
}

/// Ends when it is told to, having told another.
#[derive(Actor)]
#[actor(handles(u64))]
struct Parting(Addr<Watching>);

impl Handler<u64> for Parting {
    async fn handle(&mut self, last: u64, cx: &mut Context<Self>) {
        for number in 1..=last {
            self.0.tell(number).await.unwrap();
        }
        cx.stop();
    }
}

/// Whom to monitor.
#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Watch(Recipient<u64>);

/// Says what comes; a message from 100 on waits at the gate.
#[derive(Actor)]
#[actor(handles(u64, Watch, Down))]
struct Watching {
    says: std::sync::mpsc::Sender<u64>,
    gate: futures::channel::mpsc::UnboundedReceiver<()>,
}

/// What it says of a `Down`.
const DOWN: u64 = 0;

impl Handler<u64> for Watching {
    async fn handle(&mut self, number: u64, _: &mut Context<Self>) {
        self.says.send(number).unwrap();
        if number >= 100 {
            self.gate.next().await;
        }
    }
}

impl Handler<Watch> for Watching {
    async fn handle(&mut self, watch: Watch, cx: &mut Context<Self>) {
        cx.monitor(&watch.0);
    }
}

impl Handler<Down> for Watching {
    async fn handle(&mut self, _: Down, _: &mut Context<Self>) {
        self.says.send(DOWN).unwrap();
    }
}

// Goal: a `Down` comes behind what the dead one had told, however much of high priority comes from others meanwhile.
#[test]
fn a_down_waits_for_its_own() {
    let _dog = watch();
    let bus = Bus::new("priorities-down");
    let node = bus.attach("node");
    let (says, said) = std::sync::mpsc::channel();
    let (opener, gate) = futures::channel::mpsc::unbounded();
    let watching = node.spawn(Watching { says, gate }).unwrap();
    let parting = node.spawn(Parting(watching.clone())).unwrap();
    block_on(async {
        let watch = Watch(Recipient::from(&parting));
        watching.ask(watch).await.unwrap();
        watching.tell(100_u64).await.unwrap();
        assert_eq!(said.recv().unwrap(), 100);
        watching.tell(101_u64).await.unwrap();
        parting.tell(2_u64).await.unwrap();
        parting.closed().await;
        // With the next message it hears of the end.
        opener.unbounded_send(()).unwrap();
        assert_eq!(said.recv().unwrap(), 101);
        for number in 11..=13_u64 {
            watching.tell(number).priority(High).await.unwrap();
        }
        opener.unbounded_send(()).unwrap();
        let said: Vec<_> = said.iter().take(6).collect();
        assert_eq!(said, [11, 12, 13, 1, 2, DOWN]);
    });
}

// Goal: an idle actor is woken by its first urgent message, here and elsewhere, and answers it.
#[test]
fn an_idle_actor_is_woken() {
    both("priorities-idle", |stage| {
        let (actor, watcher) = probe();
        let probe = stage.spawn(actor);
        watcher.expect(crate::support::probe::Event::Started);
        for number in 1..=50 {
            let asked = probe.ask(Note { number }).priority(High).wait();
            assert_eq!(asked.unwrap(), number);
        }
        let hold = Hold { number: 60 };
        probe.tell(hold).priority(High).wait().unwrap();
    });
}
