//! The free places of one ring segment.

use std::collections::BTreeMap;

/// Free places of one segment: where each starts, and how long it is.
#[derive(Debug, Clone)]
pub(super) struct Places(BTreeMap<u64, u64>);

impl Places {
    /// One free place of `len` bytes.
    pub(super) fn all(len: u64) -> Self {
        Self(BTreeMap::from([(0, len)]))
    }

    /// Takes `len` bytes at the lowest offset that has them.
    pub(super) fn take(&mut self, len: u64) -> Option<u64> {
        let (&offset, &free) = self.0.iter().find(|&(_, &free)| free >= len)?;
        self.0.remove(&offset);
        if free > len {
            self.0.insert(offset + len, free - len);
        }
        Some(offset)
    }

    /// Frees a place, joining it with its neighbours.
    pub(super) fn give_back(&mut self, mut offset: u64, mut len: u64) {
        if let Some((&before, &free)) = self.0.range(..offset).next_back()
            && before + free == offset
        {
            self.0.remove(&before);
            (offset, len) = (before, free + len);
        }
        if let Some(after) = self.0.remove(&(offset + len)) {
            len += after;
        }
        self.0.insert(offset, len);
    }

    /// Whether all of a segment of `len` bytes is free.
    pub(super) fn is_whole(&self, len: u64) -> bool {
        self.0.get(&0) == Some(&len)
    }
}
