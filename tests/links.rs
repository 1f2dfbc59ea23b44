//! Links: actors that fail together, in one process and across nodes. Across processes and under SIGKILL: see
//! `tests/process.rs`.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use ringway::prelude::*;
use ringway::test::{Gate, Journal, Pen};

use support::stage::both;
use support::{Bus, watch};

/// Has the receiver link itself to another, or undo that.
#[derive(Message, Serialize, Deserialize)]
#[message(serial, reply = bool)]
#[serde(crate = "ringway::serde")]
enum Bind {
    To(Addr<Twin>),
    Off(Addr<Twin>),
    Trap(bool),
}

#[derive(Message, Serialize, Deserialize, Clone, Copy, Debug)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
enum End {
    Normally,
    ByPanic,
    ByError,
    /// Waits for its gate.
    Later,
}

/// Has the receiver tell another that number.
#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Say(Addr<Twin>, u64, End);

#[derive(Debug, PartialEq)]
enum Seen {
    Down(LinkDown),
    Number(u64),
    Stops,
    Holds,
}

#[derive(Actor)]
#[actor(handles(Bind, End, Say, LinkDown, u64), hooks)]
struct Twin {
    log: Pen<Seen>,
    gate: Gate,
}

impl Hooks for Twin {
    async fn stopping(&mut self, _reason: &ExitReason, _cx: &mut Context<Self>) {
        self.log.write(Seen::Stops);
    }
}

impl Handler<Bind> for Twin {
    async fn handle(&mut self, bind: Bind, cx: &mut Context<Self>) -> bool {
        match bind {
            Bind::To(other) => cx.link(&other),
            Bind::Off(other) => return cx.unlink(&other),
            Bind::Trap(traps) => cx.trap_exits(traps),
        }
        true
    }
}

impl Twin {
    async fn end(&mut self, end: End, cx: &mut Context<Self>) {
        match end {
            End::Normally => cx.stop(),
            End::ByPanic => panic!("as asked"),
            End::ByError => cx.fail("as asked"),
            End::Later => {
                self.log.write(Seen::Holds);
                self.gate.pass().await;
            }
        }
    }
}

impl Handler<End> for Twin {
    async fn handle(&mut self, end: End, cx: &mut Context<Self>) {
        self.end(end, cx).await;
    }
}

impl Handler<Say> for Twin {
    async fn handle(&mut self, Say(to, number, end): Say, cx: &mut Context<Self>) {
        for word in 0..number {
            to.tell(word).await.unwrap();
        }
        self.end(end, cx).await;
    }
}

impl Handler<LinkDown> for Twin {
    async fn handle(&mut self, down: LinkDown, _cx: &mut Context<Self>) {
        self.log.write(Seen::Down(down));
    }
}

impl Handler<u64> for Twin {
    async fn handle(&mut self, number: u64, _cx: &mut Context<Self>) {
        self.log.write(Seen::Number(number));
    }
}

struct Watched {
    addr: Addr<Twin>,
    seen: Journal<Seen>,
}

impl Watched {
    fn spawn(node: &Node) -> Self {
        let (seen, log) = Journal::new();
        // It stays shut.
        let gate = Gate::new();
        let addr = node.spawn(Twin { log, gate }).unwrap();
        Self { addr, seen }
    }

    fn bind(&self, bind: Bind) -> bool {
        self.addr.ask(bind).wait().unwrap()
    }

    fn link(&self, other: &Self) {
        self.bind(Bind::To(other.addr.clone()));
    }

    fn closed(&self) -> ExitReason {
        block_on(self.addr.closed())
    }
}

fn died(of: &Addr<Twin>, why: &str) -> ExitReason {
    ExitReason::LinkDied {
        who: of.id(),
        why: why.to_owned(),
    }
}

