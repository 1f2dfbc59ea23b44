//! A receiver dies: each message was handled, comes back as never taken, or is known to have been taken; no message that
//! comes back had an effect.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::process::ChildStdout;
use std::thread;

use futures::FutureExt;
use futures::stream::FuturesUnordered;
use ringway::message::{Parcel, Sendable};
use ringway::prelude::*;
use ringway::{Undelivered, Undone};

use crate::helper::{Helper, Rng, wait_until};
use crate::messages::{
    Bulk, BulkWish, Line, Mark, Record, Sink, Small, Wish, bulk, bulk_wish, filling, line,
};
use crate::support::{Bus, watch};

/// Receivers that are killed.
const KILLS: u32 = 200;

/// Asks under way at a time.
const ASKS: usize = 40;

/// What the sender knows of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The tell returned `Ok`, and nothing was heard since.
    Told,
    /// The ask was answered.
    Answered,
    /// It came back, never taken.
    Returned,
    /// It was taken, and its end is not known.
    DiedAfterTake,
    /// It was not sent.
    Unsent,
}

/// What is known of all messages.
type Fates = HashMap<u64, Fate>;

/// Messages by what became of them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    sent: u64,
    handled: u64,
    returned: u64,
    died_after_take: u64,
}

async fn ask_small(sink: &Addr<Sink>, number: u64, priority: Priority) -> (u64, Fate) {
    let ask = sink.ask(Small { number }).priority(priority);
    let asked = ask.deadline(secs(120)).await;
    (
        number,
        fate(
            number,
            asked.map(|reply| assert_eq!(reply, number)),
            |small| small.number,
        ),
    )
}

async fn ask_wish(sink: &Addr<Sink>, number: u64) -> (u64, Fate) {
    let asked = sink.ask(Wish { number }).deadline(secs(120)).await;
    (
        number,
        fate(
            number,
            asked.map(|reply| check_reply(&reply, number)),
            |wish| wish.number,
        ),
    )
}

async fn ask_line(sink: &Addr<Sink>, number: u64) -> (u64, Fate) {
    let asked = sink.ask(line(number)).deadline(secs(120)).await;
    (
        number,
        fate(
            number,
            asked.map(|reply| assert_eq!(reply, number)),
            number_of_line,
        ),
    )
}

async fn ask_bulk(sink: &Addr<Sink>, number: u64, len: usize) -> (u64, Fate) {
    let asked = sink.ask(bulk(sink, number, len)).deadline(secs(120)).await;
    (
        number,
        fate(
            number,
            asked.map(|reply| assert_eq!(reply, number)),
            number_of_bulk,
        ),
    )
}

async fn ask_bulk_wish(sink: &Addr<Sink>, number: u64, len: usize) -> (u64, Fate) {
    let asked = sink
        .ask(bulk_wish(sink, number, len))
        .deadline(secs(120))
        .await;
    let number_of = |wish: Loan<BulkWish>| wish.header().number;
    (
        number,
        fate(
            number,
            asked.map(|reply| check_reply(&reply, number)),
            number_of,
        ),
    )
}

fn check_reply(reply: &[u8], number: u64) {
    assert!(!reply.is_empty() && reply.iter().all(|byte| *byte == filling(number)));
}

fn number_of_line(told: Line) -> u64 {
    assert_eq!(told.bytes, line(told.number).bytes);
    told.number
}

fn number_of_bulk(bulk: Loan<Bulk>) -> u64 {
    assert!(
        bulk.iter()
            .all(|byte| *byte == filling(bulk.header().number))
    );
    bulk.header().number
}

/// What an ask's answer says about its message; a message that comes back is the one that was sent.
fn fate<S>(number: u64, asked: Result<(), AskError<S>>, number_of: impl FnOnce(S) -> u64) -> Fate {
    match asked {
        Ok(()) => Fate::Answered,
        Err(AskError::Unsent(error)) => {
            assert_eq!(number_of(error.into_inner()), number);
            Fate::Unsent
        }
        Err(AskError::Died {
            taken: false,
            message: Some(message),
            ..
        }) => {
            assert_eq!(number_of(message), number);
            Fate::Returned
        }
        Err(AskError::Died {
            taken: true,
            message: None,
            ..
        }) => Fate::DiedAfterTake,
        Err(other) => panic!("message {number}: {other:?}"),
    }
}

