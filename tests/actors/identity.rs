//! Addresses as values: equal, hashable, weak, and seen as recipients of one message.

use std::collections::HashSet;

use ringway::prelude::*;

use crate::support::probe::{Event, Halt, Note, probe};
use crate::support::stage::both;

/// Another actor that handles notes.
#[derive(Actor, Default)]
#[actor(handles(Note))]
struct Adder {
    total: u64,
}

impl Handler<Note> for Adder {
    async fn handle(&mut self, note: Note, _cx: &mut Context<Self>) -> u64 {
        self.total += note.number;
        self.total
    }
}

// Goal: addresses of one actor are equal however they were come by, and those of two are not.
#[test]
#[expect(
    clippy::mutable_key_type,
    reason = "what can change is no part of an address's identity"
)]
fn addresses_are_values() {
    both("values", |stage| {
        let first = stage.spawn_as("first", Adder::default(), |builder| builder);
        let second = stage.spawn_as("second", Adder::default(), |builder| builder);
        let again: Addr<Adder> = stage.sender().lookup("first").wait().unwrap();
        let again = again.pinned();
        assert_eq!(first, first.clone());
        assert_eq!(first, again);
        assert_ne!(first, second);
        let set: HashSet<_> = [&first, &second, &again].into_iter().cloned().collect();
        assert_eq!(set.len(), 2);
        assert_eq!(first.id(), again.id());
        let shown = format!("{first:?}");
        assert!(
            shown.starts_with("Addr(") && shown.contains(&format!("{:?}", first.id())),
            "{shown}"
        );
        assert_ne!(shown, format!("{second:?}"));
    });
}

// Goal: a recipient is equal to every other one of its actor, and says so; the same code sends to actors of any type.
#[test]
#[expect(
    clippy::mutable_key_type,
    reason = "what can change is no part of an address's identity"
)]
fn recipients_of_any_actor() {
    async fn note_all(all: &[Recipient<Note>]) -> u64 {
        let mut sum = 0;
        for recipient in all {
            recipient.tell(Note { number: 1 }).await.unwrap();
            recipient.try_tell(Note { number: 1 }).unwrap();
            sum += recipient.ask(Note { number: 5 }).await.unwrap();
            let mut loan = recipient.loan(1).unwrap();
            loan.number = 3;
            sum += recipient.ask(loan).await.unwrap();
        }
        sum
    }
    both("recipients", |stage| {
        let (probe, _watcher) = probe();
        let probe = stage.spawn(probe);
        let adder = stage.spawn_as("adder", Adder::default(), |builder| builder);
        let looked_up: Recipient<Note> = stage.sender().lookup("adder").wait().unwrap();
        let looked_up = looked_up.pinned();
        let all = [probe.recipient::<Note>(), adder.recipient::<Note>()];
        assert_eq!(block_on(note_all(&all)), 5 + 3 + (7 + 10));
        assert_eq!(all[1], looked_up);
        assert_ne!(all[0], all[1]);
        assert_eq!(all[1].id(), adder.id());
        let set: HashSet<_> = all.iter().chain([&looked_up]).cloned().collect();
        assert_eq!(set.len(), 2);
        assert!(
            format!("{:?}", all[0]).starts_with("Recipient("),
            "{:?}",
            all[0]
        );
    });
}

// Goal: who has only a recipient can end its actor, hear of the end and see it, as who has the whole address.
#[test]
fn recipients_end_their_actors() {
    type Order = fn(&Recipient<Note>);
    let orders: [(Order, ExitReason, &[Event]); 2] = [
        (
            Recipient::stop,
            ExitReason::Stopped,
            &[Event::Stopping(ExitReason::Stopped)],
        ),
        (Recipient::kill, ExitReason::Killed, &[]),
    ];
    for (order, reason, last) in orders {
        both("recipient-ends", |stage| {
            let (probe, watcher) = stage.probe();
            let recipient = Recipient::<Note>::from(&probe);
            assert!(!recipient.is_closed());
            order(&recipient);
            assert_eq!(block_on(recipient.closed()), reason);
            assert!(recipient.is_closed() && probe.is_closed());
            assert_eq!(block_on(probe.closed()), reason);
            assert_eq!(watcher.rest(), last);
        });
    }
}

// Goal: a weak recipient finds its actor while it lives, and keeps nothing once all others are gone.
#[test]
fn weak_recipients() {
    both("weak-recipient", |stage| {
        let (probe, _watcher) = probe();
        let probe = stage.spawn(probe);
        let weak = probe.recipient::<Note>().downgrade();
        let same = weak.clone().upgrade().unwrap();
        assert_eq!(same, probe.recipient());
        assert_eq!(same.ask(Note { number: 3 }).wait().unwrap(), 3);
        assert_eq!(format!("{weak:?}"), format!("Weak{same:?}"));
        probe.stop();
        assert_eq!(block_on(same.closed()), ExitReason::Stopped);
        drop((same, probe));
        // The actor's task lets go of its cell a moment after it has published its end.
        while weak.upgrade().is_some() {
            std::thread::yield_now();
        }
        assert_eq!(format!("{weak:?}"), "WeakRecipient(gone)");
    });
}

// Goal: a weak address finds its actor while it lives, and nothing once it has ended and all addresses are gone.
#[test]
fn weak_addresses() {
    both("weak", |stage| {
        let (probe, _watcher) = probe();
        let probe = stage.spawn(probe);
        let weak = probe.downgrade();
        let same = weak.clone().upgrade().unwrap();
        assert_eq!(same, probe);
        assert_eq!(format!("{weak:?}"), format!("Weak{probe:?}"));
        drop(same);
        probe.ask(Halt).wait().unwrap();
        assert_eq!(block_on(probe.closed()), ExitReason::Normal);
        drop(probe);
        // The actor's task lets go of its cell a moment after it has published its end.
        while weak.upgrade().is_some() {
            std::thread::yield_now();
        }
        assert_eq!(format!("{weak:?}"), "WeakAddr(gone)");
    });
}

// Goal: an actor lives on without addresses, and is found by its name.
#[test]
fn addresses_do_not_keep_actors() {
    both("kept", |stage| {
        let adder = stage.spawn_as("adder", Adder::default(), |builder| builder);
        assert_eq!(adder.ask(Note { number: 4 }).wait().unwrap(), 4);
        drop(adder);
        let again: Addr<Adder> = stage.sender().lookup("adder").wait().unwrap();
        assert_eq!(again.ask(Note { number: 4 }).wait().unwrap(), 8);
    });
}
