//! `idle`: what costs nothing while nobody uses it: an ask beside crowds of idle urings, actors and names; and a sleeping
//! node's processor time.

use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use ringway::prelude::*;

use crate::bus::Bus;
use crate::clock::{self, ticks};
use crate::figures::{self, Ticks};
use crate::options::{Mode, Options};
use crate::pair::{LONG, Other, READY, Teller};
use crate::payload::Touch;
use crate::place::held;
use crate::processors::{HERE, THERE, pin};
use crate::report::{Cell, Lay, Report};
use crate::series::Series;
use crate::sink::{self, SINK, Sink, Source};
use crate::{Result, gate};

/// What the answering process is told: `crowd actors|names|urings|all COUNT DIRECTORY`.
pub(crate) const CROWD: &str = "crowd";

const CROWDS: [(&str, u64); 9] = [
    ("nobody", 0),
    ("actors", 100),
    ("actors", 10_000),
    ("names", 100),
    ("names", 10_000),
    ("urings", 100),
    ("urings", 10_000),
    ("all", 100),
    ("all", 10_000),
];
const BRIEF_MAX: u64 = 100;
/// Room for such crowds: a node's registry is small unless it says otherwise.
const REGISTRY: u32 = 32_768;
/// How long a node is left alone.
const REST: Duration = secs(5);
const REST_BRIEF: Duration = ms(100);
/// Until it sleeps.
const CALM: Duration = ms(300);
const PAYLOAD: (usize, Touch) = (8, Touch::Fill);

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<()> {
    for _ in 0..options.rounds {
        let mut alone = None;
        for (kind, count) in CROWDS {
            if options.brief && count > BRIEF_MAX {
                continue;
            }
            let measured = gate::measure(Some(options.patience()), |pair| {
                beside(&mut pair.other, kind, count, options)
            });
            let (crowded, lay) = measured?;
            let cell = |part| {
                let cell = Cell::new("ringway", "idle").with("part", part);
                cell.with("beside", kind).with("count", count)
            };
            let middle = figures::middle(&crowded.ticks);
            let n = crowded.ticks.len() as u64;
            report.latency(&cell("ask").with("mode", "spin"), crowded.ticks, lay);
            let (alone, alone_lay) = *alone.get_or_insert((middle, lay));
            // Of two that were measured in different places nothing can be said.
            if held(lay.line_ns) == held(alone_lay.line_ns) {
                report.value(&cell("ask-to-alone"), "x", middle / alone, n, lay);
            }
            for (side, bytes) in [("asked", crowded.asked), ("asking", crowded.asking)] {
                let cell = cell("memory").with("side", side);
                report.value(&cell, "bytes", bytes as f64, 1, Lay::default());
            }
        }
        rest(options, report)?;
    }
    Ok(())
}

/// What was measured beside a crowd.
struct Crowded {
    ticks: Ticks,
    /// Memory of each process: its own, and what it reserved to be shared.
    asked: u64,
    asking: u64,
}

/// Round trips beside a crowd.
fn beside(other: &mut Other, kind: &str, count: u64, options: &Options) -> Result<Crowded> {
    let bus = Bus::new();
    other.tell(&format!("{CROWD} {kind} {count} {}", bus.directory()))?;
    other.ready()?;
    let node = attach(&bus.directory(), "source")?;
    // Of urings each side has an end anyway.
    let own = if kind == "urings" { 0 } else { count };
    let _own = crowd(&node, kind, own, "own")?;
    let (series, asked, asking) = node.run_until(async {
        let mut open = Vec::new();
        for index in (0..count).filter(|_| ["urings", "all"].contains(&kind)) {
            let idle = node.lookup(name("idle", index)).within(LONG);
            let source = Source::new(idle.await?, 0, PAYLOAD);
            source.ask(0).await?;
            open.push(source);
        }
        let source = Source::new(node.lookup(SINK).within(LONG).await?, 0, PAYLOAD);
        let mut series = Series::new(Mode::Spin, options);
        while let Some(number) = series.next() {
            let from = ticks();
            source.ask(number).await?;
            series.took(ticks() - from);
        }
        source.settle(series.made()).await?;
        let (asked, asking) = (memory(other.pid())?, memory(std::process::id())?);
        for idle in &open {
            idle.settle(1).await?;
        }
        source.stop().await;
        Result::Ok((series, asked, asking))
    })?;
    drop(node);
    other.hear()?;
    Ok(Crowded {
        ticks: series.into_ticks(),
        asked,
        asking,
    })
}

