//! Every way of sending has a priority, which its handler sees.

use std::sync::mpsc::{Receiver, Sender, channel};

use ringway::Pool;
use ringway::prelude::*;

use crate::support::stage::{Stage, both};

#[derive(Message, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Word {
    number: u64,
}

/// Says of each message how urgent it is.
#[derive(Actor)]
#[actor(handles(Word))]
struct Ear {
    says: Sender<(u64, Priority)>,
}

impl Handler<Word> for Ear {
    async fn handle(&mut self, word: Word, cx: &mut Context<Self>) -> u64 {
        self.says.send((word.number, cx.priority())).unwrap();
        word.number
    }
}

/// Sends on what it gets, with another priority from 100 on.
#[derive(Actor)]
#[actor(handles(Word))]
struct Router {
    to: Recipient<Word>,
}

impl Handler<Word, Result<Deferred<u64>, SendError<Word>>> for Router {
    async fn handle(
        &mut self,
        word: Word,
        cx: &mut Context<Self>,
    ) -> Result<Deferred<u64>, SendError<Word>> {
        let forward = cx.forward(word, &self.to);
        match word.number < 100 {
            true => forward.await,
            false => forward.priority(Priority::Normal).await,
        }
    }
}

fn ear(stage: &Stage) -> (Addr<Ear>, Receiver<(u64, Priority)>) {
    let (says, said) = channel();
    (stage.spawn_as("ear", Ear { says }, |builder| builder), said)
}

// Goal: whatever a message is sent by, its handler sees the priority that it was given, and the normal one if none was: by an
// address of one life, one that follows, a recipient, a pool, a batch, a router, and to be sent again.
#[test]
fn every_way_has_a_priority() {
    both("priorities-ways", |stage| {
        let (ear, said) = ear(stage);
        let word = |number| Word { number };
        let hears = |number, priority| assert_eq!(said.recv().unwrap(), (number, priority));
        block_on(async {
            ear.tell(word(1)).await.unwrap();
            hears(1, Priority::Normal);
            ear.ask(word(2)).priority(High).await.unwrap();
            hears(2, High);
            let twice = ear.tell(word(3)).priority(High).priority(Priority::Normal);
            twice.await.unwrap();
            hears(3, Priority::Normal);
            let twice = ear.ask(word(4)).priority(High).priority(Priority::Normal);
            twice.await.unwrap();
            hears(4, Priority::Normal);
            let batch = [word(5)];
            ear.tell_all(batch).priority(High).await.unwrap();
            hears(5, High);

            let recipient = Recipient::from(&ear);
            recipient.tell(word(6)).priority(High).await.unwrap();
            hears(6, High);

            let follows: Addr<Ear> = stage.sender().lookup("ear").await.unwrap();
            follows.tell(word(7)).priority(High).await.unwrap();
            hears(7, High);
            follows.ask(word(8)).priority(High).await.unwrap();
            hears(8, High);
            let again = follows.tell(word(9)).priority(High).redeliver(3);
            again.await.unwrap();
            hears(9, High);
            let again = follows.ask(word(10)).redeliver(3).priority(High);
            again.await.unwrap();
            hears(10, High);
            let again = follows.ask(word(11)).priority(High).redeliver(3);
            again.await.unwrap();
            hears(11, High);

            let pool = Pool::round_robin(stage.sender(), [ear.clone()]);
            pool.tell(word(12)).priority(High).await.unwrap();
            hears(12, High);
            pool.ask(word(13)).priority(High).await.unwrap();
            hears(13, High);
            pool.ask(word(14)).await.unwrap();
            hears(14, Priority::Normal);
            let again = pool.tell(word(18)).priority(High).redeliver(3);
            again.await.unwrap();
            hears(18, High);

            let to = Recipient::from(&ear);
            let router = stage.sender().spawn(Router { to }).unwrap();
            router.ask(word(15)).priority(High).await.unwrap();
            hears(15, High);
            router.tell(word(16)).priority(High).await.unwrap();
            hears(16, High);
            router.ask(word(17)).await.unwrap();
            hears(17, Priority::Normal);
            router.ask(word(100)).priority(High).await.unwrap();
            hears(100, Priority::Normal);
        });
    });
}

// Goal: an address that follows sends to the next life with the same priority. Method: the name is taken by another actor.
#[test]
fn the_next_life_gets_it_as_urgent() {
    both("priorities-follow", |stage| {
        let (first, said) = ear(stage);
        let follows: Addr<Ear> = stage.sender().lookup("ear").wait().unwrap();
        block_on(async {
            follows
                .tell(Word { number: 1 })
                .priority(High)
                .await
                .unwrap();
            assert_eq!(said.recv().unwrap(), (1, High));
            for (number, asks) in [(2, false), (3, true)] {
                let last = follows.pinned();
                last.stop();
                last.closed().await;
                let (_next, said) = ear(stage);
                let word = Word { number };
                match asks {
                    false => follows.tell(word).priority(High).await.unwrap(),
                    true => drop(follows.ask(word).priority(High).await.unwrap()),
                }
                assert_eq!(said.recv().unwrap(), (number, High));
            }
        });
        drop(first);
    });
}
