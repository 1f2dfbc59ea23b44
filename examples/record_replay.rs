//! A recording: a robot in another process publishes where its arm is and what it logs; this one records both without knowing their
//! types, and plays the recording to somebody who does, ten times as fast. A copy that was cut off in the middle plays as well.
//!
//! ```sh
//! cargo run --example record_replay
//! cargo run --example record_replay -- robot.rwrec    # keeps the recording
//! ```
#![forbid(unsafe_code)]

mod own_bus;

use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, fs, thread};

use ringway::prelude::*;
use ringway::record::{Ending, RecordingReader};

use own_bus::OwnBus;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Positions of one run, a few milliseconds apart.
const COUNT: u64 = 120;
const PAUSE_MS: u64 = 5;

#[derive(Message, Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Position {
    number: u64,
    x: f64,
    y: f64,
}

#[derive(Message, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Line {
    number: u64,
    text: String,
}

/// Where the arm is at its `number`th step: on a circle.
#[expect(clippy::cast_precision_loss, reason = "a small number")]
fn position(number: u64) -> Position {
    let (y, x) = (number as f64 / 20.0).sin_cos();
    Position { number, x, y }
}

fn line(number: u64) -> Line {
    let text = format!("step {number} was reached");
    Line { number, text }
}

fn main() -> Result<()> {
    match env::args().nth(1).as_deref() {
        Some("robot") => robot(),
        kept => record_and_replay(kept.map(PathBuf::from)),
    }
}

/// The other process. It begins when it is recorded.
fn robot() -> Result<()> {
    let node = Node::attach("demo")?;
    let positions = node.topic::<Position>("robot/arm/position")?;
    let lines = node.topic::<Line>("robot/log")?;
    block_on(async {
        let (arm, log) = (positions.publisher().await?, lines.publisher().await?);
        arm.wait_for_subscribers(1).await;
        log.wait_for_subscribers(1).await;
        for number in 1..=COUNT {
            arm.publish(position(number)).await?;
            if number % 10 == 0 {
                log.publish(line(number)).await?;
            }
            thread::park_timeout(ms(PAUSE_MS));
        }
        Ok(())
    })
}

fn record_and_replay(kept: Option<PathBuf>) -> Result<()> {
    let bus = OwnBus::new("record_replay");
    let node = Node::attach(bus.config())?;
    let directory = env::temp_dir();
    let temporary = directory.join(format!("ringway-robot-{}.rwrec", std::process::id()));
    let path = kept.clone().unwrap_or(temporary);

    // By names alone: this could be another program, which has neither type.
    let recorder = node.record(&path).named("robot/**").wait()?;
    let stop = recorder.stop_handle();
    let writes = thread::spawn(|| recorder.wait());
    let status = bus.start("robot")?.wait()?;
    assert!(status.success(), "the robot: {status}");
    stop.stop(); // what was published by now is written
    let recorded = writes.join().map_err(|_| "the recorder panicked")??;
    assert_eq!((recorded.samples, recorded.missed), (COUNT + COUNT / 10, 0));

    let reader = RecordingReader::open(&path)?;
    println!(
        "{} samples in {} bytes, over {:?}:",
        reader.samples(),
        recorded.bytes,
        reader.duration()
    );
    for (_, topic) in reader.topics() {
        println!("  {} of {}", topic.name, topic.message);
    }
    let took = reader.duration();
    assert!(took >= ms(PAUSE_MS), "{took:?}");

    // To somebody who knows the types.
    let began = Instant::now();
    assert_eq!(replay(&node, &path, Some(10.0))?, COUNT);
    println!("played in {:?}, ten times as fast", began.elapsed());
    assert!(began.elapsed() >= took / 10);

    // As after a SIGKILL of the recorder, or a full disk.
    let cut = path.with_extension("cut");
    let bytes = fs::read(&path)?;
    fs::write(&cut, &bytes[..bytes.len() / 2])?;
    let half = RecordingReader::open(&cut)?;
    let Ending::Cut { at, lost } = half.ending() else {
        return Err("half a recording is not whole".into());
    };
    println!(
        "cut off, {} samples are whole, up to byte {at}; {lost} bytes are not",
        half.samples()
    );
    let played = replay(&node, &cut, None)?;
    assert!(played > 0 && played < COUNT);
    assert!(played <= half.samples());

    fs::remove_file(&cut)?;
    match kept {
        Some(path) => println!("kept in {}", path.display()),
        None => fs::remove_file(&path)?,
    }
    node.detach();
    Ok(())
}

/// Plays a recording; returns how many positions came, all of which are as they were, in their order.
fn replay(node: &Node, path: &Path, speed: Option<f64>) -> Result<u64> {
    let mut positions = node
        .topic::<Position>("robot/arm/position")?
        .subscriber()
        .wait()?;
    let mut lines = node.topic::<Line>("robot/log")?.subscriber().wait()?;
    let player = node.play(path)?;
    let player = match speed {
        Some(factor) => player.speed(factor),
        None => player.as_fast_as_possible(),
    };
    let plays = thread::spawn(|| player.wait());
    let mut count = 0;
    // The player waits for its subscribers: it is at its end when they have taken nearly all.
    while !plays.is_finished() {
        while let Some(sample) = positions.try_next() {
            count += 1;
            assert_eq!(*sample, position(count));
            let next = lines.try_next();
            assert!(next.is_none_or(|it| *it == line(it.number)));
        }
        thread::yield_now();
    }
    let played = plays.join().map_err(|_| "the player panicked")??;
    while let Some(sample) = positions.try_next() {
        count += 1;
        assert_eq!(*sample, position(count));
    }
    assert!(count <= played.samples);
    Ok(count)
}
