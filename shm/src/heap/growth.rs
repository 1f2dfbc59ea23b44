//! How large the next segment is: a pure decision.
//!
//! Each usual segment is twice as large as the largest before it, so that the number of mappings
//! grows with the logarithm of the memory; a request above that gets a segment of just its own
//! size. Near the limit, and when the system has less, a smaller segment will do.

const SEGMENT_MAX: u64 = 1 << 37; // 128 GiB: units of a segment are counted in 32 bits

/// Sizes of a heap, in bytes. All are rounded up to whole pages, and none exceeds the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapConfig {
    /// How much memory all segments together may have, those included that peers have still to
    /// unmap.
    pub limit: u64,
    /// The size of the first segment.
    pub first_segment: u64,
    /// The size up to which segments double. A larger block gets a segment of its own.
    pub segment_max: u64,
}

impl Default for HeapConfig {
    /// A limit of 1 GiB, and segments from 256 KiB to 64 MiB.
    fn default() -> Self {
        Self {
            limit: 1 << 30,
            first_segment: 256 << 10,
            segment_max: 64 << 20,
        }
    }
}

impl HeapConfig {
    /// Rounds to pages and brings the sizes into order.
    pub(crate) fn checked(self, page: u64) -> Self {
        let last = u64::MAX / page * page;
        let whole = |bytes: u64| bytes.max(1).checked_next_multiple_of(page).unwrap_or(last);
        let limit = whole(self.limit);
        let segment_max = whole(self.segment_max).min(limit).min(SEGMENT_MAX);
        Self {
            limit,
            first_segment: whole(self.first_segment).min(segment_max),
            segment_max,
        }
    }

    /// Returns the size of the next segment for a request of `needed` bytes, when the largest usual
    /// one has `largest` bytes and `room` are left; or `None` when there is no room. All are whole
    /// pages.
    pub(crate) fn next_segment(&self, largest: u64, needed: u64, room: u64) -> Option<u64> {
        let usual = largest
            .saturating_mul(2)
            .clamp(self.first_segment, self.segment_max);
        (needed <= room).then(|| usual.max(needed).min(room))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 4096;

    #[test]
    fn segments_double_up_to_the_largest() {
        let config = HeapConfig {
            limit: 1 << 20,
            first_segment: 8192,
            segment_max: 32768,
        };
        let sizes = [0, 8192, 16384, 32768].map(|n| config.next_segment(n, PAGE, 1 << 20));
        assert_eq!(sizes, [8192, 16384, 32768, 32768].map(Some));
    }

    #[test]
    fn a_large_request_gets_its_own_size() {
        let config = HeapConfig::default();
        assert_eq!(config.next_segment(0, 1 << 30, 1 << 30), Some(1 << 30));
    }

    #[test]
    fn near_the_limit_a_smaller_one_will_do() {
        let config = HeapConfig::default();
        assert_eq!(config.next_segment(1 << 20, PAGE, 3 * PAGE), Some(3 * PAGE));
        assert_eq!(config.next_segment(1 << 20, 4 * PAGE, 3 * PAGE), None);
        assert_eq!(config.next_segment(0, PAGE, 0), None);
    }

    #[test]
    fn odd_sizes_are_brought_into_order() {
        let odd = HeapConfig {
            limit: 10_000,
            first_segment: 0,
            segment_max: 1 << 40,
        };
        let expected = HeapConfig {
            limit: 12288,
            first_segment: 4096,
            segment_max: 12288,
        };
        assert_eq!(odd.checked(PAGE), expected);

        let odd = HeapConfig {
            limit: u64::MAX,
            first_segment: 1 << 20,
            segment_max: 1,
        };
        let expected = HeapConfig {
            limit: u64::MAX / PAGE * PAGE,
            first_segment: 4096,
            segment_max: 4096,
        };
        assert_eq!(odd.checked(PAGE), expected);
    }
}
