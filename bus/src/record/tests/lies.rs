//! Goal: no number is believed, though its checksum is right.

use super::*;
use crate::record::format::{
    EndBody, FileHead, Head, INDEX_MAX, IndexBody, IndexEntry, Kind, SampleHead,
};

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
            let end = EndBody {
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
