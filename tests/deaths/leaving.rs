//! Nodes leave the bus in any order: what was sent arrives or comes back, never both, and the directory is left clean.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, channel};

use ringway::prelude::*;

use crate::helper::sockets;
use crate::messages::{Bulk, Mark, Record, Sink, Small, bulk, filling};
use crate::support::{Bus, watch};

fn sink(node: &Node, name: &str) -> (Addr<Sink>, Receiver<Record>) {
    let (log, records) = channel();
    let sink = Sink::keeping(0, move |record| log.send(record).unwrap_or_default());
    (node.actor(sink).name(name).spawn().unwrap(), records)
}

fn look_up(node: &Node, name: &str) -> Addr<Sink> {
    let found: Addr<Sink> = node.lookup(name).within(secs(100)).wait().unwrap();
    found.pinned()
}

/// The numbers that were handled to the end, in order; each began once.
fn handled(records: &Receiver<Record>) -> Vec<u64> {
    let (mut began, mut ended) = (HashSet::new(), Vec::new());
    while let Ok(record) = records.try_recv() {
        match record.mark {
            Mark::Began => assert!(began.insert(record.number), "{record:?} came twice"),
            Mark::Ended => ended.push(record.number),
            Mark::Spoilt => panic!("{record:?}"),
        }
    }
    ended
}

// Goal: a sender that leaves right after its last `Ok` has sent all, and gets nothing back that arrives.
#[test]
fn sender_that_leaves_has_sent_all() {
    let _watchdog = watch();
    let bus = Bus::new("sender-leaves");
    for count in [1, 2, 50, 128, 300] {
        let (receiver, sender) = (bus.attach("receiver"), bus.attach("sender"));
        let (own, records) = sink(&receiver, "sink");
        let addr = look_up(&sender, "sink");
        let (mut smalls, mut bulks) = (addr.undelivered::<Small>(), addr.undelivered::<Bulk>());
        for number in 0..count {
            if number % 2 == 0 {
                addr.tell(Small { number }).wait().unwrap();
            } else {
                addr.tell(bulk(&addr, number, 100)).wait().unwrap();
            }
        }
        sender.detach();

        assert!(matches!(
            addr.try_tell(Small { number: 0 }),
            Err(SendError::Ended { .. })
        ));
        assert_eq!(block_on(addr.closed()), ExitReason::Shutdown);
        let returned = block_on(async { (smalls.next().await, bulks.next().await) });
        assert!(matches!(returned, (None, None)), "{returned:?}");
        let last = own.ask(Small { number: count }).wait().unwrap();
        assert_eq!(last, count);
        let mut arrived = handled(&records);
        while (arrived.len() as u64) < count + 1 {
            let Record { mark, number } = records.recv().unwrap();
            match mark {
                Mark::Ended => arrived.push(number),
                Mark::Began => {}
                Mark::Spoilt => panic!("{number}"),
            }
        }
        arrived.retain(|number| *number != count);
        assert_eq!(arrived, (0..count).collect::<Vec<_>>());
        receiver.detach();
        assert_eq!(sockets(&bus), Vec::<String>::new());
    }
}

// Goal: a receiver that leaves while it is asked: each ask is answered, or says whether its handler had begun.
#[test]
fn receiver_that_leaves_answers_or_says_why_not() {
    let _watchdog = watch();
    let bus = Bus::new("receiver-leaves");
    for round in 0..20 {
        let (receiver, sender) = (bus.attach("receiver"), bus.attach("sender"));
        let (_own, records) = sink(&receiver, "sink");
        let addr = look_up(&sender, "sink");
        let asks: Vec<_> = (0..200).map(|number| addr.ask(Small { number })).collect();
        let answers = std::thread::scope(|scope| {
            let asking = scope.spawn(|| block_on(futures::future::join_all(asks)));
            while records.try_recv().is_err() {
                std::hint::spin_loop();
            }
            for _ in 0..round * 1000 {
                std::hint::spin_loop();
            }
            receiver.detach();
            asking.join().unwrap()
        });
        let handled: HashSet<u64> = handled(&records).into_iter().collect();
        for (number, answer) in (0..).zip(answers) {
            match answer {
                // The log's first records were read above, to wait for them.
                Ok(reply) => assert!(reply == number && (handled.contains(&number) || number == 0)),
                Err(AskError::Died {
                    taken: false,
                    message,
                    ..
                }) => {
                    assert_eq!(message.unwrap().number, number);
                    assert!(!handled.contains(&number));
                }
                Err(AskError::Unsent(SendError::Ended { message, .. })) => {
                    assert_eq!(message.number, number);
                    assert!(!handled.contains(&number));
                }
                other => panic!("{number}: {other:?}"),
            }
        }
        assert_eq!(addr.clone(), addr);
        assert!(block_on(addr.ask(Small { number: 0 })).is_err());
        assert_eq!(block_on(addr.closed()), ExitReason::Shutdown);
        sender.detach();
        assert_eq!(sockets(&bus), Vec::<String>::new());
    }
}

