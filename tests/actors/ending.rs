//! How actors end, and what becomes of the messages that they had not handled.

use std::pin::Pin;

use futures::poll;
use ringway::message::Parcel;
use ringway::prelude::*;
use ringway::{Ask, Undone};

use crate::support::probe::Event::{Abandoned, Began, Ended, Started, Stopping};
use crate::support::probe::{
    Boom, BoomAtLength, Halt, Hold, Note, Page, Pixels, Probe, Text, Watcher, probe,
};
use crate::support::stage::{Stage, both};

fn text(number: u64) -> Text {
    Text {
        number,
        text: "x".repeat(5_000),
    }
}

fn page(number: u64) -> Page {
    Page {
        number,
        words: [number; 511],
    }
}

/// What waits in the mailbox of a probe whose handler is held: tells 2 to 5, asks 6 and 7.
struct Queued<'a> {
    probe: &'a Addr<Probe>,
    small: Pin<Box<Ask<'a, Note>>>,
    large: Pin<Box<Ask<'a, Text>>>,
}

impl<'a> Queued<'a> {
    async fn behind(probe: &'a Addr<Probe>) -> Self {
        let mut pixels = probe.loan::<Pixels>(100).unwrap();
        pixels.header_mut().number = 5;
        pixels.fill(7);
        probe.tell(Note { number: 2 }).await.unwrap();
        probe.tell(page(3)).await.unwrap();
        probe.tell(text(4)).await.unwrap();
        probe.tell(pixels).await.unwrap();
        let mut small = Box::pin(probe.ask(Note { number: 6 }));
        let mut large = Box::pin(probe.ask(text(7)));
        assert!(poll!(&mut small).is_pending());
        assert!(poll!(&mut large).is_pending());
        Self {
            probe,
            small,
            large,
        }
    }

    /// Everything comes back: not taken, with the message inside, and with this reason.
    async fn come_back(self, reason: &ExitReason) {
        let ended = Undone::Ended(reason.clone());
        let small = self.small.await.unwrap_err();
        let AskError::Died {
            taken: false,
            message,
            reason: why,
        } = small
        else {
            panic!("{small}")
        };
        assert_eq!((message, &why), (Some(Note { number: 6 }), reason));
        let large = self.large.await.unwrap_err();
        let expected = format!("the receiver ended before it took the message: {reason}");
        assert_eq!(large.to_string(), expected);
        assert_eq!(large.into_inner(), Some(text(7)));

        let notes: Vec<_> = self.probe.undelivered::<Note>().collect().await;
        let [note] = notes.try_into().unwrap();
        assert_eq!((note.taken, &note.why), (false, &ended));
        assert_eq!(
            note.message.unwrap().into_value().unwrap(),
            Note { number: 2 }
        );
        let pages: Vec<_> = self.probe.undelivered::<Page>().collect().await;
        let [back] = pages.try_into().unwrap();
        assert_eq!((back.taken, &back.why), (false, &ended));
        assert_eq!(back.message.unwrap().into_value().unwrap(), page(3));
        let texts: Vec<_> = self.probe.undelivered::<Text>().collect().await;
        let [back] = texts.try_into().unwrap();
        assert_eq!((back.taken, &back.why), (false, &ended));
        assert_eq!(back.message.unwrap().into_value().unwrap(), text(4));
        let loans: Vec<_> = self.probe.undelivered::<Pixels>().collect().await;
        let [loan] = loans.try_into().unwrap();
        assert_eq!((loan.taken, &loan.why), (false, &ended));
        let Some(Parcel::Loan(loan)) = loan.message else {
            panic!("{:?}", loan.message)
        };
        assert_eq!((loan.header().number, &loan[..]), (5, &[7; 100][..]));
    }
}

/// A probe in the middle of the handler of `first`.
fn held<S>(stage: &Stage, first: S) -> (Addr<Probe>, Watcher)
where
    S: ringway::message::Sendable,
    Probe: ringway::Accepts<S::Message>,
{
    let (probe, watcher) = stage.probe();
    probe.tell(first).wait().unwrap();
    assert!(matches!(watcher.next(), Began(_)));
    (probe, watcher)
}