// Goal: a failure, of either of the two and however it comes, ends the other, in the middle of what it does and without its stop
// hook; and says who and why.
#[test]
fn a_failure_takes_the_other_along() {
    both("links-fail", |stage| {
        let ends = [Some(End::ByPanic), Some(End::ByError), None];
        for (end, why) in ends.into_iter().zip([
            "a handler panicked: as asked",
            "it failed: as asked",
            "it was killed",
        ]) {
            for is_first in [true, false] {
                let (here, there) = (Watched::spawn(stage.sender()), Watched::spawn(stage.home()));
                // A peer hears of the link before it hears of what was sent through it; the word of a kill comes behind it.
                here.link(&there);
                let (fails, other) = match is_first {
                    true => (&here, &there),
                    false => (&there, &here),
                };
                other.addr.tell(End::Later).wait().unwrap();
                assert_eq!(other.seen.next().wait(), Seen::Holds);
                if stage.is_remote() {
                    block_on(stage.settle());
                }
                match end {
                    Some(end) => fails.addr.tell(end).wait().unwrap(),
                    None => fails.addr.kill(),
                }
                assert_eq!(other.closed(), died(&fails.addr, why));
                assert!(fails.closed().to_string().contains(why));
                assert!(!other.seen.so_far().contains(&Seen::Stops));
            }
        }
    });
}

// Goal: an orderly end takes nobody along, and leaves no link behind.
#[test]
fn an_orderly_end_takes_nobody_along() {
    both("links-normal", |stage| {
        for stops in [true, false] {
            let (here, there) = (Watched::spawn(stage.sender()), Watched::spawn(stage.home()));
            here.link(&there);
            there.link(&here);
            match stops {
                true => there.addr.stop(),
                false => there.addr.tell(End::Normally).wait().unwrap(),
            }
            assert!(there.closed().is_normal());
            if stage.is_remote() {
                block_on(stage.settle());
            }
            here.addr.tell(7_u64).wait().unwrap();
            assert_eq!(here.seen.next().wait(), Seen::Number(7), "it lives on");
            assert!(!here.bind(Bind::Off(there.addr.clone())), "nothing is left");
        }
    });
}

// Goal: who ends in order right after it has made a link never takes the other along, however the words cross.
#[test]
fn an_orderly_end_at_once_takes_nobody_along() {
    both("links-at-once", |stage| {
        let there = Watched::spawn(stage.home());
        for _ in 0..100 {
            let here = Watched::spawn(stage.sender());
            here.link(&there);
            here.addr.stop();
            assert_eq!(here.closed(), ExitReason::Stopped);
        }
        if stage.is_remote() {
            block_on(stage.settle());
        }
        there.addr.tell(7_u64).wait().unwrap();
        assert_eq!(there.seen.next().wait(), Seen::Number(7));
        there.addr.stop();
        assert_eq!(there.closed(), ExitReason::Stopped);
    });
}

// Goal: a link to what has failed already acts at once; one to what has ended in order, not. Of the dead of another node that
// was never met nothing is known, which counts as a failure.
#[test]
fn links_to_the_dead_act_at_once() {
    both("links-dead", |stage| {
        let (good, bad) = (Watched::spawn(stage.home()), Watched::spawn(stage.home()));
        good.addr.stop();
        bad.addr.tell(End::ByError).wait().unwrap();
        let _ = (good.closed(), bad.closed());
        let here = Watched::spawn(stage.home());
        here.link(&good);
        here.addr.tell(1_u64).wait().unwrap();
        assert_eq!(here.seen.next().wait(), Seen::Number(1));
        // It may end before it has answered.
        drop(here.addr.ask(Bind::To(bad.addr.clone())).wait());
        assert_eq!(here.closed(), died(&bad.addr, "it failed: as asked"));
        if stage.is_remote() {
            let far = Watched::spawn(stage.sender());
            drop(far.addr.ask(Bind::To(bad.addr.clone())).wait());
            // The test's own message carries the address of this process, which knows how it ended.
            assert!(
                matches!(far.closed(), ExitReason::LinkDied { who, .. } if who == bad.addr.id())
            );
        }
    });
}

