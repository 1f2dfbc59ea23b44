//! The actors that the family's children can be.

use std::future::pending;

use futures::channel::mpsc::UnboundedSender;
use ringway::prelude::*;
use ringway::{ChildProcess, ExitReason, FromArgs, SpawnProcessError};
use rustix::process::{Signal, getpid, kill_process};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub(crate) struct Add {
    pub(crate) amount: u64,
}

/// Asks for a reply of that many bytes, each the counter's total.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = Vec<u8>)]
#[repr(C)]
pub(crate) struct Fill {
    pub(crate) len: u64,
}

/// Asks for a variable of the actor's environment.
#[derive(Message, Serialize, Deserialize)]
#[message(serial, reply = Option<String>)]
pub(crate) struct Variable {
    pub(crate) name: String,
}

/// Asks the actor to end.
#[derive(Message, Serialize, Deserialize, Debug)]
#[message(serial)]
pub(crate) enum End {
    Normally,
    ByPanic,
    ByExit(i32),
    ByError,
    /// It takes memory until there is no more.
    ByHunger,
    /// Not at all: the handler says that it began, and never ends.
    Never(Recipient<Began>),
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
pub(crate) struct Began {
    pub(crate) pid: u64,
}

/// Has the actor say so many words, and then end, or its process by a signal.
#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
pub(crate) struct Speak {
    pub(crate) to: Recipient<Began>,
    pub(crate) words: u64,
    pub(crate) end: Option<i32>,
}

#[derive(Message, Serialize, Deserialize, Default, Clone)]
#[message(serial)]
pub(crate) struct Start {
    pub(crate) from: u64,
    /// Carried along, to make the arguments large.
    pub(crate) ballast: Vec<u8>,
    /// Told when the actor has stopped in order.
    pub(crate) mourner: Option<Recipient<Began>>,
}

#[derive(Actor)]
#[actor(handles(Add, Fill, Variable, End, Speak), args = Start, hooks)]
pub(crate) struct Counter {
    total: u64,
    mourner: Option<Recipient<Began>>,
}

impl FromArgs<Start> for Counter {
    fn from_args(start: Start) -> Result<Self, BoxError> {
        let total = start.from + start.ballast.len() as u64;
        Ok(Self {
            total,
            mourner: start.mourner,
        })
    }
}

impl Hooks for Counter {
    async fn stopping(&mut self, _reason: &ExitReason, _cx: &mut Context<Self>) {
        if let Some(mourner) = &self.mourner {
            mourner.tell(own_pid()).await.ok();
        }
    }
}

impl Handler<Add> for Counter {
    async fn handle(&mut self, add: Add, _cx: &mut Context<Self>) -> u64 {
        self.total += add.amount;
        self.total
    }
}

impl Handler<Fill> for Counter {
    async fn handle(&mut self, fill: Fill, _cx: &mut Context<Self>) -> Vec<u8> {
        let byte = self.total.to_le_bytes()[0];
        vec![byte; usize::try_from(fill.len).expect("a 64-bit system")]
    }
}

impl Handler<Variable> for Counter {
    async fn handle(&mut self, variable: Variable, _cx: &mut Context<Self>) -> Option<String> {
        std::env::var(variable.name).ok()
    }
}

impl Handler<End> for Counter {
    async fn handle(&mut self, end: End, cx: &mut Context<Self>) {
        match end {
            End::Normally => cx.stop(),
            End::ByPanic => panic!("as asked"),
            End::ByExit(code) => std::process::exit(code),
            End::ByError => cx.fail("no film"),
            End::ByHunger => eat(),
            End::Never(witness) => {
                witness.tell(own_pid()).await.ok();
                pending::<()>().await;
            }
        }
    }
}

impl Handler<Speak> for Counter {
    async fn handle(&mut self, speak: Speak, cx: &mut Context<Self>) {
        for pid in 0..speak.words {
            speak.to.tell(Began { pid }).await.expect("it listens");
        }
        match speak.end.and_then(Signal::from_named_raw) {
            Some(signal) => kill_process(getpid(), signal).expect("it is this process"),
            None => cx.stop(),
        }
        // A signal has come before its sender goes on.
    }
}

fn eat() {
    const BITE: usize = 1 << 20;
    let mut eaten = Vec::new();
    // Far more than any limit here, far less than would hurt others where there is none.
    for _ in 0..1024 {
        eaten.push(vec![1_u8; BITE]);
        std::hint::black_box(&eaten);
    }
    panic!("nobody ended it");
}

pub(crate) fn own_pid() -> Began {
    Began {
        pid: u64::from(std::process::id()),
    }
}

/// A child with a supervisor of its own, which gives up when it is asked to.
#[derive(Actor, Default)]
#[actor(handles(Add), hooks)]
pub(crate) struct Nested {
    tree: Option<Tree>,
}

impl Hooks for Nested {
    async fn started(&mut self, cx: &mut Context<Self>) -> Result<(), BoxError> {
        let local = || Counter::from_args(Start::default()).expect("it has no needs");
        let tree = Supervisor::one_for_one()
            .intensity(0, ms(1))
            .child(Child::actor("local", local))
            .start(&cx.node())
            .await?;
        self.tree = Some(tree);
        Ok(())
    }
}

impl Handler<Add, Result<u64, BoxError>> for Nested {
    async fn handle(&mut self, add: Add, _cx: &mut Context<Self>) -> Result<u64, BoxError> {
        let tree = self.tree.as_ref().ok_or("it has started")?;
        let local: Addr<Counter> = tree.addr("local").await?;
        local.tell(End::ByError).await?;
        Ok(add.amount)
    }
}

/// Not a role: says in words that it was stopped in order.
#[derive(Actor)]
#[actor(handles(Add), hooks)]
pub(crate) struct Mourner;

impl Hooks for Mourner {
    async fn stopping(&mut self, reason: &ExitReason, _cx: &mut Context<Self>) {
        println!("the mourner: {reason}");
    }
}

impl Handler<Add> for Mourner {
    async fn handle(&mut self, add: Add, _cx: &mut Context<Self>) -> u64 {
        add.amount
    }
}

/// How a [`Failing`] actor is to fail.
#[derive(Message, Serialize, Deserialize, Clone, Debug)]
#[message(serial)]
pub(crate) enum Fail {
    InFromArgs,
    InStarted,
    ByPanicInFromArgs,
    ByPanicInStarted,
    /// Not: it ends as soon as it has started.
    AfterStarted,
    /// It never comes to an end of its start.
    Never,
}

#[derive(Actor)]
#[actor(handles(Add), args = Fail, hooks)]
pub(crate) struct Failing(Fail);

impl FromArgs<Fail> for Failing {
    fn from_args(fail: Fail) -> Result<Self, BoxError> {
        match fail {
            Fail::InFromArgs => Err("no disk".into()),
            Fail::ByPanicInFromArgs => panic!("as asked"),
            fail => Ok(Self(fail)),
        }
    }
}

impl Hooks for Failing {
    async fn started(&mut self, cx: &mut Context<Self>) -> Result<(), BoxError> {
        match self.0 {
            Fail::InStarted => return Err("no camera".into()),
            Fail::ByPanicInStarted => panic!("as asked"),
            Fail::AfterStarted => cx.stop(),
            Fail::Never => pending::<()>().await,
            _ => {}
        }
        Ok(())
    }
}

impl Handler<Add> for Failing {
    async fn handle(&mut self, add: Add, _cx: &mut Context<Self>) -> u64 {
        add.amount
    }
}

/// A child that has a child of its own: the reply to any addition is that one's pid.
#[derive(Actor, Default)]
#[actor(handles(Add))]
pub(crate) struct Parent {
    child: Option<ChildProcess<Counter>>,
}

impl Handler<Add, Result<u64, SpawnProcessError>> for Parent {
    async fn handle(
        &mut self,
        _add: Add,
        cx: &mut Context<Self>,
    ) -> Result<u64, SpawnProcessError> {
        let child = cx
            .node()
            .spawn_process::<Counter>("counter")
            .args(Start::default())
            .await?;
        let pid = u64::from(child.pid());
        self.child = Some(child);
        Ok(pid)
    }
}

/// Not a role: an actor of the parent that passes on what it is told.
#[derive(Actor)]
#[actor(handles(Began))]
pub(crate) struct Witness(pub(crate) UnboundedSender<u64>);

impl Handler<Began> for Witness {
    async fn handle(&mut self, began: Began, _cx: &mut Context<Self>) {
        self.0.unbounded_send(began.pid).ok();
    }
}
