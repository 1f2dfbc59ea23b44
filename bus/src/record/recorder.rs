//! Records topics into a file: as bytes, whatever their messages are.

mod builder;
mod changes;
mod look;
mod stop;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::{SelectAll, Stream};

pub use self::builder::RecorderBuilder;
use self::changes::Changes;
pub use self::stop::StopRecording;
use super::format::{Form, RecordedPublisher};
use super::writer::{NewSample, RecordingWriter, WriteError};
use crate::actor::run::yield_once;
use crate::clock::Nanos;
use crate::node::block_on;
use crate::shared::Shared;
use crate::topics::raw::{Lies, RawSample, RawSubscriber, meet};
use crate::topics::wire::Behind;
use crate::topics::{TopicEndId, TopicError, TopicNameError, TopicPattern};

/// Samples that are written before others have their turn on the thread.
const BURST: u32 = 256;

/// Samples of a topic that are written after the recorder was stopped, at most: its publishers may go on.
const REST_MAX: u32 = 1 << 16;

/// A recording cannot be made, or not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The file cannot be created or written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A topic cannot be subscribed to.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// A name, or a pattern, cannot be one.
    #[error(transparent)]
    Name(#[from] TopicNameError),
}

/// What a recorder has done.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Recorded {
    /// Samples that were written.
    pub samples: u64,
    /// Samples that were published and not written: missed, or longer than a recording takes.
    pub missed: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Topics that matched a pattern and could not be subscribed to.
    pub unrecorded: Vec<(String, TopicError)>,
}

/// Writes what is published to a file, once it is awaited, or [waited](Self::wait) for: until it is [stopped](Self::stop_handle), or
/// its node leaves.
///
/// It writes on the thread that polls it, which waits for the disk: give it one of its own, unless nothing else is done there.
/// Whenever nothing more has come, all that was written is handed to the system: so a process that is killed loses what came
/// in its last moments, and the recording reads up to its last whole record.
#[must_use = "nothing is recorded until it is awaited"]
pub struct Recorder {
    shared: Arc<Shared>,
    began: Nanos,
    writer: RecordingWriter<File>,
    sources: SelectAll<Source>,
    patterns: Vec<TopicPattern>,
    depth: u32,
    behind: Behind,
    /// Declared so far.
    topics: u32,
    /// Labels that are recorded, or could not be.
    known: HashSet<Box<str>>,
    /// The recording's numbers of publishers.
    publishers: HashMap<TopicEndId, u32>,
    stop: StopRecording,
    done: Recorded,
}

/// What a recorder waits for.
enum Source {
    Topic(RawSubscriber<u32>),
    Changes(Changes),
}

#[expect(clippy::large_enum_variant, reason = "one at a time, and never stored")]
enum Item {
    Sample(u32, RawSample),
    Changed,
}

impl Stream for Source {
    type Item = Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        match self.get_mut() {
            Self::Topic(subscriber) => Pin::new(subscriber)
                .poll_next(cx)
                .map(|it| it.map(|(topic, sample)| Item::Sample(topic, sample))),
            Self::Changes(changes) => changes.poll(cx).map(|it| it.map(|()| Item::Changed)),
        }
    }
}

/// What a turn of the recorder has come to.
enum Turn {
    /// Others are to have theirs.
    More,
    Over,
}

impl Recorder {
    /// What stops it, from any thread.
    pub fn stop_handle(&self) -> StopRecording {
        self.stop.clone()
    }

    /// The names of the topics that it records.
    pub fn topics(&self) -> Vec<String> {
        let sources = self.sources.iter();
        let names = sources.filter_map(|it| match it {
            Source::Topic(subscriber) => Some(subscriber.topic().to_owned()),
            Source::Changes(_) => None,
        });
        names.collect()
    }

    /// Records, and blocks the calling thread until it is stopped.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    ///
    /// # Panics
    ///
    /// In a handler of this node, or in a future that the node drives.
    pub fn wait(self) -> Result<Recorded, RecordError> {
        let shared = Arc::clone(&self.shared);
        block_on(Some(shared), self.into_future())
    }

    async fn run(mut self) -> Result<Recorded, RecordError> {
        let (mut key, stop) = (stop::Waits::new(&self.stop), self.stop.clone());
        loop {
            let turn = poll_fn(|cx| {
                key.register(cx);
                match stop.is_stopped() {
                    true => Poll::Ready(Ok(Turn::Over)),
                    false => self.turn(cx),
                }
            });
            match turn.await? {
                Turn::More => yield_once().await,
                Turn::Over => break,
            }
        }
        // A publisher that has let this recorder in may have published before its answer is heard here.
        let shared = Arc::clone(&self.shared);
        let _late = meet(&shared, None, || self.unanswered()).await;
        self.write_rest()?;
        let mut done = self.done;
        done.samples = self.writer.samples();
        let file = self.writer.finish()?;
        done.bytes = file.metadata().map_or(0, |it| it.len());
        Ok(done)
    }

    /// Writes what has come.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<Turn, RecordError>> {
        for _ in 0..BURST {
            match Pin::new(&mut self.sources).poll_next(cx) {
                Poll::Ready(Some(Item::Sample(topic, sample))) => self.write(topic, &sample)?,
                Poll::Ready(Some(Item::Changed)) => drop(self.look()?),
                Poll::Ready(None) => return Poll::Ready(Ok(Turn::Over)),
                Poll::Pending => {
                    self.writer.flush()?;
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(Turn::More))
    }

    /// Writes what has been published by now, whether its coming was told or not.
    fn write_rest(&mut self) -> Result<(), RecordError> {
        let mut sources = std::mem::take(&mut self.sources);
        for source in sources.iter_mut() {
            let Source::Topic(subscriber) = source else {
                continue;
            };
            for _ in 0..REST_MAX {
                let Some((topic, sample)) = subscriber.try_next() else {
                    break;
                };
                self.write(topic, &sample)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, topic: u32, sample: &RawSample) -> Result<(), RecordError> {
        self.done.missed += sample.missed;
        let publisher = match self.publishers.get(&sample.from) {
            Some(publisher) => *publisher,
            None => {
                let declared = self.writer.declare_publisher(RecordedPublisher {
                    topic,
                    node: sample.from.node().to_bits(),
                    number: sample.from.number().to_bits(),
                });
                let Some(publisher) = self.skip_if_too_much(declared)? else {
                    return Ok(());
                };
                self.publishers.insert(sample.from, publisher);
                publisher
            }
        };
        let form = match sample.lies {
            Lies::Inline => Form::Inline,
            Lies::Behind => Form::Behind,
            Lies::InBlock => Form::Block,
        };
        let written = self.writer.sample(&NewSample {
            topic,
            publisher,
            sequence: sample.sequence,
            time: self.shared.clock.now().since(self.began),
            form,
            payload: sample.bytes(),
        });
        self.skip_if_too_much(written)?;
        Ok(())
    }

    /// What is more than a recording takes was missed; the rest goes on.
    fn skip_if_too_much<T>(
        &mut self,
        written: Result<T, WriteError>,
    ) -> Result<Option<T>, RecordError> {
        match written {
            Ok(written) => Ok(Some(written)),
            Err(WriteError::SampleTooLong { .. } | WriteError::TooMany { .. }) => {
                self.done.missed += 1;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// # Cancel safety
///
/// Dropping the future ends the recording where it is, without an end.
impl IntoFuture for Recorder {
    type Output = Result<Recorded, RecordError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("topics", &self.topics())
            .field("writer", &self.writer)
            .finish_non_exhaustive()
    }
}