// Goal: an ended actor refuses with its reason, gives the message back, and stays ended.
fn expect_ended(probe: &Addr<Probe>, reason: &ExitReason) {
    assert_eq!(block_on(probe.closed()), *reason);
    assert!(probe.is_closed());
    let error = probe.tell(Note { number: 9 }).wait().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the receiver has ended: {reason}")
    );
    assert!(
        matches!(&error, SendError::Ended { reason: why, .. } if *why == *reason),
        "{error}"
    );
    assert_eq!(error.into_inner(), Note { number: 9 });
    let error = probe.try_tell(text(9)).unwrap_err();
    assert_eq!(error.into_inner(), text(9));
    let error = probe.ask(page(9)).wait().unwrap_err();
    assert!(
        matches!(error, AskError::Unsent(SendError::Ended { .. })),
        "{error}"
    );
    assert_eq!(error.into_inner(), Some(page(9)));
    probe.stop();
    probe.kill();
    assert_eq!(block_on(probe.closed()), *reason);
}

// Goal: a panic ends its own actor only; its asker is told the text, all that waited comes back.
#[test]
fn a_panic_ends_its_actor_alone() {
    both("panic", |stage| {
        let (other, _watcher) = probe();
        let other = stage.spawn_as("other", other, |builder| builder);
        let (probe, watcher) = stage.probe();
        let reason = ExitReason::Panicked("boom 1".to_owned());
        block_on(async {
            let mut boom = Box::pin(probe.ask(Boom { number: 1 }));
            assert!(poll!(&mut boom).is_pending());
            watcher.expect(Began(1));
            let queued = Queued::behind(&probe).await;
            watcher.open_gate();
            let error = boom.await.unwrap_err();
            let AskError::Died {
                taken: true,
                message: None,
                reason: why,
            } = &error
            else {
                panic!("{error}")
            };
            assert_eq!(*why, reason);
            let expected =
                "the receiver ended after it took the message: a handler panicked: boom 1";
            assert_eq!(error.to_string(), expected);
            queued.come_back(&reason).await;
        });
        expect_ended(&probe, &reason);
        assert_eq!(watcher.rest(), [], "no `stopping` after a panic");
        assert_eq!(other.ask(Note { number: 3 }).wait().unwrap(), 3);
    });
}

// Goal: an actor that panics with a text larger than any frame is heard of all the same; another process gets its start.
#[test]
fn a_panic_at_length_is_heard_of() {
    both("panic-length", |stage| {
        let text = "x".repeat(100_000);
        let (probe, watcher) = held(stage, BoomAtLength { text });
        block_on(async {
            let queued = Queued::behind(&probe).await;
            watcher.open_gate();
            let reason = probe.closed().await;
            let ExitReason::Panicked(text) = &reason else {
                panic!("{reason}")
            };
            assert!(text.starts_with("boom at length x"));
            assert_eq!(text.len() == 4096, stage.is_remote());
            queued.come_back(&reason).await;
        });
    });
}

// Goal: a tell whose handler panics comes back as taken, with the reason, whatever it travelled in.
#[test]
fn a_tell_that_panics_was_taken() {
    both("panic-tell", |stage| {
        let (probe, watcher) = held(stage, Boom { number: 1 });
        watcher.open_gate();
        block_on(async {
            let reason = probe.closed().await;
            let back: Vec<_> = probe.undelivered::<Boom>().collect().await;
            let [back] = back.try_into().unwrap();
            assert_eq!((back.taken, back.why), (true, Undone::Ended(reason)));
        });
        let (probe, watcher) = held(
            stage,
            BoomAtLength {
                text: "x".repeat(5_000),
            },
        );
        watcher.open_gate();
        block_on(async {
            let reason = probe.closed().await;
            assert!(
                matches!(&reason, ExitReason::Panicked(text) if text.starts_with("boom at length x"))
            );
            let back: Vec<_> = probe.undelivered::<BoomAtLength>().collect().await;
            let [back] = back.try_into().unwrap();
            assert_eq!((back.taken, back.why), (true, Undone::Ended(reason)));
        });
    });
}

// Goal: `stop` lets the handler end, runs `stopping`, and gives back what waited.
#[test]
fn stop_gives_back_what_waits() {
    both("stop", |stage| {
        let (probe, watcher) = held(stage, Hold { number: 1 });
        block_on(async {
            let queued = Queued::behind(&probe).await;
            probe.stop();
            stage.settle().await;
            watcher.open_gate();
            queued.come_back(&ExitReason::Stopped).await;
        });
        expect_ended(&probe, &ExitReason::Stopped);
        assert_eq!(watcher.rest(), [Ended(1), Stopping(ExitReason::Stopped)]);
    });
}

