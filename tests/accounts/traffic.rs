//! Messages of every form, none of which fails.

use ringway::prelude::*;

use crate::support::probe::{Event, Fail, Leaf, Note, Page, Text, probe};
use crate::support::stage::{Place, Stage};
use crate::support::{Bus, watch};
use crate::{fates, settled, settled_but_for};

/// Messages of each form.
const TIMES: u64 = 300; // more than a queue has slots

// Goal: what is sent and handled in order balances on both sides, to the message: told and asked, in an entry, behind it, in a
// block, with a reply of each kind, and failing.
#[test]
fn what_is_handled_balances() {
    let _dog = watch();
    let stage = Stage::new("accounts-traffic", Place::Remote, |config| config);
    let (probe, watcher) = stage.probe();
    let words = [1; 511];
    block_on(async {
        for number in 0..TIMES {
            probe.tell(Note { number }).await.unwrap();
            assert_eq!(probe.ask(Note { number }).await.unwrap(), number);
            for length in [50, 400, 5000] {
                let text = "x".repeat(length);
                probe
                    .tell(Text {
                        number,
                        text: text.clone(),
                    })
                    .await
                    .unwrap();
                let large = probe.ask(Text { number, text }).await.unwrap();
                assert_eq!(large.len(), length);
            }
            probe.tell(Page { number, words }).await.unwrap();
            let leaf = probe.ask(Leaf { number, words }).await.unwrap();
            assert_eq!(leaf.number, number);
            assert!(probe.ask(Fail { number }).await.is_err());
            probe.tell(Fail { number }).await.unwrap();
        }
        probe
            .tell_all((0..TIMES).map(|number| Note { number }))
            .await
            .unwrap();
        probe.ask(Note { number: 0 }).await.unwrap();
    });
    let sent = TIMES * 13 + 1;
    for node in [stage.sender(), stage.home()] {
        settled(node);
    }
    let ours = settled(stage.sender());
    assert_eq!(fates(&ours), [sent, sent, 0, 0]);
    assert_eq!(ours.taken, 0);
    let theirs = settled(stage.home());
    assert_eq!((theirs.taken, theirs.handled, theirs.sent), (sent, sent, 0));
    assert!(ours.blocks_allocated > TIMES && theirs.blocks_allocated > TIMES);
    // The same when the uring is closed, and its indices are gone.
    drop(probe);
    drop(watcher);
    // The driver may hold the end a little longer; while it passes from hand to hand its sums are in none.
    while settled(stage.sender()).sent == 0 {}
    assert_eq!(fates(&settled(stage.sender())), [sent, sent, 0, 0]);
    stage.home().detach();
    stage.sender().detach();
    assert_eq!(fates(&stage.sender().accounts()), [sent, sent, 0, 0]);
    assert_eq!(stage.home().accounts().handled, sent);
}

// Goal: messages of a node's own actors to each other are not of its accounts, which are about what passes between nodes.
#[test]
fn what_stays_at_home_is_not_counted() {
    let _dog = watch();
    let stage = Stage::new("accounts-local", Place::Local, |config| config);
    let (probe, _watcher) = stage.probe();
    block_on(async {
        for number in 0..100 {
            probe.ask(Note { number }).await.unwrap();
        }
    });
    let accounts = settled(stage.home());
    assert_eq!((accounts.sent, accounts.taken), (0, 0));
}

// Goal: an answer that is left for later is in flight at who asked, and its message handled where it was taken.
#[test]
fn what_waits_is_in_flight() {
    let _dog = watch();
    let stage = Stage::new("accounts-later", Place::Remote, |config| config);
    let desk = stage.spawn(Desk::default());
    block_on(async {
        let mut ask = desk.ask(Later);
        assert!(futures::poll!(&mut ask).is_pending());
        desk.ask(Note { number: 0 }).await.unwrap();
        let ours = settled_but_for(stage.sender(), 1);
        assert_eq!((ours.sent, ours.completed), (2, 1));
        assert_eq!(settled(stage.home()).handled, 2);
        desk.ask(Note { number: 1 }).await.unwrap();
        assert_eq!(ask.await.unwrap(), 1);
    });
    assert_eq!(fates(&settled(stage.sender())), [3, 3, 0, 0]);
}

