//! Dead letters: what nobody else is told of is shown and counted, once, with its message where that is still there.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use futures::{FutureExt, StreamExt};
use ringway::prelude::*;
use ringway::{DeadLetterStream, Node};

use support::probe::Event::{Began, Ended, Started, TellFailed};
use support::probe::{Fail, Hold, Note, Page, Probe, Text, Watcher, probe};
use support::stage::{Stage, both};
use support::{Bus, watch};

fn text(number: u64) -> Text {
    Text {
        number,
        text: "x".repeat(3_000),
    }
}

fn page(number: u64) -> Page {
    Page {
        number,
        words: [number; 511],
    }
}

/// A probe that is busy with a tell, behind which these wait: a note, a text, a page.
fn busy(stage: &Stage) -> (Addr<Probe>, Watcher) {
    let (probe, watcher) = stage.probe();
    block_on(async {
        probe.tell(Hold { number: 0 }).await.unwrap();
        watcher.expect(Began(0));
        probe.tell(Note { number: 1 }).await.unwrap();
        probe.tell(text(2)).await.unwrap();
        probe.tell(page(3)).await.unwrap();
    });
    (probe, watcher)
}

async fn some(letters: &mut DeadLetterStream, count: usize) -> Vec<DeadLetter> {
    letters.take(count).collect().await
}

/// What is known of a letter beside its message.
fn facts(letter: &DeadLetter) -> (&'static str, bool, &DeadReason) {
    (letter.type_name.unwrap(), letter.taken, &letter.reason)
}

fn name<M: Message>() -> &'static str {
    M::NAME
}

fn counted(node: &Node, letter: &DeadLetter) -> u64 {
    let counts = node.dead_letter_counts();
    let row = counts
        .iter()
        .find(|row| row.actor == Some(letter.actor) && row.type_id == letter.type_id);
    row.map_or(0, |row| row.count)
}

// Goal: what comes back while nobody listens for it is shown at once, in order, with its message, which one may take.
#[test]
fn what_nobody_listens_for_is_a_dead_letter() {
    both("dead-unheard", |stage| {
        let mut letters = stage.sender().dead_letters();
        let (probe, _watcher) = busy(stage);
        probe.kill();
        let letters = block_on(some(&mut letters, 4));
        let ended = DeadReason::Ended(ExitReason::Killed);
        let found: Vec<_> = letters.iter().map(facts).collect();
        let mut expected = vec![
            (name::<Hold>(), true, &ended),
            (name::<Note>(), false, &ended),
            (name::<Text>(), false, &ended),
            (name::<Page>(), false, &ended),
        ];
        if !stage.is_remote() {
            // Why a handler did not come to its end is known when its actor has ended.
            expected.rotate_left(1);
        }
        assert_eq!(found, expected);
        for letter in &letters {
            assert_eq!(letter.actor, probe.id());
            assert_eq!(letter.sender, Some(stage.sender().id()));
            assert_eq!(letter.name.is_some(), !stage.is_remote());
            assert_eq!(counted(stage.sender(), letter), 1);
            assert_eq!(letter.missed_before, 0);
        }
        let of = |wanted: &str| {
            let mut letters = letters.iter();
            letters.find(|it| it.type_name == Some(wanted)).unwrap()
        };
        let copy = of(name::<Note>()).clone();
        let taken = copy.take::<Note>().unwrap().into_value().unwrap();
        assert_eq!(taken.number, 1);
        assert!(of(name::<Note>()).take::<Note>().is_none(), "one has it");
        assert!(of(name::<Text>()).take::<Note>().is_none(), "another type");
        // Who listens late has what nobody took.
        let back = |back: Option<Undelivered<Note>>| back.map(|it| it.message.is_some());
        assert_eq!(back(block_on(probe.undelivered().next())), None);
        let mut texts = probe.undelivered::<Text>();
        let late = block_on(texts.next()).unwrap();
        assert_eq!(late.message.unwrap().into_value().unwrap(), text(2));
        assert!(of(name::<Text>()).take::<Text>().is_none());
        assert!(block_on(texts.next()).is_none());
    });
}

