//! Records topics into a file: as bytes, whatever their messages are.

mod changes;
mod stop;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::future::{Future, IntoFuture, poll_fn};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::{SelectAll, Stream};

use self::changes::Changes;
pub use self::stop::StopRecording;
use super::format::{Form, RecordedPublisher, RecordedTopic};
use super::writer::{NewSample, RecordingWriter, WriteError};
use crate::clock::Nanos;
use crate::message::Message;
use crate::node::{Node, block_on};
use crate::shared::Shared;
use crate::topics::raw::{Lies, RawSample, RawSubscriber, ShownPublisher, TopicKind, meet};
use crate::topics::wire::Behind;
use crate::topics::{Label, Topic, TopicEndId, TopicError, TopicNameError, TopicPattern};

/// Samples of each publisher that may lie untaken, unless told otherwise.
const DEPTH: u32 = 256;
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

/// A recorder about to be made; from [`Node::record`](crate::Node::record).
///
/// # Cancel safety
///
/// Dropping it leaves at most a recording without samples.
#[must_use = "nothing is recorded until it is awaited, and what that makes is"]
pub struct RecorderBuilder {
    shared: Arc<Shared>,
    path: PathBuf,
    typed: Vec<(Label, Arc<TopicKind>)>,
    patterns: Result<Vec<TopicPattern>, TopicNameError>,
    depth: u32,
    behind: Behind,
}

impl Node {
    /// Makes a recorder of topics, which writes what is published there to a file, which must not exist:
    /// `node.record("drive.rwrec").topic(&positions).named("camera/**").await?`.
    ///
    /// ```
    /// # use ringway::prelude::*;
    /// # let directory = std::env::temp_dir().join(format!("ringway-doc-recorder-{}", std::process::id()));
    /// # let node = Node::attach(NodeConfig::on("demo").directory(&directory))?;
    /// # let path = directory.join("drive.rwrec");
    /// # block_on(async {
    /// let prices = node.topic::<f64>("prices/tea")?;
    /// let publisher = prices.publisher().await?;
    /// let recorder = node.record(&path).named("prices/*").await?;
    /// let stop = recorder.stop_handle();
    /// publisher.publish(2.5).await?;
    /// stop.stop(); // what has come by now is written
    /// assert_eq!(recorder.await?.samples, 1);
    ///
    /// let mut subscriber = prices.subscriber().await?;
    /// node.play(&path)?.as_fast_as_possible().await?;
    /// assert_eq!(subscriber.next().await.map(|it| *it), Some(2.5));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # })?;
    /// # node.detach();
    /// # std::fs::remove_dir_all(directory)?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn record(&self, path: impl AsRef<Path>) -> RecorderBuilder {
        RecorderBuilder {
            shared: Arc::clone(self.shared()),
            path: path.as_ref().to_owned(),
            typed: Vec::new(),
            patterns: Ok(Vec::new()),
            depth: DEPTH,
            behind: Behind::Wait,
        }
    }
}

impl RecorderBuilder {
    /// Records a topic, from its publishers' next samples on; those of publishers that come later from their first.
    pub fn topic<M: Message + ?Sized>(mut self, topic: &Topic<M>) -> Self {
        self.typed.push((topic.label().clone(), topic.kind()));
        self
    }

