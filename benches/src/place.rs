//! Where the two processors lie. On a virtual machine the host moves them: a cache line's round trip takes about 120 ns
//! within a quarter of a chip, 570 ns across, 65 ns between two threads of one core, and a state can last minutes.
//! Everything that spins scales with it, so a measurement starts when the line says that they lie as wanted, and is
//! dropped when they do not lie so afterwards.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use crate::clock;
use crate::line::Line;
use crate::spin::Spin;

/// Round trips of one look.
const ROUND: u32 = 600;
/// Round trips of a glance: some, even where each takes milliseconds.
const GLANCE: u32 = 20;
/// Looks of which the median counts.
const LOOKS: usize = 5;
/// Naps before the placement is taken as it is: about half a second.
const TRIES: u32 = 40;
/// An idle moment, after which the host places a processor anew.
const NAP: Duration = Duration::from_millis(12);

/// Nanoseconds beyond which no place is to blame: both sides share a processor, or others have theirs. One mean is enough then.
const SHARED: u32 = 10_000;
/// Nanoseconds before a measurement.
const WANTED: RangeInclusive<u32> = 90..=200;
/// Nanoseconds after it.
const TOLERATED: RangeInclusive<u32> = 85..=250;

/// Whether the processors lay as wanted around a measurement; also where nobody looked.
pub(crate) fn held(line_ns: [u32; 2]) -> bool {
    line_ns.iter().all(|ns| *ns == 0 || TOLERATED.contains(ns))
}

/// The answerer is to nap after it has answered this word.
const NAPS: u64 = 1 << 62;
/// The answerer is to stop answering after this one.
const LAST: u64 = 1 << 63;

/// The answering side: echoes until the asker is content.
pub(crate) fn answer(line: &Line) {
    let mut last = line.said();
    let mut spin = Spin::default();
    loop {
        let word = line.heard();
        if word == last {
            spin.turn();
            continue;
        }
        spin = Spin::default();
        last = word;
        line.say(word);
        if word & LAST != 0 {
            return;
        }
        if word & NAPS != 0 {
            clock::idle(NAP);
        }
    }
}

/// The asking side.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    line: &'a Line,
    word: u64,
}

impl<'a> Place<'a> {
    pub(crate) fn new(line: &'a Line) -> Self {
        let word = line.said() & (NAPS - 1);
        Self { line, word }
    }

    /// Waits for the wanted placement, as long as there is patience, and returns the line's round trip.
    pub(crate) fn settle(&mut self, patience: Patience) -> u32 {
        if patience == Patience::Glance {
            self.mean(GLANCE);
            return self.mean(GLANCE);
        }
        self.look();
        let mut found = self.look();
        let tries = if patience == Patience::Some { TRIES } else { 0 };
        for _ in 0..tries {
            if WANTED.contains(&found) {
                break;
            }
            self.ask(NAPS);
            clock::idle(NAP);
            self.look();
            found = self.look();
        }
        found
    }

    /// Ends the answering.
    pub(crate) fn end(mut self) {
        self.ask(LAST);
    }

    /// The next round trip; flags tell the answerer more.
    pub(crate) fn ask(&mut self, flags: u64) {
        self.word += 1;
        self.line.ask(self.word | flags);
    }

    /// The round trip in nanoseconds: the median of five means.
    fn look(&mut self) -> u32 {
        let mut means = [0; LOOKS];
        for mean in &mut means {
            *mean = self.mean(ROUND);
            if *mean > SHARED {
                return *mean;
            }
        }
        means.sort_unstable();
        means[LOOKS / 2]
    }

    /// The mean of so many round trips.
    fn mean(&mut self, times: u32) -> u32 {
        let start = Instant::now();
        for _ in 0..times {
            self.ask(0);
        }
        u32::try_from((start.elapsed() / times).as_nanos()).unwrap_or(u32::MAX)
    }
}

/// Whether a better placement is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Patience {
    /// A glance at it is enough, whatever it shows.
    Glance,
    None,
    Some,
}
