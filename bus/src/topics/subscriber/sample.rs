//! A sample, as a subscriber yields it.

use std::fmt;
use std::ops::Deref;

use crate::message::Delivery;
use crate::topics::label::TopicEndId;

/// What was published once: `Deref` to what a handler would get, the value or a [`Lease`](crate::lease::Lease).
pub struct Sample<D: Delivery + ?Sized> {
    pub(super) value: D::Arrival,
    pub(super) from: TopicEndId,
    pub(super) sequence: u64,
    pub(super) missed: u64,
}

impl<D: Delivery + ?Sized> Sample<D> {
    /// Returns its number among the samples of its publisher, from 1.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Returns how many samples of its publisher were missed between it and the one before.
    pub fn missed_before(&self) -> u64 {
        self.missed
    }

    /// Returns who published it.
    pub fn publisher(&self) -> TopicEndId {
        self.from
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
            .field("missed_before", &self.missed)
            .finish()
    }
}
