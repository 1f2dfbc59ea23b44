//! Heaps over real segments: random calls against a simple model, growth, and giving back.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(unsafe_code, reason = "forks")]

#[path = "heap/giving_back.rs"]
mod giving_back;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use ringway_shm::generation::Key;
use ringway_shm::heap::{Block, Heap, HeapChange, HeapConfig, HeapError};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Marsaglia's xorshift: enough to wander, and the seed tells the whole run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// Mostly small, sometimes large: each doubling up to `2^bits` is as likely.
    fn len(&mut self, bits: u64) -> usize {
        let bits = self.below(bits + 1);
        usize::try_from(self.below(1 << bits) + 1).unwrap()
    }
}

fn heap(limit: u64, first_segment: u64, segment_max: u64) -> Heap {
    Heap::new(HeapConfig {
        limit,
        first_segment,
        segment_max,
    })
}

/// What was announced and retired, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Key, bool)>>>);

impl Log {
    fn of(heap: &Heap) -> Self {
        let log = Self::default();
        let copy = log.clone();
        heap.on_change(move |change| copy.note(&change));
        log
    }

    fn note(&self, change: &HeapChange) {
        let entry = match change {
            HeapChange::Announce(segment) => (segment.key, true),
            HeapChange::Retire(key) => (*key, false),
            _ => return,
        };
        self.0.lock().unwrap().push(entry);
    }

    fn announced(&self) -> Vec<Key> {
        self.entries(true)
    }

    fn retired(&self) -> Vec<Key> {
        self.entries(false)
    }

    fn entries(&self, is_announcement: bool) -> Vec<Key> {
        let log = self.0.lock().unwrap();
        log.iter()
            .filter(|entry| entry.1 == is_announcement)
            .map(|entry| entry.0)
            .collect()
    }
}

/// A block filled with a pattern of its own.
struct Marked {
    block: Block,
    mark: u8,
}

impl Marked {
    fn new(mut block: Block, mark: u8) -> Self {
        block.bytes_mut().fill(mark);
        Self { block, mark }
    }

    fn check(&self) {
        assert!(
            self.block.bytes().iter().all(|&byte| byte == self.mark),
            "{:?}",
            self.block
        );
    }

    fn span(&self) -> (Key, u64, u64) {
        let block = &self.block;
        (
            block.key(),
            block.offset(),
            block.offset() + block.capacity() as u64,
        )
    }
}

/// Blocks of one segment must not share a byte. Capacities count: what is rounded up is owned too.
fn assert_apart(blocks: &[Marked]) {
    let mut spans: Vec<_> = blocks.iter().map(Marked::span).collect();
    spans.sort_unstable();
    for pair in spans.windows(2) {
        let ((a, _, a_end), (b, b_start, _)) = (pair[0], pair[1]);
        assert!(a != b || a_end <= b_start, "{pair:?} overlap");
    }
}

#[test]
fn smoke() {
    let heap = heap(MIB, 64 * KIB, 256 * KIB);
    let mut block = heap.allocate(1000).unwrap();
    assert_eq!((block.len(), block.capacity()), (1000, 1024));
    assert_eq!(
        (block.offset() % 64, block.as_ptr().addr().get() % 64),
        (0, 0)
    );
    block.bytes_mut()[999] = 7;
    assert_eq!(block.bytes()[999], 7);
    block.set_len(1024);
    assert_eq!(block.bytes().len(), 1024);

    let segments = heap.segments();
    assert_eq!(segments.len(), 1);
    assert_eq!(
        (segments[0].key, segments[0].segment.len()),
        (block.key(), 64 * KIB)
    );
    // The same bytes, seen through the segment as a peer would map it.
    let mut seen = [0];
    let view = segments[0].segment.region().read_only();
    view.copy_to(block.offset() + 999, &mut seen).unwrap();
    assert_eq!(seen, [7]);
}

#[test]
fn an_empty_block_has_a_place() {
    let heap = heap(MIB, 64 * KIB, 64 * KIB);
    let [a, b] = [(); 2].map(|()| heap.allocate(0).unwrap());
    assert!(a.is_empty() && a.bytes().is_empty());
    assert_ne!(a.offset(), b.offset());
}

#[test]
#[should_panic = "65 bytes in a block of 64"]
fn a_block_does_not_outgrow_its_place() {
    heap(MIB, 64 * KIB, 64 * KIB)
        .allocate(1)
        .unwrap()
        .set_len(65);
}

