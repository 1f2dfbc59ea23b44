//! Timers of actors, by a clock that the test sets and by the system's.
//!
//! Method: a clerk writes down what its timers gave it, and when.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::pin::pin;
use std::time::{Duration, Instant};

use futures::poll;
use ringway::prelude::*;
use ringway::test::{Gate, Journal, Pair, Pen, TestBus, TestClock};

use support::watch;

/// Has a timer set, or taken back.
#[derive(Message, Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
#[message(serial, reply = bool)]
#[serde(crate = "ringway::serde")]
enum Set {
    After(u64, u32),
    Every(u64, u32),
    /// So many, one each millisecond, set in an order of their own.
    Many(u32),
    /// And sets one that is far ahead, in its place.
    Cancel(u32),
    /// Waits at the gate.
    Hold,
    Panic,
}

/// What a timer gives.
#[derive(Message, Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Rings(u32);

#[derive(Actor)]
#[actor(handles(Set, Rings), hooks)]
struct Clerk {
    clock: TestClock,
    timers: Vec<(u32, TimerId)>,
    rung: Pen<(Duration, u32)>,
    gate: Gate,
    starts_with: Option<u32>,
}

/// The test's side.
struct Desk {
    rung: Journal<(Duration, u32)>,
    gate: Gate,
}

fn clerk(clock: &TestClock) -> (Clerk, Desk) {
    let ((heard, rung), gate) = (Journal::new(), Gate::new());
    let clerk = Clerk {
        clock: clock.clone(),
        timers: Vec::new(),
        rung,
        gate: gate.clone(),
        starts_with: None,
    };
    (clerk, Desk { rung: heard, gate })
}

impl Desk {
    /// What has rung and was not looked at, with whole seconds.
    fn rung(&self) -> Vec<(u64, u32)> {
        let rung = self.rung.so_far().into_iter();
        rung.map(|(at, number)| (at.as_secs(), number)).collect()
    }
}

impl Hooks for Clerk {
    async fn started(&mut self, cx: &mut Context<Self>) -> Result<(), BoxError> {
        if let Some(number) = self.starts_with {
            cx.after(secs(10), Rings(number));
        }
        Ok(())
    }
}

impl Handler<Set> for Clerk {
    async fn handle(&mut self, set: Set, cx: &mut Context<Self>) -> bool {
        match set {
            Set::After(seconds, number) => {
                let id = cx.after(secs(seconds), Rings(number));
                self.timers.push((number, id));
            }
            Set::Every(seconds, number) => {
                let id = cx.interval(secs(seconds), move || Rings(number));
                self.timers.push((number, id));
            }
            Set::Many(count) => {
                for number in 0..count {
                    let after = number * 7919 % count;
                    cx.after(ms(after.into()), Rings(after));
                }
            }
            Set::Cancel(number) => {
                let is_it = |(other, _): &(u32, TimerId)| *other == number;
                let at = self.timers.iter().position(is_it).unwrap();
                let was_there = cx.cancel(self.timers[at].1);
                cx.after(secs(1_000_000), Rings(u32::MAX));
                return was_there;
            }
            Set::Hold => self.gate.pass().await,
            Set::Panic => panic!("as asked"),
        }
        true
    }
}

impl Handler<Rings> for Clerk {
    async fn handle(&mut self, rings: Rings, _cx: &mut Context<Self>) {
        self.rung.write((self.clock.elapsed(), rings.0));
    }
}

/// A node that goes by a clock, and a clerk on it.
struct Office {
    clock: TestClock,
    clerk: Addr<Clerk>,
    desk: Desk,
    _node: Node,
    _bus: TestBus,
}

fn office() -> Office {
    let (bus, clock) = (TestBus::new(), TestClock::new());
    let node = Node::attach(bus.config("office").clock(&clock)).unwrap();
    let (clerk, desk) = clerk(&clock);
    let clerk = node.spawn(clerk).unwrap();
    Office {
        clock,
        clerk,
        desk,
        _node: node,
        _bus: bus,
    }
}

impl Office {
    fn set(&self, set: Set) -> bool {
        self.clerk.ask(set).wait().unwrap()
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(secs(seconds)).wait();
    }
}

