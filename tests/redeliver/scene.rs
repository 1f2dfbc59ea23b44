//! What the tests of redelivery share.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use ringway::prelude::*;
use ringway::private::bytemuck;

use crate::helper::Helper;
use crate::support::Bus;
use crate::worker::{Record, Worker, Yard};

/// A node of this process with workers.
pub(crate) fn yard(node: &Node) -> (Yard, Receiver<Record>) {
    let (log, records) = channel();
    let log = Arc::new(move |record| log.send(record).unwrap_or_default());
    (Yard::new(node, log), records)
}

pub(crate) fn find(node: &Node, name: &str) -> Addr<Worker> {
    node.lookup(name).within(secs(100)).wait().unwrap()
}

/// A process with workers.
pub(crate) struct Process {
    helper: Helper,
    input: std::process::ChildStdin,
    reader: std::thread::JoinHandle<()>,
}

impl Process {
    /// Starts one whose workers' records go to `log`.
    pub(crate) fn start(bus: &Bus, log: &Sender<Record>) -> Self {
        let mut helper = Helper::start(bus, &["yard"]);
        let (input, mut output) = (helper.take_input(), helper.take_output());
        let log = log.clone();
        let reader = std::thread::spawn(move || {
            let mut record = [0; Record::LEN];
            while output.read_exact(&mut record).is_ok() {
                let _ = log.send(bytemuck::pod_read_unaligned(&record));
            }
        });
        Self {
            helper,
            input,
            reader,
        }
    }

    pub(crate) fn obey(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// Kills it; all that it logged is in the log when this returns.
    pub(crate) fn kill(self) {
        self.helper.kill();
        self.reader.join().unwrap();
    }

    /// Waits until it has killed itself.
    pub(crate) fn died(self) {
        self.reader.join().unwrap();
        self.helper.kill();
    }
}

/// The attempts at each message whose handler began, and how many of them ended.
pub(crate) fn effects(records: &[Record]) -> BTreeMap<u64, (Vec<u32>, usize)> {
    let mut effects = BTreeMap::<_, (Vec<u32>, usize)>::new();
    for record in records {
        let effect = effects.entry(record.number).or_default();
        match record.ended {
            0 => effect.0.push(record.attempt),
            _ => effect.1 += 1,
        }
    }
    effects
}
