//! Addresses that follow a name while the process that has it is killed again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use ringway::prelude::*;
use rustix::process::{Signal, kill_process};

use super::has_children;
use super::supervised::{pid_of, quick};
use crate::Outcome;
use crate::actors::{Add, Counter, Start};

/// The counters' names, and from where each counts: its replies tell which one made them.
const COUNTERS: [(&str, u64); 2] = [("race/a", 1 << 32), ("race/b", 2 << 32)];

/// Asks for so many answers, of one counter after the other, and how many lives had to be waited for.
#[derive(Message, Serialize, Deserialize)]
#[message(serial, reply = u64)]
pub(crate) struct Race {
    counters: Vec<Addr<Counter>>,
    until: Recipient<Poll>,
}

/// Asks whether the race is over.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = bool)]
pub(crate) struct Poll;

/// Knows when the race is over.
#[derive(Actor)]
#[actor(handles(Poll))]
struct Judge(Arc<AtomicBool>);

impl Handler<Poll> for Judge {
    async fn handle(&mut self, _poll: Poll, _cx: &mut Context<Self>) -> bool {
        self.0.load(Relaxed)
    }
}

/// Asks from a process of its own, by the addresses that it was sent.
#[derive(Actor, Default)]
#[actor(handles(Race))]
pub(crate) struct Racer;

impl Handler<Race> for Racer {
    async fn handle(&mut self, race: Race, _cx: &mut Context<Self>) -> u64 {
        let mut deaths = 0;
        while !race.until.ask(Poll).await.expect("the judge lives") {
            for (addr, (_, from)) in race.counters.iter().zip(COUNTERS) {
                deaths += u64::from(!is_answered(
                    addr.ask(Add { amount: 1 }).deadline(secs(100)).await,
                    from,
                ));
            }
        }
        deaths
    }
}

/// Whether a counter has answered, and then the right one. If not, it has died meanwhile; nothing else can happen.
fn is_answered(asked: Result<u64, AskError<Add>>, from: u64) -> bool {
    match asked {
        Ok(total) => {
            assert_eq!(total & from, from, "another counter's");
            assert_eq!(total >> 34, 0);
            true
        }
        Err(AskError::Died { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

/// SIGKILL by SIGKILL, of two processes with a name each: who follows the names, here and in another process, and who looks
/// them up anew, reaches the right one each time, or hears that it died.
pub(super) async fn followed(node: Node) -> Outcome {
    const KILLS: usize = 40;
    let child = |(name, from): (&str, u64)| {
        let start = Start {
            from,
            ..Start::default()
        };
        Child::process::<Counter>("counter")
            .id(name)
            .name(name)
            .args(start)
    };
    let tree = quick(Supervisor::one_for_one())
        .intensity(10_000, secs(60))
        .child(child(COUNTERS[0]))
        .child(child(COUNTERS[1]))
        .start(&node)
        .await?;
    let is_over = Arc::new(AtomicBool::new(false));
    let judge = node.spawn(Judge(Arc::clone(&is_over)))?;
    let racer = node.spawn_process::<Racer>("racer").await?;
    let mut counters: Vec<Addr<Counter>> = Vec::new();
    for (name, _) in COUNTERS {
        counters.push(tree.addr(name).await?);
    }
    let race = Race {
        counters: counters.clone(),
        until: judge.recipient(),
    };
    let addr = racer.addr();
    let far = thread::spawn(move || addr.ask(race).deadline(secs(100)).wait().expect("it ran"));
    let ask_on = |looks_up: bool| {
        let (node, counters, is_over) = (node.clone(), counters.clone(), Arc::clone(&is_over));
        thread::spawn(move || {
            let mut answers = 0;
            while !is_over.load(Relaxed) {
                for (addr, (name, from)) in counters.iter().zip(COUNTERS) {
                    let found = looks_up.then(|| node.lookup(name).within(secs(100)).wait());
                    let found: Option<Addr<Counter>> = found.map(|it| it.expect("it comes back"));
                    let addr = found.as_ref().unwrap_or(addr);
                    let asked = addr.ask(Add { amount: 1 }).deadline(secs(100)).wait();
                    answers += u64::from(is_answered(asked, from));
                }
            }
            answers
        })
    };
    let near = [ask_on(false), ask_on(false), ask_on(true), ask_on(true)];
    for kill in 0..KILLS {
        let ((name, from), addr) = (COUNTERS[kill % 2], &counters[kill % 2]);
        let _runs: Addr<Counter> = tree.addr(name).within(secs(100)).await?;
        // It may be ending: it is killed once more then.
        let children = tree.which_children();
        if children.iter().any(|it| it.id == name && it.pid.is_some()) {
            let _ = kill_process(pid_of(&tree, name), Signal::KILL);
        }
        while !is_answered(addr.ask(Add { amount: 1 }).deadline(secs(100)).await, from) {}
    }
    is_over.store(true, Relaxed);
    for thread in near {
        assert!(thread.join().expect("nothing unexpected") > 0);
    }
    far.join().expect("nothing unexpected");
    let starts: u64 = tree.which_children().iter().map(|it| it.starts).sum();
    assert!(starts > 2, "some were killed: {starts}");
    racer.addr().stop();
    racer.addr().closed().await;
    tree.stop();
    tree.closed().await;
    while has_children() {
        thread::yield_now();
    }
    Ok(())
}
