//! Places for urings: spans cut out of a few large ring segments, so that a peer maps segments and not urings.
//!
//! The books are private; what stands in the spans is the urings' business. A span comes back when it is dropped, which
//! its uring does only after the other end has closed it, or is dead. A segment in which nothing has been for a while is
//! given back to the system ([`parting`]), all but the first one.
//!
//! # Invariants
//! - **disjoint**: live spans of a segment do not overlap; free places are kept joined, so that nothing is lost to
//!   splinters.
//! - **blank**: a span is all zero when it is handed out.
//! - **told-first**: a new segment gives no place before its peers have been told of it: the word that names the place, which
//!   any thread may say, would come first.
//! - **left-alone**: once the node has left its bus, a span stays as it is when it is dropped: peers that mapped it still
//!   take what was sent.

mod parting;
mod places;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ringway_shm::generation::Key;
use ringway_shm::region::OwnRegion;
use ringway_shm::segment::{OwnSegment, SegmentError};
use ringway_shm::sync::Ordering::Relaxed;
use ringway_shm::sync::{AtomicBool, AtomicU64};
use ringway_shm::sys::fork::{self, UsedAfterFork};
use thiserror::Error;

use self::parting::Leaving;
use self::places::Places;

/// Spans start and end on pairs of cache lines, which processors fetch together.
const GRAIN: u64 = 128;
/// A segment is at most this large, unless one span needs more: reserving it takes a few milliseconds.
const SEGMENT_MAX: u64 = 16 << 20;

type Callback = Box<dyn Fn() + Send + Sync>;

/// A node's ring segments and the free places in them.
pub(crate) struct Rings {
    limit: u64,
    books: Mutex<Books>,
    /// Held by who adds a segment, until its peers have been told.
    growing: Mutex<()>,
    has_left: AtomicBool,
    /// Called when nothing is in a segment any more that could be given back.
    on_empty: OnceLock<Callback>,
}

#[derive(Debug, Default)]
struct Books {
    segments: Vec<Standing>,
    /// Of all segments, those included that peers have still to unmap.
    reserved: u64,
}

/// What stands at an index.
#[derive(Debug)]
enum Standing {
    InUse(RingSegment),
    Leaving(Leaving),
    /// Nothing, since the segment of that key has gone.
    Vacant(Key),
}

impl Books {
    fn in_use(&self) -> impl Iterator<Item = &RingSegment> {
        self.segments.iter().filter_map(|it| match it {
            Standing::InUse(ring) => Some(ring),
            _ => None,
        })
    }

    fn in_use_mut(&mut self) -> impl Iterator<Item = &mut RingSegment> {
        self.segments.iter_mut().filter_map(|it| match it {
            Standing::InUse(ring) => Some(ring),
            _ => None,
        })
    }

    fn get_mut(&mut self, key: Key) -> Option<&mut RingSegment> {
        self.in_use_mut().find(|ring| ring.key == key)
    }

    fn told(&mut self, key: Key) {
        if let Some(ring) = self.get_mut(key) {
            ring.is_told = true;
        }
    }

    /// The key of the next segment; `None` when there are as many as keys can tell apart.
    fn next_key(&self) -> Option<Key> {
        let vacant = self.segments.iter().find_map(|it| match it {
            Standing::Vacant(last) => Some(last.next()),
            _ => None,
        });
        let index = u32::try_from(self.segments.len()).unwrap_or(u32::MAX);
        vacant.or_else(|| (index <= Key::INDEX_MAX).then(|| Key::first(index)))
    }

    fn place(&mut self, ring: RingSegment) {
        let index = ring.key.index() as usize;
        let standing = Standing::InUse(ring);
        match self.segments.get_mut(index) {
            Some(vacant) => *vacant = standing,
            None => self.segments.push(standing),
        }
    }
}

/// One of a node's ring segments.
#[derive(Debug, Clone)]
pub(crate) struct RingSegment {
    pub(crate) key: Key,
    pub(crate) segment: OwnSegment,
    free: Places,
    /// told-first: the peers on the roster have been told of it, so that places in it may be mentioned to them.
    is_told: bool,
    /// Nothing was in it at the last look, and nothing has been since.
    is_resting: bool,
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
            on_empty: OnceLock::new(),
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
        let grown = books.get_mut(key).cloned();
        drop(books);
        tell(&grown.expect("told-first: nothing is given back before it was told of"));
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
        self.books().in_use().cloned().collect()
    }

    fn take(self: &Arc<Self>, books: &mut Books, len: u64) -> Option<RingSpan> {
        let mut told = books.in_use_mut().filter(|ring| ring.is_told);
        told.find_map(|ring| {
            let offset = ring.free.take(len)?;
            ring.is_resting = false;
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
        let key = books.next_key().filter(|_| len >= need);
        let key = key.ok_or_else(|| self.full(need, books))?;
        let segment = OwnSegment::create("ringway-rings", len)
            .map_err(|source| RingsError::Segment { len, source })?;
        books.reserved += segment.len();
        let free = Places::all(segment.len());
        books.place(RingSegment {
            key,
            segment,
            free,
            is_told: false,
            is_resting: false,
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
        let Some(ring) = books.get_mut(key) else {
            return;
        };
        ring.free.give_back(offset, len);
        let may_go = ring.may_go();
        drop(books);
        if may_go && let Some(on_empty) = self.on_empty.get() {
            on_empty();
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Rings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rings")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peering::NodeId;

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

    // Goal: what was empty at one look goes at the next, unless it was used between the two; the first segment stays. What a
    // peer has still to unmap counts.
    #[test]
    fn segments_go_that_nothing_was_in_between_two_looks() {
        let rings = Rings::create(4096, 2 * 4096).unwrap();
        let said = Arc::new(AtomicU64::new(0));
        let heard = Arc::clone(&said);
        rings.on_empty(move || {
            heard.fetch_add(1, Relaxed);
        });
        let [first, second] = [(); 2].map(|()| rings.span(4096, |_| ()).unwrap());
        let key = second.key();
        drop(first);
        assert!(rings.trim().is_empty());
        assert_eq!(said.load(Relaxed), 0, "the first one is not to go");
        drop(second);
        assert_eq!(said.load(Relaxed), 1);
        assert!(rings.trim().is_empty() && rings.has_resting());
        let [first, second] = [(); 2].map(|()| rings.span(4096, |_| unreachable!()).unwrap());
        assert!(rings.trim().is_empty() && !rings.has_resting());
        drop((first, second));
        assert!(rings.trim().is_empty());
        assert_eq!(rings.trim(), [key]);
        let peers = [(); 3].map(|()| NodeId::random().unwrap());
        rings.leave_to(key, peers.to_vec());
        let first = rings.span(4096, |_| ()).unwrap();
        rings.unmapped_by(key, peers[0]);
        rings.unmapped_by(key.next(), peers[1]);
        rings.forget_peer(peers[2]);
        assert!(rings.span(4096, |_| ()).is_err(), "one has it still");
        rings.unmapped_by(key, peers[1]);
        let again = rings.span(4096, |_| ()).unwrap();
        assert_eq!(again.key(), key.next());
        assert_eq!(rings.segments()[0].key, first.key());
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
            assert!(
                rings.trim().is_empty(),
                "its first place is still to be given out"
            );
        });
        assert_ne!(grown.unwrap().key(), whole.key());
        let next = rings.span(128, |_| unreachable!("it fits")).unwrap();
        assert_ne!(next.key(), whole.key());
    }
}
