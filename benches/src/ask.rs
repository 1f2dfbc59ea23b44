//! `ask`: a round trip, a payload there and eight bytes back, one at a time, beside the same through the bare ring.

use crate::bus::Bus;
use crate::clock::ticks;
use crate::figures::Ticks;
use crate::options::{Mode, Options};
use crate::pair::{LONG, Other};
use crate::payload::Touch;
use crate::place::Patience;
use crate::report::{Cell, Report};
use crate::series::Series;
use crate::sink::{self, SINK, Source};
use crate::{Result, bare, gate};

const PAYLOADS: [(usize, &[Touch]); 7] = [
    (8, &[Touch::Fill]),
    (64, &[Touch::Fill]),
    (1 << 10, &[Touch::Fill]),
    (4 << 10, &[Touch::Fill, Touch::Sum]),
    (64 << 10, &Touch::ALL),
    (1 << 20, &Touch::ALL),
    (4 << 20, &Touch::ALL),
];

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<()> {
    for _ in 0..options.rounds {
        for mode in options.modes() {
            for payload in options.payloads(&PAYLOADS) {
                floor(mode, payload, options, report)?;
                measure(mode, payload, options, report)?;
            }
        }
    }
    Ok(())
}

/// The bare ring's round trips.
pub(crate) fn floor(
    mode: Mode,
    payload: (usize, Touch),
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    let measured = gate::measure(patience(mode, options), |pair| {
        bare::ask(&mut pair.other, mode, payload, options)
    });
    let (ticks, lay) = measured?;
    report.latency(&cell("bare-ring", mode, payload), ticks, lay);
    Ok(())
}

fn measure(
    mode: Mode,
    payload: (usize, Touch),
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    let measured = gate::measure(patience(mode, options), |pair| {
        round_trips(&mut pair.other, mode, payload, options)
    });
    let (ticks, lay) = measured?;
    report.latency(&cell("ringway", mode, payload), ticks, lay);
    Ok(())
}

fn cell(system: &'static str, mode: Mode, (bytes, touch): (usize, Touch)) -> Cell {
    let cell = Cell::new(system, "ask").with("mode", mode.name());
    cell.with("bytes", bytes).with("touch", touch.name())
}

/// Only what spins can be held in place: each halt lets the host move the processor.
pub(crate) fn patience(mode: Mode, options: &Options) -> Option<Patience> {
    (mode == Mode::Spin).then(|| options.patience())
}

fn round_trips(
    other: &mut Other,
    mode: Mode,
    payload: (usize, Touch),
    options: &Options,
) -> Result<Ticks> {
    let bus = Bus::new();
    sink::begin(other, mode, payload.1, &bus.directory())?;
    let node = sink::attach(mode, &bus.directory(), "source")?;
    let series = node.run_until(async {
        let source = Source::new(node.lookup(SINK).within(LONG).await?, 0, payload);
        let mut series = Series::new(mode, options);
        while let Some(number) = series.next() {
            let from = ticks();
            source.ask(number).await?;
            series.took(ticks() - from);
        }
        source.settle(series.made()).await?;
        source.stop().await;
        Result::Ok(series)
    })?;
    drop(node);
    other.hear()?;
    Ok(series.into_ticks())
}