// Goal: whatever is called, blocks are apart, aligned, keep what was written, and nothing leaks.
// Method: random calls against a list of what should be there; several seeds, small and tight
// heaps.
#[test]
fn random_calls_agree_with_the_model() {
    let mut refused = 0;
    for seed in 1..=8 {
        let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let heap = heap((1 + random.below(16)) * 512 * KIB, 64 * KIB, 512 * KIB);
        let log = Log::of(&heap);
        let mut blocks: Vec<Marked> = Vec::new();
        for step in 0..4000_u64 {
            if random.below(100) < 55 || blocks.is_empty() {
                let len = random.len(19);
                match heap.allocate(len) {
                    Ok(block) => {
                        assert_eq!((block.len(), block.offset() % 64), (len, 0));
                        blocks.push(Marked::new(block, step.to_le_bytes()[0]));
                    }
                    Err(HeapError::Full { wanted, .. }) => {
                        assert!(wanted >= len as u64);
                        refused += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
            } else {
                let at = random.below(blocks.len() as u64);
                blocks.swap_remove(usize::try_from(at).unwrap()).check();
            }
            if step % 64 == 0 {
                assert_apart(&blocks);
                let stats = heap.stats();
                assert_eq!(stats.live(), blocks.len() as u64);
                let owned: u64 = blocks
                    .iter()
                    .map(|marked| marked.block.capacity() as u64)
                    .sum();
                assert_eq!(
                    stats.bytes,
                    stats.free + owned,
                    "no peer: nothing is retiring"
                );
                assert!(stats.bytes <= stats.limit && stats.largest_free <= stats.free);
            }
        }
        blocks.drain(..).for_each(|marked| marked.check());
        let stats = heap.stats();
        assert_eq!((stats.live(), stats.segments, stats.retiring), (0, 1, 0));
        assert_eq!((stats.free, stats.largest_free), (stats.bytes, stats.bytes));
        assert_eq!(log.announced().len(), log.retired().len() + 1);
    }
    assert!(refused > 0, "some of the heaps were tight");
}

#[test]
fn full_returns_an_error_and_nothing_leaks() {
    let heap = heap(256 * KIB, 64 * KIB, 64 * KIB);
    let fill = || std::iter::from_fn(|| heap.allocate(4096).ok()).collect::<Vec<_>>();
    let blocks = fill();
    assert_eq!(blocks.len(), 64, "every byte of the limit was handed out");
    let full = HeapError::Full {
        wanted: 4096,
        free: 0,
        limit: 256 * KIB,
    };
    assert_eq!(heap.allocate(4096).unwrap_err(), full);
    drop(blocks);
    assert_eq!(fill().len(), 64);
}

#[test]
fn a_block_can_be_as_large_as_the_limit() {
    let heap = heap(MIB, 64 * KIB, 128 * KIB);
    let small = heap.allocate(1).unwrap();
    assert!(matches!(
        heap.allocate(1 << 20),
        Err(HeapError::Full { .. })
    ));
    drop(small);
    // The first segment is empty now, and in the way: it is given back.
    let mut all = heap.allocate(1 << 20).unwrap();
    all.bytes_mut()[(1 << 20) - 1] = 1;
    assert_eq!(heap.stats().segments, 1);
    let too_large = HeapError::TooLarge {
        wanted: MIB + 1,
        limit: MIB,
    };
    assert_eq!(heap.allocate((1 << 20) + 1).unwrap_err(), too_large);
    assert!(matches!(
        heap.allocate(usize::MAX),
        Err(HeapError::TooLarge { .. })
    ));
}

#[test]
fn a_request_that_cannot_fit_retires_nothing() {
    let heap = heap(MIB, 256 * KIB, 256 * KIB);
    let log = Log::of(&heap);
    let [a, b] = [(); 2].map(|()| heap.allocate(256 << 10).unwrap());
    drop(b);
    assert!(matches!(
        heap.allocate(800 << 10),
        Err(HeapError::Full { .. })
    ));
    assert_eq!(log.retired(), []);
    assert!(heap.allocate(700 << 10).is_ok());
    assert_eq!(log.retired().len(), 1);
    drop(a);
}

#[test]
fn a_forked_child_gets_no_block() {
    let heap = heap(MIB, 64 * KIB, 64 * KIB);
    let block = heap.allocate(1).unwrap();
    // SAFETY: the child calls what it must survive, and leaves without unwinding or running exits.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let refused = matches!(heap.allocate(1), Err(HeapError::System(_)));
        drop(block);
        drop(heap);
        // SAFETY: ends this process.
        unsafe { libc::_exit(if refused { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: the status is ours to be written.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    assert!(heap.allocate(1).is_ok());
}

#[test]
fn rounding_to_a_class_does_not_pass_the_limit() {
    let heap = heap(204 * KIB, 64 * KIB, 64 * KIB); // between the classes of 192 and 208 KiB
    for _ in 0..3 {
        assert_eq!(heap.allocate(204 << 10).unwrap().capacity(), 204 << 10);
    }
}

#[test]
fn a_gibibyte_is_one_block() {
    let heap = Heap::new(HeapConfig::default());
    let block = heap.allocate(1 << 30).unwrap();
    assert_eq!(
        (block.offset(), block.len(), heap.segments().len()),
        (0, 1 << 30, 1)
    );
}

#[test]
fn segments_double() {
    let heap = heap(4 * MIB, 64 * KIB, 256 * KIB);
    let blocks: Vec<_> = (0..20).map(|_| heap.allocate(32 << 10).unwrap()).collect();
    let lens: Vec<_> = heap
        .segments()
        .iter()
        .map(|s| s.segment.len() / KIB)
        .collect();
    assert_eq!((blocks.len(), lens), (20, vec![64, 128, 256, 256]));
}

#[test]
fn the_last_freed_is_the_first_reused() {
    let heap = heap(MIB, 256 * KIB, 256 * KIB);
    let [a, b] = [(); 2].map(|()| heap.allocate(300).unwrap());
    let (first, last) = (a.offset(), b.offset());
    drop(a);
    drop(b);
    let again = [(); 2].map(|()| heap.allocate(300).unwrap());
    assert_eq!(again.each_ref().map(Block::offset), [last, first]);
}

// Goal: blocks may be freed by other threads than allocated them, while the heap grows and shrinks.
// Method: two threads allocate, fill, and hand blocks to each other, who check and drop them.
#[test]
fn two_threads() {
    let heap = heap(2 * MIB, 64 * KIB, 256 * KIB);
    let log = Log::of(&heap);
    let (to_a, from_b) = mpsc::channel();
    let (to_b, from_a) = mpsc::channel();
    let run = |seed: u64, out: mpsc::Sender<Marked>, into: mpsc::Receiver<Marked>| {
        let heap = heap.clone();
        move || {
            let mut random = Random(seed);
            let mut kept = VecDeque::new();
            for step in 0..20_000_u32 {
                match heap.allocate(random.len(16)) {
                    Ok(block) => drop(out.send(Marked::new(block, step.to_le_bytes()[0]))),
                    Err(HeapError::Full { .. }) => kept.clear(),
                    Err(error) => panic!("{error}"),
                }
                for marked in into.try_iter() {
                    marked.check();
                    kept.push_back(marked);
                }
                while kept.len() as u64 > random.below(40) {
                    kept.pop_front().unwrap().check();
                }
            }
        }
    };
    let (a, b) = (run(0x5eed, to_b, from_b), run(0xfeed, to_a, from_a));
    thread::scope(|scope| {
        scope.spawn(a);
        scope.spawn(b);
    });
    let stats = heap.stats();
    assert_eq!(
        (stats.live(), stats.segments, stats.free),
        (0, 1, stats.bytes)
    );
    assert_eq!(log.announced().len(), log.retired().len() + 1);
}

// Goal: a heap that is used for large blocks one after the other grows, once, so that they take turns; not beyond a quarter of
// its limit, nor for a few.
#[test]
fn large_blocks_get_room_to_take_turns() {
    let offsets = |heap: &Heap, times: usize| {
        let one = |_| heap.allocate(1 << 20).unwrap().offset();
        (0..times).map(one).collect::<Vec<_>>()
    };
    let small = heap(8 * MIB, MIB, 64 * MIB);
    offsets(&small, 100);
    assert_eq!(small.stats().bytes, MIB);
    let large = heap(64 * MIB, MIB, 64 * MIB);
    offsets(&large, 10);
    assert_eq!(large.stats().bytes, MIB);
    let used = offsets(&large, 100);
    let last: std::collections::BTreeSet<_> = used[96..].iter().collect();
    assert_eq!((last.len(), &used[92..96]), (4, &used[96..]));
    assert_eq!(large.stats().bytes, 5 * MIB);
    assert_eq!(large.stats().segments, 1, "the first is given back");
}
