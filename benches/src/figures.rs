//! From single times to the figures that are reported.

use crate::clock;

/// Times that must lie beyond a percentile for it to be told.
const BEYOND: f64 = 5.0;

/// The names of all figures.
pub(crate) const NAMES: [&str; 5] = ["min", "p50", "p99", "p999", "mean"];

/// Times of one kind, in ticks.
pub(crate) type Ticks = Vec<u64>;

/// Minimum, percentiles and mean in nanoseconds, each with its name. A percentile is left out when fewer than five times
/// lie beyond it.
pub(crate) fn of(mut ticks: Ticks) -> Vec<(&'static str, f64)> {
    let mut figures = Vec::new();
    ticks.sort_unstable();
    let (Some(min), len) = (ticks.first(), ticks.len() as f64) else {
        return figures;
    };
    figures.push(("min", clock::nanos(*min)));
    for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
        if len * (1.0 - share) >= BEYOND {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "an index below the length"
            )]
            let index = (len * share) as usize;
            figures.push((name, clock::nanos(ticks[index])));
        }
    }
    let sum: u64 = ticks.iter().sum();
    figures.push(("mean", clock::nanos(sum) / len));
    figures
}

/// The mean of the middle half, in nanoseconds: as steady as a median, and finer than the clock's step.
pub(crate) fn middle(ticks: &[u64]) -> f64 {
    let mut sorted = ticks.to_vec();
    sorted.sort_unstable();
    let middle = &sorted[sorted.len() / 4..sorted.len() - sorted.len() / 4];
    let sum: u64 = middle.iter().sum();
    clock::nanos(sum) / middle.len() as f64
}

/// The median of some values, and how far they lie apart: maximum over minimum, less one.
pub(crate) fn median(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_unstable_by(f64::total_cmp);
    match (values.first(), values.last()) {
        (Some(least), Some(most)) if least < most => (values[values.len() / 2], most / least - 1.0),
        (Some(only), _) => (*only, 0.0),
        _ => (f64::NAN, f64::NAN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_need_times_beyond() {
        let names = |len: u64| {
            let figures = of((0..len).collect());
            figures.into_iter().map(|it| it.0).collect::<Vec<_>>()
        };
        assert!(names(0).is_empty());
        assert_eq!(names(10), ["min", "p50", "mean"]);
        assert_eq!(names(500), ["min", "p50", "p99", "mean"]);
        assert_eq!(names(5_000), ["min", "p50", "p99", "p999", "mean"]);
    }

    #[test]
    fn figures_of_a_known_series() {
        let tick = clock::nanos(1);
        let figures = of((0..1_000).rev().collect());
        let near = |name: &str, ticks: f64| {
            let found = figures.iter().find(|it| it.0 == name).map(|it| it.1);
            assert!(
                found.is_some_and(|ns| (ns / tick - ticks).abs() < 0.01),
                "{name} {found:?}"
            );
        };
        near("min", 0.0);
        near("p50", 500.0);
        near("p99", 990.0);
        near("mean", 499.5);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), (2.0, 2.0));
    }
}
