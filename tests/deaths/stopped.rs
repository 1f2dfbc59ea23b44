//! A stopped peer is not dead: it costs its own urings only, and when it goes on nothing was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context as TaskContext, Wake, Waker};

use futures::FutureExt;
use ringway::prelude::*;
use rustix::process::Signal;

use crate::helper::Helper;
use crate::messages::{Sink, Small, bulk};
use crate::support::{Bus, watch};

/// Messages for the stopped peer: no more than its uring takes.
const TELLS: u64 = 100;

/// Bytes that the first segment has no room for.
const LARGE: usize = 8 << 20;

/// Counts how often it is woken.
#[derive(Debug, Default)]
struct Wakes(AtomicU32);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn stopped_peer_delays_nobody_and_loses_nothing() {
    let _watchdog = watch();
    let bus = Bus::new("stopped");
    let node = bus.attach("test");
    let find = |name: &str| {
        let found: Addr<Sink> = node.lookup(name).within(secs(100)).wait().unwrap();
        found.pinned()
    };
    let stopped = Helper::start(&bus, &["sink", "stopped"]);
    let to_stopped = find("stopped");
    // It has mapped this node's first segment.
    let first = to_stopped.ask(bulk(&to_stopped, 0, 1000)).wait();
    assert_eq!(first.unwrap(), 0);
    stopped.stop();

    for number in 1..=TELLS {
        if number % 2 == 0 {
            to_stopped.tell(Small { number }).wait().unwrap();
        } else {
            to_stopped
                .tell(bulk(&to_stopped, number, 1000))
                .wait()
                .unwrap();
        }
    }
    // What lies in a segment that it has not mapped waits, and is not looked at for as long as nothing changes.
    let wakes = Arc::<Wakes>::default();
    let waker = Waker::from(Arc::clone(&wakes));
    let large = bulk(&to_stopped, TELLS + 1, LARGE);
    let mut waiting = to_stopped.tell(large);
    assert!(
        waiting
            .poll_unpin(&mut TaskContext::from_waker(&waker))
            .is_pending()
    );

    // Whoever comes now meets the others, and talks with them.
    let late = Helper::start(&bus, &["sink", "late"]);
    let to_late = find("late");
    for number in 0..1000 {
        assert_eq!(to_late.ask(Small { number }).wait().unwrap(), number);
    }
    let third = bus.attach("third");
    let from_third: Addr<Sink> = third.lookup("late").within(secs(100)).wait().unwrap();
    assert_eq!(from_third.ask(Small { number: 3 }).wait().unwrap(), 3);
    assert!(!to_stopped.is_closed());
    assert!(wakes.0.load(Relaxed) < 10, "{wakes:?}");
    let waited = to_stopped.ask(Small { number: 5 }).deadline(ms(50)).wait();
    assert!(
        matches!(waited, Err(AskError::Deadline { .. })),
        "{waited:?}"
    );

    stopped.signal(Signal::CONT);
    block_on(waiting).unwrap();
    assert_eq!(
        to_stopped.ask(Small { number: 1 << 20 }).wait().unwrap(),
        1 << 20
    );
    let handled = log_of(stopped);
    let expected: Vec<u64> = (0..=TELLS + 1).chain([1 << 20]).collect();
    assert_eq!(handled, expected, "and not the ask that was given up");
    late.end();
}

/// What the helper handled, in order; ends it.
fn log_of(mut sink: Helper) -> Vec<u64> {
    use std::io::Read;

    use crate::messages::{Mark, Record};

    let mut output = sink.take_output();
    sink.end();
    let mut log = Vec::new();
    output.read_to_end(&mut log).unwrap();
    let records = log.as_chunks().0.iter().copied().map(Record::from_bytes);
    records
        .filter(|record| record.mark == Mark::Ended)
        .map(|record| record.number)
        .collect()
}
