//! Spans keep to their region; records and copies are what was written.

use super::*;
use crate::sync::{AtomicU64, Ordering::Relaxed};

#[test]
fn spans_stay_inside() {
    let region = Buffer::region(256);
    assert_eq!(region.span(64, 192).unwrap().len(), 192);
    assert_eq!(region.span(256, 0).unwrap().len(), 0);
    for (offset, len) in [(64, 193), (257, 0), (u64::MAX, 1), (1, u64::MAX)] {
        assert!(region.span(offset, len).is_none(), "{offset} {len}");
        assert!(
            region.read_only().span(offset, len).is_none(),
            "{offset} {len}"
        );
    }
}

#[test]
fn records_are_aligned_and_inside() {
    let region = Buffer::region(64);
    assert!(region.record::<AtomicU64>(56).is_some());
    assert!(
        region.record::<AtomicU64>(57).is_none(),
        "leaves the region"
    );
    assert!(region.record::<AtomicU64>(4).is_none(), "is misaligned");
    assert!(
        region.hold_all::<AtomicU64>(0, 9).is_none(),
        "leaves the region"
    );
    assert!(
        region.hold_all::<AtomicU64>(0, 1 << 61).is_none(),
        "overflows"
    );
}

#[test]
fn records_outlive_their_region() {
    let region = Buffer::region(64);
    let own = region.hold::<AtomicU64>(8).unwrap();
    let peer = region.read_only().hold_all::<AtomicU64>(0, 2).unwrap();
    drop(region);
    own.store(7, Relaxed);
    assert_eq!(peer.get(1).unwrap().load(|word| word), 7);
    assert!(peer.get(2).is_none());
}

#[test]
fn copies_at_any_offset_and_length() {
    let bytes: [u8; 64] = core::array::from_fn(|at| u8::try_from(at).unwrap());
    let region = Buffer::region(64);
    let words = region.records::<AtomicU64>(0, 8).unwrap();
    for (word, bytes) in words.iter().zip(bytes.chunks_exact(8)) {
        word.store(u64::from_ne_bytes(bytes.try_into().unwrap()), Relaxed);
    }
    let peer = region.read_only();
    for offset in 0..=64 {
        for len in 0..=64 - offset {
            let mut copy = [0xFF; 64];
            peer.copy_to(offset as u64, &mut copy[..len]).unwrap();
            assert_eq!(copy[..len], bytes[offset..offset + len]);
        }
    }
    assert!(peer.copy_to(1, &mut [0; 64]).is_none());
}
