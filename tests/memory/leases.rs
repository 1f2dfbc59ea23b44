//! Receivers that keep what they are lent.

use std::mem;

use futures::poll;
use ringway::prelude::*;

use crate::support::probe::{Note, Pixels, Probe, probe};
use crate::support::{Bus, watch};
use crate::{MIB, text};

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
        let mut waits = Box::pin(hoarder.tell(lend()));
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
