//! What is said of a recorder before it is made, and its making.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::SelectAll;

use super::changes::Changes;
use super::stop::StopRecording;
use super::{RecordError, Recorded, Recorder, Source};
use crate::message::Message;
use crate::node::{Node, block_on};
use crate::record::writer::RecordingWriter;
use crate::shared::Shared;
use crate::topics::raw::{TopicKind, meet};
use crate::topics::wire::Behind;
use crate::topics::{Label, Topic, TopicNameError, TopicPattern};

/// Samples of each publisher that may lie untaken, unless told otherwise.
const DEPTH: u32 = 256;

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

    pub(super) async fn open(self) -> Result<Recorder, RecordError> {
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

impl IntoFuture for RecorderBuilder {
    type Output = Result<Recorder, RecordError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

impl fmt::Debug for RecorderBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecorderBuilder")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
