//! `start`: how long it takes until something is there: a first message, a node, a uring, a child process.

use std::future::IntoFuture;

use ringway::prelude::*;

use crate::Result;
use crate::bus::Bus;
use crate::clock::{system_nanos, ticks, ticks_of};
use crate::figures::Ticks;
use crate::options::{Mode, Options};
use crate::pair::{LONG, Other, READY, Teller};
use crate::processors::{HERE, THERE, pin};
use crate::report::{Cell, Lay, Report};
use crate::sink::attach;

/// What the processes of `first-message` are told: `first recv|send DIRECTORY`.
pub(crate) const FIRST: &str = "first";
/// What a process is told that others look for: `doors COUNT DIRECTORY`.
pub(crate) const DOORS: &str = "doors";
/// The role of child processes.
const CHILD: &str = "child";

/// How often each is done in a round, also briefly.
const TIMES: usize = 15;
const TIMES_BRIEF: usize = 2;

/// Answers with a number more.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub(crate) struct Knock {
    number: u64,
}

/// Remembers when it was first knocked at.
#[derive(Actor, Default)]
#[actor(handles(Knock))]
pub(crate) struct Door {
    first: Option<std::sync::mpsc::Sender<u64>>,
}

impl Handler<Knock> for Door {
    async fn handle(&mut self, knock: Knock, cx: &mut Context<Self>) -> u64 {
        if let Some(first) = self.first.take() {
            // Whoever waits for it is there until this actor has ended.
            let _ = first.send(system_nanos());
            cx.stop();
        }
        knock.number + 1
    }
}

/// What children of this program can be.
pub(crate) fn roles() -> Roles {
    Roles::on("bench").actor::<Door>(CHILD)
}

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<()> {
    let times = if options.brief { TIMES_BRIEF } else { TIMES };
    for _ in 0..options.rounds {
        pin(HERE)?;
        let mut tell = |part: &str, ticks: Ticks| {
            let cell = Cell::new("ringway", "start").with("part", part);
            report.latency(&cell, ticks, Lay::default());
        };
        let firsts: Result<Ticks> = (0..times).map(|_| first_message()).collect();
        tell("first-message", firsts?);
        tell("attach", attaching(times)?);
        let (lookups, asks) = opening(times)?;
        tell("lookup", lookups);
        tell("open-and-ask", asks);
        tell("spawn-process", spawning(times)?);
    }
    Ok(())
}

/// From the start of two processes until the one's first message is handled by the other.
fn first_message() -> Result<u64> {
    let bus = Bus::new();
    let from = system_nanos();
    let mut receiver = Other::start(THERE)?;
    receiver.tell(&format!("{FIRST} recv {}", bus.directory()))?;
    let mut sender = Other::start(HERE)?;
    sender.tell(&format!("{FIRST} send {}", bus.directory()))?;
    let handled: u64 = receiver.hear()?.parse()?;
    sender.ready()?;
    Ok(ticks_of(handled - from))
}

pub(crate) fn serve(words: &[&str], teller: &mut Teller) -> Result<()> {
    match words {
        ["recv", directory] => {
            let node = attach(Mode::Block, directory, "receiver")?;
            let (first, came) = std::sync::mpsc::channel();
            let door = Door { first: Some(first) };
            let door = node.actor(door).name("door").spawn()?;
            let came = came.recv()?;
            block_on(door.closed());
            drop(node);
            teller.say(&came.to_string())
        }
        ["send", directory] => {
            let node = attach(Mode::Block, directory, "sender")?;
            let door: Addr<Door> = node.lookup("door").within(LONG).wait()?;
            knock(&door, 1)?;
            drop(node);
            teller.say(READY)
        }
        words => Err(format!("{FIRST} {words:?}").into()),
    }
}

fn knock(door: &Addr<Door>, number: u64) -> Result<()> {
    let reply = door.ask(Knock { number }).deadline(LONG).wait()?;
    if reply != number + 1 {
        return Err(format!("knock {number} was answered with {reply}").into());
    }
    Ok(())
}

/// Joining a bus on which nobody else is.
fn attaching(times: usize) -> Result<Ticks> {
    let bus = Bus::new();
    let mut all = Vec::new();
    for _ in 0..times {
        let from = ticks();
        let node = attach(Mode::Block, &bus.directory(), "one")?;
        all.push(ticks() - from);
        drop(node);
    }
    Ok(all)
}

/// Looking up names of a node that is known, and the first ask to each, for which a uring is opened.
fn opening(times: usize) -> Result<(Ticks, Ticks)> {
    let bus = Bus::new();
    let mut other = Other::start(THERE)?;
    other.tell(&format!("{DOORS} {times} {}", bus.directory()))?;
    other.ready()?;
    let node = attach(Mode::Block, &bus.directory(), "opener")?;
    let (mut lookups, mut asks) = (Vec::new(), Vec::new());
    let mut doors: Vec<Addr<Door>> = vec![node.lookup(door_name(0)).within(LONG).wait()?];
    for index in 0..times {
        let from = ticks();
        let door: Addr<Door> = node.lookup(door_name(index)).within(LONG).wait()?;
        let found = ticks();
        knock(&door, index as u64)?;
        lookups.push(found - from);
        asks.push(ticks() - found);
        doors.push(door);
    }
    doors.iter().for_each(Addr::stop);
    other.ready()?;
    Ok((lookups, asks))
}

fn door_name(index: usize) -> String {
    format!("door-{index}")
}

pub(crate) fn serve_doors(words: &[&str], teller: &mut Teller) -> Result<()> {
    let [count, directory] = words else {
        return Err(format!("{DOORS} {words:?}").into());
    };
    let node = attach(Mode::Block, directory, DOORS)?;
    let mut doors = Vec::new();
    for index in 0..count.parse()? {
        doors.push(node.actor(Door::default()).name(door_name(index)).spawn()?);
    }
    teller.say(READY)?;
    for door in &doors {
        block_on(door.closed());
    }
    drop(node);
    teller.say(READY)
}

/// Starting child processes, until messages can be sent to them.
fn spawning(times: usize) -> Result<Ticks> {
    let bus = Bus::new();
    let node = attach(Mode::Block, &bus.directory(), "parent")?;
    let mut all = Vec::new();
    for number in 0..times as u64 {
        let from = ticks();
        let child = node.spawn_process::<Door>(CHILD).within(LONG);
        let child = block_on(child.into_future())?;
        all.push(ticks() - from);
        knock(&child.addr(), number)?;
    }
    Ok(all)
}
