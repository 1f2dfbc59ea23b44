//! Reads a recording, whatever its bytes are: whole, cut off, or damaged.
//!
//! # Invariants
//! - **own-bytes**: a sample is handed out only if all of its bytes are those that were written for it, by their checksums.
//! - **bounded**: no length is believed. Memory is taken as bytes come out of the file; what is kept of topics, publishers and
//!   places has a limit.
//! - **forward**: every step goes on in the file, so reading ends.

mod records;
mod survey;

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use self::records::{BUFFER, Found};
use super::format::{
    FILE_HEAD, FileHead, Form, Kind, MAJOR, NotAHead, RecordedPublisher, RecordedTopic,
    SAMPLE_HEAD, SampleHead,
};
use super::index::Index;

/// A recording could not be read, or not all of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The system did not give it.
    #[error("cannot read the recording")]
    Io(#[from] io::Error),
    /// It is no recording.
    #[error("not a recording")]
    NotARecording,
    /// It is one of another version.
    #[error("a recording of version {major}.{minor}, this program reads {MAJOR}")]
    Version {
        /// What changes when readers of before cannot read it.
        major: u16,
        /// What changes when they can.
        minor: u16,
    },
    /// Its first bytes are damaged: without them nothing of it can be told from what it is not.
    #[error("the head of the recording is damaged")]
    HeadDamaged,
    /// Bytes of it are not what was written. The next call goes on behind them.
    #[error("bytes {from} to {to} of the recording are damaged")]
    Damaged {
        /// The first byte that cannot be read.
        from: u64,
        /// The first that can be again.
        to: u64,
    },
    /// It declares more than a reader keeps.
    #[error("the recording declares more topics and publishers than a reader keeps")]
    TooMany,
}

/// How a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// As its writer has ended it.
    Whole,
    /// It was cut off: its writer was killed, writes on, or had no room.
    Cut {
        /// Where the last whole record ends.
        at: u64,
        /// Bytes behind that, of a record that is not whole.
        lost: u64,
    },
}

/// A sample of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedSample<'a> {
    /// The number of its topic: see [`RecordingReader::topic`].
    pub topic: u32,
    /// The number of its publisher: see [`RecordingReader::publisher`].
    pub publisher: u32,
    /// Its number among those of its publisher. A gap tells how many were not recorded.
    pub sequence: u64,
    /// When it came, from the recording's beginning. Never less than of the sample before.
    pub time: Duration,
    /// How it lay in its topic's lane.
    pub form: Form,
    /// Its bytes.
    pub payload: &'a [u8],
}

/// Reads a recording from a file, or from anything that can be read and sought in.
pub struct RecordingReader<R> {
    file: BufReader<R>,
    /// Where `file` stands.
    stands_at: u64,
    /// Of the file, when it was opened.
    len: u64,
    head: FileHead,
    /// Where the next record is.
    at: u64,
    /// The time of the last sample.
    time: u64,
    topics: Vec<Option<RecordedTopic>>,
    publishers: Vec<Option<RecordedPublisher>>,
    declared: u64,
    index: Index,
    samples: u64,
    duration: u64,
    ending: Ending,
    body: Vec<u8>,
}

impl RecordingReader<File> {
    /// Opens a recording.
    ///
    /// # Errors
    ///
    /// See [`ReadError`]. A recording that is cut off or damaged behind its head is opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        Self::new(File::open(path)?)
    }
}

