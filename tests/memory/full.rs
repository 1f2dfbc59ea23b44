//! Full heaps, and messages that are too large for any.

use futures::poll;
use ringway::prelude::*;

use crate::support::probe::{Note, Pixels, Probe, Text, probe};
use crate::support::{Bus, watch};
use crate::{MIB, Pair, text};

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
        let mut tell = Box::pin(probe.tell(text(MIB / 2)));
        let mut ask = Box::pin(probe.ask(text(MIB / 2)));
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
        let mut same = Box::pin(pair.probe.tell(text(MIB)));
        let mut others = Box::pin(other.ask(text(MIB)));
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
