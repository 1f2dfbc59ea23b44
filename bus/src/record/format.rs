//! The bytes of a recording: heads, and the bodies behind them, as `docs/recording.md` describes them. Pure functions over slices.
//!
//! # Invariants
//! - **own-place**: a record's checksum covers the recording's salt and the record's place. So bytes that were moved, and a
//!   recording inside of a sample, never pass for records of this one.
//! - Nothing here trusts a length: what a body says of itself is compared with the bytes that are there.

use crc32fast::Hasher;

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

/// A topic of a recording: its name, and what its samples are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedTopic {
    /// The topic's name.
    pub name: String,
    /// The message's name.
    pub message: String,
    /// The message's id.
    pub type_id: u64,
    /// The hash of its schema.
    pub schema: u64,
    /// How its values are encoded, as the byte of an entry.
    pub semantics: u8,
    /// Pieces of a payload that a slot of the topic's lanes has room for behind the entry.
    pub pieces: u8,
    /// The schema in words: what [`Description::encode`](crate::message::Description::encode) made of it.
    pub description: Vec<u8>,
}

impl RecordedTopic {
    /// `None` if its texts are too long.
    pub(super) fn encode(&self, id: u32) -> Option<Vec<u8>> {
        let name_len = u16::try_from(self.name.len()).ok()?;
        let message_len = u16::try_from(self.message.len()).ok()?;
        let description_len = u32::try_from(self.description.len()).ok()?;
        if self.description.len() > DESCRIPTION_MAX {
            return None;
        }
        let mut out = Vec::new();
        out.extend(id.to_le_bytes());
        out.extend(name_len.to_le_bytes());
        out.extend(message_len.to_le_bytes());
        out.extend(self.type_id.to_le_bytes());
        out.extend(self.schema.to_le_bytes());
        out.extend([self.semantics, self.pieces, 0, 0]);
        out.extend(description_len.to_le_bytes());
        out.extend(self.name.as_bytes());
        out.extend(self.message.as_bytes());
        out.extend(&self.description);
        Some(out)
    }

    pub(super) fn decode(body: &[u8]) -> Option<(u32, Self)> {
        let mut fields = Fields(body);
        let id = fields.u32()?;
        let (name_len, message_len) = (fields.u16()?, fields.u16()?);
        let (type_id, schema) = (fields.u64()?, fields.u64()?);
        let (semantics, pieces) = (fields.u8()?, fields.u8()?);
        fields.take(2)?;
        let description_len = usize::try_from(fields.u32()?).ok()?;
        let name = fields.text(name_len)?;
        let message = fields.text(message_len)?;
        let description = fields.take(description_len)?.to_vec();
        let topic = Self {
            name,
            message,
            type_id,
            schema,
            semantics,
            pieces,
            description,
        };
        fields.0.is_empty().then_some((id, topic))
    }
}

/// A publisher of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordedPublisher {
    /// Which of the recording's topics it published.
    pub topic: u32,
    /// The node that it was of.
    pub node: u64,
    /// Its number there.
    pub number: u64,
}

impl RecordedPublisher {
    pub(super) fn encode(&self, id: u32) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(id.to_le_bytes());
        out.extend(self.topic.to_le_bytes());
        out.extend(self.node.to_le_bytes());
        out.extend(self.number.to_le_bytes());
        out
    }

    pub(super) fn decode(body: &[u8]) -> Option<(u32, Self)> {
        let mut fields = Fields(body);
        let id = fields.u32()?;
        let publisher = Self {
            topic: fields.u32()?,
            node: fields.u64()?,
            number: fields.u64()?,
        };
        fields.0.is_empty().then_some((id, publisher))
    }
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

/// A place to go on reading from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexEntry {
    pub(super) time: u64,
    pub(super) offset: u64,
    /// Samples before it.
    pub(super) ordinal: u64,
}

/// What was written since the index record before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct IndexBody {
    /// Where that one is; 0 for none.
    pub(super) before: u64,
    pub(super) entries: Vec<IndexEntry>,
    /// Where topics and publishers are declared.
    pub(super) declarations: Vec<u64>,
}

impl IndexBody {
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= INDEX_MAX || self.declarations.len() >= INDEX_MAX
    }

    pub(super) fn encode(&self) -> Vec<u8> {
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

    pub(super) fn decode(body: &[u8]) -> Option<Self> {
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
pub(super) struct EndBody {
    pub(super) samples: u64,
    /// Where the last index record is; 0 for none.
    pub(super) index: u64,
    pub(super) topics: u32,
    pub(super) publishers: u32,
    /// The last sample's time.
    pub(super) duration: u64,
}

impl EndBody {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = self.samples.to_le_bytes().to_vec();
        out.extend(self.index.to_le_bytes());
        out.extend(self.topics.to_le_bytes());
        out.extend(self.publishers.to_le_bytes());
        out.extend(self.duration.to_le_bytes());
        debug_assert_eq!(out.len(), END_LEN);
        out
    }

    pub(super) fn decode(body: &[u8]) -> Option<Self> {
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

/// Little-endian numbers from the front of what is left.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self, len: u16) -> Option<String> {
        let bytes = self.take(len.into())?;
        String::from_utf8(bytes.to_vec()).ok()
    }
}
