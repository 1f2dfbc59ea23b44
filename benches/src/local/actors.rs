//! Tells, asks and ping-pong between actors of one node.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ringway::prelude::*;

use super::{Found, NANOS, RATE};
use crate::clock::ticks;
use crate::{Result, figures};

/// Longer than any part takes.
const LONG: Duration = secs(300);
/// Asks before those that count.
const WARM_UP: u64 = 2_000;
/// Pairs that play at the same time.
const PAIRS: u64 = 1_000;

/// Adds to a counter.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
pub(super) struct Add {
    value: u64,
}

/// Asks a counter for its state.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = Totals)]
pub(super) struct Get;

/// What a counter has had.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
pub(super) struct Totals {
    pub(super) count: u64,
    pub(super) sum: u64,
}

/// Counts and sums.
#[derive(Actor, Default)]
#[actor(handles(Add, Get))]
pub(super) struct Counter {
    count: u64,
    sum: u64,
}

impl Handler<Add> for Counter {
    async fn handle(&mut self, add: Add, _cx: &mut Context<Self>) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(add.value);
    }
}

impl Handler<Get> for Counter {
    async fn handle(&mut self, _get: Get, _cx: &mut Context<Self>) -> Totals {
        Totals {
            count: self.count,
            sum: self.sum,
        }
    }
}

/// How a piece of work ended.
pub(super) type Outcome = std::result::Result<(), String>;
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Has a handler run what is measured, as a program's own code would: on the node's workers.
#[derive(Actor)]
#[actor(handles(Begin))]
struct Runner {
    work: Option<Work>,
}

/// Has a runner begin.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
pub(crate) struct Begin;

impl Handler<Begin> for Runner {
    async fn handle(&mut self, _begin: Begin, _cx: &mut Context<Self>) {
        if let Some(work) = self.work.take() {
            work.await;
        }
    }
}

/// Runs futures on a node's workers, all at the same time, until all have ended.
pub(super) fn on_node<W>(node: &Node, works: impl IntoIterator<Item = W>) -> Result<()>
where
    W: Future<Output = Outcome> + Send + 'static,
{
    let (ended, ends) = channel();
    for work in works {
        let ended = ended.clone();
        let work = async move {
            // Nobody listens any more once another has failed.
            let _ = ended.send(work.await);
        };
        let runner = Runner {
            work: Some(Box::pin(work)),
        };
        node.spawn(runner)?.tell(Begin).wait()?;
    }
    drop(ended);
    for end in ends {
        end?;
    }
    Ok(())
}

/// Tells from some actors to one, which must have had all of them.
pub(super) fn tell(node: &Node, count: u64, senders: u64) -> Result<Vec<Found>> {
    let counter = node.spawn(Counter::default())?;
    let each = count / senders;
    let start = Instant::now();
    let tellers = (0..senders).map(|_| {
        let counter = counter.clone();
        async move {
            for value in 0..each {
                counter
                    .tell(Add { value })
                    .await
                    .map_err(|error| error.to_string())?;
            }
            Ok(())
        }
    });
    on_node(node, tellers)?;
    let totals = counter.ask(Get).deadline(LONG).wait()?;
    let took = start.elapsed();
    let told = Totals {
        count: each * senders,
        sum: senders * (each * (each - 1) / 2),
    };
    if totals != told {
        return Err(format!("told {told:?}, it had {totals:?}").into());
    }
    Ok(vec![rate(told.count, took)])
}

/// Tells from a thread that is none of the node's.
pub(super) fn tell_outside(node: &Node, count: u64) -> Result<Vec<Found>> {
    let counter = node.spawn(Counter::default())?;
    let start = Instant::now();
    let teller = async {
        for value in 0..count {
            counter.tell(Add { value }).await?;
        }
        Ok::<_, Box<dyn std::error::Error>>(counter.ask(Get).deadline(LONG).await?)
    };
    let totals = node.run_until(teller)?;
    let took = start.elapsed();
    let told = Totals {
        count,
        sum: count * (count - 1) / 2,
    };
    if totals != told {
        return Err(format!("told {told:?}, it had {totals:?}").into());
    }
    Ok(vec![rate(count, took)])
}

