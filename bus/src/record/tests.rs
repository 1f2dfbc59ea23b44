//! Goal: a recording is read as it was written; cut off anywhere it reads up to its last whole record; whatever its bytes are,
//! nothing panics, nothing hangs, and no sample comes out that was not written there. Method: cuts at every byte, flips of
//! random bits, ranges moved within the file, and heads that lie with the right checksums.

#![allow(clippy::cast_possible_truncation, reason = "small numbers of a test")]

mod damage;
mod full;
mod lies;

use std::io::Cursor;
use std::time::{Duration, UNIX_EPOCH};

use super::format::{FILE_HEAD, HEAD_LEN};
use super::*;

const SALT: u64 = 0x5a17;

/// A sequence of numbers that is the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// A sample as it was written, and where its record ends.
#[derive(Clone, Debug, PartialEq)]
struct Written {
    topic: u32,
    publisher: u32,
    sequence: u64,
    time: u64,
    form: Form,
    payload: Vec<u8>,
    span: std::ops::Range<u64>,
}

fn topic(name: &str) -> RecordedTopic {
    RecordedTopic {
        name: name.to_owned(),
        message: "Position".to_owned(),
        type_id: 7,
        schema: 8,
        semantics: 1,
        pieces: 3,
        description: name.as_bytes().repeat(3),
    }
}

fn begin() -> RecordingWriter<Vec<u8>> {
    RecordingWriter::begin(Vec::new(), UNIX_EPOCH + Duration::from_secs(9), SALT).unwrap()
}

/// Writes so many samples of two topics and three publishers, the last of which comes late; `longest` is the bound of payloads.
fn record(count: u64, longest: usize) -> (RecordingWriter<Vec<u8>>, Vec<Written>) {
    let (mut writer, mut chance) = (begin(), Chance(77));
    let topics = ["arm", "leg"].map(|name| writer.declare_topic(&topic(name)).unwrap());
    let publisher = |topic: u32, number| RecordedPublisher {
        topic,
        node: 0xabc,
        number,
    };
    let mut publishers = topics
        .map(|topic| {
            (
                topic,
                writer.declare_publisher(publisher(topic, 1)).unwrap(),
            )
        })
        .to_vec();
    let mut written = Vec::new();
    for sequence in 1..=count {
        if sequence == count / 2 {
            let late = writer.declare_publisher(publisher(topics[1], 2)).unwrap();
            publishers.push((topics[1], late));
        }
        let (topic, publisher) = publishers[chance.below(publishers.len())];
        let payload: Vec<u8> = (0..chance.below(longest))
            .map(|_| chance.below(256) as u8)
            .collect();
        let form = [Form::Inline, Form::Behind, Form::Block][chance.below(3)];
        let (time, from) = (sequence * 1000, writer.len());
        let new = NewSample {
            topic,
            publisher,
            sequence,
            time: Duration::from_nanos(time),
            form,
            payload: &payload,
        };
        writer.sample(&new).unwrap();
        // Of a full index, which comes behind it, this is a part.
        let span = from..from + HEAD_LEN + (24 + payload.len()).next_multiple_of(8) as u64;
        written.push(Written {
            topic,
            publisher,
            sequence,
            time,
            form,
            payload,
            span,
        });
    }
    (writer, written)
}

fn open(bytes: &[u8]) -> Result<RecordingReader<Cursor<&[u8]>>, ReadError> {
    RecordingReader::new(Cursor::new(bytes))
}

