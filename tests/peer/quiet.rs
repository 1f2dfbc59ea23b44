//! Processes that wait: subscribers of every kind that have taken what there was, and publishers that have nothing to publish or no
//! room.

use std::io::Write as _;
use std::sync::mpsc::{Sender, channel};

use futures::StreamExt as _;
use ringway::prelude::*;
use ringway::{Publisher, Selector};

/// Topics with a sample each.
const TOPICS: [&str; 3] = ["quiet/a", "quiet/b", "quiet/c"];
/// One whose only subscriber takes nothing.
const FULL: &str = "full";
const EVENT: &str = "rung";

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().expect("the test reads");
}

fn stay(line: &str) -> ! {
    say(line);
    loop {
        std::thread::park();
    }
}

#[derive(Actor)]
#[actor(handles(u64), hooks)]
struct Waiter(Sender<()>);

impl Hooks for Waiter {
    async fn started(&mut self, cx: &mut Context<Self>) -> Result<(), BoxError> {
        let topic = cx.node().topic::<u64>(TOPICS[0])?;
        cx.subscribe(topic.subscriber()).await?;
        Ok(())
    }
}

impl Handler<u64> for Waiter {
    async fn handle(&mut self, _: u64, _cx: &mut Context<Self>) {
        self.0.send(()).expect("main waits");
    }
}

/// Waits in a thread of its own for one thing after the other, and tells of each.
fn wait_for<T>(told: &Sender<()>, mut next: impl FnMut() -> Option<T> + Send + 'static) {
    let told = told.clone();
    std::thread::spawn(move || {
        while next().is_some() {
            told.send(()).expect("main waits");
        }
    });
}

fn subscribers(node: &Node) {
    let (told, heard) = channel();
    let topic = node.topic::<u64>(TOPICS[0]).expect("a topic");
    let mut waits = topic.subscriber().wait().expect("made");
    wait_for(&told, move || waits.blocking().next());
    let mut drops = topic.subscriber().drop_oldest().wait().expect("made");
    wait_for(&told, move || drops.blocking().next());
    let mut latest = topic.latest().wait().expect("made");
    wait_for(&told, move || latest.wait_changed());
    let all = node.topics::<u64>("quiet/*").expect("a pattern");
    let mut all = all.subscriber().wait().expect("made");
    wait_for(&told, move || all.next_blocking());
    let event = node.event(EVENT).expect("an event");
    let mut listener = event.listener().wait().expect("made");
    wait_for(&told, move || listener.next_blocking());
    let mut selector = Selector::new();
    for name in TOPICS {
        let topic = node.topic::<u64>(name).expect("a topic");
        selector.add(name, topic.subscriber().wait().expect("made"));
    }
    // The selector tells also when a source has ended, which none does.
    wait_for(&told, move || block_on(selector.next()));
    let actor = node.spawn(Waiter(told.clone())).expect("spawned");
    let full = node.topic::<u64>(FULL).expect("a topic");
    let _hoarder = full.subscriber().depth(1).wait().expect("made");
    while topic.subscribers().len() < 6 {
        std::thread::yield_now(); // until the actor has subscribed, too
    }
    say("subscribed");
    // One for each, but of the pattern and the selector, which have all three topics.
    for _ in 0..1 + 1 + 1 + 3 + 1 + 3 + 1 {
        heard.recv().expect("kept above");
    }
    say("waiting");
    loop {
        std::thread::park();
        let _kept = &actor;
    }
}

fn publish(node: &Node, name: &str) -> Publisher<u64> {
    let topic = node.topic::<u64>(name).expect("a topic");
    let publisher = topic.publisher().wait().expect("made");
    publisher.publish(1).wait().expect("published");
    publisher
}

pub(crate) fn play(words: &[&str]) {
    let node = Node::attach("test").expect("attached");
    match words {
        ["subscribers"] => subscribers(&node),
        ["publishers"] => {
            let _publishers = TOPICS.map(|name| publish(&node, name));
            let event = node.event(EVENT).expect("an event");
            let notifier = event.notifier().wait().expect("made");
            notifier.notify(1).expect("notified");
            let full = publish(&node, FULL);
            std::thread::spawn(move || full.publish(2).wait());
            stay("published");
        }
        words => panic!("no scene {words:?}"),
    }
}
