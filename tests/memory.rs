//! The memory of messages: full heaps, messages that are too large, blocks that are used again, growth under way.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::collections::BTreeSet;
use std::future::IntoFuture;
use std::mem;

use futures::poll;
use ringway::prelude::*;
use ringway::{HeapError, LoanError, Node};

use support::probe::Event::{Began, Ended, Started};
use support::probe::{Hold, Note, Pixels, Probe, Text, Watcher, probe};
use support::{Bus, watch};

const MIB: usize = 1 << 20;

fn text(len: usize) -> Text {
    Text {
        number: 1,
        text: "x".repeat(len),
    }
}

/// A probe on one node, and a sender on another whose heap has a limit.
struct Pair {
    probe: Addr<Probe>,
    watcher: Watcher,
    sender: Node,
    home: Node,
    _bus: Bus,
}

impl Pair {
    fn new(name: &str, heap_limit: usize) -> Self {
        let bus = Bus::new(name);
        let attach =
            |node: &str| Node::attach(bus.config(node).heap_limit(heap_limit as u64)).unwrap();
        let (home, sender) = (attach("home"), attach("sender"));
        let (actor, watcher) = probe();
        home.actor(actor).name("probe").spawn().unwrap();
        let probe = sender.lookup("probe").wait().unwrap();
        watcher.expect(Started);
        Self {
            probe,
            watcher,
            sender,
            home,
            _bus: bus,
        }
    }

    /// Has the probe in the middle of a handler.
    fn hold(&self) {
        self.probe.tell(Hold { number: 0 }).wait().unwrap();
        self.watcher.expect(Began(0));
    }

    /// Waits until every block has come back; each ask makes both sides look.
    fn settle(&self) {
        while self.sender.heap().stats().live() > 0 {
            self.probe.ask(Note { number: 0 }).wait().unwrap();
        }
    }
}

// Goal: a message that no heap of the limit can hold is an error at once, for all who send, with both sizes and the message.
#[test]
fn too_large_for_the_heap() {
    let _dog = watch();
    let pair = Pair::new("memory-large", 4 * MIB);
    let probe = &pair.probe;
    for error in [
        probe.tell(text(8 * MIB)).wait().unwrap_err(),
        probe.try_tell(text(8 * MIB)).unwrap_err(),
        match probe.ask(text(8 * MIB)).wait().unwrap_err() {
            AskError::Unsent(error) => error,
            other => panic!("{other}"),
        },
    ] {
        let said = error.to_string();
        assert!(said.starts_with("a block of 8388"), "{said}");
        assert!(
            said.ends_with(" bytes is larger than the heap may grow, 4194304 bytes"),
            "{said}"
        );
        assert!(error.into_inner() == text(8 * MIB));
    }
    for items in [4 * MIB, usize::MAX / 2, usize::MAX] {
        let error = probe.loan::<Pixels>(items).unwrap_err();
        assert!(
            matches!(error, LoanError::Heap(HeapError::TooLarge { .. })),
            "{error}"
        );
    }
    assert_eq!(probe.ask(text(MIB)).wait().unwrap().len(), MIB);
}

// Goal: a local loan that no memory could hold is an error as well.
#[test]
fn too_large_for_the_process() {
    let _dog = watch();
    let bus = Bus::new("memory-process");
    let node = bus.attach("node");
    let probe = node.spawn(probe().0).unwrap();
    let error = probe.loan::<Pixels>(usize::MAX / 4).unwrap_err();
    assert!(matches!(error, LoanError::Memory { .. }), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("this process has no memory for a message of "),
        "{error}"
    );
}

// Goal: a heap that the program itself has filled is an error at once: nobody would give anything back.
#[test]
fn full_of_own_loans() {
    let _dog = watch();
    let pair = Pair::new("memory-full", 4 * MIB);
    let probe = &pair.probe;
    let mut loans = Vec::new();
    let error = loop {
        match probe.loan::<Pixels>(MIB / 4) {
            Ok(loan) => loans.push(loan),
            Err(error) => break error,
        }
    };
    assert!(
        (4..=8).contains(&loans.len()),
        "{} of half a MiB in 4",
        loans.len()
    );
    let said = error.to_string();
    assert!(
        said.starts_with("no block of 524352 bytes free in a heap of 4194304, "),
        "{said}"
    );
    for error in [
        probe.tell(text(MIB)).wait().unwrap_err(),
        probe.try_tell(text(MIB)).unwrap_err(),
    ] {
        assert!(matches!(error, SendError::Unpacked { .. }), "{error}");
        assert!(error.to_string().starts_with("no block of 1048"), "{error}");
        assert!(error.into_inner() == text(MIB));
    }
    let error = block_on(probe.loan_timeout::<Pixels>(MIB / 4, secs(100))).unwrap_err();
    assert!(
        matches!(error, LoanError::Heap(HeapError::Full { .. })),
        "{error}"
    );
    // What needs no block goes on, and so does all when the loans are gone.
    assert_eq!(probe.ask(Note { number: 1 }).wait().unwrap(), 1);
    drop(loans);
    assert_eq!(probe.ask(text(MIB)).wait().unwrap().len(), MIB);
    pair.settle();
}

