//! SIGKILL of either side, with messages at every point of their way: the accounts of who is left balance.

use std::io::{Read, Write};

use futures::future::join_all;
use ringway::prelude::*;

use crate::helper::{Helper, wait_until};
use crate::support::{Bus, watch};
use crate::worker::{HOLD, Job, PASS, Record, Worker, Yard};
use crate::{fates, settled};

/// Processes killed.
const TIMES: u64 = 20;

// Goal: the receiver's process is killed. Method: some messages are handled, one is in hand, others are queued; and it happens in the
// middle of a flood, at no certain point.
#[test]
fn receivers() {
    let _dog = watch();
    let bus = Bus::new("accounts-killed");
    let node = bus.attach("sender");
    let mut known = [0; 4];
    for time in 0..TIMES {
        let mut helper = Helper::start(&bus, &["yard"]);
        let (mut input, mut output) = (helper.take_input(), helper.take_output());
        let name = format!("worker-{time}");
        writeln!(input, "once {name} 50").unwrap();
        let worker: Addr<Worker> = node.lookup(name).within(secs(100)).wait().unwrap();
        let worker = worker.pinned();
        for number in 0..10 {
            worker.tell(Job { number, what: PASS }).wait().unwrap();
            worker.ask(Job { number, what: PASS }).wait().unwrap();
        }
        if time.is_multiple_of(2) {
            let log = std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
            let flood = std::thread::spawn({
                let worker = worker.clone();
                let job = Job {
                    number: 0,
                    what: PASS,
                };
                move || while worker.tell(job).wait().is_ok() {}
            });
            for _ in 0..time * 50 {
                std::thread::yield_now();
            }
            helper.kill();
            flood.join().unwrap();
            log.join().unwrap().unwrap();
        } else {
            let mut asks = Vec::new();
            block_on(async {
                worker
                    .tell(Job {
                        number: 10,
                        what: HOLD,
                    })
                    .await
                    .unwrap();
                for number in 11..20 {
                    worker.tell(Job { number, what: PASS }).await.unwrap();
                    asks.push(worker.ask(Job { number, what: PASS }).deadline(secs(100)));
                }
                for ask in &mut asks {
                    assert!(futures::poll!(ask).is_pending());
                }
                let mut record = [0; Record::LEN];
                while record[..8] != [10, 0, 0, 0, 0, 0, 0, 0] {
                    output.read_exact(&mut record).unwrap();
                }
                helper.kill();
                for answer in join_all(asks).await {
                    answer.unwrap_err();
                }
            });
        }
        block_on(worker.closed());
        let accounts = settled(&node);
        let now = fates(&accounts);
        if !time.is_multiple_of(2) {
            let more: Vec<_> = now
                .iter()
                .zip(known)
                .map(|(now, known)| now - known)
                .collect();
            // Handled; queued behind the one in hand; and that one.
            assert_eq!(more, [39, 20, 18, 1], "{accounts:?}");
        }
        known = now;
    }
}

// Goal: the sender's process is killed, with messages queued, in hand and answered: all that was accepted is taken, and ends.
#[test]
fn senders() {
    let _dog = watch();
    let bus = Bus::new("accounts-senders");
    let home = bus.attach("home");
    let yard = Yard::new(&home, std::sync::Arc::new(|_| ()));
    for (scene, taken) in [
        ("queued_at_sender", 2),
        ("queued_at_receiver", 3),
        ("being_handled_tell", 1),
        ("being_handled_ask", 1),
        ("replied", 0),
    ] {
        for time in 0..TIMES / 5 {
            let before = settled(&home);
            let name = format!("{scene}-{time}");
            yard.obey(&format!(
                "once {name} {}",
                if scene == "queued_at_sender" { 1 } else { 50 }
            ));
            let mut sender = Helper::start(&bus, &["sender-of", scene, "normal", &name]);
            sender.take_output().read_exact(&mut [0]).unwrap();
            sender.kill();
            wait_until(|| home.peers().is_empty());
            yard.obey(&format!("open {name} {PASS}"));
            wait_until(|| home.accounts().taken >= before.taken + taken);
            let worker: Addr<Worker> = home.lookup(name.as_str()).wait().unwrap();
            yard.obey(&format!("end {name}"));
            block_on(worker.closed());
            let after = settled(&home);
            let is_more = after.taken - before.taken;
            match scene {
                // One or two, by when the first was answered.
                "replied" => assert!((1..=2).contains(&is_more), "{is_more}"),
                _ => assert_eq!(is_more, taken, "{scene}"),
            }
            assert_eq!(after.dead_letters, 0);
        }
    }
}

// Goal: what a dead sender has left in the queue of an actor that ends is a dead letter.
#[test]
fn what_the_dead_leave_to_the_dying() {
    let _dog = watch();
    let bus = Bus::new("accounts-left");
    let home = bus.attach("home");
    let yard = Yard::new(&home, std::sync::Arc::new(|_| ()));
    yard.obey("once worker 50");
    let mut sender = Helper::start(
        &bus,
        &["sender-of", "queued_at_receiver", "normal", "worker"],
    );
    sender.take_output().read_exact(&mut [0]).unwrap();
    wait_until(|| home.accounts().in_handling == 1);
    sender.kill();
    wait_until(|| home.peers().is_empty());
    let worker: Addr<Worker> = home.lookup("worker").wait().unwrap();
    worker.kill();
    block_on(worker.closed());
    // What lies in the queue is known to be nobody's once the death is proved.
    wait_until(|| home.accounts().dead_letters > 0);
    let after = settled(&home);
    // One told, and one asked, if that was sent before the death.
    assert!((1..=2).contains(&after.dead_letters), "{after:?}");
    assert_eq!((after.taken, after.panicked), (1 + after.dead_letters, 1));
}