// Goal: a lease outlives the node that lent it, and the node that borrowed it; its bytes do not change.
#[test]
fn lease_outlives_both_nodes() {
    let _watchdog = watch();
    let bus = Bus::new("lease-outlives");
    let (receiver, sender) = (bus.attach("receiver"), bus.attach("sender"));
    let (leases, held) = channel();
    let _keeper = receiver
        .actor(Keeper(leases))
        .name("keeper")
        .spawn()
        .unwrap();
    let addr: Recipient<Bulk> = sender.lookup("keeper").within(secs(100)).wait().unwrap();
    let mut loan = addr.loan(5000).unwrap();
    loan.header_mut().number = 77;
    loan.fill(filling(77));
    addr.tell(loan).wait().unwrap();
    let lease = held.recv().unwrap();
    sender.detach();
    for _ in 0..100 {
        let mut block = sender.heap().allocate(5000 + 64).unwrap();
        block.bytes_mut().fill(0xEE);
    }
    assert!(lease.iter().all(|byte| *byte == filling(77)));
    receiver.detach();
    drop((sender, addr, receiver));
    assert!(lease.iter().all(|byte| *byte == filling(77)));
    drop(lease);
    assert_eq!(sockets(&bus), Vec::<String>::new());
}

/// Hands its leases out.
#[derive(Actor)]
#[actor(handles(Bulk))]
struct Keeper(std::sync::mpsc::Sender<Lease<Bulk>>);

impl Handler<Bulk> for Keeper {
    async fn handle(&mut self, bulk: Lease<Bulk>, _cx: &mut Context<Self>) -> u64 {
        let number = bulk.header().number;
        self.0.send(bulk).unwrap();
        number
    }
}

// Goal: three nodes that talk in a circle leave in every order; who remains talks on, and the last leaves nothing.
#[test]
fn nodes_leave_in_any_order() {
    let _watchdog = watch();
    let bus = Bus::new("any-order");
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let names = ["a", "b", "c"];
        let nodes = names.map(|name| bus.attach(name));
        let sinks: Vec<_> = nodes
            .iter()
            .zip(names)
            .map(|(node, name)| sink(node, name))
            .collect();
        let addrs: Vec<Vec<Addr<Sink>>> = nodes
            .iter()
            .map(|node| names.map(|name| look_up(node, name)).into())
            .collect();
        let mut here: Vec<usize> = order.into();
        for leaves in order {
            for (from, to) in here
                .iter()
                .flat_map(|from| here.iter().map(move |to| (*from, *to)))
            {
                let number = (from * 3 + to) as u64;
                assert_eq!(
                    addrs[from][to].ask(Small { number }).wait().unwrap(),
                    number
                );
                addrs[from][to]
                    .tell(bulk(&addrs[from][to], number, 200))
                    .wait()
                    .unwrap();
            }
            nodes[leaves].detach();
            here.retain(|node| *node != leaves);
            for from in &here {
                assert_eq!(
                    block_on(addrs[*from][leaves].closed()),
                    ExitReason::Shutdown
                );
            }
            assert_eq!(sockets(&bus).len(), here.len());
        }
        drop(sinks);
    }
}