/// Where the numbers of a batch that was not sent as a whole go on: its messages come back, from there on in their order.
fn of_batch<I: Iterator>(
    from: u64,
    told: Result<(), TellAllError<I>>,
    number_of: impl Fn(I::Item) -> u64,
) -> Option<u64> {
    let error = told.err()?;
    let next = from + error.sent() as u64;
    let unsent = error.into_inner().map(number_of);
    assert!(unsent.zip(next..).all(|(number, next)| number == next));
    Some(next)
}

/// Sends until the receiver has ended, all asks are over, and what was told has come back.
async fn send_until_it_dies(sink: &Addr<Sink>, rng: &mut Rng) -> Fates {
    let mut fates = Fates::new();
    let mut asks = FuturesUnordered::new();
    // Every third one is urgent.
    let mut urgent = HashSet::new();
    let mut number = 0;
    loop {
        let priority = match rng.below(3) {
            0 => High,
            _ => Priority::Normal,
        };
        let len = usize::try_from(rng.below(3000)).unwrap() + 30;
        let told = match rng.below(14) {
            0..=1 => sink
                .tell(Small { number })
                .priority(priority)
                .await
                .map_err(|error| error.into_inner().number),
            2..=3 => {
                let told = sink.tell(bulk(sink, number, len)).priority(priority);
                told.await
                    .map_err(|error| number_of_bulk(error.into_inner()))
            }
            8..=10 => {
                let told = sink.tell(line(number)).priority(priority);
                told.await
                    .map_err(|error| number_of_line(error.into_inner()))
            }
            kind @ 12.. => {
                let count = 1 + rng.below(150);
                let numbers = number..number + count;
                urgent.extend(numbers.clone().filter(|_| priority == High));
                let unsent = if kind == 12 {
                    let told = sink.tell_all(numbers.map(|number| Small { number }));
                    let told = told.priority(priority).await;
                    of_batch(number, told, |small| small.number)
                } else {
                    let told = sink.tell_all(numbers.map(|number| bulk(sink, number, len)));
                    let told = told.priority(priority).await;
                    of_batch(number, told, number_of_bulk)
                };
                let until = unsent.unwrap_or(number + count);
                fates.extend((number..until).map(|number| (number, Fate::Told)));
                number = until;
                if unsent.is_some() {
                    break;
                }
                continue;
            }
            kind => {
                asks.push(match kind {
                    11 => ask_line(sink, number).boxed_local(),
                    4 => ask_small(sink, number, priority).boxed_local(),
                    5 => ask_wish(sink, number).boxed_local(),
                    6 => ask_bulk(sink, number, len).boxed_local(),
                    _ => ask_bulk_wish(sink, number, len).boxed_local(),
                });
                if asks.len() > ASKS {
                    fates.extend(asks.next().await);
                }
                while let Some(Some(ended)) = asks.next().now_or_never() {
                    fates.extend([ended]);
                }
                number += 1;
                if sink.is_closed() {
                    break;
                }
                continue;
            }
        };
        match told {
            Ok(()) => {
                fates.insert(number, Fate::Told);
                urgent.extend((priority == High).then_some(number));
            }
            Err(unsent) => {
                assert_eq!(unsent, number);
                break;
            }
        }
        number += 1;
    }
    fates.extend(asks.collect::<Vec<_>>().await);
    assert_eq!(sink.closed().await, ExitReason::ProcessDied);
    take_back(sink, &mut fates, &urgent, |small: Small| small.number).await;
    take_back(sink, &mut fates, &urgent, number_of_line).await;
    take_back(sink, &mut fates, &urgent, number_of_bulk).await;
    fates
}