fn rate(n: u64, took: Duration) -> Found {
    Found {
        stat: "",
        unit: RATE,
        value: n as f64 / took.as_secs_f64(),
        n,
    }
}

/// Asks from one actor to another, one at a time.
pub(super) fn ask(node: &Node, count: u64) -> Result<Vec<Found>> {
    let counter = node.spawn(Counter::default())?;
    counter.tell(Add { value: 7 }).wait()?;
    let (given, taken) = channel();
    let asker = async move {
        let mut times = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        for number in 0..WARM_UP + count {
            let from = ticks();
            let totals = counter.ask(Get).await.map_err(|error| error.to_string())?;
            let took = ticks() - from;
            if (totals.count, totals.sum) != (1, 7) {
                return Err(format!("ask {number} was answered with {totals:?}"));
            }
            if number >= WARM_UP {
                times.push(took);
            }
        }
        given.send(times).map_err(|error| error.to_string())
    };
    on_node(node, [asker])?;
    let found = figures::of(taken.recv()?)
        .into_iter()
        .map(|(stat, value)| Found {
            stat,
            unit: NANOS,
            value,
            n: count,
        });
    Ok(found.collect())
}

/// Passed to and fro until it has made its hops.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
pub(crate) struct Ball {
    hops_left: u64,
}

/// Asks a player how often it had the ball.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
pub(crate) struct Had;

/// One of two.
#[derive(Actor)]
#[actor(handles(Ball, Had))]
struct Player {
    partner: Arc<OnceLock<Addr<Player>>>,
    had: u64,
    done: Sender<Outcome>,
}

impl Handler<Ball> for Player {
    async fn handle(&mut self, ball: Ball, _cx: &mut Context<Self>) {
        self.had += 1;
        let Some(hops_left) = ball.hops_left.checked_sub(1) else {
            let _ = self.done.send(Ok(())); // see `on_node`
            return;
        };
        let passed = match self.partner.get() {
            Some(partner) => partner
                .tell(Ball { hops_left })
                .await
                .map_err(|error| error.to_string()),
            None => Err("a player without a partner".to_owned()),
        };
        if passed.is_err() {
            let _ = self.done.send(passed);
        }
    }
}

impl Handler<Had> for Player {
    async fn handle(&mut self, _had: Had, _cx: &mut Context<Self>) -> u64 {
        self.had
    }
}

/// Pairs that pass a ball between them, `count` times in all.
pub(super) fn pairs(node: &Node, count: u64) -> Result<Vec<Found>> {
    let (done, dones) = channel();
    let hops = (count / PAIRS).max(1);
    let mut players = Vec::new();
    for _ in 0..PAIRS {
        let places = [(); 2].map(|()| Arc::<OnceLock<Addr<Player>>>::default());
        let player = |place: &Arc<OnceLock<Addr<Player>>>| {
            node.spawn(Player {
                partner: Arc::clone(place),
                had: 0,
                done: done.clone(),
            })
        };
        let (one, other) = (player(&places[0])?, player(&places[1])?);
        // Each place is new, and set here alone.
        let _ = places[0].set(other.clone());
        let _ = places[1].set(one.clone());
        players.extend([one, other]);
    }
    let start = Instant::now();
    for one in players.iter().step_by(2) {
        one.tell(Ball {
            hops_left: hops - 1,
        })
        .wait()?;
    }
    for _ in 0..PAIRS {
        dones.recv_timeout(LONG)??;
    }
    let took = start.elapsed();
    let mut had = 0;
    for player in &players {
        had += player.ask(Had).deadline(LONG).wait()?;
    }
    if had != hops * PAIRS {
        return Err(format!("{} hops, {had} were had", hops * PAIRS).into());
    }
    Ok(vec![rate(had, took)])
}
