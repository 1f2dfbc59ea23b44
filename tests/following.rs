//! Addresses that follow a name or a child, from one life of an actor to the next: what a send does when the life that it was
//! for has ended.
//!
//! Lives in this process here; those of child processes, ended by SIGKILL, are the family's: see `tests/process.rs`.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::collections::HashSet;

use futures::poll;
use ringway::prelude::*;

use support::probe::{Event, Halt, Hold, Note, Probe, Watcher, probe};
use support::stage::{Stage, both};
use support::{Bus, watch};

/// Lives of one name in a row: more than an address has places for.
const LIVES: u64 = 9;

fn begin(node: &Node) -> (Addr<Probe>, Watcher) {
    let (actor, watcher) = probe();
    let life = node.actor(actor).name("arm").spawn().unwrap();
    watcher.expect(Event::Started);
    (life, watcher)
}

fn follow(stage: &Stage) -> Addr<Probe> {
    stage.sender().lookup("arm").wait().unwrap()
}

fn end(life: &Addr<Probe>) {
    life.ask(Halt).wait().unwrap();
    block_on(life.closed());
}

// Goal: an address found by name, its clones, recipients and weak forms reach every life of it, on whichever node; an address
// of one life does not.
#[test]
fn an_address_follows_its_name() {
    both("following", |stage| {
        let (mut life, mut watcher) = begin(stage.home());
        let found = follow(stage);
        let (recipient, clone) = (found.recipient::<Note>(), found.clone());
        let weak = found.downgrade();
        assert_eq!(found.follows(), Some("arm"));
        assert_eq!((life.follows(), found.pinned().follows()), (None, None));
        for number in 0..LIVES {
            let note = Note { number };
            assert_eq!(found.ask(note).wait().unwrap(), number);
            found.tell(note).wait().unwrap();
            found.try_tell(note).unwrap();
            recipient.tell(note).wait().unwrap();
            assert_eq!(clone.clone().ask(note).wait().unwrap(), number);
            // It has nothing of its own: it is there as long as the others are at a life that it knew.
            if let Some(strong) = weak.upgrade() {
                assert_eq!(strong.ask(note).wait().unwrap(), number);
            }
            end(&life);
            let ended = watcher.rest();
            let count = ended.iter().filter(|it| **it == Event::Ended(number));
            assert!(count.count() >= 5, "{ended:?}");
            let error = life.tell(note).wait().unwrap_err();
            assert!(matches!(error, SendError::Ended { .. }), "{error}");
            let node = match number % 2 {
                0 => stage.sender(),
                _ => stage.home(),
            };
            (life, watcher) = begin(node);
        }
    });
}

// Goal: a send that meets the end of a life waits for the next one, whoever waits and however; what cannot wait says so.
#[test]
fn sends_wait_for_the_next_life() {
    both("following-waits", |stage| {
        let (life, _watcher) = begin(stage.home());
        let found = follow(stage);
        found.ask(Note { number: 1 }).wait().unwrap();
        end(&life);
        block_on(found.closed());
        block_on(async {
            let mut tell = found.tell(Note { number: 2 });
            let mut ask = found.ask(Note { number: 3 }).deadline(secs(100));
            assert!(poll!(&mut tell).is_pending());
            assert!(poll!(&mut ask).is_pending());
            let refused = found.try_tell(Note { number: 4 }).unwrap_err();
            assert!(matches!(refused, SendError::NoSuccessor { .. }));
            assert_eq!(
                refused.to_string(),
                "\"arm\" has ended (it ended normally), and nothing took its place"
            );
            assert_eq!(refused.into_inner(), Note { number: 4 });
            let (_life, watcher) = begin(stage.home());
            tell.await.unwrap();
            assert_eq!(ask.await.unwrap(), 3);
            let seen = watcher.so_far();
            let begun = seen.iter().filter(|it| matches!(it, Event::Began(_)));
            assert_eq!(begun.count(), 2, "{seen:?}");
        });
    });
}

// Goal: the wait for a life is bounded: by the deadline of the ask or the tell. The message comes back.
#[test]
fn waits_for_a_life_are_bounded() {
    both("following-bounded", |stage| {
        let (life, _watcher) = begin(stage.home());
        let found = follow(stage);
        end(&life);
        block_on(found.closed());
        let told = found.tell(Note { number: 1 }).deadline(ms(20)).wait();
        let error = told.unwrap_err();
        let text = "\"arm\" has ended (it ended normally), and nothing took its place within ";
        assert!(error.to_string().starts_with(text), "{error}");
        assert_eq!(error.into_inner(), Note { number: 1 });
        let asked = found.ask(Note { number: 2 }).deadline(ms(20)).wait();
        let error = asked.unwrap_err();
        let AskError::Unsent(SendError::NoSuccessor { message, cause }) = error else {
            panic!("{error}")
        };
        assert_eq!(message, Note { number: 2 });
        assert!(matches!(*cause, NoSuccessor::NotYet { .. }), "{cause}");
    });
}

