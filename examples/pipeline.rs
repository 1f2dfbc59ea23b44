//! Three processes in a row, one of which is killed every 200 ms: every item arrives, and has its effect once.
//!
//! An item is asked of the first stage, which asks the second, which asks the third, which asks the sink, an actor of this
//! process; only then the replies go back. What a dead stage had in hand is sent again to its next life (`redeliver`), so an
//! item may come to the sink twice: it counts each by its number, once.
//!
//! ```sh
//! cargo run --example pipeline
//! ```
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::process::Command;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use ringway::prelude::*;

type Result<T> = std::result::Result<T, BoxError>;

const STAGES: [&str; 3] = ["first", "second", "third"];
const KILLS: usize = 9;
/// Items under way at a time.
const WINDOW: usize = 16;
/// Deaths that an item may meet.
const TIMES: u32 = 20;

#[derive(Message, Clone, Copy, Debug, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Item {
    number: u64,
    /// Each stage adds one.
    value: u64,
}

/// What follows a stage, by its name on the bus.
#[derive(Message, Clone, Serialize, Deserialize)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Next(String);

/// A stage: a process of its own.
#[derive(Actor)]
#[actor(handles(Item), args = Next, hooks)]
struct Stage {
    name: String,
    /// Follows that name: also to the next lives of what has it.
    next: Option<Recipient<Item>>,
}

impl ringway::FromArgs<Next> for Stage {
    fn from_args(Next(name): Next) -> Result<Self> {
        Ok(Self { name, next: None })
    }
}

impl Hooks for Stage {
    async fn started(&mut self, cx: &mut Context<Self>) -> Result<()> {
        self.next = Some(cx.node().lookup(self.name.as_str()).await?);
        Ok(())
    }
}

impl Handler<Item, Result<u64>> for Stage {
    async fn handle(&mut self, item: Item, _cx: &mut Context<Self>) -> Result<u64> {
        let next = self.next.as_ref().ok_or("not started")?;
        let item = Item {
            value: item.value + 1,
            ..item
        };
        Ok(next.ask(item).redeliver(TIMES).deadline(secs(100)).await?)
    }
}

/// The end of the line: counts how often each item came.
#[derive(Actor, Default)]
#[actor(handles(Item, Count))]
struct Sink {
    arrivals: HashMap<u64, u64>,
}

/// Asks the sink how many items it has, and how many came again.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = [u64; 2])]
#[repr(C)]
struct Count;

impl Handler<Item> for Sink {
    async fn handle(&mut self, item: Item, _cx: &mut Context<Self>) -> u64 {
        *self.arrivals.entry(item.number).or_default() += 1;
        item.value
    }
}

impl Handler<Count> for Sink {
    async fn handle(&mut self, _: Count, _cx: &mut Context<Self>) -> [u64; 2] {
        let all: u64 = self.arrivals.values().sum();
        let items = self.arrivals.len() as u64;
        [items, all - items]
    }
}

/// Kills one stage after the other.
#[derive(Actor)]
#[actor(handles(Kill, Kills), hooks)]
struct Killer {
    stages: Tree,
    kills: usize,
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Kill;

/// Asks how often it has killed.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Kills;

impl Hooks for Killer {
    async fn started(&mut self, cx: &mut Context<Self>) -> Result<()> {
        cx.interval(ms(200), || Kill);
        Ok(())
    }
}

impl Handler<Kill> for Killer {
    async fn handle(&mut self, _: Kill, _cx: &mut Context<Self>) {
        let victim = STAGES[self.kills % STAGES.len()];
        let stages = self.stages.which_children();
        let stage = stages.iter().find(|stage| stage.id == victim);
        if let Some(pid) = stage.and_then(|stage| stage.pid) {
            let killed = Command::new("kill")
                .args(["-KILL", &pid.to_string()])
                .status();
            self.kills += usize::from(killed.is_ok_and(|status| status.success()));
        }
    }
}

impl Handler<Kills> for Killer {
    async fn handle(&mut self, _: Kills, _cx: &mut Context<Self>) -> u64 {
        self.kills as u64
    }
}

fn main() -> ringway::ExitCode {
    let directory = std::env::temp_dir().join(format!("ringway-pipeline-{}", std::process::id()));
    let config = NodeConfig::on("demo").directory(&directory);
    let code = Roles::with(config)
        .actor::<Stage>("stage")
        .run(|node| async move { pipeline(&node).await });
    // A child's own is not there; the bus is its parent's.
    let _ = std::fs::remove_dir_all(directory);
    code
}

async fn pipeline(node: &Node) -> Result<()> {
    let sink = node.actor(Sink::default()).name("sink").spawn()?;
    // Each is started once what follows it is there.
    let follows = ["second", "third", "sink"];
    let stages = STAGES.into_iter().zip(follows).rev();
    let stages = stages.fold(Supervisor::one_for_one(), |stages, (name, next)| {
        let stage = Child::process::<Stage>("stage").id(name).name(name);
        stages.child(stage.args(Next(next.to_owned())))
    });
    let stages = stages
        .intensity(100, secs(10))
        .backoff(ms(5)..ms(50))
        .start(node)
        .await?;
    let killer = node.spawn(Killer {
        stages: stages.clone(),
        kills: 0,
    })?;

    let first: Addr<Stage> = stages.addr("first").await?;
    let mut under_way = FuturesUnordered::new();
    let mut items = 0;
    while killer.ask(Kills).await? < KILLS as u64 {
        while under_way.len() < WINDOW {
            let (number, value) = (items, 0);
            let ask = first.ask(Item { number, value });
            under_way.push(ask.redeliver(TIMES).deadline(secs(100)));
            items += 1;
        }
        if let Some(value) = under_way.next().await {
            assert_eq!(value?, STAGES.len() as u64);
        }
    }
    while let Some(value) = under_way.next().await {
        assert_eq!(value?, STAGES.len() as u64);
    }
    let [arrived, again] = sink.ask(Count).await?;
    assert_eq!(arrived, items, "every item arrived");
    let starts: u64 = stages.which_children().iter().map(|it| it.starts).sum();
    println!(
        "{items} items through {starts} lives of three processes: all arrived, {again} of them again"
    );
    stages.stop();
    assert_eq!(stages.closed().await, ExitReason::Stopped);
    Ok(())
}
