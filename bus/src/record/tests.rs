//! Goal: a recording is read as it was written; cut off anywhere it reads up to its last whole record; whatever its bytes are,
//! nothing panics, nothing hangs, and no sample comes out that was not written there. Method: cuts at every byte, flips of
//! random bits, ranges moved within the file, and heads that lie with the right checksums.
#![allow(clippy::cast_possible_truncation, reason = "small numbers of a test")]

use std::io::{self, Cursor, Write};
use std::time::{Duration, UNIX_EPOCH};

use super::format::{
    FILE_HEAD, FileHead, HEAD_LEN, Head, INDEX_MAX, IndexBody, IndexEntry, Kind, SampleHead,
};
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

// Goal: one damaged bit costs the record that it is in, and of a declaration those that refer to it.
#[test]
fn a_flipped_bit_costs_one_record() {
    let (writer, written) = record(60, 90);
    let bytes = writer.finish().unwrap();
    let mut expected = Vec::new();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let reader = open(&flipped);
        let at = at as u64;
        if at < FILE_HEAD {
            assert!(reader.is_err());
            continue;
        }
        let mut reader = reader.unwrap();
        let (samples, damaged) = read(&mut reader);
        assert_part(&samples, &written);
        let hit = written.iter().find(|it| it.span.contains(&at));
        let is_padding =
            hit.is_some_and(|it| at - it.span.start >= HEAD_LEN + 24 + it.payload.len() as u64);
        match hit {
            Some(_) => assert_eq!(samples.len(), if is_padding { 60 } else { 59 }, "at {at}"),
            None => expected.push((samples.len(), damaged)),
        }
    }
    // The rest are two topics' and three publishers' declarations, the index and the end.
    let whole = expected.iter().filter(|it| **it == (60, 0)).count();
    let [without_arm, without_leg] = [0, 1].map(|topic| {
        let others = written.iter().filter(|it| it.topic != topic);
        others.count()
    });
    for count in [without_arm, without_leg] {
        assert!(expected.iter().any(|it| it.0 == count), "{expected:?}");
    }
    assert!(whole > 100, "{whole}");
}

#[test]
fn what_was_moved_is_not_read() {
    let (writer, written) = record(80, 300);
    let bytes = writer.finish().unwrap();
    let mut chance = Chance(99);
    for _ in 0..300 {
        let mut changed = bytes.clone();
        for _ in 0..=chance.below(4) {
            let place = |chance: &mut Chance| 40 + chance.below(changed.len() - 40) / 8 * 8;
            let (from, to) = (place(&mut chance), place(&mut chance));
            let len = chance.below(changed.len() - from.max(to));
            match chance.below(4) {
                0 => changed.copy_within(from..from + len, to),
                1 => changed[from..from + len.min(64)].fill(chance.below(256) as u8),
                2 => drop(changed.splice(from..from + len.min(200), [])),
                _ => changed
                    .iter_mut()
                    .skip(from)
                    .take(9)
                    .for_each(|it| *it = it.wrapping_add(1)),
            }
            if changed.len() < 200 {
                break;
            }
        }
        let Ok(mut reader) = open(&changed) else {
            continue;
        };
        let (samples, _) = read(&mut reader);
        assert_part(&samples, &written);
        reader
            .seek(Duration::from_nanos(chance.below(90_000) as u64))
            .unwrap();
        assert_part(&read(&mut reader).0, &written);
    }
}

#[test]
fn noise_is_no_recording() {
    let mut chance = Chance(3);
    for round in 0..300 {
        let mut noise: Vec<u8> = (0..chance.below(5000))
            .map(|_| chance.below(256) as u8)
            .collect();
        assert!(open(&noise).is_err());
        let head = FileHead {
            salt: SALT,
            began: 0,
        };
        let mut bytes = head.encode();
        if round % 2 == 0 {
            for place in noise.chunks_exact_mut(8).step_by(3) {
                place[..4].copy_from_slice(b"rec\xa5");
            }
        }
        bytes.append(&mut noise);
        let mut reader = open(&bytes).unwrap();
        let (samples, damaged) = read(&mut reader);
        assert_eq!((samples.len(), damaged), (0, 0));
        assert_eq!(reader.samples(), 0);
    }
}

// Goal: a recording within a sample is not taken for this one when what is before it is damaged.
#[test]
fn a_recording_within_a_recording() {
    let (inner, _) = record(20, 50);
    let inner = inner.finish().unwrap();
    for pad in 0..8 {
        let mut outer =
            RecordingWriter::begin(Vec::new(), UNIX_EPOCH, SALT + u64::from(pad != 0)).unwrap();
        let topic = outer.declare_topic(&topic("files")).unwrap();
        let publisher = RecordedPublisher {
            topic,
            node: 1,
            number: 1,
        };
        let publisher = outer.declare_publisher(publisher).unwrap();
        let payload = [vec![0; pad], inner.clone()].concat();
        let at = outer.len() as usize;
        for sequence in 1..=2 {
            let (time, form) = (Duration::ZERO, Form::Block);
            let payload = &payload;
            outer
                .sample(&NewSample {
                    topic,
                    publisher,
                    sequence,
                    time,
                    form,
                    payload,
                })
                .unwrap();
        }
        let mut bytes = outer.finish().unwrap();
        bytes[at + 9] ^= 1;
        let mut reader = open(&bytes).unwrap();
        let (samples, damaged) = read(&mut reader);
        assert_eq!((samples.len(), damaged), (1, 1), "{pad}");
        assert_eq!((samples[0].sequence, &samples[0].payload), (2, &payload));
    }
}

