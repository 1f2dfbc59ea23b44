//! Full mailboxes: each priority has room, and a policy, of its own.

use futures::poll;
use ringway::prelude::*;

use super::{handles, held, release, tell};
use crate::support::probe::{Drops, Note};
use crate::support::stage::both;

// Goal: what has high priority finds room in a mailbox that is full of others, as much as there is for those; then it meets the
// policy.
#[test]
fn each_has_as_much_room() {
    both("priorities-room", |stage| {
        let (probe, watcher) = held(stage, 4, Overflow::Fail);
        block_on(async {
            for (priority, first) in [(Priority::Normal, 1), (High, 11)] {
                tell(&probe, priority, first..first + 4).await;
                let number = first + 4;
                let full = probe.tell(Note { number }).priority(priority).await;
                let error = full.unwrap_err();
                assert!(matches!(error, SendError::Full { .. }), "{error}");
                assert_eq!(error.into_inner(), Note { number });
                let full = probe.ask(Note { number }).priority(priority).await;
                assert_eq!(full.unwrap_err().into_inner(), Some(Note { number }));
            }
        });
        release(&watcher, 0);
        handles(&watcher, 11..=14);
        handles(&watcher, 1..=4);
    });
}

// Goal: who waits for room for something of high priority waits for that, and gets it when some of those were handled; in order.
#[test]
fn it_waits_for_room_of_its_own() {
    both("priorities-wait", |stage| {
        let (probe, watcher) = held(stage, 4, Overflow::Wait);
        block_on(async {
            tell(&probe, Priority::Normal, 1..=4).await;
            tell(&probe, High, 11..=14).await;
            let mut telling = Box::pin(probe.tell(Note { number: 15 }).priority(High));
            let mut asking = Box::pin(probe.ask(Note { number: 16 }).priority(High));
            assert!(poll!(&mut telling).is_pending());
            assert!(poll!(&mut asking).is_pending());
            watcher.open_gate();
            telling.await.unwrap();
            asking.await.unwrap();
        });
        let log: Vec<_> = std::iter::repeat_with(|| watcher.next()).take(21).collect();
        let of = |numbers: std::ops::RangeInclusive<u64>| -> Vec<u64> {
            let began = log.iter().filter_map(|event| match event {
                crate::support::probe::Event::Began(number) => Some(*number),
                _ => None,
            });
            began.filter(|number| numbers.contains(number)).collect()
        };
        assert_eq!(of(11..=16), [11, 12, 13, 14, 15, 16]);
        assert_eq!(of(1..=4), [1, 2, 3, 4]);
    });
}

// Goal: the policy that drops the oldest drops it of the priority that has no room, comes back to its sender, and is counted.
#[test]
fn it_displaces_its_own() {
    both("priorities-oldest", |stage| {
        let (probe, watcher) = held(stage, 4, Overflow::DropOldest);
        let mut back = probe.undelivered::<Note>();
        block_on(async {
            tell(&probe, Priority::Normal, 1..=2).await;
            tell(&probe, High, 11..=16).await;
            release(&watcher, 0);
            handles(&watcher, 13..=16);
            handles(&watcher, 1..=2);
            for number in 11..=12 {
                let dropped = back.next().await.unwrap();
                assert!(!dropped.taken, "{dropped:?}");
                let note = dropped.message.unwrap().into_value().unwrap();
                assert_eq!(note.number, number);
            }
            assert_eq!(probe.ask(Drops).await.unwrap(), 2);
        });
        assert!(back.try_next().is_none());
    });
}
