//! Places of a recording to go on reading from, by time.

use super::format::{FILE_HEAD, IndexEntry};

/// Bytes of a recording between two places, at least: of its own index, and of what a scan notes.
pub(super) const SPACING: u64 = 256 << 10;
/// Places that are kept, at most: beyond that every second one is forgotten.
const KEPT_MAX: usize = 1 << 16;

/// Places in the order of their times, which is that of the file.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: Vec<IndexEntry>,
    /// Of so many that are added, one is kept.
    stride: usize,
    added: usize,
}

impl Index {
    /// Adds the next place; one that is not behind the last is left out.
    pub(super) fn add(&mut self, entry: IndexEntry) {
        let is_next = |last: &IndexEntry| {
            last.offset < entry.offset && last.time <= entry.time && last.ordinal <= entry.ordinal
        };
        if !self.entries.last().is_none_or(is_next) {
            return;
        }
        if self.added.is_multiple_of(self.stride.max(1)) {
            self.entries.push(entry);
        }
        self.added += 1;
        if self.entries.len() == KEPT_MAX {
            let mut at = 0;
            self.entries.retain(|_| {
                at += 1;
                at % 2 == 1
            });
            self.stride = self.stride.max(1) * 2;
        }
    }

    /// The last place all of whose samples before it are older than `time`, else the beginning.
    pub(super) fn before(&self, time: u64) -> IndexEntry {
        let at = self.entries.partition_point(|entry| entry.time < time);
        let found = at.checked_sub(1).and_then(|at| self.entries.get(at));
        found.copied().unwrap_or(IndexEntry {
            time: 0,
            offset: FILE_HEAD,
            ordinal: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: a place is found for every time, also when more were added than are kept, and nothing out of order is.
    #[test]
    fn places_are_found() {
        let mut index = Index::default();
        assert_eq!(index.before(5).offset, FILE_HEAD);
        let count = 5 * KEPT_MAX as u64;
        for at in 1..=count {
            let (time, offset, ordinal) = (at * 10, at * 100, at);
            index.add(IndexEntry {
                time,
                offset,
                ordinal,
            });
            index.add(IndexEntry {
                time: 0,
                offset: 0,
                ordinal: 0,
            });
            assert!(index.entries.len() < KEPT_MAX);
        }
        for time in [0, 1, 10, 11, 5_000, count * 10, u64::MAX] {
            let found = index.before(time);
            assert!(found.time < time.max(1));
            // No further away than what was forgotten.
            let distance = time.min(count * 10) - found.time;
            assert!(distance <= 10 * 8 + 10, "{time}: {distance}");
        }
    }
}