// Goal: what a life had accepted is not sent to the next: an ask under way ends with it, and says whether it was taken.
#[test]
fn what_was_accepted_stays_with_its_life() {
    both("following-under-way", |stage| {
        let (life, watcher) = begin(stage.home());
        let found = follow(stage);
        block_on(async {
            let mut held = found.ask(Hold { number: 1 });
            let mut queued = found.ask(Note { number: 2 });
            assert!(poll!(&mut held).is_pending());
            assert!(poll!(&mut queued).is_pending());
            watcher.expect(Event::Began(1));
            life.kill();
            life.closed().await;
            let (_next, next) = begin(stage.home());
            let error = held.await.unwrap_err();
            assert!(
                matches!(error, AskError::Died { taken: true, .. }),
                "{error}"
            );
            let error = queued.await.unwrap_err();
            assert!(
                matches!(error, AskError::Died { taken: false, .. }),
                "{error}"
            );
            assert_eq!(found.ask(Note { number: 3 }).await.unwrap(), 3);
            next.expect(Event::Began(3));
        });
    });
}

/// Another actor, which takes notes too.
#[derive(Actor)]
#[actor(handles(Note))]
struct Other;

impl Handler<Note> for Other {
    async fn handle(&mut self, note: Note, _cx: &mut Context<Self>) -> u64 {
        note.number + 100
    }
}

// Goal: who has the name next and is not the same is not reached, and the error names both; a recipient asks for no more than
// its message.
#[test]
fn another_type_of_life_is_refused() {
    both("following-type", |stage| {
        let (life, _watcher) = begin(stage.home());
        let found = follow(stage);
        let recipient: Recipient<Note> = stage.sender().lookup("arm").wait().unwrap();
        let halts: Recipient<Halt> = stage.sender().lookup("arm").wait().unwrap();
        found.ask(Note { number: 1 }).wait().unwrap();
        end(&life);
        stage.home().actor(Other).name("arm").spawn().unwrap();
        let errors = [
            found
                .tell(Note { number: 2 })
                .wait()
                .unwrap_err()
                .to_string(),
            found
                .ask(Note { number: 2 })
                .wait()
                .unwrap_err()
                .to_string(),
            halts.tell(Halt).wait().unwrap_err().to_string(),
        ];
        for error in errors {
            assert!(
                error.starts_with("what took its place is not the same: \"arm\" "),
                "{error}"
            );
            assert!(
                error.contains("does not handle") && error.contains("it handles [\""),
                "{error}"
            );
            assert!(error.contains("Note"), "{error}");
        }
        assert_eq!(recipient.ask(Note { number: 3 }).wait().unwrap(), 103);
    });
}

/// The same messages as `Other`.
#[derive(Actor)]
#[actor(handles(Note))]
struct Alike;

impl Handler<Note> for Alike {
    async fn handle(&mut self, note: Note, _cx: &mut Context<Self>) -> u64 {
        note.number
    }
}

// Goal: in one process, where types can be told apart beyond their messages, they are.
#[test]
fn another_type_with_the_same_messages_is_refused() {
    let _dog = watch();
    let bus = Bus::new("following-alike");
    let node = bus.attach("node");
    let life = node.actor(Other).name("arm").spawn().unwrap();
    let found: Addr<Other> = node.lookup("arm").wait().unwrap();
    life.stop();
    block_on(life.closed());
    node.actor(Alike).name("arm").spawn().unwrap();
    let error = found
        .tell(Note { number: 2 })
        .wait()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("following::Alike") && error.contains("following::Other"),
        "{error}"
    );
}

// Goal: those that follow the same are equal and hash alike, whatever lives; none is equal to an address of one life.
#[test]
#[expect(
    clippy::mutable_key_type,
    reason = "what can change is no part of an address's identity"
)]
fn addresses_that_follow_are_their_names() {
    both("following-equal", |stage| {
        let (life, _watcher) = begin(stage.home());
        let found = follow(stage);
        let set = HashSet::from([found.clone()]);
        found.ask(Note { number: 1 }).wait().unwrap();
        assert_ne!(found, life);
        assert_eq!(found.pinned(), life);
        assert_eq!(found.id(), life.id());
        assert_eq!(
            format!("{found:?}"),
            format!("Addr(\"arm\": {:?})", life.id())
        );
        end(&life);
        let (next, _watcher) = begin(stage.home());
        found.ask(Note { number: 1 }).wait().unwrap();
        let again = follow(stage);
        assert_eq!((found.id(), again.id()), (next.id(), next.id()));
        assert_eq!(found, again);
        assert!(set.contains(&found) && set.contains(&again));
        assert_eq!(found.recipient::<Note>(), again.recipient());
        assert_ne!(found.pinned(), life);
    });
}

