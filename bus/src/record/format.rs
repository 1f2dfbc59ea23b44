//! The bytes of a recording: heads, and the bodies behind them, as `docs/recording.md` describes them. Pure functions over slices.
//!
//! # Invariants
//! - **own-place**: a record's checksum covers the recording's salt and the record's place. So bytes that were moved, and a
//!   recording inside of a sample, never pass for records of this one.
//! - Nothing here trusts a length: what a body says of itself is compared with the bytes that are there.

mod declared;
mod fields;
mod index;

use crc32fast::Hasher;

pub use self::declared::{RecordedPublisher, RecordedTopic};
use self::fields::Fields;
pub(super) use self::index::{EndBody, IndexBody, IndexEntry};

/// What every recording begins with: no text, and damaged by whatever takes it for text.
pub(super) const MAGIC: [u8; 8] = *b"\x93RWREC\r\n";

/// Readers refuse another major version, and pass over kinds of records that a minor one has added.
pub(super) const MAJOR: u16 = 1;

pub(super) const MINOR: u16 = 0;

/// Bytes of the head of a recording; the first record follows.
pub(super) const FILE_HEAD: u64 = 40;

/// Bytes of the head of a record.
pub(super) const HEAD: usize = 32;

/// The same, as an offset.
pub(super) const HEAD_LEN: u64 = HEAD as u64;

/// What every record begins with.
pub(super) const MARK: [u8; 4] = *b"rec\xa5";

/// Records begin at multiples of it.
pub(super) const ALIGN: u64 = 8;

/// Bytes of a sample, at most.
pub const SAMPLE_MAX: usize = 256 << 20;

/// Bytes of all other bodies, at most.
pub(super) const BODY_MAX: usize = 1 << 18;

/// Topics and publishers of one recording, at most.
pub(super) const TOPICS_MAX: usize = 1 << 16;

pub(super) const PUBLISHERS_MAX: usize = 1 << 20;

/// Bytes of a topic's description, at most.
pub(super) const DESCRIPTION_MAX: usize = 1 << 16;

/// Entries, and declarations, of one index record, at most.
pub(super) const INDEX_MAX: usize = 1024;

/// Bytes of a sample's body before its payload.
pub(super) const SAMPLE_HEAD: usize = 24;

/// Bytes of the body of the last record.
pub(super) const END_LEN: usize = 32;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Topic,
    Publisher,
    Sample,
    Index,
    End,
    /// Of a later minor version.
    Unknown,
}

impl Kind {
    fn to_bits(self) -> u8 {
        match self {
            Self::Topic => 1,
            Self::Publisher => 2,
            Self::Sample => 3,
            Self::Index => 4,
            Self::End => 5,
            Self::Unknown => 0,
        }
    }

    fn from_bits(bits: u8) -> Self {
        match bits {
            1 => Self::Topic,
            2 => Self::Publisher,
            3 => Self::Sample,
            4 => Self::Index,
            5 => Self::End,
            _ => Self::Unknown,
        }
    }

    /// Bytes of a body of this kind, at most.
    pub(super) fn len_max(self) -> usize {
        match self {
            Self::Sample | Self::Unknown => SAMPLE_HEAD + SAMPLE_MAX,
            _ => BODY_MAX,
        }
    }
}

/// How a sample lay in its topic's lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// In its entry.
    Inline,
    /// Behind its entry.
    Behind,
    /// In a block.
    Block,
}

impl Form {
    fn to_bits(self) -> u8 {
        match self {
            Self::Inline => 1,
            Self::Behind => 2,
            Self::Block => 3,
        }
    }

    fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            1 => Some(Self::Inline),
            2 => Some(Self::Behind),
            3 => Some(Self::Block),
            _ => None,
        }
    }
}

/// What the head of a recording says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileHead {
    pub(super) salt: u64,
    /// Nanoseconds since 1970.
    pub(super) began: u64,
}

/// Why the first bytes of a file are no head of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAHead {
    Magic,
    Version { major: u16, minor: u16 },
    Checksum,
}

