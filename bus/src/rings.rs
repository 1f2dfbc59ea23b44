//! Places for urings: spans cut out of a few large ring segments, so that a peer maps segments and not urings.
//!
//! The books are private; what stands in the spans is the urings' business. A span comes back when it is dropped, which
//! its uring does only after the other end has closed it, or is dead.
//!
//! # Invariants
//! - **disjoint**: live spans of a segment do not overlap; free places are kept joined, so that nothing is lost to
//!   splinters.
//! - **blank**: a span is all zero when it is handed out.
//! - **told-first**: a new segment gives no place before its peers have been told of it: the word that names the place, which
//!   any thread may say, would come first.
//! - **left-alone**: once the node has left its bus, a span stays as it is when it is dropped: peers that mapped it still
//!   take what was sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringway_shm::generation::Key;
use ringway_shm::region::OwnRegion;
use ringway_shm::segment::{OwnSegment, SegmentError};
use ringway_shm::sync::Ordering::Relaxed;
use ringway_shm::sync::{AtomicBool, AtomicU64};
use ringway_shm::sys::fork::{self, UsedAfterFork};
use thiserror::Error;

/// Spans start and end on pairs of cache lines, which processors fetch together.
const GRAIN: u64 = 128;
/// A segment is at most this large, unless one span needs more: reserving it takes a few milliseconds.
const SEGMENT_MAX: u64 = 16 << 20;

/// A node's ring segments and the free places in them.
#[derive(Debug)]
pub(crate) struct Rings {
    limit: u64,
    books: Mutex<Books>,
    /// Held by who adds a segment, until its peers have been told.
    growing: Mutex<()>,
    has_left: AtomicBool,
}

#[derive(Debug, Default)]
struct Books {
    segments: Vec<RingSegment>,
    reserved: u64,
}

impl Books {
    fn told(&mut self, key: Key) {
        if let Some(ring) = self.segments.get_mut(key.index() as usize) {
            ring.is_told = true;
        }
    }
}

/// One of a node's ring segments; they are never given back, so their keys are all of the first generation.
#[derive(Debug, Clone)]
pub(crate) struct RingSegment {
    pub(crate) key: Key,
    pub(crate) segment: OwnSegment,
    free: Places,
    /// told-first: the peers on the roster have been told of it, so that places in it may be mentioned to them.
    is_told: bool,
}

/// A place for one half of a uring; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct RingSpan {
    key: Key,
    offset: u64,
    region: OwnRegion,
    rings: Arc<Rings>,
}

/// Why there is no place for another uring.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RingsError {
    /// The configured limit is reached.
    #[error(
        "no place for {len} bytes of uring: {reserved} bytes of ring segments are in use, the limit is {limit}"
    )]
    Full {
        /// Bytes asked for.
        len: u64,
        /// Bytes reserved so far.
        reserved: u64,
        /// The limit.
        limit: u64,
    },
    /// This process is a forked child of the one that attached.
    #[error(transparent)]
    Fork(#[from] UsedAfterFork),
    /// The system has no memory for another segment.
    #[error("cannot create a ring segment of {len} bytes")]
    Segment {
        /// Its length.
        len: u64,
        /// Why.
        #[source]
        source: SegmentError,
    },
}

impl Rings {
    /// Reserves the first segment.
    pub(crate) fn create(first: u64, limit: u64) -> Result<Arc<Self>, RingsError> {
        let rings = Self {
            limit,
            books: Mutex::default(),
            growing: Mutex::default(),
            has_left: AtomicBool::new(false),
        };
        let key = rings.grow(&mut rings.books(), first.min(limit), first)?;
        rings.books().told(key); // with every hello
        Ok(Arc::new(rings))
    }

