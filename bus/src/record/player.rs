//! Publishes what was recorded: in its order, with its timing or another.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::future::{Future, IntoFuture};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::format::{Form, RecordedTopic};
use super::reader::{ReadError, RecordingReader};
use crate::actor::run::yield_once;
use crate::clock::Nanos;
use crate::message::Description;
use crate::node::lookup::Deadline;
use crate::node::{Node, block_on};
use crate::shared::Shared;
use crate::token::TokenizeCause;
use crate::topics::raw::{Lies, RawPublisher, TopicKind, Unplayed};
use crate::topics::{Label, TopicError, TopicNameError, TopicPattern};

/// Samples that are published before others have their turn on the thread.
const BURST: u64 = 256;

/// A recording cannot be played, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlayError {
    /// The recording cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A topic cannot be published to.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// A name, or a pattern, cannot be one.
    #[error(transparent)]
    Name(#[from] TopicNameError),
    /// What the recording says of a topic's message cannot be of any.
    #[error("the recording does not tell what the samples of topic {topic:?} are")]
    UnknownMessage {
        /// The topic.
        topic: String,
    },
    /// The topic is one of another message by now, or of one with another schema.
    #[error(
        "topic {topic:?} was recorded of {recorded:?}, and is of {theirs:?} on node {node:?}, with another id or schema"
    )]
    OtherMessage {
        /// The topic.
        topic: String,
        /// The message that was recorded.
        recorded: String,
        /// That of the other.
        theirs: String,
        /// The other's node.
        node: String,
    },
    /// A sample could not be packed.
    #[error("a sample of topic {topic:?} cannot be published")]
    Unpacked {
        /// The topic.
        topic: String,
        /// Why.
        #[source]
        cause: TokenizeCause,
    },
    /// The node is detached.
    #[error("the node is detached")]
    Detached,
}

/// What a player has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Played {
    /// Samples that were published.
    pub samples: u64,
    /// How often bytes of the recording were damaged, and passed over.
    pub damaged: u64,
}

/// When a recorded sample is published.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Timing {
    /// So many times as fast as it was.
    Factor(f64),
    AtOnce,
}

/// A recording about to be played; from [`Node::play`](crate::Node::play). Await it, or [`wait`](Self::wait): it answers when all is
/// published.
///
/// A sample waits as long as a subscriber that is to be waited for has no room for it; those after it are late then.
///
/// It has one publisher for each topic, made before the first sample is published: subscribers that there are miss none. Sequences
/// count anew.
///
/// # Cancel safety
///
/// Dropping the future ends the play where it is.
#[must_use = "nothing is played until it is awaited"]
pub struct Player {
    shared: Arc<Shared>,
    reader: RecordingReader<File>,
    timing: Timing,
    from: Duration,
    until: Duration,
    patterns: Result<Vec<TopicPattern>, TopicNameError>,
}

impl Node {
    /// Opens a recording to be played: `node.play("drive.rwrec")?.speed(2.0).await?`.
    ///
    /// # Errors
    ///
    /// It cannot be read. One that is cut off is played up to its last whole record.
    pub fn play(&self, path: impl AsRef<Path>) -> Result<Player, PlayError> {
        Ok(Player {
            shared: Arc::clone(self.shared()),
            reader: RecordingReader::open(path)?,
            timing: Timing::Factor(1.0),
            from: Duration::ZERO,
            until: Duration::MAX,
            patterns: Ok(Vec::new()),
        })
    }
}

impl Player {
    /// Plays it so many times as fast as it was recorded; the default is 1, the original timing.
    ///
    /// # Panics
    ///
    /// If `factor` is not a number above zero.
    pub fn speed(mut self, factor: f64) -> Self {
        assert!(
            factor.is_finite() && factor > 0.0,
            "a recording is played at a speed above zero, not {factor}"
        );
        self.timing = Timing::Factor(factor);
        self
    }

    /// Publishes each sample as soon as there is room for it.
    pub fn as_fast_as_possible(mut self) -> Self {
        self.timing = Timing::AtOnce;
        self
    }

    /// Begins so far from the recording's beginning.
    pub fn from(mut self, time: Duration) -> Self {
        self.from = time;
        self
    }

    /// Ends so far from the recording's beginning.
    pub fn until(mut self, time: Duration) -> Self {
        self.until = time;
        self
    }

    /// Plays the topics only whose names match this, or another that is given so: a name, or a [`TopicPattern`].
    pub fn only(mut self, name: impl Into<String>) -> Self {
        self.patterns = self.patterns.and_then(|mut patterns| {
            patterns.push(TopicPattern::new(name)?);
            Ok(patterns)
        });
        self
    }