// Goal: `kill` ends the actor in the middle of an await: the handler's future is dropped, no hook runs.
#[test]
fn kill_interrupts_an_await() {
    both("kill", |stage| {
        let (probe, watcher) = stage.probe();
        block_on(async {
            let mut hold = Box::pin(probe.ask(Hold { number: 1 }));
            assert!(poll!(&mut hold).is_pending());
            watcher.expect(Began(1));
            let queued = Queued::behind(&probe).await;
            probe.kill();
            let error = hold.await.unwrap_err();
            let expected = "the receiver ended after it took the message: it was killed";
            assert_eq!(error.to_string(), expected);
            assert!(
                matches!(
                    error,
                    AskError::Died {
                        taken: true,
                        message: None,
                        ..
                    }
                ),
                "{error}"
            );
            queued.come_back(&ExitReason::Killed).await;
        });
        expect_ended(&probe, &ExitReason::Killed);
        assert_eq!(watcher.rest(), [Abandoned(1)]);
    });
}

// Goal: a kill is a kill, also of an actor that was asked to stop before.
#[test]
fn kill_overrules_stop() {
    both("kill-stop", |stage| {
        let (probe, watcher) = held(stage, Hold { number: 1 });
        probe.stop();
        probe.kill();
        assert_eq!(block_on(probe.closed()), ExitReason::Killed);
        assert_eq!(watcher.rest(), [Abandoned(1)]);
    });
}

// Goal: an actor ends itself after the handler that says so.
#[test]
fn an_actor_stops_itself() {
    both("halt", |stage| {
        let (probe, watcher) = stage.probe();
        probe.ask(Halt).wait().unwrap();
        expect_ended(&probe, &ExitReason::Normal);
        assert_eq!(watcher.rest(), [Stopping(ExitReason::Normal)]);
    });
}

// Goal: an actor that cannot start says why, and handles nothing. Method: its address was there before it started, as
// its node is driven only later.
#[test]
fn a_failing_start_gives_everything_back() {
    let _dog = crate::support::watch();
    let bus = crate::support::Bus::new("start");
    let node = Node::attach(bus.config("home").workers(Workers::Caller)).unwrap();
    let (failing, watcher) = probe();
    let probe = node
        .spawn(failing.failing_to_start("the lens cap is on"))
        .unwrap();
    let reason = ExitReason::StartFailed("the lens cap is on".to_owned());
    node.run_until(async {
        let queued = Queued::behind(&probe).await;
        assert_eq!(probe.closed().await, reason);
        queued.come_back(&reason).await;
    });
    assert_eq!(reason.to_string(), "it could not start: the lens cap is on");
    expect_ended(&probe, &reason);
    assert_eq!(watcher.rest(), [Started]);
}

// Goal: an actor that cannot start leaves its name to others, also for those who looked it up meanwhile.
#[test]
fn a_failing_start_frees_the_name() {
    both("start-name", |stage| {
        let (failing, watcher) = probe();
        let first = stage
            .home()
            .actor(failing.failing_to_start("no film"))
            .name("actor")
            .spawn();
        let first = first.unwrap();
        watcher.expect(Started);
        assert_eq!(
            block_on(first.closed()),
            ExitReason::StartFailed("no film".to_owned())
        );
        let (probe, _watcher) = probe();
        let probe = stage.spawn(probe);
        assert_eq!(probe.ask(Note { number: 1 }).wait().unwrap(), 1);
    });
}

// Goal: an actor that does not stop is killed, so that nobody waits for it: neither its node nor its askers.
#[test]
fn detaching_kills_those_who_stay() {
    both("detach-held", |stage| {
        let (probe, watcher) = held(stage, Hold { number: 1 });
        block_on(async {
            let mut ask = Box::pin(probe.ask(Note { number: 2 }).deadline(secs(100)));
            assert!(poll!(&mut ask).is_pending());
            stage.home().detach();
            let error = ask.await.unwrap_err();
            assert_eq!(error.into_inner(), Some(Note { number: 2 }));
            let reason = probe.closed().await;
            assert!(
                matches!(reason, ExitReason::StopTimeout | ExitReason::Shutdown),
                "{reason}"
            );
        });
        assert_eq!(watcher.rest(), [Abandoned(1)]);
    });
}

// Goal: detaching stops the actors with their hooks; who asks them hears that their node left.
#[test]
fn detaching_stops_the_actors() {
    both("detach", |stage| {
        let (probe, watcher) = stage.probe();
        assert_eq!(probe.ask(Note { number: 1 }).wait().unwrap(), 1);
        stage.home().detach();
        expect_ended(&probe, &ExitReason::Shutdown);
        let events = watcher.rest();
        assert_eq!(events, [Began(1), Ended(1), Stopping(ExitReason::Shutdown)]);
        let error = stage
            .home()
            .spawn(crate::support::probe::probe().0)
            .unwrap_err();
        assert_eq!(error.to_string(), "the node is detached");
    });
}
