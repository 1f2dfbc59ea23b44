//! A crowd: many actors that nobody asks, and one that is asked.

use ringway::prelude::*;
use rustix::thread::{CpuSet, sched_setaffinity};

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, name = "crowd::Echo", reply = u64)]
#[repr(C)]
pub(crate) struct Echo {
    pub(crate) number: u64,
}

#[derive(Actor)]
#[actor(handles(Echo))]
pub(crate) struct Mouth;

impl Handler<Echo> for Mouth {
    async fn handle(&mut self, echo: Echo, _cx: &mut Context<Self>) -> u64 {
        echo.number
    }
}

/// The one that is asked.
pub(crate) const BUSY: &str = "busy";

/// One of the others.
pub(crate) fn idle(number: u32) -> String {
    format!("idle-{number}")
}

/// Moves this thread, and those that it starts, to one processor.
pub(crate) fn pin(processor: usize) {
    let mut only = CpuSet::new();
    only.set(processor);
    sched_setaffinity(None, &only).expect("it was allowed before");
}

/// Runs so many idle actors and the busy one on its own thread, until the busy one is stopped.
pub(crate) fn play(count: u32) {
    let node = Node::attach(NodeConfig::on("test").workers(Workers::Caller)).expect("attached");
    let spawn = |name: String| node.actor(Mouth).name(name).spawn().expect("spawned");
    let _idle: Vec<_> = (0..count).map(|number| spawn(idle(number))).collect();
    let busy = spawn(BUSY.to_owned());
    println!("ready");
    node.run_until(busy.closed());
}