    /// Takes a place of `len` bytes. `tell` is called with the segment that has to be created for it, if one has, and tells
    /// the peers; until it returns nobody gets a place there.
    pub(crate) fn span(
        self: &Arc<Self>,
        len: u64,
        tell: impl FnOnce(&RingSegment),
    ) -> Result<RingSpan, RingsError> {
        let len = len
            .max(1)
            .checked_next_multiple_of(GRAIN)
            .ok_or_else(|| self.full(len, &self.books()))?;
        if let Some(span) = self.take(&mut self.books(), len) {
            return Ok(span);
        }
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut books = self.books();
        // Who grew meanwhile may have left enough.
        if let Some(span) = self.take(&mut books, len) {
            return Ok(span);
        }
        let wish = books.reserved.clamp(len, SEGMENT_MAX.max(len));
        let key = self.grow(&mut books, wish, len)?;
        let grown = books.segments[key.index() as usize].clone();
        drop(books);
        tell(&grown);
        let mut books = self.books();
        books.told(key);
        Ok(self
            .take(&mut books, len)
            .expect("disjoint: a new segment is one free place of at least `len`"))
    }

    /// What one of those who open urings to this node may have of the limit: half, so that none keeps all others out.
    pub(crate) fn share(&self) -> u64 {
        self.limit / 2
    }

    /// The node leaves its bus: from now on spans stay as they are.
    pub(crate) fn leave(&self) {
        // Relaxed: the spans are dropped after this, by whoever called it.
        self.has_left.store(true, Relaxed);
    }

    /// All segments; the first one never changes.
    pub(crate) fn segments(&self) -> Vec<RingSegment> {
        self.books().segments.clone()
    }

    fn take(self: &Arc<Self>, books: &mut Books, len: u64) -> Option<RingSpan> {
        let mut told = books.segments.iter_mut().filter(|ring| ring.is_told);
        told.find_map(|ring| {
            let offset = ring.free.take(len)?;
            let region = ring.segment.region().span(offset, len)?;
            Some(RingSpan {
                key: ring.key,
                offset,
                region,
                rings: Arc::clone(self),
            })
        })
    }

    /// Adds a segment of `wish` bytes, or less where the limit leaves less, but not less than `need`.
    fn grow(&self, books: &mut Books, wish: u64, need: u64) -> Result<Key, RingsError> {
        let len = wish.min(self.limit.saturating_sub(books.reserved));
        let index = u32::try_from(books.segments.len()).unwrap_or(u32::MAX);
        if len < need || index > Key::INDEX_MAX {
            return Err(self.full(need, books));
        }
        let segment = OwnSegment::create("ringway-rings", len)
            .map_err(|source| RingsError::Segment { len, source })?;
        books.reserved += segment.len();
        let free = Places::all(segment.len());
        let key = Key::first(index);
        books.segments.push(RingSegment {
            key,
            segment,
            free,
            is_told: false,
        });
        Ok(key)
    }

    fn full(&self, len: u64, books: &Books) -> RingsError {
        RingsError::Full {
            len,
            reserved: books.reserved,
            limit: self.limit,
        }
    }

