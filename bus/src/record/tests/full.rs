//! Goal: what cannot be written is told, and what is there reads up to it.

use std::io::{self, Write};

use super::*;

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
