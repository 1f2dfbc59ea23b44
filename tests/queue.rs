//! The bus without actors: tokens of any type in one queue, in each envelope.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

#[path = "queue/receiving.rs"]
mod receiving;
mod support;

use std::thread;

use futures::poll;
use ringway::envelope::Envelope;
use ringway::message::Copy;
use ringway::prelude::*;
use ringway::queue::{BoundQueue, QueueError};
use ringway::token::{OwnedToken, Place, ReceivedToken};
use ringway::{LookupError, Node, Undone};

use support::{Bus, watch};

/// Entries of a uring.
const URING: u64 = 128;

#[derive(Message, Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Position {
    x: f64,
    y: f64,
    z: f64,
}

#[derive(Message, Serialize, Deserialize, Debug, PartialEq, Clone)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Text {
    content: String,
    priority: u8,
}

#[derive(Message, Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Map {
    cells: [[u32; 64]; 64],
}

#[derive(Message)]
#[message(copy)]
#[repr(transparent)]
struct Samples([i16]);

/// Not what anybody sends, under the name of what is.
#[derive(Message, Clone, Copy, Debug, Pod, Zeroable)]
#[message(move, name = "queue::Position")]
#[repr(C)]
struct Swapped {
    y: f64,
    x: f64,
    z: f64,
}

fn position(n: u32) -> Position {
    Position {
        x: f64::from(n),
        y: 0.5,
        z: -1.0,
    }
}

fn text(n: u32) -> Text {
    Text {
        content: "hello ".repeat(n as usize),
        priority: 1,
    }
}

/// A queue bound on one node, and a sender on another.
struct Line<H: Envelope> {
    sink: BoundQueue<H>,
    queue: MessageQueue<H>,
    sender: Node,
    receiver: Node,
    _bus: Bus,
}

impl<H: Envelope> Line<H> {
    fn new(name: &str) -> Self {
        let bus = Bus::new(name);
        let (receiver, sender) = (bus.attach("receiver"), bus.attach("sender"));
        let sink = MessageQueue::<H>::bind(&receiver, "sink").unwrap();
        let queue = MessageQueue::<H>::connect(&sender, "sink").unwrap();
        Self {
            sink,
            queue,
            sender,
            receiver,
            _bus: bus,
        }
    }

    fn position(&self, n: u32) -> OwnedToken {
        Move::tokenize(position(n), self.sender.heap())
            .unwrap()
            .into()
    }

    fn text(&self, n: u32) -> OwnedToken {
        Serial::tokenize(&text(n), self.sender.heap())
            .unwrap()
            .into()
    }

    fn next(&self) -> ReceivedToken {
        block_on(self.sink.next()).unwrap()
    }

    /// Sends one token of each kind, small and large, and receives them in order.
    fn carries_everything(&self) {
        let heap = self.sender.heap();
        let map = Map {
            cells: [[7; 64]; 64],
        };
        let samples: Vec<i16> = (0..5_000).collect();
        self.queue.send(self.position(1)).unwrap();
        self.queue.send(self.text(3)).unwrap();
        self.queue.send(self.text(3_000)).unwrap();
        self.queue.send(Move::tokenize(map, heap).unwrap()).unwrap();
        self.queue
            .send(Copy::tokenize::<Samples>(&samples, heap).unwrap())
            .unwrap();
        assert_eq!(
            Move::detokenize::<Position>(&self.next()).unwrap(),
            position(1)
        );
        assert_eq!(Serial::detokenize::<Text>(&self.next()).unwrap(), text(3));
        assert_eq!(
            Serial::detokenize::<Text>(&self.next()).unwrap(),
            text(3_000)
        );
        assert_eq!(Move::detokenize::<Map>(&self.next()).unwrap(), map);
        assert_eq!(
            Copy::detokenize::<Samples>(&self.next()).unwrap()[..],
            samples[..]
        );
        assert!(self.sink.receive().unwrap().is_none());
    }
}

