//! A sender dies: all that it had been told `Ok` for arrives, in order, exactly once.

use std::io::Read;
use std::sync::mpsc::{Receiver, channel};

use ringway::prelude::*;

use crate::helper::{Helper, Rng};
use crate::messages::{Mark, Record, Sink};
use crate::support::{Bus, watch};

/// Messages of one dead sender: few, a turn of an actor, a uring's entries, and more than those.
const COUNTS: [u64; 10] = [1, 2, 3, 15, 16, 17, 127, 128, 129, 400];

const LOADS: [&str; 4] = ["small", "line", "bulk", "mixed"];

/// A node with an actor that hands out its log.
struct Survivor {
    node: Node,
    _sink: Addr<Sink>,
    records: Receiver<Record>,
}

impl Survivor {
    fn new(bus: &Bus, name: &str) -> Self {
        let node = bus.attach(name);
        let (log, records) = channel();
        let sink = Sink::new(move |record| log.send(record).unwrap_or_default());
        let sink = node.actor(sink).name(name).spawn().unwrap();
        Self {
            node,
            _sink: sink,
            records,
        }
    }

    /// Waits until `least` messages were handled, and asserts that they came once and in order, as did those that
    /// followed; returns how many came.
    fn arrived(self, least: u64) -> u64 {
        let mut count = 0;
        while count < least {
            count += take(self.records.recv().unwrap(), count);
        }
        // The actor stops in order: between two messages.
        self.node.detach();
        while let Ok(record) = self.records.try_recv() {
            count += take(record, count);
        }
        count
    }
}

/// Looks at a record of a log of which `count` messages were handled; 1 when it says that another one was.
fn take(record: Record, count: u64) -> u64 {
    assert_eq!(record.number, count, "in order, once: {record:?}");
    match record.mark {
        Mark::Began => 0,
        Mark::Ended => 1,
        Mark::Spoilt => panic!("{record:?}"),
    }
}

// Goal: the last thing that the sender does is to be told `Ok`. It kills itself in that moment.
#[test]
fn killed_by_its_last_ok_has_sent_all() {
    let _watchdog = watch();
    let bus = Bus::new("sender-last-ok");
    for load in LOADS {
        for count in COUNTS {
            let name = format!("{load}-{count}");
            let survivor = Survivor::new(&bus, &name);
            let mut sender = Helper::start(&bus, &["sender", &name, load, &count.to_string()]);
            let mut oks = Vec::new();
            sender.take_output().read_to_end(&mut oks).unwrap();
            assert_eq!(oks.len() as u64, count - 1, "killed by the last");
            assert_eq!(survivor.arrived(count), count);
        }
    }
}

// Goal: a sender that leaves in good order has sent all, too: what it said `Ok` to is still taken when it has gone.
#[test]
fn left_after_its_last_ok_has_sent_all() {
    let _watchdog = watch();
    let bus = Bus::new("sender-leaves");
    for load in LOADS {
        for count in COUNTS {
            let name = format!("{load}-{count}");
            let survivor = Survivor::new(&bus, &name);
            let mut sender = Helper::start(&bus, &["leaver", &name, load, &count.to_string()]);
            let mut oks = Vec::new();
            sender.take_output().read_to_end(&mut oks).unwrap();
            assert_eq!(oks.len() as u64, count, "it left");
            assert_eq!(survivor.arrived(count), count);
        }
    }
}

// Goal: a sender killed from outside, anywhere in a stream, has sent at least what it had said that it sent.
#[test]
fn killed_in_mid_stream_has_sent_what_it_said() {
    let _watchdog = watch();
    let bus = Bus::new("sender-mid-stream");
    let mut rng = Rng::new("sender-mid-stream");
    for kill in 0..60 {
        let load = LOADS[kill % LOADS.len()];
        let name = format!("{kill}");
        let survivor = Survivor::new(&bus, &name);
        let mut sender = Helper::start(&bus, &["sender", &name, load, "1000000"]);
        let mut output = sender.take_output();
        let mut said = vec![0; 1 + usize::try_from(rng.below(300)).unwrap()];
        output.read_exact(&mut said).unwrap();
        for _ in 0..rng.below(20_000) {
            std::hint::spin_loop();
        }
        sender.kill();
        output.read_to_end(&mut said).unwrap();
        let arrived = survivor.arrived(said.len() as u64);
        assert!(arrived >= said.len() as u64);
    }
}

// Goal: a sender that dies while it makes the messages of a batch has sent all that it had made before, but for those that it
// had not handed over yet: a burst at most. They come once and in order, without a gap.
#[test]
fn killed_in_mid_batch_has_sent_the_bursts_before() {
    const BURST: u64 = 64;
    let _watchdog = watch();
    let bus = Bus::new("sender-mid-batch");
    for load in &LOADS[..3] {
        for killed_by in [0_u64, 1, 63, 64, 65, 128, 300, 1000] {
            let name = format!("{load}-{killed_by}");
            let survivor = Survivor::new(&bus, &name);
            let words = ["burster", &name, load, "2000", &killed_by.to_string()];
            let mut sender = Helper::start(&bus, &words);
            let mut oks = Vec::new();
            sender.take_output().read_to_end(&mut oks).unwrap();
            assert!(oks.is_empty(), "killed in the first batch");
            let arrived = survivor.arrived((killed_by + 1).saturating_sub(BURST));
            assert!(arrived <= killed_by);
        }
    }
}

// Goal: a sender killed from outside, anywhere in its batches, has sent at least those that it had said that it sent, and of
// the one in hand the first so many.
#[test]
fn killed_between_batches_has_sent_what_it_said() {
    let _watchdog = watch();
    let bus = Bus::new("sender-batches");
    let mut rng = Rng::new("sender-batches");
    for kill in 0..60 {
        let load = LOADS[kill % 3];
        let name = format!("{kill}");
        let survivor = Survivor::new(&bus, &name);
        let batch = 1 + rng.below(150);
        let never = u64::MAX.to_string();
        let words = ["burster", &name, load, &batch.to_string(), &never];
        let mut sender = Helper::start(&bus, &words);
        let mut output = sender.take_output();
        let mut said = vec![0; 1 + usize::try_from(rng.below(40)).unwrap()];
        output.read_exact(&mut said).unwrap();
        for _ in 0..rng.below(20_000) {
            std::hint::spin_loop();
        }
        sender.kill();
        output.read_to_end(&mut said).unwrap();
        let least = said.len() as u64 * batch;
        assert!(survivor.arrived(least) >= least);
    }
}
