//! Which topics a recorder reads: those that it was told, and those that match by what the cards show.

use std::sync::Arc;

use super::{RecordError, Recorder, Source};
use crate::record::format::RecordedTopic;
use crate::shared::Shared;
use crate::topics::raw::{RawSubscriber, ShownPublisher, TopicKind};
use crate::topics::{Label, TopicEndId};

impl Recorder {
    /// Subscribes to what matches; those who are yet to answer, and whether all cards were read.
    pub(super) fn look(&mut self) -> Result<(Vec<TopicEndId>, bool), RecordError> {
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
        let (unanswered, whole) = self.unanswered();
        missing.extend(unanswered);
        Ok((missing, is_whole && whole))
    }

    /// Publishers of its topics who are yet to answer, and whether all cards were read.
    pub(super) fn unanswered(&mut self) -> (Vec<TopicEndId>, bool) {
        let (mut missing, mut is_whole) = (Vec::new(), true);
        for source in self.sources.iter() {
            if let Source::Topic(subscriber) = source {
                let (unanswered, whole) = subscriber.unanswered();
                missing.extend(unanswered);
                is_whole &= whole;
            }
        }
        (missing, is_whole)
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

    pub(super) fn subscribe(
        &mut self,
        label: &Label,
        kind: &Arc<TopicKind>,
    ) -> Result<(), RecordError> {
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