// Goal: the classic: a position and a text, each type tried in turn; what it is not is an error that says so.
#[test]
fn types_are_tried_in_turn() {
    let _dog = watch();
    let line = Line::<Plain>::new("queue-classic");
    line.queue.send(line.position(1)).unwrap();
    line.queue.send(line.text(1)).unwrap();
    let token = line.next();
    assert!(token.token().is::<Position>() && !token.token().is::<Text>());
    assert_eq!(token.token().place(), Place::Inline);
    let error = Serial::detokenize::<Text>(&token).unwrap_err();
    let said = error.to_string();
    assert!(
        said.starts_with("token of type ") && said.contains(", not of queue::Text ("),
        "{said}"
    );
    assert_eq!(Move::detokenize::<Position>(&token).unwrap(), position(1));
    assert_eq!(
        Move::detokenize::<Position>(&token).unwrap(),
        position(1),
        "as often as one likes"
    );
    let error = Move::detokenize::<Swapped>(&token).unwrap_err().to_string();
    assert!(
        error.starts_with("queue::Position has schema 0x") && error.contains(" here, 0x"),
        "{error}"
    );
    let token = line.next();
    assert!(Move::detokenize::<Position>(&token).is_err());
    assert_eq!(Serial::detokenize::<Text>(&token).unwrap(), text(1));
    assert!(line.sink.receive().unwrap().is_none());
}

// Goal: every kind of token goes through a queue of each envelope.
#[test]
fn every_envelope_carries_everything() {
    let _dog = watch();
    Line::<Plain>::new("queue-plain").carries_everything();
    Line::<Timed>::new("queue-timed").carries_everything();
    Line::<Checked>::new("queue-checked").carries_everything();
    Line::<Traced>::new("queue-traced").carries_everything();
}

// Goal: what an envelope says arrives beside its token.
#[test]
fn envelopes_arrive() {
    let _dog = watch();
    let line = Line::<Timed>::new("queue-times");
    let sent = Timed {
        timestamp: 5,
        deadline: 6,
        expiry: 7,
    };
    for n in [1, 2_000] {
        block_on(line.queue.send_async(line.text(n), sent)).unwrap();
        let (token, envelope) = wait_with(&line.sink);
        assert_eq!(
            (Serial::detokenize::<Text>(&token).unwrap(), envelope),
            (text(n), sent)
        );
    }
    let line = Line::<Traced>::new("queue-traces");
    let sent = Traced::new(u128::MAX - 3, 17, 1);
    block_on(line.queue.send_async(line.position(1), sent)).unwrap();
    assert_eq!(wait_with(&line.sink).1, sent);
    let line = Line::<Checked>::new("queue-checksums");
    line.queue.send(line.position(1)).unwrap();
    line.queue.send(line.position(2)).unwrap();
    let (first, second) = (wait_with(&line.sink).1, wait_with(&line.sink).1);
    assert!(
        first.checksum() != 0 && first != second,
        "computed when it was sent"
    );
}

fn wait_with<H: Envelope>(sink: &BoundQueue<H>) -> (ReceivedToken, H) {
    loop {
        if let Some(received) = sink.receive_with().unwrap() {
            return received;
        }
        thread::yield_now();
    }
}