impl<R: Read + Seek> RecordingReader<R> {
    /// Reads a recording from its beginning: what it holds, from its end; or by a look at the head of each record, if it has none.
    ///
    /// # Errors
    ///
    /// See [`ReadError`].
    pub fn new(mut file: R) -> Result<Self, ReadError> {
        let len = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(0))?;
        let mut file = BufReader::with_capacity(BUFFER, file);
        let mut bytes = Vec::new();
        file.by_ref().take(FILE_HEAD).read_to_end(&mut bytes)?;
        let head = FileHead::decode(&bytes).map_err(|why| match why {
            NotAHead::Magic => ReadError::NotARecording,
            NotAHead::Version { major, minor } => ReadError::Version { major, minor },
            NotAHead::Checksum => ReadError::HeadDamaged,
        })?;
        let mut reader = Self {
            file,
            stands_at: FILE_HEAD,
            len,
            head,
            at: FILE_HEAD,
            time: 0,
            topics: Vec::new(),
            publishers: Vec::new(),
            declared: 0,
            index: Index::default(),
            samples: 0,
            duration: 0,
            ending: Ending::Whole,
            body: Vec::new(),
        };
        if !reader.read_index()? {
            reader.scan()?;
        }
        reader.rewind();
        Ok(reader)
    }

    /// Goes back to the first sample.
    pub fn rewind(&mut self) {
        (self.at, self.time) = (FILE_HEAD, 0);
    }

    /// Reads the next sample; `None` behind the last. Its bytes stay until the next call.
    ///
    /// # Errors
    ///
    /// [`ReadError::Damaged`] for bytes that are not what was written, [`ReadError::Io`].
    pub fn next_sample(&mut self) -> Result<Option<RecordedSample<'_>>, ReadError> {
        let Some(sample) = self.advance()? else {
            return Ok(None);
        };
        Ok(Some(RecordedSample {
            topic: sample.topic,
            publisher: sample.publisher,
            sequence: sample.sequence,
            time: Duration::from_nanos(self.time),
            form: sample.form,
            payload: self.body.get(SAMPLE_HEAD..).unwrap_or_default(),
        }))
    }

    /// Goes on to the next sample, and reads its body.
    fn advance(&mut self) -> Result<Option<SampleHead>, ReadError> {
        loop {
            let from = self.at;
            let head = match self.find(from)? {
                Found::Record(head) => head,
                Found::End | Found::Cut => return Ok(None),
                Found::Nothing => {
                    return match self.pass_over(from)? {
                        Some(to) => Err(ReadError::Damaged { from, to }),
                        None => Ok(None),
                    };
                }
            };
            let to = head.next(from).unwrap_or(self.len);
            self.at = to;
            if head.kind != Kind::Sample {
                continue;
            }
            let damaged = ReadError::Damaged { from, to };
            if !self.read_body(from, &head)? {
                return Err(damaged);
            }
            let sample = SampleHead::decode(&self.body).ok_or(damaged)?;
            // Its declaration may be what was damaged.
            if self.is_declared(&sample) {
                self.time = self.time.max(head.time);
                return Ok(Some(sample));
            }
            return Err(ReadError::Damaged { from, to });
        }
    }

    fn is_declared(&self, sample: &SampleHead) -> bool {
        let publisher = self.publisher(sample.publisher);
        publisher.is_some_and(|publisher| publisher.topic == sample.topic)
            && self.topic(sample.topic).is_some()
    }

    /// Goes to the first sample of this time or later.
    ///
    /// # Errors
    ///
    /// [`ReadError::Io`].
    pub fn seek(&mut self, time: Duration) -> Result<(), ReadError> {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let start = self.index.before(time);
        let is_there = matches!(self.find(start.offset)?, Found::Record(_));
        self.rewind();
        if is_there {
            (self.at, self.time) = (start.offset, start.time);
        }
        loop {
            match self.find(self.at)? {
                Found::Record(head) if head.kind == Kind::Sample && head.time >= time => break,
                Found::Record(head) => {
                    if head.kind == Kind::Sample {
                        self.time = self.time.max(head.time);
                    }
                    self.at = head.next(self.at).unwrap_or(self.len);
                }
                Found::Nothing if self.pass_over(self.at)?.is_some() => {}
                Found::Nothing | Found::Cut | Found::End => break,
            }
        }
        Ok(())
    }

    /// The topic of that number.
    pub fn topic(&self, number: u32) -> Option<&RecordedTopic> {
        self.topics.get(number as usize)?.as_ref()
    }

    /// The publisher of that number.
    pub fn publisher(&self, number: u32) -> Option<&RecordedPublisher> {
        self.publishers.get(number as usize)?.as_ref()
    }

    /// The topics, by number.
    pub fn topics(&self) -> impl Iterator<Item = (u32, &RecordedTopic)> {
        let numbered = (0..).zip(&self.topics);
        numbered.filter_map(|(number, topic)| Some((number, topic.as_ref()?)))
    }

    /// When the recording began, by the clock of its machine.
    pub fn began(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.head.began)
    }

    /// The time of the last sample, from the beginning.
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.duration)
    }

    /// How many samples there are, damaged ones included whose heads are not.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// How the recording ends.
    pub fn ending(&self) -> Ending {
        self.ending
    }

    /// Bytes of memory for bodies.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.body.capacity()
    }
}

impl<R> fmt::Debug for RecordingReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingReader")
            .field("topics", &self.topics.len())
            .field("samples", &self.samples)
            .field("ending", &self.ending)
            .finish_non_exhaustive()
    }
}