// Goal: who traps exits lives on and is told, of failures and orderly ends, once, behind the last words; who does so no more, is
// not.
#[test]
fn trapped_exits_are_messages() {
    both("links-trap", |stage| {
        let here = Watched::spawn(stage.sender());
        here.bind(Bind::Trap(true));
        for (end, reason) in [
            (End::ByError, ExitReason::Error("as asked".to_owned())),
            (End::Normally, ExitReason::Normal),
        ] {
            for links_itself in [true, false] {
                let there = Watched::spawn(stage.home());
                match links_itself {
                    true => here.link(&there),
                    false => there.link(&here),
                }
                there
                    .addr
                    .tell(Say(here.addr.clone(), 50, end))
                    .wait()
                    .unwrap();
                for number in 0..50 {
                    assert_eq!(here.seen.next().wait(), Seen::Number(number));
                }
                let down = LinkDown {
                    who: there.addr.id(),
                    reason: reason.clone(),
                };
                assert_eq!(here.seen.next().wait(), Seen::Down(down));
            }
        }
        here.addr.tell(1_u64).wait().unwrap();
        assert_eq!(here.seen.next().wait(), Seen::Number(1), "and no more");
        here.bind(Bind::Trap(false));
        let there = Watched::spawn(stage.home());
        there.link(&here);
        there.addr.kill();
        assert_eq!(here.closed(), died(&there.addr, "it was killed"));
    });
}

// Goal: a link that was undone, by either of the two, does not act.
#[test]
fn links_are_undone() {
    both("links-undone", |stage| {
        for by_maker in [true, false] {
            let (here, there) = (Watched::spawn(stage.sender()), Watched::spawn(stage.home()));
            here.link(&there);
            if stage.is_remote() {
                block_on(stage.settle());
            }
            let (undoes, other) = match by_maker {
                true => (&here, &there),
                false => (&there, &here),
            };
            assert!(undoes.bind(Bind::Off(other.addr.clone())));
            assert!(!undoes.bind(Bind::Off(other.addr.clone())));
            other.addr.kill();
            assert_eq!(other.closed(), ExitReason::Killed);
            undoes.addr.tell(1_u64).wait().unwrap();
            assert_eq!(undoes.seen.next().wait(), Seen::Number(1));
        }
    });
}

// Goal: a ring of links ends, whole and once, with the first failure named by all; in one process or over two nodes.
#[test]
fn a_ring_of_links_ends() {
    both("links-ring", |stage| {
        let nodes = [stage.sender(), stage.home()];
        let ring: Vec<_> = (0..100).map(|at| Watched::spawn(nodes[at % 2])).collect();
        for (at, one) in ring.iter().enumerate() {
            one.link(&ring[(at + 1) % ring.len()]);
        }
        ring[42].addr.tell(End::ByPanic).wait().unwrap();
        for (at, one) in ring.iter().enumerate() {
            let expected = match at {
                42 => ExitReason::Panicked("as asked".to_owned()),
                _ => died(&ring[42].addr, "a handler panicked: as asked"),
            };
            assert_eq!(one.closed(), expected, "{at}");
        }
    });
}

// Goal: links made, undone and acting from several threads at once end all that must end, and nobody hangs.
#[test]
fn a_storm_of_links_ends() {
    let _dog = watch();
    let bus = Bus::new("links-storm");
    let nodes = [
        bus.attach("first"),
        bus.attach("second"),
        bus.attach("third"),
    ];
    for round in 0..20 {
        let twins: Vec<_> = (0..30).map(|at| Watched::spawn(&nodes[at % 3])).collect();
        let all: Vec<_> = twins.iter().map(|twin| twin.addr.clone()).collect();
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let all = &all;
                scope.spawn(move || {
                    for step in 0..60 {
                        let one = &all[(thread * 7 + step * 11 + round) % all.len()];
                        let other = &all[(thread * 5 + step * 3) % all.len()];
                        let bind = match step % 5 {
                            4 => Bind::Off(other.clone()),
                            _ => Bind::To(other.clone()),
                        };
                        // Some have ended by now.
                        drop(one.ask(bind).wait());
                    }
                });
            }
            all[round].kill();
        });
        // A chain through all, so that the end of one is that of each.
        for pair in all.windows(2) {
            drop(pair[0].ask(Bind::To(pair[1].clone())).wait());
            drop(pair[1].ask(Bind::To(pair[0].clone())).wait());
        }
        for one in &all {
            assert!(!block_on(one.closed()).is_normal());
        }
    }
}
