//! Writes a recording: a head, then records one behind the other, never one again.
//!
//! What was handed to the system outlives this process: a recording whose writer is killed reads up to its last whole record.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crc32fast::Hasher;

use super::format::{
    EndBody, FILE_HEAD, FileHead, Form, HEAD_LEN, Head, IndexBody, IndexEntry, Kind,
    PUBLISHERS_MAX, RecordedPublisher, RecordedTopic, SAMPLE_MAX, SampleHead, TOPICS_MAX, padding,
};
use super::index::SPACING;

/// Bytes that are collected before they are handed to the system.
const BUFFER: usize = 64 << 10;

/// Something could not be written to a recording.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The system did not take it. What stands before it can be read; nothing can be written behind it.
    #[error("cannot write the recording")]
    Io(#[source] io::Error),
    /// Something before it could not be written.
    #[error("the recording ends at a record that could not be written")]
    Broken,
    /// The sample is too long; nothing was written.
    #[error("a sample of {len} bytes, a recording takes {max} at most")]
    SampleTooLong {
        /// Its bytes.
        len: usize,
        /// Those that there may be.
        max: usize,
    },
    /// A topic has a name or a schema that is too long; nothing was written.
    #[error("the topic {name:?} has a name or a schema that is too long for a recording")]
    TopicTooLong {
        /// The topic's name.
        name: String,
    },
    /// There are so many topics, or publishers, already.
    #[error("a recording has {max} {what} at most")]
    TooMany {
        /// Topics, or publishers.
        what: &'static str,
        /// How many there may be.
        max: usize,
    },
    /// It was never declared.
    #[error("{what} {number} of the recording was never declared")]
    Undeclared {
        /// A topic, or a publisher.
        what: &'static str,
        /// Its number.
        number: u32,
    },
}

/// A sample about to be recorded.
#[derive(Clone, Copy, Debug)]
pub struct NewSample<'a> {
    /// Its topic, by the number that [`RecordingWriter::declare_topic`] gave.
    pub topic: u32,
    /// Its publisher, by the number that [`RecordingWriter::declare_publisher`] gave.
    pub publisher: u32,
    /// Its number among those of its publisher.
    pub sequence: u64,
    /// When it came, from the recording's beginning. One that seems to have come before the sample before it gets that one's time.
    pub time: Duration,
    /// How it lay in its topic's lane.
    pub form: Form,
    /// Its bytes.
    pub payload: &'a [u8],
}

/// Writes a recording to a file, or to anything else: topics and publishers are declared, then samples are written.
///
/// Dropped without [`finish`](Self::finish) it leaves a recording without an end, which reads up to its last whole record.
pub struct RecordingWriter<W: Write> {
    out: BufWriter<W>,
    salt: u64,
    at: u64,
    /// Of the last record.
    time: u64,
    samples: u64,
    /// The topic of each publisher.
    publishers: Vec<u32>,
    topics: u32,
    index: IndexBody,
    /// Where the next place of the index may be.
    next_entry: u64,
    is_broken: bool,
}

impl RecordingWriter<File> {
    /// Creates the file, which must not exist, and begins a recording in it now.
    ///
    /// # Errors
    ///
    /// The file cannot be created, or be written to.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, WriteError> {
        let file = File::create_new(path).map_err(WriteError::Io)?;
        Self::begin(file, SystemTime::now(), rand_salt())
    }
}

/// A number that no other recording has; two of one nanosecond are told apart by where their bytes lie.
fn rand_salt() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(SystemTime::now())
}

impl<W: Write> RecordingWriter<W> {
    /// Begins a recording. `salt` tells its records from those of others; two recordings should not have the same.
    ///
    /// # Errors
    ///
    /// The head cannot be written.
    pub fn begin(out: W, began: SystemTime, salt: u64) -> Result<Self, WriteError> {
        let since = began.duration_since(UNIX_EPOCH).unwrap_or_default();
        let head = FileHead {
            salt,
            began: nanos(since),
        };
        let mut writer = Self {
            out: BufWriter::with_capacity(BUFFER, out),
            salt,
            at: FILE_HEAD,
            time: 0,
            samples: 0,
            publishers: Vec::new(),
            topics: 0,
            index: IndexBody::default(),
            next_entry: 0,
            is_broken: false,
        };
        writer.write_all(&head.encode())?;
        Ok(writer)
    }

    /// Declares a topic; returns its number in this recording.
    ///
    /// # Errors
    ///
    /// See [`WriteError`].
    pub fn declare_topic(&mut self, topic: &RecordedTopic) -> Result<u32, WriteError> {
        let id = self.topics;
        if id as usize >= TOPICS_MAX {
            let (what, max) = ("topics", TOPICS_MAX);
            return Err(WriteError::TooMany { what, max });
        }
        let body = topic.encode(id).ok_or_else(|| WriteError::TopicTooLong {
            name: topic.name.clone(),
        })?;
        self.declare(Kind::Topic, &body)?;
        self.topics += 1;
        Ok(id)
    }

