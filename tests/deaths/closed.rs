//! A peer closes all its descriptors and reads on: it cannot be reached any more, but what it borrows stays as it is
//! until it is dead.

use futures::FutureExt;
use ringway::prelude::*;

use crate::helper::{Helper, wait_until};
use crate::messages::{Bulk, Sink, Small, filling};
use crate::support::{Bus, watch};

/// Blocks that the peer borrows, and bytes of each.
const LENT: u64 = 5;
const LEN: usize = 5000;

/// Uses all memory that is free for blocks like those that are lent.
fn fill_the_heap(node: &Node) {
    let blocks: Vec<_> = (0..200)
        .map(|_| node.heap().allocate(LEN + 64).unwrap())
        .collect();
    for mut block in blocks {
        block.bytes_mut().fill(0xEE);
    }
}

fn borrowed(node: &Node) -> u64 {
    let stats = node.heap().stats();
    stats.allocated - stats.freed
}

#[test]
fn closed_peer_reads_on_until_it_dies() {
    let _watchdog = watch();
    let bus = Bus::new("closed");
    let node = bus.attach("owner");
    let mut holder = Helper::start(&bus, &["holder", "holder"]);
    let bulks: Recipient<Bulk> = node.lookup("holder").within(secs(100)).wait().unwrap();
    let small: Recipient<Small> = node.lookup("holder").within(secs(100)).wait().unwrap();
    let (bulks, small) = (bulks.pinned(), small.pinned());
    for number in 0..LENT {
        let mut bulk = bulks.loan(LEN).unwrap();
        bulk.header_mut().number = number;
        bulk.fill(filling(number));
        assert_eq!(bulks.ask(bulk).wait().unwrap(), number);
    }

    assert_eq!(holder.ask("close"), "closed");
    wait_until(|| node.peers().is_empty());
    // Its ends hear of it a moment after it has left the list; what a send finds until then is an open queue.
    let mut refused = Ok(());
    wait_until(|| {
        refused = small.try_tell(Small { number: 99 });
        refused.is_err()
    });
    // It may have seen its descriptors go while it could still say that it leaves.
    assert!(
        matches!(
            &refused,
            Err(SendError::Ended {
                reason: ExitReason::Unreachable | ExitReason::Shutdown,
                ..
            })
        ),
        "{refused:?}"
    );
    assert_eq!(small.closed().now_or_never(), None, "it lives");
    drop((small, bulks)); // no address, no uring; but the leases

    // Memory of urings and blocks is used again for others, and not that which the peer reads.
    let sink = Helper::start(&bus, &["sink", "sink"]);
    let other: Addr<Sink> = node.lookup("sink").within(secs(100)).wait().unwrap();
    for number in 1000..1100 {
        assert_eq!(other.ask(Small { number }).wait().unwrap(), number);
        fill_the_heap(&node);
    }
    assert_eq!(borrowed(&node), LENT);
    assert_eq!(holder.ask("read"), format!("{LENT} of {LENT} intact"));
    // A completion is a store into its own memory. It rings no bell any more, so it is seen when something else is.
    assert_eq!(holder.ask("drop one"), "dropped");
    wait_until(|| {
        assert_eq!(other.ask(Small { number: 0 }).wait().unwrap(), 0);
        borrowed(&node) == LENT - 1
    });

    holder.kill();
    wait_until(|| borrowed(&node) == 0);
    sink.end();
}
