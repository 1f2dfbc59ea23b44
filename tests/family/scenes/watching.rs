//! How deaths of processes are told to those who monitor their actors.

use futures::channel::mpsc::{UnboundedSender, unbounded};
use ringway::prelude::*;

use super::{child, has_children};
use crate::Outcome;
use crate::actors::{Add, Began, Counter, End, Speak};

#[derive(Message, Serialize, Deserialize)]
#[message(serial, reply = MonitorId)]
struct Watch(Addr<Counter>);

#[derive(Debug, PartialEq)]
enum Heard {
    Word(u64),
    Down(Down),
}

/// Hears words, and deaths.
#[derive(Actor)]
#[actor(handles(Watch, Began, Down))]
struct Ear(UnboundedSender<Heard>);

impl Handler<Watch> for Ear {
    async fn handle(&mut self, Watch(who): Watch, cx: &mut Context<Self>) -> MonitorId {
        cx.monitor(&who)
    }
}

impl Handler<Began> for Ear {
    async fn handle(&mut self, began: Began, _cx: &mut Context<Self>) {
        self.0.unbounded_send(Heard::Word(began.pid)).ok();
    }
}

impl Handler<Down> for Ear {
    async fn handle(&mut self, down: Down, _cx: &mut Context<Self>) {
        self.0.unbounded_send(Heard::Down(down)).ok();
    }
}

/// Each word that a process has said comes before the news of its death, whoever kills it, and there is one such news.
pub(super) async fn last_words(node: Node) -> Outcome {
    const WORDS: u64 = 100;
    let (said, mut hears) = unbounded();
    let ear = node.spawn(Ear(said))?;
    for round in 0..20 {
        let child = child(&node).await?;
        let counter = child.addr();
        let monitor = ear.ask(Watch(counter.clone())).await?;
        let (end, reason) = match round % 3 {
            0 => (Some(9), ExitReason::ProcessSignaled(9)),
            1 => (Some(15), ExitReason::ProcessSignaled(15)),
            _ => (None, ExitReason::Normal),
        };
        let speak = Speak {
            to: ear.recipient(),
            words: WORDS,
            end,
        };
        counter.tell(speak).await?;
        for word in 0..WORDS {
            assert_eq!(hears.next().await, Some(Heard::Word(word)), "{round}");
        }
        let down = |monitor| {
            Some(Heard::Down(Down {
                who: counter.id(),
                monitor,
                reason: reason.clone(),
                stderr_tail: String::new(),
            }))
        };
        assert_eq!(hears.next().await, down(monitor), "{round}");
        let late = ear.ask(Watch(counter.clone())).await?;
        assert_eq!(
            hears.next().await,
            down(late),
            "told again to who asks again"
        );
        child.exited().await;
    }
    Ok(())
}

/// A process that is killed from outside, idle, busy or stopped, is told of to each that monitors it.
pub(super) async fn told_of_kills(node: Node) -> Outcome {
    let (said, mut hears) = unbounded();
    let ear = node.spawn(Ear(said))?;
    for state in ["idle", "busy", "many monitors"] {
        let child = child(&node).await?;
        let counter = child.addr();
        let mut monitors = vec![ear.ask(Watch(counter.clone())).await?];
        match state {
            "busy" => {
                counter.tell(End::Never(ear.recipient())).await?;
                let began = hears.next().await;
                assert_eq!(began, Some(Heard::Word(u64::from(child.pid()))));
            }
            "many monitors" => {
                for _ in 0..100 {
                    monitors.push(ear.ask(Watch(counter.clone())).await?);
                }
            }
            _ => assert_eq!(counter.ask(Add { amount: 1 }).await?, 1),
        }

        child.kill();

        let mut told = Vec::new();
        while told.len() < monitors.len() {
            match hears.next().await {
                Some(Heard::Down(down)) => {
                    assert_eq!(down.who, counter.id(), "{state}");
                    assert_eq!(down.reason, ExitReason::ProcessSignaled(9), "{state}");
                    told.push(down.monitor);
                }
                other => panic!("{state}: {other:?}"),
            }
        }
        monitors.retain(|monitor| !told.contains(monitor));
        assert_eq!(monitors, [], "{state}");
        child.exited().await;
        assert!(!has_children());
    }
    Ok(())
}