/// Reads the stream of what came back to its end.
async fn take_back<S: Sendable>(
    sink: &Addr<Sink>,
    fates: &mut Fates,
    urgent: &HashSet<u64>,
    number_of: impl Fn(S) -> u64,
) {
    let mut undelivered = sink.undelivered::<S::Message>();
    // Of each priority.
    let mut lasts = [None; 2];
    while let Some(Undelivered {
        message,
        taken,
        why,
    }) = undelivered.next().await
    {
        assert_eq!(why, Undone::Ended(ExitReason::ProcessDied));
        let message: Parcel<S::Message> = message.expect("all of it is in this process's memory");
        let number = number_of(S::from_parcel(message));
        let last = &mut lasts[usize::from(urgent.contains(&number))];
        assert!(
            *last < Some(number),
            "{number} after {last:?}: oldest first"
        );
        *last = Some(number);
        let fate = if taken {
            Fate::DiedAfterTake
        } else {
            Fate::Returned
        };
        assert_eq!(
            fates.insert(number, fate),
            Some(Fate::Told),
            "message {number} comes back once"
        );
    }
}

/// Kills the receiver some time after it has logged `records`; returns all that it logged.
fn kill_after(mut sink: Helper, records: usize, spins: u64) -> impl FnOnce() -> Vec<Record> {
    let mut output = sink.take_output();
    move || {
        let mut log = vec![0; records * Record::LEN];
        output.read_exact(&mut log).unwrap();
        for _ in 0..spins {
            std::hint::spin_loop();
        }
        sink.kill();
        rest_of(output, log)
    }
}

fn rest_of(mut output: std::io::BufReader<ChildStdout>, mut log: Vec<u8>) -> Vec<Record> {
    output.read_to_end(&mut log).unwrap();
    let (records, rest) = log.as_chunks();
    assert!(rest.is_empty(), "a record is written at once");
    records.iter().copied().map(Record::from_bytes).collect()
}

/// Holds what the sender knows against what the receiver logged.
fn compare(fates: &Fates, log: &[Record]) -> Sums {
    let (mut began, mut ended) = (HashMap::new(), HashMap::new());
    for record in log {
        let times: &mut u32 = match record.mark {
            Mark::Began => began.entry(record.number).or_default(),
            Mark::Ended => ended.entry(record.number).or_default(),
            Mark::Spoilt => panic!("{record:?}"),
        };
        *times += 1;
        assert_eq!(*times, 1, "{record:?} came twice");
        assert!(
            fates.contains_key(&record.number),
            "{record:?} was never sent"
        );
    }
    let mut sums = Sums::default();
    for (number, fate) in fates {
        let is_over = ended.contains_key(number);
        match fate {
            Fate::Unsent | Fate::Returned => assert!(
                !began.contains_key(number),
                "{fate:?} {number} had an effect"
            ),
            Fate::Told | Fate::Answered => assert!(is_over, "{fate:?} {number} was never handled"),
            Fate::DiedAfterTake => {}
        }
        sums.sent += u64::from(*fate != Fate::Unsent);
        sums.handled += u64::from(matches!(fate, Fate::Told | Fate::Answered));
        sums.returned += u64::from(*fate == Fate::Returned);
        sums.died_after_take += u64::from(*fate == Fate::DiedAfterTake);
    }
    assert_eq!(
        sums.sent,
        sums.handled + sums.returned + sums.died_after_take
    );
    sums
}

// Goal: 200 receivers killed in mid-stream, at moments that their own log picks. Every kind of message is under way.
#[test]
fn killed_in_mid_stream_leaves_nothing_unknown() {
    let _watchdog = watch();
    let bus = Bus::new("receiver-mid-stream");
    let mut rng = Rng::new("receiver-mid-stream");
    let node = bus.attach("sender");
    let mut total = Sums::default();
    for kill in 0..KILLS {
        let name = format!("sink-{kill}");
        let peer = Helper::start(&bus, &["sink", &name]);
        let records = usize::try_from(1 + rng.below(500)).unwrap();
        let killer = thread::spawn(kill_after(peer, records, rng.below(20_000)));
        let fates = block_on(async {
            let sink: Addr<Sink> = node.lookup(&name).within(secs(120)).await.unwrap();
            send_until_it_dies(&sink.pinned(), &mut rng).await
        });
        let sums = compare(&fates, &killer.join().unwrap());
        total.sent += sums.sent;
        total.handled += sums.handled;
        total.returned += sums.returned;
        total.died_after_take += sums.died_after_take;
        wait_until(|| node.heap().stats().allocated == node.heap().stats().freed);
    }
    println!("{KILLS} receivers killed: {total:?}");
    assert!(total.returned > 0 && total.died_after_take > 0, "{total:?}");
}