    /// What is to be played.
    pub fn recording(&self) -> &RecordingReader<File> {
        &self.reader
    }

    /// Plays, and blocks the calling thread until all is published.
    ///
    /// # Errors
    ///
    /// See [`PlayError`].
    ///
    /// # Panics
    ///
    /// In a handler of this node, or in a future that the node drives.
    pub fn wait(self) -> Result<Played, PlayError> {
        let shared = Arc::clone(&self.shared);
        block_on(Some(shared), self.into_future())
    }

    async fn run(mut self) -> Result<Played, PlayError> {
        let publishers = self.publishers().await?;
        self.reader.seek(self.from)?;
        let (shared, began) = (Arc::clone(&self.shared), self.shared.clock.now());
        let mut played = Played::default();
        loop {
            let sample = match self.reader.next_sample() {
                Ok(Some(sample)) if sample.time <= self.until => sample,
                Ok(_) => return Ok(played),
                Err(ReadError::Damaged { .. }) => {
                    played.damaged += 1;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let Some(publisher) = publishers.get(&sample.topic) else {
                continue;
            };
            wait_until(
                &shared,
                due(began, sample.time.saturating_sub(self.from), self.timing),
            )
            .await;
            let lies = match sample.form {
                Form::Inline => Lies::Inline,
                Form::Behind => Lies::Behind,
                Form::Block => Lies::InBlock,
            };
            let published = publisher.publish(lies, sample.payload).await;
            published.map_err(|why| match why {
                Unplayed::Detached => PlayError::Detached,
                Unplayed::Unpacked(cause) => PlayError::Unpacked {
                    topic: publisher.topic().to_owned(),
                    cause,
                },
            })?;
            played.samples += 1;
            if played.samples.is_multiple_of(BURST) {
                yield_once().await;
            }
        }
    }

    /// A publisher for each topic.
    async fn publishers(&mut self) -> Result<HashMap<u32, RawPublisher>, PlayError> {
        let patterns = std::mem::replace(&mut self.patterns, Ok(Vec::new()))?;
        let mut publishers = HashMap::new();
        let topics = self.reader.topics();
        let topics = topics.filter(|(_, topic)| {
            patterns.is_empty() || patterns.iter().any(|it| it.matches(&topic.name))
        });
        for (number, topic) in topics {
            publishers.insert(number, open(&self.shared, topic).await?);
        }
        Ok(publishers)
    }
}

/// A publisher for what was recorded of this topic.
async fn open(shared: &Arc<Shared>, topic: &RecordedTopic) -> Result<RawPublisher, PlayError> {
    let unknown = || PlayError::UnknownMessage {
        topic: topic.name.clone(),
    };
    let description = Description::decode(&topic.description).ok();
    let told = description.filter(|it| {
        it.name() == topic.message
            && it.type_id() == topic.type_id
            && it.hash() == topic.schema
            && it.semantics() == topic.semantics
    });
    let kind = told.and_then(|it| TopicKind::new(it, topic.pieces));
    let kind = Arc::new(kind.ok_or_else(unknown)?);
    let label = Label::named(&topic.name, &topic.message, kind.types())?;
    let is_ours = || match shared.other_message(&label) {
        None => Ok(()),
        Some((theirs, node)) => Err(PlayError::OtherMessage {
            topic: topic.name.clone(),
            recorded: topic.message.clone(),
            theirs,
            node,
        }),
    };
    is_ours()?;
    let publisher = RawPublisher::open(shared, &label, &kind).await?;
    // All nodes are met: of two that were shown at the same time, one at least has seen the other.
    is_ours()?;
    Ok(publisher)
}

/// When a sample is published that came so long after the first moment that is played.
fn due(began: Nanos, after: Duration, timing: Timing) -> Option<Nanos> {
    let after = match timing {
        Timing::AtOnce => return None,
        Timing::Factor(1.0) => after,
        Timing::Factor(factor) => {
            let seconds = after.as_secs_f64() / factor;
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
        }
    };
    Some(began.plus(after))
}

async fn wait_until(shared: &Arc<Shared>, due: Option<Nanos>) {
    let Some(due) = due.filter(|due| *due > shared.clock.now()) else {
        return;
    };
    let leaves = || shared.is_detaching().then_some(());
    Deadline::at(shared, due)
        .until(&shared.changes, leaves)
        .await;
}

impl IntoFuture for Player {
    type Output = Result<Played, PlayError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Player")
            .field("recording", &self.reader)
            .field("timing", &self.timing)
            .finish_non_exhaustive()
    }
}
