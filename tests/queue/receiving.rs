//! Several who receive from one queue, and the end of receiving.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use futures::future::join_all;
use futures::poll;
use ringway::NameError;
use ringway::prelude::*;
use ringway::queue::{QueueError, ReceiveError};

use super::{Line, Position, position};
use crate::support::{Bus, watch};

/// Where a token comes from, and its place there.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Ticket {
    sender: u64,
    number: u64,
}

// Goal: several threads receive from one queue, some waiting and some not: no lane loses its turn and nobody a wake, each
// token goes to one of them, and each of them gets those of one sender in order. Method: every other sender waits for
// each token to be received, so that its lane is drained and scheduled again for the next.
#[test]
fn many_threads_receive() {
    const SENDERS: usize = 4;
    const EACH: u64 = 5_000;
    let _dog = watch();
    let bus = Bus::new("queue-threads");
    let receiver = bus.attach("receiver");
    let sink = MessageQueue::<Plain>::bind(&receiver, "sink").unwrap();
    let counts: [AtomicU64; SENDERS] = Default::default();
    let mut received: Vec<Vec<Ticket>> = Vec::new();
    let receive = |waits: bool| {
        let mut mine: Vec<Ticket> = Vec::new();
        loop {
            let token = match waits {
                true => block_on(sink.next()).map(Some),
                false => sink.receive(),
            };
            match token {
                Ok(None) => thread::yield_now(),
                Ok(Some(token)) => {
                    let ticket = Move::detokenize::<Ticket>(&token).unwrap();
                    mine.push(ticket);
                    counts[usize::try_from(ticket.sender).unwrap()].fetch_add(1, Relaxed);
                    if counts.iter().all(|count| count.load(Relaxed) == EACH) {
                        receiver.detach(); // ends the others
                    }
                }
                Err(ReceiveError::Detached) => return mine,
                Err(error) => panic!("{error}"),
            }
        }
    };
    thread::scope(|scope| {
        for (sender, received) in (0..SENDERS as u64).zip(&counts) {
            let bus = &bus;
            scope.spawn(move || {
                let node = bus.attach(&format!("sender {sender}"));
                let queue = MessageQueue::<Plain>::connect(&node, "sink").unwrap();
                for number in 0..EACH {
                    let token = Move::tokenize(Ticket { sender, number }, node.heap());
                    queue.send(token.unwrap()).unwrap();
                    while sender % 2 == 0 && received.load(Relaxed) <= number {
                        thread::yield_now();
                    }
                }
            });
        }
        let receive = &receive;
        let threads: Vec<_> = [true, false, false, false]
            .into_iter()
            .map(|waits| scope.spawn(move || receive(waits)))
            .collect();
        received.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
    });
    for mine in &received {
        for sender in 0..SENDERS as u64 {
            let from = mine.iter().filter(|ticket| ticket.sender == sender);
            assert!(from.is_sorted());
        }
    }
    let mut all = received.concat();
    all.sort_unstable();
    let expected =
        (0..SENDERS as u64).flat_map(|sender| (0..EACH).map(move |number| (sender, number)));
    assert!(
        all.iter()
            .map(|ticket| (ticket.sender, ticket.number))
            .eq(expected),
        "each once"
    );
}

// Goal: all who wait at one queue are woken by what comes; one that gave up takes no wake with it.
#[test]
fn all_who_wait_are_woken() {
    let _dog = watch();
    let line = Line::<Plain>::new("queue-waiting");
    block_on(async {
        let mut waits: Vec<_> = (0..3).map(|_| Box::pin(line.sink.next())).collect();
        for wait in &mut waits {
            assert!(poll!(wait).is_pending());
        }
        drop(waits.remove(0));
        line.queue.send(line.position(0)).unwrap();
        line.queue.send(line.position(1)).unwrap();
        // Whichever of them comes first.
        for token in join_all(waits).await {
            let found = Move::detokenize::<Position>(&token.unwrap()).unwrap();
            assert!(found == position(0) || found == position(1));
        }
    });
    assert!(line.sink.receive().unwrap().is_none());
}

// Goal: whoever receives hears that the node has left, also in the middle of a wait, and what was queued goes back. A node
// that has left binds nothing.
#[test]
fn receiving_ends_with_the_node() {
    let _dog = watch();
    let line = Line::<Plain>::new("queue-detach");
    let Line {
        sink,
        queue,
        sender,
        receiver,
        _bus,
    } = line;
    let unknown = MessageQueue::<Plain>::bind(&receiver, "unknown").unwrap(); // has no sender that could wake it
    let began = Barrier::new(3);
    thread::scope(|scope| {
        let waits = [&sink, &unknown].map(|sink| {
            scope.spawn(|| {
                block_on(async {
                    let mut wait = Box::pin(sink.next());
                    assert!(poll!(&mut wait).is_pending());
                    began.wait();
                    wait.await
                })
            })
        });
        began.wait();
        receiver.detach();
        for wait in waits {
            let error = wait.join().unwrap().unwrap_err();
            assert_eq!(error.to_string(), "the node is detached");
        }
    });
    assert!(matches!(sink.receive(), Err(ReceiveError::Detached)));
    let next = block_on(sink.next());
    assert!(matches!(next, Err(ReceiveError::Detached)));
    let error = MessageQueue::<Plain>::bind(&receiver, "another").unwrap_err();
    assert!(matches!(error, NameError::Detached), "{error}");
    let sent = loop {
        let token = Move::tokenize(position(1), sender.heap()).unwrap();
        if let Err(error) = queue.send(token) {
            break error;
        }
    };
    assert!(
        matches!(sent, QueueError::Closed(_, ExitReason::Shutdown)),
        "{sent}"
    );
}
