//! Full mailboxes: the four policies in this process, back pressure over a uring, and many senders at once.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

#[path = "mailbox/crowd.rs"]
mod crowd;
mod support;

use futures::poll;
use ringway::prelude::*;
use ringway::{Node, Undone};

use support::probe::Event::{Began, Ended, Started};
use support::probe::{Hold, Note, Page, Probe, Text, Watcher, probe};
use support::stage::{Place, Stage, both};
use support::{Bus, watch};

fn text(number: u64) -> Text {
    Text {
        number,
        text: "x".repeat(5_000),
    }
}

/// A local probe with a mailbox of four, which holds the notes 1 to 4, and whose handler is held.
struct Full {
    probe: Addr<Probe>,
    watcher: Watcher,
    _node: Node,
    _bus: Bus,
}

impl Full {
    fn with(name: &str, overflow: Overflow) -> Self {
        let bus = Bus::new(name);
        let node = bus.attach("node");
        let (actor, watcher) = probe();
        let probe = node
            .actor(actor)
            .mailbox(4)
            .overflow(overflow)
            .spawn()
            .unwrap();
        watcher.expect(Started);
        probe.try_tell(Hold { number: 0 }).unwrap();
        watcher.expect(Began(0));
        for number in 1..=4 {
            probe.try_tell(Note { number }).unwrap();
        }
        Self {
            probe,
            watcher,
            _node: node,
            _bus: bus,
        }
    }

    /// Lets the handler end, and expects these to be handled, and nothing else.
    fn handles(self, numbers: &[u64]) {
        self.watcher.open_gate();
        self.watcher.expect(Ended(0));
        for &number in numbers {
            self.watcher.expect(Began(number));
            self.watcher.expect(Ended(number));
        }
        self.probe.stop();
        block_on(self.probe.closed());
        assert!(
            !self
                .watcher
                .rest()
                .iter()
                .any(|event| matches!(event, Began(_)))
        );
    }

    /// Tells that came back as dropped, in the order in which they did.
    fn dropped(&self) -> Vec<u64> {
        let mut stream = self.probe.undelivered::<Note>();
        let back = std::iter::from_fn(|| stream.try_next());
        back.map(|back| {
            assert_eq!((back.taken, back.why), (false, Undone::Dropped));
            back.message.unwrap().into_value().unwrap().number
        })
        .collect()
    }
}

// Goal: `Wait`: a try fails, a tell and an ask wait, and are handled in the order of their coming.
#[test]
fn wait_waits() {
    let _dog = watch();
    let full = Full::with("mailbox-wait", Overflow::Wait);
    let error = full.probe.try_tell(Note { number: 5 }).unwrap_err();
    assert_eq!(error.to_string(), "the mailbox is full");
    assert!(matches!(
        error,
        SendError::Full {
            message: Note { number: 5 }
        }
    ));
    block_on(async {
        let probe = full.probe.clone();
        let mut tell = Box::pin(probe.tell(Note { number: 5 }));
        let mut ask = Box::pin(probe.ask(text(6)));
        assert!(poll!(&mut tell).is_pending() && poll!(&mut ask).is_pending());
        full.watcher.open_gate();
        tell.await.unwrap();
        ask.await.unwrap();
    });
    full.watcher.expect(Ended(0));
    for number in 1..=6 {
        full.watcher.expect(Began(number));
        full.watcher.expect(Ended(number));
    }
}

// Goal: `Fail`: the message comes back at once, whoever sends it.
#[test]
fn fail_fails() {
    let _dog = watch();
    let full = Full::with("mailbox-fail", Overflow::Fail);
    let error = full.probe.tell(Note { number: 5 }).wait().unwrap_err();
    assert!(
        matches!(
            error,
            SendError::Full {
                message: Note { number: 5 }
            }
        ),
        "{error}"
    );
    let error = full.probe.ask(text(6)).wait().unwrap_err();
    assert_eq!(error.to_string(), "the mailbox is full");
    assert_eq!(error.into_inner(), Some(text(6)));
    assert!(full.dropped().is_empty());
    full.handles(&[1, 2, 3, 4]);
}

