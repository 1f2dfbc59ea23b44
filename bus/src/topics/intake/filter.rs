//! Samples that a subscriber does not want, though it takes them: their publishers go on.

use std::time::Duration;

use crate::clock::{Clock, Nanos};

/// What a subscriber has asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::topics) struct FilterTerms {
    /// The least sequence.
    pub(in crate::topics) from: u64,
    pub(in crate::topics) age_max: Option<Duration>,
}

/// The same, at one moment.
pub(super) struct Filter {
    from: u64,
    /// Published before this is too old.
    oldest: Nanos,
}

impl FilterTerms {
    #[inline]
    pub(super) fn now(&self, clock: &Clock) -> Filter {
        let oldest = self.age_max.map_or(Nanos::NONE, |age| {
            let age = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
            Nanos(clock.now().0.saturating_sub(age))
        });
        Filter {
            from: self.from,
            oldest,
        }
    }
}

impl Filter {
    /// Whether a sample is handed out; one whose publisher does not say when it was published is of any age.
    #[inline]
    pub(super) fn admits(&self, sequence: u64, published: Nanos) -> bool {
        sequence >= self.from && (published == Nanos::NONE || published >= self.oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_sequence_and_age() {
        let filter = Filter {
            from: 3,
            oldest: Nanos(100),
        };
        let table = [
            (2, 0, false),
            (3, 0, true),
            (3, 99, false),
            (3, 100, true),
            (2, 100, false),
        ];
        for (sequence, published, expected) in table {
            let admits = filter.admits(sequence, Nanos(published));
            assert_eq!(admits, expected, "{sequence} of {published}");
        }
        let all = FilterTerms::default().now(&Clock::default());
        assert!(all.admits(1, Nanos(1)));
    }
}
