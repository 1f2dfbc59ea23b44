//! The bodies of index records and of the end.

use super::fields::Fields;
use super::{END_LEN, INDEX_MAX};

/// A place to go on reading from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::record) struct IndexEntry {
    pub(in crate::record) time: u64,
    pub(in crate::record) offset: u64,
    /// Samples before it.
    pub(in crate::record) ordinal: u64,
}

/// What was written since the index record before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::record) struct IndexBody {
    /// Where that one is; 0 for none.
    pub(in crate::record) before: u64,
    pub(in crate::record) entries: Vec<IndexEntry>,
    /// Where topics and publishers are declared.
    pub(in crate::record) declarations: Vec<u64>,
}

impl IndexBody {
    pub(in crate::record) fn is_full(&self) -> bool {
        self.entries.len() >= INDEX_MAX || self.declarations.len() >= INDEX_MAX
    }

    pub(in crate::record) fn encode(&self) -> Vec<u8> {
        let mut out = self.before.to_le_bytes().to_vec();
        for count in [self.entries.len(), self.declarations.len()] {
            let count = u32::try_from(count).expect("in-range: at most INDEX_MAX");
            out.extend(count.to_le_bytes());
        }
        for entry in &self.entries {
            out.extend(entry.time.to_le_bytes());
            out.extend(entry.offset.to_le_bytes());
            out.extend(entry.ordinal.to_le_bytes());
        }
        for offset in &self.declarations {
            out.extend(offset.to_le_bytes());
        }
        out
    }

    pub(in crate::record) fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        let before = fields.u64()?;
        let (entries, declarations) = (fields.u32()?, fields.u32()?);
        let mut read = Self {
            before,
            ..Self::default()
        };
        // What is not there ends these before they have taken more than the body has.
        for _ in 0..entries {
            read.entries.push(IndexEntry {
                time: fields.u64()?,
                offset: fields.u64()?,
                ordinal: fields.u64()?,
            });
        }
        for _ in 0..declarations {
            read.declarations.push(fields.u64()?);
        }
        fields.0.is_empty().then_some(read)
    }
}

/// What the last record of a whole recording says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::record) struct EndBody {
    pub(in crate::record) samples: u64,
    /// Where the last index record is; 0 for none.
    pub(in crate::record) index: u64,
    pub(in crate::record) topics: u32,
    pub(in crate::record) publishers: u32,
    /// The last sample's time.
    pub(in crate::record) duration: u64,
}

impl EndBody {
    pub(in crate::record) fn encode(&self) -> Vec<u8> {
        let mut out = self.samples.to_le_bytes().to_vec();
        out.extend(self.index.to_le_bytes());
        out.extend(self.topics.to_le_bytes());
        out.extend(self.publishers.to_le_bytes());
        out.extend(self.duration.to_le_bytes());
        debug_assert_eq!(out.len(), END_LEN);
        out
    }

    pub(in crate::record) fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        let read = Self {
            samples: fields.u64()?,
            index: fields.u64()?,
            topics: fields.u32()?,
            publishers: fields.u32()?,
            duration: fields.u64()?,
        };
        fields.0.is_empty().then_some(read)
    }
}
