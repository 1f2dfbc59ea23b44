//! An op's life, one table at a time.

use std::sync::Arc;
use std::task::{Poll, Wake};

use futures_util::task::noop_waker_ref;

use super::*;
use crate::entry::{EntryHeader, EntryKind};
use crate::exit::ExitReason;

const REPLY: Said = Said {
    answers: true,
    more: false,
    has_block: false,
    failed: false,
    displaced: false,
};
const REPLY_MORE: Said = Said {
    more: true,
    ..REPLY
};
const BACK: Said = Said {
    answers: false,
    ..REPLY
};

fn words(key: Key) -> EntryWords {
    [key.to_bits(), 0, 0, 0, 0, 0, 0]
}

#[inline]
fn poll(table: &mut OpTable<u8>, key: Key) -> Poll<Option<Outcome<u8>>> {
    let mut by = Asking {
        known: noop_waker_ref(),
        own: Some(noop_waker_ref().clone()),
    };
    match table.look(key, &mut by) {
        Look::Done(outcome) => Poll::Ready(outcome),
        Look::Waits => Poll::Pending,
        Look::Stranger => panic!("it gave a waker"),
    }
}

fn why() -> Undone {
    Undone::Ended(ExitReason::Killed)
}

// Goal: an ask's life; a second completion of it is a lie.
#[test]
fn ask_completes_once() {
    let mut table = OpTable::new(2);
    let key = table.issue(OpKind::Ask, None).unwrap();
    assert!(poll(&mut table, key).is_pending());
    assert!(table.complete(words(key), REPLY).unwrap().waker.is_some());
    assert_eq!(
        table.complete(words(key), REPLY).unwrap_err(),
        UnknownOp(key.to_bits())
    );
    let outcome = Outcome::Completed {
        words: words(key),
        is_held: false,
    };
    assert_eq!(poll(&mut table, key), Poll::Ready(Some(outcome)));
    let next = table.issue(OpKind::Ask, None).unwrap();
    assert_eq!(
        (next.index(), next.generation()),
        (key.index(), key.generation() + 1)
    );
    assert_eq!(
        table.complete(words(key), REPLY).unwrap_err(),
        UnknownOp(key.to_bits())
    );
}

// Goal: what a policy dropped comes back with its block, to its asker or as a tell; an asker that gave up gets nothing.
#[test]
fn displaced_comes_back() {
    const DISPLACED: Said = Said {
        failed: true,
        displaced: true,
        ..REPLY
    };
    for block in [None, Some(7)] {
        let mut table = OpTable::new(8);
        let ask = table.issue(OpKind::Ask, block).unwrap();
        assert!(poll(&mut table, ask).is_pending());
        table.submitted(ask, 0, &words(ask));
        let effect = table.complete(words(ask), DISPLACED).unwrap();
        assert!(effect.waker.is_some() && effect.freed.is_none());
        let unanswered = Unanswered {
            taken: false,
            why: Undone::Dropped,
            message: Some(Unsent {
                words: words(ask),
                block,
                long: None,
            }),
        };
        let outcome = Outcome::Ended(Box::new(unanswered));
        assert_eq!(poll(&mut table, ask), Poll::Ready(Some(outcome)));

        let given_up = table.issue(OpKind::Ask, block).unwrap();
        table.ignore(given_up, &mut None);
        let effect = table.complete(words(given_up), DISPLACED).unwrap();
        assert_eq!((effect.freed, effect.undone), (block, None));

        let tell = table.issue(OpKind::Tell, block).unwrap();
        table.submitted(tell, 1, &words(tell));
        let effect = table.complete(words(tell), DISPLACED).unwrap();
        assert_eq!(effect.undone, Some(Box::new((words(tell), block))));
        assert_eq!((table.is_empty(), table.in_flight()), (true, 0));
    }
}

// Goal: a tell without a block has an op where it may be dropped: its handling frees the place.
#[test]
fn an_inline_tell_is_done() {
    let mut table = OpTable::<u8>::new(1);
    let tell = table.issue(OpKind::Tell, None).unwrap();
    assert_eq!(table.in_flight(), 1);
    let effect = table.complete(words(tell), BACK).unwrap();
    assert_eq!((effect.undone, table.is_empty()), (None, true));
    let tell = table.issue(OpKind::Tell, None).unwrap();
    let ended = table.end(&why(), Leases::MayRemain, |_| Fate::Queued, |_| None);
    assert_eq!(ended.tells.len(), 1);
    assert!(!ended.tells[0].taken && table.is_empty());
    assert!(table.complete(words(tell), BACK).is_err());
}

// Goal: a reply in the completer's heap keeps its op, and with it the index, until it is released.
#[test]
fn a_held_reply_keeps_its_op() {
    let mut table = OpTable::new(1);
    let key = table.issue(OpKind::Ask, None).unwrap();
    let said = Said {
        has_block: true,
        ..REPLY
    };
    table.complete(words(key), said).unwrap();
    assert!(matches!(
        poll(&mut table, key),
        Poll::Ready(Some(Outcome::Completed { is_held: true, .. }))
    ));
    assert_eq!(table.issue(OpKind::Ask, None), Err(None));
    assert!(table.release(key));
    assert_eq!(table.issue(OpKind::Ask, None), Ok(key.next()));
}

