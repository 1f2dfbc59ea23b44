//! Which peers have acknowledged which segment: a bit for each peer slot, read without a lock.
//!
//! A sender asks before every token that it sends; the answer changes when a segment or a peer
//! comes or goes. Records are found by the index of the segment's key and are never freed.
//!
//! # Invariants
//! - **one-writer**: all changes are made under the lock of the segment table.
//! - **key-guards-bits**: bits count for the key beside them; while they are cleared for a new key,
//!   there is none. Keys never return, so a reader that sees the same key twice saw its bits.
//! # Edges
//! | edge | released by | acquired by | publishes |
//! |---|---|---|---|
//! | key-opened | `open`: store of the key | `contains`: load of the key | the cleared bits |
//! | key-closed | `open`: fence after the store of no key | `contains`: fence before the second load | no key |

use std::sync::OnceLock;

use crate::generation::Key;
use crate::sync::Ordering::{Acquire, Relaxed, Release};
use crate::sync::{AtomicU64, fence};

/// How many peers a heap can lend to: their slots are below this number.
pub const PEERS_MAX: u16 = 256;

/// How many segments a heap can have, those that are being retired included.
pub(crate) const SEGMENTS_MAX: u32 = 4096;

const CHUNK: usize = 64; // records allocated together
const CHUNKS: usize = SEGMENTS_MAX as usize / CHUNK;
const WORDS: usize = PEERS_MAX as usize / 64;

/// The records of all segments.
#[derive(Debug)]
pub(crate) struct Marks {
    chunks: [OnceLock<Box<[Mark; CHUNK]>>; CHUNKS],
}

#[derive(Debug)]
struct Mark {
    key: AtomicU64, // 0: none
    peers: [AtomicU64; WORDS],
}

impl Marks {
    pub(crate) fn new() -> Self {
        Self {
            chunks: [const { OnceLock::new() }; CHUNKS],
        }
    }

    /// Reports whether `peer` has acknowledged the segment. May be stale at once.
    ///
    /// Cost: four loads.
    pub(crate) fn contains(&self, key: Key, peer: u16) -> bool {
        if peer >= PEERS_MAX {
            return false;
        }
        let Some(mark) = self.get(key) else {
            return false;
        };
        // Acquire key-opened: pairs with the Release store of the key in `open`.
        if mark.key.load(Acquire) != key.to_bits() {
            return false;
        }
        let (word, bit) = position(peer);
        let set = mark.peers[word].load(Relaxed) & bit != 0;
        // Acquire key-closed: pairs with the Release fence in `open`. If the bit was of a later
        // key, the load below cannot see the former one any more.
        fence(Acquire);
        set && mark.key.load(Relaxed) == key.to_bits()
    }

    /// Starts a record for a new segment, which nobody has acknowledged. Caller holds the table.
    pub(crate) fn open(&self, key: Key) {
        let (chunk, record) = split(key);
        let chunk = self.chunks[chunk].get_or_init(|| Box::new([const { Mark::new() }; CHUNK]));
        let mark = &chunk[record];
        mark.key.store(0, Relaxed);
        // Release key-closed: pairs with the Acquire fence in `contains`.
        fence(Release);
        for word in &mark.peers {
            word.store(0, Relaxed);
        }
        // Release key-opened: pairs with the Acquire load of the key in `contains`.
        mark.key.store(key.to_bits(), Release);
    }

    /// Notes an acknowledgement. Caller holds the table, in which the key is alive.
    pub(crate) fn insert(&self, key: Key, peer: u16) {
        let (word, bit) = position(peer);
        self.update(key, word, |bits| bits | bit);
    }

    /// Forgets an acknowledgement. Caller holds the table, in which the key is alive.
    pub(crate) fn remove(&self, key: Key, peer: u16) {
        let (word, bit) = position(peer);
        self.update(key, word, |bits| bits & !bit);
    }

    /// Reports whether no peer's acknowledgement is noted. Caller holds the table.
    pub(crate) fn is_empty(&self, key: Key) -> bool {
        let unset = |mark: &Mark| mark.peers.iter().all(|word| word.load(Relaxed) == 0);
        self.get(key).is_none_or(unset)
    }

    fn update(&self, key: Key, word: usize, change: impl FnOnce(u64) -> u64) {
        let Some(mark) = self.get(key) else { return };
        debug_assert_eq!(mark.key.load(Relaxed), key.to_bits());
        // Relaxed, and no read-modify-write: one-writer; a bit publishes nothing but itself.
        mark.peers[word].store(change(mark.peers[word].load(Relaxed)), Relaxed);
    }

    fn get(&self, key: Key) -> Option<&Mark> {
        let (chunk, record) = split(key);
        self.chunks.get(chunk)?.get().map(|chunk| &chunk[record])
    }
}

impl Mark {
    const fn new() -> Self {
        Self {
            key: AtomicU64::new(0),
            peers: [const { AtomicU64::new(0) }; WORDS],
        }
    }
}

fn split(key: Key) -> (usize, usize) {
    let index = key.index() as usize;
    (index / CHUNK, index % CHUNK)
}

fn position(peer: u16) -> (usize, u64) {
    (usize::from(peer) / 64, 1 << (peer % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoke() {
        let marks = Marks::new();
        let key = Key::new(70, 1);
        assert!(!marks.contains(key, 0), "no record yet");
        marks.open(key);
        marks.insert(key, 255);
        assert!(marks.contains(key, 255));
        assert!(!marks.contains(key, 254));
        assert!(!marks.contains(key, 256));
        marks.remove(key, 255);
        assert!(marks.is_empty(key));
    }

    #[test]
    fn a_new_generation_starts_unacknowledged() {
        let marks = Marks::new();
        let (old, new) = (Key::new(0, 1), Key::new(0, 2));
        marks.open(old);
        marks.insert(old, 3);
        marks.open(new);
        assert!(!marks.contains(old, 3));
        assert!(!marks.contains(new, 3));
    }

    #[test]
    fn an_index_beyond_the_table_is_not_acknowledged() {
        assert!(!Marks::new().contains(Key::new(SEGMENTS_MAX, 1), 0));
    }
}