// Goal: what somebody listens for comes back, and is no dead letter before it is lost unread with the last address.
#[test]
fn what_is_listened_for_is_a_dead_letter_when_it_is_lost() {
    both("dead-heard", |stage| {
        let mut letters = stage.sender().dead_letters();
        let (probe, watcher) = busy(stage);
        let mut notes = probe.undelivered::<Note>();
        let texts = probe.undelivered::<Text>();
        let (holds, pages) = (probe.undelivered::<Hold>(), probe.undelivered::<Page>());
        probe.kill();
        block_on(async {
            probe.closed().await;
            assert!(notes.next().await.unwrap().message.is_some());
            assert!(notes.next().await.is_none());
        });
        assert!(letters.try_next().is_none());
        assert!(stage.sender().dead_letter_counts().is_empty());
        drop((notes, texts, holds, pages, watcher));
        assert!(letters.try_next().is_none(), "it is kept for others");
        drop(probe);
        let lost = block_on(some(&mut letters, 3));
        let names: Vec<_> = lost.iter().map(|it| it.type_name.unwrap()).collect();
        assert_eq!(names, [name::<Hold>(), name::<Text>(), name::<Page>()]);
        let text_again = lost[1].take::<Text>().unwrap().into_value().unwrap();
        assert_eq!(text_again, text(2));
        let page_again = lost[2].take::<Page>().unwrap().into_value().unwrap();
        assert_eq!(page_again, page(3));
    });
}

// Goal: the error of a tell's handler is shown where the actor is; that of an ask is its asker's.
#[test]
fn failed_tells_are_dead_letters() {
    both("dead-failed", |stage| {
        let mut letters = stage.home().dead_letters();
        let (probe, watcher) = stage.probe();
        block_on(async {
            probe.ask(Fail { number: 1 }).await.unwrap_err();
            probe.tell(Fail { number: 2 }).await.unwrap();
        });
        let letter = block_on(letters.next()).unwrap();
        let DeadReason::Failed(error) = &letter.reason else {
            panic!("{letter:?}");
        };
        assert!(error.text().starts_with("gripper 2 is jammed"), "{error}");
        assert_eq!(letter.sender, Some(stage.sender().id()));
        assert_eq!((letter.actor, letter.taken), (probe.id(), true));
        assert_eq!(letter.name.as_deref(), Some("actor"));
        for event in [Began(1), Ended(1), Began(2), Ended(2)] {
            watcher.expect(event);
        }
        assert!(matches!(watcher.next(), TellFailed(..)));
        assert!(letters.try_next().is_none());
    });
}

// Goal: what a policy drops is shown, with its message, if nobody listens for it.
#[test]
fn dropped_messages_are_dead_letters() {
    use ringway::Overflow::{DropNewest, DropOldest};
    for (overflow, dropped) in [(DropNewest, 3), (DropOldest, 1)] {
        both("dead-dropped", |stage| {
            let mut letters = stage.sender().dead_letters();
            let (actor, watcher) = probe();
            let build = |builder: ringway::ActorBuilder<_>| builder.mailbox(2).overflow(overflow);
            let probe = stage.spawn_as("small", actor, build);
            watcher.expect(Started);
            block_on(async {
                probe.tell(Hold { number: 0 }).await.unwrap();
                watcher.expect(Began(0));
                for number in 1..=3 {
                    probe.tell(Note { number }).await.unwrap();
                }
            });
            watcher.open_gate();
            let letter = block_on(letters.next()).unwrap();
            assert_eq!(
                facts(&letter),
                (name::<Note>(), false, &DeadReason::Dropped)
            );
            let note = letter.take::<Note>().unwrap().into_value().unwrap();
            assert_eq!(note.number, dropped);
            let kept: Vec<_> = (1..=3).filter(|number| *number != dropped).collect();
            watcher.expect(Ended(0));
            for number in kept {
                watcher.expect(Began(number));
                watcher.expect(Ended(number));
            }
            assert!(letters.try_next().is_none());
        });
    }
}

