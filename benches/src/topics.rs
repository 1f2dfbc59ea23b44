//! `topics`: what a publish costs beside idle topics, and how long it takes to make them; and what a large sample costs its publisher
//! with one subscriber and with eight.
//!
//! Two nodes of one process, each with a thread of its own: one publishes, the other subscribes. All subscribers wait; the samples of
//! one topic are published, and all of them are checked where they arrive.

use std::time::Instant;

use ringway::prelude::*;

use crate::Result;
use crate::bus::Bus;
use crate::options::Options;
use crate::pair::LONG;
use crate::report::{Cell, Lay, Report};

/// Topics, unless told otherwise; the first is what the others are compared with.
pub(crate) const TOPICS: [usize; 3] = [1, 100, 10_000];
const BRIEF_MAX: usize = 100;
/// Room for the ends of so many on each card.
const REGISTRY: u32 = 32_768;
/// Samples that may wait.
const DEPTH: u32 = 64;
/// Subscribers of large samples.
const READERS: [usize; 2] = [1, 8];
const LARGE: usize = 1 << 20;
const LARGE_BRIEF: usize = 64 << 10;

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<()> {
    for _ in 0..options.rounds {
        let mut first = None;
        for count in options.topics.clone() {
            if options.brief && count > BRIEF_MAX {
                continue;
            }
            let (made, each, n) = beside(count, options)?;
            let cell = |part| {
                let cell = Cell::new("ringway", "topics").with("part", part);
                cell.with("topics", count)
            };
            let lay = Lay::default();
            report.value(&cell("making-one"), "ns", made, count as u64, lay);
            report.value(&cell("publish"), "ns", each, n, lay);
            let first = *first.get_or_insert(each);
            report.value(&cell("publish-to-first"), "x", each / first, n, lay);
        }
        let mut first = None;
        for readers in READERS {
            let (each, n) = large(readers, options)?;
            let bytes = large_bytes(options);
            let cell = |part| {
                let cell = Cell::new("ringway", "topics").with("part", part);
                cell.with("bytes", bytes).with("subscribers", readers)
            };
            report.value(&cell("publish"), "ns", each, n, Lay::default());
            let first = *first.get_or_insert(each);
            let ratio = each / first;
            report.value(&cell("publish-to-first"), "x", ratio, n, Lay::default());
        }
    }
    Ok(())
}

fn attach(bus: &Bus, name: &str) -> Result<Node> {
    let config = NodeConfig::on("bench").named(name);
    let config = config.directory(bus.directory());
    Ok(Node::attach(config.registry_capacity(REGISTRY))?)
}

/// So many topics, of which one is active; nanoseconds for making one with its two ends, and for a publish until it has arrived.
fn beside(count: usize, options: &Options) -> Result<(f64, f64, u64)> {
    let bus = Bus::new();
    let (from, to) = (attach(&bus, "from")?, attach(&bus, "to")?);
    block_on(async {
        let begin = Instant::now();
        let mut publishers = Vec::new();
        for index in 0..count {
            let topic = from.topic::<u64>(format!("topic/{index}"))?;
            publishers.push(topic.publisher().samples(DEPTH).within(LONG).await?);
        }
        let mut all = ringway::Selector::new();
        for index in 0..count {
            let topic = to.topic::<u64>(format!("topic/{index}"))?;
            let subscriber = topic.subscriber().depth(DEPTH).within(LONG).await?;
            all.add(index, subscriber.map(|sample| *sample));
        }
        let made = begin.elapsed().as_nanos() as f64 / count as f64;
        // One from each: then all of them wait.
        for publisher in &publishers {
            publisher.publish(0).await?;
        }
        let mut seen = vec![false; count];
        for _ in 0..count {
            let (index, number) = all.next().await.ok_or("no topic")?;
            if number != Some(0) || std::mem::replace(&mut seen[index], true) {
                return Err(format!("topic {index} gave {number:?}").into());
            }
        }
        let active = count / 2;
        let (begin, mut n) = (Instant::now(), 0);
        while begin.elapsed() < options.budget || n < 100 {
            n += 1;
            publishers[active].publish(n).await?;
            let got = all.next().await;
            if got != Some((active, Some(n))) {
                return Err(format!("{got:?} for sample {n}").into());
            }
        }
        Result::Ok((made, begin.elapsed().as_nanos() as f64 / n as f64, n))
    })
}

fn large_bytes(options: &Options) -> usize {
    match options.brief {
        true => LARGE_BRIEF,
        false => LARGE,
    }
}

/// Large samples to so many subscribers, who look at their ends alone; nanoseconds that one costs its publisher, which fills it.
fn large(readers: usize, options: &Options) -> Result<(f64, u64)> {
    let bus = Bus::new();
    let (from, to) = (attach(&bus, "from")?, attach(&bus, "to")?);
    let bytes = large_bytes(options);
    block_on(async {
        let topic = from.topic::<BytesMessage<u8>>("large")?;
        let publisher = topic.publisher().samples(4).within(LONG).await?;
        let mut subscribers = Vec::new();
        for _ in 0..readers {
            let topic = to.topic::<BytesMessage<u8>>("large")?;
            subscribers.push(topic.subscriber().depth(4).within(LONG).await?);
        }
        let (begin, mut n, mut took) = (Instant::now(), 0_u64, 0);
        while begin.elapsed() < options.budget || n < 20 {
            n += 1;
            let began = Instant::now();
            let mut block = publisher.loan(bytes)?;
            block.fill(n.to_le_bytes()[0]);
            publisher.publish(block).await?;
            took += began.elapsed().as_nanos();
            for subscriber in &mut subscribers {
                let sample = subscriber.next().await.ok_or("the node has left")?;
                let ends = [sample[0], sample[bytes - 1]];
                if sample.sequence() != n || ends != [n.to_le_bytes()[0]; 2] {
                    return Err(format!("sample {} for {n}", sample.sequence()).into());
                }
            }
        }
        Result::Ok((took as f64 / n as f64, n))
    })
}
