//! The urings between this node and one peer, by their names: lanes on which it submits, ends at which we do, feeds of topics.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use ringway_shm::generation::Key;
use ringway_shm::sync::Ordering::Relaxed;

use super::{PeerUrings, lock};
use crate::inbox::InboxLane;
use crate::remote::RemoteEnd;
use crate::topics::SubscriberEnd;

/// Urings of one direction, by name.
pub(super) struct Table<T> {
    pub(super) by_key: HashMap<Key, T>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            by_key: HashMap::new(),
        }
    }
}

/// Names for urings that this node opens: an index is used again with its next generation.
#[derive(Default)]
pub(super) struct NameGiver {
    pub(super) last: Vec<Key>,
    pub(super) free: Vec<u32>,
}

impl NameGiver {
    pub(super) fn next(&mut self) -> Option<Key> {
        if let Some(index) = self.free.pop() {
            let last = self.last.get_mut(index as usize)?;
            *last = last.next();
            return Some(*last);
        }
        let index = u32::try_from(self.last.len())
            .ok()
            .filter(|index| *index <= Key::INDEX_MAX)?;
        let key = Key::first(index);
        self.last.push(key);
        Some(key)
    }
}

impl PeerUrings {
    /// Whether the peer may have so many bytes more of this node's memory for its urings, of which `share` are for it.
    pub(crate) fn has_lane_room(&self, len: u64, share: u64) -> bool {
        // Relaxed: a count; only the control thread adds to it.
        let used = self.lane_bytes.load(Relaxed);
        used.saturating_add(len) <= share
    }

    /// A lane has taken so many bytes.
    pub(crate) fn count_lane(&self, len: u64) {
        // Relaxed: as above.
        self.lane_bytes.fetch_add(len, Relaxed);
    }

    /// A lane is about to give its bytes back.
    pub(crate) fn uncount_lane(&self, len: u64) {
        // Relaxed: as above.
        self.lane_bytes.fetch_sub(len, Relaxed);
    }

    #[cfg(test)]
    pub(super) fn lane_bytes(&self) -> u64 {
        self.lane_bytes.load(Relaxed)
    }

    pub(crate) fn add_lane(&self, lane: &Arc<InboxLane>) {
        lock(&self.lanes)
            .by_key
            .insert(lane.uring, Arc::clone(lane));
    }

    pub(crate) fn lane(&self, uring: Key) -> Option<Arc<InboxLane>> {
        lock(&self.lanes).by_key.get(&uring).cloned()
    }

    pub(crate) fn remove_lane(&self, uring: Key) -> Option<Arc<InboxLane>> {
        lock(&self.lanes).by_key.remove(&uring)
    }

    pub(crate) fn lanes(&self) -> Vec<Arc<InboxLane>> {
        lock(&self.lanes).by_key.values().cloned().collect()
    }

    pub(crate) fn take_lanes(&self) -> Vec<Arc<InboxLane>> {
        lock(&self.lanes)
            .by_key
            .drain()
            .map(|(_, lane)| lane)
            .collect()
    }

    /// A name for a uring to be opened; `None` when a million are open.
    pub(crate) fn name_uring(&self) -> Option<Key> {
        lock(&self.names).next()
    }

    pub(crate) fn add_end(&self, uring: Key, end: &Arc<RemoteEnd>) {
        lock(&self.ends).by_key.insert(uring, Arc::downgrade(end));
    }

    pub(crate) fn end(&self, uring: Key) -> Option<Arc<RemoteEnd>> {
        lock(&self.ends).by_key.get(&uring).and_then(Weak::upgrade)
    }

    pub(crate) fn ends(&self) -> Vec<Arc<RemoteEnd>> {
        lock(&self.ends)
            .by_key
            .values()
            .filter_map(Weak::upgrade)
            .collect()
    }

    /// Whether this node has opened a uring of that name and not heard that it is free.
    pub(crate) fn knows(&self, uring: Key) -> bool {
        lock(&self.ends).by_key.contains_key(&uring)
    }

    /// Both halves of a uring that this node opened are free: its name may be used again.
    pub(crate) fn remove_end(&self, uring: Key) {
        if lock(&self.ends).by_key.remove(&uring).is_some() {
            lock(&self.names).free.push(uring.index());
            lock(&self.notes_out).uncount();
        }
    }

    /// Has notes of that name wake a subscriber.
    pub(crate) fn add_feed(&self, note: Key, end: &Arc<SubscriberEnd>) {
        lock(&self.feeds).by_key.insert(note, Arc::downgrade(end));
    }

    pub(crate) fn remove_feed(&self, note: Key) {
        lock(&self.feeds).by_key.remove(&note);
    }

    pub(crate) fn feed(&self, note: Key) -> Option<Arc<SubscriberEnd>> {
        lock(&self.feeds).by_key.get(&note).and_then(Weak::upgrade)
    }
}