// Goal: timers ring at their times and in the order of these, once or again and again, and the clock stands meanwhile.
#[test]
fn timers_ring_in_time() {
    let (_dog, office) = (watch(), office());
    for set in [Set::After(7, 1), Set::After(3, 2), Set::Every(2, 3)] {
        office.set(set);
    }
    office.pass(1);
    assert_eq!(office.desk.rung(), []);
    office.pass(5);
    assert_eq!(office.desk.rung(), [(2, 3), (3, 2), (4, 3), (6, 3)]);
    office.pass(2);
    assert_eq!(office.desk.rung(), [(7, 1), (8, 3)]);
    assert_eq!(office.clock.elapsed(), secs(8));
}

// Goal: a timer that was cancelled gives nothing, not even when it was due; one that has given all is not there to cancel.
#[test]
fn cancelled_timers_are_silent() {
    let (_dog, office) = (watch(), office());
    for set in [Set::After(1, 1), Set::Every(1, 2), Set::After(5, 3)] {
        office.set(set);
    }
    office.pass(1);
    assert_eq!(office.desk.rung(), [(1, 1), (1, 2)]);
    assert!(!office.set(Set::Cancel(1)));
    assert!(office.set(Set::Cancel(3)) && !office.set(Set::Cancel(3)));
    assert!(office.set(Set::Cancel(2)));
    // Two are due behind a handler that holds on, and a message waits: its turn is between the two.
    office.set(Set::After(1, 4));
    office.set(Set::After(1, 5));
    office.clerk.tell(Set::Hold).wait().unwrap();
    office.pass(1);
    block_on(async {
        let mut cancels = pin!(office.clerk.ask(Set::Cancel(5)));
        assert!(poll!(&mut cancels).is_pending());
        office.desk.gate.let_one_pass();
        assert!(cancels.await.unwrap());
    });
    office.pass(60);
    assert_eq!(office.desk.rung(), [(2, 4)]);
}

// Goal: ticks that a long handler has missed are left out but for one, and the next comes on the grid again.
#[test]
fn ticks_do_not_pile_up() {
    let (_dog, office) = (watch(), office());
    office.set(Set::Every(10, 1));
    office.clerk.tell(Set::Hold).wait().unwrap();
    office.pass(57);
    office.desk.gate.let_one_pass();
    office.pass(0);
    assert_eq!(office.desk.rung(), [(57, 1)]);
    office.pass(13);
    assert_eq!(office.desk.rung(), [(60, 1), (70, 1)]);
}

// Goal: what a timer gives comes though the mailbox is full; and one that is always due does not keep messages from their turn.
#[test]
fn timers_take_turns_with_messages() {
    let _dog = watch();
    let (bus, clock) = (TestBus::new(), TestClock::new());
    let node = bus.attach("office").unwrap();
    let (made, desk) = clerk(&clock);
    let clerk = node.actor(made).mailbox(1).spawn().unwrap();
    clerk.ask(Set::After(0, 7)).wait().unwrap();
    clerk.tell(Set::Hold).wait().unwrap();
    while clerk.try_tell(Set::After(0, 8)).is_ok() {}
    desk.gate.let_one_pass();
    assert_eq!(desk.rung.next().wait().1, 7);
    drop(clerk);

    #[derive(Actor, Default)]
    #[actor(handles(Set, Rings), hooks)]
    struct Busy(u32);

    impl Hooks for Busy {
        async fn started(&mut self, cx: &mut Context<Self>) -> Result<(), BoxError> {
            cx.interval(Duration::from_nanos(1), || Rings(1));
            Ok(())
        }
    }
    impl Handler<Rings> for Busy {
        async fn handle(&mut self, rings: Rings, _cx: &mut Context<Self>) {
            self.0 += rings.0;
        }
    }
    impl Handler<Set> for Busy {
        async fn handle(&mut self, _: Set, _cx: &mut Context<Self>) -> bool {
            self.0 > 0
        }
    }

    let busy = node.spawn(Busy::default()).unwrap();
    for _ in 0..100 {
        busy.ask(Set::Hold).wait().unwrap();
    }
    assert!(busy.ask(Set::Hold).wait().unwrap());
}

