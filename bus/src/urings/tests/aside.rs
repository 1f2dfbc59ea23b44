//! What a completer says it has put aside, towards a submitter that hears of its death.

use crate::exit::ExitReason;
use crate::prelude::*;
use crate::remote::ops::Leases;
use crate::remote::ops::OpKind::{Ask, Tell};
use crate::testing::pair::{Opened, Pair};
use crate::testing::{TempDir, wait_until};

/// Where the entries begin: a short tell, a long one, a long ask, and a short tell.
const BEGIN: [u64; 4] = [0, 1, 10, 19];

/// Entries that were taken and handled.
fn handled(pair: &Pair) -> Opened {
    let mut opened = pair.opened();
    for (kind, len) in [(Tell, 5), (Tell, 450), (Ask, 450), (Tell, 5)] {
        let _ = opened.say(kind, &"x".repeat(len)).unwrap();
    }
    for _ in BEGIN {
        let taken = opened.take.take_long(|rest| rest.count()).unwrap().unwrap();
        opened.take.finish(taken.slots);
    }
    opened
}

/// How many come back once the completer is dead, all of them taken and whole, and of how many that can only be counted.
fn told(pair: &Pair, opened: &Opened) -> (usize, u64) {
    let before = pair.dead_letters();
    opened.end.finish(&ExitReason::ProcessDied, Leases::Gone);
    let back = std::iter::from_fn(|| opened.end.returns.take_token().0);
    let count = back
        .inspect(|back| assert!(back.taken && back.token.is_some()))
        .count();
    opened.end.finish(&ExitReason::ProcessDied, Leases::Gone);
    assert!(opened.end.returns.take_token().0.is_none(), "once");
    (count, pair.dead_letters() - before)
}

// Goal: what was put aside comes back as taken, once; what was taken up does not.
#[test]
fn what_is_put_aside_comes_back() {
    let pair = Pair::new();
    let mut opened = handled(&pair);
    let [first, second] = [BEGIN[0], BEGIN[1]].map(|at| opened.take.put_aside(at, 7));
    opened.take.take_up(second);
    assert_eq!(told(&pair, &opened), (1, 0));
    drop(first);
    assert_eq!(told(&pair, &handled(&pair)), (0, 0));
}

// Goal: whatever a completer claims, nothing comes back twice, nothing that was not sent or has an op, and no more than was
// handled; what it does not name is counted.
#[test]
fn claims_that_lie() {
    let pair = Pair::new();
    let mut opened = handled(&pair);
    for at in [19, 19, 10, 12, 20, 1 << 40, u64::MAX - 1] {
        let _ = opened.take.put_aside(at, u64::MAX);
    }
    assert_eq!(told(&pair, &opened), (1, 0));

    let mut opened = handled(&pair);
    for _ in 0..100 {
        let _ = opened.take.put_aside(1, 7);
    }
    // Of three tells that were handled.
    assert_eq!(told(&pair, &opened), (1, 2));
    let accounts = pair.home.accounts();
    assert_eq!(accounts.check(), Ok(()), "{accounts:?}");
}

#[derive(Actor)]
#[actor(handles(u64, ()))]
struct Desk {
    is_open: bool,
}

impl Handler<u64> for Desk {
    async fn handle(&mut self, number: u64, cx: &mut Context<Self>) {
        if !self.is_open {
            drop(cx.stash(number).unwrap());
        }
    }
}

impl Handler<()> for Desk {
    async fn handle(&mut self, (): (), cx: &mut Context<Self>) {
        self.is_open = true;
        cx.unstash_all();
    }
}

// Goal: what was put aside and has been handled is not named any more, though nothing follows it: a process that is killed then had
// it handled.
#[test]
fn what_was_handled_is_not_named_any_more() {
    let temp = TempDir::new();
    let [home, guest] = ["home", "guest"].map(|name| Node::attach(temp.config(name)).unwrap());
    let desk = home.actor(Desk { is_open: false }).name("desk");
    let _desk = desk.spawn().unwrap();
    let desk: Addr<Desk> = guest.lookup("desk").within(secs(100)).wait().unwrap();
    desk.tell(7_u64).wait().unwrap();
    let urings = home.shared().peer(guest.id()).unwrap();
    let has_aside = || urings.lanes().iter().any(|lane| lane.has_aside());
    wait_until("the stash", has_aside);
    desk.tell(()).wait().unwrap();
    wait_until("the end of the handler", || !has_aside());
}