    /// Declares a publisher; returns its number in this recording.
    ///
    /// # Errors
    ///
    /// See [`WriteError`].
    pub fn declare_publisher(&mut self, publisher: RecordedPublisher) -> Result<u32, WriteError> {
        if publisher.topic >= self.topics {
            let (what, number) = ("topic", publisher.topic);
            return Err(WriteError::Undeclared { what, number });
        }
        let (what, max) = ("publishers", PUBLISHERS_MAX);
        let id = u32::try_from(self.publishers.len()).ok();
        let id = id.filter(|_| self.publishers.len() < max);
        let id = id.ok_or(WriteError::TooMany { what, max })?;
        self.declare(Kind::Publisher, &publisher.encode(id))?;
        self.publishers.push(publisher.topic);
        Ok(id)
    }

    fn declare(&mut self, kind: Kind, body: &[u8]) -> Result<(), WriteError> {
        self.index.declarations.push(self.at);
        self.record(kind, &[body])?;
        self.write_full_index()
    }

    /// Writes a sample.
    ///
    /// # Errors
    ///
    /// See [`WriteError`].
    pub fn sample(&mut self, sample: &NewSample<'_>) -> Result<(), WriteError> {
        let undeclared = |what, number| WriteError::Undeclared { what, number };
        let publisher = sample.publisher;
        let topic = self.publishers.get(publisher as usize);
        if *topic.ok_or(undeclared("publisher", publisher))? != sample.topic {
            return Err(undeclared("topic", sample.topic));
        }
        let (len, max) = (sample.payload.len(), SAMPLE_MAX);
        if len > max {
            return Err(WriteError::SampleTooLong { len, max });
        }
        self.time = self.time.max(nanos(sample.time));
        if self.at >= self.next_entry {
            self.next_entry = self.at + SPACING;
            self.index.entries.push(IndexEntry {
                time: self.time,
                offset: self.at,
                ordinal: self.samples,
            });
        }
        let head = SampleHead {
            topic: sample.topic,
            publisher,
            sequence: sample.sequence,
            form: sample.form,
        };
        self.record(Kind::Sample, &[&head.encode(), sample.payload])?;
        self.samples += 1;
        self.write_full_index()
    }

    fn write_full_index(&mut self) -> Result<(), WriteError> {
        match self.index.is_full() {
            true => self.write_index(),
            false => Ok(()),
        }
    }

    fn write_index(&mut self) -> Result<(), WriteError> {
        let at = self.at;
        let index = std::mem::take(&mut self.index);
        self.record(Kind::Index, &[&index.encode()])?;
        self.index.before = at;
        Ok(())
    }

    fn record(&mut self, kind: Kind, body: &[&[u8]]) -> Result<(), WriteError> {
        let mut sum = Hasher::new();
        body.iter().for_each(|part| sum.update(part));
        let len: usize = body.iter().map(|part| part.len()).sum();
        let head = Head {
            kind,
            len: len as u64,
            time: self.time,
            body_sum: sum.finalize(),
        };
        self.write_all(&head.encode(self.salt, self.at))?;
        for part in body {
            self.write_all(part)?;
        }
        let padding = padding(len);
        self.write_all(&[0; 8][..padding])?;
        self.at += HEAD_LEN + (len + padding) as u64;
        Ok(())
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        if self.is_broken {
            return Err(WriteError::Broken);
        }
        self.out.write_all(bytes).map_err(|error| {
            self.is_broken = true;
            WriteError::Io(error)
        })
    }

    /// Hands all that was written to the system, which keeps it when this process is killed. (Not when the machine is: for that
    /// see [`File::sync_data`].)
    ///
    /// # Errors
    ///
    /// See [`WriteError`].
    pub fn flush(&mut self) -> Result<(), WriteError> {
        if self.is_broken {
            return Err(WriteError::Broken);
        }
        self.out.flush().map_err(|error| {
            self.is_broken = true;
            WriteError::Io(error)
        })
    }

    /// Bytes written so far, those included that are not handed to the system yet.
    pub fn len(&self) -> u64 {
        self.at
    }

    /// Whether no sample was written.
    pub fn is_empty(&self) -> bool {
        self.samples == 0
    }

    /// Samples written so far.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// What was handed on.
    #[cfg(test)]
    pub(super) fn taken(&self) -> &W {
        self.out.get_ref()
    }

    /// Writes the end: the index, and what the recording holds. Returns what was written to.
    ///
    /// # Errors
    ///
    /// See [`WriteError`].
    pub fn finish(mut self) -> Result<W, WriteError> {
        if !(self.index.entries.is_empty() && self.index.declarations.is_empty()) {
            self.write_index()?;
        }
        let end = EndBody {
            samples: self.samples,
            index: self.index.before,
            topics: self.topics,
            publishers: u32::try_from(self.publishers.len()).unwrap_or(u32::MAX),
            duration: self.time,
        };
        self.record(Kind::End, &[&end.encode()])?;
        self.flush()?;
        self.out
            .into_inner()
            .map_err(|error| WriteError::Io(error.into_error()))
    }
}

/// Whole nanoseconds, up to some 584 years.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl<W: Write> fmt::Debug for RecordingWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingWriter")
            .field("samples", &self.samples)
            .field("len", &self.at)
            .finish_non_exhaustive()
    }
}