// Goal: while receivers have blocks, sends and loans wait for them, as they do for room; a try does not, and a deadline ends it.
#[test]
fn full_of_lent_blocks() {
    let _dog = watch();
    let pair = Pair::new("memory-lent", 4 * MIB);
    let probe = &pair.probe;
    pair.hold();
    let mut lent = 0;
    let error = loop {
        match probe.try_tell(text(MIB / 2)) {
            Ok(()) => lent += 1,
            Err(error @ SendError::Full { .. }) => drop(error), // its segment is being mapped
            Err(error) => break error,
        }
    };
    assert!(matches!(error, SendError::Unpacked { .. }), "{error}");
    assert!(error.into_inner() == text(MIB / 2), "{lent}");
    let error = probe
        .tell(text(MIB / 2))
        .deadline(ms(20))
        .wait()
        .unwrap_err();
    assert!(matches!(error, SendError::Deadline { .. }), "{error}");
    assert!(error.into_inner() == text(MIB / 2));
    let error = block_on(probe.loan_timeout::<Pixels>(MIB / 4, ms(20))).unwrap_err();
    assert!(
        matches!(error, LoanError::Heap(HeapError::Full { .. })),
        "{error}"
    );
    block_on(async {
        let mut tell = Box::pin(probe.tell(text(MIB / 2)).into_future());
        let mut ask = Box::pin(probe.ask(text(MIB / 2)).into_future());
        let mut loan = Box::pin(probe.loan_timeout::<Pixels>(MIB / 4, secs(100)));
        assert!(poll!(&mut tell).is_pending());
        assert!(poll!(&mut ask).is_pending());
        assert!(poll!(&mut loan).is_pending());
        pair.watcher.open_gate();
        tell.await.unwrap();
        assert_eq!(ask.await.unwrap().len(), MIB / 2);
        drop(loan.await.unwrap());
    });
    pair.settle();
}

// Goal: a receiver that ends gives its blocks to those who wait for them; to those who wait to send to it, its end.
#[test]
fn an_end_frees_what_was_lent() {
    let _dog = watch();
    let pair = Pair::new("memory-end", 4 * MIB);
    let (other, _watcher) = probe();
    pair.home.actor(other).name("other").spawn().unwrap();
    let other: Addr<Probe> = pair.sender.lookup("other").wait().unwrap();
    pair.hold();
    block_on(async {
        for _ in 0..4 {
            pair.probe.tell(text(MIB / 2)).await.unwrap();
        }
        let mut same = Box::pin(pair.probe.tell(text(MIB)).into_future());
        let mut others = Box::pin(other.ask(text(MIB)).into_future());
        assert!(poll!(&mut same).is_pending());
        assert!(poll!(&mut others).is_pending());
        pair.probe.kill();
        let error = same.await.unwrap_err();
        assert!(matches!(error, SendError::Ended { .. }), "{error}");
        assert!(error.into_inner() == text(MIB));
        // What came back lies in the heap until it is read.
        let mut back = pair.probe.undelivered::<Text>();
        while let Some(back) = back.next().await {
            assert!(!back.taken);
            drop(back);
        }
        assert_eq!(other.ask(text(MIB)).await.unwrap().len(), MIB);
        drop(others);
    });
}

// Goal: however much is sent, a heap keeps to its limit, and its blocks serve again; all of them come back.
#[test]
fn blocks_are_used_again() {
    let _dog = watch();
    let pair = Pair::new("memory-again", 4 * MIB);
    let mut places = BTreeSet::new();
    block_on(async {
        for number in 0..3_000_u64 {
            let mut pixels = pair
                .probe
                .loan_timeout::<Pixels>(32 * 1024, secs(100))
                .await
                .unwrap();
            places.insert(pixels.as_ptr().addr());
            pixels.header_mut().number = number;
            pixels.fill(1);
            pair.probe.tell(pixels).await.unwrap();
        }
    });
    for number in 0..3_000 {
        pair.watcher.expect(Began(number));
        pair.watcher.expect(Ended(number));
    }
    let stats = pair.sender.heap().stats();
    assert!(
        stats.allocated >= 3_000 && stats.bytes <= 4 * MIB as u64,
        "{stats:?}"
    );
    assert!(
        places.len() < 1_000,
        "{} places for 3,000 messages",
        places.len()
    );
    pair.settle();
}