/// Bytes of a process: what is its own alone, and the memory that it has reserved to be shared, touched or not.
fn memory(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let own = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let own = own
        .and_then(|own| own.split_whitespace().next())
        .ok_or("no RssAnon")?;
    let mut bytes = own.parse::<u64>()? << 10;
    for fd in std::fs::read_dir(format!("/proc/{process}/fd"))? {
        let path = fd?.path();
        // One that was closed meanwhile is none of those that stay.
        if std::fs::read_link(&path).is_ok_and(|it| it.to_string_lossy().contains("memfd:ringway"))
        {
            bytes += std::fs::metadata(&path)?.blocks() * 512;
        }
    }
    Ok(bytes)
}

fn attach(directory: &str, name: &str) -> Result<Node> {
    let config = NodeConfig::on("bench").named(name).directory(directory);
    let config = config.registry_capacity(REGISTRY);
    Ok(Node::attach(config.workers(Workers::Caller))?)
}

fn name(crowd: &str, index: u64) -> String {
    format!("{crowd}-{index}")
}

/// So many idle actors, with names unless only actors are wanted; all have begun to wait.
fn crowd(node: &Node, kind: &str, count: u64, names: &str) -> Result<Vec<Addr<Sink>>> {
    let mut crowd = Vec::new();
    for index in 0..count {
        let one = node.actor(Sink::new(Touch::Fill));
        let one = match kind {
            "actors" => one,
            _ => one.name(name(names, index)),
        };
        crowd.push(one.spawn()?);
    }
    node.run_until(async {
        for one in &crowd {
            Source::new(one.clone(), 1, PAYLOAD).ask(0).await?;
        }
        Result::Ok(())
    })?;
    Ok(crowd)
}

/// The answering process: a crowd, and one that is asked.
pub(crate) fn serve(words: &[&str], teller: &mut Teller) -> Result<()> {
    let [kind, count, directory] = words else {
        return Err(format!("{CROWD} {words:?}").into());
    };
    let node = attach(directory, SINK)?;
    let _crowd = crowd(&node, kind, count.parse()?, "idle")?;
    let sink = node.actor(Sink::new(Touch::Fill)).name(SINK).spawn()?;
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
    let source = Source::new(node.lookup(SINK).within(LONG).wait()?, 0, PAYLOAD);
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
        let task = task?.path();
        nanos += match std::fs::read_to_string(task.join("schedstat")) {
            Ok(counts) => {
                let first = counts.split_whitespace().next();
                first.ok_or("an empty schedstat")?.parse()?
            }
            // Not every kernel keeps them; all count in hundredths of a second.
            Err(_) => hundredths(&std::fs::read_to_string(task.join("stat"))?)? * 10_000_000,
        };
    }
    Ok(nanos)
}

/// User and system time in a `stat` of proc(5): its fields 14 and 15.
fn hundredths(stat: &str) -> Result<u64> {
    // The name, in parentheses, may contain anything.
    let (_, behind) = stat.rsplit_once(") ").ok_or("an odd stat")?;
    let times = behind.split_whitespace().skip(11).take(2);
    let times: std::result::Result<Vec<u64>, _> = times.map(str::parse).collect();
    match times?.as_slice() {
        [user, system] => Ok(user + system),
        _ => Err("a short stat".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_stat() {
        let stat = "71 (a) b) S 1 71 71 0 -1 4194560 9 0 0 0 12 30 5 6 20 0 1 0 26";
        assert_eq!(hundredths(stat).ok(), Some(42));
        assert!(hundredths("71 (short) S 1").is_err());
    }
}
