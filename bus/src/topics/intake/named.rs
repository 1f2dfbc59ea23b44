//! The topics that a subscriber to a pattern reads.

use std::collections::HashSet;
use std::sync::Arc;

use super::source::Phase;
use super::{Sources, SubscriberEnd};

/// Whether a publisher is to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::topics) enum Place {
    New,
    /// It has a place, or nothing is subscribed to any more.
    NotWanted,
    /// It is of one topic too many.
    TooMany,
}

impl Sources {
    /// The name of a topic, shared with its other publishers; `None` if it would be one too many.
    pub(super) fn topic(&self, name: &str, topics_max: usize) -> Option<Arc<str>> {
        let known = || self.list.iter().filter_map(|it| it.topic.as_ref());
        if let Some(topic) = known().find(|topic| &***topic == name) {
            return Some(Arc::clone(topic));
        }
        let count = known().collect::<HashSet<_>>().len();
        (count < topics_max).then(|| name.into())
    }
}

impl SubscriberEnd {
    /// The topics that it reads, in the order of their names.
    pub(in crate::topics) fn topics(&self) -> Vec<Arc<str>> {
        let sources = self.sources();
        let open = sources.list.iter();
        let open = open.filter(|it| matches!(it.phase, Phase::Open(_)));
        let mut topics: Vec<_> = open.filter_map(|it| it.topic.clone()).collect();
        drop(sources);
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    /// Whether a publisher has a place of which nothing more will come.
    pub(in crate::topics) fn has_unused_place(&self) -> bool {
        let sources = self.sources();
        let mut list = sources.list.iter();
        list.any(|it| matches!(it.phase, Phase::Over | Phase::Refused(_)))
    }
}
