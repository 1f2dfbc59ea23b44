//! From single round trips to the figures that are reported.

use crate::clock;

/// What is told of one series of round trips, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figures {
    pub(crate) min: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) n: usize,
}

impl Figures {
    /// Of round trips in ticks, at least one.
    pub(crate) fn of(mut ticks: Vec<u64>) -> Self {
        ticks.sort_unstable();
        let at = |share: f64| {
            let index = (ticks.len() - 1) as f64 * share;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "an index below the length"
            )]
            clock::nanos(ticks[index as usize])
        };
        Self {
            min: at(0.0),
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            n: ticks.len(),
        }
    }

    /// The median over rounds, figure by figure, and how far the medians of the rounds lie apart: maximum over minimum,
    /// less one.
    pub(crate) fn median(rounds: &[Self]) -> (Self, f64) {
        let median = |pick: fn(&Self) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(pick).collect();
            values.sort_unstable_by(f64::total_cmp);
            (
                values[values.len() / 2],
                values[values.len() - 1] / values[0] - 1.0,
            )
        };
        let (p50, spread) = median(|figures| figures.p50);
        let all = Self {
            min: median(|figures| figures.min).0,
            p50,
            p99: median(|figures| figures.p99).0,
            p999: median(|figures| figures.p999).0,
            n: rounds.iter().map(|figures| figures.n).sum(),
        };
        (all, spread)
    }
}

/// Nanoseconds in three digits, with a unit.
pub(crate) fn text(nanos: f64) -> String {
    match nanos {
        1e6.. => format!("{:.1} ms", nanos / 1e6),
        1e5.. => format!("{:.0} us", nanos / 1e3),
        1e3.. => format!("{:.1} us", nanos / 1e3),
        _ => format!("{nanos:.0} ns"),
    }
}