// Goal: the in-flight bound, an ask with a block weighing two.
#[test]
fn credit_is_the_bound() {
    let mut table = OpTable::new(3);
    let first = table.issue(OpKind::Ask, Some(1)).unwrap();
    let second = table.issue(OpKind::Tell, Some(2)).unwrap();
    assert_eq!(table.issue(OpKind::Tell, Some(3)), Err(Some(3)));
    assert_eq!(table.complete(words(second), BACK).unwrap().freed, Some(2));
    assert_eq!(table.issue(OpKind::Ask, Some(4)), Err(Some(4)));
    assert_eq!(table.withdraw(first), Some(1));
    assert!(table.issue(OpKind::Ask, Some(4)).is_ok());
}

// Goal: reply and return of the block come in either order; the block is free after its return, never before.
#[test]
fn reply_and_block_in_either_order() {
    for reply_first in [true, false] {
        let mut table = OpTable::new(2);
        let key = table.issue(OpKind::Ask, Some(7)).unwrap();
        let said = if reply_first {
            [REPLY_MORE, BACK]
        } else {
            [BACK, REPLY_MORE]
        };
        let freed: Vec<_> = said
            .iter()
            .map(|said| table.complete(words(key), *said).unwrap().freed)
            .collect();
        assert_eq!(
            freed,
            if reply_first {
                [None, Some(7)]
            } else {
                [Some(7), None]
            }
        );
        assert_eq!(table.in_flight(), 0);
        assert!(matches!(
            poll(&mut table, key),
            Poll::Ready(Some(Outcome::Completed { is_held: false, .. }))
        ));
        assert_eq!(poll(&mut table, key), Poll::Ready(None), "over");
    }
}

// Goal: what ends with its receiver is judged by its position, and a block that is still read stays.
#[test]
fn end_judges_by_position() {
    for leases in [Leases::MayRemain, Leases::Gone] {
        let mut table = OpTable::new(8);
        let taken = table.issue(OpKind::Ask, Some(1)).unwrap();
        let queued = table.issue(OpKind::Ask, Some(2)).unwrap();
        let tell = table.issue(OpKind::Tell, Some(3)).unwrap();
        for (position, key) in [taken, queued, tell].into_iter().enumerate() {
            table.submitted(key, position as u64, &[position as u64; 7]);
        }
        let judge = |at| match at {
            0 => Fate::Taken,
            _ => Fate::Queued,
        };
        let ended = table.end(&why(), leases, judge, |_| None);
        assert_eq!(ended.tells.len(), 1);
        assert_eq!(ended.tells[0].block, Some(3));
        let fate = |taken, message| {
            Poll::Ready(Some(Outcome::Ended(Box::new(Unanswered {
                taken,
                why: why(),
                message,
            }))))
        };
        assert_eq!(poll(&mut table, taken), fate(true, None));
        let unsent = Unsent {
            words: [1; 7],
            block: Some(2),
            long: None,
        };
        assert_eq!(poll(&mut table, queued), fate(false, Some(unsent)));
        let remains = usize::from(leases == Leases::MayRemain);
        assert_eq!(table.in_flight(), remains);
        assert_eq!(table.complete(words(taken), BACK).is_ok(), remains == 1);
    }
}

// Goal: a text beside the verdict on a tell is released at once: nobody reads it.
#[test]
fn verdict_on_a_tell_is_released() {
    let mut table = OpTable::new(2);
    let key = table.issue(OpKind::Tell, Some(9)).unwrap();
    let refused = Said {
        has_block: true,
        failed: true,
        ..REPLY
    };
    let effect = table.complete(words(key), refused).unwrap();
    assert_eq!((effect.freed, effect.release), (None, Some(key)));
    assert!(effect.undone.is_some() && table.is_empty());
}

// Goal: an asker that gave up leaves its block lent until the completion, and a late reply is released.
#[test]
fn ignored_keeps_its_block() {
    let mut table = OpTable::new(2);
    let key = table.issue(OpKind::Ask, Some(9)).unwrap();
    assert_eq!(table.ignore(key, &mut None), Ignored::InFlight);
    let effect = table
        .complete(
            words(key),
            Said {
                has_block: true,
                ..REPLY
            },
        )
        .unwrap();
    assert_eq!((effect.freed, effect.release), (Some(9), Some(key)));
    assert_eq!(table.ignore(key, &mut None), Ignored::Gone);
    assert!(table.issue(OpKind::Ask, Some(9)).is_ok());
}

