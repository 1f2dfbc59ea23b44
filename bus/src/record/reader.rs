//! Reads a recording, whatever its bytes are: whole, cut off, or damaged.
//!
//! # Invariants
//! - **own-bytes**: a sample is handed out only if all of its bytes are those that were written for it, by their checksums.
//! - **bounded**: no length is believed. Memory is taken as bytes come out of the file; what is kept of topics, publishers and
//!   places has a limit.
//! - **forward**: every step goes on in the file, so reading ends.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::format::{
    ALIGN, END_LEN, EndBody, FILE_HEAD, FileHead, Form, HEAD, HEAD_LEN, Head, IndexBody,
    IndexEntry, Kind, MAJOR, NotAHead, PUBLISHERS_MAX, RecordedPublisher, RecordedTopic,
    SAMPLE_HEAD, SampleHead, TOPICS_MAX,
};
use super::index::Index;

/// Bytes that are read from the file at a time.
const BUFFER: usize = 64 << 10;
/// Bytes by which memory for a body grows.
const STEP: u64 = 1 << 20;
/// Bytes of a file between two places that a scan notes.
const SPACING: u64 = 256 << 10;
/// Bytes of all declarations, at most.
const DECLARED_MAX: u64 = 64 << 20;

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

/// What stands at a place.
enum Found {
    Record(Head),
    /// A record that is not all there.
    Cut,
    /// No record.
    Nothing,
    /// The file's end.
    End,
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

    /// Has the file stand at a place.
    fn stand_at(&mut self, at: u64) -> io::Result<()> {
        if at != self.stands_at {
            match i64::try_from(i128::from(at) - i128::from(self.stands_at)) {
                Ok(offset) => self.file.seek_relative(offset)?,
                Err(_) => drop(self.file.seek(SeekFrom::Start(at))?),
            }
            self.stands_at = at;
        }
        Ok(())
    }

    /// Reads bytes that are there: before `len`.
    fn read_at(&mut self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.stand_at(at)?;
        let read = self.file.read_exact(into);
        match &read {
            Ok(()) => self.stands_at += into.len() as u64,
            // Nobody knows where it stands now.
            Err(_) => self.stands_at = self.file.seek(SeekFrom::Start(0))?,
        }
        read
    }

    /// What stands at a place.
    fn find(&mut self, at: u64) -> io::Result<Found> {
        if at >= self.len {
            return Ok(Found::End);
        }
        if self.len - at < HEAD_LEN {
            return Ok(Found::Cut);
        }
        let mut bytes = [0; HEAD];
        self.read_at(at, &mut bytes)?;
        let head = Head::decode(&bytes, self.head.salt, at);
        Ok(head.map_or(Found::Nothing, |head| self.judge(at, head)))
    }

    /// Whether the record of this head can be there.
    fn judge(&self, at: u64, head: Head) -> Found {
        let is_sound = head.len <= head.kind.len_max() as u64;
        match head.next(at) {
            Some(next) if is_sound && next <= self.len => Found::Record(head),
            Some(_) if is_sound => Found::Cut,
            _ => Found::Nothing,
        }
    }

    /// Goes to the next record behind bytes that are none; `None` if there is none, which is the end.
    fn pass_over(&mut self, from: u64) -> io::Result<Option<u64>> {
        let found = self.next_record(from)?;
        self.at = found.unwrap_or(self.len);
        Ok(found)
    }

    /// The first place behind `from` where a record stands.
    fn next_record(&mut self, from: u64) -> io::Result<Option<u64>> {
        let mut at = from.next_multiple_of(ALIGN);
        let mut window = vec![0; BUFFER];
        while self.len.saturating_sub(at) > HEAD_LEN {
            at += ALIGN;
            let there = usize::try_from(self.len - at).unwrap_or(BUFFER);
            let window = &mut window[..there.min(BUFFER)];
            self.read_at(at, window)?;
            let last = window.len().saturating_sub(HEAD);
            for place in (0..=last).step_by(8) {
                let here = at + place as u64;
                let head = Head::decode(&window[place..], self.head.salt, here);
                let found = head.map(|head| self.judge(here, head));
                if matches!(found, Some(Found::Record(_))) {
                    return Ok(Some(here));
                }
            }
            at += (last / 8 * 8) as u64;
        }
        Ok(None)
    }

    /// Reads a record's body; whether it is what was written.
    fn read_body(&mut self, at: u64, head: &Head) -> io::Result<bool> {
        self.body.clear();
        self.stand_at(at + HEAD_LEN)?;
        let mut left = head.len;
        while left > 0 {
            let step = left.min(STEP);
            let read = self.file.by_ref().take(step).read_to_end(&mut self.body);
            let read = match read {
                Ok(read) => read as u64,
                Err(error) => {
                    self.stands_at = self.file.seek(SeekFrom::Start(0))?;
                    return Err(error);
                }
            };
            self.stands_at += read;
            left -= read;
            if read < step {
                return Err(ErrorKind::UnexpectedEof.into()); // it has become shorter since
            }
        }
        Ok(crc32fast::hash(&self.body) == head.body_sum)
    }

