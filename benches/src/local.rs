//! `local`: actors of one process, on a node as it comes, with one worker, and on one with two.
//!
//! Each part has a process of its own, so that memory freed by one does not hide what the next one takes.

mod actors;
mod crowd;

use std::num::NonZeroUsize;

use ringway::prelude::*;

use crate::bus::Bus;
use crate::options::Options;
use crate::pair::{Other, Teller};
use crate::processors::ANYWHERE;
use crate::report::{Cell, Report};
use crate::{Result, figures, gate};

/// What a process is told that measures a part: `local PART WORKERS COUNT DIRECTORY`.
pub(crate) const LOCAL: &str = "local";

/// A value that a part found: which statistic, if there are several, in which unit, and of how many.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) stat: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
    pub(crate) n: u64,
}

/// A part: its name, how much of it is done, on how many workers, and by whom.
struct Part {
    name: &'static str,
    count: u64,
    workers: &'static [usize],
    measure: fn(&Node, u64) -> Result<Vec<Found>>,
}

const PARTS: [Part; 7] = [
    Part {
        name: "tell-1",
        count: 800_000,
        workers: &[1, 2],
        measure: |node, count| actors::tell(node, count, 1),
    },
    Part {
        name: "tell-4",
        count: 800_000,
        workers: &[1, 2],
        measure: |node, count| actors::tell(node, count, 4),
    },
    Part {
        name: "tell-outside",
        count: 800_000,
        workers: &[2],
        measure: actors::tell_outside,
    },
    Part {
        name: "ask",
        count: 60_000,
        workers: &[1, 2],
        measure: actors::ask,
    },
    Part {
        name: "pairs",
        count: 1_000_000,
        workers: &[1, 2],
        measure: actors::pairs,
    },
    Part {
        name: "spawn",
        count: 100_000,
        workers: &[1],
        measure: crowd::spawn,
    },
    Part {
        name: "idle",
        count: 1_000_000,
        workers: &[1],
        measure: crowd::idle,
    },
];
/// How much less is done in brief.
const BRIEF: u64 = 200;

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<()> {
    for _ in 0..options.rounds {
        for part in &PARTS {
            for workers in part.workers {
                measure(part, *workers, options, report)?;
            }
        }
    }
    Ok(())
}

fn measure(part: &Part, workers: usize, options: &Options, report: &mut Report) -> Result<()> {
    let count = if options.brief {
        part.count / BRIEF
    } else {
        part.count
    };
    let (said, lay) = gate::measure((workers > 1).then(|| options.patience()), |_pair| {
        let bus = Bus::new();
        let mut other = Other::start(ANYWHERE)?;
        other.tell(&format!(
            "{LOCAL} {} {workers} {count} {}",
            part.name,
            bus.directory()
        ))?;
        other.hear()
    })?;
    let cell = Cell::new("ringway", "local")
        .with("part", part.name)
        .with("workers", workers);
    for value in said.split(';') {
        let words: Vec<&str> = value.split(',').collect();
        let [stat, unit, value, n] = words.as_slice() else {
            return Err(format!("{} found {said:?}", part.name).into());
        };
        let (value, n) = (value.parse()?, n.parse()?);
        let unit = UNITS
            .into_iter()
            .find(|known| known == unit)
            .ok_or("an unknown unit")?;
        match figures::NAMES.into_iter().find(|known| known == stat) {
            Some(stat) => report.figure(&cell, stat, (unit, value), n, lay),
            None if stat.is_empty() => report.value(&cell, unit, value, n, lay),
            None => report.value(&cell.clone().with("stat", stat), unit, value, n, lay),
        }
    }
    Ok(())
}

pub(crate) const RATE: &str = "msg/s";
pub(crate) const NANOS: &str = "ns";
pub(crate) const NANOS_EACH: &str = "ns/actor";
pub(crate) const BYTES_EACH: &str = "bytes/actor";
const UNITS: [&str; 4] = [RATE, NANOS, NANOS_EACH, BYTES_EACH];

/// The measuring process.
pub(crate) fn serve(words: &[&str], teller: &mut Teller) -> Result<()> {
    let [name, workers, count, directory] = words else {
        return Err(format!("{LOCAL} {words:?}").into());
    };
    let part = PARTS
        .iter()
        .find(|part| part.name == *name)
        .ok_or("an unknown part")?;
    let workers: NonZeroUsize = workers.parse()?;
    let config = NodeConfig::on("bench").named(LOCAL).directory(*directory);
    let node = Node::attach(config.workers(Workers::Threads(workers)))?;
    let found = (part.measure)(&node, count.parse()?)?;
    let found = found
        .iter()
        .map(|it| format!("{},{},{:.3},{}", it.stat, it.unit, it.value, it.n));
    teller.say(&found.collect::<Vec<_>>().join(";"))
}
