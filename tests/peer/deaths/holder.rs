//! A peer that keeps leases and closes its descriptors: it cannot be reached any more, and reads on.

use std::sync::{Arc, Mutex};

use ringway::prelude::*;

use super::{attach, lines, say_line};
use crate::messages::{Bulk, Small, filling, yield_once};

/// Keeps every lease that it is given.
#[derive(Actor)]
#[actor(handles(Small, Bulk))]
struct Holder(Arc<Mutex<Vec<Lease<Bulk>>>>);

impl Handler<Small> for Holder {
    async fn handle(&mut self, small: Small, _cx: &mut Context<Self>) -> u64 {
        say_line(&format!("handled {}", small.number));
        small.number
    }
}

impl Handler<Bulk> for Holder {
    async fn handle(&mut self, bulk: Lease<Bulk>, _cx: &mut Context<Self>) -> u64 {
        let number = bulk.header().number;
        self.0.lock().expect("nobody panics").push(bulk);
        number
    }
}

/// Keeps the driver busy, so that it looks at its lanes all the time and never falls asleep.
#[derive(Actor, Default)]
#[actor(handles(Small))]
struct Restless;

impl Handler<Small> for Restless {
    async fn handle(&mut self, _small: Small, _cx: &mut Context<Self>) -> u64 {
        loop {
            yield_once().await;
        }
    }
}

/// Does what the test's lines say, with the leases that its actor was given.
pub(super) fn play(name: &str) {
    let node = attach();
    let held = Arc::<Mutex<Vec<Lease<Bulk>>>>::default();
    let holder = Holder(Arc::clone(&held));
    let _holder = node.actor(holder).name(name).spawn().expect("spawned");
    let restless = node.spawn(Restless).expect("spawned");
    restless.try_tell(Small { number: 0 }).expect("room");
    for line in lines() {
        let mut held = held.lock().expect("nobody panics");
        match line.as_str() {
            "close" => {
                close_all();
                say_line("closed");
            }
            "read" => {
                let is_intact = |bulk: &Lease<Bulk>| {
                    bulk.iter()
                        .all(|byte| *byte == filling(bulk.header().number))
                };
                let intact = held.iter().filter(|bulk| is_intact(bulk)).count();
                say_line(&format!("{intact} of {} intact", held.len()));
            }
            "drop one" => {
                held.remove(0);
                say_line("dropped");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[allow(
    unsafe_code,
    reason = "a process closes descriptors under their owners, as daemonising libraries do"
)]
fn close_all() {
    let open = std::fs::read_dir("/proc/self/fd").expect("procfs");
    let open = open.map(|entry| entry.expect("procfs").file_name());
    let open: Vec<i32> = open
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect();
    // The descriptor of this look is closed by now.
    let is_open = |fd: &i32| std::fs::exists(format!("/proc/self/fd/{fd}")).expect("procfs");
    for fd in open.into_iter().filter(|fd| *fd >= 3 && is_open(fd)) {
        // SAFETY: not sound for the owners of the descriptors, whose calls fail from now on: this is the scene.
        unsafe { rustix::io::close(fd) };
    }
}
