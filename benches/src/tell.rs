//! `tell`: streams one way, from one or several sending processes to one actor, each message by itself and many at a time,
//! beside the same through the bare ring.
//!
//! The receiver has a processor of its own, all senders share the other. Time runs from the first message of the sender that
//! begins first until the last message of all has been handled.

use std::fmt;
use std::time::Duration;

use crate::ask::patience;
use crate::bare::{self, Stream, stretch};
use crate::bus::Bus;
use crate::clock::system_nanos;
use crate::options::{Mode, Options};
use crate::pair::{LONG, Other, READY, Teller};
use crate::payload::Touch;
use crate::processors::HERE;
use crate::report::{Cell, Lay, Report};
use crate::sink::{self, SINK, Source};
use crate::{Result, gate};

/// What another sender is told: `send MODE BYTES TOUCH SENDER BATCH MICROSECONDS DIRECTORY`, then a line to begin.
pub(crate) const SEND: &str = "send";

const PAYLOADS: [(usize, &[Touch]); 6] = [
    (8, &[Touch::Fill]),
    (32, &[Touch::Fill]),
    (64, &[Touch::Fill]),
    (1 << 10, &[Touch::Fill]),
    (64 << 10, &Touch::ALL),
    (1 << 20, &Touch::ALL),
];
const SENDERS: [usize; 3] = [1, 2, 4];
/// Messages handed over at a time.
const BATCHES: [usize; 2] = [1, 64];
/// Bytes of the largest payload of which many are handed over at a time: of larger ones, each takes its time.
const BATCHED_MAX: usize = 1 << 10;

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<()> {
    for _ in 0..options.rounds {
        for mode in modes(options) {
            for payload in options.payloads(&PAYLOADS) {
                for senders in options.senders.map_or(SENDERS.to_vec(), |only| vec![only]) {
                    if senders == 1 {
                        floor(mode, payload, options, report)?;
                    }
                    for batch in batches(payload.0, options) {
                        measure(mode, payload, (senders, batch), options, report)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// A stream never finds its receiver asleep, but for the first message: where `sleep` is asked for, nodes are as they come, and sleep
/// when they find it right.
fn modes(options: &Options) -> Vec<Mode> {
    match options.mode {
        None => vec![Mode::Spin, Mode::Block],
        Some(Mode::Sleep) => vec![Mode::Block],
        Some(mode) => vec![mode],
    }
}

fn batches(bytes: usize, options: &Options) -> Vec<usize> {
    let batches = BATCHES
        .into_iter()
        .filter(|batch| *batch == 1 || bytes <= BATCHED_MAX);
    options
        .batch
        .map_or_else(|| batches.collect(), |only| vec![only])
}

/// The bare ring's stream, which has one sender.
pub(crate) fn floor(
    mode: Mode,
    payload: (usize, Touch),
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    let measured = gate::measure(patience(mode, options), |pair| {
        bare::tell(&mut pair.other, mode, payload, options)
    });
    let (stream, lay) = measured?;
    rates(
        report,
        &cell("bare-ring", mode, payload, 1),
        payload.0,
        stream,
        lay,
    );
    Ok(())
}

fn measure(
    mode: Mode,
    payload: (usize, Touch),
    (senders, batch): (usize, usize),
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    let measured = gate::measure(patience(mode, options), |pair| {
        streams(
            &mut pair.other,
            mode,
            payload,
            (senders, batch),
            options.budget,
        )
    });
    let (stream, lay) = measured?;
    rates(
        report,
        &cell("ringway", mode, payload, senders).with("batch", batch),
        payload.0,
        stream,
        lay,
    );
    Ok(())
}

fn cell(system: &'static str, mode: Mode, (bytes, touch): (usize, Touch), senders: usize) -> Cell {
    let cell = Cell::new(system, "tell").with("mode", mode.name());
    cell.with("bytes", bytes)
        .with("touch", touch.name())
        .with("senders", senders)
}

fn rates(report: &mut Report, cell: &Cell, bytes: usize, stream: Stream, lay: Lay) {
    let rate = stream.n as f64 / stream.seconds;
    report.value(cell, "msg/s", rate, stream.n, lay);
    report.value(cell, "GB/s", rate * bytes as f64 / 1e9, stream.n, lay);
}

fn streams(
    receiver: &mut Other,
    mode: Mode,
    payload: (usize, Touch),
    (senders, batch): (usize, usize),
    budget: Duration,
) -> Result<Stream> {
    let bus = Bus::new();
    let directory = bus.directory();
    sink::begin(receiver, mode, payload.1, &directory)?;
    let mut others = Vec::new();
    for sender in 1..senders {
        let mut other = Other::start(HERE)?;
        let (mode, (bytes, touch)) = (mode.name(), (payload.0, payload.1.name()));
        let micros = budget.as_micros();
        other.tell(&format!(
            "{SEND} {mode} {bytes} {touch} {sender} {batch} {micros} {directory}"
        ))?;
        other.ready()?;
        others.push(other);
    }
    let node = sink::attach(mode, &directory, "source-0")?;
    let sink = node.lookup(SINK).within(LONG);
    let sent = node.run_until(async {
        let source = Source::new(sink.await?, 0, payload);
        let warm = warm_up(&source, (payload.0, batch), budget).await?;
        for other in &mut others {
            other.tell("begin")?;
        }
        let mut sent = vec![send(&source, (payload.0, batch), warm, budget).await?];
        for other in &mut others {
            sent.push(Sent::parse(&other.hear()?)?);
        }
        source.stop().await;
        Result::Ok(sent)
    })?;
    drop(node);
    receiver.hear()?;
    Ok(Sent::together(&sent))
}

/// What one sender sent, and when, in nanoseconds of the system's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) n: u64,
    pub(crate) from: u64,
    pub(crate) until: u64,
}

impl Sent {
    /// What several sent, from the first of them to the last.
    pub(crate) fn together(all: &[Self]) -> Stream {
        let from = all.iter().map(|sent| sent.from).min().unwrap_or(0);
        let until = all.iter().map(|sent| sent.until).max().unwrap_or(0);
        Stream {
            n: all.iter().map(|sent| sent.n).sum(),
            seconds: (until - from) as f64 / 1e9,
        }
    }

    /// Of what `to_string` wrote.
    pub(crate) fn parse(said: &str) -> Result<Self> {
        let words: Vec<&str> = said.split(' ').collect();
        let [n, from, until] = words.as_slice() else {
            return Err(format!("a sender said {said:?}").into());
        };
        Ok(Self {
            n: n.parse()?,
            from: from.parse()?,
            until: until.parse()?,
        })
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.n, self.from, self.until)
    }
}

/// Sends for a fifth of the time, and returns how many.
async fn warm_up(source: &Source, load: (usize, usize), budget: Duration) -> Result<u64> {
    let sent = send(source, load, 0, budget / 5).await?;
    Ok(sent.n)
}

/// Sends from number `first` on for as long as a measurement lasts, until all is handled.
async fn send(
    source: &Source,
    (bytes, batch): (usize, usize),
    first: u64,
    budget: Duration,
) -> Result<Sent> {
    let budget = u64::try_from(budget.as_nanos())?;
    let (mut next, from) = (first, system_nanos());
    while system_nanos() - from < budget {
        let until = next + stretch(bytes);
        if batch == 1 {
            for number in next..until {
                source.tell(number).await?;
            }
        } else {
            for from in (next..until).step_by(batch) {
                source
                    .tell_all(from..until.min(from + batch as u64))
                    .await?;
            }
        }
        next = until;
    }
    source.settle(next).await?;
    Ok(Sent {
        n: next - first,
        from,
        until: system_nanos(),
    })
}

/// Another sending process.
pub(crate) fn serve(words: &[&str], teller: &mut Teller) -> Result<()> {
    let [mode, bytes, touch, sender, batch, micros, directory] = words else {
        return Err(format!("{SEND} {words:?}").into());
    };
    let (mode, touch) = (Mode::named(mode), Touch::named(touch));
    let (mode, touch) = mode.zip(touch).ok_or("no such mode or touch")?;
    let (bytes, batch) = (bytes.parse()?, batch.parse()?);
    let budget = Duration::from_micros(micros.parse()?);
    let node = sink::attach(mode, directory, &format!("source-{sender}"))?;
    let sink = node.lookup(SINK).within(LONG);
    let (source, warm) = node.run_until(async {
        let source = Source::new(sink.await?, sender.parse()?, (bytes, touch));
        let warm = warm_up(&source, (bytes, batch), budget).await?;
        Result::Ok((source, warm))
    })?;
    teller.say(READY)?;
    teller.hear()?;
    let sent = node.run_until(send(&source, (bytes, batch), warm, budget))?;
    teller.say(&sent.to_string())?;
    drop(source);
    drop(node);
    Ok(())
}