// Goal: what another recording had in the same place, on the same disk, is not read.
#[test]
fn what_was_there_before_is_not_read() {
    let (writer, written) = record(80, 300);
    let old = writer.finish().unwrap();
    let began = UNIX_EPOCH + Duration::from_secs(9);
    let begun = RecordingWriter::begin(Vec::new(), began, SALT + 1).unwrap();
    let mut bytes = begun.finish().unwrap();
    let new = bytes.len();
    bytes.extend(&old[new..]);
    let mut reader = open(&bytes).unwrap();
    assert_eq!((read(&mut reader).0.len(), written.len()), (0, 80));
    let lost = (old.len() - new) as u64;
    assert_eq!(
        reader.ending(),
        Ending::Cut {
            at: new as u64,
            lost
        }
    );
}

// Goal: the next record is found behind damage of any length. Method: lengths around that of what is looked at in one piece.
#[test]
fn reading_goes_on_behind_long_damage() {
    for len in ((64 << 10) - 160..(64 << 10) + 160)
        .step_by(8)
        .chain([0, 300_000])
    {
        let (mut writer, written) = record(1, 10);
        for (sequence, len) in [(2, len), (3, 5)] {
            let new = NewSample {
                topic: written[0].topic,
                publisher: written[0].publisher,
                sequence,
                time: Duration::ZERO,
                form: Form::Block,
                payload: &vec![1; len],
            };
            writer.sample(&new).unwrap();
        }
        let mut bytes = writer.finish().unwrap();
        bytes[written[0].span.end as usize + 9] ^= 1;
        let mut reader = open(&bytes).unwrap();
        let (samples, damaged) = read(&mut reader);
        let sequences: Vec<_> = samples.iter().map(|it| it.sequence).collect();
        assert_eq!((&sequences[..], damaged), (&[1, 3][..], 1), "{len}");
    }
}

