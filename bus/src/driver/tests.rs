//! What a pass costs: it grows with what happens, not with what is open.

use std::future::Future;
use std::thread;

use futures_channel::oneshot;

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
