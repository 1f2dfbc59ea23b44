//! Ringway's futures under tokio: nothing of Ringway needs tokio, and nothing of tokio needs to know of Ringway.
//!
//! First a node as usual, with a thread of its own: its sends are awaited in tokio's tasks, under tokio's timers. Then a
//! node without threads, driven by a tokio task: its actors run on tokio's own.
//!
//! ```sh
//! cargo run --example under_tokio
//! ```
#![forbid(unsafe_code)]

use std::thread;

use ringway::prelude::*;
use tokio::time::{sleep, timeout};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Add {
    amount: u64,
}

/// Tells the thread that it is handled on.
#[derive(Message, Serialize, Deserialize)]
#[message(serial, reply = String)]
#[serde(crate = "ringway::serde")]
struct Where;

/// Sleeps in its handler.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Nap {
    ms: u64,
}

#[derive(Actor, Default)]
#[actor(handles(Add, Where, Nap))]
struct Counter {
    total: u64,
}

impl Handler<Add> for Counter {
    async fn handle(&mut self, add: Add, _cx: &mut Context<Self>) -> u64 {
        self.total += add.amount;
        self.total
    }
}

impl Handler<Where> for Counter {
    async fn handle(&mut self, _where: Where, _cx: &mut Context<Self>) -> String {
        format!("{:?}", thread::current().id())
    }
}

impl Handler<Nap> for Counter {
    async fn handle(&mut self, nap: Nap, _cx: &mut Context<Self>) {
        sleep(ms(nap.ms)).await; // a tokio timer: works where tokio drives the node
    }
}

fn main() -> Result<()> {
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    tokio.block_on(await_sends())?;
    tokio.block_on(drive_node())
}

/// A node with a thread of its own; tokio awaits.
async fn await_sends() -> Result<()> {
    let node = Node::attach("under-tokio")?;
    let counter = node.spawn(Counter::default())?;
    let teller = counter.clone();
    let told = tokio::spawn(async move { teller.tell(Add { amount: 2 }).await });
    told.await??;
    let total = timeout(secs(30), counter.ask(Add { amount: 40 })).await??;
    assert_eq!(total, 42);

    let place = counter.ask(Where).await?;
    println!("total {total}, counted on {place} by a node of its own");
    assert_ne!(place, format!("{:?}", thread::current().id()));
    Ok(())
}

/// A node without threads; a tokio task drives it, and its actors may use all of tokio.
async fn drive_node() -> Result<()> {
    let node = Node::attach(NodeConfig::on("under-tokio").workers(Workers::Caller))?;
    let driver = tokio::spawn(node.drive());
    let counter = node.spawn(Counter::default())?;
    assert_eq!(counter.ask(Add { amount: 7 }).await?, 7);

    let place = counter.ask(Where).await?;
    println!("total 7, counted on {place} by a node that tokio drives");
    assert_eq!(place, format!("{:?}", thread::current().id()));

    counter.ask(Nap { ms: 5 }).await?;
    let patience = timeout(ms(5), counter.ask(Nap { ms: 50 })).await;
    assert!(
        patience.is_err(),
        "a timeout of tokio's drops the ask; its handler naps on"
    );
    assert_eq!(counter.ask(Add { amount: 1 }).await?, 8); // after the nap: one message at a time

    drop(node); // detaches, and that ends the driver
    driver.await?;
    Ok(())
}
