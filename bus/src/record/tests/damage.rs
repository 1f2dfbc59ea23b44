//! Goal: damage costs the records that it is in, and nothing that was not written for this recording is read in their place.

use super::*;
use crate::record::format::{FILE_HEAD, FileHead, HEAD_LEN};

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
