//! Recorders and players: what is published, in whatever form and process, is in the file, and is published from it again.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod helper;
mod support;

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use ringway::prelude::*;
use ringway::record::{
    Ending, Form, NewSample, PlayError, Played, RecordError, RecordedPublisher, RecordingReader,
    RecordingWriter,
};
use ringway::test::{Pair, TestClock};

use helper::{Helper, wait_until};
use support::{Bus, watch};

/// In an entry.
#[derive(Message, Clone, Copy, Pod, Zeroable, Debug, PartialEq)]
#[message(move)]
#[repr(C)]
struct Position {
    x: u64,
    y: u64,
}

/// Behind one.
#[derive(Message, Clone, Copy, Pod, Zeroable, Debug, PartialEq)]
#[message(move)]
#[repr(C)]
struct Table {
    cells: [u64; 40],
}

/// In an entry, behind it, or in a block.
#[derive(Message)]
#[message(copy, header = FrameInfo)]
#[repr(transparent)]
struct Frame([u8]);

#[derive(Schema, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct FrameInfo {
    number: u64,
}

#[derive(Message, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Text {
    number: u64,
    text: String,
}

fn position(x: u64) -> Position {
    Position { x, y: !x }
}

fn frame_len(number: u64) -> usize {
    [0, 10, 100, 500, 3_000, 200_000][usize::try_from(number % 6).unwrap()]
}

/// A place for a recording, which goes with the bus.
fn path(bus: &Bus) -> PathBuf {
    bus.directory().join("recording")
}

fn text(number: u64) -> Text {
    let text = "x".repeat(frame_len(number) / 3);
    Text { number, text }
}

/// The topics of the first test on one node.
struct Topics {
    position: Topic<Position>,
    table: Topic<Table>,
    frame: Topic<Frame>,
    text: Topic<Text>,
}

impl Topics {
    fn of(node: &Node) -> Self {
        Self {
            position: node.topic("robot/position").unwrap(),
            table: node.topic("robot/table").unwrap(),
            frame: node.topic("camera/frame").unwrap(),
            text: node.topic("log/text").unwrap(),
        }
    }

    /// Publishes so many samples of each, in turn.
    fn publish(&self, count: u64) {
        let position_end = self.position.publisher().wait().unwrap();
        let table = self.table.publisher().wait().unwrap();
        let frame = self.frame.publisher().wait().unwrap();
        let texts = self.text.publisher().wait().unwrap();
        for number in 1..=count {
            position_end.publish(position(number)).wait().unwrap();
            let cells = [number; 40];
            table.publish(Table { cells }).wait().unwrap();
            let mut loan = frame.loan(frame_len(number)).unwrap();
            loan.header_mut().number = number;
            loan.fill(number.to_le_bytes()[0]);
            frame.publish(loan).wait().unwrap();
            texts.publish(text(number)).wait().unwrap();
        }
    }
}

/// Subscribes to all four, and checks so many samples of each on a thread.
fn check(node: &Node, count: u64) -> thread::JoinHandle<()> {
    let topics = Topics::of(node);
    let mut positions = topics.position.subscriber().wait().unwrap();
    let mut tables = topics.table.subscriber().wait().unwrap();
    let mut frames = topics.frame.subscriber().wait().unwrap();
    let mut texts = topics.text.subscriber().wait().unwrap();
    thread::spawn(move || {
        for number in 1..=count {
            let sample = positions.blocking().next().unwrap();
            assert_eq!((sample.sequence(), *sample), (number, position(number)));
            let cells = [number; 40];
            assert_eq!(*tables.blocking().next().unwrap(), Table { cells });
            let frame = frames.blocking().next().unwrap();
            assert_eq!(
                (frame.header().number, frame.len()),
                (number, frame_len(number))
            );
            assert!(frame.iter().all(|it| *it == number.to_le_bytes()[0]));
            assert_eq!(*texts.blocking().next().unwrap(), text(number));
        }
        assert!(positions.try_next().is_none());
    })
}

