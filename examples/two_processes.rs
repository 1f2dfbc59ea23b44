//! The counter of `hello` in another process: found by its name, then told and asked as before.
//!
//! The program starts itself again; that process spawns the counter under a name. The first one looks the name up, as the
//! whole actor and as somebody who handles `Add`, and in the end stops it.
//!
//! ```sh
//! cargo run --example two_processes
//! ```
#![forbid(unsafe_code)]

mod own_bus;

use std::env;

use ringway::prelude::*;

use own_bus::OwnBus;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Add {
    amount: u64,
}

#[derive(Message, Serialize, Deserialize)]
#[message(serial, reply = String)]
#[serde(crate = "ringway::serde")]
struct Describe {
    unit: String,
}

#[derive(Actor, Default)]
#[actor(handles(Add, Describe))]
struct Counter {
    total: u64,
}

impl Handler<Add> for Counter {
    async fn handle(&mut self, add: Add, _cx: &mut Context<Self>) -> u64 {
        self.total += add.amount;
        self.total
    }
}

impl Handler<Describe> for Counter {
    async fn handle(&mut self, describe: Describe, _cx: &mut Context<Self>) -> String {
        format!(
            "{} {}, counted by process {}",
            self.total,
            describe.unit,
            std::process::id()
        )
    }
}

fn main() -> Result<()> {
    match env::args().nth(1) {
        None => ask_and_tell(),
        Some(_) => count(),
    }
}

/// The other process: runs the counter until somebody stops it.
fn count() -> Result<()> {
    let node = Node::attach("demo")?;
    let counter = node.actor(Counter::default()).name("counter").spawn()?;
    assert_eq!(block_on(counter.closed()), ExitReason::Stopped);
    Ok(())
}

fn ask_and_tell() -> Result<()> {
    let bus = OwnBus::new("two-processes");
    let node = Node::attach(bus.config())?;
    let mut process = bus.start("counter")?;
    block_on(async {
        let counter: Addr<Counter> = node.lookup("counter").await?; // waits until it is there
        counter.tell(Add { amount: 1 }).await?;
        assert_eq!(counter.ask(Add { amount: 40 }).await?, 41);

        // Who knows a message, but not the actor, finds it just so.
        let adder: Recipient<Add> = node.lookup("counter").within(secs(30)).await?;
        assert_eq!(adder.ask(Add { amount: 1 }).await?, 42);

        let text = counter
            .ask(Describe {
                unit: "sheep".to_owned(),
            })
            .deadline(secs(30))
            .await?;
        println!("{text}; this is process {}", std::process::id());
        assert_eq!(
            text,
            format!("42 sheep, counted by process {}", process.id())
        );

        counter.stop();
        assert_eq!(counter.closed().await, ExitReason::Stopped);
        // The address that was looked up would wait for another to take the name; this one is of the life that ended.
        let late = counter
            .pinned()
            .tell(Add { amount: 1 })
            .await
            .expect_err("it has ended");
        println!("told once more: {late}");
        assert_eq!(late.into_inner().amount, 1); // an unsent message comes back
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    assert!(process.wait()?.success());
    Ok(())
}
