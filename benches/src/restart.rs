//! `restart`: how long it takes from the SIGKILL of a supervised child process until its successor has answered its first ask.
//!
//! All parts are counted from the kill, so that each contains those before it. The supervisor does not back off.

use std::sync::OnceLock;

use ringway::prelude::*;

use crate::Result;
use crate::bus::Bus;
use crate::clock::{system_nanos, ticks_of};
use crate::figures::Ticks;
use crate::options::{Mode, Options};
use crate::pair::LONG;
use crate::processors::{ANYWHERE, pin};
use crate::report::{Cell, Lay, Report};
use crate::sink::attach;

/// The role of the child that is killed, and its name on the bus.
const WORKER: &str = "worker";
/// Kills of a round: enough that five lie beyond the 99th percentile.
const TIMES: usize = 520;
const TIMES_BRIEF: usize = 3;

/// When the `main` of this process began.
static BEGAN: OnceLock<u64> = OnceLock::new();

/// Asks a worker when its process began and when it was started itself.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = [u64; 3])]
#[repr(C)]
struct When;

/// Knows when it began.
#[derive(Actor, Default)]
#[actor(handles(When), hooks)]
struct Worker {
    started: u64,
}

impl Hooks for Worker {
    async fn started(&mut self, _cx: &mut Context<Self>) -> std::result::Result<(), BoxError> {
        self.started = system_nanos();
        Ok(())
    }
}

impl Handler<When> for Worker {
    async fn handle(&mut self, _when: When, _cx: &mut Context<Self>) -> [u64; 3] {
        let began = BEGAN.get().copied().unwrap_or(0);
        [u64::from(std::process::id()), began, self.started]
    }
}

/// To be called first in `main`.
pub(crate) fn began() {
    BEGAN.get_or_init(system_nanos);
}

pub(crate) fn roles(roles: Roles) -> Roles {
    roles.actor::<Worker>(WORKER)
}

/// What is measured, in the order in which it comes about.
const PARTS: [&str; 6] = [
    "noticed",   // the supervising node knows that the process is dead
    "main",      // the next one has come to its `main`
    "started",   // it has attached, and its actor's start hook runs
    "reachable", // the supervisor gives out its address
    "answered",  // it has answered the first ask
    "named",     // another node, which waits for the name, has found it
];

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<()> {
    let times = if options.brief { TIMES_BRIEF } else { TIMES };
    // What was measured before this has stayed on one.
    pin(ANYWHERE)?;
    for _ in 0..options.rounds {
        let parts = killing(times)?;
        for (part, ticks) in PARTS.into_iter().zip(parts) {
            let cell = Cell::new("ringway", "restart").with("part", part);
            report.latency(&cell, ticks, Lay::default());
        }
    }
    Ok(())
}

fn killing(times: usize) -> Result<[Ticks; PARTS.len()]> {
    let bus = Bus::new();
    let node = attach(Mode::Block, &bus.directory(), "parent")?;
    let other = attach(Mode::Block, &bus.directory(), "other")?;
    let tree = Supervisor::one_for_one()
        .intensity(u32::MAX, secs(1))
        .backoff(ms(0)..ms(0))
        .child(
            Child::process::<Worker>(WORKER)
                .name(WORKER)
                .start_within(LONG),
        )
        .start(&node)
        .wait()?;
    let mut all = [const { Ticks::new() }; PARTS.len()];
    let mut worker: Addr<Worker> = tree.addr(WORKER).within(LONG).wait()?;
    let mut last = worker.ask(When).deadline(LONG).wait()?[0];
    for _ in 0..times {
        let from = system_nanos();
        kill(last)?;
        block_on(worker.closed());
        let noticed = system_nanos();
        worker = tree.addr(WORKER).within(LONG).wait()?;
        let reachable = system_nanos();
        let [pid, main, started] = worker.ask(When).deadline(LONG).wait()?;
        let answered = system_nanos();
        let named = named(&other, pid)?;
        if pid == last || !(from <= main && main <= started && started <= answered) {
            return Err(format!("process {last} was succeeded by {pid}, at odd times").into());
        }
        last = pid;
        let at = [noticed, main, started, reachable, answered, named];
        for (ticks, at) in all.iter_mut().zip(at) {
            ticks.push(ticks_of(at.saturating_sub(from)));
        }
    }
    let starts = tree.which_children().first().map(|child| child.starts);
    if starts != Some(times as u64 + 1) {
        return Err(format!("{times} kills, {starts:?} starts").into());
    }
    Ok(all)
}

/// When another node's lookup finds the worker of that process.
fn named(other: &Node, pid: u64) -> Result<u64> {
    loop {
        let worker: Addr<Worker> = other.lookup(WORKER).within(LONG).wait()?;
        let at = system_nanos();
        match worker.ask(When).wait() {
            Ok([found, ..]) if found == pid => return Ok(at),
            // What it found was the one before, whose end it has not heard of yet.
            Ok(_) | Err(_) => {}
        }
    }
}

fn kill(pid: u64) -> Result<()> {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    let pid = pid.ok_or("no process of that number")?;
    Ok(rustix::process::kill_process(
        pid,
        rustix::process::Signal::KILL,
    )?)
}