// Goal: samples in every form, of publishers here and on another node, known by their types or by names alone, are recorded whole, and
// reach subscribers here and on another node when they are played.
#[test]
fn what_was_published_is_played() {
    const COUNT: u64 = 120;
    let _dog = watch();
    for (round, (publishes, records)) in [(0, 0), (0, 1), (1, 0)].into_iter().enumerate() {
        let bus = Bus::new("recording-forms");
        let nodes = [bus.attach("one"), bus.attach("other")];
        let recorder = nodes[records].record(path(&bus));
        let recorder = match round {
            // The publishers come later; by name alone, from when they have been noticed.
            0 => {
                let topics = Topics::of(&nodes[records]);
                let recorder = recorder.topic(&topics.position).topic(&topics.table);
                recorder.topic(&topics.frame).topic(&topics.text)
            }
            _ => recorder
                .named("robot/*")
                .named("camera/frame")
                .named("log/**"),
        };
        let topics = Topics::of(&nodes[publishes]);
        let before = match round {
            0 => None,
            // So that there is something of that name.
            _ => Some((
                topics.position.publisher().wait().unwrap(),
                topics.table.publisher().wait().unwrap(),
                topics.frame.publisher().wait().unwrap(),
                topics.text.publisher().wait().unwrap(),
            )),
        };
        let recorder = recorder.wait().unwrap();
        let mut names = recorder.topics();
        names.sort_unstable();
        assert_eq!(
            names,
            ["camera/frame", "log/text", "robot/position", "robot/table"]
        );
        let stop = recorder.stop_handle();
        let writes = thread::spawn(|| recorder.wait().unwrap());
        topics.publish(COUNT);
        stop.stop();
        let recorded = writes.join().unwrap();
        assert_eq!((recorded.samples, recorded.missed), (4 * COUNT, 0));
        drop(before);

        let mut reader = RecordingReader::open(path(&bus)).unwrap();
        assert_eq!(
            (reader.samples(), reader.ending()),
            (4 * COUNT, Ending::Whole)
        );
        let mut forms = [0; 3];
        while let Some(sample) = reader.next_sample().unwrap() {
            forms[[Form::Inline, Form::Behind, Form::Block]
                .iter()
                .position(|it| *it == sample.form)
                .unwrap()] += 1;
        }
        assert!(forms.iter().all(|count| *count >= COUNT), "{forms:?}");

        let checks = nodes.each_ref().map(|node| check(node, COUNT));
        let player = nodes[round % 2].play(path(&bus)).unwrap();
        let played = player.as_fast_as_possible().wait().unwrap();
        assert_eq!((played.samples, played.damaged), (4 * COUNT, 0));
        checks.into_iter().for_each(|it| it.join().unwrap());
    }
}

/// Records positions at these seconds, by a clock that is set.
fn record_at(pair: &Pair, clock: &TestClock, seconds: &[u64]) -> PathBuf {
    let path = pair.bus().directory().join("recording");
    let topic = pair.near.topic::<Position>("robot/position").unwrap();
    let publisher = topic.publisher().wait().unwrap();
    let recorder = pair.far.record(&path).named("robot/**").wait().unwrap();
    let stop = recorder.stop_handle();
    let writes = thread::spawn(|| recorder.wait().unwrap());
    let mut reader;
    for (count, at) in (1..).zip(seconds) {
        clock.advance(secs(*at) - clock.elapsed()).wait();
        publisher.publish(position(*at)).wait().unwrap();
        // Its time is that at which it is written.
        loop {
            reader = RecordingReader::open(&path).unwrap();
            if reader.samples() == count {
                break;
            }
        }
    }
    stop.stop();
    writes.join().unwrap();
    path
}

// Goal: samples come at their times, at so many times the speed, or from the middle on. Method: a clock that the test sets; what is
// due comes, and nothing before.
#[test]
fn samples_come_at_their_times() {
    let _dog = watch();
    let clock = TestClock::new();
    let pair = Pair::with(|config| config.clock(&clock)).unwrap();
    let path = record_at(&pair, &clock, &[0, 3, 10, 11]);
    let topic = pair.far.topic::<Position>("robot/position").unwrap();
    let mut positions = topic.subscriber().wait().unwrap();
    let mut play = |factor: f64, from: u64, expected: &[(u64, u64)]| {
        let player = pair.near.play(&path).unwrap();
        let player = player.speed(factor).from(secs(from));
        let began = clock.elapsed();
        thread::scope(|scope| {
            let plays = scope.spawn(|| player.wait().unwrap());
            wait_until(|| !positions.publishers().is_empty());
            for (at, x) in expected {
                // It has begun to wait by the time at which the clock is set.
                let came = loop {
                    if let Some(sample) = positions.try_next() {
                        break sample;
                    }
                    let ahead = began + Duration::from_millis(*at) - clock.elapsed();
                    clock.advance(ahead.min(ms(100))).wait();
                };
                assert_eq!(came.x, *x);
                let after = clock.elapsed() - began;
                assert!(
                    after >= Duration::from_millis(*at),
                    "{x} came after {after:?}"
                );
            }
            let played = plays.join().unwrap();
            assert_eq!(played.samples, expected.len() as u64);
        });
    };
    play(1.0, 0, &[(0, 0), (3000, 3), (10_000, 10), (11_000, 11)]);
    play(2.0, 0, &[(0, 0), (1500, 3), (5000, 10), (5500, 11)]);
    play(0.5, 3, &[(0, 3), (14_000, 10), (16_000, 11)]);
    play(1000.0, 11, &[(0, 11)]);
}