    fn give_back(&self, key: Key, offset: u64, len: u64) {
        let mut books = self.books();
        if let Some(ring) = books.segments.get_mut(key.index() as usize) {
            ring.free.give_back(offset, len);
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RingSpan {
    /// The segment, by which the peer finds the place.
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// Where in the segment, in bytes; a multiple of 128.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The place itself.
    pub(crate) fn region(&self) -> &OwnRegion {
        &self.region
    }
}

impl Drop for RingSpan {
    fn drop(&mut self) {
        // A forked child has no such memory. left-alone: a peer may still read it.
        if fork::check().is_err() || self.rings.has_left.load(Relaxed) {
            return;
        }
        // blank: new segments are zero, and a place is blanked before it goes back.
        let words = self.region.records::<AtomicU64>(0, self.region.len() / 8);
        for word in words.into_iter().flatten() {
            word.store(0, Relaxed); // Relaxed: what opens the next uring here publishes it.
        }
        self.rings
            .give_back(self.key, self.offset, self.region.len());
    }
}

/// Free places of one segment: where each starts, and how long it is.
#[derive(Debug, Clone)]
struct Places(BTreeMap<u64, u64>);

impl Places {
    fn all(len: u64) -> Self {
        Self(BTreeMap::from([(0, len)]))
    }

    /// Takes `len` bytes at the lowest offset that has them.
    fn take(&mut self, len: u64) -> Option<u64> {
        let (&offset, &free) = self.0.iter().find(|&(_, &free)| free >= len)?;
        self.0.remove(&offset);
        if free > len {
            self.0.insert(offset + len, free - len);
        }
        Some(offset)
    }

    /// Frees a place, joining it with its neighbours.
    fn give_back(&mut self, mut offset: u64, mut len: u64) {
        if let Some((&before, &free)) = self.0.range(..offset).next_back()
            && before + free == offset
        {
            self.0.remove(&before);
            (offset, len) = (before, free + len);
        }
        if let Some(after) = self.0.remove(&(offset + len)) {
            len += after;
        }
        self.0.insert(offset, len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_disjoint_and_come_back_joined() {
        let rings = Rings::create(8 * 4096, 8 * 4096).unwrap();
        let span = |len| rings.span(len, |_| unreachable!("it fits")).unwrap();
        let mut spans: Vec<_> = (1..=10).map(|n| span(n * 100)).collect();
        spans.sort_by_key(RingSpan::offset);
        for pair in spans.windows(2) {
            assert!(pair[0].offset() + pair[0].region().len() <= pair[1].offset());
            assert!(pair[1].offset().is_multiple_of(GRAIN));
        }
        while !spans.is_empty() {
            spans.swap_remove(spans.len() / 2);
        }
        assert_eq!(span(8 * 4096).offset(), 0, "one free place again");
    }

    #[test]
    fn spans_are_blank() {
        let rings = Rings::create(4096, 4096).unwrap();
        let span = rings.span(4096, |_| ()).unwrap();
        for word in span.region().records::<AtomicU64>(0, 512).unwrap() {
            word.store(u64::MAX, Relaxed);
        }
        drop(span);
        let span = rings.span(4096, |_| ()).unwrap();
        assert!(
            span.region()
                .records::<AtomicU64>(0, 512)
                .unwrap()
                .iter()
                .all(|word| word.load(Relaxed) == 0)
        );
    }

    #[test]
    fn grows_by_segments_to_the_limit() {
        let rings = Rings::create(4096, 4 * 4096).unwrap();
        let mut told = Vec::new();
        let mut span = |len| rings.span(len, |ring| told.push((ring.key, ring.segment.len())));
        let _first = span(4096).unwrap();
        let second = span(2 * 4096).unwrap();
        let third = span(128).unwrap();
        let error = span(4096).unwrap_err();
        let rest = 4096; // what the limit leaves
        assert_eq!(told, [(second.key(), 2 * 4096), (third.key(), rest)]);
        assert_eq!(
            error.to_string(),
            "no place for 4096 bytes of uring: 16384 bytes of ring segments are in use, the limit is 16384"
        );
        assert!(rings.span(u64::MAX, |_| ()).is_err());
    }

    // Goal: no place in a segment is given out before the peers have been told of it, as its word would overtake theirs; a
    // peer that comes meanwhile finds it among the segments.
    #[test]
    fn nobody_gets_a_place_before_it_is_told() {
        let rings = Rings::create(4096, 4 * 4096).unwrap();
        let whole = rings.span(4096, |_| ()).unwrap();
        let grown = rings.span(128, |ring| {
            let early = rings.take(&mut rings.books(), 128);
            assert!(early.is_none());
            assert!(rings.segments().iter().any(|other| other.key == ring.key));
        });
        assert_ne!(grown.unwrap().key(), whole.key());
        let next = rings.span(128, |_| unreachable!("it fits")).unwrap();
        assert_ne!(next.key(), whole.key());
    }
}
