//! The parent's side: starts the children, keeps each of them supplied with chunks, and adds up what they found.

use std::cell::RefCell;
use std::io::{self, Read};
use std::time::Duration;

use futures_util::future::try_join_all;
use ringway::prelude::*;

use crate::chunks::{CHUNK_BYTES, Chunks};
use crate::counter::{Chunk, Counter, PageFrom, ROLE};
use crate::counts::Counts;
use crate::files::Files;

/// Chunks on their way to one child: one being counted, one waiting, one being read.
const IN_FLIGHT: usize = 3;

/// How long a child may take for a chunk, or for its first page, until it is taken for hung. A death is noticed at once.
const PATIENCE: Duration = secs(600);

/// What the children counted.
pub(crate) struct Counted {
    pub(crate) counts: Counts,
    pub(crate) bytes: u64,
}

/// Starts `workers` children at the same time.
pub(crate) async fn start(
    node: &Node,
    workers: usize,
) -> crate::Result<Vec<ChildProcess<Counter>>> {
    let spawn = |_| node.spawn_process::<Counter>(ROLE).into_future();
    Ok(try_join_all((0..workers).map(spawn)).await?)
}

/// Counts all files.
pub(crate) async fn count(
    children: &[ChildProcess<Counter>],
    files: &Files,
) -> crate::Result<Counted> {
    let chunks = RefCell::new(Chunks::of(files.open()));
    // Each feeder has one chunk at a time, so memory is bounded, and a child that is quicker gets more.
    let in_flight =
        IN_FLIGHT.min(usize::try_from(crate::HEAP_LIMIT)? / 2 / CHUNK_BYTES / children.len());
    let feeders = (0..in_flight)
        .flat_map(|_| children)
        .map(|child| feed(child.addr(), &chunks));
    let words: u64 = try_join_all(feeders).await?.into_iter().sum();

    let mut parts = try_join_all(children.iter().map(|child| collect(child.addr()))).await?;
    let chunks = chunks.into_inner();
    parts.push(chunks.long_words());
    let counts = Counts::merge(&parts);
    let expected = words + chunks.long_words().total();
    if counts.total() != expected {
        return Err(format!(
            "chunks had {expected} words, tables have {}",
            counts.total()
        )
        .into());
    }
    Ok(Counted {
        counts,
        bytes: chunks.bytes(),
    })
}

/// Reads chunks, one at a time, and has them counted until there are no more; returns their words.
async fn feed<S, R>(counter: Addr<Counter>, chunks: &RefCell<Chunks<S, R>>) -> crate::Result<u64>
where
    S: Iterator<Item = io::Result<R>>,
    R: Read,
{
    let mut words = 0;
    loop {
        let mut chunk = counter.loan::<Chunk>(CHUNK_BYTES)?;
        let filled = chunks.borrow_mut().fill(&mut chunk)?;
        if filled == 0 {
            return Ok(words);
        }
        chunk.truncate(filled);
        words += counter.ask(chunk).deadline(PATIENCE).await?;
    }
}

/// Fetches the table of a child, page by page.
async fn collect(counter: Addr<Counter>) -> crate::Result<Counts> {
    let mut counts = Counts::default();
    loop {
        let page = counter
            .ask(PageFrom { word: counts.len() })
            .deadline(PATIENCE)
            .await?;
        if page.is_empty() {
            return Ok(counts);
        }
        counts.append(&page);
    }
}