// Goal: `DropNewest`: what comes late is dropped: a tell comes back on the stream, an ask as its error.
#[test]
fn drop_newest_drops_what_comes() {
    let _dog = watch();
    let full = Full::with("mailbox-newest", Overflow::DropNewest);
    full.probe.tell(Note { number: 5 }).wait().unwrap();
    full.probe.try_tell(Note { number: 6 }).unwrap();
    let error = full.probe.ask(text(7)).wait().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the receiver's mailbox dropped the message"
    );
    let AskError::Dropped { message } = error else {
        panic!("{error}")
    };
    assert_eq!(message, Some(text(7)));
    assert_eq!(full.dropped(), [5, 6]);
    full.handles(&[1, 2, 3, 4]);
}

// Goal: `DropOldest`: what has waited longest gives way, an ask as well as a tell.
#[test]
fn drop_oldest_drops_what_waited() {
    let _dog = watch();
    let full = Full::with("mailbox-oldest", Overflow::DropOldest);
    let probe = full.probe.clone();
    full.probe.tell(Note { number: 5 }).wait().unwrap();
    block_on(async {
        let mut ask = Box::pin(probe.ask(text(6)));
        assert!(poll!(&mut ask).is_pending());
        for number in 7..=9 {
            probe.tell(Note { number }).await.unwrap();
        }
        assert!(poll!(&mut ask).is_pending(), "three of four are newer");
        probe.tell(Note { number: 10 }).await.unwrap();
        let error = ask.await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the receiver's mailbox dropped the message"
        );
        assert_eq!(error.into_inner(), Some(text(6)));
    });
    assert_eq!(full.dropped(), [1, 2, 3, 4, 5]);
    full.handles(&[7, 8, 9, 10]);
}

/// A probe whose handler is held, and behind it as many notes as go in, of a number that is told.
fn filled(stage: &Stage, mailbox: usize) -> (Addr<Probe>, Watcher, u64) {
    let (actor, watcher) = probe();
    let probe = stage.spawn_as("probe", actor, |builder| builder.mailbox(mailbox));
    watcher.expect(Started);
    probe.tell(Hold { number: 0 }).wait().unwrap();
    watcher.expect(Began(0));
    let mut number = 0;
    let error = loop {
        match probe.try_tell(Note { number: number + 1 }) {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, SendError::Full { .. }), "{error}");
    assert_eq!(error.into_inner(), Note { number: number + 1 });
    (probe, watcher, number)
}

// Goal: a full queue gives back what is tried, makes what is told wait, and in the end has all of it, in order; what gave
// up waiting was not sent. The bound is the mailbox's, for each sender's own uring too.
#[test]
fn full_queues_push_back() {
    both("mailbox-full", |stage| {
        let (probe, watcher, queued) = filled(stage, 16);
        assert_eq!(queued, 16, "wherever it is");
        block_on(async {
            let mut gives_up = Box::pin(probe.tell(Note { number: 9_999 }));
            let mut tell = Box::pin(probe.tell(Note { number: queued + 1 }));
            let mut page = Box::pin(probe.tell(Page {
                number: queued + 2,
                words: [0; 511],
            }));
            assert!(poll!(&mut gives_up).is_pending() && poll!(&mut tell).is_pending());
            assert!(poll!(&mut page).is_pending());
            drop(gives_up);
            watcher.open_gate();
            tell.await.unwrap();
            page.await.unwrap();
            assert_eq!(
                probe.ask(Note { number: queued + 3 }).await.unwrap(),
                queued + 3
            );
        });
        watcher.expect(Ended(0));
        for number in 1..=queued + 3 {
            watcher.expect(Began(number));
            watcher.expect(Ended(number));
        }
    });
}

