//! `alloc`: reserving a message's memory and giving it back, by one thread, from the heap that another process maps.

use std::time::Instant;

use ringway::prelude::*;

use crate::bus::Bus;
use crate::options::{Mode, Options};
use crate::pair::LONG;
use crate::payload::Touch;
use crate::report::{Cell, Lay, Report};
use crate::sink::{self, Bytes, SINK, Sink};
use crate::{Result, gate};

const SIZES: [usize; 6] = [64, 1 << 10, 4 << 10, 64 << 10, 1 << 20, 4 << 20];
/// Loans between two looks at the clock.
const STRETCH: u64 = 1_000;
/// Operations at random sizes.
const OPERATIONS: u64 = 1_000_000;
const OPERATIONS_BRIEF: u64 = 5_000;
/// Loans held at the same time, at the most.
const HELD: usize = 256;
/// Sizes at random: 64 bytes to 128 KiB, as many of each doubling.
const DOUBLINGS: u64 = 11;

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<()> {
    for _ in 0..options.rounds {
        gate::measure(None, |pair| {
            let bus = Bus::new();
            sink::begin(&mut pair.other, Mode::Block, Touch::Fill, &bus.directory())?;
            let node = sink::attach(Mode::Block, &bus.directory(), "source")?;
            let sink: Addr<Sink> = node.lookup(SINK).within(LONG).wait()?;
            // First, while the heap holds nothing of others.
            mixed(&node, &sink, options, report)?;
            for bytes in options.bytes.map_or(SIZES.to_vec(), |only| vec![only]) {
                one_size(&sink, bytes, options, report)?;
                nothing_live(&node)?;
            }
            sink.stop();
            block_on(sink.closed());
            drop(node);
            pair.other.hear()
        })?;
    }
    Ok(())
}

fn one_size(sink: &Addr<Sink>, bytes: usize, options: &Options, report: &mut Report) -> Result<()> {
    // The heap has grown, and what was marked is there until it is dropped.
    let mut first = sink.loan::<Bytes>(bytes)?;
    mark(bytes as u64, &mut first);
    let second = sink.loan::<Bytes>(bytes).ok(); // two of the largest need not fit
    check(bytes as u64, &first)?;
    drop((first, second));
    let (start, mut n) = (Instant::now(), 0);
    while start.elapsed() < options.budget {
        for _ in 0..STRETCH {
            let loan = sink.loan::<Bytes>(bytes)?;
            if loan.len() != bytes {
                return Err(format!("a loan of {bytes} bytes has {}", loan.len()).into());
            }
        }
        n += STRETCH;
    }
    let value = start.elapsed().as_nanos() as f64 / n as f64;
    let cell = Cell::new("ringway", "alloc").with("bytes", bytes);
    report.value(&cell, "ns", value, n, Lay::default());
    Ok(())
}

/// Takes and drops loans of random sizes, in random order. Each is marked at its ends, and must be as it was marked when it
/// is dropped: no two overlap.
fn mixed(node: &Node, sink: &Addr<Sink>, options: &Options, report: &mut Report) -> Result<()> {
    let operations = if options.brief {
        OPERATIONS_BRIEF
    } else {
        OPERATIONS
    };
    let mut held: Vec<(u64, Loan<Bytes>)> = Vec::with_capacity(HELD);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let start = Instant::now();
    for number in 0..operations {
        let index = usize::try_from(random.below(HELD as u64))?;
        if index < held.len() {
            let (mark, loan) = held.swap_remove(index);
            check(mark, &loan)?;
        } else {
            let bytes = (64 << random.below(DOUBLINGS)) + random.below(64);
            let mut loan = sink.loan::<Bytes>(usize::try_from(bytes)?)?;
            mark(number, &mut loan);
            held.push((number, loan));
        }
    }
    let took = start.elapsed();
    let live: usize = held.iter().map(|it| it.1.len()).sum();
    let stats = node.heap().stats();
    for (mark, loan) in held.drain(..) {
        check(mark, &loan)?;
    }
    nothing_live(node)?;
    let cell = Cell::new("ringway", "alloc").with("bytes", "mixed");
    let each = took.as_nanos() as f64 / operations as f64;
    report.value(&cell, "ns", each, operations, Lay::default());
    let cell = cell.with("stat", "segments-by-live");
    report.value(
        &cell,
        "bytes/byte",
        stats.bytes as f64 / live as f64,
        operations,
        Lay::default(),
    );
    Ok(())
}

fn nothing_live(node: &Node) -> Result<()> {
    match node.heap().stats().live() {
        0 => Ok(()),
        left => Err(format!("{left} blocks are live after the last was dropped").into()),
    }
}

fn mark(number: u64, loan: &mut [u8]) {
    let mark = number.to_le_bytes();
    if let Some(first) = loan.first_chunk_mut() {
        *first = mark;
    }
    if let Some(last) = loan.last_chunk_mut() {
        *last = mark;
    }
}

fn check(number: u64, loan: &[u8]) -> Result<()> {
    let mark = number.to_le_bytes();
    if loan.first_chunk() == Some(&mark) && loan.last_chunk() == Some(&mark) {
        return Ok(());
    }
    Err(format!(
        "loan {number} of {} bytes was written by another",
        loan.len()
    )
    .into())
}

/// Numbers that are the same in every run (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
