//! The newest sample, for who does not want the others: a process measures as fast as it can; this one looks when it has time, and
//! nobody waits for it.
//!
//! ```sh
//! cargo run --example latest
//! ```
#![forbid(unsafe_code)]

mod own_bus;

use std::env;

use ringway::prelude::*;

use own_bus::OwnBus;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The argument of the other process.
const SENSOR: &str = "sensor";
/// Measurements.
const COUNT: u64 = 50_000;

#[derive(Message, Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Temperature {
    number: u64,
    celsius: f64,
}

impl Temperature {
    fn measured(number: u64) -> Self {
        let celsius = 20.0 + f64::from(u8::try_from(number % 100).unwrap_or_default()) / 10.0;
        Self { number, celsius }
    }
}

fn main() -> Result<()> {
    match env::args().nth(1).as_deref() {
        Some(SENSOR) => sensor(),
        _ => display(),
    }
}

/// The other process: publishes without ever waiting for a reader.
fn sensor() -> Result<()> {
    let node = Node::attach("demo")?;
    let publisher = node.topic::<Temperature>("temperature")?.publisher();
    let publisher = publisher.wait()?;
    for number in 1..=COUNT {
        publisher.try_publish(Temperature::measured(number))?;
    }
    // The newest can be found as long as this process is there: until somebody has come later, too.
    block_on(publisher.wait_for_subscribers(2));
    Ok(())
}

fn display() -> Result<()> {
    let bus = OwnBus::new("latest");
    let node = Node::attach(bus.config())?;
    let topic = node.topic::<Temperature>("temperature")?;
    let mut newest = topic.latest().wait()?;
    assert!(newest.get().is_none(), "nothing was measured yet");
    let mut sensor = bus.start(SENSOR)?;

    let (mut before, mut showed, mut missed) = (None, 0, 0);
    let last = loop {
        // A program with a runtime awaits `changed()`; one that draws pictures may just `get()` what there is.
        let sample = newest.wait_changed().ok_or("the node has left")?;
        assert_eq!(*sample, Temperature::measured(sample.sequence()));
        // What was measured before the first that this one saw, nobody had promised it.
        before.get_or_insert(sample.number - 1);
        showed += 1;
        missed += sample.missed_before();
        if sample.number == COUNT {
            break sample;
        }
    };
    println!("showed {showed} of {COUNT} measurements, and passed over {missed}");
    let all = before.unwrap_or_default() + showed + missed;
    assert_eq!(all, COUNT, "each was shown or counted");
    let again = newest.get().ok_or("it is there still")?;
    assert_eq!(*again, *last, "whoever looks again finds the same");

    let mut late = topic.latest().wait()?;
    let found = late.get().ok_or("it was published before")?;
    println!(
        "who came later found number {}: {}",
        found.number, found.celsius
    );
    assert_eq!(*found, Temperature::measured(COUNT));
    let status = sensor.wait()?;
    assert!(status.success(), "the sensor: {status}");
    node.detach();
    Ok(())
}