// Goal: a reply whose asker has gone is shown where the asker was, whether it came before or after; a message that was given
// up before its handler began is not.
#[test]
fn unread_replies_are_dead_letters() {
    both("dead-unread", |stage| {
        let mut letters = stage.sender().dead_letters();
        let (probe, watcher) = stage.probe();
        let mut late = probe.ask(Hold { number: 1 });
        assert!((&mut late).now_or_never().is_none());
        watcher.expect(Began(1));
        let mut never = probe.ask(Note { number: 2 });
        assert!((&mut never).now_or_never().is_none());
        drop((late, never));
        watcher.open_gate();
        let letter = block_on(letters.next()).unwrap();
        let unread = DeadReason::ReplyUnread;
        assert_eq!(facts(&letter), (name::<Hold>(), true, &unread));

        let mut unread_ask = probe.ask(Hold { number: 3 });
        assert!((&mut unread_ask).now_or_never().is_none());
        watcher.open_gate();
        // The handler of the next has begun when the reply has come.
        block_on(probe.ask(Note { number: 4 })).unwrap();
        drop(unread_ask);
        let letter = block_on(letters.next()).unwrap();
        assert_eq!(facts(&letter), (name::<Hold>(), true, &unread));
        assert!(letters.try_next().is_none());
        assert!(!watcher.so_far().contains(&Began(2)));
    });
}

/// What one side can write, the other cannot read.
#[derive(Message, Serialize, Clone, Debug)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Riddle(u8);

impl<'de> Deserialize<'de> for Riddle {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u8::deserialize(deserializer)?;
        Err(serde::de::Error::custom(format!("riddle {number}")))
    }
}

#[derive(Actor)]
#[actor(handles(Riddle, u64))]
struct Sphinx;

impl Handler<Riddle> for Sphinx {
    async fn handle(&mut self, riddle: Riddle, _cx: &mut Context<Self>) {
        panic!("{riddle:?} was read");
    }
}

impl Handler<u64> for Sphinx {
    async fn handle(&mut self, _number: u64, _cx: &mut Context<Self>) {}
}

// Goal: a tell that its receiver cannot read is shown there: its sender cannot hear of it.
#[test]
fn what_cannot_be_read_is_a_dead_letter() {
    let _dog = watch();
    let bus = Bus::new("dead-unreadable");
    let (home, sender) = (bus.attach("home"), bus.attach("sender"));
    let mut letters = home.dead_letters();
    let _own = home.actor(Sphinx).name("sphinx").spawn().unwrap();
    let sphinx: Addr<Sphinx> = sender.lookup("sphinx").wait().unwrap();
    sphinx.tell(Riddle(7)).wait().unwrap();
    let letter = block_on(letters.next()).unwrap();
    assert!(matches!(letter.reason, DeadReason::Refused(_)));
    assert_eq!(letter.type_name, Some(Riddle::NAME));
    assert_eq!(letter.sender, Some(sender.id()));
    let refused = sphinx.ask(Riddle(8)).wait();
    assert!(matches!(refused, Err(AskError::Refused { .. })));
    assert!(letters.try_next().is_none(), "its asker was told");
}

// Goal: who listens hears the end of the node, after all that there was.
#[test]
fn the_stream_ends_with_its_node() {
    let _dog = watch();
    let bus = Bus::new("dead-end");
    let node = bus.attach("node");
    let mut letters = node.dead_letters();
    let (actor, watcher) = probe();
    let probe = node.spawn(actor).unwrap();
    block_on(async {
        probe.tell(Hold { number: 0 }).await.unwrap();
        watcher.expect(Started);
        watcher.expect(Began(0));
        probe.tell(Note { number: 1 }).await.unwrap();
    });
    probe.stop();
    watcher.open_gate();
    node.detach();
    block_on(async {
        let note = letters.next().await.unwrap();
        let stopped = DeadReason::Ended(ExitReason::Stopped);
        assert_eq!(facts(&note), (name::<Note>(), false, &stopped));
        assert!(letters.next().await.is_none());
        assert!(node.dead_letters().next().await.is_none());
    });
}