    /// Records the topics whose names match, whatever their messages are: those that have publishers, and others from when they have
    /// and it has been noticed. `name` is a name, or a [`TopicPattern`].
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.patterns = self.patterns.and_then(|mut patterns| {
            patterns.push(TopicPattern::new(name)?);
            Ok(patterns)
        });
        self
    }

    /// Has room for so many samples of each publisher that were not written yet; the default is 256.
    pub fn depth(mut self, samples: u32) -> Self {
        self.depth = samples.max(1);
        self
    }

    /// Misses the oldest samples when it falls behind. Without this publishers wait for it, as they have been told to.
    pub fn drop_oldest(mut self) -> Self {
        self.behind = Behind::DropOldest;
        self
    }

    /// Blocks the calling thread until the recorder is there.
    ///
    /// # Errors
    ///
    /// See [`RecordError`].
    ///
    /// # Panics
    ///
    /// In a handler of this node, or in a future that the node drives.
    pub fn wait(self) -> Result<Recorder, RecordError> {
        let shared = Arc::clone(&self.shared);
        block_on(Some(shared), self.into_future())
    }

    async fn open(self) -> Result<Recorder, RecordError> {
        let Self {
            shared,
            path,
            typed,
            patterns,
            depth,
            behind,
        } = self;
        let patterns = patterns?;
        let any = typed.first().map(|(label, _)| label.clone());
        let mut recorder = Recorder {
            began: shared.clock.now(),
            writer: RecordingWriter::create(path)?,
            sources: SelectAll::new(),
            patterns,
            depth,
            behind,
            topics: 0,
            known: HashSet::new(),
            publishers: HashMap::new(),
            stop: StopRecording::default(),
            done: Recorded::default(),
            shared,
        };
        for (label, kind) in typed {
            recorder.subscribe(&label, &kind)?;
        }
        let shared = Arc::clone(&recorder.shared);
        if !recorder.patterns.is_empty() {
            let changes = Changes::new(&shared);
            recorder.sources.push(Source::Changes(changes));
        }
        let mut result = Ok(());
        let look = || match recorder.look() {
            Ok(seen) => seen,
            Err(error) => {
                result = Err(error);
                (Vec::new(), true)
            }
        };
        meet(&shared, any.as_ref(), look).await?;
        result?;
        if let Some((_, error)) = recorder.done.unrecorded.pop() {
            return Err(error.into());
        }
        recorder.writer.flush()?;
        Ok(recorder)
    }
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

    /// Subscribes to what matches; those who are yet to answer, and whether all cards were read.
    fn look(&mut self) -> Result<(Vec<TopicEndId>, bool), RecordError> {
        let shared = Arc::clone(&self.shared);
        let (mut missing, mut is_whole) = (Vec::new(), true);
        if !self.patterns.is_empty() {
            let patterns = &self.patterns;
            let wanted = |topic: &str| patterns.iter().any(|it| it.matches(topic));
            let (found, whole) = shared.publishers_of_any(wanted);
            is_whole = whole;
            for publisher in found {
                if !self.known.contains(publisher.label.text()) {
                    missing.extend(self.subscribe_to(&shared, &publisher)?);
                }
            }
        }
        for source in self.sources.iter() {
            if let Source::Topic(subscriber) = source {
                let (unanswered, whole) = subscriber.unanswered();
                missing.extend(unanswered);
                is_whole &= whole;
            }
        }
        Ok((missing, is_whole))
    }

    /// Subscribes to the topic of a publisher; the publisher if it has not told what it publishes.
    fn subscribe_to(
        &mut self,
        shared: &Arc<Shared>,
        publisher: &ShownPublisher,
    ) -> Result<Option<TopicEndId>, RecordError> {
        let Some(kind) = shared.kind_of(publisher) else {
            return Ok(Some(publisher.id));
        };
        let label = &publisher.label;
        match self.subscribe(label, &kind) {
            Err(RecordError::Topic(error)) => {
                let topic = label.topic().to_owned();
                self.done.unrecorded.push((topic, error));
                Ok(None)
            }
            subscribed => subscribed.map(|()| None),
        }
    }

    fn subscribe(&mut self, label: &Label, kind: &Arc<TopicKind>) -> Result<(), RecordError> {
        if !self.known.insert(label.text().into()) {
            return Ok(());
        }
        let (depth, behind) = (self.depth, self.behind);
        let topic = self.topics;
        let source = RawSubscriber::open(&self.shared, label, kind, depth, behind, topic)?;
        let description = &kind.description;
        self.topics = 1 + self.writer.declare_topic(&RecordedTopic {
            name: label.topic().to_owned(),
            message: description.name().to_owned(),
            type_id: description.type_id(),
            schema: description.hash(),
            semantics: description.semantics(),
            pieces: kind.format.pieces(),
            description: description.encode(),
        })?;
        self.sources.push(Source::Topic(source));
        Ok(())
    }
}

/// Lets others have their turn on this thread.
pub(super) async fn yield_once() {
    let mut has_yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl IntoFuture for RecorderBuilder {
    type Output = Result<Recorder, RecordError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
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

impl fmt::Debug for RecorderBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecorderBuilder")
            .field("path", &self.path)
            .finish_non_exhaustive()
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
