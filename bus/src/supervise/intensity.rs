//! How many restarts in how much time are too many: a sliding window, as in OTP.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Nanos;

/// So many restarts in so much time are borne; one more is too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Intensity {
    pub(super) restarts: u32,
    pub(super) within: Duration,
}

impl Default for Intensity {
    fn default() -> Self {
        Self {
            restarts: 5,
            within: Duration::from_secs(10),
        }
    }
}

/// The restarts of the last time, as far back as they count.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<Nanos>);

impl Window {
    /// Counts a restart that is due now; `false` if it is one too many.
    #[must_use]
    pub(super) fn bears(&mut self, now: Nanos, intensity: Intensity) -> bool {
        let is_past = |at: &Nanos| now.since(*at) > intensity.within;
        while self.0.front().is_some_and(is_past) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        self.0.len() <= intensity.restarts as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: the window slides: what counts is the time before each restart, not a period that began somewhere.
    #[test]
    fn window_slides() {
        let intensity = Intensity {
            restarts: 2,
            within: Duration::from_nanos(10),
        };
        for (times, borne) in [
            (&[1, 2, 3][..], &[true, true, false][..]),
            (&[1, 2, 11], &[true, true, false]), // the end of the window belongs to it
            (&[1, 2, 12], &[true, true, true]),
            (&[1, 9, 12, 20, 22], &[true, true, true, true, false]),
            (&[1, 1, 1], &[true, true, false]),
        ] {
            let mut window = Window::default();
            let found: Vec<_> = times
                .iter()
                .map(|at| window.bears(Nanos(*at), intensity))
                .collect();
            assert_eq!(found, borne, "{times:?}");
        }
    }

    // Goal: no restart at all can be asked for.
    #[test]
    fn zero_bears_nothing() {
        let intensity = Intensity {
            restarts: 0,
            within: Duration::from_secs(1),
        };
        assert!(!Window::default().bears(Nanos(1), intensity));
    }
}