    /// Reads the end, the index and all declarations; `false` if the recording has no end or they are not sound.
    fn read_index(&mut self) -> Result<bool, ReadError> {
        let end_at = self.len.checked_sub(HEAD_LEN + END_LEN as u64);
        let Some(end_at) = end_at.filter(|at| *at >= FILE_HEAD && at.is_multiple_of(ALIGN)) else {
            return Ok(false);
        };
        let Some(end) = self.body_of(end_at, Kind::End)? else {
            return Ok(false);
        };
        let Some(end) = EndBody::decode(&self.body).filter(|_| end.next(end_at) == Some(self.len))
        else {
            return Ok(false);
        };
        // From the last to the first: each stands before the one that names it.
        let (mut places, mut at, mut before) = (Vec::new(), end.index, end_at);
        let mut declarations = Vec::new();
        while at != 0 {
            if at >= before || self.body_of(at, Kind::Index)?.is_none() {
                return Ok(false);
            }
            let Some(body) = IndexBody::decode(&self.body) else {
                return Ok(false);
            };
            places.push(at);
            declarations.extend(body.declarations.into_iter().rev());
            if declarations.len() > TOPICS_MAX + PUBLISHERS_MAX {
                return Err(ReadError::TooMany);
            }
            (before, at) = (at, body.before);
        }
        for at in declarations.into_iter().rev() {
            let Found::Record(head) = self.find(at)? else {
                return Ok(false);
            };
            if !self.declare(at, &head)? {
                return Ok(false);
            }
        }
        let has_all = self.topics.len() == end.topics as usize
            && self.publishers.len() == end.publishers as usize;
        if !has_all {
            return Ok(false);
        }
        for at in places.into_iter().rev() {
            if self.body_of(at, Kind::Index)?.is_some()
                && let Some(body) = IndexBody::decode(&self.body)
            {
                body.entries.into_iter().for_each(|it| self.index.add(it));
            }
        }
        (self.samples, self.duration) = (end.samples, end.duration);
        Ok(true)
    }

    /// The head of the record of this kind that stands there, with its body read; `None` if it is not that, or damaged.
    fn body_of(&mut self, at: u64, kind: Kind) -> io::Result<Option<Head>> {
        match self.find(at)? {
            Found::Record(head) if head.kind == kind && self.read_body(at, &head)? => {
                Ok(Some(head))
            }
            _ => Ok(None),
        }
    }

    /// Takes in a declaration; whether it is a sound one.
    fn declare(&mut self, at: u64, head: &Head) -> Result<bool, ReadError> {
        if !matches!(head.kind, Kind::Topic | Kind::Publisher) || !self.read_body(at, head)? {
            return Ok(false);
        }
        self.declared = self.declared.saturating_add(head.len);
        if self.declared > DECLARED_MAX {
            return Err(ReadError::TooMany);
        }
        Ok(match head.kind {
            Kind::Topic => {
                let read = RecordedTopic::decode(&self.body);
                read.is_some_and(|(id, topic)| keep(&mut self.topics, id, topic, TOPICS_MAX))
            }
            _ => {
                let read = RecordedPublisher::decode(&self.body);
                read.is_some_and(|(id, it)| keep(&mut self.publishers, id, it, PUBLISHERS_MAX))
            }
        })
    }

    /// Looks at every record.
    fn scan(&mut self) -> Result<(), ReadError> {
        self.topics.clear();
        self.publishers.clear();
        (self.index, self.declared) = (Index::default(), 0);
        let (mut time, mut next_entry) = (0, 0);
        let (mut at, mut end, mut is_whole) = (FILE_HEAD, FILE_HEAD, false);
        loop {
            let head = match self.find(at)? {
                Found::Record(head) => head,
                Found::Nothing => match self.next_record(at)? {
                    Some(next) => {
                        at = next;
                        continue;
                    }
                    None => break,
                },
                Found::Cut | Found::End => break,
            };
            is_whole = head.kind == Kind::End;
            match head.kind {
                Kind::Topic | Kind::Publisher => drop(self.declare(at, &head)?),
                Kind::Sample => {
                    time = time.max(head.time);
                    if at >= next_entry {
                        next_entry = at.saturating_add(SPACING);
                        let (offset, ordinal) = (at, self.samples);
                        self.index.add(IndexEntry {
                            time,
                            offset,
                            ordinal,
                        });
                    }
                    self.samples += 1;
                }
                Kind::Index | Kind::End | Kind::Unknown => {}
            }
            at = head.next(at).unwrap_or(self.len);
            end = at;
        }
        self.duration = time;
        self.ending = match is_whole && end == self.len {
            true => Ending::Whole,
            false => Ending::Cut {
                at: end.min(self.len),
                lost: self.len.saturating_sub(end),
            },
        };
        Ok(())
    }
}

/// Puts a declaration in its place; whether it may be there. Numbers come in order: a gap is one that was damaged.
fn keep<T>(all: &mut Vec<Option<T>>, id: u32, declared: T, max: usize) -> bool {
    let id = id as usize;
    if id >= max {
        return false;
    }
    if id >= all.len() {
        all.resize_with(id + 1, || None);
    }
    all[id] = Some(declared);
    true
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
