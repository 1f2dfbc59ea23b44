//! A counter: one actor, one message, `tell` and `ask`.
//!
//! ```sh
//! cargo run --example hello
//! ```
#![forbid(unsafe_code)]

use ringway::prelude::*;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Add {
    amount: u64,
}

#[derive(Actor, Default)]
#[actor(handles(Add))]
struct Counter {
    total: u64,
}

impl Handler<Add> for Counter {
    async fn handle(&mut self, add: Add, _cx: &mut Context<Self>) -> u64 {
        self.total += add.amount;
        self.total
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::attach("hello")?; // joins the bus, or starts it
    let counter = node.spawn(Counter::default())?;
    block_on(async {
        counter.tell(Add { amount: 1 }).await?; // waits for room, not for the handler
        let total = counter.ask(Add { amount: 41 }).await?; // waits for the reply
        println!("the counter stands at {total}");
        assert_eq!(total, 42);
        Ok(())
    })
}
