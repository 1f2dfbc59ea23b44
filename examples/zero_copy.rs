//! Frames of 4 MiB from one process to another without a copy: filled in place by the camera, read in place by the viewer.
//!
//! A frame is lent. When the viewer's lease ends, the camera's next frame lies in the same block: however many frames
//! are sent, the heap holds as many blocks as there were frames on their way.
//!
//! ```sh
//! cargo run --release --example zero_copy
//! ```
#![forbid(unsafe_code)]

mod own_bus;

use std::collections::BTreeSet;
use std::env;
use std::time::Instant;

use ringway::prelude::*;

use own_bus::OwnBus;

const FRAME_BYTES: usize = 4 << 20;
const FRAMES: u64 = 100;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What stands before a frame's pixels.
#[derive(Schema, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct FrameInfo {
    sequence: u64,
}

/// A slice message: its values exist only in lent memory.
#[derive(Message)]
#[message(copy, header = FrameInfo, reply = Seen)]
#[repr(transparent)]
struct Frame([u8]);

/// What the viewer found, and at which address of its own memory.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Seen {
    sequence: u64,
    sum: u64,
    address: u64,
}

#[derive(Actor, Default)]
#[actor(handles(Frame))]
struct Viewer;

impl Handler<Frame> for Viewer {
    async fn handle(&mut self, frame: Lease<Frame>, _cx: &mut Context<Self>) -> Seen {
        assert!(frame.is_borrowed(), "the bytes are the camera's");
        let address = frame.as_ptr().addr() as u64;
        Seen {
            sequence: frame.header().sequence,
            sum: sum(&frame),
            address,
        }
    } // here the lease ends, and the block is the camera's again
}

fn sum(pixels: &[u8]) -> u64 {
    pixels
        .chunks(128)
        .map(|run| run.iter().map(|pixel| u64::from(*pixel)).sum::<u64>())
        .sum()
}

fn main() -> Result<()> {
    match env::args().nth(1) {
        None => film(),
        Some(_) => view(),
    }
}

fn view() -> Result<()> {
    let node = Node::attach("demo")?;
    let viewer = node.actor(Viewer).name("viewer").spawn()?;
    block_on(viewer.closed());
    Ok(())
}

fn film() -> Result<()> {
    let bus = OwnBus::new("zero-copy");
    let node = Node::attach(bus.config().heap_limit(64 << 20))?;
    let mut process = bus.start("viewer")?;
    let viewer: Addr<Viewer> = node.lookup("viewer").wait()?;

    let mut blocks = BTreeSet::new();
    let mut views = BTreeSet::new();
    let started = Instant::now();
    for sequence in 0..FRAMES {
        let mut frame = viewer.loan::<Frame>(FRAME_BYTES)?;
        frame.header_mut().sequence = sequence;
        let shade = sequence.to_le_bytes()[0];
        frame.fill(shade); // a camera would read its pixels into `&mut frame[..]`
        blocks.insert(frame.as_ptr().addr());
        let seen = viewer.ask(frame).wait()?; // lent, not copied
        views.insert(seen.address);
        assert_eq!(seen.sequence, sequence);
        assert_eq!(seen.sum, u64::from(shade) * FRAME_BYTES as u64);
    }
    let took = started.elapsed();

    let heap = node.heap().stats();
    let mebibytes = heap.bytes >> 20;
    println!("{FRAMES} frames of 4 MiB, filled, lent and read in {took:.1?}");
    println!(
        "the camera filled {} block(s), seen at {} address(es)",
        blocks.len(),
        views.len()
    );
    println!(
        "its heap holds {mebibytes} MiB; it has handed out {} blocks",
        heap.allocated
    );
    assert!(blocks.len() <= 2, "a frame's block serves the next frame");
    assert!(views.len() <= 2, "and is where it was for the viewer");
    assert!(heap.allocated >= FRAMES && heap.bytes <= 64 << 20);

    viewer.stop();
    assert!(process.wait()?.success());
    Ok(())
}
