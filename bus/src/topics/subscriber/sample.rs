//! A sample, as a subscriber yields it.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use crate::clock::Nanos;
use crate::message::Delivery;
use crate::topics::intake::Before;
use crate::topics::label::TopicEndId;

/// What was published once: `Deref` to what a handler would get, the value or a [`Lease`](crate::lease::Lease).
pub struct Sample<D: Delivery + ?Sized> {
    value: D::Arrival,
    from: TopicEndId,
    sequence: u64,
    before: Before,
    published: Nanos,
}

impl<D: Delivery + ?Sized> Sample<D> {
    #[inline]
    pub(in crate::topics) fn new(
        value: D::Arrival,
        from: TopicEndId,
        sequence: u64,
        before: Before,
        published: Nanos,
    ) -> Self {
        Self {
            value,
            from,
            sequence,
            before,
            published,
        }
    }

    /// Returns its number among the samples of its publisher, from 1.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Returns how many samples of its publisher were missed between it and the one before.
    pub fn missed_before(&self) -> u64 {
        self.before.missed
    }

    /// Returns how many samples of its publisher were passed over between it and the one before, as the subscriber had asked
    /// for by [`from_sequence`](crate::SubscriberBuilder::from_sequence) or [`max_age`](crate::SubscriberBuilder::max_age).
    pub fn filtered_before(&self) -> u64 {
        self.before.filtered
    }

    /// Returns who published it.
    pub fn publisher(&self) -> TopicEndId {
        self.from
    }

    /// Returns when it was published, in nanoseconds of this host's CLOCK_MONOTONIC, as this process sees it; `None` if its
    /// publisher does not say ([`timed`](crate::PublisherBuilder::timed)).
    pub fn timestamp(&self) -> Option<u64> {
        (self.published != Nanos::NONE).then_some(self.published.0)
    }

    /// Returns how long ago it was published, by the system's clock; `None` if its publisher does not say.
    pub fn age(&self) -> Option<Duration> {
        (self.published != Nanos::NONE).then(|| Nanos::now().since(self.published))
    }

    /// Returns what was published.
    pub fn into_inner(self) -> D::Arrival {
        self.value
    }
}

impl<D: Delivery + ?Sized> Deref for Sample<D> {
    type Target = D::Arrival;

    fn deref(&self) -> &D::Arrival {
        &self.value
    }
}

impl<D: Delivery + ?Sized> fmt::Debug for Sample<D>
where
    D::Arrival: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sample")
            .field("value", &self.value)
            .field("publisher", &self.from)
            .field("sequence", &self.sequence)
            .field("missed_before", &self.before.missed)
            .finish_non_exhaustive()
    }
}