// Goal: a heap grows while it sends; what lies in a new segment is not sent before its receiver has mapped it.
#[test]
fn heaps_grow_under_way() {
    let _dog = watch();
    let pair = Pair::new("memory-growth", 512 * MIB);
    block_on(async {
        let mut kept = Vec::new();
        for step in 0..14 {
            let items = (16 * 1024) << step.min(9);
            for fill in 1..=3_u16 {
                let mut pixels = pair.probe.loan::<Pixels>(items).unwrap();
                pixels.fill(fill);
                assert_eq!(
                    pair.probe.ask(pixels).await.unwrap(),
                    u64::from(fill) * items as u64
                );
            }
            kept.push(pair.probe.loan::<Pixels>(items).unwrap()); // so that it must grow
        }
        let stats = pair.sender.heap().stats();
        assert!(
            stats.segments > 3 && stats.bytes > 64 * MIB as u64,
            "{stats:?}"
        );
    });
    pair.settle();
}

// Goal: a message to an actor of this process never lies in shared memory.
#[test]
fn local_messages_need_no_heap() {
    let _dog = watch();
    let bus = Bus::new("memory-local");
    let node = Node::attach(bus.config("node").heap_limit(64 << 10)).unwrap();
    let probe = node.spawn(probe().0).unwrap();
    let before = node.heap().stats();
    block_on(async {
        let mut pixels = probe.loan::<Pixels>(MIB).unwrap();
        pixels.fill(1);
        assert_eq!(probe.ask(pixels).await.unwrap(), MIB as u64);
        probe.tell(text(8 * MIB)).await.unwrap();
        assert_eq!(probe.ask(text(8 * MIB)).await.unwrap().len(), 8 * MIB);
    });
    assert_eq!(node.heap().stats(), before);
}

/// A reply of 16 KiB that is read in place.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = CopyMessage<[u8; 16_384]>)]
#[repr(C)]
struct Read {
    fill: u8,
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = String)]
#[repr(C)]
struct Write {
    len: u64,
}

#[derive(Actor, Default)]
#[actor(handles(Read, Write, Note))]
struct Library;

impl Handler<Read> for Library {
    async fn handle(&mut self, read: Read, _cx: &mut Context<Self>) -> CopyMessage<[u8; 16_384]> {
        CopyMessage([read.fill; 16_384])
    }
}

impl Handler<Write> for Library {
    async fn handle(&mut self, write: Write, _cx: &mut Context<Self>) -> String {
        "x".repeat(usize::try_from(write.len).unwrap())
    }
}

impl Handler<Note> for Library {
    async fn handle(&mut self, note: Note, _cx: &mut Context<Self>) -> u64 {
        note.number
    }
}

// Goal: a reply that finds no room in its sender's heap is an error for its asker, with the sizes, and not a hang; the actor
// goes on, and replies again when the askers have let go of what they read.
#[test]
fn replies_without_room() {
    let _dog = watch();
    let bus = Bus::new("memory-replies");
    let home = Node::attach(bus.config("home").heap_limit(256 << 10)).unwrap();
    let sender = bus.attach("sender");
    home.actor(Library).name("library").spawn().unwrap();
    let library: Addr<Library> = sender.lookup("library").wait().unwrap();
    let error = library
        .ask(Write {
            len: 2 * MIB as u64,
        })
        .wait()
        .unwrap_err();
    assert!(matches!(error, AskError::Handler(_)), "{error}");
    let said = error.to_string();
    assert!(
        said.starts_with("the handler failed: its reply cannot be sent: a block of 2097"),
        "{said}"
    );
    assert!(
        said.ends_with(" bytes is larger than the heap may grow, 262144 bytes"),
        "{said}"
    );
    let mut read = Vec::new();
    let error = loop {
        let fill = u8::try_from(read.len()).unwrap();
        match library.ask(Read { fill }).wait() {
            Ok(lease) => read.push(lease),
            Err(error) => break error,
        }
    };
    assert!(
        (8..=16).contains(&read.len()),
        "{} of 16 KiB in 256",
        read.len()
    );
    let said = error.to_string();
    assert!(
        said.starts_with("the handler failed: its reply cannot be sent: "),
        "{said}"
    );
    for (fill, lease) in (0..).zip(&read) {
        assert!(lease.iter().all(|byte| *byte == fill));
    }
    assert_eq!(library.ask(Note { number: 1 }).wait().unwrap(), 1);
    let kept = read.pop().unwrap();
    drop(read);
    for fill in 100..200 {
        let lease = library.ask(Read { fill }).wait().unwrap();
        assert!(lease.iter().all(|byte| *byte == fill));
    }
    assert!(kept.iter().all(|byte| *byte == kept[0]));
}

/// Keeps what it is lent.
#[derive(Actor, Default)]
#[actor(handles(Pixels, Sums, Note))]
struct Hoarder {
    kept: Vec<Lease<Pixels>>,
}

