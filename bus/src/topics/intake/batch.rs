//! Samples that were taken together, under one lock: their words, and whose they are.

use std::sync::Arc;

use super::source::Origin;
use crate::clock::Nanos;
use crate::lease::LeaseOwner;
use crate::topics::label::TopicEndId;

/// Samples that were taken, in their order.
#[derive(Default)]
pub(in crate::topics) struct Batch {
    /// Words of each.
    stride: usize,
    words: Vec<u64>,
    arrived: Vec<Arrived>,
}

/// A sample that was taken.
pub(in crate::topics) struct Arrived {
    pub(in crate::topics) from: TopicEndId,
    /// Of a subscriber to a pattern.
    pub(in crate::topics) topic: Option<Arc<str>>,
    pub(in crate::topics) sequence: u64,
    pub(in crate::topics) before: Before,
    /// When it was published, on this host's clock; none if its publisher does not say.
    pub(in crate::topics) published: Nanos,
    /// Whose block it is in, and who is told that it is not read any more; if it is in one.
    pub(in crate::topics) lent: Option<(Origin, Arc<dyn LeaseOwner>)>,
}

/// Samples between one that is handed out and the one before, of the same publisher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::topics) struct Before {
    /// Dropped, or not to be read.
    pub(in crate::topics) missed: u64,
    /// Passed over, as the subscriber had asked for.
    pub(in crate::topics) filtered: u64,
}

impl Before {
    pub(in crate::topics) fn add(&mut self, other: Self) {
        self.missed += other.missed;
        self.filtered += other.filtered;
    }
}

impl Batch {
    /// For samples of so many words.
    pub(in crate::topics) fn new(stride: usize) -> Self {
        Self {
            stride,
            ..Self::default()
        }
    }

    pub(in crate::topics) fn len(&self) -> usize {
        self.arrived.len()
    }

    pub(super) fn clear(&mut self) {
        self.arrived.clear();
    }

    /// Where the words of the next one go.
    #[inline]
    pub(super) fn place(&mut self) -> &mut [u64] {
        let from = self.len() * self.stride;
        let until = from + self.stride;
        if self.words.len() < until {
            self.words.resize(until, 0);
        }
        &mut self.words[from..until]
    }

    /// The next one has come; its words are in its place.
    #[inline]
    pub(super) fn push(&mut self, arrived: Arrived) {
        self.arrived.push(arrived);
    }

    /// Takes the last one out, with its words.
    #[inline]
    pub(in crate::topics) fn only(&mut self) -> Option<(Arrived, &mut [u64])> {
        let arrived = self.arrived.pop()?;
        Some((arrived, self.place()))
    }

    /// Takes all out, each with its words.
    pub(in crate::topics) fn drain(&mut self) -> impl Iterator<Item = (Arrived, &mut [u64])> {
        let words = self.words.chunks_exact_mut(self.stride);
        self.arrived.drain(..).zip(words)
    }
}
