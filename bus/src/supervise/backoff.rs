//! How long a child that has failed stays down: twice as long after each failure, up to a limit, and a little by chance.

use std::ops::Range;
use std::time::Duration;

/// The chance in a delay: a fifth of it, up and down.
const JITTER_PERCENT: u32 = 20;

/// The shortest and the longest delay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Backoff(pub(super) Range<Duration>);

impl Default for Backoff {
    fn default() -> Self {
        Self(Duration::from_millis(50)..Duration::from_secs(5))
    }
}

impl Backoff {
    /// The delay after so many failures before this one; `chance` is any number, and all of them are equally likely.
    ///
    /// Never outside of the range. Children that failed together for one reason come back one after the other.
    pub(super) fn delay(&self, failures: u32, chance: u64) -> Duration {
        let Range { start, end } = &self.0;
        let factor = 1_u32.checked_shl(failures.min(31)).unwrap_or(u32::MAX);
        let middle = start.saturating_mul(factor).min(*end);
        let jitter = middle / 100 * JITTER_PERCENT;
        let least = middle.saturating_sub(jitter).max(*start);
        let most = middle.saturating_add(jitter).min(*end);
        let span = u64::try_from(most.saturating_sub(least).as_nanos()).unwrap_or(u64::MAX);
        // The high half of a product: a share of the span, without a division.
        let share = (u128::from(span) * u128::from(chance)) >> 64;
        least + Duration::from_nanos(u64::try_from(share).unwrap_or(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    // Goal: doubling, with a fifth of chance each way, inside of the range. Method: the least and the greatest chance.
    #[test]
    fn delays_double_within_the_range() {
        let backoff = Backoff(ms(50)..secs(5));
        for (failures, least, most) in [
            (0, ms(50), ms(60)),
            (1, ms(80), ms(120)),
            (2, ms(160), ms(240)),
            (6, ms(2_560), ms(3_840)),
            (7, secs(4), secs(5)),
            (8, secs(4), secs(5)),
            (u32::MAX, secs(4), secs(5)),
        ] {
            assert_eq!(backoff.delay(failures, 0), least, "{failures}");
            let longest = backoff.delay(failures, u64::MAX);
            assert!(longest <= most, "{failures}: {longest:?}");
            assert!(longest + ms(1) > most, "{failures}: {longest:?}");
            let middle = backoff.delay(failures, u64::MAX / 2);
            assert!(least < middle && middle < longest);
        }
    }

    // Goal: the limits themselves: no delay at all, always the same one, and one that is longer than any clock shows.
    #[test]
    fn ranges_may_be_points() {
        assert_eq!(Backoff(ms(0)..ms(0)).delay(9, u64::MAX), ms(0));
        assert_eq!(Backoff(ms(7)..ms(7)).delay(0, u64::MAX), ms(7));
        assert_eq!(Backoff(ms(7)..ms(7)).delay(40, 0), ms(7));
        let longest = Duration::MAX;
        assert!(Backoff(longest..longest).delay(40, u64::MAX) >= longest - ms(1));
    }

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }
}