// Goal: a full queue gives back what is tried, makes what is sent wait, and loses and reorders nothing.
#[test]
fn full_queues_push_back() {
    let _dog = watch();
    let line = Line::<Plain>::new("queue-full");
    let mut sent = 0;
    let error = loop {
        match line.queue.try_send(line.position(sent)) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(u64::from(sent), URING);
    assert_eq!(error.to_string(), "the queue is full");
    assert!(matches!(error, QueueError::Full(_)));
    let token = error.into_inner().into_received();
    assert_eq!(
        Move::detokenize::<Position>(&token).unwrap(),
        position(sent),
        "it comes back"
    );
    block_on(async {
        let mut waits = Box::pin(line.queue.send_async(line.text(9), Plain));
        assert!(poll!(&mut waits).is_pending());
        for n in 0..sent {
            let token = line.sink.next().await.unwrap();
            assert_eq!(Move::detokenize::<Position>(&token).unwrap(), position(n));
        }
        waits.await.unwrap();
        let token = line.sink.next().await.unwrap();
        assert_eq!(Serial::detokenize::<Text>(&token).unwrap(), text(9));
    });
}

// Goal: a closed queue refuses with the reason and the token; what had been sent and not received comes back.
#[test]
fn closed_queues_give_back() {
    let _dog = watch();
    let line = Line::<Plain>::new("queue-closed");
    line.queue.send(line.position(1)).unwrap();
    assert_eq!(
        Move::detokenize::<Position>(&line.next()).unwrap(),
        position(1)
    );
    line.queue.send(line.position(2)).unwrap();
    line.queue.send(line.text(1_000)).unwrap();
    assert!(line.queue.try_undelivered().is_none());
    let Line {
        sink,
        queue,
        sender,
        receiver,
        _bus,
    } = line;
    drop(sink);
    block_on(async {
        let why = Undone::Ended(ExitReason::Normal);
        let first = queue.undelivered().await.unwrap();
        assert_eq!((first.taken, &first.why), (false, &why));
        let token = first.token.unwrap().into_received();
        assert_eq!(Move::detokenize::<Position>(&token).unwrap(), position(2));
        let second = queue.undelivered().await.unwrap();
        assert_eq!((second.taken, &second.why), (false, &why));
        let token = second.token.unwrap().into_received();
        assert_eq!(Serial::detokenize::<Text>(&token).unwrap(), text(1_000));
        assert!(queue.undelivered().await.is_none());
    });
    let token = Serial::tokenize(&text(2), sender.heap()).unwrap();
    let error = queue.send(token).unwrap_err();
    assert_eq!(error.to_string(), "the queue is closed: it ended normally");
    let token = error.into_inner().into_received();
    assert_eq!(Serial::detokenize::<Text>(&token).unwrap(), text(2));
    // The name is free again.
    let again = MessageQueue::<Plain>::bind(&receiver, "sink").unwrap();
    let queue = MessageQueue::<Plain>::connect(&sender, "sink").unwrap();
    queue
        .send(Move::tokenize(position(3), sender.heap()).unwrap())
        .unwrap();
    assert_eq!(
        Move::detokenize::<Position>(&block_on(again.next()).unwrap()).unwrap(),
        position(3)
    );
    receiver.detach();
    let reason = block_on(async {
        loop {
            let token = Move::tokenize(position(4), sender.heap()).unwrap();
            if let Err(QueueError::Closed(_, reason)) = queue.send_async(token, Plain).await {
                break reason;
            }
        }
    });
    assert_eq!(reason, ExitReason::Shutdown);
}

// Goal: a queue of another envelope is refused when it is connected to, with both names.
#[test]
fn envelopes_are_agreed_upon() {
    let _dog = watch();
    let line = Line::<Checked>::new("queue-envelope");
    let error = MessageQueue::<Timed>::connect(&line.sender, "sink").unwrap_err();
    let expected = "\"sink\" was found and refused: its envelope is Checked, not Timed";
    assert_eq!(error.to_string(), expected);
    line.carries_everything();
}

// Goal: a queue joins two nodes; on its own it says so at once.
#[test]
fn a_queue_joins_two_nodes() {
    let _dog = watch();
    let line = Line::<Plain>::new("queue-own");
    let error = MessageQueue::<Plain>::connect(&line.receiver, "sink").unwrap_err();
    assert!(matches!(error, LookupError::OwnQueue { .. }), "{error}");
    let expected = "queue \"sink\" is bound on this very node; a queue joins two nodes";
    assert_eq!(error.to_string(), expected);
}

// Goal: tokens of several senders arrive each in its sender's order, none lost.
#[test]
fn many_nodes_send_to_one_queue() {
    let _dog = watch();
    let bus = Bus::new("queue-many");
    let receiver = bus.attach("receiver");
    let sink = MessageQueue::<Plain>::bind(&receiver, "sink").unwrap();
    let (senders, each) = (4, 2_000_u32);
    thread::scope(|scope| {
        for sender in 0..senders {
            let bus = &bus;
            scope.spawn(move || {
                let node = bus.attach(&format!("sender {sender}"));
                let queue = MessageQueue::<Plain>::connect(&node, "sink").unwrap();
                for n in 0..each {
                    let (x, y) = (f64::from(sender), f64::from(n));
                    let token = Move::tokenize(Position { x, y, z: 0.0 }, node.heap()).unwrap();
                    queue.send(token).unwrap();
                }
                // The node leaves with tokens still on their way.
            });
        }
        let mut next = [0_u32; 4];
        for _ in 0..senders * each {
            let token = block_on(sink.next()).unwrap();
            let position = Move::detokenize::<Position>(&token).unwrap();
            let sender = (0..4).find(|n| f64::from(*n) == position.x).unwrap();
            let expected = &mut next[usize::try_from(sender).unwrap()];
            assert_eq!(position.y, f64::from(*expected));
            *expected += 1;
        }
    });
    assert!(sink.receive().unwrap().is_none());
}

// Goal: a received token keeps its block lent, and no longer.
#[test]
fn blocks_go_back_with_their_tokens() {
    let _dog = watch();
    let line = Line::<Plain>::new("queue-blocks");
    line.queue.send(line.text(1_000)).unwrap();
    let token = line.next();
    let heap = line.sender.heap();
    for n in 0..500 {
        line.queue.send(line.text(1_000 + n % 2)).unwrap();
        drop(line.next());
    }
    assert_eq!(
        Serial::detokenize::<Text>(&token).unwrap(),
        text(1_000),
        "lent for as long as it is kept"
    );
    drop(token);
    while heap.stats().live() > 0 {
        thread::yield_now();
    }
}
