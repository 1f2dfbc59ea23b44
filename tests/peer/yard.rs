//! A process with workers, commanded line by line; and one that sends to workers elsewhere, until it is killed.

use std::io::BufRead;
use std::pin::pin;
use std::sync::Arc;

use futures::future::join_all;
use futures::poll;
use ringway::prelude::*;

use crate::messages::yield_once;
use crate::worker::{HOLD, Job, PASS, Record, Worker, Yard};

/// Writes at once, or not at all.
fn say(bytes: &[u8]) {
    let written = rustix::io::write(rustix::stdio::stdout(), bytes).expect("the test reads");
    assert_eq!(written, bytes.len(), "a pipe takes so little at once");
}

/// Has workers, as its input says, and logs what they do on its output.
pub(crate) fn play() {
    let node = Node::attach("test").expect("attached");
    let log = Arc::new(|record: Record| say(bytes_of(&record)));
    let yard = Yard::new(&node, log);
    for line in std::io::stdin().lock().lines() {
        yard.obey(&line.expect("a pipe"));
    }
}

fn bytes_of(record: &Record) -> &[u8] {
    ringway::private::bytemuck::bytes_of(record)
}

/// Brings messages of a priority into the row's state with each worker, says so, and waits to be killed. The numbers of messages to the
/// worker at index `i` are `10 * i` and the next ones.
pub(crate) fn send(row: &str, priority: &str, names: &[&str]) {
    let node = Node::attach("test").expect("attached");
    let find = |name: &&str| {
        let found: Addr<Worker> = node.lookup(*name).within(secs(100)).wait().expect("there");
        found.pinned()
    };
    let workers: Vec<Addr<Worker>> = names.iter().map(find).collect();
    let priority = match priority {
        "high" => High,
        _ => Priority::Normal,
    };
    block_on(async {
        let numbered = workers.iter().zip((0..).step_by(10));
        join_all(numbered.map(|(worker, number)| bring(row, priority, worker, number))).await;
    });
}

async fn bring(row: &str, priority: Priority, worker: &Addr<Worker>, first: u64) {
    let job = |at, what| Job {
        number: first + at,
        what,
    };
    let tell = |job| worker.tell(job).priority(priority);
    let ask = |job| worker.ask(job).priority(priority).deadline(secs(1000));
    if priority == High {
        // The first of these opens a uring: those that follow are sent when they are first polled.
        ask(job(5, PASS)).await.expect("answered");
    }
    match row {
        "queued_at_sender" => {
            tell(job(0, HOLD)).await.expect("sent");
            // Once the first has been taken; who waits for room would hear of it when its handler ends.
            let mut fills = pin!(tell(job(1, PASS)));
            while poll!(fills.as_mut()).is_pending() {
                yield_once().await;
            }
            // The mailbox has room for one.
            let mut tell = pin!(tell(job(2, PASS)));
            let mut ask = pin!(ask(job(3, PASS)));
            assert!(poll!(tell.as_mut()).is_pending());
            assert!(poll!(ask.as_mut()).is_pending());
            say(b".");
            std::future::pending::<()>().await;
        }
        "queued_at_receiver" => {
            tell(job(0, HOLD)).await.expect("sent");
            tell(job(1, PASS)).await.expect("sent");
            wait_with(ask(job(2, PASS))).await;
        }
        "being_handled_tell" => {
            tell(job(0, HOLD)).await.expect("sent");
            say(b".");
            std::future::pending::<()>().await;
        }
        "being_handled_ask" => wait_with(ask(job(0, HOLD))).await,
        "replied" => {
            let mut asking = pin!(ask(job(0, PASS)));
            // A reply that came at once would have been read: then another one is not.
            if poll!(asking.as_mut()).is_pending() {
                ask(job(1, PASS)).await.expect("answered");
            }
            say(b".");
            std::future::pending::<()>().await;
        }
        row => panic!("no row {row}"),
    }
}

/// Asks, and never reads the reply.
async fn wait_with(ask: ringway::Ask<'_, Job>) {
    let mut ask = pin!(ask);
    // What was not opened yet at the first look is sent at a later one.
    let mut is_said = false;
    std::future::poll_fn(|cx| {
        use std::future::Future;
        let asked = ask.as_mut().poll(cx);
        assert!(asked.is_pending(), "{asked:?}");
        if !std::mem::replace(&mut is_said, true) {
            say(b".");
        }
        asked.map(drop)
    })
    .await;
}
