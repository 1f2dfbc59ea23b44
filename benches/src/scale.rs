//! `scale`: processes that all tell all others, at the same time; one alone tells itself.

use std::time::Duration;

use ringway::prelude::*;

use crate::Result;
use crate::bus::Bus;
use crate::clock::system_nanos;
use crate::options::{Mode, Options, SENDERS_MAX};
use crate::pair::{LONG, Other, READY, Teller};
use crate::payload::Touch;
use crate::processors::{HERE, THERE};
use crate::report::{Cell, Lay, Report};
use crate::sink::{self, Sink, Source};
use crate::tell::Sent;

/// What each process is told: `peer INDEX COUNT BYTES TOUCH MICROSECONDS DIRECTORY`, then `meet`, `begin`, `end`.
pub(crate) const PEER: &str = "peer";

const PROCESSES: [usize; 5] = [1, 2, 4, 8, SENDERS_MAX];
const PAYLOADS: [(usize, &[Touch]); 1] = [(8, &[Touch::Fill])];
/// Messages to one before the next has its turn.
const BURST: u64 = 16;

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<()> {
    for _ in 0..options.rounds {
        for payload in options.payloads(&PAYLOADS) {
            let all = PROCESSES.to_vec();
            for processes in options.senders.map_or(all, |only| vec![only]) {
                measure(processes, payload, options.budget, report)?;
            }
        }
    }
    Ok(())
}

fn measure(
    processes: usize,
    (bytes, touch): (usize, Touch),
    budget: Duration,
    report: &mut Report,
) -> Result<()> {
    let bus = Bus::new();
    let mut peers = Vec::new();
    for index in 0..processes {
        let mut peer = Other::start([HERE, THERE][index % 2])?;
        let (touch, micros, directory) = (touch.name(), budget.as_micros(), bus.directory());
        peer.tell(&format!(
            "{PEER} {index} {processes} {bytes} {touch} {micros} {directory}"
        ))?;
        peers.push(peer);
    }
    for words in ["meet", "begin"] {
        peers.iter_mut().try_for_each(Other::ready)?;
        peers.iter_mut().try_for_each(|peer| peer.tell(words))?;
    }
    let sent: Result<Vec<Sent>> = peers
        .iter_mut()
        .map(|peer| Sent::parse(&peer.hear()?))
        .collect();
    let sent = sent?;
    peers.iter_mut().try_for_each(|peer| peer.tell("end"))?;
    peers.iter_mut().try_for_each(Other::ready)?;
    let stream = Sent::together(&sent);
    let cell = Cell::new("ringway", "scale")
        .with("mode", Mode::Block.name())
        .with("bytes", bytes);
    let cell = cell
        .with("touch", touch.name())
        .with("processes", processes);
    report.value(
        &cell,
        "msg/s",
        stream.n as f64 / stream.seconds,
        stream.n,
        Lay::default(),
    );
    Ok(())
}

fn name(index: usize) -> String {
    format!("sink-{index}")
}

/// One of the processes.
pub(crate) fn serve(words: &[&str], teller: &mut Teller) -> Result<()> {
    let [index, count, bytes, touch, micros, directory] = words else {
        return Err(format!("{PEER} {words:?}").into());
    };
    let (own, count): (usize, usize) = (index.parse()?, count.parse()?);
    let touch = Touch::named(touch).ok_or("no such touch")?;
    let payload = (bytes.parse()?, touch);
    let node = sink::attach(Mode::Block, directory, &format!("{PEER}-{own}"))?;
    let sink = node.actor(Sink::new(touch)).name(name(own)).spawn()?;
    teller.say(READY)?;
    teller.hear()?;
    let mut others = Vec::new();
    for other in (0..count).filter(|other| *other != own || count == 1) {
        let other = node.lookup(name(other)).within(LONG).wait()?;
        others.push(Source::new(other, own, payload));
    }
    // The first message opens a uring.
    block_on(burst(&others, 0))?;
    teller.say(READY)?;
    teller.hear()?;
    let sent = block_on(send(&others, Duration::from_micros(micros.parse()?)))?;
    teller.say(&sent.to_string())?;
    teller.hear()?;
    sink.stop();
    block_on(sink.closed());
    drop(node);
    teller.say(READY)
}

async fn burst(others: &[Source], first: u64) -> Result<()> {
    for other in others {
        for number in first..first + BURST {
            other.tell(number).await?;
        }
    }
    Ok(())
}

async fn send(others: &[Source], budget: Duration) -> Result<Sent> {
    let budget = u64::try_from(budget.as_nanos())?;
    let (mut next, from) = (BURST, system_nanos());
    while system_nanos() - from < budget {
        burst(others, next).await?;
        next += BURST;
    }
    for other in others {
        other.settle(next).await?;
    }
    Ok(Sent {
        n: (next - BURST) * others.len() as u64,
        from,
        until: system_nanos(),
    })
}