// Goal: who looks sees the life that was reached last; who acts meets the one that there is.
#[test]
fn looks_are_at_the_last_life_and_orders_go_to_the_next() {
    both("following-orders", |stage| {
        let (life, _watcher) = begin(stage.home());
        let found = follow(stage);
        found.ask(Note { number: 1 }).wait().unwrap();
        end(&life);
        block_on(found.closed());
        let (next, _watcher) = begin(stage.home());
        assert!(found.is_closed());
        assert_eq!(found.id(), life.id());
        assert_eq!(block_on(found.closed()), ExitReason::Normal);
        found.stop();
        assert_eq!(block_on(next.closed()), ExitReason::Stopped);
    });
}

/// Carries addresses to another node and back.
#[derive(Message, Serialize, Deserialize, Clone)]
#[message(serial, reply = Carry)]
#[serde(crate = "ringway::serde")]
struct Carry {
    addr: Addr<Probe>,
    recipient: Recipient<Note>,
}

#[derive(Actor)]
#[actor(handles(Carry))]
struct Porter;

impl Handler<Carry> for Porter {
    async fn handle(&mut self, carry: Carry, _cx: &mut Context<Self>) -> Carry {
        carry
    }
}

// Goal: an address that follows does so wherever it is sent, also when its life has ended before; one of a life stays with it.
#[test]
fn a_sent_address_follows_as_before() {
    both("following-sent", |stage| {
        let porter = stage.spawn_as("porter", Porter, |builder| builder);
        let send = |addr: &Addr<Probe>| {
            let (addr, recipient) = (addr.clone(), addr.recipient());
            let carried = porter.ask(Carry { addr, recipient }).wait().unwrap();
            (carried.addr, carried.recipient)
        };
        let (life, _watcher) = begin(stage.home());
        let found = follow(stage);
        let before = send(&found);
        let bound = send(&found.pinned());
        end(&life);
        block_on(found.closed());
        let between = send(&found);
        let (next, _watcher) = begin(stage.sender());
        let after = send(&found);
        for (addr, recipient) in [before, between, after] {
            assert_eq!(
                (addr.follows(), recipient.follows()),
                (Some("arm"), Some("arm"))
            );
            assert_eq!(addr, found);
            assert_eq!(addr.ask(Note { number: 1 }).wait().unwrap(), 1);
            assert_eq!(recipient.ask(Note { number: 2 }).wait().unwrap(), 2);
            assert_eq!(addr.id(), next.id());
        }
        let (addr, recipient) = bound;
        assert_eq!(addr, life);
        assert!(addr.tell(Note { number: 1 }).wait().is_err());
        assert!(recipient.tell(Note { number: 1 }).wait().is_err());
    });
}

// Goal: a node that leaves keeps nobody waiting for a name.
#[test]
fn a_leaving_node_waits_for_no_name() {
    both("following-leaves", |stage| {
        let (life, _watcher) = begin(stage.home());
        let found = follow(stage);
        end(&life);
        block_on(found.closed());
        block_on(async {
            let mut ask = found.ask(Note { number: 1 }).deadline(secs(100));
            assert!(poll!(&mut ask).is_pending());
            stage.sender().detach();
            let error = ask.await.unwrap_err();
            assert!(
                matches!(error, AskError::Unsent(SendError::Ended { .. })),
                "{error}"
            );
        });
        let error = found.tell(Note { number: 1 }).wait().unwrap_err();
        assert!(matches!(error, SendError::Ended { .. }), "{error}");
    });
}

// Goal: what came back is read from life to life, by one stream: what a life had begun, what it had not, and then that of the next,
// whether the stream waited for it or not; it ends with the node.
#[test]
fn what_came_back_is_read_from_life_to_life() {
    both("following-undelivered", |stage| {
        let (mut life, mut watcher) = begin(stage.home());
        let found = follow(stage);
        let mut back = found.undelivered::<Note>();
        let mut begun = found.undelivered::<Hold>();
        block_on(async {
            // More than an address has places for.
            for round in 0..6 {
                found.tell(Hold { number: round }).await.unwrap();
                found.tell(Note { number: round }).await.unwrap();
                watcher.expect(Event::Began(round));
                life.kill();
                life.closed().await;
                found.closed().await;
                let taken = begun.next().await.unwrap();
                assert!(taken.taken, "{taken:?}");
                let note = back.next().await.unwrap();
                assert!(!note.taken, "{note:?}");
                assert_eq!(note.message.unwrap().into_value().unwrap().number, round);
                if round % 2 == 0 {
                    assert!(poll!(&mut back.next()).is_pending());
                    assert!(back.try_next().is_none());
                }
                (life, watcher) = begin(stage.home());
                // Both are told of a life that was reached.
                assert_eq!(found.ask(Note { number: 9 }).await.unwrap(), 9);
                watcher.expect(Event::Began(9));
                watcher.expect(Event::Ended(9));
            }
            drop(life);
            stage.sender().detach();
            assert!(back.next().await.is_none());
            assert!(begun.next().await.is_none());
        });
    });
}
