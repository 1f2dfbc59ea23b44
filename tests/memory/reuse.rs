//! Blocks that serve again, and heaps that grow meanwhile.

use std::collections::BTreeSet;

use ringway::prelude::*;

use crate::support::Bus;
use crate::support::probe::Event::{Began, Ended, Started};
use crate::support::probe::{Page, Pixels, Probe, probe};
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

// Goal: a sender that never waits, and so gives its driver no turn, uses the blocks again that its receiver has done with,
// instead of growing its heap. Method: a node that nobody drives meanwhile; each message was handled before the next.
#[test]
fn blocks_come_back_without_the_driver() {
    let _dog = watch();
    let bus = Bus::new("memory-undriven");
    let home = bus.attach("home");
    let (actor, watcher) = probe();
    home.actor(actor).name("probe").spawn().unwrap();
    watcher.expect(Started);
    let sender = Node::attach(bus.config("sender").workers(Workers::Caller)).unwrap();
    let probe = sender.run_until(async {
        let probe: Addr<Probe> = sender.lookup("probe").await.unwrap();
        // So that the segment is mapped, and nothing has to wait for that.
        probe
            .ask(Page {
                number: 0,
                words: [0; 511],
            })
            .await
            .unwrap();
        probe
    });
    watcher.expect(Began(0));
    watcher.expect(Ended(0));
    let mut most = 0;
    for number in 1..=100 {
        let mut pixels = probe.loan::<Pixels>(1_000).unwrap();
        pixels.header_mut().number = number;
        pixels.fill(1);
        probe.try_tell(pixels).unwrap();
        watcher.expect(Began(number));
        watcher.expect(Ended(number));
        most = most.max(sender.heap().stats().live());
    }
    // The last completion or two may be on their way.
    assert!(most < 10, "{most} of 100 blocks were lent at once");
}
