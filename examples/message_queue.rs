//! The bus without actors: a queue between two processes. One sends a position (`Move`) and a text (`Serial`); the other
//! receives tokens and tries each type in turn.
//!
//! A token says what a payload is and where it lies. To send is `tokenize` and `send`; to receive is `receive` and
//! `detokenize`, which refuses a token of another type or schema.
//!
//! ```sh
//! cargo run --example message_queue
//! ```
#![forbid(unsafe_code)]

mod own_bus;

use std::env;

use ringway::prelude::*;

use own_bus::OwnBus;

const ROUNDS: u8 = 3;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Message, Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Position {
    x: f64,
    y: f64,
    z: f64,
}

#[derive(Message, Serialize, Deserialize, Debug, PartialEq)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Text {
    content: String,
    priority: u8,
}

fn position(round: u8) -> Position {
    Position {
        x: f64::from(round),
        y: 0.5,
        z: -1.0,
    }
}

fn text(round: u8) -> Text {
    Text {
        content: format!("hello from round {round}"),
        priority: round,
    }
}

fn main() -> Result<()> {
    match env::args().nth(1) {
        None => receive(),
        Some(_) => send(),
    }
}

fn send() -> Result<()> {
    let node = Node::attach("demo")?;
    let queue = MessageQueue::<Plain>::connect(&node, "sink")?; // waits for the name
    for round in 0..ROUNDS {
        queue.send(Move::tokenize(position(round), node.heap())?)?;
        queue.send(Serial::tokenize(&text(round), node.heap())?)?;
    }
    Ok(())
}

fn receive() -> Result<()> {
    let bus = OwnBus::new("message-queue");
    let node = Node::attach(bus.config())?;
    let sink = MessageQueue::<Plain>::bind(&node, "sink")?;
    let mut process = bus.start("sender")?;

    let (mut positions, mut texts) = (0, 0);
    while positions + texts < 2 * ROUNDS {
        let token = block_on(sink.next())?; // `receive` is the form that never waits
        if let Ok(found) = Move::detokenize::<Position>(&token) {
            println!("{found:?}");
            assert_eq!(found, position(positions));
            positions += 1;
        } else if let Ok(found) = Serial::detokenize::<Text>(&token) {
            println!("{found:?}");
            assert_eq!(found, text(texts));
            texts += 1;
        } else {
            panic!("a token of an unknown type: {token:?}");
        }
    }
    assert_eq!((positions, texts), (ROUNDS, ROUNDS)); // each kind in the order of sending
    assert!(sink.receive()?.is_none());
    assert!(process.wait()?.success());
    Ok(())
}
