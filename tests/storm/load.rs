//! The load: tells and asks to all leaves, inline and in blocks, as long as the storm lasts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered, SelectAll, StreamExt};
use ringway::prelude::*;

use crate::Outcome;
use crate::account::{Account, Fate};
use crate::chance::Chance;
use crate::leaf::{Job, Page, Worker, proof_of};
use crate::tree::{ACTORS, Forest, PROCESSES};

/// A load; it returns the thread that reads what comes back to it.
pub(crate) type Load = fn(&Forest, &Arc<Account>, &AtomicBool, &Chance) -> Outcome<JoinHandle<()>>;

pub(crate) const ALL: [Load; 3] = [tells, asks, redelivered];

/// Tells in a row to one leaf.
const BURST: usize = 24;
/// Lives of a receiver that may end with a message in hand: more than there are kills.
const TIMES: u32 = 10_000;
/// Asks under way at a time.
const WINDOW: usize = 12;

async fn some_leaf(forest: &Forest, chance: &Chance) -> Outcome<Addr<Worker>> {
    let place = match chance.below(PROCESSES.len() + ACTORS.len()) {
        index if index < PROCESSES.len() => PROCESSES[index],
        index => ACTORS[index - PROCESSES.len()],
    };
    Ok(forest.leaf(place).await?.1)
}

fn tells(
    forest: &Forest,
    account: &Arc<Account>,
    over: &AtomicBool,
    chance: &Chance,
) -> Outcome<JoinHandle<()>> {
    let (streams, to_read) = unbounded();
    let books = Arc::clone(account);
    let reader = thread::spawn(move || block_on(read(to_read, &books)));
    block_on(async {
        // Ordering: Relaxed, as in the other load: nothing else is told by it.
        while !over.load(Ordering::Relaxed) {
            // Of one life: what comes back from it is read to its end.
            let leaf = some_leaf(forest, chance).await?.pinned();
            // From before the first tell, and so for all of them.
            watch_returns(&leaf, &streams);
            for _ in 0..BURST {
                let number = account.draft();
                let told = if chance.below(2) == 0 {
                    leaf.tell(Job { number }).await.is_ok()
                } else {
                    leaf.tell(Page::of(number)).await.is_ok()
                };
                // Every error of a send gives the message back: it had no effect.
                let fate = if told { Fate::Told } else { Fate::Returned };
                account.settle(number, fate);
                if !told {
                    break;
                }
            }
            // Neither to flood nor to starve: the burst has been handled, or is lost.
            drop(leaf.ask(Job { number: u64::MAX }).await);
        }
        Outcome::Ok(())
    })?;
    Ok(reader)
}

/// A message that came back: its number, if it has one, and whether it had been taken.
type Return = (Option<u64>, bool);

fn watch_returns(leaf: &Addr<Worker>, streams: &UnboundedSender<BoxStream<'static, Return>>) {
    let jobs = leaf.undelivered::<Job>().map(|it| {
        let job = it.message.and_then(|job| job.into_value().ok());
        (job.map(|job| job.number), it.taken)
    });
    let pages = leaf.undelivered::<Page>().map(|it| {
        let page = it.message.and_then(|page| page.into_value().ok());
        (page.map(|page| page.number), it.taken)
    });
    for stream in [jobs.boxed(), pages.boxed()] {
        // The reader ends after the last of them.
        let _ = streams.unbounded_send(stream);
    }
}

async fn read(mut to_read: UnboundedReceiver<BoxStream<'static, Return>>, account: &Account) {
    let mut all = SelectAll::new();
    loop {
        futures::select_biased! {
            stream = to_read.next() => match stream {
                Some(stream) => all.push(stream),
                None => break,
            },
            returned = all.select_next_some() => note(returned, account),
        }
    }
    while let Some(returned) = all.next().await {
        note(returned, account);
    }
}

fn note((number, taken): Return, account: &Account) {
    match number {
        Some(u64::MAX) => {}
        Some(number) if taken => account.settle(number, Fate::InDoubt),
        Some(number) => account.settle(number, Fate::Returned),
        None => {
            assert!(
                taken,
                "a message that was not taken came back without itself"
            );
            account.nameless();
        }
    }
}

fn asks(
    forest: &Forest,
    account: &Arc<Account>,
    over: &AtomicBool,
    chance: &Chance,
) -> Outcome<JoinHandle<()>> {
    block_on(async {
        let mut under_way: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
        while !over.load(Ordering::Relaxed) {
            let leaf = some_leaf(forest, chance).await?.pinned();
            while under_way.len() < WINDOW {
                let (number, leaf) = (account.draft(), leaf.clone());
                under_way.push(if chance.below(2) == 0 {
                    Box::pin(async move { settle(number, leaf.ask(Job { number }).await, account) })
                } else {
                    let page = Page::of(number);
                    Box::pin(async move { settle(number, leaf.ask(page).await, account) })
                });
            }
            under_way.next().await;
        }
        while under_way.next().await.is_some() {}
        Outcome::Ok(())
    })?;
    Ok(thread::spawn(|| {}))
}

/// Tells and asks that are sent again until somebody has handled them.
fn redelivered(
    forest: &Forest,
    account: &Arc<Account>,
    over: &AtomicBool,
    chance: &Chance,
) -> Outcome<JoinHandle<()>> {
    block_on(async {
        let mut under_way: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
        while !over.load(Ordering::Relaxed) {
            let leaf = some_leaf(forest, chance).await?;
            while under_way.len() < WINDOW {
                let (number, leaf) = (account.draft(), leaf.clone());
                account.settle(number, Fate::Redelivered);
                under_way.push(match chance.below(3) {
                    0 => Box::pin(async move {
                        let told = leaf.tell(Job { number }).redeliver(TIMES).await;
                        told.expect("a life that takes it");
                    }),
                    1 => Box::pin(async move {
                        let told = leaf.tell(Page::of(number)).redeliver(TIMES).await;
                        told.expect("a life that takes it");
                    }),
                    _ => Box::pin(async move {
                        let ask = leaf.ask(Job { number }).redeliver(TIMES);
                        let proof = ask.deadline(secs(300)).await;
                        assert_eq!(proof.expect("a life that answers"), proof_of(number));
                    }),
                });
            }
            under_way.next().await;
        }
        while under_way.next().await.is_some() {}
        Outcome::Ok(())
    })?;
    Ok(thread::spawn(|| {}))
}

fn settle<S>(number: u64, answer: Result<u64, AskError<S>>, account: &Account) {
    let fate = match answer {
        Ok(proof) => {
            assert_eq!(proof, proof_of(number), "another one's answer");
            Fate::Answered
        }
        Err(AskError::Died { taken: true, .. }) => Fate::InDoubt,
        Err(AskError::Died { .. } | AskError::Unsent(_)) => Fate::Returned,
        Err(_) => panic!("number {number}: neither answered nor dead"),
    };
    account.settle(number, fate);
}
