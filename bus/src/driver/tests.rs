//! What a pass costs: it grows with what happens, not with what is open.

use std::future::Future;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use futures_channel::oneshot;
use ringway_shm::card::Counter;

use super::Driver;
use crate::prelude::*;
use crate::shared::lock;
use crate::testing::TempDir;

/// Urings that are open and idle.
const IDLE: u64 = 1_000;
/// Asks to one actor beside them.
const ASKS: u64 = 1_000;

#[derive(Actor)]
#[actor(handles(u64))]
struct Mute;

impl Handler<u64> for Mute {
    async fn handle(&mut self, _number: u64, _cx: &mut Context<Self>) {}
}

impl Driver {
    pub(super) fn count_watched(&mut self) {
        let watched = self.hot.len() + self.reaping.len() + self.rooms.len();
        self.most_watched = self.most_watched.max(watched);
    }
}

/// Does something with the driver of a node that nobody drives at the moment.
fn with_driver<T>(node: &Node, look: impl FnOnce(&mut Driver) -> T) -> T {
    look(lock(&node.shared().driver).as_mut().expect("no threads"))
}

/// Lets a driver go idle, and forget how much it watched.
fn settle(node: &Node) {
    with_driver(node, |driver| {
        driver.prepare_to_sleep();
        driver.sleeper().wake_up();
        driver.most_watched = 0;
    });
}

/// Drives `home` on a thread of its own, and `guest` here until `work` is done.
fn drive_both<T>(home: &Node, guest: &Node, work: impl Future<Output = T>) -> T {
    let (stop, stopped) = oneshot::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(|| home.run_until(stopped));
        let done = guest.run_until(work);
        drop(stop);
        done
    })
}

// Goal: idle urings are looked at by neither side. Method: after asks to many actors, both drivers go idle; then all asks
// go to one more, and no pass of either side watches more than the one uring.
#[test]
fn a_pass_looks_at_nothing_idle() {
    let dir = TempDir::new();
    let node = |name| Node::attach(dir.config(name).workers(Workers::Caller)).unwrap();
    let (home, guest) = (node("home"), node("guest"));
    let named = |number: u64| home.actor(Mute).name(format!("mute-{number}")).spawn();
    let _mutes: Vec<_> = (0..=IDLE).map(|number| named(number).unwrap()).collect();
    let mut open = Vec::new();
    let one: Addr<Mute> = drive_both(&home, &guest, async {
        for number in 0..IDLE {
            let mute: Addr<Mute> = guest.lookup(format!("mute-{number}")).await.unwrap();
            mute.ask(1).await.unwrap();
            open.push(mute);
        }
        guest.lookup(format!("mute-{IDLE}")).await.unwrap()
    });
    settle(&home);
    settle(&guest);
    drive_both(&home, &guest, async {
        for _ in 0..ASKS {
            one.ask(1).await.unwrap();
        }
    });
    for node in [&home, &guest] {
        assert_eq!(with_driver(node, |driver| driver.most_watched), 1);
    }
}

// Goal: what an actor of this node has handled is counted when the ask that it answered is over, though no pass came between.
#[test]
fn what_is_handled_between_passes_is_counted() {
    let dir = TempDir::new();
    let node = Node::attach(dir.config("counts").workers(Workers::Caller)).unwrap();
    let mute = node.spawn(Mute).unwrap();
    for asked in 1..=3 {
        node.run_until(async { mute.ask(asked).await.unwrap() });
        assert_eq!(node.shared().core().counted(Counter::Handled), asked);
    }
}

/// Never comes to the end of a handler.
#[derive(Actor)]
#[actor(handles(u64))]
struct Silent;

impl Handler<u64> for Silent {
    async fn handle(&mut self, _number: u64, _cx: &mut Context<Self>) {
        std::future::pending().await
    }
}

/// Asks one who is silent, and tells how long it waited.
#[derive(Actor)]
#[actor(handles(u32))]
struct Patient {
    silent: Addr<Silent>,
    waited: Sender<Duration>,
}

async fn wait_for(silent: &Addr<Silent>) -> Duration {
    match silent.ask(1_u64).deadline(Duration::from_secs(1)).await {
        Err(AskError::Deadline { waited }) => waited,
        other => panic!("{other:?}"),
    }
}

impl Handler<u32> for Patient {
    async fn handle(&mut self, _number: u32, _cx: &mut Context<Self>) {
        self.waited.send(wait_for(&self.silent).await).unwrap();
    }
}

// Goal: a deadline that was left to the only worker is kept, the driven future's and an actor's, with nothing else going on.
#[test]
fn deadlines_of_a_quiet_node_are_kept() {
    let (waited, waits) = channel();
    thread::spawn(move || {
        let dir = TempDir::new();
        let config = NodeConfig::on("quiet").directory(dir.path());
        let node = Node::attach(config.workers(Workers::Caller)).unwrap();
        let silent = node.spawn(Silent).unwrap();
        let patient = Patient {
            silent: silent.clone(),
            waited: waited.clone(),
        };
        let patient = node.spawn(patient).unwrap();
        node.run_until(async {
            patient.ask(1_u32).await.unwrap();
            waited.send(wait_for(&silent).await).unwrap();
        });
    });
    for _ in 0..2 {
        let waited = waits.recv_timeout(Duration::from_secs(120)).unwrap();
        assert!(waited >= Duration::from_secs(1), "{waited:?}");
    }
}
