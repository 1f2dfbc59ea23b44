//! What the documents take for granted: the actors, messages and variables that their snippets name.

pub(crate) use ringway::prelude::*;
pub(crate) use ringway::{AskError, ExitReason};

pub(crate) type Outcome = Result<(), BoxError>;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub(crate) struct Add {
    pub(crate) amount: u64,
}

#[derive(Actor, Default)]
#[actor(handles(Add))]
pub(crate) struct Counter {
    total: u64,
}

impl Handler<Add> for Counter {
    async fn handle(&mut self, add: Add, _cx: &mut Context<Self>) -> u64 {
        self.total += add.amount;
        self.total
    }
}

#[derive(Message, Clone, Copy, Debug, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub(crate) struct Job {
    pub(crate) number: u64,
}

#[derive(Message, Clone, Copy, Debug, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub(crate) struct Read {
    pub(crate) key: u64,
}

#[derive(Message, Clone, Copy, Debug, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
pub(crate) struct Position {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) z: f64,
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
pub(crate) struct Retry;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
pub(crate) struct Line(u64);

#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
pub(crate) struct Fetched(pub(crate) String);

pub(crate) async fn fetch(_page: u32) -> String {
    String::new()
}

#[derive(Actor, Default)]
#[actor(handles(Job))]
pub(crate) struct Worker;

impl Handler<Job> for Worker {
    async fn handle(&mut self, job: Job, _cx: &mut Context<Self>) -> u64 {
        job.number
    }
}

#[derive(Actor, Default)]
#[actor(handles(Read))]
pub(crate) struct Cache;

impl Handler<Read> for Cache {
    async fn handle(&mut self, read: Read, _cx: &mut Context<Self>) -> u64 {
        read.key
    }
}

/// The actor whose handlers say what the snippets say.
#[derive(Actor)]
#[actor(handles(Retry, Line, Fetched, Down, LinkDown, Job))]
pub(crate) struct Desk {
    pub(crate) next: Recipient<Job>,
    pub(crate) ledger: Ledger,
}

impl Handler<Retry> for Desk {
    async fn handle(&mut self, _: Retry, _cx: &mut Context<Self>) {}
}

impl Handler<Line> for Desk {
    async fn handle(&mut self, _: Line, _cx: &mut Context<Self>) {}
}

impl Handler<Fetched> for Desk {
    async fn handle(&mut self, _: Fetched, _cx: &mut Context<Self>) {}
}

impl Handler<Down> for Desk {
    async fn handle(&mut self, _: Down, _cx: &mut Context<Self>) {}
}

impl Handler<LinkDown> for Desk {
    async fn handle(&mut self, _: LinkDown, _cx: &mut Context<Self>) {}
}

impl Handler<Job> for Desk {
    async fn handle(&mut self, job: Job, _cx: &mut Context<Self>) -> u64 {
        job.number
    }
}

impl Desk {
    pub(crate) async fn work(&mut self, job: Job) -> u64 {
        job.number
    }
}

/// A handler that stands alone in a document: one trait for each.
pub(crate) trait Handles<For>: Sized + Actor {
    async fn handle(&mut self, job: Job, cx: &mut Context<Self>) -> u64;
}

/// What was done, kept where it outlives the actor.
pub(crate) struct Ledger;

impl Ledger {
    pub(crate) async fn insert(&mut self, _id: impl Sized) -> bool {
        true
    }

    pub(crate) async fn result(&self, _id: impl Sized) -> u64 {
        0
    }
}

pub(crate) fn use_it(_result: u64) {}
pub(crate) fn again<T>(_message: T) {}
pub(crate) fn look(_reason: ExitReason) {}
pub(crate) fn park<T>(_message: T) {}

/// Variables that the snippets name.
pub(crate) struct Given {
    pub(crate) node: Node,
    pub(crate) worker: Addr<Worker>,
    pub(crate) workers: Vec<Addr<Worker>>,
    pub(crate) replicas: Vec<Addr<Cache>>,
    pub(crate) job: Job,
    pub(crate) page: u32,
    pub(crate) lines: futures::stream::Iter<std::vec::IntoIter<Line>>,
}