impl FileHead {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(MAJOR.to_le_bytes());
        out.extend(MINOR.to_le_bytes());
        out.extend([0; 4]);
        out.extend(self.salt.to_le_bytes());
        out.extend(self.began.to_le_bytes());
        out.extend([0; 4]);
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, NotAHead> {
        let mut fields = Fields(bytes);
        if fields.take(MAGIC.len()) != Some(&MAGIC) {
            return Err(NotAHead::Magic);
        }
        let (major, minor) = (fields.u16(), fields.u16());
        let (Some(major), Some(minor)) = (major, minor) else {
            return Err(NotAHead::Checksum);
        };
        if major != MAJOR {
            return Err(NotAHead::Version { major, minor });
        }
        let mut rest = || {
            fields.take(4)?;
            let head = Self {
                salt: fields.u64()?,
                began: fields.u64()?,
            };
            fields.take(4)?;
            let covered = bytes.get(..36)?;
            (fields.u32()? == crc32fast::hash(covered)).then_some(head)
        };
        rest().ok_or(NotAHead::Checksum)
    }
}

/// What the head of a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    /// Bytes of the body.
    pub(super) len: u64,
    /// Nanoseconds since the recording began.
    pub(super) time: u64,
    pub(super) body_sum: u32,
}

impl Head {
    /// The bytes of this head, for a record at `at` of the recording with this salt.
    pub(super) fn encode(&self, salt: u64, at: u64) -> [u8; HEAD] {
        let mut out = [0; HEAD];
        out[..4].copy_from_slice(&MARK);
        out[8..16].copy_from_slice(&self.len.to_le_bytes());
        out[16..24].copy_from_slice(&self.time.to_le_bytes());
        out[24..28].copy_from_slice(&self.body_sum.to_le_bytes());
        out[28] = self.kind.to_bits();
        let sum = head_sum(salt, at, &out[8..]);
        out[4..8].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// The head at `at`, if there is one: whole, and of this recording.
    pub(super) fn decode(bytes: &[u8], salt: u64, at: u64) -> Option<Self> {
        let mut fields = Fields(bytes.get(..HEAD)?);
        if fields.take(4)? != MARK {
            return None;
        }
        if fields.u32()? != head_sum(salt, at, &bytes[8..HEAD]) {
            return None;
        }
        let (len, time, body_sum) = (fields.u64()?, fields.u64()?, fields.u32()?);
        let kind = Kind::from_bits(fields.u8()?);
        Some(Self {
            kind,
            len,
            time,
            body_sum,
        })
    }

    /// Where the next record begins, for one at `at`; `None` beyond what a file can have.
    pub(super) fn next(&self, at: u64) -> Option<u64> {
        let end = at.checked_add(HEAD_LEN)?.checked_add(self.len)?;
        end.checked_next_multiple_of(ALIGN)
    }
}

fn head_sum(salt: u64, at: u64, covered: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(&at.to_le_bytes());
    hasher.update(covered);
    hasher.finalize()
}

/// Zeroes behind a body of `len` bytes.
pub(super) fn padding(len: usize) -> usize {
    len.next_multiple_of(8) - len
}

/// What stands before a sample's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SampleHead {
    pub(super) topic: u32,
    pub(super) publisher: u32,
    pub(super) sequence: u64,
    pub(super) form: Form,
}

impl SampleHead {
    pub(super) fn encode(&self) -> [u8; SAMPLE_HEAD] {
        let mut out = [0; SAMPLE_HEAD];
        out[..4].copy_from_slice(&self.topic.to_le_bytes());
        out[4..8].copy_from_slice(&self.publisher.to_le_bytes());
        out[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        out[16] = self.form.to_bits();
        out
    }

    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        Some(Self {
            topic: fields.u32()?,
            publisher: fields.u32()?,
            sequence: fields.u64()?,
            form: Form::from_bits(fields.u8()?)?,
        })
    }
}
