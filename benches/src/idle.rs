//! `idle`: what costs nothing while nobody uses it: an ask beside crowds of idle urings, actors and names; and a sleeping
//! node's processor time.

use std::time::Duration;

use ringway::prelude::*;

use crate::bus::Bus;
use crate::clock::{self, ticks};
use crate::figures::Ticks;
use crate::options::{Mode, Options};
use crate::pair::{HERE, Other, READY, THERE, Teller, pin};
use crate::payload::Touch;
use crate::report::{Cell, Lay, Report};
use crate::series::Series;
use crate::sink::{self, SINK, Sink, Source};
use crate::{Result, gate};

/// What the answering process is told: `crowd actors|names|urings COUNT DIRECTORY`.
pub(crate) const CROWD: &str = "crowd";

const CROWDS: [(&str, u64); 7] = [
    ("nobody", 0),
    ("actors", 100),
    ("actors", 10_000),
    ("names", 100),
    ("names", 10_000),
    ("urings", 100),
    ("urings", 8_000), // a node lets one peer open 8,064
];
const BRIEF_MAX: u64 = 100;
/// Room for such crowds: a node's books are small unless it says otherwise.
const REGISTRY: u32 = 32_768;
const RINGS_BYTES: u64 = 4 << 30;
/// How long a node is left alone.
const REST: Duration = secs(5);
const REST_BRIEF: Duration = ms(100);
/// Until it sleeps.
const CALM: Duration = ms(300);
const PAYLOAD: (usize, Touch) = (8, Touch::Fill);

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<()> {
    for _ in 0..options.rounds {
        for (kind, count) in CROWDS {
            if options.brief && count > BRIEF_MAX {
                continue;
            }
            let measured = gate::measure(Some(options.patience()), |pair| {
                beside(&mut pair.other, kind, count, options)
            });
            let (ticks, lay) = measured?;
            let cell = Cell::new("ringway", "idle")
                .with("part", "ask")
                .with("mode", "spin");
            let cell = cell.with("beside", kind).with("count", count);
            report.latency(&cell, ticks, lay);
        }
        rest(options, report)?;
    }
    Ok(())
}

/// Round trips beside a crowd.
fn beside(other: &mut Other, kind: &str, count: u64, options: &Options) -> Result<Ticks> {
    let bus = Bus::new();
    other.tell(&format!("{CROWD} {kind} {count} {}", bus.directory()))?;
    other.ready()?;
    let node = attach(&bus.directory(), "source")?;
    let series = node.run_until(async {
        let mut open = Vec::new();
        for index in (0..count).filter(|_| kind == "urings") {
            let source = Source::new(node.lookup(name(index)).await?, 0, PAYLOAD);
            source.ask(0).await?;
            open.push(source);
        }
        let source = Source::new(node.lookup(SINK).await?, 0, PAYLOAD);
        let mut series = Series::new(Mode::Spin, options);
        while let Some(number) = series.next() {
            let from = ticks();
            source.ask(number).await?;
            series.took(ticks() - from);
        }
        source.settle(series.made()).await?;
        for idle in &open {
            idle.settle(1).await?;
        }
        source.stop().await;
        Result::Ok(series)
    })?;
    drop(node);
    other.hear()?;
    Ok(series.into_ticks())
}

fn attach(directory: &str, name: &str) -> Result<Node> {
    let config = NodeConfig::on("bench").named(name).directory(directory);
    let config = config.registry_capacity(REGISTRY).rings_limit(RINGS_BYTES);
    Ok(Node::attach(config.workers(Workers::Caller))?)
}

fn name(index: u64) -> String {
    format!("idle-{index}")
}

/// The answering process: a crowd, and one that is asked.
pub(crate) fn serve(words: &[&str], teller: &mut Teller) -> Result<()> {
    let [kind, count, directory] = words else {
        return Err(format!("{CROWD} {words:?}").into());
    };
    let node = attach(directory, SINK)?;
    let mut crowd = Vec::new();
    for index in 0..count.parse()? {
        let one = node.actor(Sink::new(Touch::Fill));
        let one = if *kind == "actors" {
            one
        } else {
            one.name(name(index))
        };
        crowd.push(one.spawn()?);
    }
    let sink = node.actor(Sink::new(Touch::Fill)).name(SINK).spawn()?;
    // All have begun to wait before anything is measured.
    node.run_until(async {
        for one in &crowd {
            Source::new(one.clone(), 1, PAYLOAD).ask(0).await?;
        }
        Result::Ok(())
    })?;
    teller.say(READY)?;
    let reason = node.run_until(sink.closed());
    drop(node);
    teller.say(&format!("{reason:?}"))
}

/// Processor time of all threads of a process whose node sleeps, as the kernel counts it.
fn rest(options: &Options, report: &mut Report) -> Result<()> {
    pin(HERE)?;
    let bus = Bus::new();
    let mut other = Other::start(THERE)?;
    sink::begin(&mut other, Mode::Block, PAYLOAD.1, &bus.directory())?;
    let node = sink::attach(Mode::Block, &bus.directory(), "source")?;
    let source = Source::new(node.lookup(SINK).wait()?, 0, PAYLOAD);
    block_on(source.ask(0))?;
    clock::idle(CALM);
    let rest = if options.brief { REST_BRIEF } else { REST };
    let before = processor_nanos(other.pid())?;
    clock::idle(rest);
    let used = processor_nanos(other.pid())?.saturating_sub(before);
    block_on(source.ask(1))?;
    block_on(source.settle(2))?;
    block_on(source.stop());
    other.hear()?;
    let used = used as f64 / 1e3 * (REST.as_secs_f64() / rest.as_secs_f64());
    let cell = Cell::new("ringway", "idle").with("part", "rest");
    report.value(&cell, "us CPU per 5 s", used, 1, Lay::default());
    Ok(())
}

fn processor_nanos(process: u32) -> Result<u64> {
    let mut nanos = 0;
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let counts = std::fs::read_to_string(task?.path().join("schedstat"))?;
        let first = counts.split_whitespace().next();
        nanos += first.ok_or("an empty schedstat")?.parse::<u64>()?;
    }
    Ok(nanos)
}
