//! Recordings: the samples of topics in a file, and published from it again.
//!
//! [`Node::record`](crate::Node::record) makes a [`Recorder`] of topics, by their handles or by names alone, whatever their messages
//! are; [`Node::play`](crate::Node::play) publishes a recording, with its timing, faster, slower, or as fast as possible. What stands in one
//! is bytes, and what they are bytes of; a reader without the message's type can pass them on, and one with it reads them as values.
//!
//! The format is that of `docs/recording.md` in the repository. [`RecordingWriter`] and [`RecordingReader`] need no bus: with them a
//! program makes recordings of other things, looks into one, or makes another of it.
//!
//! ```
//! use std::time::Duration;
//! use ringway::record::{Form, NewSample, RecordedPublisher, RecordedTopic, RecordingReader, RecordingWriter};
//!
//! # let path = std::env::temp_dir().join(format!("ringway-doc-record-{}", std::process::id()));
//! let mut writer = RecordingWriter::create(&path)?;
//! let topic = writer.declare_topic(&RecordedTopic {
//!     name: "robot/arm/position".into(),
//!     message: "Position".into(),
//!     type_id: 7,
//!     schema: 8,
//!     semantics: 1,
//!     pieces: 0,
//!     description: Vec::new(),
//! })?;
//! let publisher = writer.declare_publisher(RecordedPublisher { topic, node: 1, number: 1 })?;
//! writer.sample(&NewSample {
//!     topic,
//!     publisher,
//!     sequence: 1,
//!     time: Duration::from_millis(20),
//!     form: Form::Inline,
//!     payload: b"here",
//! })?;
//! writer.finish()?;
//!
//! let mut reader = RecordingReader::open(&path)?;
//! let sample = reader.next_sample()?.ok_or("no sample")?;
//! assert_eq!((sample.sequence, sample.payload), (1, b"here".as_slice()));
//! # std::fs::remove_file(path)?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod format;
mod index;
mod player;
mod reader;
mod recorder;
#[cfg(test)]
mod tests;
mod writer;

pub use self::format::{Form, RecordedPublisher, RecordedTopic, SAMPLE_MAX};
pub use self::player::{PlayError, Played, Player};
pub use self::reader::{Ending, ReadError, RecordedSample, RecordingReader};
pub use self::recorder::{RecordError, Recorded, Recorder, RecorderBuilder, StopRecording};
pub use self::writer::{NewSample, RecordingWriter, WriteError};
