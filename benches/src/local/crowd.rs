//! Many actors: what starting one costs, and what an idle one holds.

use std::sync::mpsc::channel;
use std::time::Instant;

use ringway::prelude::*;

use super::actors::{Counter, Get, Totals, on_node};
use super::{BYTES_EACH, Found, NANOS_EACH};
use crate::Result;

/// Starts actors one after the other, has each answer, and stops them all.
pub(super) fn spawn(node: &Node, count: u64) -> Result<Vec<Found>> {
    let found = |stat, value: f64| Found {
        stat,
        unit: NANOS_EACH,
        value: value / count as f64,
        n: count,
    };
    let mut actors = room(count)?;
    let start = Instant::now();
    start_all(node, count, &mut actors)?;
    let called = start.elapsed();
    let actors = answer_all(node, actors)?;
    let answered = start.elapsed();
    let start = Instant::now();
    stop_all(node, actors)?;
    let stopped = start.elapsed();
    Ok(vec![
        found("call", called.as_nanos() as f64),
        found("first-answer", answered.as_nanos() as f64),
        found("stop", stopped.as_nanos() as f64),
    ])
}

/// How much memory idle actors hold, each of which has answered once.
pub(super) fn idle(node: &Node, count: u64) -> Result<Vec<Found>> {
    // The list of addresses is there before, and not counted.
    let mut actors = room(count)?;
    let before = resident()?;
    start_all(node, count, &mut actors)?;
    let _actors = answer_all(node, actors)?;
    let held = resident()?.saturating_sub(before);
    Ok(vec![Found {
        stat: "",
        unit: BYTES_EACH,
        value: held as f64 / count as f64,
        n: count,
    }])
}

/// A list with room for so many, all of which is in memory.
fn room(count: u64) -> Result<Vec<Option<Addr<Counter>>>> {
    let mut room = vec![None; usize::try_from(count)?];
    room.clear();
    Ok(room)
}

fn start_all(node: &Node, count: u64, actors: &mut Vec<Option<Addr<Counter>>>) -> Result<()> {
    for _ in 0..count {
        actors.push(Some(node.spawn(Counter::default())?));
    }
    Ok(())
}

/// Asks every one and gives them back.
fn answer_all(
    node: &Node,
    actors: Vec<Option<Addr<Counter>>>,
) -> Result<Vec<Option<Addr<Counter>>>> {
    let (given, taken) = channel();
    let asker = async move {
        for actor in actors.iter().flatten() {
            let totals = actor.ask(Get).await.map_err(|error| error.to_string())?;
            if totals != (Totals { count: 0, sum: 0 }) {
                return Err(format!("a new actor had {totals:?}"));
            }
        }
        given.send(actors).map_err(|error| error.to_string())
    };
    on_node(node, [asker])?;
    Ok(taken.recv()?)
}

/// Stops every one and waits until each has ended.
fn stop_all(node: &Node, actors: Vec<Option<Addr<Counter>>>) -> Result<()> {
    let stopper = async move {
        actors.iter().flatten().for_each(Addr::stop);
        for actor in actors.iter().flatten() {
            let reason = actor.closed().await;
            if reason != ExitReason::Stopped {
                return Err(format!("an actor was stopped, but {reason}"));
            }
        }
        Ok(())
    };
    on_node(node, [stopper])
}

/// Bytes of this process in memory.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kib.ok_or("no resident size")?.parse::<u64>()? << 10)
}