// Goal: a recorder that is killed leaves what it had written, in order and whole, up to its last whole record. Method: killed in the
// middle of samples that it is waited for, some of which it has taken and not written; what it had handed over before is all there.
#[test]
fn a_killed_recorder_leaves_a_recording() {
    let _dog = watch();
    for round in 0..12_u64 {
        let bus = Bus::new("recording-killed");
        let path = path(&bus);
        let node = bus.attach("survivor");
        let topic = node.topic::<Frame>("camera/frame").unwrap();
        let publisher = topic.publisher().wait().unwrap();
        let len = [20, 300, 5_000, 100_000][usize::try_from(round % 4).unwrap()];
        let publish = |number: u64| {
            let mut loan = publisher.loan(len).unwrap();
            loan.header_mut().number = number;
            loan.fill(number.to_le_bytes()[0]);
            publisher.publish(loan).wait().unwrap();
        };
        let words = ["record", path.to_str().unwrap(), "camera/*"];
        let mut helper = Helper::start(&bus, &words);
        assert_eq!(helper.read_line(), r#"records ["camera/frame"]"#);
        (1..=50).for_each(publish);
        // All that came before it had nothing to do is there, though it goes on.
        wait_until(|| RecordingReader::open(&path).is_ok_and(|it| it.samples() == 50));
        (51..100 + round * 37).for_each(publish);
        helper.kill();
        let mut reader = RecordingReader::open(&path).unwrap();
        assert!(matches!(reader.ending(), Ending::Cut { .. }));
        let mut number = 0;
        while let Some(sample) = reader.next_sample().unwrap() {
            number += 1;
            assert_eq!(sample.sequence, number);
            // Behind its header.
            let body = sample.payload.last_chunk::<20>().unwrap();
            assert_eq!(*body, [number.to_le_bytes()[0]; 20]);
            let items = sample.payload.iter().rev().take(len);
            assert!(items.eq(std::iter::repeat_n(&body[0], len)));
        }
        assert!(number >= 50 && number == reader.samples());
        // And is played.
        let mut frames = topic.subscriber().depth(1).wait().unwrap();
        let player = node.play(&path).unwrap().as_fast_as_possible();
        let plays = thread::spawn(|| player.wait().unwrap());
        for expected in 1..=number {
            assert_eq!(frames.blocking().next().unwrap().header().number, expected);
        }
        assert_eq!(plays.join().unwrap().samples, number);
    }
}

// Goal: topics that come while names are recorded are recorded too, those that do not match are not; a part of them is played.
#[test]
fn topics_that_come_are_recorded() {
    let _dog = watch();
    let bus = Bus::new("recording-later");
    let (home, other) = (bus.attach("home"), bus.attach("other"));
    let recorder = home.record(path(&bus)).named("robot/*").wait().unwrap();
    assert!(recorder.topics().is_empty());
    let stop = recorder.stop_handle();
    let writes = thread::spawn(|| recorder.wait().unwrap());
    let publishers: Vec<_> = ["robot/1", "robot/2", "robot/arm/1", "camera"]
        .iter()
        .zip([&home, &other, &home, &other])
        .map(|(name, node)| {
            let topic = node.topic::<Position>(name).unwrap();
            topic.publisher().history(1).wait().unwrap()
        })
        .collect();
    for publisher in &publishers {
        publisher.publish(position(1)).wait().unwrap();
    }
    for publisher in &publishers[..2] {
        block_on(publisher.wait_for_subscribers(1));
        publisher.publish(position(2)).wait().unwrap();
    }
    stop.stop();
    let recorded = writes.join().unwrap();
    assert_eq!((recorded.samples, recorded.missed), (4, 0));
    drop(publishers);
    let mut ones = home
        .topic::<Position>("robot/1")
        .unwrap()
        .subscriber()
        .wait()
        .unwrap();
    let player = other.play(path(&bus)).unwrap().only("robot/1");
    let played = player.as_fast_as_possible().wait().unwrap();
    assert_eq!(played.samples, 2);
    assert_eq!(ones.blocking().next().unwrap().x, 1);
    assert_eq!(ones.blocking().next().unwrap().x, 2);
}

// Goal: what cannot be recorded or played is told; nothing of it is taken for something else.
#[test]
fn what_does_not_fit_is_told() {
    let _dog = watch();
    let bus = Bus::new("recording-fit");
    let node = bus.attach("node");
    let topic = node.topic::<Position>("robot/position").unwrap();
    let recorder = node.record(path(&bus)).topic(&topic).wait().unwrap();
    let stop = recorder.stop_handle();
    topic
        .publisher()
        .wait()
        .unwrap()
        .publish(position(1))
        .wait()
        .unwrap();
    stop.stop();
    assert_eq!(recorder.wait().unwrap().samples, 1);
    let again = node.record(path(&bus)).topic(&topic).wait();
    assert!(
        matches!(again, Err(RecordError::Write(_))),
        "the file is there"
    );
    let bad = node
        .record(bus.directory().join("bad"))
        .named("a//b")
        .wait();
    assert!(matches!(bad, Err(RecordError::Name(_))));

    let other = node.topic::<Table>("robot/position").unwrap();
    let _other = other.subscriber().wait().unwrap();
    let error = node.play(path(&bus)).unwrap().wait().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("topic \"robot/position\" was recorded of \"recording::Position\""),
        "{error}"
    );

    // A description that is none; and samples that are no values: subscribers miss them, and go on.
    let source = RecordingReader::open(path(&bus)).unwrap();
    let good = source.topic(0).unwrap().clone();
    for (description, type_id) in [(vec![1, 2, 3], good.type_id), (good.description.clone(), 5)] {
        let forged = bus.directory().join(format!("forged-{type_id}"));
        let mut writer = RecordingWriter::create(&forged).unwrap();
        let mut topic = good.clone();
        (topic.description, topic.type_id) = (description, type_id);
        topic.name = "elsewhere".to_owned();
        writer.declare_topic(&topic).unwrap();
        writer.finish().unwrap();
        let error = node.play(&forged).unwrap().wait().unwrap_err();
        assert!(matches!(error, PlayError::UnknownMessage { .. }), "{error}");
    }
    let forged = bus.directory().join("forged");
    let mut writer = RecordingWriter::create(&forged).unwrap();
    let mut elsewhere = good;
    elsewhere.name = "elsewhere".to_owned();
    let topic = writer.declare_topic(&elsewhere).unwrap();
    let (node_id, number) = (1, 1);
    let publisher = RecordedPublisher {
        topic,
        node: node_id,
        number,
    };
    let publisher = writer.declare_publisher(publisher).unwrap();
    let right = [7; 16];
    let payloads = [&right[..7], &[1; 100], &[], &[0; 5000], &right[..]];
    for (sequence, payload) in (1..).zip(payloads) {
        for form in [Form::Inline, Form::Behind, Form::Block] {
            writer
                .sample(&NewSample {
                    topic,
                    publisher,
                    sequence,
                    time: Duration::ZERO,
                    form,
                    payload,
                })
                .unwrap();
        }
    }
    writer.finish().unwrap();
    let far = bus.attach("far");
    let subscribe = |node: &Node| {
        let topic = node.topic::<Position>("elsewhere").unwrap();
        topic.subscriber().wait().unwrap()
    };
    let subscribers = [subscribe(&node), subscribe(&far)];
    let player = node.play(&forged).unwrap().as_fast_as_possible();
    let Played { samples, .. } = player.wait().unwrap();
    assert_eq!(samples, 15);
    for mut subscriber in subscribers {
        // What is right is read, in whatever form it lies; the rest is counted as missed.
        let sample = subscriber.blocking().next().unwrap();
        assert_eq!((sample.sequence(), sample.missed_before()), (13, 12));
        assert_eq!(sample.x, 0x0707_0707_0707_0707);
    }
}
