//! Blocks that serve again, and heaps that grow meanwhile.

use std::collections::BTreeSet;

use ringway::prelude::*;

use crate::support::probe::Event::{Began, Ended};
use crate::support::probe::Pixels;
use crate::support::watch;
use crate::{MIB, Pair};

// Goal: however much is sent, a heap keeps to its limit, and its blocks serve again; all of them come back.
#[test]
fn blocks_are_used_again() {
    let _dog = watch();
    let pair = Pair::new("memory-again", 4 * MIB);
    let mut places = BTreeSet::new();
    block_on(async {
        for number in 0..3_000_u64 {
            let mut pixels = pair
                .probe
                .loan_timeout::<Pixels>(32 * 1024, secs(100))
                .await
                .unwrap();
            places.insert(pixels.as_ptr().addr());
            pixels.header_mut().number = number;
            pixels.fill(1);
            pair.probe.tell(pixels).await.unwrap();
        }
    });
    for number in 0..3_000 {
        pair.watcher.expect(Began(number));
        pair.watcher.expect(Ended(number));
    }
    let stats = pair.sender.heap().stats();
    assert!(
        stats.allocated >= 3_000 && stats.bytes <= 4 * MIB as u64,
        "{stats:?}"
    );
    assert!(
        places.len() < 1_000,
        "{} places for 3,000 messages",
        places.len()
    );
    pair.settle();
}

// Goal: a heap grows while it sends; what lies in a new segment is not sent before its receiver has mapped it.
#[test]
fn heaps_grow_under_way() {
    let _dog = watch();
    let pair = Pair::new("memory-growth", 512 * MIB);
    block_on(async {
        let mut kept = Vec::new();
        for step in 0..14 {
            let items = (16 * 1024) << step.min(9);
            for fill in 1..=3_u16 {
                let mut pixels = pair.probe.loan::<Pixels>(items).unwrap();
                pixels.fill(fill);
                assert_eq!(
                    pair.probe.ask(pixels).await.unwrap(),
                    u64::from(fill) * items as u64
                );
            }
            kept.push(pair.probe.loan::<Pixels>(items).unwrap()); // so that it must grow
        }
        let stats = pair.sender.heap().stats();
        assert!(
            stats.segments > 3 && stats.bytes > 64 * MIB as u64,
            "{stats:?}"
        );
    });
    pair.settle();
}
