//! What the leaves of the storm's trees do, and the ledger that their effects are kept in.

use std::sync::Arc;

use ringway::FromArgs;
use ringway::prelude::*;

use crate::account::Account;

/// What a leaf panics with when it is asked to.
pub(crate) const AS_ASKED: &str = "as asked";

/// Work that travels in the entry.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub(crate) struct Job {
    pub(crate) number: u64,
}

/// Work that travels in a block.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub(crate) struct Page {
    pub(crate) number: u64,
    words: [u64; 127],
}

impl Page {
    pub(crate) fn of(number: u64) -> Self {
        let mut words = [0; 127];
        for (word, index) in words.iter_mut().zip(1..) {
            *word = number.wrapping_mul(index);
        }
        Self { number, words }
    }
}

/// Has a leaf panic.
#[derive(Message, Clone, Copy, Debug, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
pub(crate) struct Crash;

/// The work of that number has been done.
#[derive(Message, Clone, Copy, Debug, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
pub(crate) struct Done {
    number: u64,
}

/// What a leaf is made from.
#[derive(Message, Clone, Serialize, Deserialize)]
#[message(serial)]
pub(crate) struct Setup {
    pub(crate) ledger: Recipient<Done>,
}

/// A leaf.
#[derive(Actor)]
#[actor(handles(Job, Page, Crash), args = Setup)]
pub(crate) struct Worker {
    ledger: Recipient<Done>,
}

impl FromArgs<Setup> for Worker {
    fn from_args(setup: Setup) -> Result<Self, BoxError> {
        Ok(Self {
            ledger: setup.ledger,
        })
    }
}

impl Worker {
    /// Does it, and returns the proof.
    async fn work(&self, number: u64) -> u64 {
        // Who waits for the ledger's answer may be killed between the effect and its own.
        let done = match number % 4 {
            0 => self.ledger.ask(Done { number }).await.is_ok(),
            _ => self.ledger.tell(Done { number }).await.is_ok(),
        };
        assert!(done, "the ledger is there as long as any worker");
        proof_of(number)
    }
}

pub(crate) fn proof_of(number: u64) -> u64 {
    number.rotate_left(17) ^ 0xA5A5
}

impl Handler<Job> for Worker {
    async fn handle(&mut self, job: Job, _cx: &mut Context<Self>) -> u64 {
        self.work(job.number).await
    }
}

impl Handler<Page> for Worker {
    async fn handle(&mut self, page: Page, _cx: &mut Context<Self>) -> u64 {
        assert_eq!(page, Page::of(page.number), "a page changed on its way");
        self.work(page.number).await
    }
}

impl Handler<Crash> for Worker {
    async fn handle(&mut self, _: Crash, _cx: &mut Context<Self>) {
        std::panic::panic_any(AS_ASKED);
    }
}

/// Keeps what was done.
#[derive(Actor)]
#[actor(handles(Done))]
pub(crate) struct Ledger(Arc<Account>);

impl Ledger {
    pub(crate) fn new(account: &Arc<Account>) -> Self {
        Self(Arc::clone(account))
    }
}

impl Handler<Done> for Ledger {
    async fn handle(&mut self, done: Done, _cx: &mut Context<Self>) {
        self.0.done(done.number);
    }
}
