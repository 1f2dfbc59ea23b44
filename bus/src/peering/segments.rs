//! The segments of one peer, as far as this node has mapped them: what tokens of that peer can lead to.
//!
//! # Invariants
//! - **later-only**: at one index a segment is replaced only after it was retired, and only by a later generation.
//! - **no-pull**: a retired segment can be found by nobody, but stays mapped until the last region cut from it is gone.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use ringway_shm::generation::Key;
use ringway_shm::segment::PeerSegment;
use thiserror::Error;

/// Segments of one kind that a peer can have: a bound for the table, which a hostile peer could let grow.
const SEGMENTS_MAX: u32 = 4096;

/// A peer's segments of one kind.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    places: RwLock<Vec<Place>>,
    /// Retired, and perhaps still read by a lease.
    leaving: Mutex<Vec<(Key, PeerSegment)>>,
    /// Announced and not mapped, for want of something of this process's; one for each index.
    awaited: Mutex<HashMap<u32, Key>>,
}

#[derive(Debug, Clone, Default)]
struct Place {
    /// The last generation that stood here.
    last: u64,
    mapped: Option<PeerSegment>,
}

/// An announcement or a retirement that breaks the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum SegmentBreach {
    #[error("segment {key} has an index beyond the limit of {SEGMENTS_MAX}")]
    Index { key: Key },
    #[error("segment {key} was announced after generation {last} of its place")]
    Generation { key: Key, last: u64 },
    #[error("segment {key} was announced before the one in its place was retired")]
    Occupied { key: Key },
    #[error("segment {key} was retired without having been announced")]
    Unknown { key: Key },
}

impl Segments {
    /// Tells whether a segment could be inserted now: asked before it is mapped.
    pub(crate) fn check(&self, key: Key) -> Result<(), SegmentBreach> {
        if key.index() >= SEGMENTS_MAX {
            return Err(SegmentBreach::Index { key });
        }
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        match places.get(index(key)) {
            Some(place) if place.mapped.is_some() => Err(SegmentBreach::Occupied { key }),
            Some(place) if place.last >= key.generation() => Err(SegmentBreach::Generation {
                key,
                last: place.last,
            }),
            _ => Ok(()),
        }
    }

    /// Adds a mapped segment. Called by the control thread only, as is `check` before it.
    pub(crate) fn insert(&self, key: Key, segment: PeerSegment) -> Result<(), SegmentBreach> {
        self.check(key)?;
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        if places.len() <= index(key) {
            places.resize(index(key) + 1, Place::default());
        }
        places[index(key)] = Place {
            last: key.generation(),
            mapped: Some(segment),
        };
        Ok(())
    }

    /// Notes that a segment, which was checked, could not be mapped now: it will be announced again.
    pub(crate) fn await_later(&self, key: Key) {
        self.awaited().insert(key.index(), key);
    }

    /// Tells whether a segment was announced that this process could not map yet.
    pub(crate) fn awaits(&self, key: Key) -> bool {
        self.awaited().get(&key.index()) == Some(&key)
    }

    /// Notes that the segment need not be waited for any more; `true` when it was.
    pub(crate) fn end_wait(&self, key: Key) -> bool {
        self.awaited().remove(&key.index()).is_some()
    }

    /// Returns a mapped segment, which stays mapped for as long as the answer or a region of it lives.
    ///
    /// Cost: one uncontended read lock and one count.
    pub(crate) fn get(&self, key: Key) -> Option<PeerSegment> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        let place = places
            .get(index(key))
            .filter(|place| place.last == key.generation())?;
        place.mapped.clone()
    }

    /// Takes a segment out of the table; it is unmapped by `unmapped` when nobody reads it any more.
    pub(crate) fn retire(&self, key: Key) -> Result<(), SegmentBreach> {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        let place = places
            .get_mut(index(key))
            .filter(|place| place.last == key.generation());
        let segment = place
            .and_then(|place| place.mapped.take())
            .ok_or(SegmentBreach::Unknown { key })?;
        drop(places);
        self.leaving().push((key, segment));
        Ok(())
    }

    /// Unmaps the retired segments that nobody reads any more, and returns their keys.
    pub(crate) fn unmapped(&self) -> Vec<Key> {
        let mut gone = Vec::new();
        self.leaving().retain(|(key, segment)| {
            let is_read = !segment.is_sole();
            if !is_read {
                gone.push(*key);
            }
            is_read
        });
        gone
    }

    /// Tells whether retired segments are still read.
    pub(crate) fn has_leaving(&self) -> bool {
        !self.leaving().is_empty()
    }

    fn awaited(&self) -> MutexGuard<'_, HashMap<u32, Key>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leaving(&self) -> MutexGuard<'_, Vec<(Key, PeerSegment)>> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn index(key: Key) -> usize {
    key.index() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringway_shm::segment::OwnSegment;

    fn mapped() -> PeerSegment {
        let own = OwnSegment::create("test", 4096).unwrap();
        PeerSegment::map(own.fd().try_clone_to_owned().unwrap(), own.len()).unwrap()
    }

    #[test]
    fn a_retired_segment_stays_mapped_while_it_is_read() {
        let (segments, key) = (Segments::default(), Key::new(2, 5));
        segments.insert(key, mapped()).unwrap();
        let lease = segments.get(key).unwrap().region().span(64, 64).unwrap();
        segments.retire(key).unwrap();
        assert!(segments.get(key).is_none(), "no new leases");
        assert!(segments.unmapped().is_empty() && segments.has_leaving());
        let mut bytes = [1; 64];
        lease.copy_to(0, &mut bytes).unwrap();
        assert_eq!(bytes, [0; 64]);
        drop(lease);
        assert_eq!(segments.unmapped(), [key]);
        assert!(!segments.has_leaving());
    }

    #[test]
    fn keys_move_forward_only() {
        let (segments, key) = (Segments::default(), Key::new(2, 5));
        assert_eq!(segments.retire(key), Err(SegmentBreach::Unknown { key }));
        segments.insert(key, mapped()).unwrap();
        assert_eq!(
            segments.check(key.next()),
            Err(SegmentBreach::Occupied { key: key.next() })
        );
        assert!(segments.get(key.next()).is_none());
        segments.retire(key).unwrap();
        assert_eq!(segments.retire(key), Err(SegmentBreach::Unknown { key }));
        assert_eq!(
            segments.check(key),
            Err(SegmentBreach::Generation { key, last: 5 })
        );
        segments.insert(key.next(), mapped()).unwrap();
        let far = Key::first(SEGMENTS_MAX);
        assert_eq!(segments.check(far), Err(SegmentBreach::Index { key: far }));
    }
}