// Goal: who waits for room no longer than a deadline gets the message back, with the time.
#[test]
fn waiting_for_room_has_a_deadline() {
    both("mailbox-deadline", |stage| {
        let (probe, watcher, _) = filled(stage, 16);
        let error = probe.tell(text(1)).deadline(ms(20)).wait().unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("no room in the mailbox within "),
            "{error}"
        );
        let SendError::Deadline { message, waited } = error else {
            panic!("{error}")
        };
        assert!(message == text(1) && waited >= ms(20), "{waited:?}");
        let error = probe
            .ask(Note { number: 2 })
            .deadline(ms(20))
            .wait()
            .unwrap_err();
        assert!(
            matches!(error, AskError::Unsent(SendError::Deadline { .. })),
            "{error}"
        );
        assert_eq!(error.into_inner(), Some(Note { number: 2 }));
        watcher.open_gate();
    });
}

// Goal: a tell's deadline is that of its sending: what was sent in time is handled, however late.
#[test]
fn what_was_told_in_time_is_handled() {
    both("mailbox-in-time", |stage| {
        let (actor, watcher) = probe();
        let probe = stage.spawn(actor);
        watcher.expect(Started);
        probe.ask(text(0)).wait().unwrap(); // so that nothing has to be opened or mapped any more
        watcher.expect(Began(0));
        watcher.expect(Ended(0));
        probe.tell(Hold { number: 0 }).wait().unwrap();
        watcher.expect(Began(0));
        probe
            .tell(Note { number: 1 })
            .deadline(ms(1))
            .wait()
            .unwrap();
        probe.tell(text(2)).deadline(ms(1)).wait().unwrap();
        let late = probe.ask(Note { number: 3 }).deadline(ms(30)).wait();
        assert!(
            matches!(late, Err(AskError::Deadline { .. })),
            "the deadlines have passed"
        );
        watcher.open_gate();
        for event in [Ended(0), Began(1), Ended(1), Began(2), Ended(2)] {
            watcher.expect(event);
        }
    });
}

// Goal: a receiver that ends while senders wait for room sends them away with their messages.
#[test]
fn an_end_sends_the_waiting_away() {
    both("mailbox-end", |stage| {
        let (probe, _watcher, _) = filled(stage, 16);
        block_on(async {
            let mut tell = Box::pin(probe.tell(text(1)));
            let mut ask = Box::pin(probe.ask(Note { number: 2 }));
            assert!(poll!(&mut tell).is_pending() && poll!(&mut ask).is_pending());
            probe.kill();
            let error = tell.await.unwrap_err();
            assert!(
                matches!(
                    &error,
                    SendError::Ended {
                        reason: ExitReason::Killed,
                        ..
                    }
                ),
                "{error}"
            );
            assert_eq!(error.into_inner(), text(1));
            assert_eq!(
                ask.await.unwrap_err().into_inner(),
                Some(Note { number: 2 })
            );
        });
    });
}

// Goal: senders that wait for room or for credit are woken by what frees it, also when nothing else is going on. Method:
// hundreds of tasks of one thread, each with its own message for a receiver that is slow to begin.
#[test]
fn hundreds_wait_for_room() {
    for place in [Place::Local, Place::Remote] {
        let _dog = watch();
        let stage = Stage::new("mailbox-hundreds", place, |config| config);
        let (probe, watcher, queued) = filled(&stage, 16);
        let waiting = 1_000;
        block_on(async {
            let tells = (0..waiting).map(|number| {
                let probe = &probe;
                async move {
                    match number % 2 {
                        0 => probe.tell(Note { number }).await.unwrap(),
                        _ => probe.tell(text(number)).await.unwrap(),
                    }
                }
            });
            let all = futures::future::join_all(tells);
            futures::pin_mut!(all);
            assert!(poll!(&mut all).is_pending());
            watcher.open_gate();
            all.await;
            probe.ask(Note { number: 0 }).await.unwrap();
        });
        let handled = watcher
            .so_far()
            .iter()
            .filter(|event| matches!(event, Ended(_)))
            .count();
        assert_eq!(handled as u64, 1 + queued + waiting + 1);
    }
}
