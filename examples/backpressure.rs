//! What happens to the fifth message when a mailbox holds four: each of the four policies, with counts.
//!
//! The node has no thread of its own here (`Workers::Caller`), so its actors run only inside `run_until`: what is sent
//! before that meets a mailbox that nobody empties.
//!
//! ```sh
//! cargo run --example backpressure
//! ```
#![forbid(unsafe_code)]

use futures_channel::mpsc::{UnboundedSender, unbounded};
use ringway::prelude::*;

const CAPACITY: usize = 4;
const SENT: u64 = 10;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Item {
    number: u64,
}

/// Passes on what it handles.
#[derive(Actor)]
#[actor(handles(Item))]
struct Sorter {
    handled: UnboundedSender<u64>,
}

impl Handler<Item> for Sorter {
    async fn handle(&mut self, item: Item, _cx: &mut Context<Self>) {
        self.handled.unbounded_send(item.number).ok(); // nobody listens at the very end
    }
}

fn main() -> Result<()> {
    let node = Node::attach(NodeConfig::on("backpressure").workers(Workers::Caller))?;
    println!("{SENT} messages for a mailbox of {CAPACITY}, sent while nobody empties it:");
    println!(
        "{:>12} {:>9} {:>9}   handled",
        "policy", "accepted", "returned"
    );
    let sent: Vec<u64> = (1..=SENT).collect();
    let (first, last) = (&sent[..CAPACITY], &sent[sent.len() - CAPACITY..]);
    show(&node, Overflow::Wait, CAPACITY, &sent)?; // the returned ones wait, and come after the others
    show(&node, Overflow::Fail, CAPACITY, first)?;
    show(&node, Overflow::DropNewest, sent.len(), first)?;
    show(&node, Overflow::DropOldest, sent.len(), last)
}

/// Sends under one policy, lets the actor run, and checks what was accepted at once and what was handled.
fn show(node: &Node, policy: Overflow, accepted: usize, expected: &[u64]) -> Result<()> {
    let (handled, mut log) = unbounded();
    let sorter = node
        .actor(Sorter { handled })
        .mailbox(CAPACITY)
        .overflow(policy)
        .spawn()?;

    let mut returned = Vec::new();
    for number in 1..=SENT {
        match sorter.try_tell(Item { number }) {
            Ok(()) => {}
            Err(error @ SendError::Full { .. }) => returned.push(error.into_inner()),
            Err(error) => return Err(error.into()),
        }
    }
    let handled: Vec<u64> = node.run_until(async {
        if policy == Overflow::Wait {
            for item in &returned {
                sorter.tell(*item).await?; // unlike `try_tell`, waits for room
            }
        }
        Ok::<_, SendError<Item>>(log.by_ref().take(expected.len()).collect().await)
    })?;

    let policy = format!("{policy:?}");
    println!(
        "{policy:>12} {accepted:>9} {:>9}   {handled:?}",
        returned.len()
    );
    assert_eq!(SENT, (accepted + returned.len()) as u64);
    assert_eq!(handled, expected);
    sorter.stop();
    node.run_until(sorter.closed());
    assert!(node.run_until(log.next()).is_none(), "no more was handled");
    Ok(())
}