/// All samples that can be read, and how often bytes were damaged.
fn read(reader: &mut RecordingReader<Cursor<&[u8]>>) -> (Vec<Written>, usize) {
    let (mut samples, mut damaged, mut last_to) = (Vec::new(), 0, 0);
    loop {
        match reader.next_sample() {
            Ok(None) => return (samples, damaged),
            Ok(Some(sample)) => samples.push(Written {
                topic: sample.topic,
                publisher: sample.publisher,
                sequence: sample.sequence,
                time: sample.time.as_nanos() as u64,
                form: sample.form,
                payload: sample.payload.to_vec(),
                span: 0..0,
            }),
            Err(ReadError::Damaged { from, to }) => {
                assert!(last_to <= from && from < to, "{last_to} {from} {to}");
                (damaged, last_to) = (damaged + 1, to);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn is_same(one: &Written, other: &Written) -> bool {
    Written {
        span: 0..0,
        ..one.clone()
    } == Written {
        span: 0..0,
        ..other.clone()
    }
}

/// Whether these are some of those, in their order, and none else.
fn assert_part(samples: &[Written], of: &[Written]) {
    let mut rest = of.iter();
    for sample in samples {
        assert!(
            rest.any(|it| is_same(it, sample)),
            "{sample:?} was not written there"
        );
    }
}

#[test]
fn there_and_back() {
    for (count, longest) in [(0, 1), (1, 1), (50, 100), (3000, 700), (3, 3 << 20)] {
        let (writer, written) = record(count, longest);
        assert_eq!((writer.samples(), writer.is_empty()), (count, count == 0));
        let bytes = writer.finish().unwrap();
        let mut reader = open(&bytes).unwrap();
        let expected = Duration::from_nanos(count * 1000);
        assert_eq!((reader.samples(), reader.duration()), (count, expected));
        assert_eq!(reader.ending(), Ending::Whole);
        assert_eq!(reader.began(), UNIX_EPOCH + Duration::from_secs(9));
        let topics: Vec<_> = reader.topics().map(|(id, it)| (id, it.clone())).collect();
        assert_eq!(topics, [(0, topic("arm")), (1, topic("leg"))]);
        let (samples, damaged) = read(&mut reader);
        assert_eq!((samples.len(), damaged), (written.len(), 0));
        assert!(
            samples
                .iter()
                .zip(&written)
                .all(|(one, other)| is_same(one, other))
        );
    }
}

// Goal: the first sample of a time or later is found, with an index and without.
#[test]
fn seeks() {
    let (writer, written) = record(6000, 700);
    let cut = writer.len();
    let bytes = writer.finish().unwrap();
    assert!(bytes.len() > 6 << 18, "has places");
    for bytes in [&bytes[..], &bytes[..cut as usize]] {
        let mut reader = open(bytes).unwrap();
        let mut chance = Chance(5);
        for _ in 0..200 {
            let nanos = chance.below(6_100_000) as u64;
            reader.seek(Duration::from_nanos(nanos)).unwrap();
            let expected = written.iter().find(|it| it.time >= nanos);
            let found = reader.next_sample().unwrap();
            assert_eq!(found.map(|it| it.sequence), expected.map(|it| it.sequence));
        }
        reader.rewind();
        assert_eq!(reader.next_sample().unwrap().unwrap().sequence, 1);
    }
}

#[test]
fn a_cut_recording_reads_up_to_its_last_whole_record() {
    let (writer, written) = record(40, 90);
    let bytes = writer.finish().unwrap();
    for len in 0..bytes.len() {
        let cut = &bytes[..len];
        if len < FILE_HEAD as usize {
            assert!(open(cut).is_err());
            continue;
        }
        let mut reader = open(cut).unwrap();
        let (samples, damaged) = read(&mut reader);
        let whole = written
            .iter()
            .filter(|it| it.span.end <= len as u64)
            .count();
        assert_eq!((samples.len(), damaged), (whole, 0), "cut at {len}");
        assert_part(&samples, &written);
        assert_eq!(reader.samples(), whole as u64);
        let Ending::Cut { at, lost } = reader.ending() else {
            panic!("cut at {len}")
        };
        assert_eq!(at + lost, len as u64);
        assert!(
            written
                .iter()
                .all(|it| it.span.end <= at || it.span.end > len as u64)
        );
    }
}