/// A recording with these records, whose checksums are right.
fn forged(records: &[(Kind, u64, &[u8])]) -> Vec<u8> {
    let head = FileHead {
        salt: SALT,
        began: 0,
    };
    let mut bytes = head.encode();
    for (kind, len, body) in records {
        let head = Head {
            kind: *kind,
            len: *len,
            time: u64::MAX,
            body_sum: crc32fast::hash(body),
        };
        bytes.extend(head.encode(SALT, bytes.len() as u64));
        bytes.extend(*body);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    bytes
}

// Goal: no number is believed, though its checksum is right: memory is bounded, and reading ends.
#[test]
fn lies_with_right_checksums() {
    let arm = topic("arm").encode(0).unwrap();
    for len in [
        u64::MAX,
        u64::MAX - 31,
        1 << 40,
        (SAMPLE_MAX + 25) as u64,
        SAMPLE_MAX as u64,
    ] {
        for kind in [
            Kind::Sample,
            Kind::Topic,
            Kind::Index,
            Kind::End,
            Kind::Unknown,
        ] {
            let bytes = forged(&[(kind, len, b"short"), (Kind::Topic, arm.len() as u64, &arm)]);
            let mut reader = open(&bytes).unwrap();
            assert_eq!(read(&mut reader).0.len(), 0);
            assert!(reader.memory() < 1 << 20, "{}", reader.memory());
        }
    }
    // Numbers far away, and bodies that end early or go on.
    let far = topic("far").encode(u32::MAX).unwrap();
    let cut = &arm[..arm.len() - 1];
    let long = [arm.clone(), vec![0]].concat();
    let sample = |topic, publisher| {
        let (sequence, form) = (u64::MAX, Form::Block);
        SampleHead {
            topic,
            publisher,
            sequence,
            form,
        }
        .encode()
    };
    let (undeclared, no_form) = (sample(3, u32::MAX), [0; 24]);
    let records: [(Kind, u64, &[u8]); 8] = [
        (Kind::Topic, far.len() as u64, &far),
        (Kind::Topic, cut.len() as u64, cut),
        (Kind::Topic, long.len() as u64, &long),
        (Kind::Sample, 24, &undeclared),
        (Kind::Sample, 24, &no_form),
        (Kind::Sample, 0, b""),
        (Kind::Publisher, 3, b"abc"),
        (Kind::Unknown, 0, b""),
    ];
    let bytes = forged(&records);
    let mut reader = open(&bytes).unwrap();
    let (samples, damaged) = read(&mut reader);
    assert_eq!((samples.len(), damaged), (0, 3));
    // An index that names itself, and an end that names it.
    for before in [0, 40, 48, 72, u64::MAX] {
        let index = IndexBody {
            before,
            entries: vec![
                IndexEntry {
                    time: 5,
                    offset: u64::MAX,
                    ordinal: 0,
                };
                INDEX_MAX
            ],
            declarations: vec![40, 40, u64::MAX],
        };
        let mut lying = index.encode();
        for count in [1_u32, u32::MAX] {
            lying[8..12].copy_from_slice(&count.to_le_bytes());
            let end = super::format::EndBody {
                samples: u64::MAX,
                index: 40,
                topics: u32::MAX,
                publishers: u32::MAX,
                duration: u64::MAX,
            };
            for index in [&lying, &index.encode()] {
                let bytes = forged(&[
                    (Kind::Index, index.len() as u64, index),
                    (Kind::End, 32, &end.encode()),
                ]);
                let mut reader = open(&bytes).unwrap();
                assert_eq!(read(&mut reader), (vec![], 0));
                reader.seek(Duration::MAX).unwrap();
                assert!(reader.memory() < 1 << 20);
            }
        }
    }
}

#[test]
fn other_files_are_told() {
    let text = |bytes: &[u8]| open(bytes).unwrap_err().to_string();
    assert_eq!(text(b""), "not a recording");
    assert_eq!(text(&[0; 100]), "not a recording");
    let bytes = begin().finish().unwrap();
    let mut other = bytes.clone();
    other[8] = 2;
    assert_eq!(
        text(&other),
        "a recording of version 2.0, this program reads 1"
    );
    other = bytes.clone();
    other[20] ^= 1;
    assert_eq!(text(&other), "the head of the recording is damaged");
    // A later minor version may add kinds of records.
    other = forged(&[(Kind::Unknown, 3, b"new")]);
    let mut reader = open(&other).unwrap();
    assert_eq!(read(&mut reader), (vec![], 0));
    assert_eq!(
        reader.ending(),
        Ending::Cut {
            at: other.len() as u64,
            lost: 0
        }
    );
}

/// Takes so many bytes, and no more.
struct Full(Vec<u8>, usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = (self.1 - self.0.len()).min(bytes.len());
        self.0.extend(&bytes[..room]);
        match room {
            0 => Err(io::ErrorKind::StorageFull.into()),
            room => Ok(room),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// Goal: when the system takes no more, nothing is written behind the gap, and what is there reads up to it.
#[test]
fn a_full_disk_ends_the_recording() {
    for room in [40, 300, 1000, 70_000, 200_000] {
        let mut writer = RecordingWriter::begin(Full(Vec::new(), room), UNIX_EPOCH, SALT).unwrap();
        let topic = writer.declare_topic(&topic("arm")).unwrap();
        let publisher = RecordedPublisher {
            topic,
            node: 1,
            number: 1,
        };
        let publisher = writer.declare_publisher(publisher).unwrap();
        let mut sequence = 0;
        let error = loop {
            sequence += 1;
            let new = NewSample {
                topic,
                publisher,
                sequence,
                time: Duration::ZERO,
                form: Form::Block,
                payload: &[7; 500],
            };
            if let Err(error) = writer.sample(&new).and_then(|()| writer.flush()) {
                break error;
            }
        };
        assert!(matches!(error, WriteError::Io(_)), "{error}");
        assert!(matches!(writer.flush(), Err(WriteError::Broken)));
        let taken = writer.taken().0.clone();
        assert!(matches!(writer.finish(), Err(WriteError::Broken)));
        let mut reader = open(&taken).unwrap();
        assert_eq!(reader.samples(), sequence - 1);
        assert_eq!(read(&mut reader).0.len() as u64, sequence - 1);
    }
}

#[test]
fn what_cannot_be_written_is_told() {
    let (mut writer, written) = record(1, 10);
    let new = NewSample {
        topic: 0,
        publisher: 9,
        sequence: 1,
        time: Duration::ZERO,
        form: Form::Inline,
        payload: &[],
    };
    let error = writer.sample(&new).unwrap_err();
    assert_eq!(
        error.to_string(),
        "publisher 9 of the recording was never declared"
    );
    let error = writer
        .sample(&NewSample {
            publisher: 1,
            ..new
        })
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "topic 0 of the recording was never declared"
    );
    let long = RecordedTopic {
        description: vec![0; (1 << 16) + 1],
        ..topic("arm")
    };
    assert!(matches!(
        writer.declare_topic(&long),
        Err(WriteError::TopicTooLong { .. })
    ));
    // Time does not go back.
    writer
        .sample(&NewSample {
            publisher: 0,
            ..new
        })
        .unwrap();
    let bytes = writer.finish().unwrap();
    let times: Vec<_> = read(&mut open(&bytes).unwrap())
        .0
        .iter()
        .map(|it| it.time)
        .collect();
    assert_eq!(times, [written[0].time, written[0].time]);
}
