//! Completers that lie about how far they have come, towards a submitter with long entries in flight.

use std::task::{Poll, Waker};

use ringway_shm::generation::Key;

use crate::exit::ExitReason;
use crate::mailbox::Overflow;
use crate::remote::ops::OpKind::{Ask, Tell};
use crate::remote::ops::{Leases, Outcome};
use crate::remote::{AskerLook, Found, Obstacle};
use crate::testing::pair::{Opened, Pair};
use crate::urings::open;

/// How far an entry came, as its sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Returned,
    Taken,
    Handled,
}

/// Where the entries of a scene begin: a short one, a long one, a long ask and a short one; and behind the last.
const BEGIN: [u64; 5] = [0, 1, 10, 19, 20];

fn text(at: usize) -> String {
    let len = [5, 450, 450, 5][at];
    format!("{at}").repeat(len)
}

fn scene(pair: &Pair) -> (Opened, Key) {
    let opened = pair.opened();
    for at in [0, 1] {
        assert!(opened.say(Tell, &text(at)).unwrap().is_none());
    }
    let op = opened.say(Ask, &text(2)).unwrap().unwrap();
    assert!(opened.say(Tell, &text(3)).unwrap().is_none());
    (opened, op)
}

/// What the sender is told, once the receiver is dead.
fn told(opened: &Opened, op: Key) -> [Fate; 4] {
    opened.end.finish(&ExitReason::ProcessDied, Leases::Gone);
    let mut fates = [Fate::Handled; 4];
    while let Some(back) = opened.end.returns.take_token().0 {
        let token = back.token.unwrap().into_tokenized();
        let at = usize::from(token.bytes().last().unwrap() - b'0');
        assert!(token.bytes().ends_with(text(at).as_bytes()), "whole");
        assert_eq!(fates[at], Fate::Handled, "it comes back once");
        fates[at] = match back.taken {
            true => Fate::Taken,
            false => Fate::Returned,
        };
    }
    let asked = opened
        .end
        .poll_op(op, Waker::noop(), AskerLook::First, &mut [0; 7]);
    let Poll::Ready(Found::Outcome(Outcome::Ended(unanswered))) = asked else {
        panic!("an ask that was in flight has ended");
    };
    fates[2] = match unanswered.message {
        None => Fate::Taken,
        Some(message) => {
            let long = message.long.expect("its slots were not used again");
            assert_eq!((long.slots().len(), unanswered.taken), (8, false));
            Fate::Returned
        }
    };
    fates
}

// Goal: whatever a dead receiver's heads say, each message is known to be handled, or comes back once: never as untaken unless
// its head is one that can be, never as handled unless both are. Method: all heads near the entries, in their midst and
// beyond, with some counts of handled ones, against a model.
#[test]
fn heads_that_lie() {
    let pair = Pair::new();
    let tail = BEGIN[4];
    for head in (0..=tail + 2).chain([u64::MAX / 2, u64::MAX]) {
        for done in [0, 1, 4, head / 2, head, head.wrapping_add(1), u64::MAX] {
            let (opened, op) = scene(&pair);
            opened.claim(head, done);
            let (taken, done) = match BEGIN.contains(&head) {
                true if done <= head => (head, done),
                true => (head, 0),
                false => (tail, 0),
            };
            let mut fates = [0, 1, 2, 3].map(|at| match BEGIN[at] {
                begin if begin >= taken => Fate::Returned,
                begin if begin >= done => Fate::Taken,
                _ => Fate::Handled,
            });
            if fates[2] == Fate::Handled {
                fates[2] = Fate::Taken; // it was not answered
            }
            assert_eq!(told(&opened, op), fates, "head {head}, done {done}");
        }
    }
    assert_eq!(pair.dead_letters(), 0);
}

// Goal: a head that jumps into the midst of a long entry, or goes back, is found when room is looked for, and nothing more is
// sent. Method: a full queue.
#[test]
fn heads_that_lie_to_a_sender_without_room() {
    for head in [2, 9, 11, u64::MAX] {
        let pair = Pair::new();
        let (opened, _) = scene(&pair);
        while opened.say(Tell, "").is_ok() {}
        opened.claim(head, 0);
        let before = pair.violations();
        let refused = opened.say(Tell, "").unwrap_err();
        assert!(!refused.may_pass(), "{refused:?}");
        assert_eq!(pair.violations(), before + 1);
    }
}

// Goal: of an honest receiver that dies in a handler, the message in hand comes back whole, however full the queue is behind it;
// and if it was asked, its asker is told. Method: the message in hand, then as many as go in.
#[test]
fn a_message_in_hand_is_one_message() {
    for kind in [Tell, Ask] {
        let pair = Pair::new();
        let mut opened = pair.opened();
        opened.say(kind, &text(1)).unwrap();
        let in_hand = opened.take.take_long(|rest| rest.count()).unwrap().unwrap();
        assert_eq!(in_hand.slots, 9);
        let (rests, mut messages, mut behind) = (open::URING.sq.get() / 2 - 10, 0, 0);
        while messages < open::URING.sq.get() / 2 {
            // The rest of the last long one takes what is left for rests.
            let len = match rests - behind {
                0 => 5,
                left @ 1..8 => 25 + 56 * (left - 1),
                _ => 450,
            };
            opened
                .say(Tell, &"x".repeat(usize::try_from(len).unwrap()))
                .unwrap();
            messages += 1;
            behind += match len {
                5 => 0,
                _ => (len + 2 - 24).div_ceil(56),
            };
        }
        assert_eq!(behind, rests, "not one slot more is for rests");
        opened.end.finish(&ExitReason::ProcessDied, Leases::Gone);
        let mut back = std::iter::from_fn(|| opened.end.returns.take_token().0);
        if kind == Tell {
            let in_hand = back.next().unwrap();
            assert!(in_hand.taken);
            let received = in_hand.token.unwrap().into_received();
            assert_eq!(received.detokenize::<String>().unwrap(), text(1));
        }
        assert_eq!(back.filter(|back| !back.taken).count() as u64, messages);
        assert_eq!(pair.dead_letters(), 0);
    }
}

// Goal: a message that finds neither slots behind its entry nor a block is not what a full mailbox's policy is for: it goes
// once there are slots again. Method: a receiver that drops the newest, a heap without blocks, and one text more than there
// are slots for.
#[test]
fn a_full_heap_is_no_full_queue() {
    let pair = Pair::with(|home| home.heap_limit(4 << 20));
    let mut opened = pair.opened_to(Overflow::DropNewest);
    let mut texts: Vec<_> = (0..15).map(|_| opened.pack(Tell, &text(1))).collect();
    let mut last = texts.pop().unwrap();
    let heap = pair.home.heap();
    let blocks = [1 << 20, 1 << 16, 1 << 12, 64]
        .map(|len| std::iter::from_fn(|| heap.allocate(len).ok()).collect::<Vec<_>>());
    for text in &mut texts {
        assert!(opened.end.submit(text).is_ok());
    }
    for _ in 0..2 {
        let refused = opened.end.submit(&mut last).unwrap_err();
        assert!(matches!(refused, Obstacle::Crowded), "{refused:?}");
    }
    assert!(
        opened
            .take
            .take_long(|rest| rest.count())
            .unwrap()
            .is_some()
    );
    assert!(opened.end.submit(&mut last).is_ok());
    drop(blocks);
}
