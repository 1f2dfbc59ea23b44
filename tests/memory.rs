//! The memory of messages: full heaps, messages that are too large, blocks that are used again, growth under way.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

#[path = "memory/full.rs"]
mod full;
#[path = "memory/leases.rs"]
mod leases;
#[path = "memory/replies.rs"]
mod replies;
#[path = "memory/reuse.rs"]
mod reuse;
mod support;

use ringway::prelude::*;

use support::Bus;
use support::probe::Event::{Began, Started};
use support::probe::{Hold, Note, Probe, Text, Watcher, probe};

const MIB: usize = 1 << 20;

fn text(len: usize) -> Text {
    Text {
        number: 1,
        text: "x".repeat(len),
    }
}

/// A probe on one node, and a sender on another whose heap has a limit.
struct Pair {
    probe: Addr<Probe>,
    watcher: Watcher,
    sender: Node,
    home: Node,
    _bus: Bus,
}

impl Pair {
    fn new(name: &str, heap_limit: usize) -> Self {
        let bus = Bus::new(name);
        let attach =
            |node: &str| Node::attach(bus.config(node).heap_limit(heap_limit as u64)).unwrap();
        let (home, sender) = (attach("home"), attach("sender"));
        let (actor, watcher) = probe();
        home.actor(actor).name("probe").spawn().unwrap();
        let probe: Addr<Probe> = sender.lookup("probe").wait().unwrap();
        watcher.expect(Started);
        Self {
            probe: probe.pinned(),
            watcher,
            sender,
            home,
            _bus: bus,
        }
    }

    /// Has the probe in the middle of a handler.
    fn hold(&self) {
        self.probe.tell(Hold { number: 0 }).wait().unwrap();
        self.watcher.expect(Began(0));
    }

    /// Waits until every block has come back; each ask makes both sides look.
    fn settle(&self) {
        while self.sender.heap().stats().live() > 0 {
            self.probe.ask(Note { number: 0 }).wait().unwrap();
        }
    }
}
