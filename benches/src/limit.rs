//! `limit`: what the machine can do without Ringway. Nothing that goes from one processor to the other is faster.

use std::hint::black_box;
use std::time::Instant;

use crate::clock::ticks;
use crate::figures::Ticks;
use crate::options::{Mode, Options};
use crate::pair::Pair;
use crate::payload::{self, Touch};
use crate::place::Place;
use crate::processors::{HERE, pin};
use crate::report::{Cell, Lay, Report};
use crate::series::Series;
use crate::{Result, ask, gate, tell};

const PAYLOADS: [(usize, &[Touch]); 5] = [
    (8, &[Touch::Fill]),
    (32, &[Touch::Fill]),
    (64, &[Touch::Fill]),
    (1 << 10, &[Touch::Fill]),
    (4 << 10, &[Touch::Fill]),
];
/// Buffers of the memory's own speed.
const BUFFERS: [usize; 3] = [64 << 10, 1 << 20, 4 << 20];

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<()> {
    for _ in 0..options.rounds {
        let (ticks, lay) = gate::measure(Some(options.patience()), |pair| line(pair, options))?;
        report.latency(&Cell::new("limit", "line-rtt"), ticks, lay);
        for mode in options.modes() {
            for payload in options.payloads(&PAYLOADS) {
                if mode == Mode::Spin || payload.0 == 8 {
                    ask::floor(mode, payload, options, report)?;
                }
                if mode == Mode::Spin {
                    tell::floor(mode, payload, options, report)?;
                }
            }
        }
        memory(options, report)?;
    }
    Ok(())
}

/// One cache line each way: no message can be answered faster.
fn line(pair: &mut Pair, options: &Options) -> Result<Ticks> {
    pair.other.tell("place")?;
    let mut place = Place::new(&pair.line);
    let mut series = Series::new(Mode::Spin, options);
    while series.next().is_some() {
        let from = ticks();
        place.ask(0);
        series.took(ticks() - from);
    }
    place.end();
    Ok(series.into_ticks())
}

/// One processor alone: bytes written, copied and summed in buffers that it wrote before.
fn memory(options: &Options, report: &mut Report) -> Result<()> {
    pin(HERE)?;
    for len in BUFFERS {
        let (mut from, mut to) = (vec![1; len], vec![2; len]);
        let mut time = |what: &'static str, work: &mut dyn FnMut(u8)| {
            let (start, mut n) = (Instant::now(), 0_u64);
            while start.elapsed() < options.budget / 4 {
                (0..4).for_each(&mut *work);
                n += 4;
            }
            let rate = n as f64 * len as f64 / start.elapsed().as_secs_f64() / 1e9;
            let cell = Cell::new("limit", "memory")
                .with("op", what)
                .with("bytes", len);
            report.value(&cell, "GB/s", rate, n, Lay::default());
        };
        time("fill", &mut |shade| black_box(&mut from).fill(shade));
        time("copy", &mut |_| {
            black_box(&mut to).copy_from_slice(black_box(&from))
        });
        let mut sum = 0;
        time("sum", &mut |_| sum = payload::sum(black_box(&from)));
        let word = u64::from_le_bytes([from[0]; 8]);
        if to != from || sum != word.wrapping_mul(len as u64 / 8) {
            return Err("a copy differs from what was copied, or a sum is wrong".into());
        }
    }
    Ok(())
}
