//! Round trips one at a time, for as long as a measurement lasts.

use std::time::{Duration, Instant};

use crate::clock;
use crate::figures::Ticks;
use crate::options::{Mode, Options};

/// Times that are kept.
const KEPT_MAX: usize = 400_000;
/// Round trips before those that count, at the least: caches, branch predictors, memory that is touched first.
const WARM_UP: u64 = 30;
/// Longer than a driver looks around before it sleeps.
const PAUSE: Duration = Duration::from_micros(300);
/// A round trip with such a pause is so much longer that it gets so much more time.
const PATIENCE: u32 = 5;

/// A series under way: a warm-up of a fifth of its time, then what counts.
#[derive(Debug)]
pub(crate) struct Series {
    mode: Mode,
    budget: Duration,
    began: Instant,
    is_warm: bool,
    next: u64,
    ticks: Ticks,
}

impl Series {
    pub(crate) fn new(mode: Mode, options: &Options) -> Self {
        // Touched now, and not by the first times.
        let mut ticks = vec![1; KEPT_MAX];
        ticks.clear();
        let factor = if mode == Mode::Sleep { PATIENCE } else { 1 };
        Self {
            mode,
            budget: options.budget * factor,
            began: Instant::now(),
            is_warm: false,
            next: 0,
            ticks,
        }
    }

    /// The number of the next round trip, after the pause of its mode; `None` at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<u64> {
        let elapsed = self.began.elapsed();
        if !self.is_warm && elapsed >= self.budget / 5 && self.next >= WARM_UP {
            (self.is_warm, self.began) = (true, Instant::now());
        } else if self.is_warm
            && (elapsed >= self.budget || self.ticks.len() == KEPT_MAX)
            && !self.ticks.is_empty()
        {
            return None;
        }
        if self.mode == Mode::Sleep {
            clock::idle(PAUSE);
        }
        self.next += 1;
        Some(self.next - 1)
    }

    /// Notes how long it took.
    #[inline]
    pub(crate) fn took(&mut self, ticks: u64) {
        if self.is_warm {
            self.ticks.push(ticks);
        }
    }

    /// Round trips made, warm-up included.
    pub(crate) fn made(&self) -> u64 {
        self.next
    }

    pub(crate) fn into_ticks(self) -> Ticks {
        self.ticks
    }
}
