//! Links made, taken back, and broken, by both sides at once.

use std::task::Waker;
use std::thread;

use ringway_shm::sync::AtomicUsize;
use ringway_shm::sync::Ordering::{Acquire, Relaxed, Release};

use super::peers::ASKED_MAX;
use super::table::died;
use super::*;
use crate::actor::monitor::Monitors;
use crate::actor::monitor::sealed::Watchable;
use crate::prelude::*;
use crate::shared::lock;
use crate::testing::TempDir;
use crate::testing::pair::Pair;

#[derive(Actor)]
#[actor(handles(u64, LinkDown))]
struct Twin;

impl Handler<u64> for Twin {
    async fn handle(&mut self, _: u64, _: &mut crate::Context<Self>) {}
}

impl Handler<LinkDown> for Twin {
    async fn handle(&mut self, _: LinkDown, _: &mut crate::Context<Self>) {}
}

impl Links {
    fn has(&self, who: ActorId) -> bool {
        lock(&self.0).links.contains_key(&who)
    }
}

fn living(node: &Node, twin: &Addr<Twin>) -> Arc<dyn Living> {
    let number = twin.id().number();
    node.shared().linkable(number).expect("it has a name")
}

fn twin(node: &Node, name: &str) -> (Addr<Twin>, Arc<dyn Living>) {
    let twin = node.actor(Twin).name(name).spawn().unwrap();
    let living = living(node, &twin);
    (twin, living)
}

/// Waits for the other thread of a test.
fn await_round(count: &AtomicUsize, round: usize) {
    // Acquire round: pairs with the store of whoever has come so far.
    while count.load(Acquire) < round {
        thread::yield_now();
    }
}

// Goal: both-or-none: whatever two actors do to their link at the same moment, both have it or neither. Method: each from a
// thread of its own, many times, one of them a little later each time.
#[test]
fn a_link_is_of_both_or_of_none() {
    const ROUNDS: usize = 30_000;
    let temp = TempDir::new();
    let node = Node::attach(temp.config("node")).unwrap();
    let ((one, ours), (other, theirs)) = (twin(&node, "one"), twin(&node, "other"));
    let (begun, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                await_round(&begun, round);
                (0..round % 1_000).for_each(|_| std::hint::spin_loop());
                match round % 4 {
                    0 => link(&theirs, one.watched()),
                    _ => drop(unlink(&theirs, &one.watched())),
                }
                done.store(round, Release); // Release round: as above.
            }
        });
        for round in 1..=ROUNDS {
            begun.store(round, Release); // Release round: as above.
            link(&ours, other.watched());
            await_round(&done, round);
            let has = ours.core().links().has(other.id());
            assert_eq!(has, theirs.core().links().has(one.id()), "round {round}");
            unlink(&ours, &other.watched());
        }
    });
}

// Goal: the same of two actors of two nodes, whose words cross. Method: each from a thread of its own, many times; what one
// node looks up at the other is answered behind all that was said before.
#[test]
fn a_link_between_nodes_is_of_both_or_of_none() {
    let temp = TempDir::new();
    let nodes = ["one", "other"].map(|name| Node::attach(temp.config(name)).unwrap());
    let [here, there] = &nodes;
    let ((one, ours), (other, theirs)) = (twin(here, "one"), twin(there, "other"));
    let far_one: Addr<Twin> = there.lookup("one").wait().unwrap();
    let far_other: Addr<Twin> = here.lookup("other").wait().unwrap();
    let marks = [twin(here, "here"), twin(there, "there")];
    let settle = || {
        for _ in 0..2 {
            let _: Addr<Twin> = here.lookup("there").wait().unwrap();
            let _: Addr<Twin> = there.lookup("here").wait().unwrap();
        }
    };
    let start = std::sync::Barrier::new(2);
    for round in 0..200 {
        if round % 2 == 0 {
            link(&theirs, far_one.watched());
        }
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                link(&ours, far_other.watched());
            });
            start.wait();
            unlink(&theirs, &far_one.watched());
        });
        settle();
        let has = ours.core().links().has(other.id());
        assert_eq!(has, theirs.core().links().has(one.id()), "round {round}");
        assert!(lock(&theirs.core().links().0).parting.is_empty());
        unlink(&ours, &far_other.watched());
        settle();
        assert!(!theirs.core().links().has(one.id()));
    }
    // What is said afterwards counts.
    link(&ours, far_other.watched());
    settle();
    theirs.kill(ExitReason::Killed);
    assert_eq!(block_on(one.closed()), died(other.id(), ExitReason::Killed));
    drop(marks);
}

/// What a peer's actor says to one of home's.
fn hear(pair: &Pair, target: ActorId, order: Order) {
    let target = target.number();
    pair.hear(UringWord::Control { target, order });
}

/// A peer's actor of that number has ended.
fn hear_exit(pair: &Pair, target: ActorId, who: Number, reason: ExitReason) {
    let target = target.number();
    pair.hear(UringWord::Exit {
        target,
        who,
        reason,
    });
}

// Goal: a peer that asks for links without end gets as many as one peer may have, whatever actor they are to; one that is
// over makes room when it is handled, not before. It is told of those that it does not get, and others do as ever.
#[test]
fn a_peer_has_so_many_links() {
    let pair = Pair::new();
    let ((addr, own), (other, others)) = (twin(&pair.home, "one"), twin(&pair.home, "other"));
    let bell = Monitors::new(Waker::noop()).trap::<Twin>();
    others.core().links().trap(Some(bell));
    let numbers = (1 << 40..).map(|bits| Number::from_bits(bits).unwrap());
    let mut numbers = numbers.peekable();
    let asked = || pair.urings.life().asked.load(Relaxed);
    for (at, by) in numbers.by_ref().take(ASKED_MAX + 3).enumerate() {
        let to = if at % 2 == 0 { &addr } else { &other };
        hear(&pair, to.id(), Order::Link { by });
    }
    assert_eq!(asked(), ASKED_MAX);
    let who = |bits: u64| Number::from_bits((1 << 40) + bits).unwrap();
    hear_exit(&pair, addr.id(), who(0), ExitReason::Normal);
    assert_eq!(asked(), ASKED_MAX - 1);
    hear_exit(&pair, other.id(), who(1), ExitReason::Normal);
    assert_eq!(asked(), ASKED_MAX - 1, "it waits to be handled");
    drop(others.core().links().take_exits());
    assert_eq!(asked(), ASKED_MAX - 2);
    link(&own, other.watched());
    assert!(own.core().links().has(other.id()), "its own business");
    unlink(&own, &other.watched());
    own.kill(ExitReason::Killed);
    others.kill(ExitReason::Killed);
    block_on(async { (addr.closed().await, other.closed().await) });
    drop((own, others));
    crate::testing::wait_until("no link", || asked() == 0);
    assert_eq!(pair.violations(), 0);
}