// Goal: each asker that waits is found overdue once, in whatever order; one that has not waited yet stays to be found.
#[test]
fn overdue_askers_are_found_once() {
    let mut table = OpTable::new(8);
    let ask_until = |table: &mut OpTable<u8>, deadline: u64| {
        let key = table.issue(OpKind::Ask, None).unwrap();
        let header = EntryHeader {
            deadline,
            ..EntryHeader::new(EntryKind::Ask, Some(key))
        };
        table.submitted(key, 0, EntryToken::bare(header).words());
        key
    };
    let found = |table: &mut OpTable<u8>, now| {
        let mut wakers = Vec::new();
        let next = table.overdue(Nanos(now), &mut wakers);
        (wakers.len(), next)
    };
    let late = ask_until(&mut table, 30);
    let early = ask_until(&mut table, 10);
    let tell = table.issue(OpKind::Tell, Some(1)).unwrap();
    table.submitted(tell, 0, &words(tell));
    assert_eq!(
        found(&mut table, 20),
        (0, Some(Nanos(10))),
        "sent, not waited for"
    );
    for key in [late, early] {
        assert!(poll(&mut table, key).is_pending());
    }
    assert_eq!(found(&mut table, 9), (0, Some(Nanos(10))));
    assert_eq!(found(&mut table, 10), (1, Some(Nanos(30))));
    assert_eq!(
        found(&mut table, 29),
        (1, Some(Nanos(30))),
        "a waker that is none"
    );
    table.complete(words(late), REPLY).unwrap();
    assert_eq!(found(&mut table, 40).1, None);
}

// Goal: no waker is cloned or dropped in the table, where its end is locked: what is not kept is handed back.
#[test]
fn wakers_go_out_of_the_table() {
    struct Nothing;
    impl Wake for Nothing {
        fn wake(self: Arc<Self>) {}
    }
    let arcs = [Arc::new(Nothing), Arc::new(Nothing)];
    let [first, second] = arcs.each_ref().map(|arc| Waker::from(Arc::clone(arc)));
    let counts = || arcs.each_ref().map(Arc::strong_count);
    let mut table = OpTable::<u8>::new(4);
    let key = table.issue(OpKind::Ask, None).unwrap();
    let mut by = Asking {
        known: &first,
        own: None,
    };
    assert_eq!(table.look(key, &mut by), Look::Stranger);
    by.own = Some(first.clone());
    assert_eq!(table.look(key, &mut by), Look::Waits);
    assert!(by.own.is_none());
    assert_eq!(table.look(key, &mut by), Look::Waits, "known");
    assert_eq!(counts(), [3, 2]);

    let mut by = Asking {
        known: &second,
        own: None,
    };
    assert_eq!(table.look(key, &mut by), Look::Stranger);
    by.own = Some(second.clone());
    assert_eq!(table.look(key, &mut by), Look::Waits);
    assert!(
        by.own
            .as_ref()
            .is_some_and(|former| former.will_wake(&first))
    );
    assert_eq!(counts(), [3, 3]);

    let mut left = None;
    assert_eq!(table.ignore(key, &mut left), Ignored::InFlight);
    assert!(left.is_some_and(|left| left.will_wake(&second)));
}

// Goal: the last word about an ask that lies in its entry ends the op at once, and gives the waker back; any other completion is
// left as it is, to be taken in by `complete`.
#[test]
fn a_plain_reply_ends_its_ask() {
    let mut table = OpTable::new(4);
    let key = table.issue(OpKind::Ask, None).unwrap();
    assert_eq!(
        table.answer(key, REPLY).map(|it| it.waker.is_some()),
        Some(false)
    );
    assert!(table.is_empty() && table.in_flight() == 0);
    assert!(table.answer(key, REPLY).is_none(), "an op that is over");

    let key = table.issue(OpKind::Ask, None).unwrap();
    assert!(poll(&mut table, key).is_pending());
    let held = Said {
        has_block: true,
        ..REPLY
    };
    let displaced = Said {
        displaced: true,
        ..REPLY
    };
    for other in [held, displaced, BACK] {
        assert!(table.answer(key, other).is_none());
    }
    assert!(table.answer(key.next(), REPLY).is_none());
    assert_eq!(
        table.answer(key, REPLY).map(|it| it.waker.is_some()),
        Some(true)
    );

    let lends = table.issue(OpKind::Ask, Some(7)).unwrap();
    let tells = table.issue(OpKind::Tell, None).unwrap();
    assert!(table.answer(lends, REPLY_MORE).is_none() && table.answer(tells, REPLY).is_none());
    assert_eq!(table.in_flight(), 2);
    assert_eq!(table.answer(lends, REPLY).and_then(|it| it.block), Some(7));
    assert!(table.complete(words(tells), REPLY).is_ok());
    assert!(table.is_empty() && !table.has_lent());
    // All of the credit has come back.
    let keys: Vec<_> = (0..4).map(|_| table.issue(OpKind::Ask, None)).collect();
    assert!(keys.iter().all(Result::is_ok) && table.issue(OpKind::Ask, None).is_err());
}