// Goal: a message that is sent on is one more message, at who sends it on and at who gets it.
#[test]
fn what_is_sent_on_counts_at_each_hop() {
    let _dog = watch();
    let stage = Stage::new("accounts-forward", Place::Remote, |config| config);
    let third = stage.bus().attach("third");
    let (last, watcher) = probe();
    let _own = third.actor(last).name("last").spawn().unwrap();
    watcher.expect(Event::Started);
    let next: Recipient<Note> = stage.home().lookup("last").wait().unwrap();
    let router = stage.spawn(Router(next));
    block_on(async {
        for number in 0..TIMES {
            assert_eq!(router.ask(Note { number }).await.unwrap(), number);
        }
    });
    assert_eq!(fates(&settled(stage.sender())), [TIMES, TIMES, 0, 0]);
    let between = settled(stage.home());
    assert_eq!(fates(&between), [TIMES, TIMES, 0, 0]);
    assert_eq!((between.taken, between.handled), (TIMES, TIMES));
    assert_eq!(settled(&third).handled, TIMES);
}

// Goal: tokens to a queue count as what they are: handled when they are received.
#[test]
fn tokens_count_too() {
    let _dog = watch();
    let bus = Bus::new("accounts-queue");
    let (sender, home) = (bus.attach("sender"), bus.attach("home"));
    let queue = MessageQueue::<Plain>::bind(&home, "sink").unwrap();
    let end = MessageQueue::<Plain>::connect(&sender, "sink").unwrap();
    for number in 0..TIMES {
        let token = Move::tokenize(Note { number }, sender.heap()).unwrap();
        end.send(token).unwrap();
        let mut received = None;
        while received.is_none() {
            received = queue.receive().unwrap();
        }
    }
    assert_eq!(fates(&settled(&sender)), [TIMES, TIMES, 0, 0]);
    let theirs = settled(&home);
    assert_eq!((theirs.taken, theirs.handled), (TIMES, TIMES));
    let token = Move::tokenize(Note { number: 0 }, sender.heap()).unwrap();
    end.send(token).unwrap();
    drop(queue);
    assert_eq!(fates(&settled(&sender)), [TIMES + 1, TIMES, 1, 0]);
    assert_eq!(settled(&home).taken, TIMES);
}

// Goal: who comes to a bus can read there what the others have last said of themselves.
#[test]
fn accounts_are_read_by_others() {
    let _dog = watch();
    let stage = Stage::new("accounts-card", Place::Remote, |config| config);
    let (probe, _watcher) = stage.probe();
    block_on(async { probe.ask(Note { number: 1 }).await.unwrap() });
    let [ours, theirs] = [stage.sender(), stage.home()].map(settled);
    let observer = stage.bus().attach("observer");
    for (node, known) in [(stage.sender(), ours), (stage.home(), theirs)] {
        let posted = loop {
            match observer.accounts_of(node.id()) {
                Some(posted) => break posted,
                None => std::thread::yield_now(),
            }
        };
        posted.check().unwrap();
        assert_eq!((posted.sent, posted.handled), (known.sent, known.handled));
        assert!(posted.at_ms >= known.at_ms);
    }
    assert_eq!(
        observer.accounts_of(observer.id()),
        None,
        "it is no peer of its own"
    );
}

#[derive(Message, Clone, Copy, Debug, Pod, Zeroable)]
#[message(move, reply = u64)]
struct Later;

/// Answers what it has left for later when there is a note of number 1.
#[derive(Actor, Default)]
#[actor(handles(Later, Note))]
struct Desk(Vec<ReplyTo<u64>>);

impl Handler<Later, Deferred<u64>> for Desk {
    async fn handle(&mut self, _: Later, cx: &mut Context<Self>) -> Deferred<u64> {
        let (reply_to, deferred) = cx.defer();
        self.0.push(reply_to);
        deferred
    }
}

impl Handler<Note> for Desk {
    async fn handle(&mut self, note: Note, _cx: &mut Context<Self>) -> u64 {
        if note.number == 1 {
            self.0.drain(..).for_each(|later| later.send(1));
        }
        note.number
    }
}

#[derive(Actor)]
#[actor(handles(Note))]
struct Router(Recipient<Note>);

impl Handler<Note, Result<Deferred<u64>, SendError<Note>>> for Router {
    async fn handle(
        &mut self,
        note: Note,
        cx: &mut Context<Self>,
    ) -> Result<Deferred<u64>, SendError<Note>> {
        cx.forward(note, &self.0).await
    }
}