// Goal: ten thousand timers of one actor ring in the order of their times.
#[test]
fn many_timers_keep_their_order() {
    const COUNT: u32 = 10_000;
    let (_dog, office) = (watch(), office());
    office.set(Set::Many(COUNT));
    // In one step: they are all due at once.
    office.clerk.tell(Set::Hold).wait().unwrap();
    office.pass(u64::from(COUNT) / 1000);
    office.desk.gate.let_one_pass();
    office.pass(0);
    let rung: Vec<_> = office.desk.rung().into_iter().map(|it| it.1).collect();
    assert_eq!(rung, (0..COUNT).collect::<Vec<_>>());
}

// Goal: a timer goes with the life that has set it: of the one before the restart nothing comes.
#[test]
fn timers_end_with_their_incarnation() {
    let _dog = watch();
    let (bus, clock) = (TestBus::new(), TestClock::new());
    let node = Node::attach(bus.config("office").clock(&clock)).unwrap();
    let (heard, rung) = Journal::new();
    let (mut lives, its_clock) = (0, clock.clone());
    let make = move || {
        lives += 1;
        let (mut clerk, _) = clerk(&its_clock);
        clerk.starts_with = Some(lives);
        clerk.rung = rung.clone();
        clerk
    };
    let supervisor = Supervisor::one_for_one().backoff(secs(5)..secs(5));
    let tree = supervisor.child(Child::actor("clerk", make)).start(&node);
    let tree = tree.wait().unwrap();
    let clerk: Addr<Clerk> = tree.addr("clerk").wait().unwrap();
    let _ = clerk.ask(Set::Panic).wait().unwrap_err();
    clock.advance(secs(60)).wait();
    let gate = Gate::new();
    let desk = Desk { rung: heard, gate };
    // Four to six seconds until the second life, and ten from then on.
    let rung = desk.rung();
    assert!(matches!(rung[..], [(14..=16, 2)]), "{rung:?}");
}

// Goal: by the system's clock nothing comes early.
#[test]
fn timers_are_never_early() {
    let _dog = watch();
    let bus = TestBus::new();
    let node = bus.attach("office").unwrap();
    let (made, desk) = clerk(&TestClock::new());
    let clerk = node.spawn(made).unwrap();
    let began = Instant::now();
    clerk.ask(Set::After(1, 1)).wait().unwrap();
    desk.rung.next().wait();
    assert!(began.elapsed() >= secs(1));
}

// Goal: an ask's deadline goes by the node's clock, on one node and between two, at the asker and where it is handled.
#[test]
fn deadlines_go_by_the_clock() {
    let _dog = watch();
    let clock = TestClock::new();
    let pair = Pair::with(|config| config.clock(&clock)).unwrap();
    let (made, desk) = clerk(&clock);
    let near = pair.near.actor(made).name("clerk").spawn().unwrap();
    let far: Addr<Clerk> = pair.far.lookup("clerk").wait().unwrap();
    assert!(far.ask(Set::After(1, 1)).wait().unwrap());
    block_on(async {
        for clerk in [&near, &far] {
            let mut ask = pin!(clerk.ask(Set::Hold).deadline(secs(3600)));
            assert!(poll!(&mut ask).is_pending());
            clock.advance(secs(3599)).await;
            assert!(poll!(&mut ask).is_pending());
            clock.advance(secs(1)).await;
            let error = ask.await.unwrap_err();
            let AskError::Deadline { waited } = error else {
                panic!("{error}");
            };
            assert_eq!(waited, secs(3600));
            // Its handler is still held; that of another whose deadline passes meanwhile does not begin.
            let mut late = pin!(clerk.ask(Set::Hold).deadline(secs(3600)));
            assert!(poll!(&mut late).is_pending());
            clock.advance(secs(3600)).await;
            desk.gate.let_one_pass();
            let mut next = pin!(clerk.ask(Set::After(1, 1)));
            assert!(poll!(&mut next).is_pending());
            clock.advance(secs(0)).await;
            assert!(poll!(&mut next).is_ready());
            let _ = late.await.unwrap_err();
        }
    });
}
