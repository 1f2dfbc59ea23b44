//! The actor that counts, in a process of its own, and its messages.

use ringway::prelude::*;

use crate::counts::Counts;
use crate::tally::{Sorted, Tally};

/// What a child that counts is to be.
pub(crate) const ROLE: &str = "counter";

/// Bytes of the words in one page: some 30,000 words of text.
const PAGE_BYTES: usize = 256 << 10;

/// A piece of text that begins and ends between words. Lent: its bytes stay where they were read to.
#[derive(Message)]
#[message(copy, reply = u64)]
#[repr(transparent)]
pub(crate) struct Chunk([u8]);

/// Asks for the words from this one on; the first page ends the counting.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = Counts)]
#[repr(C)]
pub(crate) struct PageFrom {
    pub(crate) word: usize,
}

/// Counts chunks, then hands over what it has.
#[derive(Actor, Default)]
#[actor(handles(Chunk, PageFrom))]
pub(crate) struct Counter {
    tally: Tally,
    sorted: Option<Sorted>,
}

impl Handler<Chunk> for Counter {
    async fn handle(&mut self, chunk: Lease<Chunk>, _cx: &mut Context<Self>) -> u64 {
        self.tally.count(&chunk)
    }
}

impl Handler<PageFrom> for Counter {
    async fn handle(&mut self, page: PageFrom, _cx: &mut Context<Self>) -> Counts {
        let sorted = self
            .sorted
            .get_or_insert_with(|| std::mem::take(&mut self.tally).sort());
        sorted.page(page.word, PAGE_BYTES)
    }
}