/// Asks for the sums of what is kept; clears it if so told.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = Vec<u64>)]
#[repr(C)]
struct Sums {
    clears: u64,
}

impl Handler<Pixels> for Hoarder {
    async fn handle(&mut self, pixels: Lease<Pixels>, _cx: &mut Context<Self>) -> u64 {
        self.kept.push(pixels);
        self.kept.len() as u64
    }
}

impl Handler<Sums> for Hoarder {
    async fn handle(&mut self, sums: Sums, _cx: &mut Context<Self>) -> Vec<u64> {
        let kept = if sums.clears == 1 {
            mem::take(&mut self.kept)
        } else {
            Vec::new()
        };
        let all = kept.iter().chain(&self.kept);
        all.map(|pixels| pixels.iter().map(|pixel| u64::from(*pixel)).sum())
            .collect()
    }
}

impl Handler<Note> for Hoarder {
    async fn handle(&mut self, note: Note, _cx: &mut Context<Self>) -> u64 {
        note.number
    }
}

// Goal: what is lent stays as it is for as long as its lease lives: when the sender has dropped its address, has sent much
// else, and the uring is closed.
#[test]
fn leases_outlive_addresses() {
    let _dog = watch();
    let bus = Bus::new("memory-leases");
    let home = bus.attach("home");
    let sender = Node::attach(bus.config("sender").heap_limit(2 * MIB as u64)).unwrap();
    home.actor(Hoarder::default())
        .name("hoarder")
        .spawn()
        .unwrap();
    home.actor(probe().0).name("probe").spawn().unwrap();
    let lend = |fill: u16| {
        let hoarder: Addr<Hoarder> = sender.lookup("hoarder").wait().unwrap();
        let mut pixels = hoarder.loan::<Pixels>(10_000).unwrap();
        pixels.fill(fill);
        if fill.is_multiple_of(2) {
            hoarder.tell(pixels).wait().unwrap();
        } else {
            hoarder.ask(pixels).wait().unwrap();
        }
    };
    (1..=20).for_each(lend);
    let probe: Addr<Probe> = sender.lookup("probe").wait().unwrap();
    for _ in 0..300 {
        let mut pixels = probe.loan::<Pixels>(10_000).unwrap();
        pixels.fill(u16::MAX);
        probe.ask(pixels).wait().unwrap();
    }
    let hoarder: Recipient<Sums> = sender.lookup("hoarder").wait().unwrap();
    let expected: Vec<u64> = (1..=20).map(|fill| fill * 10_000).collect();
    assert_eq!(hoarder.ask(Sums { clears: 1 }).wait().unwrap(), expected);
    while sender.heap().stats().live() > 0 {
        hoarder.ask(Sums { clears: 1 }).wait().unwrap();
    }
}

// Goal: a receiver that hoards leases exhausts the credit of its own uring: more blocks wait, inline messages and other
// receivers do not.
#[test]
fn a_hoarder_exhausts_its_own_credit() {
    let _dog = watch();
    let bus = Bus::new("memory-hoarder");
    let (home, sender) = (bus.attach("home"), bus.attach("sender"));
    home.actor(Hoarder::default())
        .name("hoarder")
        .spawn()
        .unwrap();
    home.actor(probe().0).name("probe").spawn().unwrap();
    let hoarder: Addr<Hoarder> = sender.lookup("hoarder").wait().unwrap();
    let lend = || {
        let mut pixels = hoarder.loan::<Pixels>(1_000).unwrap();
        pixels.fill(1);
        pixels
    };
    block_on(async {
        for _ in 0..128 {
            hoarder.tell(lend()).await.unwrap();
        }
        let error = hoarder.try_tell(lend()).unwrap_err();
        assert!(matches!(error, SendError::Full { .. }), "{error}");
        let mut waits = Box::pin(hoarder.tell(lend()).into_future());
        assert!(poll!(&mut waits).is_pending());
        // An ask needs credit for its reply; a tell without a block needs none.
        hoarder.tell(Note { number: 1 }).await.unwrap();
        let error = hoarder
            .ask(Note { number: 2 })
            .deadline(ms(20))
            .await
            .unwrap_err();
        assert!(
            matches!(error, AskError::Unsent(SendError::Deadline { .. })),
            "{error}"
        );
        let probe: Addr<Probe> = sender.lookup("probe").await.unwrap();
        assert_eq!(probe.ask(text(100_000)).await.unwrap().len(), 100_000);
        assert!(poll!(&mut waits).is_pending());
        // Another address of the same actor has a uring of its own.
        let sums: Recipient<Sums> = sender.lookup("hoarder").await.unwrap();
        assert_eq!(sums.ask(Sums { clears: 1 }).await.unwrap(), [1_000; 128]);
        waits.await.unwrap();
    });
}
