//! Replies that are blocks of an actor which has ended, or of an asker which is dead.

use futures::FutureExt;
use ringway::prelude::*;

use crate::helper::wait_until;
use crate::messages::{REPLY_LEN, Sink, Wish, filling};
use crate::support::{Bus, watch};

fn borrowed(node: &Node) -> u64 {
    let stats = node.heap().stats();
    stats.allocated - stats.freed
}

// Goal: a reply that has come, and is not read yet, stays as it is when its actor ends; then it is freed.
#[test]
fn unread_reply_outlives_its_actor() {
    let _watchdog = watch();
    let bus = Bus::new("reply-outlives");
    let (receiver, asker) = (bus.attach("receiver"), bus.attach("asker"));
    let own = receiver
        .actor(Sink::new(|_| {}))
        .name("sink")
        .spawn()
        .unwrap();
    let addr: Addr<Sink> = asker.lookup("sink").within(secs(100)).wait().unwrap();
    // A thread that loses its processor in the midst of its first look may find the reply there already.
    let unread = loop {
        let mut ask = addr.ask(Wish { number: 7 });
        match (&mut ask).now_or_never() {
            None => break ask,
            Some(reply) => assert_eq!(reply.unwrap().len(), REPLY_LEN),
        }
    };
    wait_until(|| borrowed(&receiver) == 1);

    own.stop();
    assert_eq!(block_on(addr.closed()), ExitReason::Stopped);
    for _ in 0..100 {
        let mut block = receiver.heap().allocate(REPLY_LEN + 64).unwrap();
        block.bytes_mut().fill(0xEE);
    }
    let reply = block_on(unread).unwrap();
    assert_eq!(reply, vec![filling(7); REPLY_LEN]);
    wait_until(|| borrowed(&receiver) == 0);
}
